"""Hands each event to the mailboxes of those who may and want to see it."""

import asyncio
import contextvars
import logging
from collections.abc import AsyncIterator, Iterable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Final

from services.common.clock import Clock
from services.common.domain.feed import FeedMessage
from services.common.domain.intent import IntentEvent, IntentRecord
from services.common.errors import IntentError, Reason
from services.common.observe import logs
from services.edge.observe import Vocabulary
from services.edge.ports import NotifierPort, StorePort
from services.edge.watch.feed import Feed, Name, intents, principals
from services.edge.watch.mailbox import MAX_INTENTS, Encoded, Mailbox

logger = logging.getLogger(__name__)

READ_CHUNK: Final = 200
"""Records read at once: each carries its history."""
RETRY: Final = 0.5


@dataclass(frozen=True, slots=True, kw_only=True)
class WatchLimits:
    """`heartbeat` in seconds."""

    max_ids: int = 1_000
    max_watchers: int = 10_000
    queue: int = 256
    heartbeat: float = 10.0


class Hub:
    """One per edge. Run `run` beside the servers; `close` before they stop."""

    def __init__(
        self,
        notifier: NotifierPort,
        store: StorePort,
        clock: Clock,
        *,
        edge_id: str,
        limits: WatchLimits,
        seen: Vocabulary,
    ) -> None:
        self.limits = limits
        self.store = store
        self.clock = clock
        self._seen = seen
        self._by_id: dict[str, set[Mailbox]] = {}
        self._by_principal: dict[str, set[Mailbox]] = {}
        self._boxes: set[Mailbox] = set()
        self._refreshing: set[asyncio.Task[None]] = set()
        self._closed: IntentError | None = None
        self._feed = Feed(
            notifier, clock, edge_id=edge_id, deliver=self._deliver, missed=self._missed, seen=seen
        )

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Holds the feed while inside."""
        # a context of its own: the feed belongs to no caller's deadline or trace
        task = asyncio.create_task(self._feed.run(), name="edge-feed", context=contextvars.Context())
        try:
            yield
        finally:
            self.close()
            tasks = [task, *self._refreshing]
            for one in tasks:
                one.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    def close(self) -> None:
        """End every watch with DRAINING, and refuse new ones: their clients resume elsewhere."""
        if self._closed is None:
            self._closed = IntentError(
                Reason.DRAINING, "The service is shutting down; resume at another replica.", retry_after=0.1
            )
        for box in list(self._boxes):
            box.fail(self._closed)

    @asynccontextmanager
    async def watching_ids(
        self, kind: str, principal: str, intent_ids: Sequence[str]
    ) -> AsyncIterator[Mailbox]:
        """A mailbox that gets every event of these ids from now on, as far as they are the principal's.

        `kind` labels the metric. Raises WATCH_LIMIT, DRAINING, DEPENDENCY_UNAVAILABLE.
        """
        box = self._new_box(kind, principal, len(intent_ids))
        names = intents(intent_ids)

        def listen(_: str) -> None:
            for intent_id in intent_ids:
                self._by_id.setdefault(intent_id, set()).add(box)

        try:
            await self._feed.hold(names, listen)
            yield box
        finally:
            for intent_id in intent_ids:
                _discard(self._by_id, intent_id, box)
            self._feed.drop(names)
            self._drop_box(kind, box)

    @asynccontextmanager
    async def watching_mine(self, kind: str, principal: str) -> AsyncIterator[Mailbox]:
        """The same for every intent of the principal; the mailbox's `start` is where in the log it begins."""
        box = self._new_box(kind, principal, MAX_INTENTS)
        names = principals([principal])

        def listen(cursor: str) -> None:
            box.start = box.cursor = cursor
            self._by_principal.setdefault(principal, set()).add(box)

        try:
            await self._feed.hold(names, listen)
            yield box
        finally:
            _discard(self._by_principal, principal, box)
            self._feed.drop(names)
            self._drop_box(kind, box)

    async def read(self, principal: str, intent_ids: Sequence[str]) -> list[IntentRecord]:
        """The principal's records among these ids, with their histories."""
        found: list[IntentRecord] = []
        for start in range(0, len(intent_ids), READ_CHUNK):
            records = await self.store.get(intent_ids[start : start + READ_CHUNK])
            found += [record for record in records if record is not None and record.principal == principal]
        return found

    def _new_box(self, kind: str, principal: str, most: int) -> Mailbox:
        if self._closed is not None:
            raise self._closed
        if len(self._boxes) >= self.limits.max_watchers:
            raise IntentError(
                Reason.WATCH_LIMIT,
                f"All {self.limits.max_watchers} watches of this replica are taken.",
                retry_after=1,
            )
        box = Mailbox(principal, limit=self.limits.queue, most=most, on_conflate=self._seen.conflations().inc)
        self._boxes.add(box)
        self._seen.watchers(kind).inc()
        return box

    def _drop_box(self, kind: str, box: Mailbox) -> None:
        self._boxes.discard(box)
        self._seen.watchers(kind).dec()

    def _deliver(self, message: FeedMessage) -> None:
        # a message that does not move the position is part of a greater one: a watch of everything that came
        # back there would be told it again
        moved = message.cursor if message.cursor != self._feed.cursor else ""
        of: dict[str, list[Encoded]] = {}
        for event in message.events:
            encoded = Encoded(event)
            for box in self._by_id.get(event.intent_id, ()):
                if box.principal == event.principal:
                    box.push(encoded)
            if event.principal in self._by_principal:
                of.setdefault(event.principal, []).append(encoded)
        for principal, boxes in self._by_principal.items():
            found = of.get(principal)
            for box in boxes:
                if found:
                    for encoded in found[:-1]:
                        box.push(encoded)
                    box.push(found[-1], moved)
                elif moved:
                    box.position(moved)

    def _missed(self, names: Sequence[Name] | None) -> None:
        """Events may have passed by: ids are read anew, watchers of everything resume from their own cursors."""
        owners: Iterable[str] = list(self._by_principal)
        ids = list(self._by_id)
        if names is not None:
            owners = [name.text for name in names if name.kind == "principal"]
            ids = [name.text for name in names if name.kind == "intent"]
        for owner in owners:
            for box in self._by_principal.get(owner, ()):
                box.fail(IntentError(Reason.DRAINING, "The watch lost its place; resume from its cursor.",
                                     retry_after=0.1))  # fmt: skip
        if ids:
            task = asyncio.create_task(self._reread(ids), context=contextvars.Context())
            self._refreshing.add(task)
            task.add_done_callback(self._refreshing.discard)

    async def _reread(self, ids: Sequence[str]) -> None:
        for start in range(0, len(ids), READ_CHUNK):
            chunk = [intent_id for intent_id in ids[start : start + READ_CHUNK] if intent_id in self._by_id]
            if not chunk:
                continue
            for record in await self._patiently(chunk):
                if record is None:
                    continue
                for event in history(record):
                    encoded = Encoded(event)
                    for box in self._by_id.get(record.intent_id, ()):
                        if box.principal == record.principal:
                            box.push(encoded)

    async def _patiently(self, ids: Sequence[str]) -> Sequence[IntentRecord | None]:
        while True:
            try:
                return await self.store.get(ids)
            except IntentError as error:
                logs.event(logger, logging.WARNING, "watch.reread", why=str(error), retry_s=RETRY)
                await self.clock.sleep(RETRY)


def history(record: IntentRecord) -> tuple[IntentEvent, ...]:
    """Every move of a record, oldest first; its present state alone should it carry none."""
    if record.history and record.history[-1].version == record.version:
        return record.history
    return (
        IntentEvent(
            intent_id=record.intent_id,
            user_id=record.user_id,
            version=record.version,
            status=record.status,
            occurred_at=record.updated_at,
            reason=record.error_details.reason if record.error_details is not None else "",
            execution_details=record.execution_details,
            error_details=record.error_details,
            principal=record.principal,
        ),
    )


def _discard(boxes: dict[str, set[Mailbox]], key: str, box: Mailbox) -> None:
    found = boxes.get(key)
    if found is not None:
        found.discard(box)
        if not found:
            del boxes[key]
