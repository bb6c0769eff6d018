"""Databases of a run: made, filled past the store's use cases by its own storage, dropped."""

import asyncio
import os
from collections.abc import AsyncIterator, Iterable, Iterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from typing import Any, Final

import pymongo
from pymongo.errors import PyMongoError

from bench.frame import BenchError
from services.common.clock import SystemClock
from services.common.observe import Observe
from services.common.observe.metrics import new_registry
from services.store.app import open_storage, open_store
from services.store.config import StoreSettings
from services.store.ports import Document, Insert, Program, Standing
from services.store.service import Store

PORTION: Final = 500


@dataclass(slots=True)
class Databases:
    """Of one backend: SQLite files in `folder`, or databases of the server at `url`."""

    folder: Path
    url: str = ""
    _made: list[str] = field(default_factory=list)

    @property
    def mongo(self) -> bool:
        return bool(self.url)

    @property
    def backend(self) -> str:
        return "MongoDB protocol" if self.mongo else "SQLite"

    def new(self, name: str) -> str:
        """URL of an empty one."""
        if not self.mongo:
            return f"sqlite:///{self.folder / name}.db"
        address, _, options = self.url.partition("?")
        scheme, _, rest = address.partition("://")
        database = f"bench_{os.getpid()}_{name}"
        self._made.append(database)
        return f"{scheme}://{rest.split('/', 1)[0]}/{database}" + (f"?{options}" if options else "")

    def drop(self) -> None:
        """Those of the server; files go with the folder. Raises BenchError where it does not answer."""
        if not self._made:
            return
        try:
            with pymongo.MongoClient[Document](self.url, serverSelectionTimeoutMS=5_000) as client:
                for database in self._made:
                    client.drop_database(database)
        except PyMongoError:
            raise BenchError(
                f"the server at --url is away; {', '.join(self._made)} may be left there"
            ) from None


def settings(url: str, **changes: Any) -> StoreSettings:
    """The product's defaults on this database; a server may be slow to build an index of many."""
    return StoreSettings(database_url=url, **{"database_timeout_ms": 60_000} | changes)


@asynccontextmanager
async def store(url: str) -> AsyncIterator[Store]:
    """The store in this process, with all its background work."""
    observe = Observe(service="bench", registry=new_registry(process=False))
    async with open_store(settings(url), SystemClock(), observe) as opened:
        yield opened


async def fill(url: str, documents: Iterable[Document]) -> int:
    """Insert all; how many. Raises BenchError where an id was taken."""
    count = 0
    async with open_storage(settings(url)) as storage:
        # the next portion is made while this one is written
        writing: asyncio.Task[Any] | None = None
        for portion in _portions(documents):
            if writing is not None:
                await writing
            writing = asyncio.create_task(storage.run(_inserting(portion)))
            await asyncio.sleep(0)
            count += len(portion)
        if writing is not None:
            await writing
    return count


def _portions(documents: Iterable[Document]) -> Iterator[list[Document]]:
    left = iter(documents)
    while portion := list(islice(left, PORTION)):
        yield portion


def _inserting(documents: Sequence[Document]) -> Program[None]:
    standing: Sequence[Standing | None] = yield Insert(documents)
    if any(one is not None for one in standing):
        raise BenchError("an intent of the bench was there before")
