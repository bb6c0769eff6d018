"""What every backend of the store promises about moves, signed transactions and leases."""

import asyncio
from collections import Counter
from datetime import timedelta

import pytest

from services.common.domain.intent import ErrorDetails, ExecutionDetails
from services.common.domain.lifecycle import Status, legal
from services.common.domain.outcomes import (
    AlreadyThere,
    Applied,
    Conflict,
    LeaseRef,
    Refused,
    TransactionRecord,
    WriteOutcome,
)
from services.common.errors import IntentError, Reason
from tests.unit.store.support import (
    Bench,
    bench,
    claimed,
    completed,
    created,
    failure,
    fence_of,
    logged,
    move,
    moved,
    record,
    store_url,
    transaction,
)

__all__ = ["bench", "store_url"]


def refused(outcome: WriteOutcome) -> Reason:
    assert isinstance(outcome, Refused), outcome
    return outcome.error.reason


async def test_p03_the_way_to_completed_is_told_once(bench: Bench) -> None:
    done = await completed(bench.store, "i-1")
    assert (done.status, done.version) == (Status.COMPLETED, 4)
    assert done.next_action_at is None and done.lease is None and done.terminal
    assert done.execution_details is not None
    assert done.execution_details.solver_id == "solver.near"
    assert (done.execution_details.gas_used, done.execution_details.total_cost) == (7 * 10**12, 10**24 + 1)
    assert [one.status for one in done.execution_details.transactions] == ["success"]
    events = await logged(bench.store, 4)
    assert [(one.version, one.status) for one in events] == list(
        enumerate([Status.PENDING, Status.VERIFIED, Status.EXECUTING, Status.COMPLETED], 1)
    )
    assert events == list(done.history)
    assert await record(bench.store) == done


async def test_p03_only_legal_moves(bench: Bench) -> None:
    seen = await created(bench.store)
    for to in Status:
        if not legal(Status.PENDING, to):
            (outcome,) = await bench.store.transition([move(seen, to)])
            assert refused(outcome) is Reason.ILLEGAL_MOVE
    assert await record(bench.store) == seen
    (outcome,) = await bench.store.transition([move(await completed_other(bench), Status.FAILED)])
    assert refused(outcome) is Reason.ILLEGAL_MOVE


async def completed_other(bench: Bench):  # type: ignore[no-untyped-def]
    await moved(bench.store, failure(await record(bench.store)))
    return await completed(bench.store, "i-2")


async def test_p03_a_repeated_move_is_an_outcome(bench: Bench) -> None:
    seen = await created(bench.store)
    step = failure(seen)
    await moved(bench.store, step)
    (again,) = await bench.store.transition([step])
    assert isinstance(again, AlreadyThere)
    assert again.record.version == 2
    assert len(await logged(bench.store, 2)) == 2


async def test_p03_a_failure_is_recorded_with_reason_and_evidence(bench: Bench) -> None:
    seen = await created(bench.store)
    bench.clock.advance(seconds=3)
    done = await moved(bench.store, failure(seen, "EXPIRED", actor="processor/1", traceparent="t"))
    wanted = ErrorDetails(reason="EXPIRED", message="No more.", evidence='{"by":"user"}')
    assert done.error_details == wanted
    event = (await logged(bench.store, 2))[-1]
    assert (event.reason, event.error_details, event.actor, event.traceparent) == (
        "EXPIRED", wanted, "processor/1", "t",
    )  # fmt: skip
    assert event.occurred_at == done.updated_at == seen.created_at + timedelta(seconds=3)
    assert event.principal == "alice"


async def test_p03_another_version_stands(bench: Bench) -> None:
    await created(bench.store)
    claim = await claimed(bench.store)
    verified = await moved(bench.store, move(claim, Status.VERIFIED, fence=fence_of(claim)))
    (outcome,) = await bench.store.transition([failure(claim)])
    assert isinstance(outcome, Conflict)
    assert outcome.record == verified


async def test_p03_of_many_movers_one_moves(bench: Bench) -> None:
    seen = await created(bench.store)
    answers = await asyncio.gather(
        *(bench.store.transition([failure(seen, f"R{number}")]) for number in range(12)),
        *(bench.store.transition([move(seen, Status.VERIFIED)]) for _ in range(12)),
    )
    kinds = Counter(type(outcome) for (outcome,) in answers)
    assert kinds[Applied] == 1
    assert kinds[Applied] + kinds[AlreadyThere] + kinds[Conflict] == 24
    assert [one.version for one in await logged(bench.store, 2)] == [1, 2]


async def test_p03_of_batches_that_race_for_the_same_intents_each_is_moved_once(bench: Bench) -> None:
    seen = [await created(bench.store, f"i-{number}") for number in range(24)]
    batches = [
        [failure(one, f"R{racer}") for one in order] for racer, order in enumerate((seen, seen[::-1], seen))
    ]
    answers = await asyncio.gather(*(bench.store.transition(batch) for batch in batches))
    applied = Counter(
        outcome.record.intent_id for batch in answers for outcome in batch if isinstance(outcome, Applied)
    )
    assert applied == {one.intent_id: 1 for one in seen}
    for racer, batch in enumerate(answers):
        for outcome in batch:
            assert isinstance(outcome, Applied | AlreadyThere | Conflict)
            if isinstance(outcome, Applied):
                assert outcome.record.error_details is not None
                assert outcome.record.error_details.reason == f"R{racer}"
    assert sorted(one.version for one in await logged(bench.store, 48)) == [1] * 24 + [2] * 24


async def test_moves_of_one_intent_in_one_batch_follow_each_other(bench: Bench) -> None:
    seen = await created(bench.store)
    first = move(seen, Status.VERIFIED)
    second = failure(seen)
    unknown = move(seen, Status.VERIFIED)
    unknown = type(unknown)(**{**_fields(unknown), "intent_id": "nobody"})
    outcomes = await bench.store.transition([first, second, unknown])
    assert [type(one) for one in outcomes] == [Applied, Conflict, Refused]
    assert refused(outcomes[2]) is Reason.INTENT_NOT_FOUND


def _fields(one: object) -> dict[str, object]:
    return {name: getattr(one, name) for name in type(one).__slots__}  # type: ignore[attr-defined]


async def test_p04_nothing_is_cancelled_once_bytes_are_stored(bench: Bench) -> None:
    await created(bench.store)
    claim = await claimed(bench.store)
    (stored,) = await bench.store.record_transactions([
        TransactionRecord(
            intent_id="i-1", seen_version=1, seen_status=Status.PENDING, fence=fence_of(claim),
            transactions=(transaction(),),
        )
    ])  # fmt: skip
    assert isinstance(stored, Applied)
    (outcome,) = await bench.store.transition([failure(claim)])
    assert refused(outcome) is Reason.NOT_CANCELLABLE
    # its holder still may
    done = await moved(bench.store, failure(claim, "VERIFICATION_FAILED", fence=fence_of(claim)))
    assert done.status is Status.FAILED and done.transactions == (transaction(),)


async def test_p04_cancelling_races_with_storing_bytes(bench: Bench) -> None:
    for number in range(6):
        await created(bench.store, f"i-{number}")
    claims = await bench.store.claim("p", limit=6, lease_ms=30_000)

    async def sign(claim):  # type: ignore[no-untyped-def]
        change = TransactionRecord(
            intent_id=claim.intent_id, seen_version=1, seen_status=Status.PENDING, fence=fence_of(claim),
            transactions=(transaction(),),
        )  # fmt: skip
        return (await bench.store.record_transactions([change]))[0]

    for claim in claims:
        (cancelled,), signed = await asyncio.gather(bench.store.transition([failure(claim)]), sign(claim))
        assert isinstance(cancelled, Applied) != isinstance(signed, Applied)
        final = await record(bench.store, claim.intent_id)
        assert (final.status is Status.FAILED) == (not final.transactions)


async def test_p02_signed_bytes_are_stored_under_version_status_and_fence(bench: Bench) -> None:
    await created(bench.store)
    claim = await claimed(bench.store, "p-1", lease_ms=1_000)
    bench.clock.advance(seconds=2)
    taken = await claimed(bench.store, "p-2")
    assert fence_of(taken) == fence_of(claim) + 1

    def change(fence: int, version: int = 1, hash: str = "tx-1") -> TransactionRecord:
        return TransactionRecord(
            intent_id="i-1", seen_version=version, seen_status=Status.PENDING, fence=fence,
            transactions=(transaction(hash),),
        )  # fmt: skip

    stale, wrong_version, good, again = await bench.store.record_transactions(
        [
            change(fence_of(claim)),
            change(fence_of(taken), 2),
            change(fence_of(taken)),
            change(fence_of(taken)),
        ]
    )
    assert isinstance(stale, Conflict) and isinstance(wrong_version, Conflict)
    assert isinstance(good, Applied) and isinstance(again, AlreadyThere)
    assert good.record.version == 1 and good.record.transactions == (transaction("tx-1"),)
    assert len(await logged(bench.store, 1)) == 1
    # a mover with an old fence cannot bring other bytes, nor take another's for its own
    (late,) = await bench.store.transition(
        [move(claim, Status.VERIFIED, fence=fence_of(claim), transactions=(transaction("tx-2"),))]
    )
    assert isinstance(late, Conflict)
    await moved(bench.store, move(taken, Status.VERIFIED, fence=fence_of(taken)))
    (late,) = await bench.store.transition(
        [move(claim, Status.VERIFIED, fence=fence_of(claim), transactions=(transaction("tx-2"),))]
    )
    assert isinstance(late, Conflict)


async def test_execution_details_keep_step_with_stored_transactions(bench: Bench) -> None:
    await created(bench.store)
    claim = await claimed(bench.store)
    fence = fence_of(claim)

    async def store(*transactions):  # type: ignore[no-untyped-def]
        (outcome,) = await bench.store.record_transactions([
            TransactionRecord(
                intent_id="i-1", seen_version=1, seen_status=Status.PENDING, fence=fence, transactions=transactions
            )
        ])  # fmt: skip
        assert isinstance(outcome, Applied), outcome
        details = outcome.record.execution_details
        assert details is not None
        return details

    details = await store(transaction("a"))
    assert [(one.hash, one.chain, one.status) for one in details.transactions] == [
        ("a", "localnet", "signed")
    ]
    details = await store(transaction("a", status="failure", gas_used=3, total_cost=10**25), transaction("b"))
    assert [(one.hash, one.status) for one in details.transactions] == [("a", "failure"), ("b", "signed")]
    assert (details.gas_used, details.total_cost, details.solver_id) == (3, 10**25, "")
    given = ExecutionDetails(solver_id="s", gas_used=1)
    after = await moved(bench.store, move(claim, Status.VERIFIED, fence=fence, execution_details=given))
    assert after.execution_details == given


async def test_claims_are_most_overdue_first_and_exclusive(bench: Bench) -> None:
    for number in range(5):
        await created(bench.store, f"i-{number}")
        bench.clock.advance(seconds=1)
    first = await bench.store.claim("p-1", limit=2, lease_ms=30_000)
    second = await bench.store.claim("p-2", limit=10, lease_ms=30_000)
    assert [one.intent_id for one in first] == ["i-0", "i-1"]
    assert [one.intent_id for one in second] == ["i-2", "i-3", "i-4"]
    assert all(one.lease and one.lease.owner == "p-2" and one.lease.fence == 1 for one in second)
    assert all(
        one.lease and one.lease.expires_at == bench.clock.moment + timedelta(seconds=30) for one in first
    )
    assert await bench.store.claim("p-3", limit=10, lease_ms=30_000) == []


async def test_claims_race_without_sharing(bench: Bench) -> None:
    for number in range(20):
        await created(bench.store, f"i-{number}")
    answers = await asyncio.gather(*(bench.store.claim(f"p-{n}", limit=8, lease_ms=30_000) for n in range(4)))
    taken = [one.intent_id for answer in answers for one in answer]
    assert len(taken) == len(set(taken))
    rest = await bench.store.claim("p-rest", limit=20, lease_ms=30_000)
    assert sorted([*taken, *(one.intent_id for one in rest)]) == sorted(f"i-{n}" for n in range(20))


async def test_a_lapsed_lease_is_another_owners(bench: Bench) -> None:
    await created(bench.store)
    claim = await claimed(bench.store, "p-1", lease_ms=1_000)
    held = LeaseRef(intent_id="i-1", fence=fence_of(claim))
    assert await bench.store.renew([held], lease_ms=2_000) == [True]
    bench.clock.advance(seconds=1.5)
    assert await bench.store.claim("p-2", limit=1, lease_ms=1_000) == []
    bench.clock.advance(seconds=1)
    taken = await claimed(bench.store, "p-2")
    assert await bench.store.renew([held], lease_ms=1_000) == [False]
    assert await bench.store.release([held]) == [False]
    (outcome,) = await bench.store.transition([move(claim, Status.VERIFIED, fence=fence_of(claim))])
    assert isinstance(outcome, Conflict)
    await moved(bench.store, move(taken, Status.VERIFIED, fence=fence_of(taken)))


async def test_a_restarted_owner_takes_its_own_back(bench: Bench) -> None:
    await created(bench.store)
    claim = await claimed(bench.store, "p-1")
    assert await bench.store.claim("p-1", limit=1, lease_ms=1_000) == []
    (again,) = await bench.store.claim("p-1", limit=1, lease_ms=1_000, reclaim=True)
    assert fence_of(again) == fence_of(claim) + 1


async def test_released_intents_are_due_when_said(bench: Bench) -> None:
    await created(bench.store)
    claim = await claimed(bench.store)
    later = bench.clock.moment + timedelta(seconds=5)
    held = LeaseRef(intent_id="i-1", fence=fence_of(claim), next_action_at=later)
    unknown = LeaseRef(intent_id="nobody", fence=1)
    assert await bench.store.release([held, unknown]) == [True, False]
    assert (await record(bench.store)).next_action_at == later
    assert await bench.store.claim("p-2", limit=1, lease_ms=1_000) == []
    bench.clock.advance(seconds=5)
    assert fence_of(await claimed(bench.store, "p-2")) == fence_of(claim) + 1


async def test_what_has_ended_is_never_due(bench: Bench) -> None:
    await completed(bench.store, "i-1")
    bench.clock.advance(days=30)
    assert await bench.store.claim("p", limit=1, lease_ms=1_000, reclaim=True) == []


async def test_leases_have_bounds(bench: Bench) -> None:
    for call in (
        bench.store.claim("", limit=1, lease_ms=1_000),
        bench.store.claim("p", limit=1, lease_ms=0),
        bench.store.claim("p", limit=0, lease_ms=1),
    ):
        with pytest.raises(IntentError) as error:
            await call
        assert error.value.reason in (Reason.INVALID_FIELD, Reason.BATCH_SIZE)
