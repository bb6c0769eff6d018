"""The collection as the workshop's own code wrote it: read, adopted, archived, left; none of it lost, none doubled."""

import asyncio
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pymongo
import pytest
from bson import Decimal128, ObjectId
from pymongo.database import Database

from services.common.domain.lifecycle import Status
from services.common.domain.outcomes import Applied, ListQuery, Refused
from services.common.errors import IntentError, Reason
from services.store.migrating.adopt import CHANGED, KNOWN, OLDER, Adoption, adopt
from services.store.migrating.run import Migrated, migrate
from services.store.migrating.stranger import UNSIGNED
from services.store.ports import Storage
from services.store.verify.run import verify
from tests.unit.store.support import (
    START,
    Crash,
    HandClock,
    claimed,
    created,
    failure,
    logged,
    new,
    on,
    opened,
    opened_storage,
    record,
    versions,
)

Documents = Database[dict[str, Any]]
FIRST = datetime(2025, 3, 1, 10, 0, tzinfo=UTC)


@pytest.fixture
def database(each_mongo: str) -> Iterator[Documents]:
    with pymongo.MongoClient[dict[str, Any]](each_mongo, tz_aware=True) as client:
        yield client.get_default_database()


def seeds(intent_id: str, status: str = "completed", **changes: Any) -> dict[str, Any]:
    """To the letter of its schema, as its driver inserts it."""
    return {
        "_id": ObjectId(),
        "intentId": intent_id,
        "userId": "alice.near",
        "action": "swap",
        "input_token": "USDC",
        "input_amount": "100",
        "output_token": "NEAR",
        "min_output_amount": "95",
        "max_slippage": 0.5,
        "status": status,
        "createdAt": FIRST,
        "updatedAt": FIRST + timedelta(minutes=1),
        "expiresAt": FIRST + timedelta(hours=1),
        "executionDetails": {
            "solverId": "solver.near",
            "transactions": [{"hash": f"tx-{intent_id}", "chain": "near", "status": "success"}],
            "gasUsed": "7",
            "totalCost": "9",
        },
        "__v": 0,
    } | changes


async def migrated(storage: Any, **more: Any) -> Migrated:
    return await migrate(storage, HandClock(), progress=lambda what, count: None, **more)


async def found(storage: Storage) -> list[tuple[str, str]]:
    result = await verify(storage, HandClock(), limit=100, progress=lambda what, count: None)
    return [(one.kind.value, one.where) for one in result.findings.kept]


def told(one: Adoption) -> tuple[int, int, int, int, int]:
    assert one.before == one.adopted + one.archived + len(one.left)
    return one.before, one.adopted, one.held, one.archived, len(one.left)


async def test_what_has_ended_becomes_history(each_mongo: str, database: Documents) -> None:
    failed = {"code": 4, "message": "no"}
    database.intents.insert_many(
        [seeds("i-1"), seeds("i-2", "failed", errorDetails=failed, userId="bob.near")]
    )
    before = list(database.intents.find({}, {"_id": 0, "__v": 0}, sort=[("intentId", 1)]))
    async with opened(each_mongo) as ours, opened_storage(each_mongo) as storage:
        assert told((await migrated(storage)).adoption) == (2, 2, 0, 0, 0)
        events = await logged(ours.store, 2)
        assert sorted((one.intent_id, one.version, one.status, one.reason) for one in events) == [
            ("i-1", 1, Status.COMPLETED, "ADOPTED"),
            ("i-2", 1, Status.FAILED, "ADOPTED"),
        ]
        one = await record(ours.store, "i-1")
        assert (one.principal, one.status, one.version, one.created_at) == (
            "alice.near",
            "completed",
            1,
            FIRST,
        )
        assert one.execution_details is not None and one.execution_details.transactions[0].hash == "tx-i-1"
        assert (await record(ours.store, "i-2")).error_details is not None
        page = await ours.store.list(ListQuery(principal="bob.near"))
        assert [each.intent_id for each in page.records] == ["i-2"]
        assert not await ours.store.claim("p-1", limit=10, lease_ms=1000)
        assert await found(storage) == []
        # the seed's own fields are as they were
        for document in before:
            now_there = database.intents.find_one({"intentId": document["intentId"]})
            assert now_there is not None and now_there["_id"] == document["intentId"]
            assert {name: now_there[name] for name in document} == document
        assert told((await migrated(storage)).adoption) == (0, 0, 0, 0, 0)
        assert len(await logged(ours.store, 2)) == 2


@pytest.mark.parametrize("status", ["pending", "verified", "executing"])
async def test_p04_what_has_not_ended_is_held_for_a_person(
    each_mongo: str, database: Documents, status: str
) -> None:
    nothing_yet: dict[str, Any] = {"transactions": []}
    database.intents.insert_one(seeds("i-1", status, executionDetails=nothing_yet))
    async with opened(each_mongo) as ours, opened_storage(each_mongo) as storage:
        assert told((await migrated(storage)).adoption) == (1, 1, 1, 0, 0)
        document = database.intents.find_one({"_id": "i-1"})
        assert document is not None
        assert document["held"] == {"reason": UNSIGNED, "since": START}
        assert (document["nextActionAt"], document["openUntil"]) == (None, FIRST + timedelta(hours=1))
        assert not await ours.store.claim("p-1", limit=10, lease_ms=1000)
        one = await record(ours.store, "i-1")
        (outcome,) = await ours.store.transition([failure(one)])
        if status == "executing":
            # P4: it may have had its effect on chain
            assert isinstance(outcome, Refused) and outcome.error.reason is Reason.NOT_CANCELLABLE
        else:
            assert isinstance(outcome, Applied)
            document = database.intents.find_one({"_id": "i-1"})
            assert document is not None and document["held"] is None
        await logged(ours.store, outcome.record.version if isinstance(outcome, Applied) else 1)
        assert await found(storage) == []


@pytest.mark.parametrize(
    "created",
    [FIRST, FIRST.isoformat(), "2025-03-01T10:00:00.000Z", FIRST.timestamp(), FIRST.timestamp() * 1000, None],
)
async def test_dates_are_read_as_they_were_written(
    each_mongo: str, database: Documents, created: Any
) -> None:
    key = ObjectId.from_datetime(FIRST)
    later = FIRST + timedelta(minutes=1)
    database.intents.insert_one(seeds("i-1", createdAt=created, updatedAt=later.isoformat(), _id=key))
    async with opened_storage(each_mongo) as storage:
        assert told((await migrated(storage)).adoption) == (1, 1, 0, 0, 0)
        one = await record(on(storage), "i-1")
        assert (one.created_at, one.updated_at) == (FIRST, later)


async def test_amounts_are_text_or_whole_numbers(each_mongo: str, database: Documents) -> None:
    amounts: list[Any] = ["100", 100, 100.0, Decimal128("100")]
    database.intents.insert_many(
        [seeds(f"i-{number}", input_amount=amount) for number, amount in enumerate(amounts)]
    )
    async with opened_storage(each_mongo) as storage:
        assert told((await migrated(storage)).adoption) == (4, 4, 0, 0, 0)
        for number in range(4):
            assert (await record(on(storage), f"i-{number}")).intent.input_amount == "100"


async def test_of_doubles_the_newest_wins_and_the_others_are_archived_whole(
    each_mongo: str, database: Documents
) -> None:
    old = seeds("i-1", "pending", updatedAt=FIRST)
    newest = seeds("i-1", "completed", updatedAt=FIRST + timedelta(days=2), note="kept")
    middle = seeds("i-1", "executing", updatedAt=(FIRST + timedelta(days=1)).isoformat())
    database.intents.insert_many([old, newest, middle])
    async with opened_storage(each_mongo) as storage:
        dry = await adopt(storage, HandClock(), principal="", progress=lambda what, count: None, dry=True)
        assert told(dry) == (3, 1, 0, 2, 0)
        assert database.intents.count_documents({"_id": {"$type": "objectId"}}) == 3
        assert told((await migrated(storage)).adoption) == (3, 1, 0, 2, 0)
        one = await record(on(storage), "i-1")
        assert (one.status, one.updated_at) == ("completed", FIRST + timedelta(days=2))
    (document,) = database.intents.find()
    assert document["adopted"]["id"] == newest["_id"]
    assert document["adopted"]["others"] == {"__v": 0, "note": "kept"}
    archived = list(database.intentsArchive.find())
    assert {each["reason"] for each in archived} == {OLDER}
    assert sorted((each["document"] for each in archived), key=lambda each: str(each["_id"])) == sorted(
        [old, middle], key=lambda each: str(each["_id"])
    )
    assert {each["archivedAt"] for each in archived} == {START}


@pytest.mark.parametrize(
    ("why", "changes"),
    [
        ("intentId", {"intentId": "no good"}),
        ("intentId", {"intentId": 7}),
        ("status", {"status": "cancelled"}),
        ("userId", {"userId": None}),
        ("action", {"action": ["swap"]}),
        ("createdAt", {"createdAt": "last week"}),
        ("input_amount", {"input_amount": 0.1}),
        ("max_slippage", {"max_slippage": "much"}),
        ("executionDetails", {"executionDetails": {"transactions": "tx"}}),
        ("gasUsed", {"executionDetails": {"gasUsed": "0.3 Tgas"}}),
    ],
)
async def test_what_cannot_be_read_stays_as_it_is_and_is_said(
    each_mongo: str, database: Documents, why: str, changes: dict[str, Any]
) -> None:
    odd = seeds("i-1") | changes
    database.intents.insert_many([odd, seeds("i-2")])
    async with opened_storage(each_mongo) as storage:
        done = await migrated(storage)
        assert told(done.adoption) == (2, 1, 0, 0, 1)
        assert done.left == 1
        assert why in done.adoption.left[str(odd["_id"])]
        assert database.intents.find_one({"_id": odd["_id"]}) == odd
        result = await verify(storage, HandClock(), progress=lambda what, count: None)
        assert (result.intents, result.strangers) == (1, 1)


async def test_before_they_are_adopted_they_are_no_records_and_cost_no_other_its_answer(
    each_mongo: str, database: Documents
) -> None:
    database.intents.insert_many(
        [seeds("i-1", "pending"), seeds("i-2", _id="i-2"), seeds("i-3", createdAt=5)]
    )
    async with opened(each_mongo) as ours, opened_storage(each_mongo) as storage:
        await created(ours.store, "i-9")
        assert list(await ours.store.get(["i-1", "i-2"])) == [None, None]
        page = await ours.store.list(ListQuery(page_size=10))
        assert [one.intent_id for one in page.records] == ["i-9"]
        assert (await claimed(ours.store)).intent_id == "i-9"
        gone = failure(await record(ours.store, "i-9"))
        for intent_id in ("i-1", "i-2"):
            (outcome,) = await ours.store.transition([type(gone)(**_fields(gone) | {"intent_id": intent_id})])
            assert isinstance(outcome, Refused) and outcome.error.reason is Reason.INTENT_NOT_FOUND
        await logged(ours.store, 1)
        result = await verify(storage, HandClock(), progress=lambda what, count: None)
        assert (result.intents, result.strangers, result.findings.total) == (1, 3, 0)


def _fields(one: Any) -> dict[str, Any]:
    return {name: getattr(one, name) for name in one.__slots__}


@pytest.mark.parametrize("key", [ObjectId(), "i-1", "text"], ids=["another-id", "our-id", "another-text"])
async def test_p08_an_intent_that_waits_to_be_adopted_is_not_created_beside_it(
    each_mongo: str, database: Documents, key: Any
) -> None:
    database.intents.insert_one(seeds("i-1", "pending", _id=key))
    async with opened(each_mongo) as ours:
        for _ in range(2):
            (outcome,) = await ours.store.create([new("i-1")])
            assert isinstance(outcome, IntentError) and outcome.reason is Reason.ID_TAKEN
            assert database.intents.count_documents({}) == 1
            async with opened_storage(each_mongo) as storage:
                await migrated(storage)


async def test_a_document_that_has_our_id_already_is_adopted_in_its_place(
    each_mongo: str, database: Documents
) -> None:
    database.intents.insert_many([seeds("i-1", _id="i-1"), seeds("i-2", _id="other"), seeds("i-3", _id=7)])
    async with opened(each_mongo) as ours, opened_storage(each_mongo) as storage:
        assert told((await migrated(storage)).adoption) == (3, 3, 0, 0, 0)
        assert sorted(str(one["_id"]) for one in database.intents.find()) == ["i-1", "i-2", "i-3"]
        events = await logged(ours.store, 3)
        assert [versions(events, one) for one in ("i-1", "i-2", "i-3")] == [[1], [1], [1]]
        assert await found(storage) == []


async def test_an_older_double_under_our_id_makes_room(each_mongo: str, database: Documents) -> None:
    older = seeds("i-1", "pending", _id="i-1", updatedAt=FIRST)
    newer = seeds("i-1", "completed")
    database.intents.insert_many([older, newer])
    async with opened_storage(each_mongo) as storage:
        assert told((await migrated(storage)).adoption) == (2, 1, 0, 1, 0)
        assert (await record(on(storage), "i-1")).status is Status.COMPLETED
    (archived,) = database.intentsArchive.find()
    assert archived["document"] == older


async def test_one_that_cannot_be_read_under_our_id_keeps_its_place_and_the_other_waits(
    each_mongo: str, database: Documents
) -> None:
    odd = seeds("i-1", "no such", _id="i-1")
    good = seeds("i-1")
    database.intents.insert_many([odd, good])
    async with opened_storage(each_mongo) as storage:
        done = (await migrated(storage)).adoption
        assert told(done) == (2, 0, 0, 0, 2)
        assert "stands under its intentId" in done.left[str(good["_id"])]
        assert database.intents.count_documents({}) == 2
        # corrected by a person, both go on
        database.intents.update_one({"_id": "i-1"}, {"$set": {"status": "failed", "updatedAt": FIRST}})
        assert told((await migrated(storage)).adoption) == (2, 1, 0, 1, 0)


async def test_a_record_of_ours_stands_and_the_other_goes_to_the_archive(
    each_mongo: str, database: Documents
) -> None:
    async with opened(each_mongo) as ours, opened_storage(each_mongo) as storage:
        await created(ours.store, "i-1")
        late = seeds("i-1", "completed")
        database.intents.insert_one(late)
        assert told((await migrated(storage)).adoption) == (1, 0, 0, 1, 0)
        assert (await record(ours.store, "i-1")).status is Status.PENDING
    (archived,) = database.intentsArchive.find()
    assert (archived["reason"], archived["document"]) == (KNOWN, late)


class CutOff:
    """The other system's documents as a process that dies before the step number `before` changes them."""

    def __init__(self, inner: Any, before: int) -> None:
        self._inner, self._left = inner, before

    def __getattr__(self, name: str) -> Any:
        step = getattr(self._inner, name)
        if name not in ("archive", "remove", "replace"):
            return step

        async def counted(*args: Any) -> Any:
            self.spend()
            return await step(*args)

        return counted

    def spend(self) -> None:
        self._left -= 1
        if self._left < 0:
            raise Crash


class CutStorage:
    def __init__(self, inner: Any, before: int) -> None:
        self.inner, self.strangers = inner, CutOff(inner.strangers, before)

    def __getattr__(self, name: str) -> Any:
        return getattr(self.inner, name)

    async def run(self, program: Any) -> Any:
        if program.gi_code.co_name == "_inserting":
            self.strangers.spend()
        return await self.inner.run(program)


def everything(database: Documents) -> set[tuple[str, Any]]:
    """What was written by the other system, wherever it is now: (intent, its `_id`)."""
    kept = {(one["intentId"], one["document"]["_id"]) for one in database.intentsArchive.find()}
    for one in database.intents.find():
        kept.add((one["intentId"], one["adopted"]["id"] if "adopted" in one else one["_id"]))
    return kept


async def test_p01_cut_off_between_any_two_steps_nothing_is_lost_and_a_repeat_goes_on(
    each_mongo: str, database: Documents
) -> None:
    async with opened_storage(each_mongo) as storage:
        for before in range(20):
            database.intents.delete_many({})
            database.intentsArchive.delete_many({})
            written = [
                seeds("i-1", "completed", updatedAt=FIRST + timedelta(days=1)),
                seeds("i-1", "pending", updatedAt=FIRST),
                seeds("i-2", "pending", _id="i-2"),
                seeds("i-3", "failed"),
            ]
            database.intents.insert_many(written)
            all_of_it = {(one["intentId"], one["_id"]) for one in written}
            finished = False
            try:
                await migrated(CutStorage(storage, before))
                finished = True
            except Crash:
                assert everything(database) == all_of_it
                await migrated(storage)
            assert everything(database) == all_of_it
            assert sorted(one["_id"] for one in database.intents.find()) == ["i-1", "i-2", "i-3"]
            assert (await record(on(storage), "i-1")).status is Status.COMPLETED
            assert database.intentsArchive.count_documents({}) == 1
            if finished:
                break
        assert finished and before >= 6


async def test_what_is_written_to_while_it_is_adopted_is_kept(each_mongo: str, database: Documents) -> None:
    """The other system still runs: its update meets the document that is about to be deleted."""
    one = seeds("i-1", "pending")
    database.intents.insert_one(one)
    async with opened_storage(each_mongo) as storage:
        assert storage.strangers is not None
        inner, late = storage.strangers, [{"status": "failed", "updatedAt": START}]

        class Late(CutOff):
            async def remove(self, stranger: Any) -> bool:
                if late:
                    database.intents.update_one({"_id": one["_id"]}, {"$set": late.pop()})
                return await inner.remove(stranger)

        cut = CutStorage(storage, 100)
        cut.strangers = Late(inner, 100)
        assert (await migrated(cut)).adoption.adopted == 1
    (document,) = database.intents.find()
    assert (document["_id"], document["status"]) == ("i-1", "pending")
    (archived,) = database.intentsArchive.find()
    assert (archived["reason"], archived["document"]["status"]) == (CHANGED, "failed")


async def test_two_migrations_at_once_adopt_each_once(each_mongo: str, database: Documents) -> None:
    database.intents.insert_many([seeds(f"i-{number}") for number in range(30)])
    async with (
        opened(each_mongo) as ours,
        opened_storage(each_mongo) as here,
        opened_storage(each_mongo) as there,
    ):
        await asyncio.gather(migrated(here), migrated(there))
        events = await logged(ours.store, 30)
        assert len(events) == database.intents.count_documents({}) == 30
        assert database.intentsArchive.count_documents({}) == 0
        assert await found(here) == []


async def test_their_principal_can_be_named(each_mongo: str, database: Documents) -> None:
    database.intents.insert_one(seeds("i-1"))
    async with opened_storage(each_mongo) as storage:
        await migrated(storage, principal="workshop")
        assert (await record(on(storage), "i-1")).principal == "workshop"
