"""The life of an intent after acceptance, as tables and pure decisions. No I/O.

What the contract says at a final block decides, and it is asked only while nothing signed is open: bytes
that may still get on chain are first followed to their end.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Any, Final

from services.common.chain.port import ChainIntent, Failure, TxOutcome, TxState
from services.common.clock import to_ns
from services.common.domain.intent import (
    ChainTransaction,
    ErrorDetails,
    ExecutionDetails,
    IntentRecord,
    SignedTransaction,
)
from services.common.domain.lifecycle import Status
from services.common.domain.outcomes import Verdict
from services.common.domain.plainjson import same_intent
from services.common.errors import Reason

VERIFY: Final = "verify"
SOLVE: Final = "solve"

SIGNED: Final = "signed"
SUCCESS: Final = "success"
FAILURE: Final = "failure"
DEAD: Final = "dead"

NOT_THE_INTENTS: Final = frozenset({Failure.LOW_BALANCE, Failure.NO_CONTRACT})
"""Kinds of failure that say nothing of the intent: no money to pay with, nobody there to ask."""

SAYS_LITTLE: Final = frozenset({Failure.OUT_OF_GAS, Failure.OTHER})
"""Kinds after which a verification is tried again, for so often: with more gas, or with better luck."""
VERIFY_TRIES: Final = 4
GAS: Final[Mapping[str, int]] = {VERIFY: 50 * 10**12, SOLVE: 100 * 10**12}
MOST_GAS: Final = 300 * 10**12
"""All that a transaction may attach (nearcore, `max_total_prepaid_gas`)."""

UNKNOWN: Final = "unknown"
"""In evidence: what the contract does not know."""
MAX_EVIDENCE: Final = 4096
"""Bytes of an evidence text."""


class Do(StrEnum):
    """What comes next for an intent nothing of which is open."""

    SIGN = "sign"  # the transaction its status needs
    ADVANCE = "advance"  # our record takes the next step of the lifecycle
    COMPLETE = "complete"
    FAIL = "fail"
    WAIT = "wait"  # the chain is behind us, or another's attempt is under way


NEXT: Final[Mapping[tuple[Status, str | None], Do]] = {
    (Status.PENDING, None): Do.SIGN,
    (Status.PENDING, "verified"): Do.ADVANCE,
    (Status.PENDING, "executing"): Do.ADVANCE,
    (Status.PENDING, "completed"): Do.ADVANCE,
    (Status.PENDING, "failed"): Do.FAIL,
    (Status.VERIFIED, None): Do.WAIT,
    (Status.VERIFIED, "verified"): Do.SIGN,
    (Status.VERIFIED, "executing"): Do.ADVANCE,
    (Status.VERIFIED, "completed"): Do.ADVANCE,
    (Status.VERIFIED, "failed"): Do.FAIL,
    (Status.EXECUTING, None): Do.WAIT,
    (Status.EXECUTING, "verified"): Do.SIGN,
    (Status.EXECUTING, "executing"): Do.WAIT,
    (Status.EXECUTING, "completed"): Do.COMPLETE,
    (Status.EXECUTING, "failed"): Do.FAIL,
}
"""(our status, the contract's status) -> what to do. A word the contract does not have is waited on."""

AFTER: Final[Mapping[Status, Status]] = {Status.PENDING: Status.VERIFIED, Status.VERIFIED: Status.EXECUTING}
"""Where ADVANCE leads."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Decision:
    """`error` is set for FAIL alone."""

    do: Do
    error: ErrorDetails | None = None


def decide(record: IntentRecord, seen: ChainIntent) -> Decision:
    """What the contract's view means for `record`; `record` holds the outcome of everything signed for it."""
    if behind(record, seen):
        return Decision(do=Do.WAIT)
    at = {"block_height": seen.block_height, "block_timestamp_ns": str(seen.block_timestamp_ns)}
    if seen.status is not None:
        if seen.kept is None:
            return Decision(do=Do.WAIT)
        if not same_intent(seen.kept, record.intent):
            return _fail(
                Reason.ID_TAKEN,
                "The Verifier keeps another intent under this id.",
                **at,
                kept=dict(seen.kept),
            )
    do = NEXT.get((record.status, seen.status), Do.WAIT)
    if do is Do.FAIL:
        reason, message = _why_failed(seen)
        return _fail(reason, message, **at, **_beside(seen), **last_failure(record))
    if do is Do.SIGN and expired(record, seen):
        message = "The deadline passed before the intent was executed."
        return _fail(Reason.EXPIRED, message, **at, **last_failure(record))
    if do is Do.SIGN and record.status is Status.PENDING:
        return _verify_again(record, at)
    return Decision(do=do)


def _verify_again(record: IntentRecord, at: Mapping[str, Any]) -> Decision:
    """The contract does not know the intent: sign, unless a final receipt said why it will not."""
    refused = [tx for tx in record.transactions if tx.purpose == VERIFY and tx.status == FAILURE]
    if refused and not transient(refused[-1].evidence) and not _says_little(refused):
        return _fail(Reason.VERIFICATION_FAILED, _words(refused[-1]), **at, **last_failure(record))
    # without the user's signature only the user's own wallet can have it verified
    return Decision(do=Do.SIGN if record.signed_data is not None else Do.WAIT)


def _says_little(refused: Sequence[SignedTransaction]) -> bool:
    """Whether the last failed receipt is no word of the contract's, and there were not too many such."""
    little = [_kind_of(tx.evidence) in SAYS_LITTLE for tx in refused]
    return little[-1] and sum(little) < VERIFY_TRIES


def gas_for(record: IntentRecord, purpose: str) -> int:
    """Gas to attach: twice as much after each receipt of that purpose whose gas ran out, up to MOST_GAS."""
    short = sum(
        tx.purpose == purpose and tx.status == FAILURE and _kind_of(tx.evidence) == Failure.OUT_OF_GAS
        for tx in record.transactions
    )
    return min(GAS[purpose] << min(short, 4), MOST_GAS)


def too_many_attempts(record: IntentRecord, limit: int) -> ErrorDetails | None:
    """Set once `limit` solves ended in failed receipts. The contract counts solvers' failures alone: without
    this a call it refuses would be paid for again and again."""
    failed = [
        tx for tx in record.transactions
        if tx.purpose == SOLVE and tx.status == FAILURE and not transient(tx.evidence)
    ]  # fmt: skip
    if len(failed) < limit:
        return None
    return _fail(
        Reason.EXECUTION_FAILED, _words(failed[-1]), attempts=len(failed), **last_failure(record)
    ).error


def expired(record: IntentRecord, seen: ChainIntent) -> bool:
    """Whether the deadline has passed at a final block; `expires_at` is floored to ms."""
    return seen.block_timestamp_ns > to_ns(record.expires_at) + 999_999


def open_transactions(record: IntentRecord) -> list[SignedTransaction]:
    """Signed bytes whose end is not known, lowest nonce first."""
    return sorted((tx for tx in record.transactions if tx.status == SIGNED), key=lambda tx: tx.nonce)


def behind(record: IntentRecord, seen: ChainIntent) -> bool:
    """Whether a view is of a block before one that told how something ended: from then on it says nothing new."""
    return seen.block_height < max((height_of(tx) for tx in record.transactions), default=0)


def basis(record: IntentRecord, purpose: str, seen: ChainIntent | None) -> str:
    """Why a transaction is signed, kept with it: what the contract said, or which final answer stands for that, and
    how those of the same purpose before it ended."""
    before = [tx for tx in record.transactions if tx.purpose == purpose]
    facts: dict[str, Any] = {"after": [{"hash": tx.hash, "status": tx.status} for tx in before[-8:]]}
    if seen is not None:
        facts |= {"contract_status": seen.status or UNKNOWN, "block_height": seen.block_height}
    elif (told := answered_true(record, VERIFY)) is not None:
        facts |= {"answered": told.hash, "block_height": height_of(told)}
    return evidence(**facts)


def settled(tx: SignedTransaction, outcome: TxOutcome) -> SignedTransaction:
    """`tx` with its final outcome. A verification that does not answer true is a failure."""
    succeeded = outcome.state is TxState.SUCCEEDED and (tx.purpose != VERIFY or outcome.value is True)
    failure = outcome.failure or ("" if succeeded else f"answered {json.dumps(outcome.value)[:200]}")
    return replace(
        tx,
        status=SUCCESS if succeeded else FAILURE,
        gas_used=outcome.gas_used,
        total_cost=outcome.total_cost,
        evidence=evidence(
            block_height=outcome.block_height,
            answer=outcome.value,
            failure=failure,
            failure_kind=outcome.failure_kind,
            logs=outcome.logs[-8:],
            basis=basis_of(tx),
        ),
    )


def answered_true(record: IntentRecord, purpose: str) -> SignedTransaction | None:
    """The transaction by whose final answer the contract took the step: `verify_signed_intent` and
    `verify_and_solve` answer true only for the very body they were given."""
    for tx in record.transactions:
        if tx.purpose == purpose and tx.status == SUCCESS:
            said = _parsed(tx.evidence)
            if isinstance(said, dict) and said.get("answer") is True:
                return tx
    return None


def solved(tx: SignedTransaction) -> bool:
    """Whether by this attempt the contract completed the intent."""
    return tx.purpose == SOLVE and tx.status == SUCCESS and _answer_of(tx) is True


def put_back(tx: SignedTransaction) -> bool:
    """Whether the contract answered that the solver failed it."""
    return tx.purpose == SOLVE and tx.status == SUCCESS and _answer_of(tx) is False


def _answer_of(tx: SignedTransaction) -> Any:
    said = _parsed(tx.evidence)
    return said.get("answer") if isinstance(said, dict) else None


def merged(record: IntentRecord, *changed: SignedTransaction) -> IntentRecord:
    """`record` with transactions replaced by hash, or added."""
    by_hash = {tx.hash: tx for tx in record.transactions}
    by_hash.update((tx.hash, tx) for tx in changed)
    return replace(record, transactions=tuple(by_hash.values()))


def details(record: IntentRecord, solver_id: str = "") -> ExecutionDetails:
    """`executionDetails`: every transaction signed for it; gas and cost are sums over all receipts of all."""
    solvers = [tx.solver_id for tx in record.transactions if tx.solver_id]
    return ExecutionDetails(
        solver_id=solver_id or (solvers[-1] if solvers else ""),
        transactions=tuple(
            ChainTransaction(hash=tx.hash, chain=tx.chain, status=tx.status) for tx in record.transactions
        ),
        gas_used=sum(tx.gas_used for tx in record.transactions),
        total_cost=sum(tx.total_cost for tx in record.transactions),
    )


def refusal(verdict: Verdict) -> ErrorDetails:
    """`errorDetails` of a verdict that is a refusal."""
    first = verdict.violations[0]
    reason = Reason.EXPIRED if first.reason is Reason.DEADLINE_EXPIRED else first.reason
    listed = [
        {"field": one.field, "reason": str(one.reason), "message": one.message} for one in verdict.violations
    ]
    return ErrorDetails(
        reason=str(reason),
        message=first.message,
        evidence=evidence(stage=verdict.failed_stage, violations=listed[:16]),
    )


def transient(text: str) -> bool:
    """Whether a failed receipt speaks of the contract's state, or of the relayer's, not of the intent: worth another
    try."""
    return _kind_of(text) in NOT_THE_INTENTS or "paused" in _failure_of(text)


def last_failure(record: IntentRecord) -> dict[str, Any]:
    """Evidence: the newest failed receipt, if there is one."""
    failed = [tx for tx in record.transactions if tx.status == FAILURE]
    if not failed:
        return {}
    return {"transaction": failed[-1].hash, "receipt": _parsed(failed[-1].evidence)}


def basis_of(tx: SignedTransaction) -> Any:
    """Why it was signed, as `basis` said; "" where that is not known."""
    parsed = _parsed(tx.evidence)
    if tx.status == SIGNED or not isinstance(parsed, dict):
        return parsed
    return parsed.get("basis", "")


def height_of(tx: SignedTransaction) -> int:
    """The final block that told how `tx` ended, 0 if unknown or not ended."""
    parsed = _parsed(tx.evidence) if tx.status != SIGNED else None
    return int(parsed.get("block_height", 0)) if isinstance(parsed, dict) else 0


def evidence(**facts: Any) -> str:
    """JSON text of at most MAX_EVIDENCE bytes: what does not fit is left out, longest first."""
    kept = {key: value for key, value in facts.items() if value not in ("", (), [], None)}
    while True:
        text = json.dumps(kept, separators=(",", ":"), default=str)
        if len(text) <= MAX_EVIDENCE or not kept:
            return text
        longest = max(kept, key=lambda key: len(json.dumps(kept[key], default=str)))
        del kept[longest]


def _why_failed(seen: ChainIntent) -> tuple[Reason, str]:
    kept = seen.kept or {}
    said = str(kept.get("reason") or "the contract holds it failed")
    if int(str(kept.get("failures") or 0)) > 0:
        return Reason.SOLVER_FAILED, said
    deadline = kept.get("deadline_ns")
    if "deadline" in said or (deadline is not None and int(str(deadline)) <= seen.block_timestamp_ns):
        return Reason.EXPIRED, said
    return Reason.EXECUTION_FAILED, said


def _beside(seen: ChainIntent) -> dict[str, Any]:
    kept = seen.kept or {}
    return {key: kept[key] for key in ("reason", "failures", "solver_account") if kept.get(key) is not None}


def _fail(reason: Reason, message: str, /, **facts: Any) -> Decision:
    error = ErrorDetails(reason=str(reason), message=message[:500], evidence=evidence(**facts))
    return Decision(do=Do.FAIL, error=error)


def _words(tx: SignedTransaction) -> str:
    return _failure_of(tx.evidence) or "The transaction failed."


def _failure_of(text: str) -> str:
    parsed = _parsed(text)
    return str(parsed.get("failure", "")) if isinstance(parsed, dict) else ""


def _kind_of(text: str) -> object:
    parsed = _parsed(text)
    return parsed.get("failure_kind") if isinstance(parsed, dict) else None


def _parsed(text: str) -> Any:
    try:
        return json.loads(text)
    except ValueError:
        return text
