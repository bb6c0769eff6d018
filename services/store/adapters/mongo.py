"""The store on MongoDB: majority journalled writes, majority reads, single-document updates only.

No transaction, no pipeline update, no partial or TTL index, no change stream: what correctness rests on is
that an `_id` is unique and that one document changes at once.
"""

import secrets
from collections.abc import Callable
from typing import TypeVar

from bson.codec_options import CodecOptions
from motor.motor_asyncio import AsyncIOMotorClient
from pymongo.errors import ConfigurationError, InvalidURI
from pymongo.read_concern import ReadConcern
from pymongo.read_preferences import ReadPreference
from pymongo.write_concern import WriteConcern

from services.store.adapters.mongo_calls import any_other_id, insert_absent, reachable
from services.store.adapters.mongo_outbox import MongoOutbox
from services.store.adapters.mongo_program import MongoProgram
from services.store.adapters.mongo_reads import MongoReads
from services.store.adapters.mongo_scans import MongoScans
from services.store.adapters.mongo_schema import INTENT_INDEXES, KEPT, RESERVED, Collections
from services.store.adapters.mongo_strangers import MongoStrangers
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


class MongoStorage(MongoReads):
    """`services.store.ports.Storage`. Times in milliseconds."""

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

        self._on = Collections(
            intents=database["intents"],
            archive=database["intentsArchive"],
            events=database["events"],
            solvers=database["solverStats"],
            reserved={name: database[name] for name in RESERVED},
            kept={name: database[name] for name in KEPT},
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
        async with reachable():
            for keys in INTENT_INDEXES:
                await self._on.intents.create_index(list(keys))
            await self._on.solvers.create_index([("solverId", 1)])
            first: Document = {"_id": "store", "storeId": secrets.token_hex(8), "partitions": partitions}
            standing = (await insert_absent(self._on.kept["meta"], [first]))[0] or first
            self._program.strangers = await any_other_id(self._on.intents)
        self.meta = Meta(store_id=standing["storeId"], partitions=standing["partitions"])
        self._heads = [0] * self.meta.partitions
        if self.meta.partitions != partitions:
            raise other_partitions(self.meta, partitions)

    async def close(self) -> None:
        """Close every connection."""
        self._client.close()

    async def run(self, program: Program[T]) -> T:
        return await self._program.run(program)
