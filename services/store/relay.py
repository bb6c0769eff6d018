"""The relay: from outbox entries to the event log, where both cannot change in one transaction.

For the oldest outbox entry of an intent: choose the sequence after the partition's newest, write it into the
entry by compare-and-set, insert the event under (partition, sequence), remove the entry by compare-and-set. If the
number is found taken by another event a new one is chosen the same way; if it is found taken by this
very event, another relay was faster. A place that retention has emptied is found free again: so the floor is read
after inserting, and a number at or below it counts as taken; what was inserted there is read by nobody.

A number is chosen only after the one before it exists, so the log has no gaps; an entry that is numbered is inserted
under that number or under none until it is found taken, so no event is there twice. Any step may be the last of this
process: whoever looks next goes on from there.
"""

import asyncio
import contextvars
import logging
from collections.abc import Callable, Sequence
from typing import Final

from services.common.clock import Clock
from services.common.errors import IntentError
from services.common.observe import logs
from services.store.document import event_document
from services.store.model import partition_of
from services.store.ports import Document, Outbox

logger = logging.getLogger(__name__)

SWEEP: Final = 500
"""Intents taken up by one look for entries left behind."""
FLUSH: Final = 2.0
"""Seconds given to what is on its way when the store ends; the rest is for the next look of anybody."""


class Relay:
    """One per process; several race without harm. `poll` is seconds between looks for entries left behind."""

    def __init__(
        self, outbox: Outbox, clock: Clock, *, partitions: int, poll: float, on_events: Callable[[], None]
    ) -> None:
        self._outbox = outbox
        self._clock = clock
        self._poll = poll
        self._on_events = on_events
        self._waiting: list[dict[str, Document]] = [{} for _ in range(partitions)]
        self._heads = [0] * partitions
        self._workers: dict[int, asyncio.Task[None]] = {}
        self._sweeper: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Begin to look for entries left behind."""
        self._sweeper = asyncio.create_task(self._sweep())

    async def close(self) -> None:
        """Finish what is on its way, for a short while."""
        if self._sweeper is not None:
            self._sweeper.cancel()
            await asyncio.gather(self._sweeper, return_exceptions=True)
        workers = list(self._workers.values())
        if workers:
            await asyncio.wait(workers, timeout=FLUSH)
        for worker in workers:
            worker.cancel()
        await asyncio.gather(*workers, return_exceptions=True)

    def submit(self, documents: Sequence[Document]) -> None:
        """Take these up now; documents as they stood after a write."""
        for document in documents:
            if not document["outbox"]:
                continue
            partition = partition_of(document["_id"], len(self._waiting))
            self._waiting[partition][document["_id"]] = document
            if partition not in self._workers:
                # a context of its own: it serves whoever moves an intent, within nobody's deadline
                worker = asyncio.create_task(self._work(partition), context=contextvars.Context())
                self._workers[partition] = worker

    async def _sweep(self) -> None:
        while True:
            await self._clock.sleep(self._poll)
            try:
                left = await self._outbox.waiting(SWEEP)
            except IntentError as error:
                logs.event(logger, logging.WARNING, "store.relay_waits", reason=str(error.reason))
                continue
            except Exception as error:
                logs.event(logger, logging.ERROR, "store.relay_failed", exc_info=error)
                continue
            partitions = len(self._waiting)
            self.submit(
                [one for one in left if one["_id"] not in self._waiting[partition_of(one["_id"], partitions)]]
            )

    async def _work(self, partition: int) -> None:
        waiting = self._waiting[partition]
        try:
            while waiting:
                intent_id = next(iter(waiting))
                document = waiting.pop(intent_id)
                try:
                    await self.relay(document)
                except IntentError as error:
                    # its entry stays in the outbox: the next look finds it
                    logs.event(logger, logging.WARNING, "store.relay_waits", reason=str(error.reason))
                except Exception as error:
                    logs.event(
                        logger, logging.ERROR, "store.relay_failed", exc_info=error, intent_id=intent_id
                    )
        finally:
            del self._workers[partition]

    async def relay(self, document: Document) -> None:
        """Every outbox entry of one intent. `document` may be older than what is stored, and a part of it."""
        partition = partition_of(document["_id"], len(self._waiting))
        now: Document | None = document
        if "history" not in document:
            now = await self._outbox.reread(document["_id"])
        while now is not None and now["outbox"]:
            entry = now["outbox"][0]
            done = await self._relay_entry(now, partition, entry["version"], entry["sequence"])
            if done:
                now["outbox"] = now["outbox"][1:]
            else:
                now = await self._outbox.reread(document["_id"])

    async def _relay_entry(self, document: Document, partition: int, version: int, sequence: int) -> bool:
        """False: the entry is not what it seemed; look again."""
        intent_id = document["_id"]
        if sequence == 0:
            if self._heads[partition] == 0:
                self._heads[partition] = await self._outbox.newest(partition)
            sequence = self._heads[partition] + 1
            if not await self._outbox.number(intent_id, version, 0, sequence):
                return False
        while True:
            standing = await self._outbox.append(event_document(document, version, partition, sequence))
            told = standing is None or standing == (intent_id, version)
            if standing is None:
                self._on_events()
            if told and sequence > await self._outbox.floor(partition):
                self._heads[partition] = max(self._heads[partition], sequence)
                return await self._outbox.unbox(intent_id, version, sequence)
            self._heads[partition] = max(self._heads[partition], await self._outbox.newest(partition))
            chosen = self._heads[partition] + 1
            if not await self._outbox.number(intent_id, version, sequence, chosen):
                return False
            sequence = chosen
