"""Every replica of every service is restarted in turn while clients submit, read and watch: none of them notices."""

import asyncio
import itertools
from collections import Counter
from collections.abc import Awaitable, Callable, Iterator
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from intents_client import Client, IntentsError, connect
from intents_client.plain import submission_from_body
from tests.harness import watchers
from tests.harness.replicas import REPLICATED, replicas
from tests.harness.signing import Wallet
from tests.harness.wait import eventually
from tests.harness.watchers import WAY, Seen

# beside the tests on the other cluster of this worker, not beside those of another worker
pytestmark = pytest.mark.xdist_group("cluster")

INTENTS = 160
"""Signed beforehand and watched from the start; as many are handed in as the restarts take time for."""
BY_SSE = 16
TIME = 45.0
PAIRS = (("edge", "store"), ("validator", "notifier"), ("cache", "processor"))
"""Two services at a time, a replica of each: as two Deployments that are rolled at once."""


@dataclass(slots=True)
class Load:
    """Clients who count what they asked and note every call that failed."""

    client: Client
    bodies: Iterator[dict[str, Any]]
    accepted: list[str] = field(default_factory=list)
    calls: Counter[str] = field(default_factory=Counter)
    failed: list[str] = field(default_factory=list)
    over: bool = False
    during: set[str] = field(default_factory=set)

    async def call(self, name: str, made: Awaitable[Any]) -> Any:
        self.calls[name] += 1
        try:
            return await made
        except IntentsError as error:
            self.failed.append(f"{name} while {self.during} restart: {error!r}")
            return None

    def past(self, count: int) -> bool:
        return len(self.accepted) > count

    async def user(self, ended: Callable[[str], bool]) -> None:
        """Hands in one after another, each when the one before it has ended, and looks at it meanwhile."""
        while not self.over and (body := next(self.bodies, None)) is not None:
            receipt = await self.call("submit", self.client.submit(submission_from_body(body)))
            if receipt is None:
                continue
            self.accepted.append(receipt.intent_id)
            async with asyncio.timeout(TIME):
                while not ended(receipt.intent_id):
                    await self.call("status", self.client.status(receipt.intent_id, min_version=1))
                    await self.call("get", self.client.get(receipt.intent_id))
                    await asyncio.sleep(0.15)  # the pace of a client that looks now and then


@pytest.mark.timeout(120)
async def test_p12_rolling_restarts_are_invisible(tmp_path: Path) -> None:
    assert sorted(itertools.chain(*PAIRS)) == sorted(REPLICATED)
    wallet = Wallet()
    bodies = [wallet.sign_plain() for _ in range(INTENTS)]
    ids = [body["id"] for body in bodies]
    by_sse_ids = ids[:: INTENTS // BY_SSE]
    async with AsyncExitStack() as stack:
        whole = await stack.enter_async_context(replicas(tmp_path))
        shape = whole.shape
        client = await stack.enter_async_context(connect(shape.target))
        by_grpc = await stack.enter_async_context(watchers.grpc_watch(client, ids))
        edges = itertools.cycle(whole.http)
        by_sse = await stack.enter_async_context(
            watchers.sse_watch(shape.session, lambda: next(edges), by_sse_ids)
        )
        load = Load(client, iter(bodies))

        def ended(one: str) -> bool:
            return by_grpc.ended([one])

        users = [asyncio.create_task(load.user(ended)) for _ in range(2)]
        await eventually(lambda: len(load.accepted) >= 4, TIME)

        async def roll(name: str) -> None:
            for which, process in enumerate(whole.processes[name]):
                load.during.add(f"{name} {which}")
                before = len(load.accepted)
                assert await process.stop() == 0, f"{name} did not end by itself"
                await process.start()
                # work goes on over each
                await eventually(partial(load.past, before), TIME)
                load.during.remove(f"{name} {which}")

        for pair in PAIRS:
            await asyncio.gather(*map(roll, pair))
        load.over = True
        await asyncio.gather(*users)
        accepted = load.accepted
        await eventually(lambda: by_grpc.ended(accepted), TIME)
        watched = [one for one in by_sse_ids if one in accepted]
        await eventually(lambda: by_sse.ended(watched), TIME)
        await shape.agree(accepted)
    assert load.failed == [], f"{len(load.failed)} of {dict(load.calls)}: {load.failed[:10]}"
    complete(by_grpc, accepted)
    complete(by_sse, watched)


def complete(seen: Seen, ids: list[str]) -> None:
    """Every version, none doubled or out of order; what came while it was away may stand in one message."""
    assert seen.faults == []
    assert ids
    for intent_id in ids:
        told = seen.told[intent_id]
        assert told[-1] == WAY[-1] and set(told) <= set(WAY), (seen.name, intent_id, told)
