"""What the store promises, in plain Python: one dict, one caller at a time, nothing ever lost.

Written from the contracts in services/common/ports.py and the lifecycle's table, with no code of the store. Each
method says what the store must answer, and does it.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime

from services.common.domain.lifecycle import NEXT, TERMINAL, Status
from services.common.domain.outcomes import ListQuery
from services.common.errors import Reason

CREATED, REPEATED, APPLIED, ALREADY, CONFLICT = "created", "repeated", "applied", "already", "conflict"

Answer = str | Reason
"""One of the words above, or why it was refused."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Sent:
    """A submission. `nonce` "" means unsigned."""

    id: str
    principal: str
    user: str
    amount: str
    request: str = ""
    nonce: str = ""

    @property
    def content(self) -> tuple[str, ...]:
        return (self.id, self.user, self.amount, self.nonce)


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """A move asked for; `transactions` are (hash, status)."""

    id: str
    version: int
    status: Status
    to: Status
    fence: int | None
    actor: str
    reason: str = ""
    transactions: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True, slots=True)
class Entry:
    """One move as it happened."""

    status: Status
    actor: str
    reason: str


@dataclass(slots=True, kw_only=True)
class Intent:
    """`due` None has ended; while leased it is the lease's end. `handed`: who alone may claim it until then."""

    sent: Sent
    created_at: datetime
    due: datetime | None
    history: list[Entry] = field(default_factory=lambda: [Entry(Status.PENDING, "edge", "")])
    transactions: dict[str, str] = field(default_factory=dict)
    owner: str = ""
    handed: str = ""
    fence: int = 0

    @property
    def status(self) -> Status:
        return self.history[-1].status

    @property
    def version(self) -> int:
        return len(self.history)


@dataclass(slots=True)
class Model:
    """Reservations hold (intent id, content) for ever."""

    intents: dict[str, Intent] = field(default_factory=dict)
    requests: dict[tuple[str, str], Sent] = field(default_factory=dict)
    nonces: dict[tuple[str, str], Sent] = field(default_factory=dict)

    # --- creating

    def create(self, sent: Sent, now: datetime) -> Answer:
        refusal = self._refusal(sent)
        if refusal is not None:
            return refusal
        self.reserve(sent, requests=True, nonces=sent.id not in self.intents)
        if sent.id in self.intents:
            return REPEATED
        self.intents[sent.id] = Intent(sent=sent, created_at=now, due=now)
        return CREATED

    def reserve(self, sent: Sent, *, requests: bool, nonces: bool) -> None:
        """What a creation that was cut off has left behind."""
        if requests and sent.request:
            self.requests.setdefault((sent.principal, sent.request), sent)
        if nonces and sent.nonce:
            self.nonces.setdefault((sent.user, sent.nonce), sent)

    def _refusal(self, sent: Sent) -> Reason | None:
        by_request = self.requests.get((sent.principal, sent.request)) if sent.request else None
        if by_request is not None and by_request.content != sent.content:
            return Reason.REQUEST_REUSED
        by_nonce = self.nonces.get((sent.user, sent.nonce)) if sent.nonce else None
        if by_nonce is not None and by_nonce.content != sent.content:
            return Reason.ID_TAKEN if by_nonce.id == sent.id else Reason.NONCE_HELD
        standing = self.intents.get(sent.id)
        if standing is not None and standing.sent.content != sent.content:
            return Reason.ID_TAKEN
        if standing is not None and standing.sent.principal != sent.principal:
            return Reason.ALREADY_EXISTS
        return None

    def by_request(self, principal: str, request: str) -> Intent | None:
        """The intent a request created, or repeated as its own principal's."""
        held = self.requests.get((principal, request))
        found = None if held is None else self.intents.get(held.id)
        if found is None or held is None or found.sent.principal != principal:
            return None
        return found if found.sent.content == held.content else None

    # --- moving

    def move(self, step: Step) -> Answer:
        intent = self.intents.get(step.id)
        if intent is None:
            return Reason.INTENT_NOT_FOUND
        if step.to not in NEXT[step.status]:
            return Reason.ILLEGAL_MOVE
        if self._happened(intent, step):
            return ALREADY
        if step.fence is None and intent.transactions:
            return Reason.NOT_CANCELLABLE
        if not self._stands(intent, step.version, step.status, step.fence):
            return CONFLICT
        intent.history.append(Entry(step.to, step.actor, step.reason))
        intent.transactions |= dict(step.transactions)
        if step.to in TERMINAL:
            intent.due, intent.owner, intent.handed = None, "", ""
        return APPLIED

    def record(self, step: Step) -> Answer:
        """Transactions without a move; `to`, `actor` and `reason` do not count."""
        intent = self.intents.get(step.id)
        if intent is None:
            return Reason.INTENT_NOT_FOUND
        if intent.transactions | dict(step.transactions) == intent.transactions:
            return ALREADY
        if not self._stands(intent, step.version, step.status, step.fence):
            return CONFLICT
        if intent.status in TERMINAL and not {hash for hash, _ in step.transactions} <= {
            *intent.transactions
        }:
            return Reason.ILLEGAL_MOVE
        intent.transactions |= dict(step.transactions)
        return APPLIED

    @staticmethod
    def _happened(intent: Intent, step: Step) -> bool:
        if not 1 <= step.version < intent.version:
            return False
        before, after = intent.history[step.version - 1], intent.history[step.version]
        same = (before.status, after.status) == (step.status, step.to)
        return same and {hash for hash, _ in step.transactions} <= {*intent.transactions}

    @staticmethod
    def _stands(intent: Intent, version: int, status: Status, fence: int | None) -> bool:
        return (intent.version, intent.status) == (version, status) and fence in (None, intent.fence)

    # --- claiming

    def claimable(self, owner: str, now: datetime, *, reclaim: bool) -> set[str]:
        """What a claim chooses from."""
        return {
            one.sent.id
            for one in self.intents.values()
            if one.due is not None
            and (one.due <= now or one.handed == owner != "" or (reclaim and one.owner == owner))
        }

    def claim(self, ids: Iterable[str], owner: str, until: datetime) -> None:
        """These were chosen."""
        for one in ids:
            intent = self.intents[one]
            intent.owner, intent.handed, intent.fence, intent.due = owner, "", intent.fence + 1, until

    def renew(self, id: str, fence: int, until: datetime) -> bool:
        intent = self.intents.get(id)
        if intent is None or not intent.owner or intent.fence != fence:
            return False
        intent.due = until
        return True

    def release(self, id: str, fence: int, due: datetime) -> bool:
        intent = self.intents.get(id)
        if intent is None or intent.fence != fence:
            return False
        if intent.owner:
            intent.owner, intent.handed, intent.due = "", "", due
        return True

    def hand_over(self, id: str, fence: int, to: str, until: datetime) -> bool:
        intent = self.intents.get(id)
        if intent is None or not intent.owner:
            return False
        if intent.fence == fence:
            intent.owner, intent.handed, intent.fence, intent.due = f"handed-over:{to}", to, fence + 1, until
            return True
        return intent.handed == to and intent.fence == fence + 1

    # --- reading

    def listed(self, query: ListQuery) -> list[str]:
        """Newest first, all pages."""
        found = [
            one
            for one in self.intents.values()
            if query.principal in ("", one.sent.principal)
            and query.user_id in ("", one.sent.user)
            and query.status in (None, one.status)
        ]
        return [
            one.sent.id for one in sorted(found, key=lambda one: (one.created_at, one.sent.id), reverse=True)
        ]
