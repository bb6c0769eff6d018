"""The store on MongoDB: majority journalled writes, majority reads, single-document updates only.

No transaction, no pipeline update, no partial or TTL index, no change stream: what correctness rests on is
that an `_id` is unique and that one document changes at once.
"""

import secrets
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import Final, TypeVar

from pymongo.errors import ConfigurationError, InvalidURI, OperationFailure

from services.common.errors import IntentError
from services.store.adapters.mongo_calls import any_stranger, insert_absent, reachable
from services.store.adapters.mongo_driver import Bounds, Client
from services.store.adapters.mongo_outbox import MongoOutbox
from services.store.adapters.mongo_program import MongoProgram
from services.store.adapters.mongo_reads import MongoReads
from services.store.adapters.mongo_scans import MongoScans
from services.store.adapters.mongo_schema import INTENT_INDEXES, KEPT, RESERVED, SPARSE_INDEXES, Collections
from services.store.adapters.mongo_strangers import MongoStrangers
from services.store.config import Driver
from services.store.ports import (
    CannotOpen,
    Document,
    Meta,
    Outbox,
    Program,
    Scans,
    Strangers,
    other_partitions,
)

T = TypeVar("T")

_REFUSED: Final = (13, 18, 8000)
"""Unauthorized, AuthenticationFailed, and what a hosted service says for either."""


class MongoStorage(MongoReads):
    """`services.store.ports.Storage`. Times in milliseconds."""

    def __init__(
        self, url: str, *, select_timeout_ms: int, timeout_ms: int, pool_size: int, driver: Driver = "motor"
    ) -> None:
        bounds = Bounds(select_ms=select_timeout_ms, call_ms=timeout_ms, pool_size=pool_size)
        try:
            self._client = Client(driver, url, bounds)
        except (InvalidURI, ConfigurationError, ValueError) as error:
            raise CannotOpen(f"DATABASE_URL: {error}") from None
        database = self._client.collection
        self._on = Collections(
            intents=database("intents"),
            archive=database("intentsArchive"),
            events=database("events"),
            solvers=database("solverStats"),
            reserved={name: database(name) for name in RESERVED},
            kept={name: database(name) for name in KEPT},
        )
        self._heads = []
        self.meta = Meta(store_id="0" * 16, partitions=1)
        outbox = MongoOutbox(self._on)
        self.outbox: Outbox | None = outbox
        self.scans: Scans = MongoScans(self._on)
        self.strangers: Strangers | None = MongoStrangers(self._on)
        self._program = MongoProgram(self._on, lambda documents: outbox.on_written(documents))
        self.on_events: Callable[[], None] = lambda: None

    async def open(self, partitions: int) -> None:
        """Make what is not there yet. Raises CannotOpen, IntentError DEPENDENCY_UNAVAILABLE."""
        async with _usable(), reachable():
            for keys in INTENT_INDEXES:
                await self._on.intents.create_index(list(keys))
            for keys in SPARSE_INDEXES:
                await self._on.intents.create_index(list(keys), sparse=True)
            await self._on.solvers.create_index([("solverId", 1)])
            first: Document = {"_id": "store", "storeId": secrets.token_hex(8), "partitions": partitions}
            standing = (await insert_absent(self._on.kept["meta"], [first]))[0] or first
            self._program.strangers = await any_stranger(self._on.intents)
        self.meta = Meta(store_id=standing["storeId"], partitions=standing["partitions"])
        self._heads = [0] * self.meta.partitions
        if self.meta.partitions != partitions:
            raise other_partitions(self.meta, partitions)

    async def renew_identity(self) -> None:
        before, after = self.meta.store_id, secrets.token_hex(8)
        where = {"_id": "store", "storeId": before}
        async with reachable():
            result = await self._on.kept["meta"].update_one(where, {"$set": {"storeId": after}})
        if result.modified_count != 1:
            raise CannotOpen(
                "this store's identity was changed by somebody else meanwhile; nothing was changed"
            )
        self.meta = replace(self.meta, store_id=after)

    async def close(self) -> None:
        """Close every connection."""
        await self._client.close()

    async def run(self, program: Program[T]) -> T:
        return await self._program.run(program)


@asynccontextmanager
async def _usable() -> AsyncIterator[None]:
    """What another attempt would meet again becomes CannotOpen."""
    try:
        yield
    except IntentError as error:
        match error.__cause__:
            case OperationFailure(code=code) if code in _REFUSED:
                raise CannotOpen(
                    "DATABASE_URL: the server refuses this user or password, or the user may not use this database"
                ) from error
            case ConfigurationError() as wrong:
                # a server too old for the driver says so here
                raise CannotOpen(f"DATABASE_URL: {wrong}") from error
        raise
