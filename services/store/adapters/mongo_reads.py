"""Reading the store on MongoDB: records, pages, counts, the event log. Majority reads throughout."""

from collections.abc import Mapping, Sequence
from typing import Final

from services.common.domain.outcomes import (
    ListQuery,
)
from services.common.domain.statistics import SolverStatistics
from services.store.adapters.mongo_calls import (
    between,
    by_id,
    floors,
    newest_sequence,
    reachable,
    records,
    reservation,
    together,
)
from services.store.adapters.mongo_overdue import overdue
from services.store.adapters.mongo_page import read_page
from services.store.adapters.mongo_schema import Collections
from services.store.document import event_id
from services.store.model import PageKey
from services.store.overdue_range import OverdueRange
from services.store.ports import Document, PageRead, Reservation

_AHEAD: Final = 4
"""Events of a partition looked for by their exact ids before a range is read."""


class MongoReads:
    """The reading half of `services.store.ports.Storage`."""

    def __init__(self, on: Collections, heads: list[int]) -> None:
        self._on = on
        self._heads = heads

    async def find(self, intent_ids: Sequence[str]) -> Mapping[str, Document]:
        async with reachable():
            return await records(self._on.intents, intent_ids)

    async def requests(self, keys: Sequence[str]) -> Mapping[str, Reservation]:
        async with reachable():
            return {
                key: reservation(one)
                for key, one in (await by_id(self._on.reserved["requests"], keys)).items()
            }

    async def page(self, query: ListQuery, after: PageKey | None, limit: int, most: int) -> PageRead:
        async with reachable():
            return await read_page(self._on.intents, query, after, limit, most)

    async def overdue(self, asked: OverdueRange) -> Sequence[Document]:
        async with reachable():
            return await overdue(self._on.intents, asked)

    async def kept(self, kind: str, keys: Sequence[str]) -> Mapping[str, Document]:
        async with reachable():
            return await by_id(self._on.kept[kind], keys)

    async def kept_between(self, kind: str, first: str, last: str, limit: int) -> Sequence[Document]:
        async with reachable():
            return await between(self._on.kept[kind], first, last, limit)

    async def solvers(self, limit: int) -> Sequence[SolverStatistics]:
        async with reachable():
            rows = await self._on.solvers.find(
                {}, sort=[("executions", -1), ("_id", 1)], limit=limit
            ).to_list(None)
        return [
            SolverStatistics(
                solver_id=row["solverId"],
                success_rate=row.get("successRate", 0.0),
                avg_execution_time=row.get("avgExecutionTime", 0.0),
                executions=row.get("executions", 0),
            )
            for row in rows
        ]

    async def read_log(self, after: Mapping[int, int], each: int) -> Mapping[int, Sequence[Document]]:
        async with reachable():
            # those that keep up need one look by exact ids; only who is behind needs a range of its own
            found = await self._following(after)
            behind = [one for one, events in found.items() if len(events) == _AHEAD and each > _AHEAD]
            ranges = await together([self._read(one, after[one], each) for one in behind])
        return {one: events[:each] for one, events in found.items()} | dict(zip(behind, ranges, strict=True))

    async def _following(self, after: Mapping[int, int]) -> dict[int, list[Document]]:
        """By partition, in order, the next _AHEAD events after a sequence, as far as they are there."""
        ids = [
            event_id(partition, sequence + step)
            for partition, sequence in after.items()
            for step in range(1, _AHEAD + 1)
        ]
        found: dict[int, list[Document]] = {}
        for event in await self._on.events.find({"_id": {"$in": ids}}).to_list(None):
            found.setdefault(event["partition"], []).append(event)
        for events in found.values():
            events.sort(key=lambda event: int(event["sequence"]))
        return found

    async def _read(self, partition: int, after: int, limit: int) -> list[Document]:
        where = {"_id": {"$gt": event_id(partition, after), "$lt": event_id(partition + 1, 0)}}
        return await self._on.events.find(where, sort=[("_id", 1)], limit=limit).to_list(None)

    async def floors(self) -> Sequence[int]:
        async with reachable():
            return await floors(self._on.kept["meta"], range(len(self._heads)))

    async def heads(self) -> Sequence[int]:
        async with reachable():
            found = await self._following(dict(enumerate(self._heads)))
            # what followed the newest seen may be dropped by now; the floor is read after it
            lowest = await floors(self._on.kept["meta"], range(len(self._heads)))
            passed = {one: floor for one, floor in enumerate(lowest) if floor > self._heads[one]}
            if passed:
                found = {one: events for one, events in found.items() if one not in passed}
                found |= await self._following(passed)
            far = [one for one, events in found.items() if len(events) == _AHEAD]
            newest = await together([newest_sequence(self._on.events, partition) for partition in far])
        near = {one: int(events[-1]["sequence"]) for one, events in found.items()}
        for partition, sequence in (near | dict(zip(far, newest, strict=True))).items():
            self._heads[partition] = max(self._heads[partition], sequence)
        return list(self._heads)
