"""What clients print is what the edge's HTTP port answers, key for key."""

from datetime import UTC, datetime
from typing import Any

import pytest

from intents_client import shown
from services.common.convert.intents import event_to_proto, intent_to_proto, receipt_to_proto
from services.common.domain.explanation import Explanation
from services.common.domain.intent import (
    ChainTransaction,
    ErrorDetails,
    ExecutionDetails,
    IntentEvent,
    IntentRecord,
    Receipt,
)
from services.common.domain.lifecycle import Status
from services.common.domain.outcomes import Verdict
from services.edge import convert, present
from tests.harness.signing import Wallet, to_domain
from tests.unit.edge.fakes import explains

NOW = datetime(2026, 11, 23, 12, 0, 0, 123_000, tzinfo=UTC)
DETAILS = ExecutionDetails(
    solver_id="solver.near",
    transactions=(ChainTransaction(hash="h", chain="localnet", status="success"),),
    gas_used=7,
    total_cost=8,
)
FAILURE = ErrorDetails(reason="EXPIRED", message="too late", evidence="{}")


def record(status: Status, **changes: Any) -> IntentRecord:
    submission = to_domain(
        Wallet("w").sign_plain(Wallet("w").fields(deadline="2026-11-23T13:00:00.000000001Z"))
    )
    assert submission.intent is not None
    made: dict[str, Any] = {
        "intent_id": submission.intent.id,
        "user_id": submission.intent.user_account,
        "intent": submission.intent,
        "status": status,
        "version": 4,
        "created_at": NOW,
        "updated_at": NOW,
        "expires_at": NOW,
        "principal": "anonymous",
        "content_hash": "ab" * 32,
        "signed_data": submission.signed_data,
    }
    return IntentRecord(**{**made, **changes})


@pytest.mark.parametrize(
    "kept",
    [
        record(Status.PENDING, signed_data=None),
        record(Status.COMPLETED, execution_details=DETAILS),
        record(Status.FAILED, error_details=FAILURE),
    ],
)
def test_records(kept: IntentRecord) -> None:
    assert shown.intent_to_json(intent_to_proto(kept)) == present.record(kept)


@pytest.mark.parametrize(
    "found",
    [Verdict(valid=True), explains(to_domain({})), Verdict(valid=True, explanation=Explanation(rules=()))],
)
def test_verdicts(found: Verdict) -> None:
    assert shown.verdict_to_json(convert.verdict(found)) == present.verdict(found)


def test_receipts() -> None:
    receipt = Receipt(intent_id="a", created_at=NOW)
    assert shown.receipt_to_json(receipt_to_proto(receipt)) == present.receipt(receipt)


@pytest.mark.parametrize(
    "changes", [{}, {"reason": "X", "error_details": FAILURE, "execution_details": DETAILS}]
)
def test_moves(changes: dict[str, Any]) -> None:
    moved = IntentEvent(
        intent_id="a", user_id="u", version=2, status=Status.VERIFIED, occurred_at=NOW, **changes
    )
    assert shown.event_to_json(event_to_proto(moved)) == present.move(moved)


def test_the_five_words_in_the_order_of_life() -> None:
    assert list(shown.STATUSES) == [str(status) for status in Status]
    assert {shown.status_word(number) for number in shown.STATUSES.values()} == set(shown.STATUSES)
