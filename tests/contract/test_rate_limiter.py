"""One contract for every rate limiter: at most `max` attempts in any window, whole or nothing."""

import asyncio
import math
import secrets
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Final

import pytest
import redis.asyncio

from services.common.observe import Observe
from services.common.redis.link import Link, open_redis
from services.common.redis.settings import RedisSettings
from services.edge.limits.fallback import PAUSE, FallbackRateLimiter
from services.edge.limits.memory import MemoryRateLimiter
from services.edge.limits.port import RateLimiter
from services.edge.limits.redis import PREFIX, RedisRateLimiter
from services.edge.observe import Vocabulary
from tests.harness import servers
from tests.harness.wait import eventually
from tests.unit.edge.support import ManualClock

MAXIMUM: Final = 20
WINDOW: Final = 900.0

Pass = Callable[[float], Awaitable[None]]
"""Lets seconds go by: on the clock, or by making Redis' entries that much older."""
Case = tuple[RateLimiter, Pass]


@asynccontextmanager
async def memory() -> AsyncIterator[Case]:
    clock = ManualClock()

    async def pass_(seconds: float) -> None:
        clock.pass_(seconds)

    yield MemoryRateLimiter(clock, maximum=MAXIMUM, window=WINDOW), pass_


def connect(url: str, *, timeout: float) -> Link:
    link = open_redis(RedisSettings(redis_url=url), timeout=timeout, retries=0)
    assert link is not None
    return link


@asynccontextmanager
async def shared(url: str) -> AsyncIterator[Case]:
    link = connect(url, timeout=5)
    client = link.client
    limiter = RedisRateLimiter(link, maximum=MAXIMUM, window=WINDOW, timeout=5)

    async def pass_(seconds: float) -> None:
        for key in await client.keys(PREFIX + "*"):
            for member, score in await client.zrange(key, 0, -1, withscores=True):
                await client.zadd(key, {member: score - seconds * 1_000_000})

    try:
        yield limiter, pass_
    finally:
        await limiter.aclose()


@pytest.fixture(params=["memory", "redis"])
async def case(request: pytest.FixtureRequest) -> AsyncIterator[Case]:
    made = memory() if request.param == "memory" else shared(request.getfixturevalue("redis_url"))
    async with made as found:
        yield found


async def test_twenty_are_let_through_and_the_next_waits_for_the_first_to_age(case: Case) -> None:
    limiter, pass_ = case
    assert [await limiter.take("1.2.3.4") for _ in range(MAXIMUM)] == [None] * MAXIMUM
    wait = await limiter.take("1.2.3.4")
    assert wait is not None and WINDOW - 5 < wait <= WINDOW
    await pass_(wait + 0.5)
    assert await limiter.take("1.2.3.4") is None


async def test_any_window_counts_not_a_fixed_one(case: Case) -> None:
    limiter, pass_ = case
    for _ in range(MAXIMUM):
        assert await limiter.take("a") is None
        await pass_(40)
    # 800 s on: nothing has aged out of the last 900 s; a limiter with fixed windows or refill would let go
    assert await limiter.take("a") is not None
    await pass_(101)
    # only those of the first 41 s have aged: two
    assert await limiter.take("a") is None
    assert await limiter.take("a", 2) is not None


async def test_a_refused_attempt_does_not_count(case: Case) -> None:
    limiter, pass_ = case
    await limiter.take("a", MAXIMUM)
    await pass_(800)
    for _ in range(50):
        assert await limiter.take("a") is not None
    await pass_(101)
    assert await limiter.take("a", MAXIMUM) is None


async def test_a_batch_counts_whole_or_not_at_all(case: Case) -> None:
    limiter, _ = case
    assert await limiter.take("a", 15) is None
    assert await limiter.take("a", 6) is not None
    assert await limiter.take("a", 5) is None
    assert await limiter.take("a", 1) is not None


async def test_what_never_fits_is_told_to_wait_a_whole_window(case: Case) -> None:
    limiter, _ = case
    wait = await limiter.take("a", MAXIMUM + 1)
    assert wait is not None and math.isclose(wait, WINDOW, abs_tol=1)
    assert await limiter.take("a", MAXIMUM) is None


async def test_the_wait_is_that_of_the_attempts_in_the_way(case: Case) -> None:
    limiter, pass_ = case
    await limiter.take("a", 10)
    await pass_(300)
    await limiter.take("a", 10)
    wait = await limiter.take("a", 11)
    one = await limiter.take("a", 1)
    assert wait is not None and one is not None
    assert math.isclose(wait, 900, abs_tol=2) and math.isclose(one, 600, abs_tol=2)


async def test_subjects_do_not_share(case: Case) -> None:
    limiter, _ = case
    assert await limiter.take("a", MAXIMUM) is None
    assert await limiter.take("b", MAXIMUM) is None
    assert await limiter.take("principal:a", MAXIMUM) is None


async def test_concurrent_attempts_never_exceed_the_limit(case: Case) -> None:
    limiter, _ = case
    answers = await asyncio.gather(*(limiter.take("a") for _ in range(100)))
    assert answers.count(None) == MAXIMUM


async def test_replicas_count_together_under_the_seeds_prefix(redis_url: str) -> None:
    async with shared(redis_url) as (first, _), shared(redis_url) as (second, _):
        for limiter in (first, second) * 10:
            assert await limiter.take("1.2.3.4") is None
        assert await first.take("1.2.3.4") is not None
        client = redis.asyncio.Redis.from_url(redis_url)
        assert await client.keys("*") == [b"ratelimit:intent:1.2.3.4"]
        assert 0 < await client.pttl("ratelimit:intent:1.2.3.4") <= WINDOW * 1000
        await client.aclose()


async def test_p07_without_redis_this_replica_goes_on_with_its_own_count(
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    lacking = servers.missing("valkey")
    if lacking:
        pytest.skip(f"missing: {lacking}")
    server = servers.valkey(tmp_path_factory.mktemp("valkey-limits")).start()
    clock = ManualClock()
    local = MemoryRateLimiter(clock, maximum=MAXIMUM, window=WINDOW)
    inner = RedisRateLimiter(connect(server.url, timeout=1), maximum=MAXIMUM, window=WINDOW, timeout=1)
    limiter = FallbackRateLimiter(inner, local, clock, Vocabulary(Observe(service="edge")))
    try:
        assert await limiter.take("a", 15) is None
        server.kill9()
        # what Redis had counted through this replica is known here too
        assert await limiter.take("a", 6) is not None
        assert await limiter.take("a", 5) is None
        server.start()
        clock.pass_(PAUSE)
        await eventually(lambda: _asks_redis(limiter, inner))
        # it came back empty, and what went through here counts all the same
        assert await limiter.take("a") is not None
    finally:
        await limiter.aclose()
        server.stop()


async def _asks_redis(limiter: RateLimiter, inner: RateLimiter) -> bool:
    subject = secrets.token_hex(8)
    await limiter.take(subject, MAXIMUM)
    return await inner.take(subject, 1) is not None


async def test_memory_forgets_who_was_quiet_longest_when_full() -> None:
    clock = ManualClock()
    limiter = MemoryRateLimiter(clock, maximum=1, window=WINDOW, max_subjects=100)
    for number in range(1_000):
        assert await limiter.take(f"s{number}") is None
    assert await limiter.take("s999") is not None
    assert await limiter.take("s0") is None
    assert len(limiter._logs) <= 100


async def test_memory_holds_nothing_of_windows_past() -> None:
    clock = ManualClock()
    limiter = MemoryRateLimiter(clock, maximum=5, window=1.0)
    for number in range(1_000):
        await limiter.take(f"s{number}")
        clock.pass_(0.5)
    assert len(limiter._logs) <= 5


async def test_what_redis_has_forgotten_is_forgotten_here_too_however_long_its_answer_took() -> None:
    clock = ManualClock()

    class Slow(MemoryRateLimiter):
        async def take(self, subject: str, count: int = 1) -> float | None:
            wait = await super().take(subject, count)
            clock.pass_(0.25)
            return wait

    shared = Slow(clock, maximum=1, window=WINDOW)
    local = MemoryRateLimiter(clock, maximum=1, window=WINDOW)
    limiter = FallbackRateLimiter(shared, local, clock, Vocabulary(Observe(service="edge")))
    assert await limiter.take("a") is None
    clock.pass_(WINDOW - 0.25)
    assert await limiter.take("a") is None
