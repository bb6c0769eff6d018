"""The soak's books name each broken acknowledgement, and none where all were kept."""

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from services.common.domain.intent import IntentRecord, Lease, Receipt
from services.common.domain.lifecycle import Status
from services.common.domain.outcomes import Accepted, Applied, Refused
from services.common.errors import IntentError, Reason
from services.store.creating import Draft, draft
from services.store.document import record_of
from tests.soak.store.ledger import Ledger
from tests.unit.store.support import START, failure, move, new, transaction

NEW = new("i-1", request_id="r-1")
SOLVE = transaction("solve-1")


def stored() -> IntentRecord:
    made = draft(NEW, START)
    assert isinstance(made, Draft)
    return record_of(made.document)


def after(record: IntentRecord, status: Status, **changes: Any) -> IntentRecord:
    version = record.version + 1
    event = replace(record.history[-1], version=version, status=status, actor="test")
    return replace(record, status=status, version=version, history=(*record.history, event), **changes)


PENDING = stored()
VERIFIED = after(PENDING, Status.VERIFIED)
EXECUTING = after(VERIFIED, Status.EXECUTING, transactions=(SOLVE,))


@pytest.fixture
def ledger() -> Ledger:
    """An intent was created, moved twice, and has one transaction; all of it acknowledged."""
    ledger = Ledger()
    ledger.sending([NEW])
    ledger.created(NEW, Accepted(receipt=PENDING.receipt, created=True))
    moves = [
        move(PENDING, Status.VERIFIED, fence=1),
        move(VERIFIED, Status.EXECUTING, fence=1, transactions=(SOLVE,)),
    ]
    ledger.moving(moves)
    for one, record in zip(moves, (VERIFIED, EXECUTING), strict=True):
        ledger.moved(one, Applied(record))
    assert ledger.found == []
    return ledger


def test_what_was_kept_is_no_finding(ledger: Ledger) -> None:
    assert list(ledger.broken("i-1", EXECUTING)) == []


@pytest.mark.parametrize(
    ("there", "said"),
    [
        (None, "its creation was acknowledged, and there is no record"),
        (
            replace(PENDING, transactions=(SOLVE,)),
            "its move to version 2 (verified, test, ) was acknowledged",
        ),
        (replace(EXECUTING, transactions=()), "its transaction solve-1 was acknowledged and is not there"),
        (
            replace(EXECUTING, transactions=(replace(SOLVE, signed_bytes=b"other"),)),
            "its transaction solve-1 was acknowledged as signed",
        ),
        (replace(EXECUTING, created_at=START + timedelta(seconds=1)), "the record says"),
        (replace(EXECUTING, principal="bob"), "holds other content"),
        (after(EXECUTING, Status.COMPLETED), "a move nobody asked for"),
    ],
)
def test_each_broken_promise_is_told(ledger: Ledger, there: IntentRecord | None, said: str) -> None:
    found = list(ledger.broken("i-1", there))
    assert [text for text in found if said in text], found


def test_an_intent_nobody_sent_is_told(ledger: Ledger) -> None:
    assert list(ledger.broken("i-2", replace(PENDING, intent_id="i-2")))


@pytest.mark.parametrize(
    "answered",
    [
        lambda ledger: ledger.created(NEW, Accepted(receipt=PENDING.receipt, created=True)),
        lambda ledger: ledger.created(
            NEW, Accepted(receipt=Receipt(intent_id="i-1", created_at=START + timedelta(1)), created=False)
        ),
        lambda ledger: ledger.created(NEW, IntentError(Reason.ID_TAKEN, "no")),
        lambda ledger: ledger.refused(
            "i-1", Accepted(receipt=PENDING.receipt, created=True), Reason.NONCE_HELD
        ),
        lambda ledger: ledger.refused("i-1", IntentError(Reason.ID_TAKEN, "no"), Reason.NONCE_HELD),
        lambda ledger: ledger.moved(failure(EXECUTING), Refused(IntentError(Reason.INTENT_NOT_FOUND, "no"))),
        lambda ledger: ledger.looked("i-1", 3, VERIFIED),
        lambda ledger: ledger.looked("i-1", 1, None),
        lambda ledger: ledger.claimed("a", [PENDING]),
    ],
)
def test_an_answer_that_cannot_be_is_told(ledger: Ledger, answered: Callable[[Ledger], None]) -> None:
    answered(ledger)
    assert len(ledger.found) == 1


def test_one_fence_for_two_is_told(ledger: Ledger) -> None:
    leased = [
        replace(PENDING, lease=Lease(owner=owner, fence=4, expires_at=START)) for owner in ("a", "a", "b")
    ]
    for one, owner in zip(leased, ("a", "a", "b"), strict=True):
        ledger.claimed(owner, [one])
    assert len(ledger.found) == 1 and "fence 4" in ledger.found[0]
