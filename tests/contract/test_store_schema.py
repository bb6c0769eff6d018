"""Schemas: who may start, records of the schema before, migrations cut off and overtaken."""

from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any

import pytest

from services.common.domain.lifecycle import Status
from services.store.app import open_storage
from services.store.document import SCHEMA
from services.store.migrating import renew as renewing
from services.store.migrating import schema
from services.store.migrating.run import Migrated, migrate
from services.store.ports import CannotOpen, Document, Program, Storage
from services.store.verify.run import verify
from tests.unit.store.older import Older
from tests.unit.store.raw import raw
from tests.unit.store.support import (
    Crash,
    Crashing,
    HandClock,
    claimed,
    created,
    failure,
    fence_of,
    logged,
    move,
    moved,
    on,
    opened,
    opened_storage,
    record,
    settings_for,
    store_url,
)

__all__ = ["store_url"]


async def migrated(storage: Any) -> Migrated:
    return await migrate(storage, HandClock(), progress=lambda what, count: None)


async def put_schema(storage: Storage, **fields: Any) -> None:
    """As another version would have it."""
    standing = await storage.run(schema._reading())
    before: Document = standing or {"_id": schema.KEY, "revision": 0}
    assert await storage.run(schema._keeping({**before, **fields}))


async def findings(storage: Storage) -> tuple[list[tuple[str, str]], int]:
    """(kind, where) of what verify finds, and how many records it says are of an older schema."""
    result = await verify(storage, HandClock(), limit=100, progress=lambda what, count: None)
    return [(one.kind.value, one.where) for one in result.findings.kept], result.older


@pytest.fixture
async def storage(store_url: str) -> AsyncIterator[Storage]:
    async with opened_storage(store_url) as made:
        yield made


async def test_a_new_database_is_of_our_schema_and_migrating_it_does_nothing(storage: Storage) -> None:
    assert await schema.current(storage) == SCHEMA
    done = await migrated(storage)
    assert (done.before, done.renewed.looked_at, done.left) == (SCHEMA, 0, 0)


async def test_a_database_that_was_there_before_schemas_is_of_the_first(store_url: str) -> None:
    async with open_storage(settings_for(store_url)) as storage:
        await created(on(Older(storage)), "i-1")
        await put_schema(storage, version=1)
    async with opened_storage(store_url) as storage:
        assert await schema.current(storage) == 1
        done = await migrated(storage)
        assert (done.before, done.renewed.renewed) == (1, 1)
        assert await schema.current(storage) == SCHEMA


@pytest.mark.parametrize("version", [SCHEMA + 1, 0, "two", None], ids=["newer", "0", "two", "none"])
async def test_p03_a_schema_that_this_version_does_not_know_is_not_served(
    store_url: str, version: Any
) -> None:
    async with opened_storage(store_url) as storage:
        await put_schema(storage, version=version)
    with pytest.raises(CannotOpen) as refused:
        async with opened_storage(store_url):
            pass
    assert f"is of schema {version}, this version of the store knows 1 to {SCHEMA}" in str(refused.value)
    assert "\n" not in str(refused.value)


async def test_records_of_the_schema_before_are_served_before_and_after_their_migration(
    store_url: str,
) -> None:
    async with opened(store_url) as ours, opened_storage(store_url) as storage:
        older = on(Older(storage), ours.clock)
        for number in range(3):
            await created(older, f"i-{number}")
        claim = await claimed(ours.store, limit=1)
        one = await moved(ours.store, move(claim, Status.VERIFIED, fence=fence_of(claim)))
        await moved(older, failure(one, "EXPIRED", fence=fence_of(claim)))
        assert (await findings(storage))[1] == 3
        done = await migrated(storage)
        assert (done.renewed.looked_at, done.renewed.renewed) == (3, 3)
        again = await migrated(storage)
        assert (again.renewed.looked_at, again.renewed.renewed) == (3, 0)
        await logged(ours.store, 5)
        assert await findings(storage) == ([], 0)
        with raw(store_url) as behind:
            for document in behind.documents():
                ended = document["versionStatus"] == "failed"
                assert document["openUntil"] == (None if ended else document["expiresAt"])
                assert document["tokens"] == ["NEAR", "USDC"]


async def test_what_a_store_of_the_schema_before_leaves_behind_on_ours_is_healed(store_url: str) -> None:
    async with opened(store_url) as ours, opened_storage(store_url) as storage:
        one = await created(ours.store, "i-1")
        ended = await moved(on(Older(storage), ours.clock), failure(one))
        assert ended.status is Status.FAILED
        await logged(ours.store, 2)
        assert await findings(storage) == ([("derived", "i-1")], 0)
        assert (await migrated(storage)).renewed.renewed == 1
        assert await findings(storage) == ([], 0)
        assert (await record(ours.store, "i-1")).status is Status.FAILED


@dataclass
class Overtaking:
    """A storage on which `meanwhile` happens right before the first Update."""

    inner: Storage
    meanwhile: Any
    done: bool = False

    def __getattr__(self, name: str) -> Any:
        return getattr(self.inner, name)

    async def run(self, program: Program[Any]) -> Any:
        if not self.done and program.gi_code.co_name == "_updating":  # type: ignore[attr-defined]
            self.done = True
            await self.meanwhile()
        return await self.inner.run(program)


async def test_p03_a_move_at_the_same_time_is_not_undone_by_a_migration(store_url: str) -> None:
    async with opened(store_url) as ours, opened_storage(store_url) as storage:
        one = await created(on(Older(storage), ours.clock), "i-1")

        async def meanwhile() -> None:
            await moved(ours.store, failure(one))

        overtaking = Overtaking(storage, meanwhile)
        assert (await migrated(overtaking)).renewed.renewed == 1
        assert overtaking.done
        with raw(store_url) as behind:
            document = behind.document("i-1")
        assert (document["status"], document["version"]) == ("failed", 2)
        assert (document["openUntil"], document["nextActionAt"]) == (None, None)
        await logged(ours.store, 2)
        assert await findings(storage) == ([], 0)


async def test_a_migration_cut_off_anywhere_goes_on_where_it_was(
    store_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(renewing, "PORTION", 2)
    async with opened(store_url) as ours, opened_storage(store_url) as storage:
        older = on(Older(storage), ours.clock)
        for number in range(5):
            await created(older, f"i-{number}")
        await put_schema(storage, version=1)
        resumed: set[str] = set()
        for before in range(40):
            try:
                done = await migrated(Crashing(storage, before))
            except Crash:
                resumed.add(await schema.position(storage))
                continue
            break
        else:
            pytest.fail("it never came to its end")
        # each run went on where the one before it was cut off, so that the last had less than all to do
        assert resumed >= {"", "i-1", "i-3"}
        assert done.renewed.looked_at < 5
        assert await schema.position(storage) == ""
        assert (await migrated(storage)).renewed.looked_at == 5
        assert (await findings(storage))[1] == 0


async def test_a_record_that_cannot_be_read_is_left_and_said(store_url: str) -> None:
    async with opened(store_url) as ours, opened_storage(store_url) as storage:
        await created(on(Older(storage), ours.clock), "i-1")
        await created(on(Older(storage), ours.clock), "i-2")
        await logged(ours.store, 2)
        with raw(store_url) as behind:
            behind.change("i-1", lambda document: document.pop("input_token"))
            broken = behind.document("i-1")
        done = await migrated(storage)
        assert (done.renewed.renewed, done.left, list(done.renewed.left)) == (1, 1, ["i-1"])
        with raw(store_url) as behind:
            assert behind.document("i-1") | {"outbox": []} == broken | {"outbox": []}


async def test_a_record_of_a_newer_schema_is_moved_and_otherwise_left_alone(store_url: str) -> None:
    async with opened(store_url) as ours, opened_storage(store_url) as storage:
        one = await created(ours.store, "i-1")
        with raw(store_url) as behind:
            behind.change(
                "i-1", lambda document: document.update(schemaVersion=SCHEMA + 1, news={"of": "later"})
            )
        await moved(ours.store, failure(one))
        done = await migrated(storage)
        assert (done.renewed.newer, done.renewed.renewed, done.left) == (1, 0, 0)
        with raw(store_url) as behind:
            document = behind.document("i-1")
        assert (document["schemaVersion"], document["news"], document["status"]) == (
            SCHEMA + 1,
            {"of": "later"},
            "failed",
        )
