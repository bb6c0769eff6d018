"""Redis dies under seven processes with intents on their way and watchers waiting, and comes back empty."""

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from typing import Any

import pytest
from redis.asyncio import Redis

from intents_client import Client, IntentsError, connect
from intents_client.plain import submission_from_body
from tests.harness import watchers
from tests.harness.shapes import Shape
from tests.harness.signing import Wallet
from tests.harness.wait import eventually
from tests.harness.watchers import WAY

pytestmark = pytest.mark.xdist_group("cluster")

PART = 6
"""Intents handed in while Redis is there, as many while it is away, as many when it is back."""
TIME = 30.0


@dataclass(slots=True)
class Calls:
    """Everything asked and everything that failed."""

    made: Counter[str] = field(default_factory=Counter)
    failed: list[str] = field(default_factory=list)

    async def note(self, name: str, call: Awaitable[Any]) -> Any:
        self.made[name] += 1
        try:
            return await call
        except IntentsError as error:
            self.failed.append(f"{name}: {error!r}")
            return None


async def reads(calls: Calls, client: Client, ids: Callable[[], list[str]], over: asyncio.Event) -> None:
    """Asks for statuses and records of what was accepted, again and again, until `over`."""
    while not over.is_set():
        for one in ids():
            await calls.note("status", client.status(one, min_version=1))
            await calls.note("get", client.get(one))
        await asyncio.sleep(0.02)  # the pace of a client that looks now and then


@pytest.mark.timeout(120)
async def test_p07_redis_is_killed_under_everything_and_no_call_fails(shape: Shape) -> None:
    assert shape.cluster is not None
    redis = shape.cluster.processes.get("redis")
    if redis is None:
        pytest.skip("missing: a Redis of our own to kill (REDIS_URL names one that is not)")
    wallet = Wallet()
    bodies = [wallet.sign_plain() for _ in range(3 * PART)]
    ids = [body["id"] for body in bodies]
    calls, over = Calls(), asyncio.Event()
    accepted: list[str] = []
    async with AsyncExitStack() as stack:
        level = await stack.enter_async_context(Redis.from_url(shape.cluster.redis_url))
        client = await stack.enter_async_context(connect(shape.target))
        by_grpc = await stack.enter_async_context(watchers.grpc_watch(client, ids))
        by_sse = await stack.enter_async_context(
            watchers.sse_watch(shape.session, lambda: shape.http, ids[::3])
        )

        async def submit(part: list[dict[str, Any]]) -> None:
            for body in part:
                receipt = await calls.note("submit", client.submit(submission_from_body(body)))
                if receipt is not None:
                    accepted.append(receipt.intent_id)

        reading = asyncio.create_task(reads(calls, client, lambda: list(accepted), over))
        stack.callback(reading.cancel)
        await submit(bodies[:PART])
        assert by_grpc.missing(ids[:PART]), "none is on its way any more"
        await redis.kill9()
        await submit(bodies[PART : 2 * PART])
        # some go their whole way without it
        await eventually(lambda: by_grpc.ended(ids[: 2 * PART]), TIME)
        await redis.start()
        await submit(bodies[2 * PART :])
        await eventually(lambda: by_grpc.ended(ids) and by_sse.ended(ids[::3]), TIME)
        over.set()
        await reading
        # it is used again: the status of what is accepted now is in it
        later = [wallet.sign_plain() for _ in range(40)]

        async def used_again() -> bool:
            await submit([body := later.pop()])
            return bool(await level.exists(f"intent:{body['id']}:status"))

        await eventually(used_again, TIME)
    await shape.agree(accepted)
    assert calls.failed == [], f"{len(calls.failed)} of {dict(calls.made)}: {calls.failed[:10]}"
    assert calls.made["submit"] == len(accepted) > len(ids) and calls.made["status"] > len(ids)
    assert by_grpc.faults == [] and by_sse.faults == []
    for seen, watched in ((by_grpc, ids), (by_sse, ids[::3])):
        for intent_id in watched:
            assert seen.told[intent_id] == WAY, (seen.name, intent_id)
        assert seen.connects in (0, len(watched)), f"{seen.name} had to come back"
