"""How long memory is trusted, what is answered beside a load, and what nobody knew."""

import asyncio
from datetime import timedelta

import pytest
from prometheus_client import CollectorRegistry

from services.cache.model import Entry
from services.cache.observe import EVENT_LOG, Meters
from services.common.domain.lifecycle import Status
from services.common.domain.outcomes import CachedStatus, StatusAnswer, StatusQuery
from services.common.errors import IntentError, Reason
from tests.harness.wait import eventually
from tests.unit.cache.fakes import Chain, Clock, Shared, Store, new_cache, status


def ended(kind: Status, version: int = 3) -> CachedStatus:
    return CachedStatus(intent_id="a", status=kind, version=version, principal="alice")


async def level(cache: object, intent_id: str = "a", **query: object) -> str:
    (answer,) = await cache.get_statuses([StatusQuery(intent_id=intent_id, **query)])  # type: ignore[attr-defined, arg-type]
    if isinstance(answer, IntentError):
        return str(answer.reason)
    return "none" if answer is None else answer.level


@pytest.mark.parametrize(
    ("kind", "life"), [(Status.COMPLETED, 300.0), (Status.FAILED, 60.0), (Status.VERIFIED, 1.0)]
)
@pytest.mark.parametrize("jitter", [0.0, 0.5])
async def test_each_kind_has_its_own_life_shortened_by_its_jitter(
    kind: Status, life: float, jitter: float
) -> None:
    clock = Clock()
    store = Store(clock)
    cache = new_cache(clock, store, jitter=jitter, dice=lambda: 0.5)
    async with cache.run():
        await eventually(lambda: cache.tailed)
        await cache.put_statuses([ended(kind)])
        store.versions["a"] = 4
        clock.advance(life * (1 - jitter * 0.5) - 0.01)
        assert await level(cache) == "memory"
        clock.advance(0.02)
        assert await level(cache) == "store"


async def test_what_came_together_does_not_expire_together() -> None:
    clock = Clock()
    store = Store(clock)
    rolls = iter([number / 100 for number in range(100)] * 2)
    cache = new_cache(clock, store, jitter=0.5, dice=lambda: next(rolls))
    ids = [f"i{number}" for number in range(100)]
    for intent_id in ids:
        store.write(intent_id)
    async with cache.run():
        await eventually(lambda: cache.tailed)
        await cache.put_statuses([status(intent_id, 1) for intent_id in ids])
        clock.advance(0.75)
        await cache.get_statuses([StatusQuery(intent_id=intent_id) for intent_id in ids])
        (call,) = store.calls
        assert 45 <= len(call) <= 55


async def test_an_expired_status_is_answered_at_once_while_one_load_renews_it() -> None:
    gate = asyncio.Event()

    async def turn(what: str) -> None:
        if what == "store answers":
            await gate.wait()

    clock = Clock()
    store = Store(clock, turn)
    cache = new_cache(clock, store, revalidate=1.0)
    async with cache.run():
        await eventually(lambda: cache.tailed)
        await cache.put_statuses([status("a", 1)])
        store.versions["a"] = 2
        clock.advance(1.5)
        for _ in range(100):
            assert await level(cache) == "memory"
        await eventually(lambda: store.calls)
        strict = asyncio.create_task(
            cache.get_statuses([StatusQuery(intent_id="a", max_age=timedelta(seconds=1))])
        )
        gate.set()
        (answer,) = await strict
        assert isinstance(answer, StatusAnswer)
        assert answer.status.version == 2, "who asks for an age waits"
        assert await level(cache) == "memory"
        assert len(store.calls) == 1
        clock.advance(2.5)
        assert await level(cache) == "store", "beyond that time it is waited for"


async def test_an_expired_status_waits_for_its_load_while_the_log_is_not_followed() -> None:
    clock = Clock()
    store = Store(clock)
    cache = new_cache(clock, store, revalidate=1.0)
    await cache.put_statuses([status("a", 1)])
    store.write("a", 2)
    clock.advance(0.5)
    assert await level(cache) == "store"


async def test_ten_thousand_readers_of_one_cold_key_cause_one_load() -> None:
    clock = Clock()
    store = Store(clock)
    cache = new_cache(clock, store)
    store.write("a")
    answers = await asyncio.gather(*(cache.get_statuses([StatusQuery(intent_id="a")]) for _ in range(10_000)))
    assert all(isinstance(one, StatusAnswer) for (one,) in answers)
    assert store.calls == [["a"]]


async def test_what_nobody_knew_is_not_looked_up_again_for_a_moment() -> None:
    clock, chain = Clock(), Chain()
    store = Store(clock)
    cache = new_cache(clock, store, chain, unknown=0.5)
    assert await level(cache) == "none"
    assert await level(cache) == "none"
    assert len(store.calls) == 2, "not while the log is not followed"
    async with cache.run():
        await eventually(lambda: cache.tailed)
        for _ in range(9):
            assert await level(cache) == "none"
        assert len(store.calls) == 3
        assert await level(cache, min_version=1) == "none"
        assert await level(cache, max_age=timedelta(seconds=5)) == "none"
        assert len(store.calls) == 5, "who asks for a version or an age is told what is so now"
        clock.advance(0.6)
        assert await level(cache) == "none"
        assert len(store.calls) == 6
        store.write("a")
        await store.tell()
        await eventually(lambda: cache.memory.peek("a"))
        assert await level(cache) == "memory", "an event ends it"
        assert await level(cache, "b") == "none"
        await cache.put_statuses([status("b", 1)])
        assert await level(cache, "b") == "memory"
        await cache.invalidate(["b"])
        store.write("b", 1)
        clock.advance(0.01)
        assert await level(cache, "b") == "store"


async def test_what_was_written_while_nobody_knew_it_is_found() -> None:
    """The event came while a load that had not seen the write was under way."""
    gate = asyncio.Event()

    async def turn(what: str) -> None:
        if what == "store answers":
            await gate.wait()

    clock = Clock()
    store = Store(clock, turn)
    cache = new_cache(clock, store, unknown=60.0)
    async with cache.run():
        await eventually(lambda: cache.tailed)
        early = asyncio.create_task(cache.get_statuses([StatusQuery(intent_id="a")]))
        await eventually(lambda: store.calls)
        store.write("a")
        await store.tell()
        await eventually(lambda: cache.memory.peek("a"))
        gate.set()
        await early
        await cache.invalidate(["a"])
        clock.advance(0.01)
        assert await level(cache) == "store"


@pytest.mark.parametrize("below", ["store", "redis"])
async def test_p06_what_was_found_since_is_not_unknown_again(below: str) -> None:
    """Whoever asked for a version was told of one, and memory had no room for it."""
    clock, shared = Clock(), Shared()
    store = Store(clock)
    cache = new_cache(clock, store, shared=shared, memory_entries=1, unknown=60.0)
    async with cache.run():
        await eventually(lambda: cache.tailed)
        assert await level(cache) == "none"
        clock.advance(0.01)
        store.versions["a"] = 1
        if below == "redis":
            shared.kept["a"] = Entry(status=status("a", 1), read_at_ms=clock.now_ms())
        assert await level(cache, min_version=1) == below
        for number in range(9):
            store.versions[f"b{number}"] = 1
            for _ in range(9):
                await cache.get_statuses([StatusQuery(intent_id=f"b{number}")])
        assert cache.memory.peek("a") is None
        shared.kept.clear()  # Redis lost it too
        assert await level(cache) == "store"


async def test_what_another_cache_was_told_of_is_known_where_nobody_knew_it() -> None:
    """Accepted through one replica, asked for at another that had just answered that there is no such intent."""
    clock, shared = Clock(), Shared()
    store = Store(clock)
    cache = new_cache(clock, store, shared=shared, unknown=60.0)
    async with cache.run():
        await eventually(lambda: cache.tailed)
        assert await level(cache) == "none"
        clock.advance(0.01)
        shared.kept["a"] = Entry(status=status("a", 1), read_at_ms=clock.now_ms())
        assert await level(cache) == "redis"
        assert len(store.calls) == 1


async def test_a_broken_tail_is_told_on_readyz() -> None:
    clock = Clock()
    store = Store(clock)
    notes: dict[str, str] = {}
    cache = new_cache(clock, store, meters=Meters(CollectorRegistry(), notes))
    assert "not followed yet" in notes[EVENT_LOG]
    async with cache.run():
        await eventually(lambda: cache.tailed)
        assert EVENT_LOG not in notes
        store.log_error = IntentError(Reason.DEPENDENCY_UNAVAILABLE, "away")
        await store.tell()
        await eventually(lambda: not cache.tailed)
        assert "DEPENDENCY_UNAVAILABLE" in notes[EVENT_LOG]
        store.log_error = None
        await eventually(lambda: (clock.advance(1), cache.tailed)[1])
        assert EVENT_LOG not in notes


async def test_p06_a_place_in_the_log_that_was_lost_leaves_nothing_trusted_that_may_change() -> None:
    clock = Clock()
    store = Store(clock)
    cache = new_cache(clock, store, revalidate=1.0)
    store.write("a", 1)
    async with cache.run():
        await eventually(lambda: cache.tailed)
        await cache.put_statuses([status("a", 1)])
        began = clock.now_ms()
        store.log_error = IntentError(Reason.CURSOR_EXPIRED, "gone")
        store.write("a", 2)
        await store.tell()
        await eventually(lambda: not cache.tailed)
        store.log_error = None
        await eventually(lambda: (clock.advance(0.05), cache.tailed)[1])
        assert clock.now_ms() - began < 500, "well within the time that it would be trusted"
        (answer,) = await cache.get_statuses([StatusQuery(intent_id="a")])
        assert isinstance(answer, StatusAnswer)
        assert (answer.status.version, answer.level) == (2, "store")
