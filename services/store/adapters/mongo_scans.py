"""Everything in a store on MongoDB, in portions by `_id`."""

from collections.abc import Sequence

from services.store.adapters.mongo_calls import reachable
from services.store.adapters.mongo_schema import Collections
from services.store.document import event_id
from services.store.ports import Document


class MongoScans:
    """`services.store.ports.Scans`. Majority reads."""

    def __init__(self, on: Collections) -> None:
        self._on = on

    async def intents(self, after: str, limit: int) -> Sequence[Document]:
        # a comparison with text finds text only: ids of other types are not ours
        async with reachable():
            return await self._on.intents.find(
                {"_id": {"$gt": after}}, sort=[("_id", 1)], limit=limit
            ).to_list(None)

    async def log(self, partition: int, after: int, limit: int) -> Sequence[tuple[int, Document]]:
        where = {"_id": {"$gt": event_id(partition, after), "$lt": event_id(partition + 1, 0)}}
        async with reachable():
            found = await self._on.events.find(where, sort=[("_id", 1)], limit=limit).to_list(None)
        return [(int(one["_id"].partition(":")[2]), one) for one in found]

    async def misfiled(self, intent_ids: Sequence[str]) -> Sequence[str]:
        return []
