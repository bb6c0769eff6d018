"""The store's bench: documents as a store holds them, rounds that count what they say, failures that are told."""

import random
from collections import Counter
from datetime import UTC, datetime
from pathlib import Path

import pytest

from bench.frame import BenchError
from bench.processes import Fleet
from bench.store import creators, database, documents, mover, moves, sizes
from bench.store.database import Databases
from bench.store.run import MEASURES, PARTS
from bench.store.syncs import _commits, syncs_of
from services.common.clock import SystemClock, now
from services.common.domain.lifecycle import TERMINAL, Status
from services.store.app import build
from services.store.document import record_of
from services.store.ports import Document

NOW = datetime(2026, 11, 26, 12, tzinfo=UTC)


def test_most_are_at_their_end_and_of_the_rest_half_are_due() -> None:
    stored = list(documents.stored(2_000, now=NOW))
    records = [record_of(one) for one in stored]
    assert len({one.intent_id for one in records}) == 2_000
    by_status = Counter(one.status for one in records)
    assert by_status[Status.COMPLETED] > 1_700
    assert all(by_status[status] > 0 for status in Status)
    open_ = [one for one in records if one.status not in TERMINAL]
    assert all(one.next_action_at is None for one in records if one.status in TERMINAL)
    due = [one for one in open_ if one.next_action_at is not None and one.next_action_at < NOW]
    assert 0.3 < len(due) / len(open_) < 0.7
    assert sum(one.user_id == documents.MAKER for one in records) == 200
    assert all([event.version for event in one.history] == list(range(1, one.version + 1)) for one in records)


def test_a_server_s_options_are_kept_and_no_name_is_another_s(tmp_path: Path) -> None:
    server = Databases(tmp_path, "mongodb://host:1/theirs?replicaSet=rs0")
    assert server.new("moves").startswith("mongodb://host:1/bench_")
    assert server.new("moves").endswith("_moves?replicaSet=rs0")
    assert Databases(tmp_path).new("moves") == f"sqlite:///{tmp_path}/moves.db"


async def test_a_filled_store_answers_all_that_its_sides_are_asked(tmp_path: Path) -> None:
    size = sizes.Size(few=1_000, many=1_200, rounds=1, calls=1)
    rows, details = await sizes.measure(Databases(tmp_path), Fleet(tmp_path), size)
    assert len(rows) == len(details["few"]) == len(details["many"]) == 14
    assert all(row.goal == 1.5 and row.at_most and row.measured > 0 for row in rows)


async def test_a_call_that_finds_nothing_proves_nothing(tmp_path: Path) -> None:
    url = Databases(tmp_path).new("empty")
    async with database.store(url) as store:
        side = sizes.Side(5, store, NOW, random.Random(1))
        with pytest.raises(BenchError, match="found nothing"):
            await sizes._timed(side, "get")
        with pytest.raises(BenchError, match="0 of 10 claimed"):
            await sizes._timed(side, "claim")


async def test_filling_twice_fails(tmp_path: Path) -> None:
    url = Databases(tmp_path).new("twice")
    assert await database.fill(url, documents.stored(3, now=NOW)) == 3
    with pytest.raises(BenchError, match="there before"):
        await database.fill(url, documents.stored(3, now=NOW))


async def test_moves_are_made_and_the_bare_update_does_the_same(tmp_path: Path) -> None:
    url = Databases(tmp_path).new("moves")
    await database.fill(url, documents.subjects("m", 4 * moves.BATCH * 2, now=NOW))
    async with database.store(url) as store, moves._bare_sqlite(url) as bare:
        found = await moves._rounds(store, bare, "m", moves.Size(rounds=1, pairs=2))
        assert [len(one) for one in (found.batch, found.single, found.bare_batch, found.one, found.bare)] == [
            1
        ] * 5
        assert await bare.update("m-799") > 0
        moved, bared = await store.get(["m-0", "m-799"])
        assert moved is not None and bared is not None
        assert (moved.status, moved.version) == (bared.status, bared.version) == (Status.VERIFIED, 2)
        with pytest.raises(BenchError, match="changed nothing"):
            await bare.update("m-0")
        with pytest.raises(BenchError, match="refused"):
            await moves._together(store, ["m-0"])
        with pytest.raises(BenchError, match="lost"):
            await moves._together(store, ["m-800"])


async def test_the_mover_keeps_its_rate_and_moves_each_once(tmp_path: Path) -> None:
    url = Databases(tmp_path).new("mover")
    await database.fill(url, documents.subjects("m", 20, now=now(SystemClock())))
    settings = database.settings(url, port=0, admin_port=0)
    async with build(settings, SystemClock()) as app:
        await app.ready()
        said = await mover.run(app.rpc.address, "m", 20, 1_000)
    assert said["seconds"] >= 19 / 1_000
    async with database.store(url) as store:
        records = await store.get([f"m-{number}" for number in range(20)])
    assert {one.version for one in records if one is not None} == {2}


async def test_creators_share_commits(tmp_path: Path) -> None:
    at = Databases(tmp_path)
    assert await _commits(at.new("each"), 20, 1) == 20
    assert await _commits(at.new("crowd"), 20, 20) < 20
    async with database.store(at.new("twice")) as store:
        await creators.create(store, creators.submissions("c", 2), creators=2)
        with pytest.raises(BenchError, match="refused"):
            await creators.create(store, creators.submissions("c", 2), creators=2)


def test_syncs_are_counted_where_they_begin() -> None:
    trace = (
        "101 fdatasync(5) = 0\n"
        "102 fsync(4 <unfinished ...>\n"
        "101 fdatasync(5) = 0\n"
        "102 <... fsync resumed>) = 0\n"
        "101 +++ exited with 0 +++\n"
    )
    assert syncs_of(trace) == 3


def test_every_part_can_be_asked_for_alone() -> None:
    assert PARTS == ("moves", "events", "syncs", "sizes") == tuple(MEASURES)


def test_a_move_of_a_subject_is_legal_as_its_document_stands() -> None:
    (subject,) = documents.subjects("m", 1, now=NOW)
    record = record_of(subject)
    move = documents.move("m-0")
    assert (record.version, record.status) == (move.seen_version, move.seen_status)
    assert record.lease is not None and record.lease.fence == move.fence


def test_nothing_waits_in_the_outbox_of_what_is_filled_in() -> None:
    made: list[Document] = [*documents.stored(50, now=NOW), *documents.subjects("m", 2, now=NOW)]
    assert all(one["outbox"] == [] for one in made)
