"""Follows the store's event log, so that memory is right within an event's latency."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import aclosing
from typing import Final, Protocol, cast

from services.cache.model import Entry
from services.cache.observe import Meters
from services.common.clock import Clock, now_ms, to_ns
from services.common.domain.intent import IntentEvent
from services.common.domain.outcomes import CachedStatus, EventPage
from services.common.errors import IntentError, Reason

FIRST_PAUSE: Final = 0.1
LONGEST_PAUSE: Final = 2.0


class Events(Protocol):
    """Of the store, what is needed here."""

    def watch_events(self, cursor: str = "", *, tail: bool = False) -> AsyncIterator[EventPage]: ...


class Sink(Protocol):
    """Who is told."""

    async def moved(self, entries: Sequence[Entry]) -> None:
        """These were written, in order."""
        ...

    def missed(self) -> None:
        """Events may have been missed: nothing held is right for certain."""
        ...


class Tail:
    """`live` while pages come. Without one for `silence` seconds the connection is taken for dead."""

    def __init__(self, events: Events, sink: Sink, *, silence: float, clock: Clock, meters: Meters) -> None:
        self._events = events
        self._sink = sink
        self._silence = silence
        self._clock = clock
        self._meters = meters
        self._cursor: str | None = None
        self._since_ms: int | None = None
        self._since = float("inf")
        self.live = False

    def covers(self, read_at_ms: int) -> bool:
        """Every event after this moment, in Unix milliseconds, has come or is about to."""
        return self.live and self._since_ms is not None and read_at_ms > self._since_ms

    def heard(self, begun: float) -> bool:
        """The same for a moment of this process, monotonic."""
        return self.live and begun >= self._since

    async def run(self) -> None:
        """Until cancelled."""
        pause = FIRST_PAUSE
        while True:
            why = "ended"
            try:
                async for _ in self._pages():
                    pause = FIRST_PAUSE
            except TimeoutError:
                why = "silent"
            except IntentError as error:
                why = str(error.reason)
                if error.reason in (Reason.CURSOR_EXPIRED, Reason.CURSOR_INVALID):
                    self._cursor, self._since_ms, self._since = None, None, float("inf")
                    self._sink.missed()
            except Exception as error:
                why = type(error).__name__
                self._meters.load_failed("events", error)
            finally:
                self.live = False
            self._meters.tail(False, why)
            await self._clock.sleep(pause)
            pause = min(pause * 2, LONGEST_PAUSE)

    async def _pages(self) -> AsyncIterator[EventPage]:
        anew = self._cursor is None
        watched = self._events.watch_events(self._cursor or "", tail=anew)
        async with aclosing(cast("_Closable", watched)) as pages:
            source = aiter(pages)
            while True:
                async with asyncio.timeout(self._silence):
                    try:
                        page = await anext(source)
                    except StopAsyncIteration:
                        return
                if page.events:
                    self._meters.events(len(page.events))
                    await self._sink.moved([_entry(event) for event in page.events])
                self._cursor = page.cursor
                if anew:
                    # what was read until now may have changed without a word
                    self._sink.missed()
                    self._since_ms, self._since = now_ms(self._clock), self._clock.monotonic()
                    anew = False
                if page.at_end:
                    self.live = True
                    self._meters.tail(True)
                yield page


class _Closable(Protocol):
    def __aiter__(self) -> AsyncIterator[EventPage]: ...

    async def aclose(self) -> None: ...


def _entry(event: IntentEvent) -> Entry:
    # the move's own time: by now the truth may have gone on
    status = CachedStatus(
        intent_id=event.intent_id, status=event.status, version=event.version, principal=event.principal
    )
    return Entry(status=status, read_at_ms=to_ns(event.occurred_at) // 1_000_000)
