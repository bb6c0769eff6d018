"""Folding: events of the log into the roll-ups they count in, each exactly once.

Every document names, by partition of the log, the last event that is in it; one at or below is never counted again.
A partition's position moves on only after all documents have what lies before it. So whoever begins at a position
finds in each document's own sequences what is still missing, whether the one before died anywhere or runs beside it:
documents are compared and set by their revision, and who loses looks again.
"""

import asyncio
import logging
from collections.abc import Mapping, Sequence
from typing import Final

from services.common.errors import unavailable
from services.common.observe import logs
from services.store.log import unbroken
from services.store.ports import Document, Keep, Program, Storage
from services.store.rollups.batch import Batch
from services.store.rollups.keys import KIND, position_key
from services.store.rollups.moves import Known, Move

logger = logging.getLogger(__name__)

BATCH: Final = 500
"""Most events of one step."""
TOGETHER: Final = 200
"""Documents read, counted into and written at a time: no writer waits long behind them, nor the event loop."""
ATTEMPTS: Final = 50
"""Looks at a document that others keep changing."""


class Folder:
    """One per process; several on one store race without harm."""

    def __init__(self, storage: Storage, *, batch: int = BATCH) -> None:
        self._storage = storage
        self._each = max(1, batch // storage.meta.partitions)
        self._known = Known()
        self._alone = asyncio.Lock()

    async def step(self) -> int:
        """Fold up to a batch; how many events lay before it. 0: all there is is in, or something is missing."""
        async with self._alone:
            positions = await positions_of(self._storage)
            after = {partition: position for partition, (position, _) in positions.items()}
            events = await self._read(after)
            if not events:
                return 0
            wanted = self._known.missing(events)
            if wanted:
                self._known.learn(await self._storage.find(wanted))
            moves = [move for event in events if (move := self._move(event)) is not None]
            self._known.trim()
            await self._count(moves)
            await self._advance(positions, events)
            return len(events)

    async def catch_up(self, steps: int) -> bool:
        """Up to `steps` of them; whether all that was there is in."""
        for _ in range(steps):
            if not await self.step():
                return True
        return False

    async def behind(self) -> int:
        """Events in the log that are not in every roll-up yet."""
        positions = await positions_of(self._storage)
        heads = await self._storage.heads()
        return sum(max(0, heads[one] - position) for one, (position, _) in positions.items())

    async def _read(self, after: Mapping[int, int]) -> list[Document]:
        found = await self._storage.read_log(after, self._each)
        # read after the events: what was found at or below it is not to be believed. Somebody has counted further
        # meanwhile, or the roll-ups were lost: then `verify --repair` makes them from the records
        floors = await self._storage.floors()
        return [
            event
            for one, events in found.items()
            if after[one] >= floors[one]
            for event in unbroken(events, after[one])
        ]

    def _move(self, event: Document) -> Move | None:
        move = self._known.move(event)
        if move is None:
            logs.event(logger, logging.ERROR, "store.event_not_counted", event=str(event.get("_id"))[:64])
        return move

    async def _count(self, moves: Sequence[Move]) -> None:
        batch = Batch(moves)
        for start in range(0, len(batch.keys), TOGETHER):
            keys = batch.keys[start : start + TOGETHER]
            for _ in range(ATTEMPTS):
                keys = await self._count_into(keys, batch)
                if not keys:
                    break
            else:
                raise unavailable("store")

    async def _count_into(self, keys: Sequence[str], batch: Batch) -> list[str]:
        """Those that somebody else wrote meanwhile."""
        standing = await self._storage.kept(KIND, keys)
        counted = [batch.counted_into(key, standing.get(key)) for key in keys]
        writes = [document for document in counted if document is not None]
        if not writes:
            return []
        written = await self._storage.run(keeping(writes))
        return [one["_id"] for one, done in zip(writes, written, strict=True) if not done]

    async def _advance(self, positions: Mapping[int, tuple[int, int]], events: Sequence[Document]) -> None:
        """Somebody who was faster has moved them on: theirs stand."""
        last = {event["partition"]: event["sequence"] for event in events}
        await self._storage.run(
            keeping(
                [
                    {"_id": position_key(one), "revision": positions[one][1], "sequence": sequence}
                    for one, sequence in last.items()
                ]
            )
        )


async def positions_of(storage: Storage) -> dict[int, tuple[int, int]]:
    """By partition (sequence, revision): every roll-up has all events up to there."""
    partitions = range(storage.meta.partitions)
    found = await storage.kept(KIND, [position_key(one) for one in partitions])
    positions: dict[int, tuple[int, int]] = {}
    for one in partitions:
        document = found.get(position_key(one))
        positions[one] = (0, 0) if document is None else (document["sequence"], document["revision"])
    return positions


def keeping(documents: Sequence[Document]) -> Program[Sequence[bool]]:
    """Which were written."""
    written: Sequence[bool] = yield Keep(KIND, documents)
    return written
