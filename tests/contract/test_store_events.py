"""What every backend of the store promises about the event log."""

import asyncio
import sqlite3
from collections.abc import AsyncIterator
from contextlib import aclosing
from pathlib import Path

import pytest

from services.common.domain.intent import IntentEvent
from services.common.domain.outcomes import EventPage
from services.common.errors import IntentError, Reason
from services.store import log
from services.store.model import decode_cursor, partition_of
from tests.unit.store.support import (
    Bench,
    all_events,
    bench,
    completed,
    created,
    failure,
    logged,
    moved,
    new,
    opened,
    opened_storage,
    record,
    sqlite_url,
    store_url,
    versions,
)

__all__ = ["bench", "store_url"]


async def collect(pages: AsyncIterator[EventPage], count: int) -> list[IntentEvent]:
    events: list[IntentEvent] = []
    async with asyncio.timeout(20):
        async for page in pages:
            events += page.events
            if len(events) >= count:
                break
    return events


async def test_p05_every_page_size_tells_every_event_once(bench: Bench) -> None:
    for number in range(3):
        await completed(bench.store, f"i-{number}")
    everything = await logged(bench.store, 12)
    for limit in (1, 2, 3, 5, 12, 1000):
        events = await all_events(bench.store, limit=limit)
        assert len(events) == 12
        for number in range(3):
            assert versions(events, f"i-{number}") == [1, 2, 3, 4]
    assert sorted((one.intent_id, one.version) for one in everything) == [
        (f"i-{number}", version) for number in range(3) for version in range(1, 5)
    ]


async def test_p05_a_page_is_never_longer_than_asked(bench: Bench) -> None:
    await bench.store.create([new(f"i-{number}") for number in range(30)])
    await logged(bench.store, 30)
    cursor, seen = "", []
    for limit in (7, 3, 1, 9, 500):
        page = await bench.store.list_events(cursor, limit=limit)
        assert len(page.events) <= limit
        seen += [one.intent_id for one in page.events]
        cursor = page.cursor
    assert len(seen) == len(set(seen)) == 30


async def test_p05_sequences_have_no_gap(bench: Bench) -> None:
    await asyncio.gather(*(bench.store.create([new(f"i-{number}")]) for number in range(40)))
    await logged(bench.store, 40)
    cursor = (await bench.store.list_events(tail=True)).cursor
    wanted = [0] * 4
    for number in range(40):
        wanted[partition_of(f"i-{number}", 4)] += 1
    async with opened_storage(bench.url) as storage:
        assert decode_cursor(cursor, storage.meta.store_id, 4) == wanted


async def test_p05_a_watcher_sees_each_version_once_and_live(bench: Bench) -> None:
    async with aclosing(bench.store.watch_events()) as pages:
        first = await anext(pages)
        assert first.events == ()
        await completed(bench.store, "i-1")
        events = await collect(pages, 4)
    assert [one.version for one in events] == [1, 2, 3, 4]


async def test_p05_a_watcher_resumes_from_its_cursor(bench: Bench) -> None:
    cursor = (await bench.store.list_events(tail=True)).cursor
    await created(bench.store, "i-1")
    async with aclosing(bench.store.watch_events(cursor)) as pages:
        async with asyncio.timeout(20):
            page = await anext(pages)
            while not page.events:
                page = await anext(pages)
    await moved(bench.store, failure(await record(bench.store)))
    await logged(bench.store, 2)
    async with aclosing(bench.store.watch_events(page.cursor)) as pages:
        events = await collect(pages, 1)
    assert [(one.intent_id, one.version) for one in events] == [("i-1", 2)]


async def test_p05_a_tail_starts_at_the_newest(bench: Bench) -> None:
    await created(bench.store, "i-1")
    await logged(bench.store, 1)
    async with aclosing(bench.store.watch_events(tail=True)) as pages:
        assert (await anext(pages)).events == ()
        await created(bench.store, "i-2")
        events = await collect(pages, 1)
    assert [one.intent_id for one in events] == ["i-2"]


async def test_p05_what_another_replica_writes_arrives(store_url: str) -> None:
    async with opened(store_url) as here, opened(store_url, here.clock) as there:
        pages = here.store.watch_events()
        await anext(pages)
        await created(there.store, "i-1")
        events = await collect(pages, 1)
    assert [one.intent_id for one in events] == ["i-1"]


async def test_cursors_of_others_are_refused(bench: Bench, tmp_path_factory: pytest.TempPathFactory) -> None:
    good = (await bench.store.list_events(tail=True)).cursor
    async with opened(f"sqlite:///{tmp_path_factory.mktemp('other')}/store.db") as other:
        foreign = (await other.store.list_events(tail=True)).cursor
    for cursor in ("x", "not base64!", good[:-4], good + "AAAA", foreign, "é"):
        # one of another store was good once, and maybe of this one before it was restored: start over
        reason = Reason.CURSOR_EXPIRED if cursor == foreign else Reason.CURSOR_INVALID
        with pytest.raises(IntentError) as error:
            await bench.store.list_events(cursor)
        assert error.value.reason is reason
        with pytest.raises(IntentError) as error:
            await anext(bench.store.watch_events(cursor))
        assert error.value.reason is reason
    with pytest.raises(IntentError) as error:
        await bench.store.list_events(good, limit=1001)
    assert error.value.reason is Reason.BATCH_SIZE


async def test_watchers_are_sent_away_when_the_store_goes(store_url: str) -> None:
    async with opened(store_url) as bench:
        pages = bench.store.watch_events()
        await anext(pages)
        waiting = asyncio.ensure_future(anext(pages))
        await asyncio.sleep(0)
        await bench.store.close()
        with pytest.raises(IntentError) as error:
            await waiting
    assert error.value.reason is Reason.DRAINING


async def test_p05_a_reader_waits_at_a_gap(tmp_path: Path) -> None:
    """A number whose event is still on its way: what lies behind it is not told before it."""
    async with opened(sqlite_url(tmp_path), partitions=1) as bench:
        await bench.store.create([new(f"i-{number}") for number in range(3)])
        with sqlite3.connect(tmp_path / "store.db") as connection:
            (held,) = connection.execute("SELECT document FROM events WHERE sequence = 2").fetchone()
            connection.execute("DELETE FROM events WHERE sequence = 2")
        page = await bench.store.list_events()
        assert [one.intent_id for one in page.events] == ["i-0"]
        with sqlite3.connect(tmp_path / "store.db") as connection:
            connection.execute("INSERT INTO events VALUES (0, 2, ?)", (held,))
        page = await bench.store.list_events(page.cursor)
        assert [one.intent_id for one in page.events] == ["i-1", "i-2"]
        connection.close()


async def test_a_watcher_of_a_quiet_log_is_told_its_position(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(log, "LONGEST_QUIET", 0.05)
    async with asyncio.timeout(20), aclosing(bench.store.watch_events()) as pages:
        first, second, third = [await anext(pages) for _ in range(3)]
        assert not (first.events or second.events or third.events)
        assert first.cursor == second.cursor == third.cursor
        await created(bench.store, "later")
        assert [event.intent_id for event in await collect(pages, 1)] == ["later"]
