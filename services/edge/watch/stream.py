"""A client's watch: what it is told, and the cursor it would come back with after each message."""

from collections import OrderedDict
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from typing import Final

from services.common.domain.intent import IntentEvent, IntentRecord
from services.common.errors import IntentError, Reason, Violation
from services.edge.model import Caller, check_id
from services.edge.watch.cursor import Position, Versions, key_of, mine_from_text, mine_to_text
from services.edge.watch.hub import Hub, history
from services.edge.watch.mailbox import Encoded, Taken

REMEMBERED: Final = 50_000
"""Intents whose last version a watch of everything remembers."""


@dataclass(frozen=True, slots=True)
class Told:
    """One message. `moved` None is a heartbeat; else it stands for the versions from `first` to the event's."""

    cursor: str
    moved: Encoded | None = None
    first: int = 0

    @property
    def conflated(self) -> bool:
        """True if it stands for more than the event itself."""
        return self.moved is not None and self.first != self.moved.event.version


def watch(
    hub: Hub, caller: Caller, intent_ids: Sequence[str], cursor: str, *, kind: str
) -> AsyncIterator[Told]:
    """Every version of the intents named (all of the caller's if none are) once and in order, from `cursor` on.

    Without a cursor named ids begin with their latest state, everything begins now. A heartbeat tells that
    the watch holds, and comes again at least every `heartbeat` seconds of silence. Raises INVALID_ID,
    CURSOR_INVALID, CURSOR_EXPIRED, WATCH_LIMIT, DRAINING, DEPENDENCY_UNAVAILABLE, at once or in its course.
    """
    if not intent_ids:
        return _Mine(hub, caller, cursor).told(kind)
    if len(intent_ids) > hub.limits.max_ids:
        message = f"intent_ids must hold at most {hub.limits.max_ids} ids, not {len(intent_ids)}"
        raise IntentError(
            Reason.WATCH_LIMIT, message,
            [Violation(field="intent_ids", reason=Reason.WATCH_LIMIT, message=message)],
            metadata={"max_watch": str(hub.limits.max_ids)},
        )  # fmt: skip
    for intent_id in intent_ids:
        check_id(intent_id, "intent_ids")
    return _ById(hub, caller, intent_ids, cursor).told(kind)


class _ById:
    """Named ids: the cursor is the vector of their versions, replays come from the records themselves."""

    def __init__(self, hub: Hub, caller: Caller, intent_ids: Sequence[str], cursor: str) -> None:
        self._hub = hub
        self._principal = caller.principal
        self._last = Versions(intent_ids)
        self._fresh = not cursor
        if cursor:
            self._last.resume(cursor)

    async def told(self, kind: str) -> AsyncIterator[Told]:
        """The stream."""
        ids = self._last.ids
        async with self._hub.watching_ids(kind, self._principal, ids) as box:
            records = await self._hub.read(self._principal, ids)
            for record in records:
                if self._fresh and record.version > 1:
                    yield self._tell(Encoded(history(record)[-1]), 1)
                    continue
                for told in self._since(record):
                    yield told
            if len(records) < len(ids) or not self._fresh:
                yield Told(self._last.cursor())
            del records
            while True:
                taken = await box.take(self._hub.limits.heartbeat)
                if taken is None:
                    yield Told(self._last.cursor())
                    continue
                async for told in self._pass_on(taken):
                    yield told

    async def _pass_on(self, taken: Taken) -> AsyncIterator[Told]:
        for entry in taken.entries:
            event = entry.encoded.event
            next_ = self._last[event.intent_id] + 1
            if event.version < next_:
                continue
            if event.version == next_ or taken.conflated:
                yield self._tell(entry.encoded, next_)
                continue
            # something between was never heard of: the record has it
            for record in await self._hub.read(self._principal, [event.intent_id]):
                for told in self._since(record):
                    yield told

    def _since(self, record: IntentRecord) -> list[Told]:
        found = []
        for event in history(record):
            next_ = self._last[event.intent_id] + 1
            if event.version >= next_:
                found.append(self._tell(Encoded(event), next_))
        return found

    def _tell(self, encoded: Encoded, first: int) -> Told:
        event = encoded.event
        self._last.advance(event.intent_id, event.version)
        return Told(self._last.cursor(), encoded, first)


class _Mine:
    """All of a principal's: the cursor is a position of the event log, and what behind it was told already."""

    def __init__(self, hub: Hub, caller: Caller, cursor: str) -> None:
        self._hub = hub
        self._principal = caller.principal
        self._from = mine_from_text(caller.principal, cursor) if cursor else None
        self._base = ""
        self._ahead: dict[bytes, int] = {}
        self._partial: dict[bytes, int] = {}
        self._last: OrderedDict[bytes, int] = OrderedDict()

    async def told(self, kind: str) -> AsyncIterator[Told]:
        """The stream."""
        async with self._hub.watching_mine(kind, self._principal) as box:
            live_from = box.start
            if self._from is not None:
                async for told in self._replay(self._from):
                    yield told
                await self._join(live_from)
            self._base = live_from
            yield Told(self._cursor())
            while True:
                taken = await box.take(self._hub.limits.heartbeat)
                if taken is None:
                    if box.cursor:
                        self._base, self._partial = box.cursor, {}
                    yield Told(self._cursor())
                    continue
                for told in self._pass_on(taken):
                    yield told

    async def _replay(self, start: Position) -> AsyncIterator[Told]:
        """What happened since the cursor, from the log itself."""
        self._base, self._ahead = start.log, dict(start.passed)
        for key, version in start.passed.items():
            self._remember(key, version)
        while True:
            page = await self._hub.store.list_events(self._base)
            for event in page.events:
                if event.principal != self._principal:
                    continue
                self._reach(event)
                if self._is_new(event):
                    yield self._tell(Encoded(event), event.version)
            if page.cursor != self._base:
                self._base, self._partial = page.cursor, {}
            if page.at_end:
                return

    async def _join(self, live_from: str) -> None:
        """The feed may lag behind the log: what it will tell again is noted, and left out then."""
        ahead: dict[bytes, int] = {}
        cursor = live_from
        while True:
            page = await self._hub.store.list_events(cursor)
            for event in page.events:
                key = key_of(event.intent_id)
                if event.principal == self._principal and event.version <= self._last.get(key, 0):
                    ahead[key] = max(event.version, ahead.get(key, 0))
            cursor = page.cursor
            if page.at_end:
                break
        self._ahead, self._partial = ahead, {}

    def _pass_on(self, taken: Taken) -> list[Told]:
        found = []
        for entry in taken.entries:
            event = entry.encoded.event
            key = key_of(event.intent_id)
            self._reach(event)
            new = self._is_new(event)
            known = self._last.get(key)
            if new:
                self._remember(key, event.version)
                self._partial[key] = event.version
            if entry.cursor:
                self._base, self._partial = entry.cursor, {}
            if new:
                first = entry.first if known is None or not taken.conflated else known + 1
                found.append(Told(self._cursor(), entry.encoded, first))
        return found

    def _reach(self, event: IntentEvent) -> None:
        """What was told ahead of its place is kept only until the position has passed its place."""
        key = key_of(event.intent_id)
        if event.version >= self._ahead.get(key, event.version + 1):
            del self._ahead[key]
            self._partial[key] = event.version

    def _is_new(self, event: IntentEvent) -> bool:
        return event.version > self._last.get(key_of(event.intent_id), 0)

    def _tell(self, encoded: Encoded, first: int) -> Told:
        key = key_of(encoded.event.intent_id)
        self._remember(key, encoded.event.version)
        self._partial[key] = encoded.event.version
        return Told(self._cursor(), encoded, first)

    def _remember(self, key: bytes, version: int) -> None:
        self._last[key] = version
        self._last.move_to_end(key)
        if len(self._last) > REMEMBERED:
            self._last.popitem(last=False)

    def _cursor(self) -> str:
        return mine_to_text(self._principal, Position(self._base, {**self._ahead, **self._partial}))
