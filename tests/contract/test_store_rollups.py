"""Roll-ups on every backend: each event counts once, wherever the fold is cut off and whoever else folds."""

import asyncio
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from services.common.domain.lifecycle import Status
from services.common.domain.statistics import Period, PeriodStatistics, Statistics, StatisticsQuery
from services.common.errors import IntentError, Reason
from services.store.ports import Keep, Storage
from services.store.relay import Relay
from services.store.rollups.fold import Folder
from tests.unit.store.raw import raw
from tests.unit.store.retaining import retention
from tests.unit.store.support import (
    START,
    Bench,
    Crash,
    HandClock,
    bench,
    completed,
    created,
    failure,
    logged,
    moved,
    on,
    opened,
    opened_storage,
    store_url,
)

__all__ = ["bench", "store_url"]


async def some(store: Any, clock: HandClock) -> None:
    """Two days of alice's and bob's: 6 intents, 12 events."""
    await completed(store, "a-1")
    clock.advance(hours=1)
    seen = await created(store, "a-2", user_account="bob.near")
    clock.advance(seconds=10)
    await moved(store, failure(seen))
    clock.advance(days=1)
    await completed(store, "a-3", solver="other.near")
    await created(store, "b-1", principal="bob")
    await created(store, "b-2", principal="bob", user_account="bob.near")


async def relayed(storage: Storage) -> None:
    """What waits in outboxes is in the log."""
    if storage.outbox is None:
        return
    relay = Relay(
        storage.outbox, HandClock(), partitions=storage.meta.partitions, poll=60, on_events=lambda: None
    )
    while waiting := await storage.outbox.waiting(500):
        for document in waiting:
            await relay.relay(document)


def counts(**given: int) -> dict[Status, int]:
    return {status: given.get(status.value, 0) for status in Status}


async def test_statistics_tell_what_happened(bench: Bench) -> None:
    await some(bench.store, bench.clock)
    await logged(bench.store, 12)
    found = await bench.store.statistics(StatisticsQuery(principal="alice"))
    assert found.counts == counts(completed=2, failed=1)
    totals = found.totals
    assert (totals.created, totals.completed, totals.failed) == (3, 2, 1)
    assert totals.completion_rate == 2 / 3
    assert [(one.token, one.intents, one.amount) for one in totals.volumes] == [("USDC", 2, 2 * 10**8)]
    assert (totals.gas_used, totals.total_cost) == (14 * 10**12, 2 * (10**24 + 1))
    assert totals.failures == (("CANCELLED", 1),)
    assert [(one.status, one.count) for one in totals.times] == [
        (Status.VERIFIED, 2), (Status.EXECUTING, 2), (Status.COMPLETED, 2), (Status.FAILED, 1)
    ]  # fmt: skip
    assert totals.times[-1].p99 == pytest.approx(10, rel=0.05)
    assert [(one.solver_id, one.executions, one.success_rate) for one in totals.solvers] == [
        ("other.near", 1, 1.0), ("solver.near", 1, 1.0)
    ]  # fmt: skip
    assert [(one.solver_id, one.executions) for one in found.solvers] == [
        ("other.near", 1),
        ("solver.near", 1),
    ]
    everybody = await bench.store.statistics(StatisticsQuery())
    assert everybody.counts == counts(pending=2, completed=2, failed=1)
    bob = await bench.store.statistics(StatisticsQuery(principal="bob", user_id="bob.near"))
    assert bob.counts == counts(pending=1)
    both = await bench.store.statistics(StatisticsQuery(user_id="bob.near"))
    assert both.counts == counts(pending=1, failed=1)
    assert (both.totals.created, both.totals.failed) == (2, 1)
    nobody = await bench.store.statistics(StatisticsQuery(principal="nobody"))
    assert (nobody.counts, nobody.totals.created, nobody.periods) == (counts(), 0, ())


def told(periods: tuple[PeriodStatistics, ...]) -> list[tuple[Any, int, int, int]]:
    return [
        ((one.start - START) / timedelta(hours=1), one.created, one.completed, one.failed) for one in periods
    ]


async def test_periods_are_whole_hours_and_days(bench: Bench) -> None:
    await some(bench.store, bench.clock)
    await logged(bench.store, 12)

    async def asked(**query: Any) -> Statistics:
        found: Statistics = await bench.store.statistics(StatisticsQuery(**query))
        assert found.counts == counts(pending=2, completed=2, failed=1), "whatever the time asked for"
        return found

    hours = await asked(period=Period.HOUR)
    assert told(hours.periods) == [(0, 1, 1, 0), (1, 1, 0, 1), (25, 3, 1, 0)]
    assert hours.totals is not None and (hours.totals.start, hours.totals.created) == (START, 5)
    days = await asked(period=Period.DAY)
    assert told(days.periods) == [(-12, 2, 1, 1), (12, 3, 1, 0)]
    part = await asked(
        period=Period.HOUR, since=START + timedelta(minutes=70), until=START + timedelta(hours=25)
    )
    assert told(part.periods) == [(1, 1, 0, 1)]
    raised = await asked(period=Period.HOUR, since=START, until=START + timedelta(hours=25, milliseconds=1))
    assert told(raised.periods) == told(hours.periods)
    totals = (await asked(since=START + timedelta(hours=1), until=START + timedelta(days=9))).totals
    assert totals is not None and (totals.start, totals.end) == (
        START + timedelta(hours=1),
        START + timedelta(days=9),
    )
    assert (totals.created, totals.completed, totals.failed) == (4, 1, 1)


@pytest.mark.parametrize(
    "query",
    [
        {"since": START, "until": START},
        {"since": START, "until": START - timedelta(hours=1)},
        {"period": Period.HOUR, "since": START - timedelta(hours=1001), "until": START},
        {"period": Period.DAY, "since": START - timedelta(days=1100)},
        {"until": START.replace(year=1969)},
        {"since": START.replace(year=9999)},
    ],
)
async def test_p10_times_of_which_no_periods_can_be_made(query: dict[str, Any], tmp_path: Any) -> None:
    async with opened(f"sqlite:///{tmp_path}/store.db") as made:
        with pytest.raises(IntentError) as refused:
            await made.store.statistics(StatisticsQuery(**query))
        assert refused.value.reason is Reason.INVALID_FIELD
        assert refused.value.message.startswith(("since ", "until "))


async def whole(storage: Storage) -> list[dict[str, Any]]:
    """Every roll-up, without how often it was written."""
    found = await storage.kept_between("rollups", "", "\x7f", 10_000)
    return [{name: value for name, value in one.items() if name != "revision"} for one in found]


async def test_each_event_counts_once_wherever_the_fold_is_cut_off(store_url: str) -> None:
    """Each process dies after a single write; the next folds on, and in the end all is as if none had died."""
    async with opened_storage(store_url) as storage:
        clock = HandClock()
        await some(on(storage, clock), clock)
        await relayed(storage)
        lives = 0
        while True:
            lives += 1
            assert lives < 500, "writes are repeated"
            try:
                while await Folder(Cut(storage), batch=8).step():
                    pass
                break
            except Crash:
                continue
        assert lives > 30
        by_key = {one["_id"]: one for one in await whole(storage)}
        assert [by_key[f"position:{one}"]["sequence"] for one in range(4)] == list(await storage.heads())
    assert_exact(by_key)


def assert_exact(by_key: dict[str, dict[str, Any]]) -> None:
    """What `some` did, in everybody's roll-ups and in alice's."""
    total, alice = by_key["total:[]"], by_key['total:["alice"]']
    assert total["moved"] == {"pending": 2, "completed": 2, "failed": 1}
    assert (total["created"], total["completed"], total["failed"]) == (5, 2, 1)
    assert total["volumes"] == [["USDC", 2, str(2 * 10**8)]]
    assert total["gasUsed"] == str(14 * 10**12)
    assert (alice["created"], alice["completed"], alice["failed"]) == (3, 2, 1)
    for span in ("hour", "day"):
        parts = [one for key, one in by_key.items() if key.startswith(f"{span}:[]")]
        for what in ("created", "completed", "failed"):
            assert sum(one.get(what, 0) for one in parts) == total[what]


class Cut:
    """A storage whose process dies after one document was written."""

    def __init__(self, inner: Storage) -> None:
        self._inner, self._written = inner, False

    def __getattr__(self, name: str) -> Any:
        return getattr(self._inner, name)

    async def run(self, program: Any) -> Any:
        keep = next(program)
        if self._written:
            raise Crash
        self._written = True
        answer = await self._inner.run(_one(Keep(keep.kind, keep.documents[:1])))
        if len(keep.documents) > 1:
            raise Crash
        try:
            program.send(answer)
        except StopIteration as end:
            return end.value


def _one(operation: Any) -> Any:
    return (yield operation)


async def test_folders_that_race_count_each_event_once(store_url: str) -> None:
    async with opened_storage(store_url) as storage, opened_storage(store_url) as other:
        clock = HandClock()
        await some(on(storage, clock), clock)
        await relayed(storage)

        async def fold(on: Storage, batch: int) -> None:
            folder = Folder(on, batch=batch)
            while await folder.step():
                pass

        await asyncio.gather(fold(storage, 4), fold(other, 8), fold(storage, 100), fold(other, 4))
        by_key = {one["_id"]: one for one in await whole(storage)}
    assert_exact(by_key)


async def test_what_lies_below_the_floor_is_never_counted(store_url: str, tmp_path: Path) -> None:
    """A folder that read the positions long ago finds there what a relay that was overtaken left behind."""
    async with opened_storage(store_url) as storage:
        clock = HandClock()
        await some(on(storage, clock), clock)
        await relayed(storage)
        while await Folder(storage).step():
            pass
        before = await whole(storage)
        events = await storage.read_log(dict.fromkeys(range(4), 0), 10)
        clock.advance(days=9)
        assert await retention(storage, tmp_path / "archive", clock=clock).once()
        cut = [one for one, floor in enumerate(await storage.floors()) if floor]
        with raw(store_url) as behind:
            for one in cut:
                behind.put_event(one, 1, {**events[one][0], "intentId": "ghost", "userId": "ghost.near"})
        assert cut and await Folder(Late(storage)).step() < sum(map(len, events.values()))
        assert await whole(storage) == before


class Late:
    """A storage as one saw it before anything was folded."""

    def __init__(self, inner: Storage) -> None:
        self._inner = inner

    def __getattr__(self, name: str) -> Any:
        return getattr(self._inner, name)

    async def kept(self, kind: str, keys: Any) -> Any:
        found = await self._inner.kept(kind, keys)
        return {key: one for key, one in found.items() if not key.startswith("position:")}


async def test_of_many_documents_kept_at_once_each_is_told_apart(store_url: str) -> None:
    async with opened_storage(store_url) as storage:

        async def kept(*documents: tuple[int, int, str]) -> Any:
            return await storage.run(
                _one(
                    Keep(
                        "rollups",
                        [{"_id": f"k-{n}", "revision": seen, "by": by} for n, seen, by in documents],
                    )
                )
            )

        assert await kept(*((number, 0, "first") for number in range(8))) == [True] * 8
        assert await kept((1, 1, "other"), (3, 1, "other")) == [True, True]
        assert await kept((0, 0, "late"), (9, 0, "new"), *((number, 1, "second") for number in range(1, 8))) == [
            False, True, False, True, False, True, True, True, True
        ]  # fmt: skip
        found = await storage.kept("rollups", [f"k-{number}" for number in range(10)])
    assert [(one["by"], one["revision"]) for _, one in sorted(found.items())] == [
        ("first", 1), ("other", 2), ("second", 2), ("other", 2), *[("second", 2)] * 4, ("new", 1)
    ]  # fmt: skip
