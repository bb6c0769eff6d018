"""A thousand signed intents at once: all end well, watched without loss or double, and the three truths agree."""

import asyncio
from collections.abc import Sequence
from typing import Any

import pytest

from intents_client import Client, IntentsError, connect
from services.common.domain.lifecycle import Status
from tests.harness import shapes, watchers
from tests.harness.shapes import Shape
from tests.harness.signing import Wallet, to_proto
from tests.harness.wait import eventually
from tests.harness.watchers import WAY

COUNT = 1_000
BATCH = 100
TIME = 150.0


async def hand_in(client: Client, bodies: Sequence[dict[str, Any]], lanes: int = 4) -> None:
    """Batches of BATCH, so many at a time."""
    gate = asyncio.Semaphore(lanes)

    async def one(part: Sequence[dict[str, Any]]) -> None:
        async with gate:
            outcomes = await client.submit_many([to_proto(body) for body in part])
        refused = [outcome for outcome in outcomes if isinstance(outcome, IntentsError)]
        assert refused == []
        assert [outcome.intent_id for outcome in outcomes] == [body["id"] for body in part]  # type: ignore[union-attr]

    await asyncio.gather(*(one(bodies[start : start + BATCH]) for start in range(0, len(bodies), BATCH)))


@pytest.mark.timeout(240)
async def test_a_thousand_intents_complete_and_the_three_truths_agree(shape: Shape) -> None:
    if shape.name == "processes":
        shapes.need_fast_database("a thousand intents")
    wallets = [Wallet() for _ in range(10)]
    bodies = [wallets[number % 10].sign_plain() for number in range(COUNT)]
    ids = [body["id"] for body in bodies]
    async with connect(shape.target, deadline=60) as client, watchers.grpc_watch(client, ids) as seen:
        await hand_in(client, bodies)
        await eventually(lambda: seen.ended(ids), TIME)
    truths = await shape.agree(ids)
    assert {record.status for record in truths.records.values()} == {Status.COMPLETED}
    assert len(truths.records) == COUNT
    assert seen.faults == []
    assert all(told[-1] == WAY[-1] for told in seen.told.values()) and len(seen.told) == COUNT
