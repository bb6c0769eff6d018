"""verify holds roll-ups against the records at their own place in the log, also while stores fold, and repairs them."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest

from services.common.domain.lifecycle import Status
from services.common.domain.statistics import Period, StatisticsQuery
from services.store.ports import Document, Storage
from services.store.rollups.fold import Folder, keeping, positions_of
from services.store.verify.findings import Kind, Repair, Verified
from services.store.verify.run import verify
from tests.contract.test_store_rollups import counts, relayed, some
from tests.unit.store.raw import raw
from tests.unit.store.retaining import retention
from tests.unit.store.support import (
    HandClock,
    claimed,
    created,
    fence_of,
    move,
    moved,
    on,
    opened,
    opened_storage,
    store_url,
)

__all__ = ["store_url"]


@pytest.fixture
async def folded(store_url: str) -> AsyncIterator[Storage]:
    """`some`, folded."""
    async with opened_storage(store_url) as storage:
        await some(on(storage), HandClock())
        await relayed(storage)
        while await Folder(storage).step():
            pass
        yield storage


async def verified(storage: Storage, *, repair: bool = False) -> Verified:
    return await verify(storage, HandClock(), repair=repair, progress=lambda what, count: None)


def found(result: Verified) -> list[tuple[str, Repair]]:
    assert all(one.kind is Kind.ROLLUP for one in result.findings.kept)
    return [(one.where, one.repair) for one in result.findings.kept]


async def change(storage: Storage, key: str, alter: Callable[[Document], Any]) -> None:
    document = dict(
        (await storage.kept("rollups", [key])).get(key, {"_id": key, "revision": 0, "sequences": {}})
    )
    alter(document)
    assert (await storage.run(keeping([document]))) == [True]


async def test_what_was_folded_holds(folded: Storage) -> None:
    result = await verified(folded)
    assert result.rollups is not None and result.rollups > 20
    assert found(result) == []


async def test_what_was_not_folded_yet_is_no_finding(folded: Storage) -> None:
    for number in range(20):
        await created(on(folded), f"late-{number}")
    await relayed(folded)
    assert found(await verified(folded)) == []
    # nor what is in some documents only, as after a folder that died
    document = dict((await folded.kept("rollups", ["total:[]"]))["total:[]"])
    await Folder(folded).step()
    assert document != (await folded.kept("rollups", ["total:[]"]))["total:[]"]
    assert found(await verified(folded)) == []


WRONG: dict[str, tuple[str, Callable[[Document], Any]]] = {
    "a count": ("total:[]", lambda one: one.update(created=4)),
    "a status": ('total:["alice"]', lambda one: one["moved"].update(pending=1)),
    "a volume": ("total:[]", lambda one: one["volumes"][0].__setitem__(2, "7")),
    "an other": ("total:[]", lambda one: one.update(volumesOther=1)),
    "a reason": ("total:[]", lambda one: one["failures"][0].__setitem__(0, "EXPIRED")),
    "a time": ("total:[]", lambda one: one["times"]["completed"][0].__setitem__(0, 399)),
    "a sum": ("total:[]", lambda one: one.update(totalCost="1")),
    "one that nothing counts in": ('total:["carol"]', lambda one: one.update(created=1)),
    "a sequence that is not there yet": ("total:[]", lambda one: one["sequences"].update({"0": 10**6})),
    "one that cannot be read": ("total:[]", lambda one: one.update(moved=7)),
    "a position that is not there yet": ("position:1", lambda one: one.update(sequence=10**6)),
}


@pytest.mark.parametrize("name", WRONG)
async def test_what_differs_is_found_and_repaired(folded: Storage, name: str) -> None:
    key, alter = WRONG[name]
    await change(folded, key, alter)
    assert found(await verified(folded)) == [(key, Repair.POSSIBLE)]
    assert found(await verified(folded, repair=True)) == [(key, Repair.DONE)]
    assert found(await verified(folded)) == []
    await counts_right(folded)


async def test_what_is_missing_is_found_and_repaired(folded: Storage, store_url: str) -> None:
    keys = sorted(one["_id"] for one in await folded.kept_between("rollups", "", "\x7f", 100))
    gone = [one for one in keys if not one.startswith("position:")][::2]
    with raw(store_url) as behind:
        for key in gone:
            behind.remove_kept("rollups", key)
    assert found(await verified(folded)) == [(key, Repair.POSSIBLE) for key in gone]
    assert found(await verified(folded, repair=True)) == [(key, Repair.DONE) for key in gone]
    assert found(await verified(folded)) == []
    await counts_right(folded)


async def counts_right(storage: Storage) -> None:
    """Also of what comes after a repair."""
    await created(on(storage), "after")
    await relayed(storage)
    answer = await on(storage).statistics(StatisticsQuery(period=Period.DAY))
    assert answer.counts == counts(pending=3, completed=2, failed=1)
    assert answer.totals is not None and (answer.totals.created, answer.totals.completed) == (6, 2)
    alice = await on(storage).statistics(StatisticsQuery(principal="alice"))
    assert alice.counts == counts(pending=1, completed=2, failed=1)


async def test_while_stores_fold_nothing_is_found_that_is_not_there(store_url: str) -> None:
    async with opened(store_url, rollup_interval_ms=10) as made, opened_storage(store_url) as storage:
        done = asyncio.Event()

        async def work(make: Callable[[int], Awaitable[Any]]) -> None:
            number = 0
            while not done.is_set():
                number += 1
                await make(number)

        async def live(number: int) -> None:
            await created(made.store, f"i-{number}")
            claim = await claimed(made.store)
            await moved(made.store, move(claim, Status.VERIFIED, fence=fence_of(claim)))
            await made.store.statistics(StatisticsQuery())

        working = asyncio.create_task(work(live))
        try:
            for _ in range(5):
                result = await verified(storage)
                assert [one.message for one in result.findings.kept] == []
        finally:
            done.set()
            await working
        assert result.rollups


async def test_where_the_log_was_cut_the_records_tell(store_url: str, tmp_path: Path) -> None:
    """Also where the roll-ups are lost with their positions: they are made from the records, and folding goes on."""
    clock = HandClock()
    async with opened_storage(store_url) as storage:
        await some(on(storage, clock), clock)
        await relayed(storage)
        while await Folder(storage).step():
            pass
        clock.advance(days=9)
        assert await retention(storage, tmp_path / "archive", clock=clock).once() > 4
        assert found(await verified(storage)) == []
        await created(on(storage, clock), "late")
        await relayed(storage)
        assert found(await verified(storage)) == []
        keys = [one["_id"] for one in await storage.kept_between("rollups", "", "\x7f", 100)]
        with raw(store_url) as behind:
            for key in keys:
                behind.remove_kept("rollups", key)
        while await Folder(storage).step():
            pass
        positions, floors = await positions_of(storage), await storage.floors()
        assert any(floors) and not any(positions[one][0] for one, floor in enumerate(floors) if floor), (
            "what was dropped is missing: nothing after it counts"
        )
        lost = found(await verified(storage))
        assert {repair for _, repair in lost} == {Repair.POSSIBLE} and ("total:[]", Repair.POSSIBLE) in lost
        assert {repair for _, repair in found(await verified(storage, repair=True))} == {Repair.DONE}
        assert found(await verified(storage)) == []
        answer = await on(storage, clock).statistics(StatisticsQuery(period=Period.DAY))
    assert answer.counts == counts(pending=3, completed=2, failed=1)
    assert answer.totals is not None and (answer.totals.created, answer.totals.completed) == (6, 2)
