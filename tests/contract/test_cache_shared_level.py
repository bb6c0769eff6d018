"""One contract for the shared level: the stand-in of the unit tests and Redis itself."""

import asyncio
import random
from collections.abc import AsyncIterator

import pytest
import redis.asyncio

from services.cache.adapters.redis import RedisLevel, key
from services.cache.model import Entry, from_json
from services.cache.ports import SharedLevel, SharedUnavailable
from tests.harness.servers import free_port
from tests.unit.cache.fakes import Shared, status


def entry(intent_id: str, version: int, read_at_ms: int = 0) -> Entry:
    return Entry(status=status(intent_id, version), read_at_ms=read_at_ms)


@pytest.fixture(params=["stand-in", "redis"])
async def level(request: pytest.FixtureRequest) -> AsyncIterator[SharedLevel]:
    made: SharedLevel = Shared()
    if request.param == "redis":
        made = connect(request.getfixturevalue("redis_url"))
    yield made
    await made.close()


def connect(url: str, corrupt: list[None] | None = None) -> RedisLevel:
    found = [] if corrupt is None else corrupt
    return RedisLevel.connect(url, timeout=2.0, expire_seconds=30, corrupt=lambda: found.append(None))


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


async def test_p06_versions_only_grow_under_concurrent_writers(redis_url: str) -> None:
    dice = random.Random(6)
    levels = [connect(redis_url) for _ in range(3)]
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


async def test_the_value_lives_for_thirty_seconds_under_the_seeds_key(redis_url: str) -> None:
    level = connect(redis_url)
    await level.put([entry("abc", 2)])
    async with redis.asyncio.Redis.from_url(redis_url) as client:
        raw = await client.get("intent:abc:status")
        assert 29 <= await client.ttl("intent:abc:status") <= 30
        await level.put([entry("abc", 1)])
        assert await client.get("intent:abc:status") == raw
    await level.close()
    assert from_json("abc", raw) == entry("abc", 2)


@pytest.mark.parametrize(
    "planted", [b"\xff\x00", b'"verified"', b'{"version":9e99}', b'{"version":3}', b"[]"]
)
async def test_a_corrupt_value_is_a_counted_miss_and_gives_way(redis_url: str, planted: bytes) -> None:
    corrupt: list[None] = []
    level = connect(redis_url, corrupt)
    async with redis.asyncio.Redis.from_url(redis_url) as client:
        await client.set(key("a"), planted)
        assert list(await level.get(["a"])) == [None]
        assert len(corrupt) == 1
        await client.delete(key("a"))
        await client.rpush(key("a"), "a list")
    assert list(await level.get(["a"])) == [None]
    await level.put([entry("a", 3)])
    assert list(await level.get(["a"])) == [entry("a", 3)]
    await level.close()


async def test_a_server_that_lost_its_scripts_is_taught_again(redis_url: str) -> None:
    level = connect(redis_url)
    await level.put([entry("a", 1)])
    async with redis.asyncio.Redis.from_url(redis_url) as client:
        await client.script_flush()
    await level.put([entry("a", 2)])
    assert list(await level.get(["a"])) == [entry("a", 2)]
    await level.close()


async def test_no_server_is_said_without_its_address_or_password() -> None:
    level = connect(f"redis://user:hunter2@127.0.0.1:{free_port()}/0")
    for attempt in (level.get(["a"]), level.put([entry("a", 1)]), level.forget(["a"])):
        with pytest.raises(SharedUnavailable) as away:
            await attempt
        assert "hunter2" not in str(away.value)
        assert "127.0.0.1" not in str(away.value)
    await level.close()
