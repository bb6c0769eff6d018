"""Acts of operators and of the resolver on stored intents: each kept, once, and none ends what may get on chain."""

import asyncio
import json
from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from services.common.domain.intent import IntentRecord
from services.common.domain.lifecycle import Status
from services.common.domain.outcomes import Applied, LeaseRef, OverdueCause, TransactionRecord
from services.common.domain.settling import BY_PROCESSOR, Act, Audited, Settlement
from services.common.errors import IntentError, Reason
from services.store.verify.run import verify
from tests.unit.store.raw import raw
from tests.unit.store.support import (
    Bench,
    claimed,
    created,
    fence_of,
    logged,
    move,
    moved,
    opened,
    opened_storage,
    record,
    served,
    sqlite_url,
    store_url,
    transaction,
)

__all__ = ["store_url"]


@pytest.fixture
async def bench(store_url: str) -> AsyncIterator[Bench]:
    async with opened(store_url) as made:
        await created(made.store, "i-1")
        yield made


def act(what: Act, *, by: str = "operator:ada", intent_id: str = "i-1", **more: Any) -> Settlement:
    return Settlement(intent_id=intent_id, act=what, by=by, reason="seen on chain", **more)


async def done(bench: Bench, asked: Settlement) -> Audited:
    (answer,) = await bench.store.settle([asked])
    assert isinstance(answer, Audited), answer
    return answer


async def refused(bench: Bench, asked: Settlement) -> IntentError:
    before = await bench.store.settlements([asked.intent_id])
    (answer,) = await bench.store.settle([asked])
    assert isinstance(answer, IntentError), answer
    assert await bench.store.settlements([asked.intent_id]) == before
    return answer


async def signed_for(bench: Bench) -> IntentRecord:
    """Executing, leased, with signed bytes whose end is not known."""
    claim = await claimed(bench.store)
    one = await moved(bench.store, move(claim, Status.VERIFIED, fence=fence_of(claim)))
    solve = transaction("tx-1", purpose="solve", solver_id="solver.near")
    return await moved(bench.store, move(one, Status.EXECUTING, fence=fence_of(claim), transactions=(solve,)))


async def test_p13_a_note_is_kept_and_changes_nothing_else(bench: Bench) -> None:
    before = await record(bench.store, "i-1")
    after = await done(bench, act(Act.NOTE, by=BY_PROCESSOR, evidence='{"finding":"person"}'))
    assert after.record == before
    (entry,) = after.entries
    assert (entry.by, entry.act, entry.reason) == ("processor", "note", "seen on chain")
    assert entry.evidence == '{"finding":"person"}'
    (listed, unknown) = await bench.store.settlements(["i-1", "none"])
    assert (listed, unknown) == (after, None)


async def test_p13_what_the_processor_finds_again_is_one_entry_what_a_person_does_one_each_time(
    bench: Bench,
) -> None:
    claim = await claimed(bench.store)
    for minutes in range(1, 4):
        later = bench.clock.moment + timedelta(minutes=minutes)
        lease = LeaseRef(intent_id="i-1", fence=fence_of(claim), next_action_at=later)
        await bench.store.release([lease])
        await done(bench, act(Act.NOTE, by=BY_PROCESSOR))
        woken = await done(bench, act(Act.WAKE, by=BY_PROCESSOR))
        assert woken.record.next_action_at == bench.clock.moment
        (claim,) = await bench.store.claim("p", limit=1, lease_ms=1_000)
    assert [entry.act for entry in woken.entries] == ["note", "wake"]
    await done(bench, act(Act.WAKE))
    assert len((await done(bench, act(Act.WAKE))).entries) == 4


async def test_p13_who_is_woken_is_due_at_once(bench: Bench) -> None:
    claim = await claimed(bench.store)
    later = bench.clock.moment + timedelta(hours=1)

    await bench.store.release([LeaseRef(intent_id="i-1", fence=fence_of(claim), next_action_at=later)])
    assert await bench.store.claim("p", limit=1, lease_ms=1_000) == []
    after = await done(bench, act(Act.WAKE))
    assert after.record.next_action_at == bench.clock.moment
    (again,) = await bench.store.claim("p", limit=1, lease_ms=1_000)
    assert again.intent_id == "i-1"


async def test_p13_waking_takes_no_lease_away(bench: Bench) -> None:
    claim = await claimed(bench.store)
    after = await done(bench, act(Act.WAKE))
    assert after.record.lease == claim.lease and after.record.next_action_at == claim.next_action_at
    assert await bench.store.claim("p", limit=1, lease_ms=1_000) == []


async def test_p13_an_end_by_a_person_is_a_move_with_actor_reason_and_evidence(bench: Bench) -> None:
    claim = await claimed(bench.store)
    after = await done(bench, act(Act.FAIL, seen_version=1, evidence='{"block_height":7}'))
    one = after.record
    assert (one.status, one.version, one.lease, one.next_action_at) == (Status.FAILED, 2, None, None)
    assert one.error_details is not None
    assert (one.error_details.reason, one.error_details.message) == ("RESOLVED", "seen on chain")
    assert json.loads(one.error_details.evidence) == {"by": "operator:ada", "seen": '{"block_height":7}'}
    assert (one.history[-1].actor, one.history[-1].reason) == ("operator:ada", "RESOLVED")
    assert [entry.act for entry in after.entries] == ["fail"]
    events = await logged(bench.store, 2)
    assert [event.status for event in events] == ["pending", "failed"]
    # whoever was at work on it writes nothing more
    assert await bench.store.renew([_lease(claim)], lease_ms=1_000) == [False]


async def test_p04_p13_nothing_is_ended_while_signed_bytes_may_get_on_chain(bench: Bench) -> None:
    one = await signed_for(bench)
    error = await refused(bench, act(Act.FAIL, seen_version=one.version))
    assert error.reason is Reason.NOT_CANCELLABLE and "tx-1" in error.message


async def test_p04_p13_bytes_signed_at_the_same_time_are_judged_too(bench: Bench) -> None:
    """The end and the signature race for one intent: never both."""
    for number in range(4):
        intent_id = f"race-{number}"
        await created(bench.store, intent_id)
        (claim,) = [
            one
            for one in await bench.store.claim("p", limit=100, lease_ms=60_000)
            if one.intent_id == intent_id
        ]

        write = TransactionRecord(
            intent_id=intent_id, seen_version=1, seen_status=Status.PENDING, fence=fence_of(claim),
            transactions=(transaction(f"tx-{number}"),),
        )  # fmt: skip
        ((ended,), (signed,)) = await asyncio.gather(
            bench.store.settle([act(Act.FAIL, intent_id=intent_id, seen_version=1)]),
            bench.store.record_transactions([write]),
        )
        assert isinstance(ended, Audited) != isinstance(signed, Applied)


async def test_p13_what_was_judged_by_an_older_version_is_not_ended(bench: Bench) -> None:
    claim = await claimed(bench.store)
    await moved(bench.store, move(claim, Status.VERIFIED, fence=fence_of(claim)))
    assert (await refused(bench, act(Act.FAIL, seen_version=1))).reason is Reason.STALE_VERSION


async def test_p13_what_has_ended_stays_as_it_is(bench: Bench) -> None:
    await done(bench, act(Act.FAIL, seen_version=1))
    for what in (Act.FAIL, Act.WAKE):
        assert (await refused(bench, act(what, seen_version=2))).reason is Reason.ILLEGAL_MOVE
    assert (await refused(bench, act(Act.NOTE, intent_id="none"))).reason is Reason.INTENT_NOT_FOUND


async def test_p13_who_and_why_are_to_be_said(bench: Bench) -> None:
    for wrong in (
        Settlement(intent_id="i-1", act=Act.NOTE, by="", reason="why"),
        Settlement(intent_id="i-1", act=Act.NOTE, by="a" * 100, reason="why"),
        Settlement(intent_id="i-1", act=Act.NOTE, by="ada\n", reason="why"),
        Settlement(intent_id="i-1", act=Act.FAIL, by="ada", reason=" ", seen_version=1),
        Settlement(intent_id="i-1", act=Act.NOTE, by="ada", reason="x" * 1025),
        Settlement(intent_id="i-1", act=Act.NOTE, by="ada", reason="why", evidence="x" * 5000),
    ):
        assert (await refused(bench, wrong)).reason is Reason.INVALID_FIELD


async def test_p13_what_was_written_past_the_store_or_is_held_is_left_to_resolve(
    bench: Bench, store_url: str
) -> None:
    with raw(store_url) as behind:
        behind.change("i-1", lambda document: document.update(status="completed"))
    assert (await refused(bench, act(Act.FAIL, seen_version=1))).reason is Reason.FOREIGN_WRITE
    held = {"reason": "UNSIGNED", "since": bench.clock.moment}
    with raw(store_url) as behind:
        behind.change("i-1", lambda document: document.update(status="pending", held=held, nextActionAt=None))
    error = await refused(bench, act(Act.WAKE))
    assert error.reason is Reason.ILLEGAL_MOVE and "intents admin resolve" in error.message
    page = await bench.store.overdue()
    assert [one.cause for one in page.overdue] == [OverdueCause.HELD]


async def test_acts_leave_a_store_in_which_nothing_is_to_be_found(bench: Bench, store_url: str) -> None:
    await created(bench.store, "i-2")
    await done(bench, act(Act.NOTE))
    await done(bench, act(Act.WAKE))
    await done(bench, act(Act.FAIL, seen_version=1))
    await logged(bench.store, 3)
    async with opened_storage(store_url) as storage:
        result = await verify(storage, bench.clock, progress=lambda what, count: None)
    assert not result.findings.kept


async def test_acts_over_grpc_are_the_same(tmp_path: Path) -> None:
    async with served(sqlite_url(tmp_path)) as bench:
        one = await created(bench.store, "i-1")
        noted = await done(bench, act(Act.NOTE, evidence='{"hash":"tx-1"}'))
        assert noted.record == one
        assert (await bench.store.settlements(["i-1", "none"])) == [noted, None]
        assert (await refused(bench, act(Act.FAIL, seen_version=9))).reason is Reason.STALE_VERSION
        assert (await done(bench, act(Act.FAIL, seen_version=1))).record.status is Status.FAILED


def _lease(one: IntentRecord) -> Any:

    return LeaseRef(intent_id=one.intent_id, fence=fence_of(one))
