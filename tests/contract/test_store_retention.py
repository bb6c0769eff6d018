"""What every backend promises of a log whose beginning is dropped: archived first, and nobody misses it silently."""

import asyncio
from itertools import count
from pathlib import Path
from typing import Any

import pytest

from services.common.errors import IntentError, Reason
from services.store.model import decode_cursor, encode_cursor
from services.store.ports import CannotOpen, Storage
from services.store.retention import files
from services.store.retention.archive import ArchiveRefused, Folder
from services.store.retention.run import Policy
from services.store.rollups.fold import keeping, positions_of
from tests.harness.wait import eventually
from tests.unit.store.retaining import (
    Cut,
    Place,
    archived,
    counted,
    kept,
    nothing_wrong,
    retention,
    written,
)
from tests.unit.store.support import (
    Crash,
    HandClock,
    all_events,
    created,
    failure,
    moved,
    new,
    opened,
    opened_storage,
    settings_for,
    store_url,
)

__all__ = ["store_url"]


async def expired(store: Any, cursor: str) -> str:
    with pytest.raises(IntentError) as listed:
        await store.list_events(cursor)
    with pytest.raises(IntentError) as watched:
        await anext(store.watch_events(cursor))
    assert listed.value.reason is watched.value.reason is Reason.CURSOR_EXPIRED
    assert listed.value.status == "OUT_OF_RANGE"
    return listed.value.message


async def test_p05_what_is_dropped_is_archived_and_the_rest_reads_on(store_url: str, tmp_path: Path) -> None:
    clock, folder = HandClock(), tmp_path / "archive"
    before = (await written(store_url, clock, 12)).cursor
    clock.advance(hours=2)
    async with opened_storage(store_url) as storage:
        whole = await kept(storage)
        heads = list(await storage.heads())
        dropped = await retention(storage, folder, clock=clock).once()
        # the newest of each partition stays, however old
        assert dropped == 24 - len([head for head in heads if head])
        assert sorted(await kept(storage)) == [(one, head) for one, head in enumerate(heads) if head]
        assert archived(folder) | await kept(storage) == whole
        assert not set(archived(folder)) & set(await kept(storage))
        assert list(await storage.heads()) == heads
        assert await retention(storage, folder, clock=clock).once() == 0
        await nothing_wrong(storage)
    after = (await written(store_url, clock, 6)).cursor
    async with opened(store_url, clock) as made:
        events = await all_events(made.store)
        assert len(events) == len(whole) - dropped + 12
        assert len((await made.store.list_events(before)).events) == 12
        page = await anext(made.store.watch_events(after))
        assert page.events == ()
        storage = made.store._storage
        floors = list(await storage.floors())
        store_id = storage.meta.store_id
        oldest = await made.store.list_events(encode_cursor(store_id, floors))
        assert oldest.events == tuple(events)
        for partition, floor in enumerate(floors):
            if floor:
                early = [floor - 1 if one == partition else position for one, position in enumerate(floors)]
                assert "no longer holds" in await expired(made.store, encode_cursor(store_id, early))
        await nothing_wrong(storage)


async def test_p05_a_cursor_beyond_the_end_is_refused(store_url: str) -> None:
    """An older state of the store was put back under the same identity: waiting would pass over what comes anew."""
    cursor = (await written(store_url, HandClock(), 3)).cursor
    async with opened(store_url) as made:
        store_id = made.store._storage.meta.store_id
        heads = decode_cursor(cursor, store_id, 4)
        heads[2] += 1
        assert "ends before this cursor" in await expired(made.store, encode_cursor(store_id, heads))


async def test_the_newest_of_each_partition_are_kept_by_count(store_url: str, tmp_path: Path) -> None:
    await written(store_url, HandClock(), 16)
    async with opened_storage(store_url) as storage:
        whole, heads = await kept(storage), await storage.heads()
        await retention(storage, tmp_path / "archive", Policy(keep=None, count=3)).once()
        for partition, head in enumerate(heads):
            left = [sequence for one, sequence in await kept(storage) if one == partition]
            assert left == list(range(max(1, head - 2), head + 1))
        assert archived(tmp_path / "archive") | await kept(storage) == whole


async def test_p05_retention_cut_off_anywhere_has_dropped_nothing_that_is_not_archived(
    store_url: str, tmp_path: Path
) -> None:
    """At each step in turn, of programs, outbox and disk: the process dies, and the next one goes on."""
    clock, folder = HandClock(), tmp_path / "archive"
    await written(store_url, clock, 6)
    async with opened_storage(store_url) as storage:
        whole: dict[Place, tuple[str, int]] = {}
        for at in count():
            await written(store_url, clock, 1)
            clock.advance(hours=2)
            whole |= await kept(storage)
            cut = Cut(at)
            worker = retention(cut.storage(storage), folder, clock=clock)
            with pytest.MonkeyPatch.context() as patch:
                cut.disk(patch)
                try:
                    await worker.once()
                    ended = True
                except Crash:
                    ended = False
            assert archived(folder) | await kept(storage) == whole, cut.steps
            await nothing_wrong(storage)
            if ended:
                break
        assert {"Kept", "fsync", "replace", "Keep", "Drop"} <= {*cut.steps}
        assert cut.steps.index("Keep") > cut.steps.index("replace")
        assert await retention(storage, folder, clock=clock).once() == 0


async def test_p05_replicas_dropping_at_once_do_no_harm(store_url: str, tmp_path: Path) -> None:
    clock, folder = HandClock(), tmp_path / "archive"
    await written(store_url, clock, 20)
    clock.advance(hours=2)
    async with (
        opened_storage(store_url) as one,
        opened_storage(store_url) as two,
        opened(store_url, clock) as made,
    ):
        whole = await kept(one)

        async def write() -> None:
            for number in range(10):
                await moved(made.store, failure(await created(made.store, f"more-{number}")))

        workers = [retention(storage, folder, clock=clock) for storage in (one, two, one)]
        await asyncio.gather(*(worker.once() for worker in workers), write())
        await eventually(lambda: _settled(made.store))
        await counted(one)
        await retention(two, folder, clock=clock).once()
        held = archived(folder) | await kept(one)
        assert {place: held[place] for place in whole} == whole
        assert len(held) == len({*held.values()}) == 60
        await nothing_wrong(one)


async def _settled(store: Any) -> bool:
    return sum(await store._storage.heads()) == 60


async def test_p05_nothing_is_dropped_that_the_roll_ups_have_not_counted(
    store_url: str, tmp_path: Path
) -> None:
    await written(store_url, HandClock(), 16)
    clock = HandClock()
    clock.advance(hours=2)

    async def at(storage: Storage, partition: int, sequence: int) -> None:
        revision = (await positions_of(storage))[partition][1]
        document = {"_id": f"position:{partition}", "revision": revision, "sequence": sequence}
        assert await storage.run(keeping([document])) == [True]

    async with opened_storage(store_url) as storage:
        heads = await storage.heads()
        assert min(heads) > 3
        for partition in range(4):
            await at(storage, partition, 2 if partition == 1 else 0)
        await retention(storage, tmp_path / "archive", clock=clock).once()
        assert await storage.floors() == [0, 2, 0, 0]
        await at(storage, 1, heads[1])
        await at(storage, 3, 3)
        await retention(storage, tmp_path / "archive", clock=clock).once()
        assert await storage.floors() == [0, heads[1] - 1, 0, 3]


async def test_no_archive_only_for_those_who_say_so(store_url: str, tmp_path: Path) -> None:
    clock = HandClock()
    await written(store_url, clock, 4)
    clock.advance(hours=2)
    async with opened_storage(store_url) as storage:
        assert await retention(storage, None, clock=clock).once() > 0
    for changes in ({"events_keep_hours": 1}, {"events_keep_count": 1}):
        assert "EVENTS_ARCHIVE_DIR" in str(settings_for(store_url, **changes).check())
        assert settings_for(store_url, **changes, events_archive_dir="none").check() is None
    blocked = tmp_path / "file"
    blocked.write_text("in the way")
    with pytest.raises(CannotOpen, match=r"EVENTS_ARCHIVE_DIR: .*file cannot be used"):
        async with opened(store_url, events_keep_hours=1, events_archive_dir=str(blocked)):
            pass


async def test_a_store_drops_by_itself(store_url: str, tmp_path: Path) -> None:
    changes = {
        "events_keep_count": 2,
        "events_archive_dir": str(tmp_path / "a"),
        "events_retention_ms": 100,
        "rollup_interval_ms": 20,
    }
    async with opened(store_url, **changes) as made:
        await made.store.create([new(f"i-{number}") for number in range(20)])
        storage = made.store._storage

        async def down_to_two() -> bool:
            heads, floors = await storage.heads(), await storage.floors()
            return sum(heads) == 20 and all(
                floor == max(0, head - 2) for head, floor in zip(heads, floors, strict=True)
            )

        await eventually(down_to_two)
        assert len(archived(tmp_path / "a") | await kept(storage)) == 20
        assert made.observe is not None

        def counted() -> bool:
            return bool(made.observe.registry.get_sample_value("store_events_dropped_total") == 12)

        assert sum(await storage.floors()) == 12
        await eventually(counted)


async def test_an_archived_file_that_is_damaged_is_told(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path / 'store.db'}"
    clock, folder = HandClock(), tmp_path / "archive"
    await written(url, clock, 20)
    clock.advance(hours=2)
    async with opened_storage(url) as storage:
        await retention(storage, folder, clock=clock).once()
        first, *_ = files.found([folder])
        whole = first.read_bytes()
        beside = first.with_name(first.name + ".sha256")
        for damage in (whole[:-9], whole + b"x", b"", whole[:20] + b"\0" + whole[21:]):
            first.write_bytes(damage)
            with pytest.raises(files.Damaged):
                files.check(first)
        first.write_bytes(whole)
        files.check(first)
        beside.unlink()
        with pytest.raises(files.Damaged, match="missing"):
            files.check(first)
        # put back as if never dropped: the place in the archive is taken by something else
        first.write_bytes(b"other")
        events = [one for _, one in await storage.scans.log(0, 0, 10)]
        run = files.named(first)
        stored = [{**events[0], "partition": run.partition, "sequence": one} for one in (run.first, run.last)]
        with pytest.raises(ArchiveRefused, match="holds other events"):
            await Folder(folder, run.store_id).put(run.partition, stored)
        assert first.read_bytes() == b"other"


async def test_while_retention_drops_verify_finds_nothing_that_is_not_there(
    store_url: str, tmp_path: Path
) -> None:
    clock, folder, done = HandClock(), tmp_path / "archive", asyncio.Event()
    policy = Policy(keep=None, count=1)
    async with (
        opened(store_url, clock, rollup_interval_ms=10) as made,
        opened_storage(store_url) as storage,
    ):

        async def write(lane: int) -> None:
            number = 0
            while not done.is_set():
                await moved(made.store, failure(await created(made.store, f"{lane}-{number}")))
                number += 1

        async def drop() -> int:
            dropped = 0
            while not done.is_set():
                dropped += await retention(made.store._storage, folder, policy, clock).once()
            return dropped

        writers = [asyncio.create_task(write(lane)) for lane in range(3)]
        dropping = asyncio.create_task(drop())
        try:
            for _ in range(8):
                await nothing_wrong(storage)
        finally:
            done.set()
            dropped, *_ = await asyncio.gather(dropping, *writers)
        assert dropped > 0
