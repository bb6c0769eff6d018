"""One contract for the shared level: the stand-in of the unit tests, a Redis server and a cluster of three."""

import asyncio
import json
import random
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager

import pytest
import redis.asyncio

from services.cache.adapters.redis import RedisLevel
from services.cache.model import Entry
from services.cache.ports import SharedLevel, SharedUnavailable
from services.cache.stored import MAX_BYTES, from_json, key
from services.common.redis.link import open_redis
from services.common.redis.settings import RedisSettings
from tests.harness import redis_shapes, servers
from tests.harness.servers import free_port
from tests.unit.cache.fakes import Shared, status


def entry(intent_id: str, version: int, read_at_ms: int = 0) -> Entry:
    return Entry(status=status(intent_id, version), read_at_ms=read_at_ms)


@pytest.fixture(scope="module")
def cluster_url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    lacking = servers.missing("valkey")
    if lacking:
        pytest.skip(f"missing: {lacking}")
    with redis_shapes.cluster(tmp_path_factory.mktemp("cluster")) as (url, _):
        yield url


@pytest.fixture(params=["redis", "cluster"])
def url(request: pytest.FixtureRequest) -> str:
    """Of an empty Redis of each form."""
    found: str = request.getfixturevalue("redis_url" if request.param == "redis" else "cluster_url")
    if request.param == "cluster":
        for port in (part.rpartition(":")[2] for part in found.split(",")):
            with redis.Redis(port=int(port)) as node:
                node.flushall()
    return found


@pytest.fixture(params=["stand-in", "redis", "cluster"])
async def level(request: pytest.FixtureRequest) -> AsyncIterator[SharedLevel]:
    made: SharedLevel = Shared()
    if request.param != "stand-in":
        made = connect(request.getfixturevalue("redis_url" if request.param == "redis" else "cluster_url"))
        await made.forget(["a", "b", "c"])
    yield made
    await made.close()


def connect(url: str, corrupt: list[str] | None = None) -> RedisLevel:
    link = open_redis(RedisSettings(redis_url=url), timeout=2.0)
    assert link is not None
    return RedisLevel(link, expire_seconds=30, corrupt=([] if corrupt is None else corrupt).append)


@asynccontextmanager
async def client(url: str) -> AsyncIterator[redis.asyncio.Redis]:
    """For a test's own look at a server or, key by key, at a cluster."""
    link = open_redis(RedisSettings(redis_url=url), timeout=2.0)
    assert link is not None
    yield link.client
    await link.aclose()


async def test_what_was_put_is_found_in_the_order_asked(level: SharedLevel) -> None:
    await level.put([entry("a", 1, 5), entry("b", 2, 6)])
    assert list(await level.get(["b", "c", "a"])) == [entry("b", 2, 6), None, entry("a", 1, 5)]


async def test_p06_an_older_version_changes_nothing(level: SharedLevel) -> None:
    await level.put([entry("a", 3, 5)])
    await level.put([entry("a", 2, 9), entry("b", 1)])
    assert list(await level.get(["a", "b"])) == [entry("a", 3, 5), entry("b", 1)]
    await level.put([entry("a", 3, 4)])
    assert list(await level.get(["a"])) == [entry("a", 3, 5)]
    await level.put([entry("a", 3, 9)])
    assert list(await level.get(["a"])) == [entry("a", 3, 9)]


async def test_forgotten_is_absent(level: SharedLevel) -> None:
    await level.put([entry("a", 1), entry("b", 1)])
    await level.forget(["a", "c"])
    assert list(await level.get(["a", "b"])) == [None, entry("b", 1)]


async def test_many_keys_find_their_nodes(level: SharedLevel) -> None:
    many = [entry(f"many.{number}:x@y", number + 1) for number in range(200)]
    for _ in range(2):
        await level.put(many)
        assert list(await level.get([one.status.intent_id for one in many])) == many
    await level.forget([one.status.intent_id for one in many[:100]])
    assert list(await level.get([one.status.intent_id for one in many])) == [None] * 100 + many[100:]


async def test_p06_versions_only_grow_under_concurrent_writers(url: str) -> None:
    dice = random.Random(6)
    levels = [connect(url) for _ in range(3)]
    puts = [entry("a", version, dice.randrange(100)) for version in range(1, 60)]
    dice.shuffle(puts)
    seen: list[int] = []

    async def watch() -> None:
        while not seen or seen[-1] < 59:
            (found,) = await levels[0].get(["a"])
            if found is not None:
                seen.append(found.version)

    watching = asyncio.create_task(watch())
    await asyncio.gather(*(dice.choice(levels).put([one]) for one in puts))
    await asyncio.wait_for(watching, 10)
    for one in levels:
        await one.close()
    assert seen == sorted(seen)


async def test_the_value_lives_for_thirty_seconds_under_the_seeds_key(url: str) -> None:
    level = connect(url)
    await level.put([entry("abc", 2)])
    async with client(url) as asked:
        raw = await asked.get("intent:abc:status")
        assert 29 <= await asked.ttl("intent:abc:status") <= 30
        await level.put([entry("abc", 1)])
        assert await asked.get("intent:abc:status") == raw
    await level.close()
    assert from_json("abc", raw) == entry("abc", 2)


GOOD = {"status": "verified", "version": 3, "principal": "alice", "readAt": 1}


@pytest.mark.parametrize(
    ("planted", "why"),
    [
        (b"\xff\x00", "json"),
        (b'"verified"', "json"),
        (b"[]", "json"),
        (b"[" * MAX_BYTES, "json"),
        (b'{"version":' + b"9" * 4000 + b"}", "status"),
        (json.dumps(GOOD | {"version": None}), "version"),
        (json.dumps(GOOD | {"version": 2**40}), "version"),
        (json.dumps(GOOD | {"readAt": "now"}), "version"),
        (json.dumps(GOOD | {"status": "settling"}), "status"),
        (json.dumps(GOOD | {"schema": 2}), "schema"),
        (json.dumps(GOOD | {"schema": None}), "schema"),
        (json.dumps(GOOD) + " " * MAX_BYTES, "size"),
        (b"x" * 2_000_000, "size"),
        (None, "json"),
    ],
    ids=lambda value: (
        None if value is None or (isinstance(value, bytes) and len(value) > 50) else str(value)[:50]
    ),
)
async def test_a_corrupt_value_is_a_counted_miss_and_gives_way(
    url: str, planted: bytes | None, why: str
) -> None:
    corrupt: list[str] = []
    level = connect(url, corrupt)
    async with client(url) as asked:
        await level.put([entry("b", 1)])
        if planted is None:
            await asked.rpush(key("a"), "a list")
        else:
            await asked.set(key("a"), planted)
        assert list(await level.get(["a", "b"])) == [None, entry("b", 1)]
        # one server says of what is no string or too long only that it cannot be read
        assert corrupt in ([why], ["json"])
    if why != "schema":
        await level.put([entry("a", 3, 9)])
        assert list(await level.get(["a"])) == [entry("a", 3, 9)]
    await level.close()


async def test_a_value_that_is_too_long_stays_where_it_is(url: str) -> None:
    level = connect(url)
    async with client(url) as asked:
        await asked.set(key("a"), b"x" * 2_000_000)

        async def sent() -> int:
            found = await asked.info("stats")
            nodes = found.values() if all(isinstance(one, dict) for one in found.values()) else [found]
            return sum(int(one["total_net_output_bytes"]) for one in nodes)

        before = await sent()
        assert list(await level.get(["a"])) == [None]
        assert await sent() - before < 500_000
        await level.put([entry("a", 1)])
        assert list(await level.get(["a"])) == [entry("a", 1)]
    await level.close()


async def test_p06_a_later_schema_keeps_older_versions_out(url: str) -> None:
    corrupt: list[str] = []
    level = connect(url, corrupt)
    async with client(url) as asked:
        await asked.set(key("a"), json.dumps(GOOD | {"schema": 2, "version": 9}))
        await level.put([entry("a", 3)])
        assert json.loads(await asked.get(key("a")))["version"] == 9
        assert list(await level.get(["a"])) == [None]
        assert corrupt == ["schema"]
        await level.put([entry("a", 10)])
    assert list(await level.get(["a"])) == [entry("a", 10)]
    await level.close()


async def test_what_could_not_be_read_again_is_not_written(url: str) -> None:
    level = connect(url)
    long = Entry(status=status("a", 1, principal="p" * MAX_BYTES), read_at_ms=1)
    await level.put([long, entry("b", 1)])
    assert list(await level.get(["a", "b"])) == [None, entry("b", 1)]
    await level.put([long])
    async with client(url) as asked:
        assert not await asked.exists(key("a"))
    await level.close()


@pytest.mark.parametrize("odd", ["", "a\nb", "a b", "{a}", "a{b}c", "x" * 10_000, "ä", "a\n"])
async def test_what_is_no_id_makes_no_key(odd: str) -> None:
    with pytest.raises(ValueError, match="not an intent id"):
        key(odd)


async def test_a_server_that_lost_its_scripts_is_taught_again(url: str) -> None:
    level = connect(url)
    await level.put([entry("a", 1)])
    async with client(url) as asked:
        await asked.script_flush()
        await level.put([entry("a", 2), entry("b", 1)])
        await asked.script_flush()
        assert list(await level.get(["a", "b"])) == [entry("a", 2), entry("b", 1)]
    await level.close()


async def test_no_server_is_said_without_its_address_or_password() -> None:
    level = connect(f"redis://user:hunter2@127.0.0.1:{free_port()}/0")
    for attempt in (level.get(["a"]), level.put([entry("a", 1)]), level.forget(["a"])):
        with pytest.raises(SharedUnavailable) as away:
            await attempt
        assert "hunter2" not in str(away.value)
        assert "127.0.0.1" not in str(away.value)
    await level.close()
