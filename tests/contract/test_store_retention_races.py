"""Relays that retention overtakes, and retention that is overtaken itself: on MongoDB, where no transaction helps."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from services.store.relay import Relay
from tests.unit.store.retaining import Cut, CutStorage, archived, counted, kept, nothing_wrong, retention
from tests.unit.store.support import Crash, Dying, HandClock, all_events, new, on, opened_storage, versions

OTHERS = 40


@pytest.fixture
async def mongo(any_mongo: str) -> Any:
    """Storage alone: nothing relays but what the test starts."""
    async with opened_storage(any_mongo) as storage:
        yield storage


def relay_on(outbox: Any) -> Relay:
    return Relay(outbox, HandClock(), partitions=4, poll=0.01, on_events=lambda: None)


async def dying_relay(mongo: Any, last: str) -> Any:
    """i-1 as a relay left it that died after the step `last`; since then others were relayed on all partitions."""
    steps = ("reread", "newest", "number", "append")
    await on(mongo).create([new("i-1")])
    (document,) = await mongo.outbox.waiting(10)
    with pytest.raises(Crash):
        await relay_on(Dying(mongo.outbox, 1 + steps.index(last), after=True)).relay(document)
    (left,) = await mongo.outbox.waiting(10)
    assert left["outbox"][0]["sequence"] == 1
    await on(mongo).create([new(f"o-{number}") for number in range(OTHERS)])
    fresh = relay_on(mongo.outbox)
    for one in await mongo.outbox.waiting(100):
        if one["_id"] != "i-1":
            await fresh.relay(one)
    await counted(mongo)
    return left


async def insert_and_die(mongo: Any, left: Any) -> None:
    """A relay that goes on from there, and dies right after inserting."""
    with pytest.raises(Crash):
        await relay_on(Dying(mongo.outbox, 2, after=True)).relay(left)


def later() -> HandClock:
    clock = HandClock()
    clock.advance(hours=2)
    return clock


async def all_told_once(mongo: Any, folder: Path) -> None:
    held = archived(folder) | await kept(mongo)
    assert len(held) == len({*held.values()}) == 1 + OTHERS
    await nothing_wrong(mongo)


async def test_p05_an_entry_left_behind_by_a_dead_relay_is_not_told_again_once_dropped(
    mongo: Any, tmp_path: Path
) -> None:
    left = await dying_relay(mongo, "append")
    assert versions(await all_events(on(mongo)), "i-1") == [1]
    await retention(mongo, tmp_path, clock=later()).once()
    assert await mongo.outbox.waiting(10) == []
    # one that still has the entry in hand is too late
    await relay_on(mongo.outbox).relay(left)
    await all_told_once(mongo, tmp_path)


async def test_p05_a_relay_overtaken_by_retention_tells_its_event_elsewhere(
    mongo: Any, tmp_path: Path
) -> None:
    """Its number was taken by another's event and that one is dropped: what it inserts there is told to nobody."""
    left = await dying_relay(mongo, "number")
    await retention(mongo, tmp_path, clock=later()).once()
    await insert_and_die(mongo, left)
    assert versions(await all_events(on(mongo)), "i-1") == []
    await nothing_wrong(mongo)
    await relay_on(mongo.outbox).relay(left)
    assert versions(await all_events(on(mongo)), "i-1") == [1]
    await counted(mongo)
    await retention(mongo, tmp_path, clock=later()).once()
    await all_told_once(mongo, tmp_path)


async def test_p05_retention_overtaken_by_another_believes_nothing_below_the_floor(
    mongo: Any, tmp_path: Path
) -> None:
    """It knows an old floor while another drops, and an overtaken relay puts its event into the empty place."""
    left = await dying_relay(mongo, "number")

    class Overtaken(CutStorage):
        passed = False

        async def floors(self) -> Sequence[int]:
            known: Sequence[int] = await self.inner.floors()
            if not self.passed:
                self.passed = True
                await retention(mongo, tmp_path, clock=later()).once()
                await insert_and_die(mongo, left)
            return known

    await retention(Overtaken(mongo, Cut(10_000)), tmp_path, clock=later()).once()
    for one in await mongo.outbox.waiting(10):
        await relay_on(mongo.outbox).relay(one)
    assert versions(await all_events(on(mongo)), "i-1") == [1]
    await all_told_once(mongo, tmp_path)
