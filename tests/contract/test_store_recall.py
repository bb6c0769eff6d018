"""What a process remembers of an intent saves a look, and never decides: only a write that goes through does."""

from dataclasses import replace
from typing import Any

import pymongo

from services.common.domain.lifecycle import Status
from services.common.domain.outcomes import AlreadyThere, Applied, Conflict, Refused
from services.common.errors import Reason
from tests.unit.store.support import (
    Bench,
    Crashing,
    claimed,
    created,
    failure,
    fence_of,
    move,
    moved,
    opened,
    record,
    transaction,
)


def steps(bench: Bench) -> list[str]:
    """Names of the operations that its programs take from now on."""
    watched = Crashing(bench.store._storage, before=1 << 30)
    bench.store._storage = watched
    return watched.steps


async def test_a_claimer_moves_without_another_look(mongo_java_url: str) -> None:
    async with opened(mongo_java_url) as bench:
        await created(bench.store)
        claim = await claimed(bench.store)
        taken = steps(bench)
        one = await moved(bench.store, move(claim, Status.VERIFIED, fence=fence_of(claim)))
        assert taken == ["Recall", "Update"]
        solve = (transaction("solve", purpose="solve"),)
        await moved(bench.store, move(one, Status.EXECUTING, fence=fence_of(claim), transactions=solve))
        assert taken == ["Recall", "Update"] * 2


async def test_p03_what_another_process_did_meanwhile_is_seen(mongo_java_url: str) -> None:
    async with opened(mongo_java_url) as here, opened(mongo_java_url) as there:
        ids = [f"i-{number}" for number in range(4)]
        for intent_id in ids:
            await created(here.store, intent_id)
        first, second, third, fourth = await here.store.claim("p-1", limit=4, lease_ms=30_000)
        fence = fence_of(first)
        for one in (first, second, third, fourth):
            await moved(there.store, move(one, Status.VERIFIED, fence=fence))
        outcomes = await here.store.transition([
            failure(first, fence=fence),
            move(second, Status.VERIFIED, fence=fence),
            failure(replace(third, status=Status.VERIFIED, version=2), fence=fence),
            move(fourth, Status.COMPLETED, fence=fence),
        ])  # fmt: skip
        assert [type(one) for one in outcomes] == [Conflict, AlreadyThere, Applied, Refused]
        assert isinstance(outcomes[0], Conflict)
        assert outcomes[0].record.version == 2
        assert (await record(there.store, third.intent_id)).status is Status.FAILED


async def test_a_write_past_us_is_seen_though_another_is_remembered(mongo_java_url: str) -> None:
    async with opened(mongo_java_url) as bench:
        await created(bench.store)
        claim = await claimed(bench.store)
        with pymongo.MongoClient[dict[str, Any]](mongo_java_url) as client:
            client.get_default_database().intents.update_one(
                {"_id": "i-1"}, {"$set": {"status": "completed"}}
            )
        (outcome,) = await bench.store.transition([move(claim, Status.VERIFIED, fence=fence_of(claim))])
        assert isinstance(outcome, Refused)
        assert outcome.error.reason is Reason.FOREIGN_WRITE
