"""P2 at every suspension: killed wherever it waits, a processor and the next one leave one effect and the right end."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from services.common.domain.lifecycle import Status
from services.common.observe import Observe
from services.common.observe.metrics import new_registry
from services.processor.app import assemble
from services.processor.config import WorkSettings
from tests.harness.wait import eventually
from tests.unit.processor.mortal import Life, living
from tests.unit.processor.support import Stage, proven, signer, stage

SHARDS = 3
"""The places are divided among so many tests, which the suite runs side by side."""


@asynccontextmanager
async def processor(play: Stage, life: Life, *, key: int = 0) -> AsyncIterator[None]:
    made = assemble(
        WorkSettings(poll_ms=500, lease_ms=30_000),
        store=life.port(play.store),
        validator=life.port(play.validator),
        chain=life.port(play.chain),
        signers=[signer(key)],
        holder=f"replica-{key}",
        clock=play.clock,
        observe=Observe(service="processor", registry=new_registry(process=False)),
    )

    async def work() -> None:
        async with asyncio.TaskGroup() as parts:
            for part in (made.worker.run, *made.beside):
                parts.create_task(part())

    async with living(life, work()):
        yield
    await made.batches.aclose()


async def one_life(play: Stage, intent_id: str, life: Life) -> None:
    """Until it is killed, or the intent has ended."""

    async def over() -> bool:
        return life.dead or (await play.record(intent_id)).terminal

    async with processor(play, life):
        await eventually(over)


async def killed_at(
    folder: Path, at: int, *, applied: bool, solver_fails: int = 0, taken_over: bool = False
) -> Life:
    """An intent's way with a death at suspension `at`, checked at its end; the life tells whether it came to that."""
    life = Life(at, applied=applied)
    async with stage(folder) as play:
        play.chain.solver_fails = solver_fails
        (intent_id,) = await play.accept()
        await one_life(play, intent_id, life)
        if taken_over:
            play.clock.advance(seconds=31)
        async with processor(play, Life(), key=int(taken_over)):
            (record,) = await play.ended(intent_id)
        where = f"killed at {at}, {life.places[-1]}, calls under way {'applied' if applied else 'lost'}"
        assert record.status is Status.COMPLETED, where
        told = [event.status for event in record.history]
        assert told == ["pending", "verified", "executing", "completed"], where
        once = {("verify_signed_intent", intent_id): 1, ("solve_intent", intent_id): 1}
        assert play.chain.effects == once, where
        assert len(play.chain.included) == 2 + solver_fails, (
            f"{where}: a transaction was signed beside a good one"
        )
        proven(record)
        known = [tx.hash for tx in record.transactions]
        assert set(play.chain.included) <= set(known) and len(set(known)) == len(known), where
    return life


async def everywhere(folder: Path, shard: int, **how: int) -> int:
    """Deaths at each place of a shard, with what was under way lost and, where anything was, applied."""
    at, deaths = shard, 0
    while True:
        life = await killed_at(folder / f"{at}", at, applied=False, **how)  # type: ignore[arg-type]
        if not life.dead:
            return deaths
        deaths += 1
        if life.under_way:
            await killed_at(folder / f"{at}-applied", at, applied=True, **how)  # type: ignore[arg-type]
            deaths += 1
        at += SHARDS


async def test_the_places_are_those_of_the_whole_way(tmp_path: Path) -> None:
    """Guards the instrument: it sees the batches, the lane, the following and the leases."""
    life = Life()
    async with stage(tmp_path) as play:
        (intent_id,) = await play.accept()
        await one_life(play, intent_id, life)
    seen = {place.partition(":")[0] for place in life.places}
    assert {
        "processor/worker.py",
        "processor/lane.py",
        "processor/follow.py",
        "common/rpc/coalesce.py",
    } <= seen
    assert len(life.places) > len(set(life.places)) > 20, life.places


@pytest.mark.parametrize("shard", range(SHARDS))
async def test_p02_killed_wherever_it_waits_an_intent_has_one_effect(tmp_path: Path, shard: int) -> None:
    assert await everywhere(tmp_path, shard) > 1


@pytest.mark.parametrize("shard", range(SHARDS))
async def test_p02_killed_wherever_it_waits_another_replica_takes_over(tmp_path: Path, shard: int) -> None:
    assert await everywhere(tmp_path, shard, taken_over=True) > 1


@pytest.mark.parametrize("shard", range(SHARDS))
async def test_p02_killed_wherever_it_waits_while_a_solver_fails_first(tmp_path: Path, shard: int) -> None:
    assert await everywhere(tmp_path, shard, solver_fails=1) > 1
