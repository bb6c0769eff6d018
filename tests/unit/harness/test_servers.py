"""The servers that other tests stand on: data and port outlive a restart, and a database is nobody else's."""

from collections.abc import Callable
from pathlib import Path

import pymongo
import pytest
import redis

from tests.harness import servers
from tests.harness.servers import ServerProcess
from tests.harness.wait import eventually


def test_valkey_keeps_port_and_data_over_a_restart(tmp_path: Path) -> None:
    server = servers.valkey(tmp_path).start()
    try:
        with redis.Redis.from_url(server.url) as client:
            client.set("a", "1")
        server.restart()
        with redis.Redis.from_url(server.url) as client:
            assert client.get("a") == b"1"
    finally:
        server.stop()
    assert not server.running


@pytest.mark.parametrize(("name", "make"), [("mongo-java", servers.mongo_java)])
def test_mongo_java_keeps_acknowledged_writes_over_kill_9(
    name: str, make: Callable[[Path], ServerProcess], tmp_path: Path
) -> None:
    lacking = servers.missing(name)
    if lacking:
        pytest.skip(f"missing: {lacking}")
    server = make(tmp_path).start()
    try:
        with pymongo.MongoClient[dict[str, object]](server.url) as client:
            client.get_default_database().things.insert_one({"_id": 1})
        server.kill9()
        server.start()
        with pymongo.MongoClient[dict[str, object]](server.url) as client:
            assert client.get_default_database().things.count_documents({}) == 1
    finally:
        server.stop()


def test_each_test_gets_an_empty_mongo_database(each_mongo: str) -> None:
    with pymongo.MongoClient[dict[str, object]](each_mongo) as client:
        assert client.get_default_database().list_collection_names() == []
        client.get_default_database().things.insert_one({"_id": 1})


def test_each_test_gets_an_empty_redis_database(redis_url: str) -> None:
    with redis.Redis.from_url(redis_url) as client:
        assert client.dbsize() == 0
        client.set("a", "1")


def test_a_server_that_dies_at_the_start_is_reported_with_its_words(tmp_path: Path) -> None:
    server = ServerProcess(
        name="dud",
        argv=["sh", "-c", "echo no such thing; exit 3"],
        url="",
        folder=tmp_path,
        ready=lambda: False,
    )
    with pytest.raises(RuntimeError, match=r"(?s)dud ended with 3.*no such thing"):
        server.start()


async def test_eventually_gives_the_first_true_value_and_says_what_it_saw_last() -> None:
    seen = iter([0, None, "here"])
    assert await eventually(lambda: next(seen)) == "here"
    with pytest.raises(AssertionError, match="last seen: 0"):
        await eventually(lambda: 0, timeout=0.01)
