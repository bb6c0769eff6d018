"""Every event once to every feed that asked for it.

Nothing here awaits: a page is given out, or a subscription taken, in one step of the loop. So a
subscription holds for exactly the pages after the position its answer names.
"""

import asyncio
from collections.abc import Iterator, Sequence
from typing import Final

from services.common.domain.feed import FeedMessage, Subscribe, Unsubscribe
from services.common.domain.intent import IntentEvent
from services.common.domain.outcomes import EventPage
from services.common.errors import IntentError, Reason
from services.common.observe import trace
from services.notifier.model import Feed, Interests, Join, fell_behind
from services.notifier.observe import Meters

MESSAGE_EVENTS: Final = 100
"""Events in one message: with the largest evidence they stay below what a gRPC message may hold."""


class Hub:
    """The feeds of one notifier and the position of its tail."""

    def __init__(self, *, max_subscriptions: int, meters: Meters) -> None:
        self.cursor = ""
        self.started_once = asyncio.Event()
        self.feeds: set[Feed] = set()
        self._interests = Interests()
        self._max_subscriptions = max_subscriptions
        self._meters = meters

    def started(self, cursor: str, *, anew: bool) -> None:
        """Satisfies `tail.Sink`. After a loss every feed starts over."""
        self.cursor = cursor
        self.started_once.set()
        if anew:
            for feed in self.feeds:
                self.reset(feed)

    def page(self, page: EventPage) -> None:
        """Satisfies `tail.Sink`."""
        before, self.cursor = self.cursor, page.cursor
        if page.events:
            self._meters.events(len(page.events))
            self._give(page.events, before)
        for feed in [feed for feed in self.feeds if feed.join is not None]:
            self.settle(feed)

    def register(self, feed: Feed, wanted: Subscribe) -> None:
        """From this step on `feed` gets what the tail brings of `wanted`."""
        self.feeds.add(feed)
        self.subscribe(feed, wanted)

    def subscribe(self, feed: Feed, wanted: Subscribe) -> None:
        """Raises WATCH_LIMIT."""
        size = len(feed.intent_ids) + len(feed.principals) + len(wanted.intent_ids) + len(wanted.principals)
        if size > self._max_subscriptions:
            raise IntentError(
                Reason.WATCH_LIMIT, f"A feed takes at most {self._max_subscriptions} subscriptions."
            )
        self._interests.add(feed, wanted)

    def unsubscribe(self, feed: Feed, unwanted: Unsubscribe) -> None:
        self._interests.remove(feed, unwanted)

    def forget(self, feed: Feed) -> None:
        self._interests.forget(feed)
        self.feeds.discard(feed)

    def reset(self, feed: Feed) -> None:
        """Tell it to start over from here."""
        self._meters.reset()
        feed.join = None
        feed.push(FeedMessage(cursor=self.cursor, reset=True))
        feed.joined.set()

    def settle(self, feed: Feed) -> None:
        """End its join if the tail has passed all that it replayed."""
        if feed.join is not None and feed.join.complete:
            held = feed.join.held()
            feed.join = None
            for message in messages(held, feed.position, self.cursor):
                feed.push(message)
            feed.joined.set()

    def _give(self, events: Sequence[IntentEvent], before: str) -> None:
        shares: dict[Feed, list[IntentEvent]] = {}
        for event in events:
            if trace.exporting():
                _mark(event)
            for feed in self._interests.of(event):
                shares.setdefault(feed, []).append(event)
        # feeds that get the same events get the same message, so that it is encoded once
        made: dict[tuple[int, ...], list[FeedMessage]] = {}
        for feed, mine in shares.items():
            if feed.join is not None:
                self._hold(feed, feed.join, mine)
                continue
            key = tuple(map(id, mine))
            if key not in made:
                made[key] = list(messages(mine, before, self.cursor))
            for message in made[key]:
                feed.push(message)
            self._meters.sent(len(mine))

    def _hold(self, feed: Feed, join: Join, events: Sequence[IntentEvent]) -> None:
        join.tailed(events)
        if join.size > feed.capacity:
            feed.end(fell_behind())


def messages(events: Sequence[IntentEvent], before: str, after: str) -> Iterator[FeedMessage]:
    """`events` in messages of bounded size; only the last one stands at `after`."""
    for start in range(0, len(events), MESSAGE_EVENTS):
        end = start + MESSAGE_EVENTS
        cursor = after if end >= len(events) else before
        yield FeedMessage(cursor=cursor, events=tuple(events[start:end]))


def _mark(event: IntentEvent) -> None:
    """The event's passing, in the trace of the work that made it."""
    parent = trace.context_from(event.traceparent)
    if parent is not None:
        attributes = {"intent.id": event.intent_id, "intent.version": event.version, "service": "notifier"}
        trace.start("notifier.event", kind=trace.CONSUMER, parent=parent, attributes=attributes).end()
