"""Follows the store's event log, once for all feeds."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import aclosing
from typing import Final, Protocol, cast

from services.common.domain.outcomes import EventPage
from services.common.errors import IntentError, Reason
from services.common.ports import EventLog
from services.notifier.observe import Meters

FIRST_PAUSE: Final = 0.05
LONGEST_PAUSE: Final = 2.0


class Sink(Protocol):
    """Who is told; nothing here waits, so that what one call does is one step for every feed."""

    def started(self, cursor: str, *, anew: bool) -> None:
        """The tail stands at `cursor`; `anew`: events before it may have been missed."""
        ...

    def page(self, page: EventPage) -> None:
        """What came after the last position."""
        ...


class Tail:
    """Reconnects with its cursor. Without a page for `silence` seconds the connection is taken for dead."""

    def __init__(self, log: EventLog, sink: Sink, *, silence: float, meters: Meters) -> None:
        self._log = log
        self._sink = sink
        self._silence = silence
        self._meters = meters
        self._cursor: str | None = None
        self._lost = False
        self._poked = asyncio.Event()

    def poke(self) -> None:
        """Try again at once if it is waiting to."""
        self._poked.set()

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
                    self._cursor, self._lost = None, True
            except Exception as error:
                why = type(error).__name__
                self._meters.tail_failed(error)
            self._meters.tail(False, why)
            self._poked.clear()
            try:
                async with asyncio.timeout(pause):
                    await self._poked.wait()
            except TimeoutError:
                pass
            pause = min(pause * 2, LONGEST_PAUSE)

    async def _pages(self) -> AsyncIterator[None]:
        watched = self._log.watch_events(self._cursor or "", tail=self._cursor is None)
        async with aclosing(cast("_Closable", watched)) as pages:
            source = aiter(pages)
            while True:
                async with asyncio.timeout(self._silence):
                    try:
                        page = await anext(source)
                    except StopAsyncIteration:
                        return
                if self._cursor is None:
                    self._sink.started(page.cursor, anew=self._lost)
                    self._lost = False
                self._cursor = page.cursor
                self._sink.page(page)
                self._meters.tail(True)
                yield


class _Closable(Protocol):
    def __aiter__(self) -> AsyncIterator[EventPage]: ...

    async def aclose(self) -> None: ...
