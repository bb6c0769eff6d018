"""One seam for two drivers of MongoDB: motor, and its successor, PyMongo's own AsyncMongoClient (docs/adr/0006).

What they do differently stands here: `aggregate` and `close` are awaited with one and not with the other. What
they have in common stands here too, because the store's correctness rests on it: every collection writes to a
majority with the journal and reads what a majority has, from the primary, whatever the URL says; every wait is
bounded. A call carries the deadline of the RPC it is made for (services.common.rpc.deadline): the driver gives
the server, the connection and the pool no more time than is left, nor more than one call may take.

Raises PyMongoError, and IntentError DEADLINE_EXCEEDED where the caller's time was up: what a write did is then
not known.
"""

import asyncio
import inspect
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Any, Final, Self, TypeVar

import pymongo
from bson.codec_options import CodecOptions
from pymongo.errors import PyMongoError
from pymongo.read_concern import ReadConcern
from pymongo.read_preferences import ReadPreference
from pymongo.results import BulkWriteResult, DeleteResult, UpdateResult
from pymongo.write_concern import WriteConcern

from services.common.errors import too_late
from services.common.rpc import deadline
from services.store.config import Driver
from services.store.ports import Document

DATABASE: Final = "intents"
"""Where the URL names none."""

_FAREWELL: Final = 1.0
"""Seconds."""

T = TypeVar("T")


@dataclass(frozen=True, slots=True, kw_only=True)
class Bounds:
    """Of waiting, in milliseconds, and of connections to one server.

    `select_ms`: for a server that can be used, and for a connection to it. `call_ms`: for a free connection, then
    for an answer on it, and for a majority to have a write.
    """

    select_ms: int
    call_ms: int
    pool_size: int


class Client:
    """Connections to one database. Nothing is asked of a server before the first call.

    Raises ConfigurationError, InvalidURI, ValueError for an URL that names none.
    """

    def __init__(self, driver: Driver, url: str, bounds: Bounds) -> None:
        self._client: Any = _kind(driver)(
            url,
            serverSelectionTimeoutMS=bounds.select_ms,
            connectTimeoutMS=bounds.select_ms,
            socketTimeoutMS=bounds.call_ms,
            waitQueueTimeoutMS=bounds.call_ms,
            maxPoolSize=bounds.pool_size,
            appname="intents-store",
        )
        self._database = self._client.get_default_database(DATABASE).with_options(
            codec_options=CodecOptions(tz_aware=True),
            read_preference=ReadPreference.PRIMARY,
            write_concern=WriteConcern(w="majority", j=True, wtimeout=bounds.call_ms),
            read_concern=ReadConcern("majority"),
        )
        self._calls = Calls(bounds)

    def collection(self, name: str) -> "Collection":
        return Collection(self._database[name], self._calls)

    async def close(self) -> None:
        """Close every connection; what was left behind ends with them."""
        # the server is told of sessions that end: one that hangs is not waited for
        with pymongo.timeout(_FAREWELL):
            if inspect.iscoroutinefunction(self._client.close):
                await self._client.close()
            else:
                await asyncio.to_thread(self._client.close)
        await self._calls.close()


def _kind(driver: Driver) -> Any:
    # the other one is not even imported
    if driver == "motor":
        from motor.motor_asyncio import AsyncIOMotorClient

        return AsyncIOMotorClient
    return pymongo.AsyncMongoClient


class Calls:
    """Bounds every call, and lets each come to its own end.

    As many run at once as there are connections, so that none waits long for one. Who is cancelled leaves a call
    behind instead of cutting it off: it ends within its bounds. Cut off, AsyncMongoClient gives up the connection,
    and before Python 3.12 may even swallow the cancellation (`asyncio.wait_for` did).
    """

    def __init__(self, bounds: Bounds) -> None:
        self._most = bounds.call_ms / 1000
        self._slots = asyncio.Semaphore(bounds.pool_size)
        self._running: set[asyncio.Future[Any]] = set()

    async def __call__(self, call: Callable[[], Awaitable[T]]) -> T:
        left = deadline.remaining()
        if left is None:
            # nobody waits: each wait has the client's own bound
            return await self._run(call)
        if left <= 0:
            raise too_late("store")
        try:
            async with asyncio.timeout(left):
                return await self._run(call)
        except TimeoutError:
            raise too_late("store") from None
        except PyMongoError as error:
            if error.timeout and left <= self._most:
                raise too_late("store") from error
            raise

    async def _run(self, call: Callable[[], Awaitable[T]]) -> T:
        await self._slots.acquire()
        left = deadline.remaining()
        # motor's threads get this with the context, AsyncMongoClient's coroutines are in it
        try:
            with pymongo.timeout(None if left is None else max(0.001, min(left, self._most))):
                running = asyncio.ensure_future(call())
        except BaseException:
            self._slots.release()
            raise
        self._running.add(running)
        running.add_done_callback(self._ended)
        return await asyncio.shield(running)

    def _ended(self, running: "asyncio.Future[Any]") -> None:
        self._running.discard(running)
        self._slots.release()
        if not running.cancelled():
            running.exception()  # who asked may be gone

    async def close(self) -> None:
        """After the client was closed: see what was left behind end."""
        if self._running:
            await asyncio.wait(self._running, timeout=_FAREWELL)


class Cursor:
    """Results to come."""

    def __init__(self, open_: Callable[[], Any], calls: Calls) -> None:
        self._open = open_
        self._calls = calls
        self._cursor: Any = None

    async def to_list(self, most: int | None) -> list[Document]:
        """The next `most`, or all; an empty list at the end."""

        async def read() -> list[Document]:
            if self._cursor is None:
                cursor = self._open()
                self._cursor = await cursor if inspect.isawaitable(cursor) else cursor
            found: list[Document] = await self._cursor.to_list(most)
            return found

        return await self._calls(read)

    async def close(self) -> None:
        """Let the server forget it."""
        if self._cursor is not None:
            await self._cursor.close()


class Collection:
    """The driver's calls that the store uses, by the driver's names and with its arguments."""

    def __init__(self, bare: Any, calls: Calls) -> None:
        self._bare = bare
        self._calls = calls

    def with_options(self, *, codec_options: CodecOptions[Document]) -> Self:
        return type(self)(self._bare.with_options(codec_options=codec_options), self._calls)

    def find(self, *args: Any, **options: Any) -> Cursor:
        return Cursor(lambda: self._bare.find(*args, **options), self._calls)

    def aggregate(self, pipeline: Sequence[Document], **options: Any) -> Cursor:
        return Cursor(lambda: self._bare.aggregate(pipeline, **options), self._calls)

    async def find_one(self, *args: Any, **options: Any) -> Document | None:
        found: Document | None = await self._calls(lambda: self._bare.find_one(*args, **options))
        return found

    async def find_one_and_update(self, where: Document, change: Document, **options: Any) -> Document | None:
        found: Document | None = await self._calls(
            lambda: self._bare.find_one_and_update(where, change, **options)
        )
        return found

    async def count_documents(self, where: Document, **options: Any) -> int:
        count: int = await self._calls(lambda: self._bare.count_documents(where, **options))
        return count

    async def insert_one(self, document: Document) -> None:
        await self._calls(lambda: self._bare.insert_one(document))

    async def insert_many(self, documents: Sequence[Document], *, ordered: bool) -> None:
        await self._calls(lambda: self._bare.insert_many(documents, ordered=ordered))

    async def update_one(self, where: Document, change: Document, **options: Any) -> UpdateResult:
        result: UpdateResult = await self._calls(lambda: self._bare.update_one(where, change, **options))
        return result

    async def update_many(self, where: Document, change: Document) -> UpdateResult:
        result: UpdateResult = await self._calls(lambda: self._bare.update_many(where, change))
        return result

    async def replace_one(self, where: Document, document: Document) -> UpdateResult:
        result: UpdateResult = await self._calls(lambda: self._bare.replace_one(where, document))
        return result

    async def bulk_write(self, writes: Sequence[Any], *, ordered: bool) -> BulkWriteResult:
        result: BulkWriteResult = await self._calls(lambda: self._bare.bulk_write(writes, ordered=ordered))
        return result

    async def delete_one(self, where: Document) -> DeleteResult:
        result: DeleteResult = await self._calls(lambda: self._bare.delete_one(where))
        return result

    async def delete_many(self, where: Document) -> DeleteResult:
        result: DeleteResult = await self._calls(lambda: self._bare.delete_many(where))
        return result

    async def create_index(self, keys: Sequence[tuple[str, Any]], **options: Any) -> str:
        name: str = await self._calls(lambda: self._bare.create_index(keys, **options))
        return name
