"""What the store needs of a database.

Use cases that write are programs: generators that yield the operations below and are sent the answers.
A backend runs a program step by step, each step durable before the next (MongoDB), or as a whole in one
durable transaction (SQLite). A program is correct if it is cut off after any step and run again.

All errors of the database are IntentError DEPENDENCY_UNAVAILABLE.
"""

from collections.abc import AsyncIterator, Callable, Generator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Protocol, TypeVar

from services.common.config import SettingError
from services.common.domain.outcomes import (
    ListQuery,
)
from services.common.domain.statistics import SolverStatistics
from services.store.model import PageKey
from services.store.overdue_range import OverdueRange

T = TypeVar("T")

Document = dict[str, Any]
"""A stored document, as services/store/document.py describes it: str, int, float, bool, bytes, aware datetime."""


@dataclass(frozen=True, slots=True)
class Reservation:
    """A request or a nonce, held for one content for ever."""

    key: str
    intent_id: str
    content_hash: str


@dataclass(frozen=True, slots=True)
class Standing:
    """What of a stored intent a repeat is compared with."""

    intent_id: str
    principal: str
    content_hash: str
    created_at: datetime


@dataclass(frozen=True, slots=True)
class Look:
    """Which of these exist? Answered by Found."""

    requests: Sequence[str]
    nonces: Sequence[str]
    intents: Sequence[str]


@dataclass(frozen=True, slots=True)
class Found:
    """By key."""

    requests: Mapping[str, Reservation]
    nonces: Mapping[str, Reservation]
    intents: Mapping[str, Standing]


@dataclass(frozen=True, slots=True)
class Reserve:
    """Insert where nothing stands. Answered by a list of the Reservation that stands now for each."""

    kind: str  # "requests" or "nonces"
    reservations: Sequence[Reservation]


@dataclass(frozen=True, slots=True)
class Insert:
    """Insert intents where nothing stands. Answered by a list: None where inserted, else the Standing."""

    documents: Sequence[Document]


@dataclass(frozen=True, slots=True)
class Find:
    """Whole documents. Answered by a dict by id, of those that exist."""

    intent_ids: Sequence[str]


@dataclass(frozen=True, slots=True)
class Recall:
    """Whole documents as this process last saw them, where it remembers: maybe old, so good for a Write's filter only.

    Answered by a dict by id.
    """

    intent_ids: Sequence[str]


@dataclass(frozen=True, slots=True)
class Write:
    """One single-document compare-and-set. Paths are dotted.

    `where`: each path equals its value, None matching absent too. `set` and `push` (append to a list) follow.
    """

    intent_id: str
    where: Mapping[str, Any]
    set: Mapping[str, Any]
    push: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Update:
    """Many of them, in this order where they name the same intent. Answered by a list: the document after, or None."""

    writes: Sequence[Write]


@dataclass(frozen=True, slots=True)
class Due:
    """Up to `limit` documents under lease by `reserved_for` ("" for none), and up to `limit` whose nextActionAt is not
    after `now`, most overdue first. Answered by the two lists."""

    now: datetime
    limit: int
    reserved_for: str = ""


@dataclass(frozen=True, slots=True)
class DueOfUsers:
    """Of each of up to `users` users above `after`, by name, who have a document due at `now`: the most overdue one.
    Answered by Heads."""

    now: datetime
    after: str
    users: int


@dataclass(frozen=True, slots=True)
class Heads:
    """One document a user, by the users' names. `upto`: the last user looked at; "" if there is none after."""

    documents: Sequence[Document]
    upto: str


@dataclass(frozen=True, slots=True)
class OwnedBy:
    """Documents under lease by `owner`, expired or not."""

    owner: str
    limit: int


@dataclass(frozen=True, slots=True)
class Ended:
    """An execution by a solver came to its end."""

    solver_id: str
    success: bool
    seconds: float


@dataclass(frozen=True, slots=True)
class Tally:
    """Count these into solverStats. Answered by None."""

    ended: Sequence[Ended]


@dataclass(frozen=True, slots=True)
class Kept:
    """Bookkeeping documents by `_id`. Answered by a dict by id, of those that exist. `kind`: "meta",
    "rollups" or "keys"."""

    kind: str
    keys: Sequence[str]


@dataclass(frozen=True, slots=True)
class KeptBetween:
    """Bookkeeping documents with first <= `_id` < last, ascending. Answered by a list."""

    kind: str
    first: str
    last: str
    limit: int


@dataclass(frozen=True, slots=True)
class Keep:
    """Compare-and-set of whole bookkeeping documents by their `revision` as it was read; 0 inserts where nothing
    stands. Stored with revision + 1. Answered by a list: True where it was written."""

    kind: str
    documents: Sequence[Document]


@dataclass(frozen=True, slots=True)
class Append:
    """Insert events at their places in the log where nothing stands: to repair it, nothing else writes there so.
    Answered by a list: True where it was inserted."""

    events: Sequence[Document]


@dataclass(frozen=True, slots=True)
class Refile:
    """Make anew what a backend keeps beside these documents, from the documents. Answered by None."""

    intent_ids: Sequence[str]


@dataclass(frozen=True, slots=True)
class Drop:
    """Delete events of a partition up to the sequence `through`, the oldest `limit` of them.
    Answered by how many there were to delete: fewer than `limit` once none is left."""

    partition: int
    through: int
    limit: int


Operation = (
    Look
    | Reserve
    | Insert
    | Find
    | Recall
    | Update
    | Due
    | DueOfUsers
    | OwnedBy
    | Tally
    | Kept
    | KeptBetween
    | Keep
    | Append
    | Refile
    | Drop
)
Program = Generator[Operation, Any, T]


@dataclass(frozen=True, slots=True, kw_only=True)
class Meta:
    """Fixed at the store's first start. `store_id`: 16 hex digits."""

    store_id: str
    partitions: int


class CannotOpen(SettingError):
    """The database cannot be this store's, now or at the next start; the message is one line for people."""


def other_partitions(meta: Meta, asked: int) -> CannotOpen:
    """The log's partitions are fixed at the first start."""
    return CannotOpen(f"PARTITIONS: this store was made with {meta.partitions} partitions, not {asked}")


class Outbox(Protocol):
    """What a relay needs where moves and log cannot share a transaction. Every write is one document's."""

    on_written: Callable[[Sequence[Document]], None]
    """Called in the loop's thread with documents whose outbox was just written to."""

    async def waiting(self, limit: int) -> Sequence[Document]:
        """Intents with outbox entries."""
        ...

    async def reread(self, intent_id: str) -> Document | None:
        """The document as it stands."""
        ...

    async def number(self, intent_id: str, version: int, before: int, after: int) -> bool:
        """Set the sequence of the oldest entry if it is of `version` and has `before` (0: none yet)."""
        ...

    async def append(self, event: Document) -> tuple[str, int] | None:
        """Insert under (partition, sequence). None if inserted, else (intentId, version) of what stands there."""
        ...

    async def unbox(self, intent_id: str, version: int, sequence: int) -> bool:
        """Remove the oldest entry if it is of `version` and has `sequence`; False if it is not."""
        ...

    async def newest(self, partition: int) -> int:
        """The newest sequence of a partition, 0 if it has none."""
        ...

    async def floor(self, partition: int) -> int:
        """As `Storage.floors`, of one partition."""
        ...

    async def boxed(self, intent_ids: Sequence[str]) -> Sequence[Document]:
        """Those of these intents that have outbox entries: `_id` and outbox at least."""
        ...


@dataclass(frozen=True, slots=True)
class Stranger:
    """A document in the collection of intents that is none of ours: without version, versionStatus and history.

    `key`: its `_id`, of any type. `digest`: 64 hex digits of all of it. `began`: when its `_id` was made, if that says.
    `document` holds whatever was written.
    """

    key: Any
    digest: str
    document: Document
    began: datetime | None = None


class Strangers(Protocol):
    """What another system wrote into the collection of intents, and the archive it goes to."""

    async def count(self) -> int:
        """How many there are; reads everything."""
        ...

    def portions(self, limit: int) -> AsyncIterator[Sequence[Stranger]]:
        """All of them, in no order; those deleted meanwhile may still come."""
        ...

    async def of(self, intent_ids: Sequence[str]) -> Sequence[Stranger]:
        """Those whose intentId is one of these."""
        ...

    async def reread(self, key: Any) -> Stranger | None:
        """As it stands."""
        ...

    async def archive(self, stranger: Stranger, reason: str, at: datetime) -> None:
        """Keep it whole, once."""
        ...

    async def remove(self, stranger: Stranger) -> bool:
        """Delete it if it is still as it was read; False if it is not."""
        ...

    async def replace(self, stranger: Stranger, ours: Document) -> bool:
        """Put a record in its place, which has the same `_id`, if it is still as it was read; False if it is not."""
        ...


@dataclass(frozen=True, slots=True)
class PageRead:
    """`ended_at`: the last record looked at, where `most` were before the page was full; there may be more."""

    documents: Sequence[Document]
    ended_at: PageKey | None = None


class Scans(Protocol):
    """Everything there is, in portions by key: what verifying and migrating read. Each portion is as it stood then."""

    async def intents(self, after: str, limit: int) -> Sequence[Document]:
        """Documents whose `_id` is text above `after`, ascending."""
        ...

    async def log(self, partition: int, after: int, limit: int) -> Sequence[tuple[int, Document]]:
        """(sequence, event) above `after` as the keys say, ascending; whether or not one is missing between."""
        ...

    async def misfiled(self, intent_ids: Sequence[str]) -> Sequence[str]:
        """Those beside whose document the backend keeps something that does not follow from it."""
        ...


class Storage(Protocol):
    """A database. `outbox` is None where it publishes events within the transaction that moves an intent, `strangers`
    where nobody else writes."""

    meta: Meta
    outbox: Outbox | None
    strangers: Strangers | None
    scans: Scans
    on_events: Callable[[], None]
    """Called in the loop's thread after events became readable."""

    async def run(self, program: Program[T]) -> T:
        """Run to the end; durable when it returns."""
        ...

    async def find(self, intent_ids: Sequence[str]) -> Mapping[str, Document]:
        """Documents by id."""
        ...

    async def requests(self, keys: Sequence[str]) -> Mapping[str, Reservation]:
        """Requests by key."""
        ...

    async def page(self, query: ListQuery, after: PageKey | None, limit: int, most: int) -> PageRead:
        """Newest first by (createdAt, _id), strictly after `after`; `most`: records looked at for filters that no index
        serves (services/store/listing.py)."""
        ...

    async def overdue(self, asked: OverdueRange) -> Sequence[Document]:
        """In the order of their keys, whatever other causes apply."""
        ...

    async def kept(self, kind: str, keys: Sequence[str]) -> Mapping[str, Document]:
        """As Kept answers, beside the writers."""
        ...

    async def kept_between(self, kind: str, first: str, last: str, limit: int) -> Sequence[Document]:
        """As KeptBetween answers, beside the writers."""
        ...

    async def solvers(self, limit: int) -> Sequence[SolverStatistics]:
        """Those with the most executions first."""
        ...

    async def read_log(self, after: Mapping[int, int], each: int) -> Mapping[int, Sequence[Document]]:
        """By partition up to `each` events above the sequence given, ascending; partitions without may be absent."""
        ...

    async def renew_identity(self) -> None:
        """Another `meta.store_id`, of which nobody has cursors: for a store that was restored, before it serves."""
        ...

    async def heads(self) -> Sequence[int]:
        """Newest sequence of each partition."""
        ...

    async def floors(self) -> Sequence[int]:
        """By partition the sequence up to which retention has dropped events, or is about to; 0: none."""
        ...
