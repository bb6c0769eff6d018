"""The shared level made safe."""

import asyncio

import pytest

from services.cache.model import Breaker, Entry
from services.cache.shared import MAX_READS, MAX_WRITES, Guarded
from tests.unit.cache.fakes import Clock, Shared, new_meters, status

LONG = 60.0


def guarded(
    inner: Shared, clock: Clock, *, wait: float = 5.0, give_up: float = LONG, failures: int = 2
) -> Guarded:
    breaker = Breaker(clock.monotonic, failures=failures, first=1.0, longest=4.0)
    return Guarded(inner, breaker, wait=wait, give_up=give_up, clock=clock, meters=new_meters())


def entry(clock: Clock, version: int) -> Entry:
    return Entry(status=status("a", version), read_at_ms=clock.now_ms())


class Hang:
    """A turn that lasts until `over` is set; `met` counts who came."""

    def __init__(self) -> None:
        self.met = 0
        self.over = asyncio.Event()

    async def __call__(self, _: str) -> None:
        self.met += 1
        await self.over.wait()


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
    await level.settled()
    assert len(inner.gets) == 4, "a probe asks twice"
    await level.put([entry(clock, 1)])
    await level.settled()
    assert list(await level.get(["a"])) == [entry(clock, 1)]


async def test_p07_a_level_that_hangs_is_given_up_after_its_wait() -> None:
    hang = Hang()
    level = guarded(Shared(hang), Clock(), wait=0.01, give_up=5.0)
    assert list(await level.get(["a"])) == [None]
    assert len(level._calls) == 1, "it still hangs"
    await level.forget(["a"])
    await level.close()


async def test_p07_nobody_waits_for_a_write() -> None:
    hang = Hang()
    level = guarded(Shared(hang), Clock(), wait=LONG)
    await asyncio.wait_for(level.put([entry(Clock(), 1)]), 5)
    hang.over.set()
    await level.settled()


async def test_p07_nobody_waits_for_a_probe() -> None:
    clock, hang = Clock(), Hang()
    inner = Shared()
    level = guarded(inner, clock, wait=LONG, failures=1)
    inner.away = True
    await level.get(["a"])
    inner.away, inner._turn = False, hang
    clock.advance(1.0)
    for _ in range(3):
        assert list(await asyncio.wait_for(level.get(["a"]), 10)) == [None]
    await asyncio.sleep(0)
    assert hang.met == 1, "one probe at a time"
    hang.over.set()
    await level.settled()
    assert list(await level.get(["a"])) == [None]
    assert len(inner.gets) == 4, "and then it is asked again"


async def test_p07_a_probe_that_is_answered_late_does_not_bring_the_level_back() -> None:
    clock, hang = Clock(), Hang()
    inner = Shared()
    level = guarded(inner, clock, wait=0.01, failures=1)
    inner.away = True
    await level.get(["a"])
    inner.away, asked = False, len(inner.gets)

    async def late_at_the_second(_: str) -> None:
        if len(inner.gets) == asked + 2:
            await hang("")

    inner._turn = late_at_the_second
    clock.advance(1.0)
    await level.get(["a"])
    probe = next(call for call in level._calls)
    await probe
    clock.advance(1.9)
    await level.get(["a"])
    assert len(inner.gets) == asked + 2, "left alone, and for twice as long"
    hang.over.set()
    await level.settled()


async def test_a_call_that_came_late_goes_on_by_itself() -> None:
    hang = Hang()
    level = guarded(Shared(hang), Clock(), wait=0.01, failures=3)
    assert list(await level.get(["a"])) == [None]
    assert len(level._calls) == 1, "its connection is worth finishing"
    hang.over.set()
    await level.settled()


async def test_p07_calls_under_way_are_bounded() -> None:
    hang = Hang()
    inner = Shared(hang)
    level = guarded(inner, Clock(), wait=0.0, failures=1_000)
    for version in range(1, MAX_WRITES + 20):
        await level.put([entry(Clock(), version)])
    assert len(level._calls) == MAX_WRITES
    for _ in range(MAX_READS + 20):
        assert list(await level.get(["a"])) == [None]
    assert len(inner.gets) == MAX_READS, "many writes keep no read away"
    assert len(level._calls) == MAX_WRITES + MAX_READS
    hang.over.set()
    await level.settled()


async def test_p07_what_hangs_for_good_is_given_up() -> None:
    level = guarded(Shared(Hang()), Clock(), wait=0.001, give_up=0.02)
    await level.put([entry(Clock(), 1)])
    await level.get(["a"])
    await asyncio.wait_for(level.settled(), 10)


async def test_p06_values_from_before_a_write_that_was_lost_are_not_taken() -> None:
    clock, inner = Clock(), Shared()
    level = guarded(inner, clock)
    await level.put([entry(clock, 2)])
    await level.settled()
    clock.advance(0.5)
    inner.away = True
    await level.put([entry(clock, 3)])
    await level.settled()
    inner.away = False
    assert list(await level.get(["a"])) == [None]
    clock.advance(0.5)
    fresh = entry(clock, 3)
    await level.put([fresh])
    await level.settled()
    assert list(await level.get(["a"])) == [fresh]


async def test_p06_what_is_forgotten_is_not_brought_back_by_a_write_under_way() -> None:
    clock, hang = Clock(), Hang()
    inner = Shared(hang)
    level = guarded(inner, clock)
    await level.put([entry(clock, 1)])
    forgetting = asyncio.create_task(level.forget(["a"]))
    await asyncio.sleep(0)
    hang.over.set()
    await forgetting
    assert inner.kept == {}


async def test_a_server_that_refuses_writes_is_still_read() -> None:
    clock, inner = Clock(), Shared()
    level = guarded(inner, clock, failures=1)
    inner.away = True
    for _ in range(5):
        await level.put([entry(clock, 1)])
        await level.settled()
    inner.away = False
    await level.get(["a"])
    assert inner.gets == [["a"]]


async def test_an_error_nobody_foresaw_is_a_miss() -> None:
    async def broken(_: str) -> None:
        raise UnicodeError("in the driver")

    level = guarded(Shared(broken), Clock())
    assert list(await level.get(["a"])) == [None]
    await level.put([entry(Clock(), 1)])
    await level.forget(["a"])


async def test_a_caller_that_goes_away_leaves_the_level_usable() -> None:
    hang = Hang()
    level = guarded(Shared(hang), Clock())
    asking = asyncio.create_task(level.get(["a"]))
    while not hang.met:
        await asyncio.sleep(0)
    asking.cancel()
    with pytest.raises(asyncio.CancelledError):
        await asking
    hang.over.set()
    assert list(await level.get(["a"])) == [None]
