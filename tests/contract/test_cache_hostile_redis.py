"""Whatever a Redis answers, or does not: a read ends in time with a miss, a submission is counted here, and when it
answers well again it is used again."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Final

import pytest
from prometheus_client import CollectorRegistry

from services.cache.adapters.redis import RedisLevel
from services.cache.model import Breaker, Entry
from services.cache.observe import Meters
from services.cache.ports import SharedUnavailable
from services.cache.shared import Guarded
from services.common.errors import IntentError, Reason
from services.common.redis.link import Link, open_redis
from services.common.redis.settings import RedisSettings
from services.edge.limits.redis import RedisRateLimiter
from tests.harness.hostile_redis import (
    Behaviour,
    Hostile,
    closes,
    cut,
    drips,
    floods,
    hostile,
    says,
    silent,
)
from tests.unit.cache.fakes import Clock, status

WAIT: Final = 0.02
GIVE_UP: Final = 0.3
PATIENCE: Final = 20.0
"""Seconds for what has no bound but a wrong one."""

ANSWERS: Final[dict[str, Behaviour]] = {
    "silent": silent,
    "byte by byte": drips,
    "hangs up": closes,
    "garbage": says(b"\x00\xff\xfe{}<html>\r\n\r\n"),
    "a size that is none": says(b"*1\r\n$many\r\n"),
    "a size of 20 digits": says(b"*1\r\n$99999999999999999999\r\n"),
    "negative sizes": says(b"*-7\r\n$-9\r\n"),
    "a terabyte": floods,
    "two thousand million parts": says(b"*2000000000\r\n"),
    "nested without end": says(b"*1\r\n" * 50_000),
    "cut in a value": cut(b"*1\r\n$100\r\nabc"),
    "cut in a size": cut(b"*1\r\n$10"),
    "cut at once": cut(b""),
    "another kind: text": says(b"+OK\r\n"),
    "another kind: number": says(b":5\r\n"),
    "another kind: map": says(b"%1\r\n+a\r\n+b\r\n"),
    "another kind: null": says(b"_\r\n"),
    "too many parts": says(b"*3\r\n$-1\r\n$-1\r\n$-1\r\n"),
    "numbers for values": says(b"*1\r\n:7\r\n"),
    "an error among values": says(b"*1\r\n-ERR odd\r\n"),
    "LOADING": says(b"-LOADING Redis is loading the dataset in memory\r\n"),
    "READONLY": says(b"-READONLY You can't write against a read only replica.\r\n"),
    "OOM": says(b"-OOM command not allowed when used memory > 'maxmemory'.\r\n"),
    "NOSCRIPT": says(b"-NOSCRIPT No matching script. Please use EVAL.\r\n"),
    "MOVED": says(b"-MOVED 3999 127.0.0.1:1\r\n"),
    "NOPERM": says(b"-NOPERM this user has no permissions to run the 'evalsha' command\r\n"),
    "BUSY": says(b"-BUSY Redis is busy running a script.\r\n"),
    "MASTERDOWN": says(b"-MASTERDOWN Link with MASTER is down\r\n"),
    "an error in no encoding": says(b"-ERR \xff\xfe\r\n"),
}
AT_ONCE: Final = {
    f"on accepting: {name}": ANSWERS[name]
    for name in ("silent", "hangs up", "garbage", "a terabyte", "LOADING", "byte by byte")
}


def link_to(server: Hostile) -> Link:
    link = open_redis(RedisSettings(redis_url=server.url), timeout=GIVE_UP)
    assert link is not None
    return link


def guarded(server: Hostile, clock: Clock, registry: CollectorRegistry, give_up: float = GIVE_UP) -> Guarded:
    meters = Meters(registry)
    return Guarded(
        RedisLevel(link_to(server), expire_seconds=30, corrupt=meters.corrupt),
        Breaker(clock.monotonic, failures=2, first=1.0, longest=8.0),
        wait=WAIT,
        give_up=give_up,
        clock=clock,
        meters=meters,
    )


@pytest.mark.parametrize("name", [*ANSWERS, *AT_ONCE])
async def test_p07_no_answer_of_redis_is_an_error_and_a_good_one_brings_it_back(name: str) -> None:
    clock, registry = Clock(), CollectorRegistry()
    async with hostile(ANSWERS.get(name), at_once=AT_ONCE.get(name)) as server:
        level = guarded(server, clock, registry)
        entry = Entry(status=status("a", 1), read_at_ms=clock.now_ms())
        async with asyncio.timeout(PATIENCE):
            await level.put([entry])
            for _ in range(4):
                assert list(await level.get(["a"])) == [None]
            await level.forget(["a"])
            await level.settled()
        assert (registry.get_sample_value("cache_redis_failures_total") or 0) >= 2
        assert registry.get_sample_value("cache_redis_up") == 0
        asked = len(server.commands)
        assert list(await level.get(["a"])) == [None]
        await level.settled()
        assert len(server.commands) == asked, "it is left alone"
        # well again; connections that were spoiled may cost probes
        server.behaviour = server.at_once = None
        await server.end()
        for _ in range(4):
            clock.advance(8.0)
            await level.get(["a"])
            await level.settled()
        assert registry.get_sample_value("cache_redis_up") == 1
        await level.get(["a"])
        assert len(server.commands) > asked
        await level.close()


@pytest.mark.parametrize("name", ["silent", "byte by byte", "a terabyte", "on accepting: silent"])
async def test_p07_a_read_does_not_wait_for_a_redis_that_takes_its_time(name: str) -> None:
    """The call itself may go on for a minute: that the read has ended long before is no matter of speed."""
    async with hostile(ANSWERS.get(name), at_once=AT_ONCE.get(name)) as server:
        level = guarded(server, Clock(), CollectorRegistry(), give_up=60.0)
        for _ in range(2):
            assert list(await asyncio.wait_for(level.get(["a"]), PATIENCE)) == [None]
        assert len(level._calls) >= 1 or name == "a terabyte"
        await level.close()


@pytest.mark.parametrize(
    "name", ["garbage", "a size that is none", "nested without end", "cut in a value", "BUSY"]
)
async def test_whatever_the_driver_raises_is_told_as_an_absence(name: str) -> None:
    async with hostile(ANSWERS[name]) as server:
        level = RedisLevel(link_to(server), expire_seconds=30, corrupt=lambda why: None)
        entry = Entry(status=status("a", 1), read_at_ms=1)
        try:
            attempts: list[Callable[[], Awaitable[object]]] = [
                lambda: level.get(["a"]),
                lambda: level.put([entry]),
                lambda: level.forget(["a"]),
            ]
            for attempt in attempts:
                with pytest.raises(SharedUnavailable):
                    await attempt()
        finally:
            await level.close()


@pytest.mark.parametrize(
    "name", ["another kind: text", "another kind: number", "too many parts", "numbers for values"]
)
async def test_an_answer_of_another_shape_is_an_absence(name: str) -> None:
    async with hostile(ANSWERS[name]) as server:
        level = RedisLevel(link_to(server), expire_seconds=30, corrupt=lambda why: None)
        try:
            with pytest.raises(SharedUnavailable):
                await level.get(["a"])
        finally:
            await level.close()


async def test_a_master_that_is_one_no_longer_is_left_for_a_new_connection() -> None:
    clock = Clock()
    async with hostile(ANSWERS["READONLY"]) as server:
        level = guarded(server, clock, CollectorRegistry())
        for _ in range(3):
            await level.put([Entry(status=status("a", 1), read_at_ms=clock.now_ms())])
            await level.settled()
        assert server.connections == 3
        await level.close()


# a number is what its script answers
@pytest.mark.parametrize("name", [*sorted(ANSWERS.keys() - {"another kind: number"}), *AT_ONCE])
async def test_p07_the_limiter_takes_any_bad_answer_for_an_absence(name: str) -> None:
    async with hostile(ANSWERS.get(name), at_once=AT_ONCE.get(name)) as server:
        limiter = RedisRateLimiter(link_to(server), maximum=1, window=60.0, timeout=0.1)
        async with asyncio.timeout(PATIENCE):
            with pytest.raises(IntentError) as away:
                await limiter.take("a")
        assert away.value.reason is Reason.DEPENDENCY_UNAVAILABLE
        await limiter.aclose()
