"""A walk over the event log, from the floor of each partition to its end and further as it grows."""

from collections.abc import AsyncIterator, Callable, Sequence
from typing import Final

from services.store.document import event_id, event_of
from services.store.model import partition_of
from services.store.ports import Document, Storage
from services.store.verify.findings import Finding, Kind
from services.store.verify.told import Told, ToldFile, digest

PORTION: Final = 1000
MOST_HOLES: Final = 1000
"""Most places of one hole that are listed."""

_UNFIT: Final = (KeyError, ValueError, TypeError, AttributeError)


class LogWalk:
    """`positions`: up to there every partition was read. What is odd about an event by itself goes to `report`."""

    def __init__(self, storage: Storage, told: ToldFile, report: Callable[[Finding], None]) -> None:
        self._storage = storage
        self._told = told
        self._report = report
        self.floors: Sequence[int] = [0] * storage.meta.partitions
        self.positions = list(self.floors)
        self.events = 0
        self._holes: dict[tuple[int, int], None] = {}

    async def forward(self) -> AsyncIterator[int]:
        """Read all there is now; yields how many events were read so far."""
        floors = await self._storage.floors()
        self.positions = [max(pair) for pair in zip(self.positions, floors, strict=True)]
        for partition in range(len(self.positions)):
            while True:
                portion = await self._storage.scans.log(partition, self.positions[partition], PORTION)
                self._told.add(self._take(partition, portion))
                if portion:
                    yield self.events
                if len(portion) < PORTION:
                    break
        # read last: whatever lies above was there to be read
        self.floors = await self._storage.floors()
        self._holes = {place: None for place in self._holes if place[1] > self.floors[place[0]]}

    def _take(self, partition: int, portion: Sequence[tuple[int, Document]]) -> list[Told]:
        taken: list[Told] = []
        for sequence, event in portion:
            expected = self.positions[partition] + 1
            for missing in range(expected, min(sequence, expected + MOST_HOLES)):
                self._holes[partition, missing] = None
            self.positions[partition] = sequence
            self.events += 1
            place = f"partition {partition}, sequence {sequence}"
            try:
                told = event_of(event)
                version, intent_id = told.version + 0, told.intent_id + ""
            except _UNFIT as error:
                self._report(
                    Finding(
                        kind=Kind.UNREADABLE_EVENT, where=place, message=f"it cannot be read: {error!r}"[:200]
                    )
                )
                continue
            taken.append(Told(intent_id, version, partition, sequence, digest(event)))
            named = (event.get("_id"), event.get("partition"), event.get("sequence"))
            if named != (event_id(partition, sequence), partition, sequence):
                self._report(
                    Finding(kind=Kind.MISPLACED, where=place, message=f"it names another place: {named}")
                )
            elif partition_of(intent_id, len(self.positions)) != partition:
                message = f"{intent_id} belongs into partition {partition_of(intent_id, len(self.positions))}"
                self._report(Finding(kind=Kind.MISPLACED, where=place, message=message))
        return taken

    @property
    def holes(self) -> list[tuple[int, int]]:
        """(partition, sequence) of places without an event below others that have one."""
        return sorted(self._holes)

    async def look_into_holes(self) -> None:
        """One may have been filled behind this walk."""
        for partition, sequence in self.holes:
            found = await self._storage.scans.log(partition, sequence - 1, 1)
            if found and found[0][0] == sequence:
                self.fill(partition, sequence, found[0][1])

    def fill(self, partition: int, sequence: int, event: Document) -> None:
        """There is an event now."""
        del self._holes[partition, sequence]
        position, self.positions[partition] = self.positions[partition], sequence - 1
        self._told.add(self._take(partition, [(sequence, event)]))
        self.positions[partition] = position
