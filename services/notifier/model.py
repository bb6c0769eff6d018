"""What a feed owes its edge: who it tells of what, in which order, and how much it holds; no I/O."""

import asyncio
from collections import deque
from collections.abc import Iterable

from services.common.domain.feed import FeedMessage, Subscribe, Unsubscribe
from services.common.domain.intent import IntentEvent
from services.common.errors import IntentError, Reason

Version = tuple[str, int]
"""An intent and a version of it: what an event is known by."""


def version_of(event: IntentEvent) -> Version:
    return event.intent_id, event.version


class Interests:
    """Who wants to be told of an intent or of a principal's intents."""

    def __init__(self) -> None:
        self._by_intent: dict[str, set[Feed]] = {}
        self._by_principal: dict[str, set[Feed]] = {}

    def add(self, feed: "Feed", wanted: Subscribe) -> None:
        for intent_id in wanted.intent_ids:
            self._by_intent.setdefault(intent_id, set()).add(feed)
            feed.intent_ids.add(intent_id)
        for principal in wanted.principals:
            self._by_principal.setdefault(principal, set()).add(feed)
            feed.principals.add(principal)

    def remove(self, feed: "Feed", unwanted: Unsubscribe) -> None:
        _drop(self._by_intent, feed, unwanted.intent_ids)
        _drop(self._by_principal, feed, unwanted.principals)
        feed.intent_ids.difference_update(unwanted.intent_ids)
        feed.principals.difference_update(unwanted.principals)

    def forget(self, feed: "Feed") -> None:
        _drop(self._by_intent, feed, feed.intent_ids)
        _drop(self._by_principal, feed, feed.principals)

    def of(self, event: IntentEvent) -> Iterable["Feed"]:
        """Each once, whether it asked for the intent, the principal or both."""
        by_intent = self._by_intent.get(event.intent_id)
        by_principal = self._by_principal.get(event.principal)
        if by_intent and by_principal:
            return by_intent | by_principal
        return by_intent or by_principal or ()


def _drop(index: "dict[str, set[Feed]]", feed: "Feed", names: Iterable[str]) -> None:
    for name in names:
        feeds = index.get(name)
        if feeds is not None:
            feeds.discard(feed)
            if not feeds:
                del index[name]


class Feed:
    """One edge's feed: a bounded queue of messages, a position, and what it is subscribed to.

    While it joins (see `Join`) events are held back. `position` is the cursor of the last message queued.
    """

    def __init__(self, edge_id: str, *, capacity: int) -> None:
        self.edge_id = edge_id
        self.intent_ids: set[str] = set()
        self.principals: set[str] = set()
        self.position = ""
        self.join: Join | None = None
        self.joined = asyncio.Event()
        """Set once the tail alone serves the feed; only then its subscriptions may change."""
        self.capacity = capacity
        self.closed = False
        self.ended: IntentError | None = None
        self._size = 0
        self._queue: deque[FeedMessage] = deque()
        self._filled = asyncio.Event()

    def wants(self, event: IntentEvent) -> bool:
        return event.intent_id in self.intent_ids or event.principal in self.principals

    def push(self, message: FeedMessage) -> None:
        """Queue a message; a feed that would hold more than its capacity ends instead."""
        if self.ended is not None:
            return
        self._size += max(1, len(message.events))
        if self._size > self.capacity:
            self.end(fell_behind())
            return
        self.position = message.cursor
        self._queue.append(message)
        self._filled.set()

    def end(self, error: IntentError) -> None:
        """Nothing more comes; what is queued is dropped, the cursor will bring it again."""
        if self.ended is None:
            self.ended = error
            self._queue.clear()
            self._filled.set()

    def close(self) -> None:
        """The edge has ended its side: what is queued still goes, then it is over."""
        self.closed = True
        self._filled.set()

    async def wait(self) -> None:
        """Until there is a message or the end."""
        await self._filled.wait()

    def pop(self) -> FeedMessage | None:
        """The next message; None if there is none now. Raises the error that ended the feed."""
        if self.ended is not None:
            raise self.ended
        if not self._queue:
            if not self.closed:
                self._filled.clear()
            return None
        message = self._queue.popleft()
        self._size -= max(1, len(message.events))
        return message


def fell_behind() -> IntentError:
    return IntentError(
        Reason.OVERLOADED,
        "The feed fell too far behind; take it up again with the last cursor.",
        retry_after=0.1,
    )


class Join:
    """How a feed that replayed the log by itself gets onto the common tail without gap or double.

    The replay may have read further than the tail (in some partitions) when the feed is registered. `ahead`
    are the replayed versions that the tail has still to pass; until it has, what the tail brings is held
    back. Positions are opaque and are never compared: only versions are.
    """

    def __init__(self) -> None:
        self._delivered: dict[str, int] = {}
        self._seen: set[Version] = set()
        self._held: list[IntentEvent] = []
        self._ahead: set[Version] | None = None

    @property
    def size(self) -> int:
        """Events kept here."""
        return len(self._held) + len(self._seen)

    def replayed(self, events: Iterable[IntentEvent]) -> None:
        """These have been given to the edge."""
        for event in events:
            self._delivered[event.intent_id] = max(event.version, self._delivered.get(event.intent_id, 0))

    def tailed(self, events: Iterable[IntentEvent]) -> None:
        """The tail brought these since the feed was registered."""
        for event in events:
            self._held.append(event)
            if self._ahead is None:
                self._seen.add(version_of(event))
            else:
                self._ahead.discard(version_of(event))

    def reached(self, beyond: Iterable[IntentEvent]) -> None:
        """The replay is over. `beyond` is what the log held after the tail's position at registration, read
        after the replay had come to its end."""
        self._ahead = {version_of(event) for event in beyond if self._given(event)} - self._seen

    @property
    def complete(self) -> bool:
        """The tail has passed everything that was replayed."""
        return self._ahead is not None and not self._ahead

    def held(self) -> tuple[IntentEvent, ...]:
        """What the tail brought beyond the replay, in order."""
        return tuple(event for event in self._held if not self._given(event))

    def _given(self, event: IntentEvent) -> bool:
        return event.version <= self._delivered.get(event.intent_id, 0)
