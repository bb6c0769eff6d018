"""Calls that MongoDB's storage is made of: batches by `_id`, and the one meaning of the driver's errors."""

import asyncio
import logging
from collections.abc import AsyncIterator, Iterable, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import Any, Final

from pymongo.errors import BulkWriteError, DuplicateKeyError, PyMongoError

from services.common.errors import unavailable
from services.common.observe import logs
from services.store.adapters.mongo_driver import Collection
from services.store.document import event_id, is_stranger
from services.store.model import floor_key
from services.store.ports import Document, Reservation

logger = logging.getLogger(__name__)

_LOOKS: Final = 12
"""Looks for a document that stands (its `_id` is taken) until a majority has it; the waits double from 2 ms."""


@asynccontextmanager
async def reachable() -> AsyncIterator[None]:
    """Whatever the driver raises becomes DEPENDENCY_UNAVAILABLE: it is not known what happened; ask again."""
    try:
        yield
    except PyMongoError as error:
        logs.event(
            logger, logging.WARNING, "store.mongo_failed", why=type(error).__name__, detail=str(error)[:300]
        )
        raise unavailable("store") from error


async def together(jobs: Sequence[Any]) -> list[Any]:
    """All at once; the first error is raised after all have ended, so that nothing runs on unwatched."""
    results = await asyncio.gather(*jobs, return_exceptions=True)
    for result in results:
        if isinstance(result, BaseException):
            raise result
    return results


async def by_id(
    collection: Collection, ids: Sequence[str], fields: Mapping[str, int] | None = None
) -> dict[str, Document]:
    if not ids:
        return {}
    found = await collection.find({"_id": {"$in": list(ids)}}, fields).to_list(None)
    return {one["_id"]: one for one in found}


async def between(collection: Collection, first: str, last: str, limit: int) -> list[Document]:
    """first <= `_id` < last, ascending."""
    where = {"_id": {"$gte": first, "$lt": last}}
    return await collection.find(where, sort=[("_id", 1)], limit=limit).to_list(None)


async def insert_absent(
    collection: Collection, documents: Sequence[Document], fields: Mapping[str, int] | None = None
) -> list[Document | None]:
    """None for each that was inserted, else what stands under its `_id`, as a majority has it."""
    taken: list[int] = []
    try:
        if len(documents) == 1:
            await collection.insert_one(documents[0])
        else:
            await collection.insert_many(documents, ordered=False)
    except DuplicateKeyError:
        taken = [0]
    except BulkWriteError as error:
        details = error.details
        failures = details.get("writeErrors", [])
        if details.get("writeConcernErrors") or any(one.get("code") != 11000 for one in failures):
            raise
        taken = [one["index"] for one in failures]
    answers: list[Document | None] = [None] * len(documents)
    missing = {documents[index]["_id"] for index in taken}
    standing: dict[str, Document] = {}
    for look in range(_LOOKS):
        if not missing:
            break
        if look:
            # taken, but not by a majority yet: its writer waits for the same
            await asyncio.sleep(0.001 * 2**look)
        standing |= await by_id(collection, list(missing), fields)
        missing -= standing.keys()
    if missing:
        raise unavailable("store")
    for index in taken:
        answers[index] = standing[documents[index]["_id"]]
    return answers


async def records(collection: Collection, ids: Sequence[str]) -> dict[str, Document]:
    """Ours by `_id`: a document that another system wrote is none before it is adopted."""
    found = await by_id(collection, ids)
    return {key: document for key, document in found.items() if not is_stranger(document)}


async def any_stranger(intents: Collection) -> bool:
    """Whether a document has no principal or an `_id` that is no text: another system's, as ours never are."""
    # each half walks an index
    strange: Document = {"$or": [{"principal": None}, {"_id": {"$not": {"$gte": ""}}}]}
    return await intents.find_one(strange, {"_id": 1}) is not None


async def newest_sequence(events: Collection, partition: int) -> int:
    """Of a partition; 0 if it has none."""
    where = {"_id": {"$gte": event_id(partition, 0), "$lt": event_id(partition + 1, 0)}}
    newest = await events.find(where, {"sequence": 1}, sort=[("_id", -1)], limit=1).to_list(None)
    return newest[0]["sequence"] if newest else 0


async def floors(meta: Collection, partitions: Iterable[int]) -> list[int]:
    """Of these partitions; 0 where nothing was dropped yet."""
    keys = [floor_key(partition) for partition in partitions]
    found = await by_id(meta, keys)
    return [int(found[key]["sequence"]) if key in found else 0 for key in keys]


async def drop(events: Collection, partition: int, through: int, limit: int) -> int:
    """Delete the oldest `limit` events of a partition up to `through`; how many there were."""
    where = {"_id": {"$gte": event_id(partition, 0), "$lte": event_id(partition, through)}}
    oldest = await events.find(where, {"_id": 1}, sort=[("_id", 1)], limit=limit).to_list(None)
    if oldest:
        where["_id"]["$lte"] = oldest[-1]["_id"]
        await events.delete_many(where)
    return len(oldest)


def reservation(one: Document) -> Reservation:
    """As it stands in `requests` or `nonces`."""
    return Reservation(one["_id"], one["intentId"], one["contentHash"])
