"""Moving: compare-and-sets on version and status, and on the fence where the mover holds a lease.

Each program reads, judges, and writes with everything it judged by in the filter; where the document changed
in between it reads and judges again. What it judges by first may be as old as what this process remembers.
"""

from collections import Counter
from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Final

from services.common.domain.lifecycle import TERMINAL, Status, legal
from services.common.domain.outcomes import (
    AlreadyThere,
    Applied,
    Conflict,
    Refused,
    TransactionRecord,
    Transition,
    WriteOutcome,
)
from services.common.errors import IntentError, Reason
from services.store.document import (
    ENDED,
    UNFIT,
    corrupt,
    error_to,
    execution_from,
    execution_to,
    move_entry,
    record_of,
    transaction_to,
)
from services.store.fit import odd
from services.store.ports import Document, Ended, Find, Program, Recall, Tally, Update, Write

ATTEMPTS: Final = 10
"""Rounds before a document that keeps changing is answered as a Conflict."""


def moving(moves: Sequence[Transition], now: datetime) -> Program[list[WriteOutcome]]:
    """One outcome for each, in the order sent."""
    ended: list[Ended] = []

    def attempt(index: int, document: Document | None) -> WriteOutcome | Write:
        return _move(moves[index], document, now)

    outcomes = yield from _rounds(moves, attempt)
    for move, outcome in zip(moves, outcomes, strict=True):
        if isinstance(outcome, Applied) and (one := _ended(move, outcome)) is not None:
            ended.append(one)
    if ended:
        yield Tally(ended)
    return outcomes


def recording(records: Sequence[TransactionRecord]) -> Program[list[WriteOutcome]]:
    """One outcome for each, in the order sent."""

    def attempt(index: int, document: Document | None) -> WriteOutcome | Write:
        return _record_transactions(records[index], document)

    return (yield from _rounds(records, attempt))


def _rounds(
    asked: Sequence[Transition] | Sequence[TransactionRecord],
    attempt: Callable[[int, Document | None], WriteOutcome | Write],
) -> Program[list[WriteOutcome]]:
    intent_ids = [one.intent_id for one in asked]
    wrong = [odd(one) for one in asked]
    outcomes: list[WriteOutcome | None] = [None if one is None else Refused(one) for one in wrong]
    pending = [index for index, one in enumerate(wrong) if one is None]
    # of two moves of one intent both are judged by what stands before either
    once = [one for one, count in Counter(intent_ids[index] for index in pending).items() if count == 1]
    recalled: dict[str, Document] = yield Recall(once)
    documents = dict(recalled)
    for number in range(ATTEMPTS):
        looked = {intent_ids[index] for index in pending} - (recalled.keys() if number == 0 else set())
        if looked:
            found: dict[str, Document] = yield Find(list(looked))
            documents = {one: document for one, document in documents.items() if one not in looked} | found
        tried: list[int] = []
        writes: list[Write] = []
        doubted: list[int] = []
        for index in pending:
            answer = _attempted(attempt, index, documents.get(intent_ids[index]))
            if isinstance(answer, Write):
                tried.append(index)
                writes.append(answer)
            elif intent_ids[index] in looked:
                outcomes[index] = answer
            else:
                # judged by what may be old: only a write that goes through proves that it is not
                doubted.append(index)
        answers: Sequence[Document | None] = []
        if writes:
            answers = yield Update(writes)
        pending = doubted
        for index, document in zip(tried, answers, strict=True):
            if document is None:
                pending.append(index)
            else:
                outcomes[index] = Applied(record_of(document))
        if not pending:
            break
    return [
        outcome if outcome is not None else Conflict(record_of(documents[intent_ids[index]]))
        for index, outcome in enumerate(outcomes)
    ]


def _attempted(
    attempt: Callable[[int, Document | None], WriteOutcome | Write], index: int, document: Document | None
) -> WriteOutcome | Write:
    """One that somebody broke is refused; the others of its batch are not."""
    try:
        return attempt(index, document)
    except UNFIT:
        return Refused(corrupt(document or {}))
    except IntentError as error:
        return Refused(error)


def _move(move: Transition, document: Document | None, now: datetime) -> WriteOutcome | Write:
    if document is None:
        return _not_found(move.intent_id)
    if not legal(move.seen_status, move.to):
        return _refused(Reason.ILLEGAL_MOVE, f"An intent does not go from {move.seen_status} to {move.to}.")
    if _happened(move, document):
        return AlreadyThere(record_of(document))
    if document["status"] != document["versionStatus"]:
        return _foreign()
    if move.fence is None and document["chainTransactions"]:
        return _refused(
            Reason.NOT_CANCELLABLE, "Something was signed for this intent already; it takes its course."
        )
    if move.fence is None and document.get("held") and move.seen_status is Status.EXECUTING:
        return _refused(
            Reason.NOT_CANCELLABLE,
            "Another system began to execute this intent; an operator has to settle it.",
        )
    if not _as_seen(document, move.seen_version, move.seen_status, move.fence):
        return Conflict(record_of(document))
    return _move_write(move, document, now)


def _move_write(move: Transition, document: Document, now: datetime) -> Write:
    at = max(now, document["updatedAt"])
    version = move.seen_version + 1
    where = {
        "version": move.seen_version,
        "status": move.seen_status.value,
        "versionStatus": move.seen_status.value,
        "chainRevision": document["chainRevision"],
    }
    if move.fence is None:
        where["chainTransactions"] = []
    else:
        where["lease.fence"] = move.fence
    change = {"status": move.to.value, "versionStatus": move.to.value, "version": version, "updatedAt": at}
    transactions = _merged(document["chainTransactions"], [transaction_to(one) for one in move.transactions])
    if move.transactions:
        change["chainTransactions"] = transactions
        change["chainRevision"] = document["chainRevision"] + 1
    execution = document.get("executionDetails")
    if move.execution_details is not None:
        execution = execution_to(move.execution_details)
    elif transactions:
        execution = execution_from(transactions)
    if execution is not None:
        change["executionDetails"] = execution
    error = None if move.error_details is None else error_to(move.error_details)
    if error is not None:
        change["errorDetails"] = error
    if move.to in TERMINAL and document.get("held"):
        change["held"] = None
    if move.to in TERMINAL:
        change |= {"nextActionAt": None, **ENDED, "lease.owner": "", "lease.expiresAt": None}
    entry = move_entry(
        version=version,
        status=move.to,
        at=at,
        actor=move.actor,
        traceparent=move.traceparent,
        reason=move.reason or ("" if move.error_details is None else move.error_details.reason),
        execution=execution,
        error=error,
    )
    push = {"history": entry, "outbox": {"version": version, "sequence": 0}}
    return Write(move.intent_id, where, change, push)


def _record_transactions(record: TransactionRecord, document: Document | None) -> WriteOutcome | Write:
    if document is None:
        return _not_found(record.intent_id)
    stored = document["chainTransactions"]
    new = [transaction_to(one) for one in record.transactions]
    merged = _merged(stored, new)
    if merged == stored:
        return AlreadyThere(record_of(document))
    seen = record.seen_status.value
    where = {
        "version": record.seen_version,
        "versionStatus": seen,
        "lease.fence": record.fence,
        "chainRevision": document["chainRevision"],
    }
    if len(merged) > len(stored):
        # bytes already signed are followed whatever was written past us; nothing new is signed then
        if document["status"] != document["versionStatus"]:
            return _foreign()
        where["status"] = seen
    if not _as_seen(document, record.seen_version, record.seen_status, record.fence):
        return Conflict(record_of(document))
    if len(merged) > len(stored) and record.seen_status in TERMINAL:
        return _refused(Reason.ILLEGAL_MOVE, "Nothing is signed for an intent that has ended.")
    change = {
        "chainTransactions": merged,
        "chainRevision": document["chainRevision"] + 1,
        "executionDetails": execution_from(merged),
    }
    return Write(record.intent_id, where, change)


def _as_seen(document: Document, version: int, status: Status, fence: int | None) -> bool:
    return (
        document["version"] == version
        and document["versionStatus"] == status.value
        and (fence is None or document["lease"]["fence"] == fence)
    )


def _happened(move: Transition, document: Document) -> bool:
    """The same step was taken before. One that brings signed bytes counts only if those are the stored ones."""
    history = document["history"]
    if document["version"] <= move.seen_version or move.seen_version < 1:
        return False
    before, after = history[move.seen_version - 1], history[move.seen_version]
    if before["status"] != move.seen_status.value or after["status"] != move.to.value:
        return False
    stored = {one["hash"] for one in document["chainTransactions"]}
    return all(one.hash in stored for one in move.transactions)


def _merged(stored: Sequence[Document], new: Sequence[Document]) -> list[Document]:
    """`new` added, or replacing those of the same hash."""
    by_hash = {one["hash"]: one for one in stored}
    for one in new:
        by_hash[one["hash"]] = one
    return list(by_hash.values())


def _ended(move: Transition, outcome: Applied) -> Ended | None:
    record = outcome.record
    if move.seen_status is not Status.EXECUTING or record.execution_details is None:
        return None
    solver = record.execution_details.solver_id
    if not solver:
        return None
    started = next(
        (one.occurred_at for one in record.history if one.status is Status.EXECUTING), record.created_at
    )
    seconds = (record.history[move.seen_version].occurred_at - started).total_seconds()
    return Ended(solver, move.to is Status.COMPLETED, seconds)


def _refused(reason: Reason, message: str) -> Refused:
    return Refused(IntentError(reason, message))


def _foreign() -> Refused:
    return _refused(
        Reason.FOREIGN_WRITE, "Somebody wrote past the store: the intent stands still until resolved."
    )


def _not_found(intent_id: str) -> Refused:
    return Refused(
        IntentError(
            Reason.INTENT_NOT_FOUND, "There is no such intent.", metadata={"intent_id": intent_id[:128]}
        )
    )
