"""The outbox of the store on MongoDB, as the relay needs it: single-document updates only."""

from collections.abc import Callable, Sequence

from services.store.adapters.mongo_calls import floors, insert_absent, newest_sequence, reachable
from services.store.adapters.mongo_schema import Collections
from services.store.ports import Document


class MongoOutbox:
    """`services.store.ports.Outbox`."""

    def __init__(self, on: Collections) -> None:
        self._on = on
        self.on_written: Callable[[Sequence[Document]], None] = lambda documents: None

    async def waiting(self, limit: int) -> Sequence[Document]:
        async with reachable():
            # no more of them than it takes to see which are not in hand already
            left = self._on.intents.find({"outbox.version": {"$gte": 1}}, {"outbox": 1}, limit=limit)
            return await left.to_list(None)

    async def reread(self, intent_id: str) -> Document | None:
        async with reachable():
            return await self._on.intents.find_one({"_id": intent_id})

    async def number(self, intent_id: str, version: int, before: int, after: int) -> bool:
        async with reachable():
            result = await self._on.intents.update_one(
                {"_id": intent_id, "outbox.0.version": version, "outbox.0.sequence": before},
                {"$set": {"outbox.0.sequence": after}},
            )
        return result.modified_count == 1

    async def append(self, event: Document) -> tuple[str, int] | None:
        async with reachable():
            (standing,) = await insert_absent(self._on.events, [event], {"intentId": 1, "version": 1})
        return None if standing is None else (standing["intentId"], standing["version"])

    async def unbox(self, intent_id: str, version: int, sequence: int) -> bool:
        async with reachable():
            result = await self._on.intents.update_one(
                {"_id": intent_id, "outbox.0.version": version, "outbox.0.sequence": sequence},
                {"$pop": {"outbox": -1}},
            )
        return result.modified_count == 1

    async def newest(self, partition: int) -> int:
        async with reachable():
            return await newest_sequence(self._on.events, partition)

    async def floor(self, partition: int) -> int:
        async with reachable():
            return (await floors(self._on.kept["meta"], [partition]))[0]

    async def boxed(self, intent_ids: Sequence[str]) -> Sequence[Document]:
        where = {"_id": {"$in": list(intent_ids)}, "outbox.version": {"$gte": 1}}
        async with reachable():
            return await self._on.intents.find(where, {"outbox": 1}).to_list(None)
