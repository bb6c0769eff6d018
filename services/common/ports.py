"""What services owe each other. The local object and the gRPC adapter both satisfy these Protocols.

All are batch first: a list goes in and as many answers come out, in the same order; an item that is
refused has an IntentError in its place. Every call may itself raise IntentError: DEPENDENCY_UNAVAILABLE,
DEADLINE_EXCEEDED, OVERLOADED, BATCH_SIZE, INTERNAL.
"""

from collections.abc import AsyncIterator, Sequence
from typing import Protocol

from services.common.domain.feed import FeedCommand, FeedMessage
from services.common.domain.intent import IntentRecord, NewIntent, Submission
from services.common.domain.keys import KeyAnswer, KeyRef, NonceRequest, Nonces, PoolKey
from services.common.domain.outcomes import (
    Accepted,
    CachedStatus,
    EventPage,
    IntentKey,
    IntentPage,
    LeaseRef,
    ListQuery,
    OverduePage,
    Rules,
    StatusAnswer,
    StatusQuery,
    TransactionRecord,
    Transition,
    Verdict,
    WriteOutcome,
)
from services.common.domain.places import Place, PlaceAnswer
from services.common.domain.settling import Audited, Settlement
from services.common.domain.statistics import Statistics, StatisticsQuery
from services.common.domain.views import ChainView, ViewAnswer
from services.common.errors import IntentError


class Validator(Protocol):
    """Every rule an intent must meet."""

    async def validate(
        self,
        submissions: Sequence[Submission],
        *,
        stored: bool = False,
        full: bool = False,
        explain: bool = False,
    ) -> Sequence[Verdict]:
        """Up to 256, with `explain` up to 32. `stored` True where the intents are stored: their own nonce does not
        count against them. `full` goes on after the first stage that refuses; `explain` says what became of each
        rule."""
        ...

    async def rules(self) -> Rules:
        """What is accepted, for GetInfo."""
        ...


class IntentCreator(Protocol):
    """Durable, idempotent acceptance."""

    async def create(self, intents: Sequence[NewIntent]) -> Sequence[Accepted | IntentError]:
        """Up to 1000. Item errors: ALREADY_EXISTS (another principal's), ID_TAKEN (same id, other content),
        REQUEST_REUSED (same request_id, other content), NONCE_HELD (the signer's nonce is another intent's)."""
        ...


class IntentReader(Protocol):
    """Records as the truth has them."""

    async def get(self, keys: Sequence[IntentKey]) -> Sequence[IntentRecord | None]:
        """Up to 1000; None where unknown."""
        ...

    async def list(self, query: ListQuery) -> IntentPage:
        """Newest first. Raises PAGE_TOKEN_INVALID."""
        ...

    async def statistics(self, query: StatisticsQuery) -> Statistics:
        """Counts over what matches. Raises INVALID_FIELD (`since` not before `until`, over 1000 periods)."""
        ...


class IntentMover(Protocol):
    """Compare-and-set moves."""

    async def transition(self, moves: Sequence[Transition]) -> Sequence[WriteOutcome]:
        """Up to 1000. Applied, AlreadyThere (same status reached before), Conflict (something else stands),
        Refused (ILLEGAL_MOVE, FOREIGN_WRITE, NOT_CANCELLABLE: no fence but signed bytes are stored,
        INTENT_NOT_FOUND). A Transition without fence requires that no transaction is stored."""
        ...


class WorkQueue(Protocol):
    """Claims under a fence."""

    async def claim(
        self, owner: str, *, limit: int, lease_ms: int, reclaim: bool = False
    ) -> Sequence[IntentRecord]:
        """What was handed to `owner`, then due non-terminal intents, most overdue first, fair between users where
        more is due than `limit`; each under a fresh fence (record.lease). `reclaim` also takes back unexpired leases
        of this same owner (once after a restart)."""
        ...

    async def renew(self, leases: Sequence[LeaseRef], *, lease_ms: int) -> Sequence[bool]:
        """False: another holds it now."""
        ...

    async def release(self, leases: Sequence[LeaseRef]) -> Sequence[bool]:
        """Gives back; due again at next_action_at. False: another held it already."""
        ...

    async def hand_over(self, leases: Sequence[LeaseRef], *, to_owner: str, lease_ms: int) -> Sequence[bool]:
        """Passes leases on under a fresh fence: for `lease_ms` only `to_owner` may claim them, at once; then anybody.
        False: another held it. True again for a repeat, until it is claimed."""
        ...

    async def record_transactions(self, records: Sequence[TransactionRecord]) -> Sequence[WriteOutcome]:
        """Adds or replaces (by hash) signed transactions; needs version, status and fence. Same four outcomes."""
        ...


class KeyPool(Protocol):
    """Access keys to sign with: each has one holder at a time, each nonce one holder ever."""

    async def lease_key(
        self, keys: Sequence[PoolKey], *, holder: str, session: str, lease_ms: int, reclaim: bool = False
    ) -> KeyAnswer:
        """One of up to 256: what this `session` (text of one run of the holder) has already, so that a repeat is none;
        else, with `reclaim`, what this holder had (once after a start); else the first that nobody holds, or whose
        lease ran out. Under a fresh fence."""
        ...

    async def renew_keys(self, held: Sequence[KeyRef], *, lease_ms: int) -> Sequence[bool]:
        """False: another holds it now, or nobody."""
        ...

    async def release_keys(self, held: Sequence[KeyRef]) -> Sequence[bool]:
        """Gives back. False: another held it already."""
        ...

    async def reserve_nonces(self, asked: Sequence[NonceRequest]) -> Sequence[Nonces | None]:
        """1 to 10,000 nonces for each, ascending, never given to anybody before. None where the fence is not the key's:
        nothing may be signed with it any more. Raises INVALID_FIELD where none are left below 2^63."""
        ...


class Places(Protocol):
    """How far something was followed, for all who take turns at following it."""

    async def keep_place(
        self, name: str, *, holder: str, session: str, lease_ms: int, place: Place | None = None
    ) -> PlaceAnswer:
        """Takes or renews the turn of `session` (text of one run of the holder) where it is nobody else's; 0 ms gives
        it back. `place` is kept if it is higher than what stands. A repeat is none."""
        ...


class OverdueReader(Protocol):
    """What P13 watches over."""

    async def overdue(self, *, page_size: int = 50, page_token: str = "") -> OverduePage:
        """Non-terminal intents nobody ends: past their deadline, without an owner, written past the store or
        held for a person. A page may be short, or empty, and have a next one. Raises PAGE_TOKEN_INVALID,
        BATCH_SIZE unless `page_size` is 1 to 200."""
        ...


class Settler(Protocol):
    """Acts of operators, and of the processor in their place; each is kept in the record."""

    async def settle(self, asked: Sequence[Settlement]) -> Sequence[Audited | IntentError]:
        """Up to 1000. Item errors: INTENT_NOT_FOUND, INVALID_FIELD (no who or why), ILLEGAL_MOVE (it has ended, or
        WAKE of what is held), CORRUPT_RECORD, STALE_VERSION, and for FAIL NOT_CANCELLABLE (signed bytes of it may get
        on chain, or did) and FOREIGN_WRITE. A NOTE or WAKE that the processor repeats is one entry."""
        ...

    async def settlements(self, intent_ids: Sequence[str]) -> Sequence[Audited | None]:
        """Up to 1000; None where unknown. Raises CORRUPT_RECORD."""
        ...


class EventLog(Protocol):
    """Every move once, in order within each intent."""

    async def list_events(self, cursor: str = "", *, limit: int = 500, tail: bool = False) -> EventPage:
        """After `cursor` ("" from the oldest kept). `tail` answers only the newest cursor. Raises
        CURSOR_INVALID (not ours), CURSOR_EXPIRED (older than what is kept, another store's, beyond the end)."""
        ...

    def watch_events(self, cursor: str = "", *, tail: bool = False) -> AsyncIterator[EventPage]:
        """The same, then live; pages without events are positions. The first page comes at once. Same errors."""
        ...


class Store(
    IntentCreator,
    IntentReader,
    IntentMover,
    WorkQueue,
    KeyPool,
    Places,
    OverdueReader,
    Settler,
    EventLog,
    Protocol,
):
    """The store, whole."""


class StatusCache(Protocol):
    """Fast statuses; never an older one."""

    async def get_statuses(
        self, queries: Sequence[StatusQuery]
    ) -> Sequence[StatusAnswer | IntentError | None]:
        """Up to 1000. None where no level knows it."""
        ...

    async def put_statuses(self, statuses: Sequence[CachedStatus]) -> None:
        """A newer version wins in every level; Redis where it can be reached."""
        ...

    async def invalidate(self, intent_ids: Sequence[str]) -> None:
        """Forgets in every level."""
        ...


class ChainViews(Protocol):
    """Views of the Verifier and of tokens' contracts, cached."""

    async def views(self, asked: Sequence[ChainView]) -> Sequence[ViewAnswer | IntentError]:
        """Up to 1000; DEPENDENCY_UNAVAILABLE in place of an answer the chain could not give."""
        ...


class Cache(StatusCache, ChainViews, Protocol):
    """The cache, whole."""


class Notifier(Protocol):
    """The event log, once to each edge."""

    def feed(self, commands: AsyncIterator[FeedCommand]) -> AsyncIterator[FeedMessage]:
        """The first command is Open. Ends when `commands` ends or the caller closes; raises IntentError
        (DEPENDENCY_UNAVAILABLE, DRAINING) when this notifier goes: take the feed up again elsewhere with
        the last cursor. The first message is `subscribed=0` or a reset."""
        ...

    async def wake(self, intent_ids: Sequence[str]) -> None:
        """A hint that something was written."""
        ...
