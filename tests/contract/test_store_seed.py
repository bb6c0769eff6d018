"""The seed's own MongoDB code, line by line with a bare driver, on documents that our store wrote."""

from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import pymongo
import pytest
from pymongo.database import Database

from services.common.domain.lifecycle import Status
from services.common.domain.outcomes import Applied, Refused
from services.common.errors import Reason
from services.store.verify.findings import Kind
from services.store.verify.run import verify
from tests.unit.store.support import (
    completed,
    created,
    failure,
    fence_of,
    logged,
    move,
    moved,
    opened,
    opened_storage,
    record,
)

INDEXES = {
    "status_1_createdAt_1": {"status": 1, "createdAt": 1},
    "userId_1_status_1": {"userId": 1, "status": 1},
    "executionDetails.transactions.hash_1": {"executionDetails.transactions.hash": 1},
}


@pytest.fixture
def db(any_mongo: str) -> Iterator[Database[dict[str, Any]]]:
    with pymongo.MongoClient[dict[str, Any]](any_mongo) as client:
        yield client.get_default_database()


async def test_the_seeds_code_runs_on_what_the_store_wrote(
    any_mongo: str, db: Database[dict[str, Any]]
) -> None:
    async with opened(any_mongo) as bench:
        await completed(bench.store, "done")
        for number in range(3):
            await created(bench.store, f"waiting-{number}", user_account="bob.near")
            bench.clock.advance(seconds=1)
        await moved(bench.store, failure(await record(bench.store, "waiting-2")))

        # createIndex: they are there under the names that MongoDB gives them, and stay the same
        before = set(db.intents.index_information())
        assert [db.intents.create_index(list(keys.items())) for keys in INDEXES.values()] == list(INDEXES)
        assert set(db.intents.index_information()) == before >= set(INDEXES)

        # updateMetrics: the counts, and each solver's figures
        counts = db.intents.aggregate([{"$group": {"_id": "$status", "count": {"$sum": 1}}}])
        assert {one["_id"]: one["count"] for one in counts} == {"completed": 1, "pending": 2, "failed": 1}
        (solver,) = db.solverStats.find()
        assert (solver["solverId"], solver["successRate"]) == ("solver.near", 1.0)
        assert isinstance(solver["avgExecutionTime"], float)

        # find by each index, in its order
        oldest = db.intents.find({"status": "pending"}).sort("createdAt", 1)
        assert [one["intentId"] for one in oldest] == ["waiting-0", "waiting-1"]
        bobs = db.intents.find({"userId": "bob.near", "status": "failed"})
        assert [one["intentId"] for one in bobs] == ["waiting-2"]
        by_hash = db.intents.find({"executionDetails.transactions.hash": "solve-done"})
        assert [one["executionDetails"]["solverId"] for one in by_hash] == ["solver.near"]

        # handleExecutionFailure: updateOne, which knows nothing of versions
        claim, _ = await bench.store.claim("p", limit=5, lease_ms=60_000)
        done = db.intents.update_one(
            {"intentId": claim.intent_id},
            {"$set": {"status": "failed", "errorDetails": "by the seed", "updatedAt": datetime.now(UTC)}},
        )
        assert (done.matched_count, done.modified_count) == (1, 1)
        (refused,) = await bench.store.transition([move(claim, Status.VERIFIED, fence=fence_of(claim))])
        assert isinstance(refused, Refused) and refused.error.reason is Reason.FOREIGN_WRITE
        found = await record(bench.store, claim.intent_id)
        assert found.foreign_write and (found.status, found.version) == (Status.PENDING, 1)
        stored = db.intents.find_one({"intentId": claim.intent_id})
        assert stored is not None and (stored["status"], stored["errorDetails"]) == ("failed", "by the seed")

        # others go on, and verify names this one alone
        (other,) = [
            one for one in await bench.store.get(["waiting-0", "waiting-1"]) if one and not one.foreign_write
        ]
        assert other is not None and isinstance(
            (await bench.store.transition([move(other, Status.VERIFIED, fence=fence_of(other))]))[0], Applied
        )
        await logged(bench.store, 9)
    async with opened_storage(any_mongo) as storage:
        verified = await verify(storage, bench.clock, progress=lambda what, count: None)
    written_past = {one.where for one in verified.findings.kept if one.kind is Kind.WRITTEN_PAST}
    assert written_past == {claim.intent_id} == {one.where for one in verified.findings.kept}
