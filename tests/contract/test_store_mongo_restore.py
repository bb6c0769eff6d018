"""A MongoDB put back as docs/operations.md says: from a copy of its server's files, or of its collections."""

import shutil
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Final, Self

import pymongo
import pytest
from bson.raw_bson import RawBSONDocument

from services.common.errors import IntentError, Reason
from tests.harness import servers
from tests.harness.servers import ServerProcess
from tests.rpc.test_store_admin import admin
from tests.unit.store.retaining import nothing_wrong, retention, written
from tests.unit.store.support import HandClock, all_events, created, logged, opened, opened_storage

COLLECTIONS: Final = (
    "meta",
    "rollups",
    "keys",
    "events",
    "intents",
    "solverStats",
    "nonces",
    "requests",
    "intentsArchive",
)
"""All that a store has."""
SERVERS: Final[dict[str, Callable[[Path], ServerProcess]]] = {
    "secantus": servers.secantus,
    "mongo-java": servers.mongo_java,
}


def renamed(url: str, name: str) -> str:
    return servers.mongo_database_url(url, name)


class Tools:
    """What mongodump and mongorestore do, one collection after another, by a bare driver."""

    def __init__(self, url: str) -> None:
        self.client = pymongo.MongoClient[Any](url, document_class=RawBSONDocument)
        self.database = self.client.get_default_database()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *raised: object) -> None:
        self.client.close()

    def dump(self, name: str) -> Sequence[RawBSONDocument]:
        return list(self.database[name].find())

    def load(self, name: str, documents: Sequence[RawBSONDocument]) -> None:
        assert name not in self.database.list_collection_names()
        if documents:
            self.database[name].insert_many(documents)


async def test_p05_a_store_copied_at_rest_is_restored_whole(any_mongo: str, tmp_path: Path) -> None:
    clock = HandClock()
    await written(any_mongo, clock, 12)
    clock.advance(hours=2)
    async with opened_storage(any_mongo) as storage:
        await retention(storage, tmp_path, clock=clock).once()
    cursor = (await written(any_mongo, clock, 4)).cursor
    async with opened(any_mongo, clock) as made:
        before = await all_events(made.store)
    place = any_mongo.replace("?", "_restored?")
    with Tools(any_mongo) as source, Tools(place) as target:
        assert {*source.database.list_collection_names()} <= {*COLLECTIONS}
        for name in COLLECTIONS:
            target.load(name, source.dump(name))
    assert (await admin(place, "new-identity"))[0] == 0
    async with opened(place, clock) as made:
        assert await all_events(made.store) == before
        with pytest.raises(IntentError) as error:
            await anext(made.store.watch_events(cursor))
        assert error.value.reason is Reason.CURSOR_EXPIRED
        await created(made.store, "later")
        await logged(made.store, len(before) + 1)
    async with opened_storage(place) as storage:
        await nothing_wrong(storage)


@pytest.mark.parametrize("name", SERVERS)
async def test_p05_a_stopped_servers_files_are_copied_and_restored(name: str, tmp_path: Path) -> None:
    if lacking := servers.missing(name):
        pytest.skip(f"missing: {lacking}")
    first = SERVERS[name](tmp_path / "first").start()
    try:
        url = renamed(first.url, "intents")
        cursor = (await written(url, HandClock(), 6)).cursor
    finally:
        first.stop()
    shutil.copytree(tmp_path / "first", tmp_path / "second")
    second = SERVERS[name](tmp_path / "second").start()
    try:
        url = renamed(second.url, "intents")
        code, said, _ = await admin(url, "verify")
        assert code == 0 and "6 intents, 12 events" in said and "nothing found" in said, said
        assert (await admin(url, "new-identity"))[0] == 0
        async with opened(url) as made:
            assert len(await all_events(made.store)) == 12
            with pytest.raises(IntentError):
                await made.store.list_events(cursor)
    finally:
        second.stop()
