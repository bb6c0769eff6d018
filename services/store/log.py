"""Reading the event log: pages by cursor, fair over partitions, and following it live."""

import asyncio
import contextvars
from collections.abc import AsyncGenerator, Coroutine, Sequence
from typing import Any, Final

from services.common.clock import Clock
from services.common.domain.outcomes import EventPage
from services.common.errors import IntentError, Reason
from services.store.document import event_of
from services.store.model import MAX_EVENTS, decode_cursor, encode_cursor, expired
from services.store.ports import Document, Storage

DEFAULT_LIMIT: Final = 500
LONGEST_QUIET: Final = 5.0
"""Seconds without events after which a watcher is told its position: longer silence means a lost connection."""


class LogReader:
    """Pages of the log. `poll` is seconds between looks for what other replicas wrote, while anyone watches."""

    def __init__(self, storage: Storage, clock: Clock, *, poll: float) -> None:
        self._storage = storage
        self._clock = clock
        self._poll = poll
        self._watchers = 0
        self._poller: asyncio.Task[None] | None = None
        self._news = asyncio.Event()
        self._reads: dict[str, asyncio.Task[EventPage]] = {}
        self._closed = False

    def wake(self) -> None:
        """There may be events."""
        news, self._news = self._news, asyncio.Event()
        self._reads = {}
        news.set()

    async def close(self) -> None:
        """End every watcher with DRAINING."""
        self._closed = True
        self.wake()
        if self._poller is not None:
            self._poller.cancel()
            await asyncio.gather(self._poller, return_exceptions=True)

    async def page(self, cursor: str, limit: int, *, tail: bool) -> EventPage:
        """Up to `limit` events after `cursor`, "" from the oldest kept. Raises CURSOR_INVALID, BATCH_SIZE.

        CURSOR_EXPIRED: something that followed was dropped, or the cursor is of another store, or beyond the end.
        """
        page = await self._page(cursor, limit, tail=tail)
        if cursor and page.at_end:
            await self._check_end(cursor)
        return page

    async def _check_end(self, cursor: str) -> None:
        """A log that ends before a cursor was set back: waiting there would pass over what is written anew."""
        meta = self._storage.meta
        positions = decode_cursor(cursor, meta.store_id, meta.partitions)
        heads = await self._storage.heads()
        if any(position > head for position, head in zip(positions, heads, strict=True)):
            raise expired("The log ends before this cursor: an older state of the store was restored.")

    async def _page(self, cursor: str, limit: int, *, tail: bool) -> EventPage:
        if not 1 <= limit <= MAX_EVENTS:
            raise IntentError(
                Reason.BATCH_SIZE, f"A page holds 1 to {MAX_EVENTS} events, {limit} were asked for."
            )
        meta = self._storage.meta
        if tail:
            return EventPage(events=(), cursor=encode_cursor(meta.store_id, await self._storage.heads()))
        positions = decode_cursor(cursor, meta.store_id, meta.partitions) if cursor else []
        while True:
            positions = positions or list(await self._storage.floors())
            try:
                taken, more = await self._take(positions, limit)
                return EventPage(
                    events=tuple(event_of(event) for event in taken),
                    cursor=encode_cursor(meta.store_id, positions),
                    at_end=not more,
                )
            except IntentError as error:
                # whoever begins at the oldest kept and is overtaken by retention begins there again
                if cursor or error.reason is not Reason.CURSOR_EXPIRED:
                    raise
                positions = []

    async def watch(self, cursor: str, *, tail: bool) -> AsyncGenerator[EventPage, None]:
        """The first page at once, then whatever comes; an empty one after LONGEST_QUIET without anything."""
        self._watchers += 1
        if self._poller is None or self._poller.done():
            # it outlives the watcher that is first, and its deadline
            self._poller = asyncio.create_task(self._keep_looking(), context=contextvars.Context())
        try:
            if cursor:
                await self._check_end(cursor)
            first, quiet = True, False
            while not self._closed:
                news = self._news
                page = await self._next(cursor, tail=tail and first)
                if page.events or first or quiet:
                    yield page
                cursor, first, quiet = page.cursor, False, False
                if page.at_end and not self._closed:
                    quiet = not await _within(news.wait(), LONGEST_QUIET)
            raise IntentError(Reason.DRAINING, "The store is going away; resume with the last cursor.")
        finally:
            self._watchers -= 1

    async def _next(self, cursor: str, *, tail: bool) -> EventPage:
        """The page after `cursor`, read once for all watchers who are there since the same wake."""
        if tail:
            return await self._page(cursor, DEFAULT_LIMIT, tail=True)
        read = self._reads.get(cursor)
        if read is None:
            # a context of its own: the read outlives the watcher that happened to be first
            reading = self._page(cursor, DEFAULT_LIMIT, tail=False)
            read = asyncio.create_task(reading, context=contextvars.Context())
            read.add_done_callback(lambda done: done.cancelled() or done.exception())
            self._reads[cursor] = read
        return await asyncio.shield(read)

    async def _take(self, positions: list[int], limit: int) -> tuple[list[Document], bool]:
        """Moves `positions` on. A share for every partition, then the room left for those that have more."""
        taken: list[Document] = []
        open_partitions = sorted(range(len(positions)), key=lambda one: (positions[one], one))
        while open_partitions and len(taken) < limit:
            room = limit - len(taken)
            asked, rest = open_partitions[:room], open_partitions[room:]
            each = room // len(asked)
            found = await self._storage.read_log({one: positions[one] for one in asked}, each)
            # read after the events: of what was found at or below it nothing is to be believed
            floors = await self._storage.floors()
            if any(positions[one] < floors[one] for one in asked):
                raise expired("The log no longer holds all that followed this cursor.")
            full: list[int] = []
            for one in asked:
                events = unbroken(found.get(one, ()), positions[one])
                taken += events
                positions[one] += len(events)
                if len(events) == each:
                    full.append(one)
            open_partitions = rest + full
        return taken, len(taken) >= limit

    async def _keep_looking(self) -> None:
        seen: Sequence[int] = ()
        while self._watchers > 0:
            await self._clock.sleep(self._poll)
            try:
                heads = await self._storage.heads()
            except IntentError:
                # watchers meet the same error when they read; the next look may succeed
                self.wake()
                continue
            if list(heads) != list(seen):
                seen = heads
                self.wake()


async def _within(work: Coroutine[Any, Any, Any], seconds: float) -> bool:
    """Whether `work` ended in time."""
    try:
        async with asyncio.timeout(seconds):
            await work
    except TimeoutError:
        return False
    return True


def unbroken(events: Sequence[Document], after: int) -> list[Document]:
    """Those whose sequences follow without a gap: what is missing is still on its way."""
    unbroken: list[Document] = []
    for event in events:
        after += 1
        if event["sequence"] != after:
            break
        unbroken.append(event)
    return unbroken
