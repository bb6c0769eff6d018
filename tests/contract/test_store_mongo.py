"""The seed's own MongoDB: its names, types, indexes and queries, spoken with a bare driver; and writes past us."""

from collections.abc import Iterator
from datetime import datetime
from typing import Any

import pymongo
import pytest
from pymongo.database import Database

from services.common.domain.lifecycle import Status
from services.common.domain.outcomes import Applied, LeaseRef, Refused, TransactionRecord
from services.common.domain.statistics import StatisticsQuery
from services.common.errors import IntentError, Reason
from services.store.adapters.mongo import MongoStorage
from services.store.ports import CannotOpen
from tests.harness.wait import eventually
from tests.unit.store.support import (
    START,
    Bench,
    claimed,
    completed,
    created,
    failure,
    fence_of,
    logged,
    move,
    moved,
    new,
    opened,
    record,
    transaction,
    versions,
)


@pytest.fixture
async def bench(any_mongo: str) -> Any:
    async with opened(any_mongo) as made:
        yield made


@pytest.fixture
def database(any_mongo: str) -> Iterator[Database[dict[str, Any]]]:
    with pymongo.MongoClient[dict[str, Any]](any_mongo) as client:
        yield client.get_default_database()


async def test_the_document_is_the_seeds(bench: Bench, database: Database[dict[str, Any]]) -> None:
    await completed(bench.store, "i-1")
    await created(bench.store, "i-2", max_slippage_bps=300)
    found = database.intents.find_one({"intentId": "i-1"})
    assert found is not None
    seeds = {
        "_id": "i-1",
        "intentId": "i-1",
        "userId": "alice.near",
        "action": "swap",
        "input_token": "USDC",
        "input_amount": "100000000",
        "output_token": "NEAR",
        "min_output_amount": "95",
        "max_slippage": 0.5,
        "status": "completed",
        "executionDetails": {
            "solverId": "solver.near",
            "transactions": [{"hash": "solve-i-1", "chain": "localnet", "status": "success"}],
            "gasUsed": "7000000000000",
            "totalCost": "1000000000000000000000001",
        },
    }
    assert {name: found[name] for name in seeds} == seeds
    assert all(isinstance(found[name], datetime) for name in ("createdAt", "updatedAt", "expiresAt"))
    assert found["createdAt"] == START.replace(tzinfo=None)
    assert (found["version"], found["versionStatus"], found["nextActionAt"]) == (4, "completed", None)
    assert found["chainTransactions"][0]["signedBytes"] == transaction("solve-i-1").signed_bytes
    other = database.intents.find_one({"intentId": "i-2"})
    assert other is not None
    assert other["max_slippage"] == 3 and isinstance(other["max_slippage"], int)
    assert "executionDetails" not in other and "errorDetails" not in other


async def test_the_seeds_indexes_are_there_as_named(bench: Bench, database: Database[dict[str, Any]]) -> None:
    indexes = database.intents.index_information()
    for name, keys in {
        "status_1_createdAt_1": [("status", 1), ("createdAt", 1)],
        "userId_1_status_1": [("userId", 1), ("status", 1)],
        "executionDetails.transactions.hash_1": [("executionDetails.transactions.hash", 1)],
        "intentId_1": [("intentId", 1)],
        "nextActionAt_1__id_1": [("nextActionAt", 1), ("_id", 1)],
    }.items():
        assert indexes[name]["key"] == keys
        assert "unique" not in indexes[name] and "expireAfterSeconds" not in indexes[name]


async def test_the_seeds_queries_answer(bench: Bench, database: Database[dict[str, Any]]) -> None:
    await completed(bench.store, "i-1")
    await created(bench.store, "i-2")
    counts = database.intents.aggregate([{"$group": {"_id": "$status", "count": {"$sum": 1}}}])
    assert {one["_id"]: one["count"] for one in counts} == {"completed": 1, "pending": 1}
    by_hash = database.intents.find({"executionDetails.transactions.hash": "solve-i-1"})
    assert [one["intentId"] for one in by_hash] == ["i-1"]
    stats = list(database.solverStats.find())
    assert [(one["solverId"], one["successRate"]) for one in stats] == [("solver.near", 1.0)]
    assert isinstance(stats[0]["avgExecutionTime"], float)


def write_past(database: Database[dict[str, Any]], intent_id: str) -> None:
    """The seed's handleVerificationError, to the letter."""
    database.intents.update_one(
        {"intentId": intent_id},
        {
            "$set": {
                "status": "failed",
                "errorDetails": {"message": "by hand"},
                "updatedAt": datetime(2026, 11, 24),
            }
        },
    )


async def test_p03_a_write_past_us_is_seen_and_never_overwritten(
    bench: Bench, database: Database[dict[str, Any]]
) -> None:
    await created(bench.store)
    claim = await claimed(bench.store)
    fence = fence_of(claim)
    write_past(database, "i-1")
    signing = TransactionRecord(
        intent_id="i-1",
        seen_version=1,
        seen_status=Status.PENDING,
        fence=fence,
        transactions=(transaction(),),
    )
    outcomes = [
        *await bench.store.transition([move(claim, Status.VERIFIED, fence=fence), failure(claim)]),
        *await bench.store.record_transactions([signing]),
    ]
    assert [one.error.reason for one in outcomes if isinstance(one, Refused)] == [Reason.FOREIGN_WRITE] * 3
    found = await record(bench.store)
    assert found.foreign_write
    assert (found.status, found.version) == (Status.PENDING, 1)
    assert found.error_details is not None and found.error_details.message == "by hand"
    stored = database.intents.find_one({"_id": "i-1"})
    assert stored is not None and stored["status"] == "failed"
    # what was never moved is in no event: it counts where the store's last move put it
    await logged(bench.store, 1)
    assert (await bench.store.statistics(StatisticsQuery())).counts[Status.PENDING] == 1
    (again,) = await bench.store.create([new()])
    assert not isinstance(again, IntentError) and not again.created


async def test_bytes_already_signed_are_followed_after_a_write_past_us(
    bench: Bench, database: Database[dict[str, Any]]
) -> None:
    await created(bench.store)
    claim = await claimed(bench.store)

    def storing(*transactions: Any) -> TransactionRecord:
        return TransactionRecord(
            intent_id="i-1", seen_version=1, seen_status=Status.PENDING, fence=fence_of(claim),
            transactions=transactions,
        )  # fmt: skip

    await bench.store.record_transactions([storing(transaction())])
    write_past(database, "i-1")
    outcomes = await bench.store.record_transactions(
        [storing(transaction(status="success", gas_used=1)), storing(transaction("tx-2"))]
    )
    assert isinstance(outcomes[0], Applied)
    assert [one.status for one in outcomes[0].record.transactions] == ["success"]
    assert isinstance(outcomes[1], Refused)
    assert outcomes[1].error.reason is Reason.FOREIGN_WRITE


async def test_a_record_that_cannot_be_read_holds_up_no_other(
    bench: Bench, database: Database[dict[str, Any]]
) -> None:
    await bench.store.create([new("i-1"), new("i-2")])
    database.intents.update_one({"_id": "i-1"}, {"$set": {"executionDetails": "by hand"}})
    claims = await bench.store.claim("p", limit=10, lease_ms=1_000)
    assert [one.intent_id for one in claims] == ["i-2"]
    with pytest.raises(IntentError) as error:
        await bench.store.get(["i-1"])
    assert error.value.reason is Reason.CORRUPT_RECORD


@pytest.mark.parametrize("broken", ["lease", "status", "versionStatus", "chainTransactions"])
async def test_a_record_without_a_field_of_ours_spoils_no_batch(
    bench: Bench, database: Database[dict[str, Any]], broken: str
) -> None:
    """Somebody's own `$unset`: its item is refused, those beside it go on."""
    await bench.store.create([new("i-1"), new("i-2")])
    claims = await bench.store.claim("p", limit=10, lease_ms=1_000)
    fences = {one.intent_id: fence_of(one) for one in claims}
    database.intents.update_one({"_id": "i-1"}, {"$unset": {broken: ""}})
    leases = [LeaseRef(intent_id=one, fence=fences[one]) for one in ("i-1", "i-2")]
    assert (await bench.store.renew(leases, lease_ms=2_000))[1]
    moves = [move(one, Status.VERIFIED, fence=fences[one.intent_id]) for one in claims]
    outcomes = dict(zip([one.intent_id for one in claims], await bench.store.transition(moves), strict=True))
    assert isinstance(outcomes["i-2"], Applied)
    assert not isinstance(outcomes["i-1"], Applied)
    bench.clock.advance(seconds=5)
    assert [one.intent_id for one in await bench.store.claim("q", limit=10, lease_ms=1_000)] == ["i-2"]


async def test_the_log_and_the_outbox_are_as_stated(bench: Bench, database: Database[dict[str, Any]]) -> None:
    await created(bench.store)
    await moved(bench.store, failure(await record(bench.store)))
    await logged(bench.store, 2)

    def emptied() -> bool:
        found = database.intents.find_one({"_id": "i-1"})
        return found is not None and found["outbox"] == []

    await eventually(emptied)
    events = list(database.events.find(sort=[("_id", 1)]))
    assert [(one["intentId"], one["version"], one["sequence"]) for one in events] == [
        ("i-1", 1, 1),
        ("i-1", 2, 2),
    ]
    assert [one["_id"] for one in events] == [
        f"{one['partition']:05d}:{one['sequence']:019d}" for one in events
    ]


async def test_p05_replicas_relay_the_same_log(any_mongo: str) -> None:
    async with opened(any_mongo) as here, opened(any_mongo, here.clock) as there:
        for number in range(10):
            seen = await created((here if number % 2 else there).store, f"i-{number}")
            await moved((there if number % 2 else here).store, failure(seen))
        events = await logged(here.store, 20)
        assert len(events) == 20
        assert all(versions(events, f"i-{number}") == [1, 2] for number in range(10))
        assert await logged(there.store, 20) == events


async def test_a_database_that_is_away_is_unavailable_in_time() -> None:
    storage = MongoStorage(
        "mongodb://127.0.0.1:1/intents", select_timeout_ms=100, timeout_ms=100, pool_size=1
    )
    with pytest.raises(IntentError) as error:
        await storage.open(4)
    assert error.value.reason is Reason.DEPENDENCY_UNAVAILABLE
    await storage.close()
    with pytest.raises(CannotOpen):
        MongoStorage("mongodb://a:b@c@d/x", select_timeout_ms=100, timeout_ms=100, pool_size=1)
