"""A store's program run step by step on MongoDB: every operation of services/store/ports.py, each durable."""

import asyncio
import logging
from collections import OrderedDict
from collections.abc import Callable, Sequence
from typing import Any, Final, TypeVar

from pymongo import ReturnDocument
from pymongo.errors import PyMongoError

from services.common.clock import from_ns
from services.common.errors import IntentError
from services.common.observe import logs
from services.store.adapters.mongo_calls import (
    between,
    by_id,
    drop,
    insert_absent,
    reachable,
    records,
    reservation,
    together,
)
from services.store.adapters.mongo_keep import keep
from services.store.adapters.mongo_schema import Collections
from services.store.adapters.mongo_update import MongoUpdates
from services.store.ports import (
    Append,
    Document,
    Drop,
    Due,
    DueOfUsers,
    Ended,
    Find,
    Found,
    Heads,
    Insert,
    Keep,
    Kept,
    KeptBetween,
    Look,
    Operation,
    OwnedBy,
    Program,
    Recall,
    Refile,
    Reservation,
    Reserve,
    Standing,
    Tally,
    Update,
    Write,
)

logger = logging.getLogger(__name__)

T = TypeVar("T")

RECENT: Final = 1024
"""Intents remembered, the last seen."""
EPOCH: Final = from_ns(0)
_STANDING: Final = {"principal": 1, "contentHash": 1, "createdAt": 1}


class MongoProgram:
    """Runs programs. `on_written` is called with documents whose outbox was just written to."""

    def __init__(self, on: Collections, on_written: Callable[[Sequence[Document]], None]) -> None:
        self._on = on
        self._on_written = on_written
        self._updates = MongoUpdates(on.intents, on_written)
        self._recent: OrderedDict[str, Document] = OrderedDict()
        self.strangers = False
        """Another system's documents were there at the start: their intents are looked for before any is created."""

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
                requests, nonces, intents, strange = await asyncio.gather(
                    self._reservations("requests", operation.requests),
                    self._reservations("nonces", operation.nonces),
                    by_id(self._on.intents, operation.intents, _STANDING),
                    self._strange(operation.intents),
                )
                ours = {key: _standing(one) for key, one in intents.items()}
                return Found(requests, nonces, strange | ours)
            case Find():
                return self._remember(await records(self._on.intents, operation.intent_ids))
            case Recall():
                recent = self._recent
                return {one: recent[one] for one in operation.intent_ids if one in recent}
            case Reserve():
                documents = [
                    {"_id": one.key, "intentId": one.intent_id, "contentHash": one.content_hash}
                    for one in operation.reservations
                ]
                standing = await insert_absent(self._on.reserved[operation.kind], documents)
                return [
                    mine if other is None else reservation(other)
                    for mine, other in zip(operation.reservations, standing, strict=True)
                ]
            case Insert():
                standing = await insert_absent(self._on.intents, operation.documents, _STANDING)
                pairs = list(zip(operation.documents, standing, strict=True))
                self._on_written([document for document, other in pairs if other is None])
                return [None if other is None else _standing(other) for other in standing]
            case Update():
                return await self._update(operation.writes)
            case Due():
                due = {"nextActionAt": {"$lte": operation.now}}
                find = self._on.intents.find(due, sort=[("nextActionAt", 1)], limit=operation.limit)
                if not operation.reserved_for:
                    return [], await find.to_list(None)
                owned = self._owned(operation.reserved_for, operation.limit)
                return await together([owned, find.to_list(None)])
            case DueOfUsers():
                return await self._heads(operation)
            case OwnedBy():
                return await self._owned(operation.owner, operation.limit)
            case Tally():
                for ended in operation.ended:
                    await self._tally(ended)
                return None
            case Kept():
                return await by_id(self._on.kept[operation.kind], operation.keys)
            case KeptBetween():
                kept = self._on.kept[operation.kind]
                return await between(kept, operation.first, operation.last, operation.limit)
            case Keep():
                return await keep(self._on.kept[operation.kind], operation.documents)
            case Append():
                standing = await insert_absent(self._on.events, operation.events, {"_id": 1})
                return [one is None for one in standing]
            case Refile():
                return None
            case Drop():
                return await drop(self._on.events, operation.partition, operation.through, operation.limit)

    async def _owned(self, owner: str, limit: int) -> list[Document]:
        return await self._on.intents.find({"lease.owner": owner}, limit=limit).to_list(None)

    async def _heads(self, asked: DueOfUsers) -> Heads:
        """One find a user: the index leads from each to the next who has something due."""
        documents: list[Document] = []
        upto = asked.after
        while len(documents) < asked.users:
            # from the epoch on: held ones have no next action
            where = {"openUser": {"$gt": upto}, "nextActionAt": {"$gte": EPOCH, "$lte": asked.now}}
            order = [("openUser", 1), ("nextActionAt", 1)]
            # by the index over time alone the server would look at all that is due
            found = await self._on.intents.find(where, sort=order, limit=1, hint=order).to_list(None)
            if not found:
                return Heads(documents, "")
            documents += found
            upto = found[0]["openUser"]
        return Heads(documents, upto)

    def _remember(self, documents: dict[str, Document]) -> dict[str, Document]:
        """For Recall: who claimed an intent moves it next, as a rule through the same process."""
        for intent_id, document in documents.items():
            self._recent.pop(intent_id, None)
            if document.get("nextActionAt") is not None:
                self._recent[intent_id] = document
        while len(self._recent) > RECENT:
            self._recent.popitem(last=False)
        return documents

    async def _update(self, writes: Sequence[Write]) -> list[Document | None]:
        answers = await self._updates.update(writes)
        self._remember({after["_id"]: after for after in answers if after is not None})
        return answers

    async def _tally(self, ended: Ended) -> None:
        increments = {"executions": 1, "successes": int(ended.success), "seconds": float(ended.seconds)}
        try:
            stats = await self._on.solvers.find_one_and_update(
                {"_id": ended.solver_id},
                {"$inc": increments, "$setOnInsert": {"solverId": ended.solver_id}},
                upsert=True,
                return_document=ReturnDocument.AFTER,
            )
            assert stats is not None
            count = stats["executions"]
            rates = {"successRate": stats["successes"] / count, "avgExecutionTime": stats["seconds"] / count}
            await self._on.solvers.update_one({"_id": ended.solver_id, "executions": count}, {"$set": rates})
        except (PyMongoError, IntentError) as error:
            # the move itself is durable; a count that is missing shows in no promise
            logs.event(logger, logging.WARNING, "store.tally_lost", why=type(error).__name__)

    async def _strange(self, intent_ids: Sequence[str]) -> dict[str, Standing]:
        if not self.strangers:
            return {}
        where = {"intentId": {"$in": list(intent_ids)}}
        found = await self._on.intents.find(where, {"_id": 1, "intentId": 1}).to_list(None)
        strange = [one["intentId"] for one in found if one["_id"] != one["intentId"]]
        return {one: Standing(one, "", "", EPOCH) for one in strange}

    async def _reservations(self, kind: str, keys: Sequence[str]) -> dict[str, Reservation]:
        return {key: reservation(one) for key, one in (await by_id(self._on.reserved[kind], keys)).items()}


def _standing(one: Document) -> Standing:
    # a document that another system wrote says none of these: its intent is nobody's and equals no other
    return Standing(
        one["_id"], one.get("principal", ""), one.get("contentHash", ""), one.get("createdAt", EPOCH)
    )
