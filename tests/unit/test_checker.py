"""The checker of store, log and chain sees each difference that is planted, and none where there is none."""

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime

import pytest

from services.common.chain.port import ChainIntent
from services.common.domain.intent import (
    ChainTransaction,
    ErrorDetails,
    ExecutionDetails,
    IntentEvent,
    IntentRecord,
    Lease,
    PlainIntent,
    SignedTransaction,
)
from services.common.domain.lifecycle import Status
from tests.harness.checker import Truths, differences

NOW = datetime(2026, 11, 1, tzinfo=UTC)
WAY = (Status.PENDING, Status.VERIFIED, Status.EXECUTING, Status.COMPLETED)
ONE = "intent-1"


def transaction(purpose: str, gas: int) -> SignedTransaction:
    return SignedTransaction(
        purpose=purpose, hash=f"hash-{purpose}", signed_bytes=b"bytes", signer_id="relayer.near",
        public_key="ed25519:key", nonce=1, block_hash="block", block_height=1, chain="localnet",
        status="success", gas_used=gas, total_cost=gas * 10,
    )  # fmt: skip


PLAIN = PlainIntent(
    id=ONE,
    user_account="alice.near",
    action="swap",
    input_token="USDC",
    input_amount="100",
    output_token="NEAR",
    min_output_amount="95",
)
KEPT = {
    "id": ONE,
    "user_account": "alice.near",
    "action": "swap",
    "input_token": "USDC",
    "input_amount": "100",
    "output_token": "NEAR",
    "min_output_amount": "95",
}
DETAILS = ExecutionDetails(
    solver_id="solver.near",
    transactions=(
        ChainTransaction(hash="hash-verify", chain="localnet", status="success"),
        ChainTransaction(hash="hash-solve", chain="localnet", status="success"),
    ),
    gas_used=30,
    total_cost=300,
)


def event(version: int, status: Status) -> IntentEvent:
    return IntentEvent(
        intent_id=ONE, user_id="alice.near", version=version, status=status, occurred_at=NOW,
        execution_details=DETAILS if status is Status.COMPLETED else None,
    )  # fmt: skip


EVENTS = tuple(event(version, status) for version, status in enumerate(WAY, 1))
RECORD = IntentRecord(
    intent_id=ONE, user_id="alice.near", intent=PLAIN, status=Status.COMPLETED, version=4, created_at=NOW,
    updated_at=NOW, expires_at=NOW, principal="anonymous", content_hash="00", execution_details=DETAILS,
    transactions=(transaction("verify", 10), transaction("solve", 20)), history=EVENTS,
)  # fmt: skip


def truths(
    *,
    record: IntentRecord | None = RECORD,
    events: tuple[IntentEvent, ...] = EVENTS,
    status: str | None = "completed",
    kept: dict[str, str] | None = KEPT,
    verified: int = 1,
    solved: int = 1,
) -> Truths:
    seen = ChainIntent(status=status, kept=kept, block_height=9, block_timestamp_ns=1)
    return Truths(
        records={} if record is None else {ONE: record},
        events=events,
        chain={ONE: seen},
        effects={ONE: {"verify_signed_intent": verified, "solve_intent": solved}},
    )


CANCELLED = ErrorDetails(reason="CANCELLED", message="Cancelled.")
FAILED = replace(
    RECORD,
    status=Status.FAILED,
    version=2,
    execution_details=None,
    transactions=(),
    error_details=CANCELLED,
    history=(EVENTS[0], replace(event(2, Status.FAILED), error_details=CANCELLED)),
)  # fmt: skip


def test_nothing_is_found_where_all_agree() -> None:
    assert differences([ONE], truths()) == []
    failed = truths(record=FAILED, events=FAILED.history, status=None, kept=None, verified=0, solved=0)
    assert differences([ONE], failed) == []


def changed_details(**changes: object) -> Truths:
    details = replace(DETAILS, **changes)  # type: ignore[arg-type]
    events = (*EVENTS[:3], replace(EVENTS[3], execution_details=details))
    return truths(record=replace(RECORD, execution_details=details, history=events), events=events)


PLANTED: dict[str, tuple[Callable[[], Truths], str]] = {
    "lost": (lambda: truths(record=None), "no record of it"),
    "not at its end": (lambda: truths(record=replace(RECORD, status=Status.EXECUTING)), "not at its end"),
    "leased for ever": (
        lambda: truths(record=replace(RECORD, lease=Lease(owner="p", fence=1, expires_at=NOW))),
        "still leased",
    ),
    "an event is missing": (lambda: truths(events=(*EVENTS[:1], *EVENTS[2:])), "the log has versions [1, 3, 4]"),
    "an event is there twice": (
        lambda: truths(events=(*EVENTS[:2], *EVENTS[1:])),
        "the log has versions [1, 2, 2, 3, 4]",
    ),
    "events out of order": (
        lambda: truths(events=(EVENTS[0], EVENTS[2], EVENTS[1], EVENTS[3])),
        "the log has versions [1, 3, 2, 4]",
    ),
    "an illegal move": (
        lambda: truths(events=(EVENTS[0], EVENTS[1], event(3, Status.PENDING), EVENTS[3])),
        "from verified to pending",
    ),
    "a wrong beginning": (
        lambda: truths(events=(event(1, Status.VERIFIED), *EVENTS[1:])),
        "first event is verified",
    ),
    "another end in the log": (
        lambda: truths(events=(*EVENTS[:3], event(4, Status.FAILED))),
        "the log ends with failed",
    ),
    "another history": (lambda: truths(record=replace(RECORD, history=EVENTS[:3])), "history differs"),
    "other details in the log": (
        lambda: truths(events=(*EVENTS[:3], replace(EVENTS[3], execution_details=None))),
        "other executionDetails",
    ),
    "another error in the log": (
        lambda: truths(record=FAILED, events=(EVENTS[0], event(2, Status.FAILED)), status=None, kept=None),
        "other errorDetails",
    ),
    "the chain does not know it": (lambda: truths(status=None, kept=None), "the chain says None"),
    "the chain is behind": (lambda: truths(status="executing"), "the chain says executing"),
    "failed here, completed there": (
        lambda: truths(record=FAILED, events=FAILED.history),
        "the record is failed, the chain says completed",
    ),
    "another amount on chain": (lambda: truths(kept=KEPT | {"input_amount": "101"}), "keeps input_amount 101"),
    "another user on chain": (lambda: truths(kept=KEPT | {"user_account": "eve.near"}), "keeps user_account"),
    "verified twice": (lambda: truths(verified=2), "verify_signed_intent had 2 effects"),
    "solved twice": (lambda: truths(solved=2), "solve_intent had 2 effects"),
    "never solved": (lambda: truths(solved=0), "solve_intent had 0 effects"),
    "solved twice, then failed": (
        lambda: truths(record=FAILED, events=FAILED.history, status="failed", solved=2),
        "more than 1",
    ),
    "no details": (lambda: changed_details(transactions=()), "incomplete"),
    "another gas": (lambda: changed_details(gas_used=31), "gasUsed is not the sum"),
    "another cost": (lambda: changed_details(total_cost=1), "totalCost is not the sum"),
    "another transaction": (
        lambda: changed_details(transactions=DETAILS.transactions[:1]),
        "other transactions than were signed",
    ),
    "an open transaction": (
        lambda: truths(
            record=replace(
                RECORD, transactions=(RECORD.transactions[0], replace(RECORD.transactions[1], status="signed"))
            )
        ),
        "whose end is not recorded",
    ),
}  # fmt: skip


@pytest.mark.parametrize("planted", PLANTED)
def test_a_planted_difference_is_seen(planted: str) -> None:
    make, words = PLANTED[planted]
    found = differences([ONE], make())
    assert any(words in text for text in found), found
    assert all(text.startswith(f"{ONE}: ") for text in found)
