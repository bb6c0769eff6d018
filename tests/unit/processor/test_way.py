"""An accepted intent to its end, one way after the other."""

import json
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from services.common.domain.intent import IntentRecord
from services.common.domain.lifecycle import Status
from services.common.domain.plainjson import plain_to_json
from tests.harness.wait import eventually
from tests.unit.processor.support import Stage, stage

WAY = [Status.PENDING, Status.VERIFIED, Status.EXECUTING, Status.COMPLETED]


@pytest.fixture
async def play(tmp_path: Path) -> AsyncIterator[Stage]:
    async with stage(tmp_path) as made:
        yield made


@pytest.fixture
async def lax(tmp_path: Path) -> AsyncIterator[Stage]:
    async with stage(tmp_path, require_signature=False) as made:
        yield made


def way(record: IntentRecord) -> list[Status]:
    return [event.status for event in record.history]


async def test_a_signed_intent_is_verified_executed_and_completed(play: Stage) -> None:
    (intent_id,) = await play.accept()
    async with play.processor():
        (record,) = await play.ended(intent_id)
    assert way(record) == WAY
    assert play.chain.effects == {("verify_signed_intent", intent_id): 1, ("solve_intent", intent_id): 1}
    details = record.execution_details
    assert details is not None and details.solver_id == "solver.near"
    assert [(tx.hash, tx.chain, tx.status) for tx in details.transactions] == [
        (tx_hash, "localnet", "success") for tx_hash in play.chain.included
    ]
    assert (details.gas_used, details.total_cost) == (18, 1800)


async def test_many_intents_are_signed_in_batches_and_all_complete(play: Stage) -> None:
    ids = await play.accept(120)
    async with play.processor(max_in_flight=64):
        records = await play.ended(*ids)
    assert [way(record) for record in records] == [WAY] * 120
    assert set(play.chain.effects.values()) == {1} and len(play.chain.effects) == 240
    nonces = [tx.nonce for record in records for tx in record.transactions]
    assert sorted(nonces) == list(range(1, 241))


async def test_what_comes_while_it_works_is_taken_up_by_the_event_alone(play: Stage) -> None:
    async with play.processor(poll_ms=10_000_000):
        await eventually(lambda: play.chain.height >= 100)
        (intent_id,) = await play.accept()
        (record,) = await play.ended(intent_id)
    assert record.status is Status.COMPLETED


async def test_an_intent_the_validator_refuses_now_costs_no_gas(play: Stage) -> None:
    (intent_id,) = await play.accept(input_token="INVALID")
    async with play.processor():
        (after,) = await play.ended(intent_id)
    assert after.error_details is not None and after.error_details.reason == "UNKNOWN_TOKEN"
    assert json.loads(after.error_details.evidence)["stage"] == "tokens"
    assert (after.status, after.transactions, play.chain.sent) == (Status.FAILED, (), [])


async def test_a_final_refusal_of_the_contract_fails_it_with_the_contracts_words(play: Stage) -> None:
    (intent_id,) = await play.accept()
    play.chain.refusals = ["public key doesn't exist for user_account"]
    async with play.processor():
        (record,) = await play.ended(intent_id)
    error = record.error_details
    assert error is not None and error.reason == "VERIFICATION_FAILED"
    assert "public key doesn't exist" in error.message
    proof = json.loads(error.evidence)
    assert proof["transaction"] == record.transactions[0].hash and proof["receipt"]["block_height"] > 0
    assert record.transactions[0].status == "failure"


async def test_a_paused_contract_is_waited_for(play: Stage) -> None:
    (intent_id,) = await play.accept()
    play.chain.refusals = ["the contract is paused"]
    async with play.processor():
        (record,) = await play.ended(intent_id)
    assert record.status is Status.COMPLETED
    assert [tx.status for tx in record.transactions] == ["failure", "success", "success"]


async def test_another_attempt_after_a_solvers_failure_stays_within_executing(play: Stage) -> None:
    (intent_id,) = await play.accept()
    play.chain.solver_fails = 2
    async with play.processor():
        (record,) = await play.ended(intent_id)
    assert way(record) == WAY
    assert [tx.purpose for tx in record.transactions] == ["verify", "solve", "solve", "solve"]
    assert record.execution_details is not None and record.execution_details.gas_used == 7 + 3 * 11


async def test_the_third_failure_of_a_solver_fails_it_with_the_chains_reason(play: Stage) -> None:
    (intent_id,) = await play.accept()
    play.chain.solver_fails = 3
    async with play.processor():
        (record,) = await play.ended(intent_id)
    assert way(record) == [*WAY[:3], Status.FAILED]
    assert record.error_details is not None and record.error_details.reason == "SOLVER_FAILED"
    assert record.error_details.message == "the solver reported no success"
    assert json.loads(record.error_details.evidence)["failures"] == 3


async def test_a_solve_the_contract_keeps_refusing_is_not_paid_for_for_ever(play: Stage) -> None:
    (intent_id,) = await play.accept()
    play.chain.verify_by_wallet(plain_to_json((await play.record(intent_id)).intent))
    play.chain.refusals = ["solver.near is not an allowed solver"] * 9
    async with play.processor(solve_attempts=2):
        (record,) = await play.ended(intent_id)
    assert record.error_details is not None and record.error_details.reason == "EXECUTION_FAILED"
    assert "not an allowed solver" in record.error_details.message
    assert [(tx.purpose, tx.status) for tx in record.transactions] == [("solve", "failure")] * 2


async def test_another_intent_kept_under_the_id_is_id_taken(play: Stage) -> None:
    (intent_id,) = await play.accept()
    record = await play.record(intent_id)
    play.chain.verify_by_wallet({**plain_to_json(record.intent), "input_amount": "1"})
    async with play.processor():
        (after,) = await play.ended(intent_id)
    assert after.error_details is not None and after.error_details.reason == "ID_TAKEN"
    assert play.chain.sent == []


async def test_an_intent_its_user_verified_already_goes_on_from_there(play: Stage) -> None:
    (intent_id,) = await play.accept()
    play.chain.verify_by_wallet(plain_to_json((await play.record(intent_id)).intent))
    async with play.processor():
        (record,) = await play.ended(intent_id)
    assert way(record) == WAY
    assert [tx.purpose for tx in record.transactions] == ["solve"]


async def test_a_bare_body_waits_for_its_users_own_verification(lax: Stage) -> None:
    (intent_id,) = await lax.accept(signed=False)
    async with lax.processor():
        for looks in range(1, 4):
            await eventually(lambda looks=looks: lax.chain.height >= 100 + looks)
            await lax.resting(intent_id)
            record = await lax.record(intent_id)
            assert record.status is Status.PENDING and lax.chain.sent == []
            if looks == 3:
                lax.chain.verify_by_wallet(plain_to_json(record.intent))
            lax.clock.advance(seconds=30)
        (record,) = await lax.ended(intent_id)
    assert way(record) == WAY


async def test_a_bare_body_nobody_verifies_expires(lax: Stage) -> None:
    (intent_id,) = await lax.accept(signed=False)
    lax.clock.advance(seconds=601)
    async with lax.processor():
        (record,) = await lax.ended(intent_id)
    assert record.error_details is not None and record.error_details.reason == "EXPIRED"
    assert json.loads(record.error_details.evidence)["block_height"] > 0
