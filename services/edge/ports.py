"""What the edge needs of others. Local objects and gRPC adapters both satisfy these."""

from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from typing import Protocol

from services.common.domain.feed import FeedCommand, FeedMessage
from services.common.domain.intent import Submission
from services.common.domain.outcomes import CachedStatus, EventPage, Rules, StatusAnswer, StatusQuery, Verdict
from services.common.errors import IntentError
from services.common.ports import IntentCreator, IntentMover, IntentReader


class ValidatorPort(Protocol):
    """As `common.ports.Validator`, for submissions that are not stored yet."""

    async def validate(
        self, submissions: Sequence[Submission], *, full: bool = False, explain: bool = False
    ) -> Sequence[Verdict]:
        """A verdict for each. Raises DEPENDENCY_UNAVAILABLE."""
        ...

    async def rules(self) -> Rules:
        """What is accepted."""
        ...


class StorePort(IntentCreator, IntentReader, IntentMover, Protocol):
    """As `common.ports.Store`, the parts an edge may use."""

    async def list_events(self, cursor: str = "", *, limit: int = 500, tail: bool = False) -> EventPage:
        """As `common.ports.EventLog`."""
        ...


class CachePort(Protocol):
    """As `common.ports.StatusCache`, without invalidation."""

    async def get_statuses(
        self, queries: Sequence[StatusQuery]
    ) -> Sequence[StatusAnswer | IntentError | None]:
        """None where no level knows it."""
        ...

    async def put_statuses(self, statuses: Sequence[CachedStatus]) -> None:
        """A newer version wins."""
        ...


class NotifierPort(Protocol):
    """As `common.ports.Notifier`."""

    def feed(self, commands: AsyncIterator[FeedCommand]) -> AsyncIterator[FeedMessage]:
        """The event log for this edge."""
        ...

    async def wake(self, intent_ids: Sequence[str]) -> None:
        """A hint."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Ports:
    """All of them."""

    validator: ValidatorPort
    store: StorePort
    cache: CachePort
    notifier: NotifierPort
