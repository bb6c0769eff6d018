"""What becomes of a write, of a look-up, of a verdict. A repeat is an outcome, not an error."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

from services.common.domain.explanation import Explanation
from services.common.domain.intent import (
    ErrorDetails,
    ExecutionDetails,
    IntentEvent,
    IntentRecord,
    Receipt,
    SignedTransaction,
)
from services.common.domain.lifecycle import Status
from services.common.errors import IntentError, Violation


@dataclass(frozen=True, slots=True, kw_only=True)
class Accepted:
    """Durable. `created` is False where it was known with the same content."""

    receipt: Receipt
    created: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Transition:
    """One move asked for. Without `fence` it needs that nothing was ever signed for the intent."""

    intent_id: str
    seen_version: int
    seen_status: Status
    to: Status
    actor: str
    fence: int | None = None
    reason: str = ""
    transactions: tuple[SignedTransaction, ...] = ()
    execution_details: ExecutionDetails | None = None
    error_details: ErrorDetails | None = None
    traceparent: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class TransactionRecord:
    """Transactions to add, or to replace by hash, without a move."""

    intent_id: str
    seen_version: int
    seen_status: Status
    fence: int
    transactions: tuple[SignedTransaction, ...]


@dataclass(frozen=True, slots=True)
class Applied:
    """The write is durable."""

    record: IntentRecord


@dataclass(frozen=True, slots=True)
class AlreadyThere:
    """The write had happened before."""

    record: IntentRecord


@dataclass(frozen=True, slots=True)
class Conflict:
    """Another version, status or fence stands."""

    record: IntentRecord


@dataclass(frozen=True, slots=True)
class Refused:
    """Not legal, or nothing there; nothing changed."""

    error: IntentError


WriteOutcome = Applied | AlreadyThere | Conflict | Refused


@dataclass(frozen=True, slots=True, kw_only=True)
class RequestIdentity:
    """Names a request."""

    principal: str
    method: str
    request_id: str


IntentKey = str | RequestIdentity
"""An intent id, or the request that created one."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LeaseRef:
    """A lease held; `next_action_at` counts for a release only, None means at once."""

    intent_id: str
    fence: int
    next_action_at: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ListQuery:
    """Filters and page; empty filters match all. `principal` empty is for services, never for callers."""

    principal: str = ""
    user_id: str = ""
    status: Status | None = None
    action: str = ""
    token: str = ""  # input or output
    solver_id: str = ""
    transaction_hash: str = ""
    created_since: datetime | None = None  # inclusive
    created_until: datetime | None = None  # exclusive
    page_size: int = 50
    page_token: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class IntentPage:
    """Newest first; `next_page_token` empty on the last page."""

    records: tuple[IntentRecord, ...]
    next_page_token: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class EventPage:
    """Events after a cursor, in order within each intent, and the position after them."""

    events: tuple[IntentEvent, ...]
    cursor: str
    at_end: bool = True


class OverdueCause(StrEnum):
    """Why an intent is overdue, in the order they are listed in."""

    PAST_DEADLINE = "past_deadline"
    NO_OWNER = "no_owner"
    FOREIGN_WRITE = "foreign_write"
    HELD = "held"


@dataclass(frozen=True, slots=True, kw_only=True)
class Overdue:
    """An intent that should have ended or been worked on at `since`; `last_evidence` of its last move."""

    record: IntentRecord
    cause: OverdueCause
    since: datetime
    last_evidence: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class OverduePage:
    """Cause by cause, longest overdue first; `next_page_token` empty on the last page."""

    overdue: tuple[Overdue, ...]
    next_page_token: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """What the validator says. `failed_stage` empty if valid; `expires_at` None if nothing bounds it.

    `failed_stage` is the first that refused; `violations` are its own, and those of later ones if asked for.
    `unavailable` names what was away where a rule could not be applied: neither valid nor refused. `explanation` is
    there if asked for.
    """

    valid: bool
    failed_stage: str = ""
    violations: tuple[Violation, ...] = ()
    expires_at: datetime | None = None
    unavailable: str = ""
    explanation: Explanation | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class StatusQuery:
    """One look-up at the cache. `max_age` None takes any; `cached_only` never loads.

    With `allow_stale` what memory holds is answered, marked, where a level below is away, whatever its age.
    """

    intent_id: str
    min_version: int = 0
    max_age: timedelta | None = None
    cached_only: bool = False
    allow_stale: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class CachedStatus:
    """A status as written to the store. `version` 0 is what only the chain said."""

    intent_id: str
    status: Status
    version: int
    principal: str


@dataclass(frozen=True, slots=True, kw_only=True)
class StatusAnswer:
    """A status, the level that gave it (memory, redis, store, chain) and when that was read from the truth, in Unix
    milliseconds. `stale`: it should have been confirmed and could not be."""

    status: CachedStatus
    level: str
    read_at_ms: int
    stale: bool = False

    def age(self, now_ms: int) -> timedelta:
        """Since it was read; never below 0."""
        return timedelta(milliseconds=max(0, now_ms - self.read_at_ms))


@dataclass(frozen=True, slots=True, kw_only=True)
class TokenInfo:
    """A token known by name. Amounts in its smallest unit, None without a bound of its own.

    `pairs` are the tokens it may be swapped for, empty for any; `paused` takes no new intent that names it.
    """

    id: str
    symbol: str
    decimals: int
    min_amount: int | None = None
    max_amount: int | None = None
    pairs: tuple[str, ...] = ()
    paused: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Rules:
    """What the validator accepts, for GetInfo."""

    network: str
    verifying_contract: str
    standards: tuple[str, ...]
    actions: tuple[str, ...]
    tokens: tuple[TokenInfo, ...]
    signature_required: bool
    max_lifetime: timedelta
    min_lifetime: timedelta = timedelta(0)
    unknown_tokens: tuple[str, ...] = ()  # standards of which any well-formed token id is taken besides
    registry: str = ""  # digest of the registry's file in force
