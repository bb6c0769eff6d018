"""The store on MongoDB: majority journalled writes, majority reads, single-document updates only.

No transaction, no pipeline update, no partial or TTL index, no change stream: what correctness rests on is
that an `_id` is unique and that one document changes at once.
"""

import asyncio
import logging
import secrets
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final, TypeVar

from bson.codec_options import CodecOptions
from motor.motor_asyncio import AsyncIOMotorClient
from pymongo import ReturnDocument
from pymongo.errors import ConfigurationError, InvalidURI, PyMongoError
from pymongo.read_concern import ReadConcern
from pymongo.read_preferences import ReadPreference
from pymongo.write_concern import WriteConcern

from services.common.domain.lifecycle import Status
from services.common.domain.outcomes import ListQuery, SolverStatistics
from services.common.observe import logs
from services.store.adapters.mongo_calls import Collection, by_id, insert_absent, reachable, together
from services.store.document import event_id
from services.store.model import PageKey
from services.store.ports import (
    CannotOpen,
    Document,
    Due,
    Ended,
    Find,
    Found,
    Insert,
    Look,
    Meta,
    Operation,
    Outbox,
    OwnedBy,
    Program,
    Reservation,
    Reserve,
    Standing,
    Tally,
    Update,
    Write,
    other_partitions,
)

logger = logging.getLogger(__name__)

T = TypeVar("T")

INTENT_INDEXES: Final[Sequence[Sequence[tuple[str, int]]]] = (
    # the seed's three
    (("status", 1), ("createdAt", 1)),
    (("userId", 1), ("status", 1)),
    (("executionDetails.transactions.hash", 1),),
    # what is ours
    (("intentId", 1),),
    (("nextActionAt", 1),),
    (("lease.owner", 1),),
    (("outbox.version", 1),),
    (("principal", 1), ("createdAt", -1), ("_id", -1)),
    (("createdAt", -1), ("_id", -1)),
)
_AHEAD: Final = 4
"""Events of a partition looked for by their exact ids before a range is read."""
_STANDING: Final = {"principal": 1, "contentHash": 1, "createdAt": 1}


class MongoStorage:
    """`services.store.ports.Storage` and its `Outbox`. Times in milliseconds."""

    def __init__(self, url: str, *, select_timeout_ms: int, timeout_ms: int, pool_size: int) -> None:
        try:
            self._client: AsyncIOMotorClient[Document] = AsyncIOMotorClient(
                url,
                serverSelectionTimeoutMS=select_timeout_ms,
                connectTimeoutMS=select_timeout_ms,
                socketTimeoutMS=timeout_ms,
                waitQueueTimeoutMS=timeout_ms,
                maxPoolSize=pool_size,
                appname="intents-store",
            )
        except (InvalidURI, ConfigurationError, ValueError) as error:
            raise CannotOpen(f"DATABASE_URL: {error}") from None
        database = self._client.get_default_database("intents").with_options(
            codec_options=CodecOptions(tz_aware=True),
            read_preference=ReadPreference.PRIMARY,
            write_concern=WriteConcern(w="majority", j=True, wtimeout=timeout_ms),
            read_concern=ReadConcern("majority"),
        )
        self._intents: Collection = database["intents"]
        self._reserved: Mapping[str, Collection] = {name: database[name] for name in ("requests", "nonces")}
        self._events: Collection = database["events"]
        self._solvers: Collection = database["solverStats"]
        self._meta: Collection = database["meta"]
        self._heads: list[int] = []
        self.meta = Meta(store_id="0" * 16, partitions=1)
        self.outbox: Outbox | None = self
        self.on_events: Callable[[], None] = lambda: None
        self.on_written: Callable[[Sequence[Document]], None] = lambda documents: None

    async def open(self, partitions: int) -> None:
        """Make what is not there yet. Raises CannotOpen, IntentError DEPENDENCY_UNAVAILABLE."""
        async with reachable():
            for keys in INTENT_INDEXES:
                await self._intents.create_index(list(keys))
            await self._solvers.create_index([("solverId", 1)])
            first: Document = {"_id": "store", "storeId": secrets.token_hex(8), "partitions": partitions}
            standing = (await insert_absent(self._meta, [first]))[0] or first
        self.meta = Meta(store_id=standing["storeId"], partitions=standing["partitions"])
        self._heads = [0] * self.meta.partitions
        if self.meta.partitions != partitions:
            raise other_partitions(self.meta, partitions)

    async def close(self) -> None:
        """Close every connection."""
        self._client.close()

    async def run(self, program: Program[T]) -> T:
        try:
            operation = next(program)
            while True:
                async with reachable():
                    answer = await self._do(operation)
                operation = program.send(answer)
        except StopIteration as end:
            result: T = end.value
            return result

    async def _do(self, operation: Operation) -> Any:
        match operation:
            case Look():
                requests, nonces, intents = await asyncio.gather(
                    self._reservations("requests", operation.requests),
                    self._reservations("nonces", operation.nonces),
                    by_id(self._intents, operation.intents, _STANDING),
                )
                return Found(requests, nonces, {key: _standing(one) for key, one in intents.items()})
            case Find():
                return await by_id(self._intents, operation.intent_ids)
            case Reserve():
                documents = [
                    {"_id": one.key, "intentId": one.intent_id, "contentHash": one.content_hash}
                    for one in operation.reservations
                ]
                standing = await insert_absent(self._reserved[operation.kind], documents)
                return [
                    mine if other is None else _reservation(other)
                    for mine, other in zip(operation.reservations, standing, strict=True)
                ]
            case Insert():
                standing = await insert_absent(self._intents, operation.documents, _STANDING)
                pairs = list(zip(operation.documents, standing, strict=True))
                self.on_written([document for document, other in pairs if other is None])
                return [None if other is None else _standing(other) for other in standing]
            case Update():
                return await self._update(operation.writes)
            case Due():
                due = {"nextActionAt": {"$lte": operation.now}}
                return await self._intents.find(
                    due, sort=[("nextActionAt", 1)], limit=operation.limit
                ).to_list(None)
            case OwnedBy():
                owned = {"lease.owner": operation.owner}
                return await self._intents.find(owned, limit=operation.limit).to_list(None)
            case Tally():
                for ended in operation.ended:
                    await self._tally(ended)
                return None

    async def _update(self, writes: Sequence[Write]) -> list[Document | None]:
        chains: dict[str, list[int]] = {}
        for index, write in enumerate(writes):
            chains.setdefault(write.intent_id, []).append(index)
        answers: list[Document | None] = [None] * len(writes)

        async def follow(indexes: Sequence[int]) -> None:
            for index in indexes:
                write = writes[index]
                change = {"$set": dict(write.set)} | ({"$push": dict(write.push)} if write.push else {})
                after: Document | None = await self._intents.find_one_and_update(
                    {"_id": write.intent_id, **write.where}, change, return_document=ReturnDocument.AFTER
                )
                answers[index] = after
                if after is not None and write.push:
                    # handed over at once: a later write of the batch may fail, this one's event is told all the same
                    self.on_written([{**after, "outbox": list(after["outbox"])}])

        await together([follow(indexes) for indexes in chains.values()])
        return answers

    async def _tally(self, ended: Ended) -> None:
        increments = {"executions": 1, "successes": int(ended.success), "seconds": float(ended.seconds)}
        try:
            stats = await self._solvers.find_one_and_update(
                {"_id": ended.solver_id},
                {"$inc": increments, "$setOnInsert": {"solverId": ended.solver_id}},
                upsert=True,
                return_document=ReturnDocument.AFTER,
            )
            count = stats["executions"]
            rates = {"successRate": stats["successes"] / count, "avgExecutionTime": stats["seconds"] / count}
            await self._solvers.update_one({"_id": ended.solver_id, "executions": count}, {"$set": rates})
        except PyMongoError as error:
            # the move itself is durable; a count that is missing shows in no promise
            logs.event(logger, logging.WARNING, "store.tally_lost", why=type(error).__name__)

    # --- reading

    async def find(self, intent_ids: Sequence[str]) -> Mapping[str, Document]:
        async with reachable():
            return await by_id(self._intents, intent_ids)

    async def requests(self, keys: Sequence[str]) -> Mapping[str, Reservation]:
        async with reachable():
            return await self._reservations("requests", keys)

    async def page(self, query: ListQuery, after: PageKey | None, limit: int) -> Sequence[Document]:
        filters = {
            "principal": query.principal,
            "userId": query.user_id,
            "status": query.status.value if query.status else "",
            "action": query.action,
        }
        where: Document = {name: value for name, value in filters.items() if value}
        if after is not None:
            same = {"createdAt": after.created_at, "_id": {"$lt": after.intent_id}}
            where["$or"] = [{"createdAt": {"$lt": after.created_at}}, same]
        async with reachable():
            newest = [("createdAt", -1), ("_id", -1)]
            return await self._intents.find(where, sort=newest, limit=limit).to_list(None)

    async def counts(self, *, principal: str, user_id: str) -> Mapping[Status, int]:
        where = {name: value for name, value in (("principal", principal), ("userId", user_id)) if value}
        group = {"$group": {"_id": "$status", "count": {"$sum": 1}}}
        async with reachable():
            rows = await self._intents.aggregate([{"$match": where}, group]).to_list(None)
        known = set(Status)
        return {Status(row["_id"]): row["count"] for row in rows if row["_id"] in known}

    async def solvers(self, limit: int) -> Sequence[SolverStatistics]:
        async with reachable():
            rows = await self._solvers.find({}, sort=[("executions", -1), ("_id", 1)], limit=limit).to_list(
                None
            )
        return [
            SolverStatistics(
                solver_id=row["solverId"],
                success_rate=row.get("successRate", 0.0),
                avg_execution_time=row.get("avgExecutionTime", 0.0),
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
        for event in await self._events.find({"_id": {"$in": ids}}).to_list(None):
            found.setdefault(event["partition"], []).append(event)
        for events in found.values():
            events.sort(key=lambda event: int(event["sequence"]))
        return found

    async def _read(self, partition: int, after: int, limit: int) -> list[Document]:
        where = {"_id": {"$gt": event_id(partition, after), "$lt": event_id(partition + 1, 0)}}
        return await self._events.find(where, sort=[("_id", 1)], limit=limit).to_list(None)

    async def heads(self) -> Sequence[int]:
        async with reachable():
            found = await self._following(dict(enumerate(self._heads)))
            far = [one for one, events in found.items() if len(events) == _AHEAD]
            newest = await together([self._newest(partition) for partition in far])
        near = {one: int(events[-1]["sequence"]) for one, events in found.items()}
        for partition, sequence in (near | dict(zip(far, newest, strict=True))).items():
            self._heads[partition] = max(self._heads[partition], sequence)
        return list(self._heads)

    async def _newest(self, partition: int) -> int:
        where = {"_id": {"$gte": event_id(partition, 0), "$lt": event_id(partition + 1, 0)}}
        newest = await self._events.find(where, {"sequence": 1}, sort=[("_id", -1)], limit=1).to_list(None)
        return newest[0]["sequence"] if newest else 0

    async def _reservations(self, kind: str, keys: Sequence[str]) -> dict[str, Reservation]:
        return {key: _reservation(one) for key, one in (await by_id(self._reserved[kind], keys)).items()}

    # --- outbox

    async def waiting(self, limit: int) -> Sequence[Document]:
        async with reachable():
            # no more of them than it takes to see which are not in hand already
            left = self._intents.find({"outbox.version": {"$gte": 1}}, {"outbox": 1}, limit=limit)
            return await left.to_list(None)

    async def reread(self, intent_id: str) -> Document | None:
        async with reachable():
            return await self._intents.find_one({"_id": intent_id})

    async def number(self, intent_id: str, version: int, before: int, after: int) -> bool:
        async with reachable():
            result = await self._intents.update_one(
                {"_id": intent_id, "outbox.0.version": version, "outbox.0.sequence": before},
                {"$set": {"outbox.0.sequence": after}},
            )
        return result.modified_count == 1

    async def append(self, event: Document) -> tuple[str, int] | None:
        async with reachable():
            (standing,) = await insert_absent(self._events, [event], {"intentId": 1, "version": 1})
        return None if standing is None else (standing["intentId"], standing["version"])

    async def unbox(self, intent_id: str, version: int, sequence: int) -> bool:
        async with reachable():
            result = await self._intents.update_one(
                {"_id": intent_id, "outbox.0.version": version, "outbox.0.sequence": sequence},
                {"$pop": {"outbox": -1}},
            )
        return result.modified_count == 1

    async def newest(self, partition: int) -> int:
        async with reachable():
            return await self._newest(partition)


def _standing(one: Document) -> Standing:
    return Standing(one["_id"], one["principal"], one["contentHash"], one["createdAt"])


def _reservation(one: Document) -> Reservation:
    return Reservation(one["_id"], one["intentId"], one["contentHash"])
