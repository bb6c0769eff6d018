"""What is the matter with an intent that nobody ends, and the one right thing to do. Pure; no I/O.

Nothing here ends an intent: what is due is done by the steps (`service.py`) under a lease, on evidence of their own. So
a wrong finding costs a look, not an effect.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any, Final

from services.common.chain.port import ChainIntent, TxOutcome, TxState
from services.common.clock import from_ns
from services.common.domain.intent import IntentRecord, SignedTransaction
from services.common.domain.lifecycle import Status
from services.common.domain.outcomes import OverdueCause
from services.common.errors import IntentError
from services.processor.model import (
    SOLVE,
    VERIFY,
    Do,
    answered_true,
    decide,
    evidence,
    expired,
    height_of,
    open_transactions,
)

BY_HAND: Final = "settle it with `intents admin resolve ID`"


class Finding(StrEnum):
    """What is to be done, each a value of the metric's label."""

    ENDED = "ended"  # nothing: it has ended
    WAIT = "wait"  # nothing: it is under way, or nobody can be asked now
    REBROADCAST = "rebroadcast"  # the node does not know signed bytes: the same go out again
    ADOPT = "adopt"  # the chain is ahead of the record: the record follows
    FAIL = "fail"  # evidence that it is over: the record says so
    CONTINUE = "continue"  # its next step is due
    PERSON = "person"  # nothing that a program may decide


@dataclass(frozen=True, slots=True, kw_only=True)
class Sight:
    """What store, log and chain say of one intent at one time. `cause` None where the store calls it not overdue."""

    record: IntentRecord
    at: datetime
    cause: OverdueCause | None = None
    since: datetime | None = None
    seen: ChainIntent | IntentError | None = None
    outcomes: Sequence[tuple[SignedTransaction, TxOutcome | IntentError]] = ()

    @property
    def seconds(self) -> float:
        """For how long it overstays."""
        return 0.0 if self.since is None else max((self.at - self.since).total_seconds(), 0.0)


@dataclass(frozen=True, slots=True, kw_only=True)
class Diagnosis:
    """`why` is a sentence for people; the same trouble has the same sentence. `facts` are JSON-able."""

    finding: Finding
    why: str
    facts: dict[str, Any] = field(default_factory=dict)

    @property
    def evidence(self) -> str:
        """JSON text of at most 4 KiB."""
        return evidence(**self.facts)


def overdue_of(record: IntentRecord, at: datetime, grace: timedelta) -> tuple[OverdueCause, datetime] | None:
    """Cause and since when, as the store's list has them, from the record alone."""
    if record.terminal:
        return None
    if record.expires_at < at:
        return OverdueCause.PAST_DEADLINE, record.expires_at
    if record.next_action_at is not None and record.next_action_at < at - grace:
        return OverdueCause.NO_OWNER, record.next_action_at
    if record.foreign_write:
        return OverdueCause.FOREIGN_WRITE, record.updated_at
    if record.next_action_at is None:
        return OverdueCause.HELD, record.updated_at
    return None


def diagnose(sight: Sight) -> Diagnosis:
    """The one right thing, and on what evidence."""
    record, facts = sight.record, facts_of(sight)

    def found(finding: Finding, why: str) -> Diagnosis:
        return Diagnosis(finding=finding, why=why, facts=facts)

    if record.terminal:
        return found(Finding.ENDED, f"It has ended: it is {record.status}.")
    if record.foreign_write:
        return found(Finding.PERSON, f"Its status was written past the store: {BY_HAND}.")
    if sight.cause is OverdueCause.HELD:
        return found(Finding.PERSON, f"It is held for a person: {BY_HAND}.")
    if sight.outcomes:
        return found(*_of_bytes(sight.outcomes))
    seen = sight.seen
    if not isinstance(seen, ChainIntent):
        return found(Finding.WAIT, "The chain cannot be asked now, and without it nothing is known.")
    if seen.block_height < max((height_of(tx) for tx in record.transactions), default=0):
        return found(
            Finding.WAIT, "The node is behind the block that told the last end: nothing it says counts."
        )
    decision = decide(record, seen)
    match decision.do:
        case Do.FAIL:
            reason = "" if decision.error is None else f": {decision.error.message}"
            return found(Finding.FAIL, f"The evidence is there that it is over{reason}")
        case Do.ADVANCE | Do.COMPLETE:
            return found(Finding.ADOPT, f"The contract holds it {seen.status}, the record {record.status}.")
        case Do.SIGN:
            return found(Finding.CONTINUE, "Its next step is due and nothing signed is open.")
        case _:
            return found(*_of_waiting(record, seen))


def why_not_failed(sight: Sight) -> str:
    """Why an operator may not end it as failed: what of it may still get on chain, or did (P4). "" if they may."""
    record, seen = sight.record, sight.seen
    if record.terminal:
        return f"It has ended: it is {record.status}."
    if record.foreign_write or sight.cause is OverdueCause.HELD:
        return f"It waits for a person's choice: {BY_HAND}."
    open_ = open_transactions(record)
    if open_:
        states = {tx.hash: _state(outcome) for tx, outcome in sight.outcomes}
        listed = ", ".join(
            f"{tx.hash} ({tx.purpose}, nonce {tx.nonce}; the node says {states.get(tx.hash, 'nothing')})"
            for tx in open_
        )
        return f"Signed bytes of it may still get on chain: {listed}."
    if answered_true(record, SOLVE) is not None:
        return "It was solved on chain: the record follows by itself."
    if not isinstance(seen, ChainIntent):
        return "The chain cannot be asked now: what it holds of the intent is not known."
    if seen.block_height < max((height_of(tx) for tx in record.transactions), default=0):
        return (
            "The node is behind the block that told the last end: what it holds of the intent is not known."
        )
    if seen.status in ("executing", "completed"):
        return f"The contract holds it {seen.status} at block {seen.block_height}."
    if seen.status == "verified" and not expired(record, seen):
        held = f"The contract holds it verified at block {seen.block_height}"
        return f"{held}: any solver may execute it until its deadline."
    return ""


def facts_of(sight: Sight) -> dict[str, Any]:
    """What was looked at, for people and for the record."""
    record, last = sight.record, sight.record.history[-1]
    lease = record.lease
    facts: dict[str, Any] = {
        "status": str(record.status),
        "version": record.version,
        "cause": "" if sight.cause is None else sight.cause.value,
        "overdueSeconds": round(sight.seconds),
        "deadline": record.expires_at.isoformat(),
        "lastMove": {
            "to": str(last.status),
            "reason": last.reason,
            "actor": last.actor,
            "at": last.occurred_at.isoformat(),
        },
        "owner": "" if lease is None else lease.owner,
        "leaseUntil": "" if lease is None else lease.expires_at.isoformat(),
        "nextActionAt": "" if record.next_action_at is None else record.next_action_at.isoformat(),
    }  # fmt: skip
    if isinstance(sight.seen, ChainIntent):
        seen = sight.seen
        facts["chain"] = {
            "status": seen.status or "unknown",
            "block": seen.block_height,
            "time": from_ns(seen.block_timestamp_ns).isoformat(),
        }
    elif sight.seen is not None:
        facts["chain"] = {"error": str(sight.seen.reason)}
    states = {tx.hash: _state(outcome) for tx, outcome in sight.outcomes}
    facts["transactions"] = [
        {"hash": tx.hash, "purpose": tx.purpose, "nonce": tx.nonce, "status": tx.status}
        | ({"node": states[tx.hash]} if tx.hash in states else {})
        for tx in record.transactions[-8:]
    ]
    return facts


def _of_bytes(outcomes: Sequence[tuple[SignedTransaction, TxOutcome | IntentError]]) -> tuple[Finding, str]:
    """Signed bytes are open: they decide before anything the contract says."""
    known = [(tx, one) for tx, one in outcomes if isinstance(one, TxOutcome)]
    for tx, one in known:
        if one.state in (TxState.SUCCEEDED, TxState.FAILED):
            return (
                Finding.ADOPT,
                f"Transaction {tx.hash} has ended on chain and the record does not say so yet.",
            )
    for tx, one in known:
        if one.state is TxState.UNKNOWN:
            return (
                Finding.REBROADCAST,
                f"The node does not know signed bytes {tx.hash}: they were lost, or never came.",
            )
    if known:
        return Finding.WAIT, f"The node has {known[0][0].hash} and not every receipt of it is final."
    return Finding.WAIT, "The chain cannot be asked now, and signed bytes are open."


def _of_waiting(record: IntentRecord, seen: ChainIntent) -> tuple[Finding, str]:
    proof = answered_true(record, VERIFY)
    if seen.status is None and record.status is not Status.PENDING:
        told = (
            ""
            if proof is None
            else f" though {proof.hash} told at block {height_of(proof)} that it was verified"
        )
        return (
            Finding.PERSON,
            f"The contract does not know it{told}: the node may be of another chain, or the chain was set back.",
        )
    if seen.status is not None and seen.kept is None:
        return Finding.PERSON, "The contract tells a status and does not show the intent it keeps."
    if seen.status == "executing" and expired(record, seen):
        return (
            Finding.PERSON,
            "The contract holds it executing past its deadline: a solver's call did not come back.",
        )
    if seen.status is None:
        return Finding.WAIT, "It carries no signature: its user's wallet has to have it verified."
    return Finding.WAIT, f"The contract holds it {seen.status}: that takes its course."


def _state(outcome: TxOutcome | IntentError) -> str:
    return f"nothing: {outcome.reason}" if isinstance(outcome, IntentError) else str(outcome.state)
