"""One pass of retention, and the passes of a process.

For a run of events at the beginning of a partition: archive it, clear what outboxes still hold of it, raise the
partition's floor over it, delete it. Never the newest event, nor one that the roll-ups have not counted yet. Any step
may be the last of this process: events are archived before they go, the floor only rises, and whoever passes next
deletes what lies below it. Replicas that do the same at once archive a run twice at worst.
"""

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from services.common.clock import Clock, now
from services.common.errors import IntentError
from services.common.observe import logs
from services.store.model import floor_key
from services.store.observe import RetentionMeters
from services.store.ports import Document, Drop, Keep, Kept, Program, Storage
from services.store.retention.archive import Archive, ArchiveRefused
from services.store.rollups.fold import positions_of

logger = logging.getLogger(__name__)

RUN: Final = 5_000
"""Most events archived in one file and dropped together."""
PORTION: Final = 500
"""Most events read or deleted at once: the writer is held for milliseconds."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Policy:
    """What is kept: events younger than `keep` (None: of any age), and of each partition the newest `count` (0: all).

    What exceeds either is dropped.
    """

    keep: timedelta | None
    count: int

    def drops(self, event: Document, *, head: int, at: datetime) -> bool:
        """`head`: the newest sequence of its partition."""
        if self.count and event["sequence"] <= head - self.count:
            return True
        happened = event.get("occurredAt")
        return self.keep is not None and isinstance(happened, datetime) and happened < at - self.keep


class Retention:
    """Of one process."""

    def __init__(
        self, storage: Storage, clock: Clock, policy: Policy, archive: Archive, seen: RetentionMeters
    ) -> None:
        self._storage = storage
        self._clock = clock
        self._policy = policy
        self._archive = archive
        self._seen = seen

    async def run(self, every: float) -> None:
        """Pass after pass, `every` seconds, until cancelled."""
        while True:
            try:
                await self.once()
            except IntentError as error:
                self._seen.failed()
                logs.event(logger, logging.WARNING, "store.retention_waits", reason=str(error.reason))
            except (OSError, ArchiveRefused) as error:
                self._seen.failed()
                logs.event(logger, logging.ERROR, "store.archive_failed", why=str(error))
            except Exception as error:
                self._seen.failed()
                logs.event(logger, logging.ERROR, "store.retention_failed", exc_info=error)
            await self._clock.sleep(every)

    async def once(self) -> int:
        """One pass over all partitions; how many events were dropped. Raises IntentError, OSError, ArchiveRefused."""
        heads = await self._storage.heads()
        counted = await positions_of(self._storage)
        total = 0
        for partition, head in enumerate(heads):
            while dropped := await self._drop_run(partition, head, min(head - 1, counted[partition][0])):
                self._seen.dropped(dropped)
                total += dropped
        self._seen.oldest(await self._oldest())
        return total

    async def _drop_run(self, partition: int, head: int, most: int) -> int:
        """How many events this raised the floor by."""
        floor = (await self._storage.floors())[partition]
        # left by one that died here, or put there by a relay that was overtaken
        await self._delete(partition, floor)
        events = await self._droppable(partition, floor, head, most)
        # read after the events: what an overtaken relay put at or below it is no event of the log
        if not events or (await self._storage.floors())[partition] != floor:
            return 0
        through = int(events[-1]["sequence"])
        where = await self._archive.put(partition, events)
        await self._unbox(events)
        if not await self._storage.run(_raising(partition, through)):
            return 0
        logs.event(
            logger, logging.INFO, "store.events_dropped",
            partition=partition, first=floor + 1, last=through, archive=where,
        )  # fmt: skip
        await self._delete(partition, through)
        return through - floor

    async def _droppable(self, partition: int, floor: int, head: int, most: int) -> list[Document]:
        """The run above the floor, without a gap, of events that need not be kept."""
        at = now(self._clock)
        found: list[Document] = []
        while len(found) < RUN:
            portion = await self._storage.scans.log(partition, floor + len(found), PORTION)
            for sequence, event in portion:
                if sequence != floor + len(found) + 1 or sequence > most:
                    return found
                if not self._policy.drops(event, head=head, at=at):
                    return found
                found.append(event)
            if len(portion) < PORTION:
                break
        return found

    async def _unbox(self, events: Sequence[Document]) -> None:
        """A relay that died after inserting left its entry: nobody may take it for one that is not told yet."""
        outbox = self._storage.outbox
        if outbox is None:
            return
        places = {(event["intentId"], event["version"], event["sequence"]) for event in events}
        ids = sorted({event["intentId"] for event in events})
        for start in range(0, len(ids), PORTION):
            for document in await outbox.boxed(ids[start : start + PORTION]):
                oldest = document["outbox"][0]
                if (document["_id"], oldest["version"], oldest["sequence"]) in places:
                    await outbox.unbox(document["_id"], oldest["version"], oldest["sequence"])

    async def _delete(self, partition: int, through: int) -> None:
        while through and await self._storage.run(_dropping(partition, through)) == PORTION:
            pass

    async def _oldest(self) -> float:
        """Age in seconds of the oldest event kept; 0 if there is none."""
        at, oldest = now(self._clock), 0.0
        for partition, floor in enumerate(await self._storage.floors()):
            for _, event in await self._storage.scans.log(partition, floor, 1):
                oldest = max(oldest, (at - event["occurredAt"]).total_seconds())
        return oldest


def _raising(partition: int, through: int) -> Program[bool]:
    key = floor_key(partition)
    found = yield Kept("meta", [key])
    floor = found.get(key) or {"_id": key, "revision": 0, "sequence": 0}
    if floor["sequence"] >= through:
        return False
    written: Sequence[bool] = yield Keep("meta", [{**floor, "sequence": through}])
    return written[0]


def _dropping(partition: int, through: int) -> Program[int]:
    dropped: int = yield Drop(partition, through, PORTION)
    return dropped
