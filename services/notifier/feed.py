"""One edge's feed: commands come up, what it is subscribed to goes down, always with the position after it.

The feed pulls: the next page of the log is taken when the edge has taken the one before, so that a slow edge is
behind and never fills a queue here. Its position is its own place in the log and therefore exact, also while
it catches up.
"""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Iterable
from contextlib import suppress
from typing import Any, Final

from services.common.clock import Clock
from services.common.domain.feed import FeedCommand, FeedMessage, Open, Subscribe, Unsubscribe
from services.common.domain.intent import IntentEvent
from services.common.domain.outcomes import EventPage
from services.common.errors import IntentError, Reason
from services.notifier.observe import Vocabulary
from services.notifier.ports import Events

FIRST_PAUSE: Final = 0.05
LONGEST_PAUSE: Final = 2.0
_WAITED_OUT: Final = (
    Reason.DEPENDENCY_UNAVAILABLE,
    Reason.DRAINING,
    Reason.DEADLINE_EXCEEDED,
    Reason.OVERLOADED,
)


class Subscriptions:
    """What an edge wants to hear of."""

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._intents: set[str] = set()
        self._principals: set[str] = set()

    def add(self, command: Subscribe) -> None:
        """Raises WATCH_LIMIT beyond the limit; what was subscribed stays."""
        if len(self._intents) + len(self._principals) + len(command.intent_ids) > self._limit:
            raise IntentError(Reason.WATCH_LIMIT, f"A feed holds at most {self._limit} subscriptions.")
        self._intents.update(command.intent_ids)
        self._principals.update(command.principals)

    def remove(self, command: Unsubscribe) -> None:
        self._intents.difference_update(command.intent_ids)
        self._principals.difference_update(command.principals)

    def wanted(self, events: Iterable[IntentEvent]) -> tuple[IntentEvent, ...]:
        """Those of `events` that match, in their order."""
        return tuple(
            event
            for event in events
            if event.intent_id in self._intents or event.principal in self._principals
        )


class Feed:
    """Run once with `messages`."""

    def __init__(
        self,
        opened: Open,
        log: Events,
        clock: Clock,
        seen: Vocabulary,
        *,
        position_every: float,
        limit: int,
        closing: asyncio.Event,
    ) -> None:
        self._edge_id = opened.edge_id
        self._cursor = opened.cursor
        self._log = log
        self._clock = clock
        self._seen = seen
        self._every = position_every
        self._closing = closing
        self._subscriptions = Subscriptions(limit)
        self._subscriptions.add(opened.subscriptions)

    async def messages(self, commands: AsyncIterator[FeedCommand]) -> AsyncGenerator[FeedMessage, None]:
        """Until `commands` ends. Raises DRAINING when the notifier closes, CURSOR_INVALID, WATCH_LIMIT."""
        resumed = bool(self._cursor)
        pages = self._pages(tail=not resumed)
        reset = False
        try:
            try:
                first = await self._next_page(pages)
            except IntentError as error:
                if error.reason is not Reason.CURSOR_EXPIRED:
                    raise
                reset, self._cursor, pages = True, "", self._pages(tail=True)
                first = await self._next_page(pages)
            self._seen.opened(self._edge_id, resumed=resumed, reset=reset)
            try:
                # the place the feed starts from: what the first page holds comes after it
                yield FeedMessage(
                    cursor=self._cursor or first.cursor, subscribed=None if reset else 0, reset=reset
                )
                async for message in self._live(first, pages, commands):
                    yield message
            finally:
                self._seen.closed(self._edge_id)
        finally:
            await pages.aclose()

    async def _live(
        self, first: EventPage, pages: AsyncGenerator[EventPage, None], commands: AsyncIterator[FeedCommand]
    ) -> AsyncGenerator[FeedMessage, None]:
        for message in self._passed(first):
            yield message
        page: asyncio.Task[Any] = asyncio.create_task(_anext(pages))
        command: asyncio.Task[Any] = asyncio.create_task(_anext(commands))
        closing = asyncio.create_task(self._closing.wait())
        waiting = {page, command, closing}
        timer = asyncio.create_task(self._clock.sleep(self._every))
        try:
            while True:
                done, _ = await asyncio.wait(
                    {page, command, closing, timer}, return_when=asyncio.FIRST_COMPLETED
                )
                if command in done:
                    asked = command.result()
                    if asked is None:
                        return
                    for message in self._commanded(asked):
                        yield message
                    command = asyncio.create_task(_anext(commands))
                if page in done:
                    for message in self._passed(page.result()):
                        yield message
                    page = asyncio.create_task(_anext(pages))
                if closing in done:
                    raise IntentError(
                        Reason.DRAINING, "This notifier is going away; take the feed up at another."
                    )
                if timer in done:
                    yield FeedMessage(cursor=self._cursor)
                    timer = asyncio.create_task(self._clock.sleep(self._every))
        finally:
            waiting = {page, command, closing, timer}
            for task in waiting:
                task.cancel()
            await asyncio.gather(*waiting, return_exceptions=True)

    def _passed(self, page: EventPage) -> Iterable[FeedMessage]:
        self._cursor = page.cursor
        events = self._subscriptions.wanted(page.events)
        if events:
            self._seen.sent(len(events))
            yield FeedMessage(cursor=page.cursor, events=events)

    def _commanded(self, command: FeedCommand) -> Iterable[FeedMessage]:
        match command:
            case Subscribe():
                self._subscriptions.add(command)
                yield FeedMessage(cursor=self._cursor, subscribed=command.sequence)
            case Unsubscribe():
                self._subscriptions.remove(command)
            case Open():
                raise IntentError(Reason.MALFORMED_REQUEST, "A feed is opened once, by its first message.")

    async def _next_page(self, pages: AsyncGenerator[EventPage, None]) -> EventPage:
        """The first page; a notifier that closes does not wait for a store that is away."""
        page = asyncio.ensure_future(_anext(pages))
        closing = asyncio.ensure_future(self._closing.wait())
        try:
            await asyncio.wait({page, closing}, return_when=asyncio.FIRST_COMPLETED)
            if not page.done():
                raise IntentError(
                    Reason.DRAINING, "This notifier is going away; take the feed up at another."
                )
            found: EventPage = page.result()
            return found
        finally:
            for task in (page, closing):
                task.cancel()
            await asyncio.gather(page, closing, return_exceptions=True)

    async def _pages(self, *, tail: bool) -> AsyncGenerator[EventPage, None]:
        """The log from the feed's position on, taken up again there whenever the store is lost."""
        pause = FIRST_PAUSE
        while True:
            opened = self._log.watch_events(self._cursor, tail=tail and not self._cursor)
            try:
                async for page in opened:
                    pause = FIRST_PAUSE
                    yield page
            except IntentError as error:
                if error.reason not in _WAITED_OUT:
                    raise
                self._seen.log_lost(self._edge_id, error)
            finally:
                close = getattr(opened, "aclose", None)
                if close is not None:
                    with suppress(RuntimeError):
                        await close()
            await self._clock.sleep(pause)
            pause = min(pause * 2, LONGEST_PAUSE)


async def _anext(source: AsyncIterator[Any]) -> Any:
    """The next one, None at the end."""
    return await anext(source, None)
