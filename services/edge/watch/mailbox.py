"""What waits for one watcher: bounded, whatever the watcher does."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final, TypeVar, cast

from services.common.domain.intent import IntentEvent
from services.common.errors import IntentError, Reason

MAX_INTENTS: Final = 1_000
"""Intents whose latest state is kept for a slow watcher of everything; one that falls further behind resumes by
its cursor, which names them until all are told."""

T = TypeVar("T")


class Encoded:
    """An event and its wire forms, each made once however many watch."""

    __slots__ = ("_forms", "event")

    def __init__(self, event: IntentEvent) -> None:
        self.event = event
        self._forms: dict[Callable[[IntentEvent], Any], Any] = {}

    def form(self, make: Callable[[IntentEvent], T]) -> T:
        """`make(event)`, kept."""
        found = self._forms.get(make)
        if found is None:
            found = self._forms[make] = make(self.event)
        return cast(T, found)


@dataclass(frozen=True, slots=True)
class Entry:
    """An event that waits. It stands for the versions from `first` on; `cursor` is the log's position after
    it, empty where more follows before the next position."""

    first: int
    encoded: Encoded
    cursor: str = ""


@dataclass(frozen=True, slots=True)
class Taken:
    """What was waiting. `conflated`: only the latest state of each intent is left."""

    entries: tuple[Entry, ...]
    conflated: bool = False


class Mailbox:
    """One watcher's events in order; above `limit` only the latest of each intent, of at most `most` of them."""

    __slots__ = (
        "_entries",
        "_error",
        "_latest",
        "_limit",
        "_most",
        "_on_conflate",
        "_ready",
        "cursor",
        "principal",
        "start",
    )

    def __init__(
        self,
        principal: str,
        *,
        limit: int,
        most: int = MAX_INTENTS,
        on_conflate: Callable[[], None] = lambda: None,
    ) -> None:
        self.principal = principal
        self.start = ""
        """The log's position everything comes after."""
        self.cursor = ""
        """The log's position after all that was pushed; empty in the midst of what shares one position."""
        self._limit = limit
        self._most = most
        self._on_conflate = on_conflate
        self._entries: list[Entry] = []
        self._latest: dict[str, Entry] | None = None
        self._ready = asyncio.Event()
        self._error: IntentError | None = None

    def push(self, encoded: Encoded, cursor: str = "") -> None:
        """Add an event."""
        entry = Entry(encoded.event.version, encoded, cursor)
        if self._latest is None:
            self._entries.append(entry)
            if len(self._entries) > self._limit:
                waiting, self._entries, self._latest = self._entries, [], {}
                self._on_conflate()
                for one in waiting:
                    self._conflate(one)
        else:
            self._conflate(entry)
        self.cursor = cursor
        self._ready.set()

    def position(self, cursor: str) -> None:
        """The log went on to `cursor` without anything for this watcher."""
        self.cursor = cursor
        if self._entries:
            last = self._entries[-1]
            self._entries[-1] = Entry(last.first, last.encoded, cursor)

    def fail(self, error: IntentError) -> None:
        """End the watch with `error` once what waits is taken."""
        if self._error is None:
            self._error = error
        self._ready.set()

    async def take(self, timeout: float) -> Taken | None:
        """Everything that waits; None after `timeout` seconds of nothing. Raises what it was ended with."""
        if not self._ready.is_set():
            try:
                async with asyncio.timeout(timeout):
                    await self._ready.wait()
            except TimeoutError:
                # something may have come in the very turn the time was up
                if not self._ready.is_set():
                    return None
        entries, latest = self._entries, self._latest
        self._entries, self._latest = [], None
        if self._error is None:
            self._ready.clear()
        if latest is not None:
            *most, last = latest.values()
            return Taken((*most, Entry(last.first, last.encoded, self.cursor)), conflated=True)
        if entries:
            return Taken(tuple(entries))
        if self._error is not None:
            raise self._error
        return None

    def _conflate(self, entry: Entry) -> None:
        assert self._latest is not None
        intent_id = entry.encoded.event.intent_id
        before = self._latest.pop(intent_id, None)
        if before is not None and before.encoded.event.version >= entry.encoded.event.version:
            entry = before
        first = entry.first if before is None else min(before.first, entry.first)
        self._latest[intent_id] = Entry(first, entry.encoded)
        if len(self._latest) > self._most:
            del self._latest[intent_id]
            self.fail(IntentError(Reason.DRAINING, "The watch fell too far behind; resume from its cursor."))
