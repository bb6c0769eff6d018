"""Stores of our schema and of the one before at work on one database at once: nothing is lost, migrating ends it.

The one before is our code without what schema 2 added (tests/unit/store/older.py); the real one was run by hand:
docs/reliability.md.
"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from services.store.app import _relaying
from tests.fault.schema_load import Load, looked_at, migrated
from tests.unit.store.older import Older
from tests.unit.store.support import HandClock, on, opened, opened_storage, sqlite_url

COUNT = 60


@pytest.fixture(params=["sqlite", "mongo-java"])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    if request.param == "sqlite":
        return sqlite_url(tmp_path)
    return str(request.getfixturevalue("mongo_java_url"))


@asynccontextmanager
async def before(url: str, clock: HandClock) -> AsyncIterator[Any]:
    """A store of the schema before."""
    async with opened_storage(url) as storage, _relaying(storage, clock, 0.05):
        store = on(Older(storage), clock)
        yield store
        await store.close()


@pytest.mark.parametrize("seed", [1])
async def test_p12_two_schemas_on_one_database_lose_nothing(url: str, seed: int) -> None:
    async with AsyncExitStack() as stack:
        here = await stack.enter_async_context(opened(url))
        there = await stack.enter_async_context(opened(url, here.clock))
        older = [await stack.enter_async_context(before(url, here.clock)) for _ in range(2)]
        load = Load([here.store, there.store, *older], COUNT, seed)
        running = asyncio.create_task(load.run())
        try:
            # against the order of things, while stores of the schema before are still at work
            while load.ended < COUNT // 2 and not running.done():
                await migrated(url)
        finally:
            load.second_half.set()  # what older stores do from here on, nothing has renewed yet
            await running
        await load.check()
    found, old = await looked_at(url)
    # they left their mark, and nothing worse than fields that no promise rests on
    assert old + len(found) > 0 and {kind for kind, _ in found} <= {"derived"}
    assert await migrated(url) == old + len(found)
    assert await looked_at(url) == ([], 0)
