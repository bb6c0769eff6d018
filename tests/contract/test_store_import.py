"""Another system's documents from a file, into any database."""

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from bson import ObjectId
from bson.json_util import CANONICAL_JSON_OPTIONS, RELAXED_JSON_OPTIONS, JSONOptions, dumps

from services.common.domain.lifecycle import Status
from services.store.adapters.export_file import strangers
from services.store.migrating.importing import Imported, import_all
from services.store.ports import Storage
from services.store.verify.run import verify
from tests.contract.test_store_adoption import FIRST, seeds
from tests.unit.store.support import (
    Crash,
    Crashing,
    HandClock,
    created,
    logged,
    on,
    opened,
    opened_storage,
    record,
    store_url,
)

__all__ = ["store_url"]


def written(folder: Path, *lines: Any, options: JSONOptions = RELAXED_JSON_OPTIONS) -> Path:
    path = folder / "intents.jsonl"
    text = [one if isinstance(one, str) else dumps(one, json_options=options) for one in lines]
    path.write_text("\n".join(text) + "\n")
    return path


async def imported(storage: Any, path: Path) -> Imported:
    done = await import_all(
        storage, HandClock(), lambda: strangers(path), principal="", progress=lambda what, count: None
    )
    assert done.lines == done.imported + done.there + done.doubles + done.failed
    return done


async def found(storage: Storage) -> list[str]:
    result = await verify(storage, HandClock(), progress=lambda what, count: None)
    return [f"{one.kind} {one.where} {one.message}" for one in result.findings.kept]


@pytest.mark.parametrize(
    "options", [RELAXED_JSON_OPTIONS, CANONICAL_JSON_OPTIONS], ids=["relaxed", "canonical"]
)
async def test_a_file_becomes_records(store_url: str, tmp_path: Path, options: JSONOptions) -> None:
    path = written(
        tmp_path,
        seeds("i-1"),
        seeds("i-2", "pending"),
        "",
        seeds("i-1", "failed", updatedAt=FIRST),
        options=options,
    )
    async with opened(store_url) as ours, opened_storage(store_url) as storage:
        done = await imported(storage, path)
        assert (done.lines, done.imported, done.held, done.doubles, done.failed) == (3, 2, 1, 1, 0)
        one = await record(ours.store, "i-1")
        assert (one.status, one.created_at, one.updated_at) == (
            Status.COMPLETED, FIRST, FIRST + timedelta(minutes=1),
        )  # fmt: skip
        assert not await ours.store.claim("p-1", limit=10, lease_ms=1000)
        assert {(each.intent_id, each.reason) for each in await logged(ours.store, 2)} == {
            ("i-1", "ADOPTED"), ("i-2", "ADOPTED"),
        }  # fmt: skip
        again = await imported(storage, path)
        assert (again.imported, again.there, again.doubles) == (0, 2, 1)
        assert await found(storage) == []


async def test_what_cannot_be_read_is_said_by_line(store_url: str, tmp_path: Path) -> None:
    path = written(
        tmp_path, "{", "[]", '{"_id": {"$oid": "short"}}', "\u00ff",
        seeds("i-1", "no such"), "[" * 100_000, seeds("i-2"), seeds("mine"),
    )  # fmt: skip
    async with opened(store_url) as ours, opened_storage(store_url) as storage:
        await created(ours.store, "mine")
        done = await imported(storage, path)
        assert (done.imported, done.failed, sorted(done.left)) == (1, 7, [1, 2, 3, 4, 5, 6, 8])
        assert "status 'no such'" in done.left[5] and "another record of this id" in done.left[8]
        assert (await record(ours.store, "mine")).status is Status.PENDING


async def test_p01_an_import_cut_off_anywhere_is_finished_by_its_repeat(
    store_url: str, tmp_path: Path
) -> None:
    path = written(tmp_path, *(seeds(f"i-{number}") for number in range(5)))
    async with opened_storage(store_url) as storage:
        with pytest.raises(Crash):
            await imported(Crashing(storage, 0), path)
        done = await imported(storage, path)
        assert (done.imported, done.there) == (5, 0)
        assert (await record(on(storage), "i-4")).status is Status.COMPLETED


def test_a_line_without_end_is_not_read_whole(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("services.store.adapters.export_file.MAX_LINE", 1000)
    path = written(tmp_path, " " * 5000, seeds("i-1", _id=ObjectId()))
    lines: Iterator[tuple[int, Any]] = strangers(path)
    assert next(lines) == (1, "it is longer than 1000 bytes")
    number, one = next(lines)
    assert (number, one.document["intentId"]) == (2, "i-1")
