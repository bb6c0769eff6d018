"""P4, unknown is not failed: only evidence at a final block ends an intent."""

import json
from collections.abc import AsyncIterator, Sequence
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from services.common.chain.port import Failure, FunctionCall
from services.common.clock import now
from services.common.domain.intent import SignedTransaction, Submission
from services.common.domain.lifecycle import Status
from services.common.domain.outcomes import TransactionRecord, Verdict, WriteOutcome
from services.common.domain.plainjson import plain_to_json
from services.common.domain.signedjson import signed_to_json
from services.common.errors import IntentError, Reason, unavailable
from services.processor.model import VERIFY_TRIES
from services.processor.service import between_tries
from tests.harness.wait import eventually
from tests.unit.processor.support import Stage, signer, stage


@pytest.fixture
async def play(tmp_path: Path) -> AsyncIterator[Stage]:
    async with stage(tmp_path) as made:
        yield made


def once(play: Stage, intent_id: str) -> bool:
    return play.chain.effects == {("verify_signed_intent", intent_id): 1, ("solve_intent", intent_id): 1}


async def test_p04_a_broadcast_that_times_out_is_followed_not_signed_again(play: Stage) -> None:
    (intent_id,) = await play.accept()
    play.chain.silence = 2
    async with play.processor():
        (record,) = await play.ended(intent_id)
    assert record.status is Status.COMPLETED and once(play, intent_id)
    assert len(record.transactions) == 2


async def test_p04_bytes_that_were_lost_go_out_again_unchanged(play: Stage) -> None:
    (intent_id,) = await play.accept()
    play.chain.lose = 4
    async with play.processor():
        (record,) = await play.ended(intent_id)
    assert record.status is Status.COMPLETED and once(play, intent_id)
    assert len(record.transactions) == 2
    assert len(play.chain.sent) >= 6 and len(set(play.chain.sent)) == 2


async def test_p04_a_node_that_is_away_ends_nothing(play: Stage) -> None:
    (intent_id,) = await play.accept()
    async with play.processor():
        await eventually(lambda: play.chain.sent)
        play.chain.away = 12
        play.clock.advance(seconds=20)
        (record,) = await play.ended(intent_id)
    assert record.status is Status.COMPLETED and once(play, intent_id)


async def test_p04_a_validator_that_cannot_tell_refuses_nothing(play: Stage) -> None:
    (intent_id,) = await play.accept()
    real, doubts = play.validator, [Verdict(valid=False, unavailable="chain views"), unavailable("validator")]

    class Doubtful:
        async def validate(
            self, submissions: Sequence[Submission], *, stored: bool = False
        ) -> Sequence[Verdict]:
            assert stored
            if doubts:
                doubt = doubts.pop(0)
                if isinstance(doubt, IntentError):
                    raise doubt
                return [doubt] * len(submissions)
            return await real.validate(submissions, stored=stored)

    play.validator = Doubtful()  # type: ignore[assignment]
    async with play.processor():
        for left in (1, 0):
            await eventually(lambda left=left: len(doubts) <= left)
            await play.resting(intent_id)
            play.clock.advance(seconds=20)
        (record,) = await play.ended(intent_id)
    assert record.status is Status.COMPLETED


async def overtaken(play: Stage, intent_id: str) -> SignedTransaction:
    """The intent's first transaction, stored and never sent, whose nonce another has used since."""
    (record,) = await play.store.claim("dead", limit=1, lease_ms=1)
    assert record.lease is not None
    anchor = await play.chain.access_key("relayer.near", signer().public_key)
    call = FunctionCall(
        receiver_id="verifier.near", method="verify_signed_intent", args=_args(record.submission)
    )
    tx = play.chain.prepare(call, signer(), nonce=anchor.nonce + 1, anchor=anchor, purpose="verify")
    write = TransactionRecord(
        intent_id=intent_id,
        seen_version=1,
        seen_status=Status.PENDING,
        fence=record.lease.fence,
        transactions=(tx,),
    )
    await play.store.record_transactions([write])
    play.clock.advance(seconds=5)
    return tx


def _args(submission: Submission) -> dict[str, Any]:
    assert submission.intent is not None and submission.signed_data is not None
    return {"intent": plain_to_json(submission.intent), "signed": signed_to_json(submission.signed_data)}


async def test_p04_only_a_transaction_proven_dead_is_signed_again(play: Stage) -> None:
    (intent_id,) = await play.accept()
    tx = await overtaken(play, intent_id)
    play.chain.nonces[signer().public_key] = tx.nonce + 5
    async with play.processor():
        (record,) = await play.ended(intent_id)
    assert record.status is Status.COMPLETED and once(play, intent_id)
    dead, *others = record.transactions
    assert (dead.hash, dead.status) == (tx.hash, "dead")
    proof = json.loads(dead.evidence)
    assert proof["key"] == f"nonce {tx.nonce + 5}" and proof["block_height"] >= proof["passed_at"] + 2
    assert [one.status for one in others] == ["success", "success"]
    details = record.execution_details
    assert details is not None and [one.status for one in details.transactions] == [
        "dead",
        "success",
        "success",
    ]


async def test_p04_a_nonce_not_passed_yet_is_no_proof(play: Stage) -> None:
    """Unknown to the node for long, yet not dead: the same bytes go out again until they are taken."""
    (intent_id,) = await play.accept()
    tx = await overtaken(play, intent_id)
    play.chain.lose = 12
    async with play.processor():
        (record,) = await play.ended(intent_id)
    assert record.transactions[0].hash == tx.hash and record.transactions[0].status == "success"
    assert play.chain.sent.count(tx.signed_bytes) >= 10 and once(play, intent_id)


async def test_p04_a_transaction_whose_block_hash_is_too_old_is_signed_again(play: Stage) -> None:
    (intent_id,) = await play.accept()
    tx = await overtaken(play, intent_id)
    play.chain.height += 1_000
    play.chain.validity = 500
    async with play.processor(tx_validity_blocks=500):
        (record,) = await play.ended(intent_id)
    assert record.status is Status.COMPLETED and once(play, intent_id)
    assert (record.transactions[0].hash, record.transactions[0].status) == (tx.hash, "dead")


async def test_p04_a_transaction_whose_key_is_gone_is_signed_again_with_another(play: Stage) -> None:
    (intent_id,) = await play.accept()
    tx = await overtaken(play, intent_id)
    play.chain.gone.add(signer().public_key)
    play.chain.height += 1
    async with play.processor(key=1):
        (record,) = await play.ended(intent_id)
    assert record.status is Status.COMPLETED and once(play, intent_id)
    assert (record.transactions[0].hash, record.transactions[0].status) == (tx.hash, "dead")
    assert json.loads(record.transactions[0].evidence)["key"] == "gone"


async def test_p04_a_passed_deadline_ends_nothing_while_signed_bytes_are_open(play: Stage) -> None:
    (intent_id,) = await play.accept()
    await overtaken(play, intent_id)
    play.clock.advance(seconds=700)
    play.chain.lose = 10**9
    async with play.processor():
        await eventually(lambda: len(play.chain.sent) > 8)
        assert (await play.record(intent_id)).status is Status.PENDING
        play.chain.nonces[signer().public_key] = 50
        play.chain.lose = 0
        (record,) = await play.ended(intent_id)
    assert record.error_details is not None and record.error_details.reason == "EXPIRED"
    assert [tx.status for tx in record.transactions] == ["dead"] and not play.chain.effects


async def test_p04_an_expired_intent_nothing_of_which_was_signed_fails_by_the_chains_time(
    play: Stage,
) -> None:
    (intent_id,) = await play.accept()
    play.clock.advance(seconds=601)
    async with play.processor():
        (record,) = await play.ended(intent_id)
    assert record.error_details is not None and record.error_details.reason == "EXPIRED"
    proof = json.loads(record.error_details.evidence)
    assert int(proof["block_timestamp_ns"]) > record.expires_at.timestamp() * 10**9
    assert (record.transactions, play.chain.sent) == ((), [])


async def test_p04_a_store_whose_answer_is_lost_gets_the_same_bytes_again(play: Stage) -> None:
    (intent_id,) = await play.accept()
    real, lost = play.store.record_transactions, [Reason.DEADLINE_EXCEEDED, Reason.DEPENDENCY_UNAVAILABLE]
    written: list[bytes] = []

    async def flaky(records: Sequence[TransactionRecord]) -> Sequence[WriteOutcome]:
        answer = await real(records)
        written.extend(tx.signed_bytes for record in records for tx in record.transactions)
        if lost:
            raise IntentError(lost.pop(0), "the answer was lost")
        return answer

    play.store.record_transactions = flaky  # type: ignore[method-assign]
    async with play.processor():
        (record,) = await play.ended(intent_id)
    assert record.status is Status.COMPLETED and once(play, intent_id)
    assert len(written) == 3 and len(set(written)) == 1


async def test_p04_an_error_nobody_foresaw_leaves_the_intent_for_later(
    play: Stage, caplog: pytest.LogCaptureFixture
) -> None:
    (intent_id,) = await play.accept()
    real, broken = play.chain.prepare, [1]

    def prepare(*args: Any, **kwargs: Any) -> SignedTransaction:
        if broken:
            broken.pop()
            raise RuntimeError("boom")
        return real(*args, **kwargs)

    play.chain.prepare = prepare  # type: ignore[method-assign]
    async with play.processor():
        await eventually(lambda: "Unexpected error processing intent" in caplog.text)
        assert (await play.record(intent_id)).status is Status.PENDING
        await eventually(lambda: _released(play, intent_id))
        play.clock.advance(seconds=60)
        (record,) = await play.ended(intent_id)
    assert record.status is Status.COMPLETED and once(play, intent_id)


async def _released(play: Stage, intent_id: str) -> bool:
    return (await play.record(intent_id)).lease is None


@pytest.mark.parametrize("kind", [Failure.NO_CONTRACT, Failure.LOW_BALANCE])
async def test_p04_a_receipt_that_says_nothing_of_the_intent_does_not_end_it(
    play: Stage, kind: Failure
) -> None:
    """A contract that is not there or a payer without money, more often than a solve may be refused."""
    (intent_id,) = await play.accept()
    play.chain.broken = [kind] * 5
    async with play.processor():
        (record,) = await play.ended(intent_id)
    assert record.status is Status.COMPLETED and once(play, intent_id)
    assert len(record.transactions) == 7


@pytest.mark.parametrize("kind", [Failure.OUT_OF_GAS, Failure.OTHER])
async def test_p04_a_verification_that_ran_out_of_gas_is_tried_again_with_more(
    play: Stage, kind: Failure
) -> None:
    """And one whose failure no table holds: neither is the contract's word. The fourth such receipt is enough."""
    (intent_id,) = await play.accept()
    gas: list[int] = []
    real = play.chain.prepare

    def prepare(call: FunctionCall, *args: Any, **kwargs: Any) -> SignedTransaction:
        gas.append(call.gas // 10**12)
        return real(call, *args, **kwargs)

    play.chain.prepare = prepare  # type: ignore[method-assign]
    play.chain.broken = [kind] * (VERIFY_TRIES - 1)
    async with play.processor():
        (record,) = await play.ended(intent_id)
    assert record.status is Status.COMPLETED and once(play, intent_id)
    assert gas == ([50, 100, 200, 300, 100] if kind is Failure.OUT_OF_GAS else [50, 50, 50, 50, 100])


async def test_p04_a_verification_that_never_has_enough_gas_ends_with_the_receipt(play: Stage) -> None:
    (intent_id,) = await play.accept()
    play.chain.broken = [Failure.OUT_OF_GAS] * 9
    async with play.processor():
        (record,) = await play.ended(intent_id)
    assert record.error_details is not None and record.error_details.reason == Reason.VERIFICATION_FAILED
    assert len(record.transactions) == VERIFY_TRIES


def test_however_many_receipts_failed_there_is_a_next_try_and_not_soon() -> None:
    waits = [between_tries(failures) for failures in (1, 3, 10, 5_000)]
    assert waits == sorted(waits) and waits[-1] == 60


async def test_what_waits_for_a_dependency_is_looked_at_the_more_rarely_the_longer_it_waits(
    play: Stage,
) -> None:
    """A store with thousands of them would else be kept busy with leases taken and given back."""
    (intent_id,) = await play.accept()
    play.clock.advance(seconds=30)

    class Away:
        async def validate(
            self, submissions: Sequence[Submission], *, stored: bool = False
        ) -> Sequence[Verdict]:
            raise unavailable("validator")

    play.validator = Away()  # type: ignore[assignment]
    async with play.processor():
        await play.resting(intent_id)
    due = (await play.record(intent_id)).next_action_at
    assert due is not None and due - now(play.clock) == timedelta(seconds=3)
