"""The shared level made safe."""

import asyncio

import pytest

from services.cache.model import Breaker, Entry
from services.cache.shared import Guarded
from tests.unit.cache.fakes import Clock, Shared, new_meters, status


def guarded(inner: Shared, clock: Clock, *, timeout: float = 5.0) -> Guarded:
    breaker = Breaker(clock.monotonic, failures=2, first=1.0, longest=4.0)
    return Guarded(inner, breaker, timeout=timeout, clock=clock, meters=new_meters())


def entry(clock: Clock, version: int) -> Entry:
    return Entry(status=status("a", version), read_at_ms=clock.now_ms())


async def test_p07_a_level_that_is_away_is_a_miss_and_then_left_alone() -> None:
    clock, inner = Clock(), Shared()
    level = guarded(inner, clock)
    inner.away = True
    for _ in range(5):
        assert list(await level.get(["a"])) == [None]
    assert len(inner.gets) == 2, "after two failures it is not asked"
    inner.away = False
    clock.advance(1.0)
    assert list(await level.get(["a"])) == [None]
    assert len(inner.gets) == 3


async def test_p07_a_level_that_hangs_is_given_up_after_its_timeout() -> None:
    forever = asyncio.Event()

    async def hang(_: str) -> None:
        await forever.wait()

    level = guarded(Shared(hang), Clock(), timeout=0.01)
    assert list(await level.get(["a"])) == [None]
    await level.put([entry(Clock(), 1)])


async def test_p06_values_from_before_a_write_that_was_lost_are_not_taken() -> None:
    clock, inner = Clock(), Shared()
    level = guarded(inner, clock)
    await level.put([entry(clock, 2)])
    clock.advance(0.5)
    inner.away = True
    await level.put([entry(clock, 3)])
    inner.away = False
    assert list(await level.get(["a"])) == [None]
    clock.advance(0.5)
    fresh = entry(clock, 3)
    await level.put([fresh])
    assert list(await level.get(["a"])) == [fresh]


async def test_a_caller_that_goes_away_leaves_the_level_usable() -> None:
    forever = asyncio.Event()
    arrived = asyncio.Event()

    async def hang(_: str) -> None:
        arrived.set()
        await forever.wait()

    level = guarded(Shared(hang), Clock())
    asking = asyncio.create_task(level.get(["a"]))
    await arrived.wait()
    asking.cancel()
    with pytest.raises(asyncio.CancelledError):
        await asking
    forever.set()
    assert list(await level.get(["a"])) == [None]
