"""What an event of the log counts for. What it does not say comes from the record, where that never changes."""

from collections import OrderedDict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import lru_cache
from typing import Any, Final

from services.common.domain.lifecycle import TERMINAL, Status
from services.common.domain.statistics import Period
from services.store.ports import Document
from services.store.rollups import keys
from services.store.rollups.histogram import bucket

REMEMBERED: Final = 4096
"""Open intents whose facts are kept at hand: their next events come soon."""
_MS: Final = timedelta(milliseconds=1)
_LONGEST_NUMBER: Final = 60
_LONGEST_NAME: Final = 128


@dataclass(frozen=True, slots=True, kw_only=True)
class Move:
    """One event, as tallies count it. `came_in`: the intent did so with it; else `before` None means not known."""

    partition: int
    sequence: int
    at: datetime
    principal: str
    user_id: str
    status: Status
    came_in: bool
    before: Status | None
    took: int | None  # histogram bucket of the time since acceptance
    token: str = ""
    amount: int = 0
    gas: int = 0
    cost: int = 0
    reason: str = ""
    solver: str = ""
    solving_ms: int = 0

    @property
    def ended(self) -> bool:
        """What came in at its end (from another system) did not end here."""
        return self.before is not None and self.status in TERMINAL

    def counted_in(self) -> Sequence[str]:
        """The documents it counts in."""
        return roll_ups(self.principal, self.user_id, keys.number(self.at, Period.HOUR))


@lru_cache(maxsize=4096)
def roll_ups(principal: str, user_id: str, hour: int) -> Sequence[str]:
    """What counts what a user's intent did in an hour: of the user, the principal and all its hour, day and total."""
    found: list[str] = []
    for whose in (
        keys.scope(principal=principal, user_id=user_id),
        keys.scope(principal=principal, user_id=""),
        keys.scope(principal="", user_id=""),
    ):
        found += [
            keys.period_key(whose, Period.HOUR, hour),
            keys.period_key(whose, Period.DAY, hour // 24),
            keys.total_key(whose),
        ]
    return tuple(found)


@dataclass(slots=True)
class Facts:
    """Of a record: what never changes, and how far its history was seen."""

    created_at: datetime
    token: str
    amount: int
    history: list[tuple[Status, datetime]] = field(default_factory=list)


class Known:
    """Facts of the intents whose events are being folded."""

    def __init__(self) -> None:
        self._facts: OrderedDict[str, Facts] = OrderedDict()

    def missing(self, events: Sequence[Document]) -> list[str]:
        """Intents whose records have to be read before these events can be counted."""
        seen = {intent_id: len(facts.history) for intent_id, facts in self._facts.items()}
        wanted: dict[str, None] = {}
        for event in events:
            intent_id, version = event.get("intentId"), event.get("version")
            if isinstance(intent_id, str) and isinstance(version, int) and version > 1:
                if seen.get(intent_id, -1) < version - 1:
                    wanted[intent_id] = None
                else:
                    seen[intent_id] = max(seen[intent_id], version)
        return list(wanted)

    def learn(self, records: Mapping[str, Document]) -> None:
        """From records as they stand."""
        for intent_id, document in records.items():
            facts = facts_of(document)
            if facts is not None:
                self._facts[intent_id] = facts

    def move(self, event: Document) -> Move | None:
        """None for an event that cannot be read: it counts nowhere."""
        try:
            facts = self._facts.get(event["intentId"])
            found = move_of(event, facts)
            if facts is not None and len(facts.history) == event["version"] - 1:
                facts.history.append((found.status, found.at))
            if found.status in TERMINAL:
                self._facts.pop(event["intentId"], None)
        except (KeyError, ValueError, TypeError, AttributeError, OverflowError):
            return None
        return found

    def trim(self) -> None:
        """Forget the oldest."""
        while len(self._facts) > REMEMBERED:
            self._facts.popitem(last=False)


def facts_of(document: Document) -> Facts | None:
    """None where the record cannot be read."""
    try:
        history = [(Status(one["status"]), one["occurredAt"]) for one in document["history"]]
        return Facts(document["createdAt"], document["input_token"], whole(document["input_amount"]), history)
    except (KeyError, ValueError, TypeError):
        return None


def move_of(event: Document, facts: Facts | None) -> Move:
    """Raises KeyError, ValueError, TypeError, AttributeError for an event that is none. Without facts, as far as the
    event says."""
    version, status, at = event["version"], Status(event["status"]), event["occurredAt"]
    before = facts.history[version - 2][0] if version > 1 and facts is not None else None
    execution = event.get("executionDetails") or {}
    ended = before is not None and status in TERMINAL
    solving = _solving_since(facts, version) if ended and facts is not None else None
    return Move(
        partition=event["partition"],
        sequence=event["sequence"],
        at=at,
        principal=event["principal"] + "",
        user_id=event["userId"] + "",
        status=status,
        came_in=version == 1,
        before=before,
        took=None if before is None or facts is None else bucket((at - facts.created_at) // _MS),
        token=facts.token if facts is not None else "",
        amount=facts.amount if facts is not None else 0,
        gas=whole(execution.get("gasUsed")) if ended else 0,
        cost=whole(execution.get("totalCost")) if ended else 0,
        reason=_reason(event) if status is Status.FAILED else "",
        solver=str(execution.get("solverId") or "")[:_LONGEST_NAME] if solving is not None else "",
        solving_ms=0 if solving is None else max(0, (at - solving) // _MS),
    )


def whole(text: Any) -> int:
    """A decimal string; 0 for anything else, as another writer may have left it."""
    text = str(text or "")
    return int(text) if len(text) <= _LONGEST_NUMBER and text.isascii() and text.isdecimal() else 0


def _reason(event: Document) -> str:
    details = event.get("errorDetails")
    given = event["reason"] or (details.get("reason") if isinstance(details, dict) else "")
    return str(given or "UNKNOWN")[:_LONGEST_NAME]


def _solving_since(facts: Facts, version: int) -> datetime | None:
    """When its last execution began, if it ended from there."""
    status, at = facts.history[version - 2]
    return at if status is Status.EXECUTING else None
