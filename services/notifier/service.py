"""The notifier: one tail of the event log, one feed to each edge."""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Sequence
from contextlib import aclosing, asynccontextmanager
from dataclasses import dataclass

from services.common.domain.feed import FeedCommand, FeedMessage, Open, Subscribe, Unsubscribe
from services.common.domain.intent import IntentEvent
from services.common.errors import IntentError, Reason, Violation, unavailable
from services.common.ports import EventLog
from services.notifier.hub import Hub, messages
from services.notifier.model import Feed, Join
from services.notifier.observe import Meters
from services.notifier.tail import Tail


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """Times in seconds; `buffer` is events a feed may lag, `page` events read at once in a replay."""

    position: float
    buffer: int
    subscriptions: int
    tail_silence: float
    open_wait: float
    page: int = 500


class Notifier:
    """Satisfies `common.ports.Notifier`; `run` follows the log while it is used."""

    def __init__(self, log: EventLog, *, limits: Limits, meters: Meters) -> None:
        self._log = log
        self._limits = limits
        self._meters = meters
        self._hub = Hub(max_subscriptions=limits.subscriptions, meters=meters)
        self._tail = Tail(log, self._hub, silence=limits.tail_silence, meters=meters)
        self._draining = False

    @asynccontextmanager
    async def run(self) -> AsyncIterator["Notifier"]:
        """Follow the event log until left; feeds end with DRAINING then."""
        tail = asyncio.create_task(self._tail.run(), name="notifier.tail")
        try:
            yield self
        finally:
            await self.drain()
            tail.cancel()
            await asyncio.gather(tail, return_exceptions=True)

    async def drain(self) -> None:
        """End every feed: its edge takes it up at another notifier. Idempotent."""
        self._draining = True
        for feed in list(self._hub.feeds):
            feed.end(_draining())

    async def wake(self, intent_ids: Sequence[str]) -> None:
        # the log is followed live; a hint only helps a tail that waits to connect again
        self._tail.poke()

    async def feed(self, commands: AsyncIterator[FeedCommand]) -> AsyncIterator[FeedMessage]:
        """See `common.ports.Notifier`. A feed that lags more than its buffer ends with OVERLOADED."""
        if self._draining:
            raise _draining()
        opened = await anext(commands, None)
        if not isinstance(opened, Open):
            raise _bad_command("The first command of a feed opens it.")
        await self._started()
        feed = Feed(opened.edge_id, capacity=self._limits.buffer)
        reader = asyncio.create_task(self._read(feed, commands), name="notifier.commands")
        reason = ""
        self._meters.opened(opened.edge_id, len(self._hub.feeds) + 1, resumed=bool(opened.cursor))
        try:
            async with aclosing(self._begin(feed, opened)) as beginning:
                async for message in beginning:
                    yield message
            while (following := await self._next(feed)) is not None:
                yield following
        except IntentError as error:
            reason = str(error.reason)
            raise
        finally:
            self._hub.forget(feed)
            reader.cancel()
            await asyncio.gather(reader, return_exceptions=True)
            self._meters.closed(opened.edge_id, len(self._hub.feeds), reason)

    async def _started(self) -> None:
        try:
            async with asyncio.timeout(self._limits.open_wait):
                await self._hub.started_once.wait()
        except TimeoutError:
            raise unavailable("store") from None
        if self._draining:
            raise _draining()

    async def _begin(self, feed: Feed, opened: Open) -> AsyncGenerator[FeedMessage, None]:
        """Up to the moment when the tail alone serves the feed."""
        if not opened.cursor:
            self._hub.register(feed, opened.subscriptions)
            feed.push(FeedMessage(cursor=self._hub.cursor, subscribed=0))
            feed.joined.set()
            return
        try:
            async with aclosing(self._replay(feed, opened)) as replay:
                async for message in replay:
                    yield message
        except IntentError as error:
            if error.reason is not Reason.CURSOR_EXPIRED:
                raise
            if feed not in self._hub.feeds:
                self._hub.register(feed, opened.subscriptions)
            self._hub.reset(feed)

    async def _replay(self, feed: Feed, opened: Open) -> AsyncGenerator[FeedMessage, None]:
        page = await self._log.list_events(opened.cursor, limit=self._limits.page)
        yield FeedMessage(cursor=opened.cursor, subscribed=0)
        join = Join()
        wanted = opened.subscriptions
        intent_ids, principals = frozenset(wanted.intent_ids), frozenset(wanted.principals)

        def mine(events: Sequence[IntentEvent]) -> list[IntentEvent]:
            return [e for e in events if e.intent_id in intent_ids or e.principal in principals]

        position = opened.cursor
        registered_at: str | None = None
        while True:
            events = mine(page.events)
            join.replayed(events)
            for message in messages(events, position, page.cursor):
                yield message
            position = feed.position = page.cursor
            if page.at_end:
                if registered_at is not None:
                    break
                # what the tail has passed by now is read once more: only then nothing is between the two
                feed.join = join
                self._hub.register(feed, wanted)
                registered_at = self._hub.cursor
            page = await self._log.list_events(position, limit=self._limits.page)
            if registered_at is not None and feed.join is None:
                return  # the tail lost its place meanwhile; its reset is in the queue
        beyond: list[IntentEvent] = []
        at = registered_at
        while True:
            page = await self._log.list_events(at, limit=self._limits.page)
            beyond.extend(mine(page.events))
            at = page.cursor
            if page.at_end:
                break
        if feed.join is join:
            join.reached(beyond)
            self._hub.settle(feed)

    async def _next(self, feed: Feed) -> FeedMessage | None:
        """The next message, a position after a silence, None when the edge has ended its side."""
        while (message := feed.pop()) is None and not feed.closed:
            try:
                async with asyncio.timeout(self._limits.position):
                    await feed.wait()
            except TimeoutError:
                return FeedMessage(cursor=self._hub.cursor if feed.join is None else feed.position)
        return message

    async def _read(self, feed: Feed, commands: AsyncIterator[FeedCommand]) -> None:
        try:
            async for command in commands:
                # until the feed is on the tail its subscriptions are those it was opened with
                await feed.joined.wait()
                match command:
                    case Subscribe():
                        self._hub.subscribe(feed, command)
                        feed.push(FeedMessage(cursor=self._hub.cursor, subscribed=command.sequence))
                    case Unsubscribe():
                        self._hub.unsubscribe(feed, command)
                    case Open():
                        raise _bad_command("A feed is opened once.")
            feed.close()
        except IntentError as error:
            feed.end(error)
        except Exception as error:
            self._meters.commands_failed(error)
            feed.end(IntentError(Reason.MALFORMED_REQUEST, "The commands of this feed could not be read."))


def _draining() -> IntentError:
    return IntentError(
        Reason.DRAINING, "This notifier is shutting down; take the feed up at another.", retry_after=0.1
    )


def _bad_command(message: str) -> IntentError:
    return IntentError(
        Reason.INVALID_FIELD,
        message,
        [Violation(field="command", reason=Reason.INVALID_FIELD, message=message)],
    )
