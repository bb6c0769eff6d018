"""What callers hold: every answer the store gave, to be held against what is there at the end.

An answer counts from the moment a caller has it. What was asked for and never answered may have happened or not.
"""

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Final

from services.common.domain.intent import IntentEvent, IntentRecord, NewIntent, Receipt, SignedTransaction
from services.common.domain.outcomes import (
    Accepted,
    AlreadyThere,
    Applied,
    Conflict,
    Refused,
    TransactionRecord,
    Transition,
    WriteOutcome,
)
from services.common.domain.signing import content_hash
from services.common.errors import IntentError, Reason

_RANK: Final = {"signed": 0, "success": 1, "failure": 1}
"""A transaction's end replaces its beginning, never the other way."""

Move = tuple[str, str, str]
"""Status, actor, reason."""


@dataclass(slots=True)
class Promise:
    """What was acknowledged about one intent. `moves` by the version they made, `transactions` by hash."""

    new: NewIntent
    receipt: Receipt | None = None
    moves: dict[int, Move] = field(default_factory=dict)
    transactions: dict[str, SignedTransaction] = field(default_factory=dict)

    @property
    def version(self) -> int:
        return max(self.moves, default=1)


@dataclass(slots=True)
class Ledger:
    """One for all callers. `sent` has every intent that somebody asked for, `attempted` every move."""

    sent: dict[str, Promise] = field(default_factory=dict)
    attempted: set[tuple[str, int, Move]] = field(default_factory=set)
    fences: dict[tuple[str, int], str] = field(default_factory=dict)
    counts: Counter[str] = field(default_factory=Counter)
    found: list[str] = field(default_factory=list)

    @property
    def acknowledged(self) -> list[Promise]:
        """Of all intents whose creation was."""
        return [one for one in self.sent.values() if one.receipt is not None]

    def sending(self, news: Iterable[NewIntent]) -> None:
        """Before they are asked for the first time."""
        for new in news:
            self.sent[_id(new)] = Promise(new)

    def created(self, new: NewIntent, outcome: Accepted | IntentError) -> None:
        """The answer to an intent sent for the first time, or again."""
        promise = self.sent[_id(new)]
        if isinstance(outcome, IntentError):
            self.found.append(f"{_id(new)}: refused, {outcome.reason}, though nobody else sent it")
            return
        if outcome.receipt.intent_id != _id(new):
            self.found.append(f"{_id(new)}: was answered with the receipt of {outcome.receipt.intent_id}")
        elif promise.receipt is None:
            self.counts["created"] += 1
            promise.receipt = outcome.receipt
        else:
            self.counts["repeated"] += 1
            if outcome.created:
                self.found.append(f"{_id(new)}: acknowledged before, created once more by its repeat")
            if outcome.receipt != promise.receipt:
                self.found.append(
                    f"{_id(new)}: acknowledged as {_plain(promise.receipt)}, its repeat as {_plain(outcome.receipt)}"
                )

    def refused(self, what: str, outcome: Accepted | IntentError, expected: Reason) -> None:
        """The answer to something the store must refuse because of what it acknowledged."""
        if isinstance(outcome, IntentError) and outcome.reason is expected:
            self.counts["refused"] += 1
        else:
            answer = outcome.reason if isinstance(outcome, IntentError) else _plain(outcome.receipt)
            self.found.append(f"{what}: what was acknowledged asks for {expected}, the answer was {answer}")

    def claimed(self, owner: str, records: Iterable[IntentRecord]) -> None:
        """Nobody else ever holds the same fence."""
        for record in records:
            if record.lease is None or record.lease.owner != owner:
                self.found.append(f"{record.intent_id}: claimed by {owner}, leased to {record.lease}")
                continue
            self.counts["claimed"] += 1
            holder = self.fences.setdefault((record.intent_id, record.lease.fence), owner)
            if holder != owner:
                self.found.append(
                    f"{record.intent_id}: fence {record.lease.fence} was given to {holder} and to {owner}"
                )

    def moving(self, moves: Iterable[Transition]) -> None:
        """Before they are asked for."""
        for move in moves:
            self.attempted.add((move.intent_id, move.seen_version + 1, _move(move)))

    def moved(self, move: Transition, outcome: WriteOutcome) -> None:
        """The answer to a move."""
        promise = self.sent[move.intent_id]
        match outcome:
            case Applied(record) | AlreadyThere(record):
                self.counts["moved" if isinstance(outcome, Applied) else "moved before"] += 1
                if record.version < move.seen_version + 1:
                    self.found.append(
                        f"{move.intent_id}: moved to version {move.seen_version + 1}, answered {record.version}"
                    )
                elif isinstance(outcome, Applied):
                    promise.moves[move.seen_version + 1] = _move(move)
                else:
                    # it may have been made by another's hand: what is promised is what the history shows
                    promise.moves[move.seen_version + 1] = _entry(record.history[move.seen_version])
                self._transactions(promise, move.transactions)
            case Conflict():
                self.counts["conflicts"] += 1
            case Refused(error):
                self._refusal(move.intent_id, error)

    def recorded(self, asked: TransactionRecord, outcome: WriteOutcome) -> None:
        """The answer to transactions recorded without a move."""
        match outcome:
            case Applied() | AlreadyThere():
                self.counts["transactions recorded"] += len(asked.transactions)
                self._transactions(self.sent[asked.intent_id], asked.transactions)
            case Conflict():
                self.counts["conflicts"] += 1
            case Refused(error):
                self._refusal(asked.intent_id, error)

    def _refusal(self, intent_id: str, error: IntentError) -> None:
        if error.reason is Reason.NOT_CANCELLABLE:
            self.counts["not cancellable"] += 1
        else:
            self.found.append(f"{intent_id}: acknowledged, its next write was refused with {error.reason}")

    def _transactions(self, promise: Promise, transactions: Sequence[SignedTransaction]) -> None:
        for one in transactions:
            before = promise.transactions.get(one.hash)
            if before is None or _RANK[one.status] >= _RANK[before.status]:
                promise.transactions[one.hash] = one

    def looked(self, intent_id: str, least: int, record: IntentRecord | None) -> None:
        """What a read begun after version `least` was acknowledged says."""
        if record is None:
            self.found.append(f"{intent_id}: acknowledged, then not found by a read")
        elif record.version < least:
            self.found.append(f"{intent_id}: version {least} acknowledged, then read as {record.version}")

    def broken(self, intent_id: str, record: IntentRecord | None) -> Iterable[str]:
        """Every acknowledgement about one intent that its record at the end does not bear out."""
        promise = self.sent.get(intent_id)
        if promise is None:
            yield "is in the store, and nobody asked for it"
            return
        if record is None:
            if promise.receipt is not None:
                yield "its creation was acknowledged, and there is no record of it"
            return
        if promise.receipt is not None and record.receipt != promise.receipt:
            yield f"acknowledged as {_plain(promise.receipt)}, the record says {_plain(record.receipt)}"
        submission = promise.new.submission
        if (record.principal, record.content_hash) != (promise.new.principal, content_hash(submission)):
            yield "holds other content than was sent"
        for version, move in sorted(promise.moves.items()):
            stands = _entry(record.history[version - 1]) if version <= record.version else ("nothing",)
            if stands != move:
                yield (
                    f"its move to version {version} ({', '.join(move)}) was acknowledged, "
                    f"the record has {', '.join(stands)}"
                )
        for entry in record.history[1:]:
            if (intent_id, entry.version, _entry(entry)) not in self.attempted:
                yield f"its version {entry.version} ({', '.join(_entry(entry))}) is a move nobody asked for"
        kept = {one.hash: one for one in record.transactions}
        for hash, sent in promise.transactions.items():
            there = kept.get(hash)
            if there is None:
                yield f"its transaction {hash} was acknowledged and is not there"
            elif there.signed_bytes != sent.signed_bytes or _RANK[there.status] < _RANK[sent.status]:
                yield f"its transaction {hash} was acknowledged as {sent.status}, the record has {there.status}"


def _id(new: NewIntent) -> str:
    assert new.submission.intent is not None
    return new.submission.intent.id


def _plain(receipt: Receipt) -> str:
    return f"{receipt.intent_id} of {receipt.created_at.isoformat(timespec='milliseconds')}"


def _entry(entry: IntentEvent) -> Move:
    return (entry.status.value, entry.actor, entry.reason)


def _move(move: Transition) -> Move:
    reason = move.reason or ("" if move.error_details is None else move.error_details.reason)
    return (move.to.value, move.actor, reason)
