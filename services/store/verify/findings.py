"""What verifying can find, and what was found."""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, Final


class Kind(StrEnum):
    """Every difference there is a name for."""

    # a record by itself
    UNREADABLE = "unreadable"
    NEWER_SCHEMA = "newer-schema"
    WRITTEN_PAST = "written-past"
    HISTORY = "history"
    CONTENT = "content"
    SCHEDULE = "schedule"
    DERIVED = "derived"
    OUTBOX = "outbox"
    # a record and its reservations
    REQUEST = "request"
    NONCE = "nonce"
    # a record and the event log
    UNTOLD = "untold"
    TOLD_TWICE = "told-twice"
    TOLD_OTHERWISE = "told-otherwise"
    TOLD_TOO_MUCH = "told-too-much"
    TOLD_OUT_OF_ORDER = "told-out-of-order"
    WAITING_THOUGH_TOLD = "waiting-though-told"
    # the event log by itself
    GAP = "gap"
    MISPLACED = "misplaced"
    UNREADABLE_EVENT = "unreadable-event"
    NO_RECORD = "no-record"
    # the roll-ups
    ROLLUP = "rollup"


MEANING: Final[Mapping[Kind, str]] = {
    Kind.UNREADABLE: "a record that cannot be read",
    Kind.NEWER_SCHEMA: "a record of a schema that this version does not know",
    Kind.WRITTEN_PAST: "status, errorDetails or updatedAt are not what the last move wrote: somebody wrote past the "
    "store",
    Kind.HISTORY: "version and history disagree, or the history has an illegal move, or time goes back in it",
    Kind.CONTENT: "contentHash or nonceKey are not those of what is stored",
    Kind.SCHEDULE: "an open intent without a next action, or one that has ended with one or with a lease",
    Kind.DERIVED: "openUntil, tokens or columns do not follow from the record",
    Kind.OUTBOX: "the outbox does not hold the newest versions in order, or numbers more than the oldest",
    Kind.REQUEST: "the request that a record names is not reserved, or for another intent or content",
    Kind.NONCE: "the nonce that a record names is not reserved, or for another intent or content",
    Kind.UNTOLD: "a version that is neither in the log nor in the outbox",
    Kind.TOLD_TWICE: "a version that is in the log more than once",
    Kind.TOLD_OTHERWISE: "an event that differs from the record's history",
    Kind.TOLD_TOO_MUCH: "an event of a version that the record does not have",
    Kind.TOLD_OUT_OF_ORDER: "versions of an intent in the log in another order than they happened",
    Kind.WAITING_THOUGH_TOLD: "an outbox entry of a version that is in the log under another number",
    Kind.GAP: "a sequence of the log that is missing: readers wait there for ever",
    Kind.MISPLACED: "an event whose place is not the one it names, or not its intent's partition",
    Kind.UNREADABLE_EVENT: "an event that cannot be read",
    Kind.NO_RECORD: "events of an intent of which there is no record",
    Kind.ROLLUP: "a roll-up that is not what the log adds up to",
}


class Repair(StrEnum):
    """What can be done about it."""

    NONE = "none"  # a person decides
    POSSIBLE = "possible"  # --repair does it
    DONE = "done"


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """`where` is an intent's id, "partition 3, sequence 17", or a roll-up's name."""

    kind: Kind
    where: str
    message: str
    repair: Repair = Repair.NONE


@dataclass(slots=True)
class Findings:
    """All are counted, the first `limit` kept."""

    limit: int
    kept: list[Finding] = field(default_factory=list)
    counts: Counter[Kind] = field(default_factory=Counter)
    repaired: int = 0

    def add(self, finding: Finding) -> None:
        """Count it, and keep it while there is room."""
        self.counts[finding.kind] += 1
        self.repaired += finding.repair is Repair.DONE
        if len(self.kept) < self.limit:
            self.kept.append(finding)

    @property
    def total(self) -> int:
        return self.counts.total()

    @property
    def left(self) -> int:
        """Found and not repaired."""
        return self.total - self.repaired


@dataclass(slots=True, kw_only=True)
class Verified:
    """What was looked at. `cursor`: up to there the log was read; whoever resumes from it misses nothing before."""

    store_id: str
    cursor: str = ""
    intents: int = 0
    events: int = 0
    waiting: int = 0  # versions still in an outbox
    older: int = 0  # records of an older schema
    strangers: int = 0  # documents of another system that are not adopted yet
    rollups: int | None = 0  # compared; None where that could not be
    findings: Findings

    def as_json(self) -> dict[str, Any]:
        """For programs."""
        return {
            "store": self.store_id,
            "cursor": self.cursor,
            "intents": self.intents,
            "events": self.events,
            "waiting": self.waiting,
            "rollups": self.rollups,
            "olderSchema": self.older,
            "notAdopted": self.strangers,
            "found": self.findings.total,
            "repaired": self.findings.repaired,
            "counts": {kind.value: count for kind, count in sorted(self.findings.counts.items())},
            "findings": [
                {"kind": one.kind, "where": one.where, "message": one.message, "repair": one.repair}
                for one in self.findings.kept
            ],
        }
