"""One look-up's way through the levels."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta

import pytest

from services.cache.model import Entry
from services.cache.service import Cache
from services.common.domain.lifecycle import Status
from services.common.domain.outcomes import StatusAnswer, StatusQuery
from services.common.errors import IntentError, Reason
from tests.harness.wait import eventually
from tests.unit.cache.fakes import Chain, Clock, Shared, Store, new_cache, status


class World:
    """A cache and everything below it."""

    def __init__(self, *, shared: bool = True, chain: bool = True, memory_entries: int = 100) -> None:
        self.clock = Clock()
        self.store = Store(self.clock)
        self.chain = Chain()
        self.shared = Shared()
        self.cache: Cache = new_cache(
            self.clock,
            self.store,
            self.chain if chain else None,
            self.shared if shared else None,
            memory_entries=memory_entries,
        )

    async def ask(self, intent_id: str = "a", **query: object) -> StatusAnswer | IntentError | None:
        return (await self.cache.get_statuses([StatusQuery(intent_id=intent_id, **query)]))[0]  # type: ignore[arg-type]

    async def seen(self, intent_id: str = "a", **query: object) -> tuple[int, str]:
        answer = await self.ask(intent_id, **query)
        assert isinstance(answer, StatusAnswer), answer
        return answer.status.version, answer.level

    @asynccontextmanager
    async def following(self) -> AsyncIterator[None]:
        async with self.cache.run():
            await eventually(lambda: self.cache.tailed)
            yield

    async def write(self) -> None:
        """The next version of `a`, known to the cache when this returns if it follows the log."""
        version = self.store.write("a")
        await self.store.tell()

        async def told() -> bool:
            answer = await self.ask(cached_only=True)
            return isinstance(answer, StatusAnswer) and answer.status.version == version

        if self.store.log_error is None:
            await eventually(told)


async def test_levels_are_asked_in_order_and_the_ones_above_remember() -> None:
    world = World()
    world.store.write("a")
    world.chain.statuses["b"] = "executing"
    assert await world.seen("a") == (1, "store")
    assert await world.seen("a") == (1, "memory")
    assert await world.seen("b") == (0, "chain")
    assert await world.ask("c") is None
    assert world.chain.asked == [["b"], ["c"]], "only what the store does not know"
    other = new_cache(world.clock, world.store, world.chain, world.shared)
    (answer,) = await other.get_statuses([StatusQuery(intent_id="a")])
    assert isinstance(answer, StatusAnswer)
    assert (answer.level, answer.status) == ("redis", status("a", 1))


async def test_without_redis_memory_is_the_only_level_above_the_store() -> None:
    world = World(shared=False, chain=False)
    world.store.write("a")
    assert [await world.seen("a"), await world.seen("a")] == [(1, "store"), (1, "memory")]
    assert await world.ask("b") is None


async def test_many_ids_that_miss_go_in_one_batch_and_concurrent_callers_share_it() -> None:
    world = World()
    ids = [f"i{n}" for n in range(50)]
    for intent_id in ids:
        world.store.write(intent_id)
    queries = [StatusQuery(intent_id=intent_id) for intent_id in ids]
    answers = await asyncio.gather(*(world.cache.get_statuses(queries) for _ in range(20)))
    assert all(isinstance(one, StatusAnswer) for batch in answers for one in batch)
    assert [sorted(map(str, call)) for call in world.store.calls] == [sorted(ids)]
    assert len(world.shared.gets) == 1


async def test_a_caller_that_goes_away_does_not_take_the_others_answer_along() -> None:
    gate = asyncio.Event()

    async def turn(_: str) -> None:
        await gate.wait()

    clock = Clock()
    store = Store(clock, turn)
    cache = new_cache(clock, store)
    store.write("a")
    first = asyncio.create_task(cache.get_statuses([StatusQuery(intent_id="a")]))
    second = asyncio.create_task(cache.get_statuses([StatusQuery(intent_id="a")]))
    await eventually(lambda: store.calls)
    first.cancel()
    gate.set()
    (answer,) = await second
    assert isinstance(answer, StatusAnswer)
    assert len(store.calls) == 1


async def test_an_unknown_answer_from_before_the_call_is_not_taken() -> None:
    """What is durable when a caller asks is found, although another's load began before it was."""
    turns: list[asyncio.Event] = []

    async def turn(what: str) -> None:
        if what == "store answers":
            turns.append(asyncio.Event())
            await turns[-1].wait()

    clock = Clock()
    store = Store(clock, turn)
    cache = new_cache(clock, store)
    early = asyncio.create_task(cache.get_statuses([StatusQuery(intent_id="a")]))
    await eventually(lambda: turns)
    clock.advance(0.001)
    store.write("a")
    late = asyncio.create_task(cache.get_statuses([StatusQuery(intent_id="a")]))
    turns[0].set()
    assert await early == [None]
    await eventually(lambda: len(turns) == 2)
    turns[1].set()
    (answer,) = await late
    assert isinstance(answer, StatusAnswer)
    assert answer.status.version == 1


async def test_p06_max_age_and_min_version_are_honoured() -> None:
    world = World()
    await world.cache.put_statuses([status("a", 1)])
    world.store.write("a", 3)
    assert await world.seen() == (1, "memory")
    assert await world.seen(max_age=timedelta(0)) == (3, "store")
    world.store.write("a", 4)
    assert await world.seen() == (3, "memory")
    assert await world.seen(min_version=4) == (4, "store")
    refused = await world.ask(min_version=5)
    assert isinstance(refused, IntentError)
    assert refused.reason is Reason.STALE_VERSION
    world.clock.advance(2.0)
    answer = await world.ask()
    assert isinstance(answer, StatusAnswer)
    assert answer.age(world.clock.now_ms()) == timedelta(seconds=2), (
        "an end is trusted longer, its age is told"
    )
    assert await world.seen(max_age=timedelta(seconds=1)) == (4, "store")


async def test_cached_only_never_loads() -> None:
    world = World()
    world.store.write("a")
    assert await world.ask(cached_only=True) is None
    assert world.store.calls == []
    await world.cache.put_statuses([status("a", 1)])
    fresh = await world.ask(cached_only=True)
    world.clock.advance(3600)
    assert await world.seen(cached_only=True) == (1, "memory")
    old = await world.ask(cached_only=True)
    assert isinstance(fresh, StatusAnswer) and isinstance(old, StatusAnswer)
    assert (fresh.stale, old.stale) == (False, True)


async def test_what_only_the_chain_said_gives_way_to_the_store() -> None:
    world = World()
    world.chain.statuses["a"] = "completed"
    assert await world.seen() == (0, "chain")
    assert await world.ask(min_version=1) is None
    world.store.write("a")
    world.clock.advance(1.1)
    assert await world.seen(max_age=timedelta(seconds=1)) == (1, "store")


async def test_everything_below_away_only_who_allows_it_gets_a_stale_answer_and_it_says_so() -> None:
    world = World()
    world.store.write("a")
    assert await world.seen() == (1, "store")
    world.store.away = True
    world.clock.advance(3600)
    answers = await world.cache.get_statuses(
        [
            StatusQuery(intent_id="a", allow_stale=True),
            StatusQuery(intent_id="a", allow_stale=True, max_age=timedelta(seconds=9)),
            StatusQuery(intent_id="a"),
            StatusQuery(intent_id="a", allow_stale=True, min_version=2),
            StatusQuery(intent_id="b", allow_stale=True),
        ]
    )
    for answer in answers[:2]:
        assert isinstance(answer, StatusAnswer)
        assert (answer.status.version, answer.level, answer.stale) == (1, "memory", True)
        assert answer.age(world.clock.now_ms()) == timedelta(seconds=3600)
    for refused in answers[2:]:
        assert isinstance(refused, IntentError)
        assert refused.reason is Reason.DEPENDENCY_UNAVAILABLE
    world.store.away = False
    fresh = await world.ask(allow_stale=True)
    assert isinstance(fresh, StatusAnswer)
    assert (fresh.level, fresh.stale) == ("store", False)


async def test_the_chain_away_only_what_the_store_does_not_know_is_refused() -> None:
    world = World()
    world.store.write("a")
    world.chain.away = True
    known, unknown = await world.cache.get_statuses([StatusQuery(intent_id="a"), StatusQuery(intent_id="b")])
    assert isinstance(known, StatusAnswer)
    assert isinstance(unknown, IntentError)
    assert unknown.reason is Reason.DEPENDENCY_UNAVAILABLE


async def test_memory_follows_the_event_log() -> None:
    world = World()
    async with world.following():
        await world.write()
        assert await world.seen() == (1, "memory")
        await world.write()
        await eventually(lambda: world.shared.kept.get("a") and world.shared.kept["a"].version == 2)
        assert await world.seen() == (2, "memory")
        assert world.store.calls == []


async def test_a_broken_tail_is_known_and_memory_trusted_less() -> None:
    world = World()
    async with world.following():
        await world.write()
        assert await world.seen() == (1, "memory")
        world.store.log_error = IntentError(Reason.DEPENDENCY_UNAVAILABLE, "away")
        await world.write()
        await eventually(lambda: not world.cache.tailed)
        world.clock.advance(0.5)
        assert await world.seen() == (2, "store")
        world.store.log_error = None
        await eventually(lambda: (world.clock.advance(1), world.cache.tailed)[1])
        await world.write()
        assert await world.seen(min_version=3) == (3, "memory")


async def test_events_that_may_have_been_missed_leave_nothing_trusted() -> None:
    world = World()
    async with world.following():
        await world.write()
        await world.seen()
        world.store.log_error = IntentError(Reason.CURSOR_EXPIRED, "gone")
        world.store.write("a")
        await world.store.tell()
        await eventually(lambda: not world.cache.tailed)
        world.clock.advance(0.3)
        assert await world.seen() == (2, "store")


async def test_redis_from_before_the_log_was_followed_is_not_taken_for_what_may_change() -> None:
    world = World()
    world.store.write("a", 2)
    world.shared.kept["a"] = Entry(status=status("a", 1), read_at_ms=world.clock.now_ms())
    world.clock.advance(5)
    async with world.following():
        assert await world.seen() == (2, "store")


async def test_p06_a_put_that_comes_late_changes_nothing() -> None:
    world = World()
    await world.cache.put_statuses([status("a", 3)])
    await world.cache.put_statuses([status("a", 2)])
    assert await world.seen() == (3, "memory")
    assert world.shared.kept["a"].version == 3


async def test_invalidated_is_forgotten_in_every_level() -> None:
    world = World()
    await world.cache.put_statuses([status("a", 1)])
    await world.cache.invalidate(["a"])
    assert world.shared.kept == {}
    assert await world.ask(cached_only=True) is None
    world.clock.advance(0.001)
    world.store.write("a")
    assert await world.seen() == (1, "store")


@pytest.mark.parametrize("intent_id", ["", "a b", "a\n", "{a}", "\0", "x" * 10_000])
async def test_an_id_that_cannot_be_one_is_refused_and_goes_nowhere(intent_id: str) -> None:
    world = World()
    answer = await world.ask(intent_id)
    assert isinstance(answer, IntentError)
    assert answer.reason is Reason.INVALID_ID
    with pytest.raises(IntentError):
        await world.cache.put_statuses([status(intent_id, 1)])
    with pytest.raises(IntentError):
        await world.cache.invalidate([intent_id])
    assert (world.store.calls, world.shared.gets) == ([], [])


async def test_batches_have_bounds() -> None:
    world = World()
    for size in (0, 1001):
        with pytest.raises(IntentError) as refused:
            await world.cache.get_statuses([StatusQuery(intent_id="a")] * size)
        assert refused.value.reason is Reason.BATCH_SIZE
    with pytest.raises(IntentError) as bad:
        await world.cache.put_statuses([status("a", 0)])
    assert bad.value.reason is Reason.INVALID_FIELD


async def test_a_word_of_the_chain_nobody_knows_is_no_status() -> None:
    world = World()
    world.chain.statuses["a"] = "exploded"
    answer = await world.ask()
    assert isinstance(answer, IntentError)
    assert Status.FAILED not in str(answer)


@pytest.mark.parametrize("ahead", [0.0, 1.5, 90.0])
async def test_p06_a_clock_that_is_ahead_takes_no_status_back(ahead: float) -> None:
    """What another machine put into Redis before the move has a time after it; memory had no room for the move."""
    clock, shared = Clock(), Shared()
    store = Store(clock)
    cache = new_cache(clock, store, shared=shared, memory_entries=1)

    async def seen() -> int:
        (answer,) = await cache.get_statuses([StatusQuery(intent_id="a")])
        assert isinstance(answer, StatusAnswer)
        return answer.status.version

    async with cache.run():
        await eventually(lambda: cache.tailed)
        clock.advance(1.0)
        store.write("a")
        before = Entry(status=status("a", 1), read_at_ms=clock.now_ms() + round(ahead * 1000))
        clock.advance(1.0)
        store.write("a")
        await store.tell()
        await eventually(lambda: cache.memory.peek("a"))
        assert await seen() == 2
        for number in range(9):
            store.versions[f"b{number}"] = 1
            for _ in range(9):
                await cache.get_statuses([StatusQuery(intent_id=f"b{number}")])
        assert cache.memory.peek("a") is None
        shared.kept["a"] = before
        for seconds in (1.0, 25.0):
            clock.advance(seconds)
            assert await seen() == 2
            shared.kept["a"] = before


@pytest.mark.parametrize(("ahead", "found"), [(0.5, (1, "redis")), (90.0, (2, "store"))])
@pytest.mark.parametrize("max_age", [None, timedelta(seconds=5)])
async def test_p06_what_was_read_in_times_to_come_is_read_anew(
    ahead: float, found: tuple[int, str], max_age: timedelta | None
) -> None:
    """How old it is, and whether the log was followed since, is told by a clock that is not ours."""
    clock, shared = Clock(), Shared()
    store = Store(clock)
    cache = new_cache(clock, store, shared=shared)
    shared.kept["a"] = Entry(status=status("a", 1), read_at_ms=clock.now_ms() + round(ahead * 1000))
    store.versions["a"] = 2
    async with cache.run():
        await eventually(lambda: cache.tailed)
        (answer,) = await cache.get_statuses([StatusQuery(intent_id="a", max_age=max_age)])
    assert isinstance(answer, StatusAnswer)
    assert (answer.status.version, answer.level) == found


async def test_p06_what_is_forgotten_is_not_brought_back_by_a_load_under_way() -> None:
    """The load read the store before, and wrote Redis after it was forgotten."""
    gate, clock, shared = asyncio.Event(), Clock(), Shared()

    async def turn(what: str) -> None:
        if what == "store answers":
            await gate.wait()

    store = Store(clock, turn)
    cache = new_cache(clock, store, shared=shared)
    async with cache.run():
        await eventually(lambda: cache.tailed)
        clock.advance(1.0)
        store.versions["a"] = 1
        await cache.put_statuses([status("a", 1)])
        before = cache.get_statuses([StatusQuery(intent_id="a", max_age=timedelta(0))])
        loading = asyncio.create_task(before)
        await eventually(lambda: store.calls)
        clock.advance(1.0)
        await cache.invalidate(["a"])
        clock.advance(1.0)
        gate.set()
        await loading
        await eventually(lambda: "a" in shared.kept)
        (answer,) = await cache.get_statuses([StatusQuery(intent_id="a")])
    assert isinstance(answer, StatusAnswer)
    assert answer.level == "store"
