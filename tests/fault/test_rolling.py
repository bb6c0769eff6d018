"""Every replica of every service is restarted in turn while clients submit, read and watch: none of them notices."""

import asyncio
import itertools
from contextlib import AsyncExitStack
from functools import partial
from pathlib import Path

import pytest

from intents_client import connect
from tests.fault.load import TIME, Balanced, Load
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
PAIRS = (("edge", "store"), ("validator", "notifier"), ("cache", "processor"))
"""Two services at a time, a replica of each: as two Deployments that are rolled at once."""


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
        balanced = Balanced(shape.session, whole.http)
        load = Load(client, balanced, iter(bodies), lambda one: by_grpc.ended([one]))
        users = [asyncio.create_task(user()) for user in (load.by_grpc, load.by_http)]
        await eventually(lambda: len(load.accepted) >= 4, TIME)

        async def roll(name: str) -> None:
            for which, process in enumerate(whole.processes[name]):
                load.during.add(f"{name} {which}")
                before = len(load.accepted)
                if name == "edge":
                    balanced.out.add(whole.http[which])
                assert await process.stop() == 0, f"{name} did not end by itself"
                await process.start()
                balanced.out.discard(whole.http[which] if name == "edge" else "")
                # work goes on, and over this one too: only then comes the other's turn
                await eventually(partial(load.past, before), TIME)
                if name != "processor":  # which nobody calls
                    await eventually(partial(whole.calls, name, which), TIME)
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
