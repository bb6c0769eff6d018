"""P6 under interleavings that hypothesis chooses: several caches, one shared level, one store, each step on its own."""

import asyncio
import contextlib
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import timedelta

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from services.cache.model import Breaker
from services.cache.service import Cache
from services.cache.shared import Guarded
from services.common.domain.outcomes import StatusAnswer, StatusQuery
from services.common.errors import IntentError
from tests.unit.cache.fakes import Clock, Shared, Store, new_cache, new_meters, status

IDS = ("a", "b")
CACHES = 2


@dataclass
class Asking:
    """A look-up under way; `seen` is the newest version its cache had answered when it began."""

    cache: int
    intent_id: str
    min_version: int
    seen: int
    truth: int
    strict: bool
    task: "asyncio.Task[object]" = field(repr=False)


class NeverBack(RuleBasedStateMachine):
    """Every read, write and page waits until a rule lets it go on."""

    def __init__(self) -> None:
        super().__init__()
        self.loop = asyncio.new_event_loop()
        self.waiting: list[asyncio.Future[None]] = []
        self.clock = Clock()
        self.store = Store(self.clock, self.turn)
        self.shared = Shared(self.turn)
        self.asking: list[Asking] = []
        self.tasks: list[asyncio.Task[None]] = []
        self.seen: dict[tuple[int, str], int] = {}
        self.caches = [self.new() for _ in range(CACHES)]
        self.stack = contextlib.AsyncExitStack()
        for cache in self.caches:
            self.loop.run_until_complete(self.stack.enter_async_context(cache.run()))
        self.settle()

    def new(self) -> Cache:
        breaker = Breaker(self.clock.monotonic, failures=2, first=0.5, longest=2.0)
        level = Guarded(
            self.shared, breaker, wait=600.0, give_up=600.0, clock=self.clock, meters=new_meters()
        )
        return new_cache(self.clock, self.store, shared=level, memory_entries=1)

    async def turn(self, _: str) -> None:
        mine: asyncio.Future[None] = self.loop.create_future()
        self.waiting.append(mine)
        await mine

    def settle(self) -> None:
        async def spin() -> None:
            for _ in range(25):
                await asyncio.sleep(0)

        self.loop.run_until_complete(spin())
        for one in [one for one in self.asking if one.task.done()]:
            self.asking.remove(one)
            self.judge(one)

    def judge(self, one: Asking) -> None:
        answers = one.task.result()
        assert isinstance(answers, list)
        (answer,) = answers
        if not isinstance(answer, StatusAnswer):
            if answer is None:
                assert one.truth == 0, "what the store had is found"
            else:
                assert isinstance(answer, IntentError)
            return
        version = answer.status.version
        assert answer.status == status(one.intent_id, version), "never a status of another version"
        assert version >= one.seen, f"cache {one.cache} went back from {one.seen} to {version}"
        assert version >= one.min_version
        assert version <= self.store.versions[one.intent_id]
        if one.strict:
            assert version >= one.truth, "max_age 0 reads the truth"
        place = (one.cache, one.intent_id)
        self.seen[place] = max(self.seen.get(place, 0), version)

    @rule(intent_id=st.sampled_from(IDS))
    def write(self, intent_id: str) -> None:
        self.store.write(intent_id)
        self.loop.run_until_complete(self.store.tell())
        self.settle()

    @rule(cache=st.integers(0, CACHES - 1), intent_id=st.sampled_from(IDS))
    def ask(self, cache: int, intent_id: str) -> None:
        self.look(cache, intent_id, known=False, strict=False)

    @rule(cache=st.integers(0, CACHES - 1), intent_id=st.sampled_from(IDS), known=st.booleans())
    def demand(self, cache: int, intent_id: str, known: bool) -> None:
        self.look(cache, intent_id, known=known, strict=not known)

    def look(self, cache: int, intent_id: str, *, known: bool, strict: bool) -> None:
        truth = self.store.versions.get(intent_id, 0)
        min_version = truth if known else 0
        query = StatusQuery(
            intent_id=intent_id, min_version=min_version, max_age=timedelta(0) if strict else None
        )

        async def look() -> object:
            return await self.caches[cache].get_statuses([query])

        seen = self.seen.get((cache, intent_id), 0)
        task = self.loop.create_task(look())
        self.asking.append(Asking(cache, intent_id, min_version, seen, truth, strict, task))
        self.settle()

    @rule(cache=st.integers(0, CACHES - 1), intent_id=st.sampled_from(IDS))
    def prime(self, cache: int, intent_id: str) -> None:
        version = self.store.versions.get(intent_id)
        if version:
            put = self.caches[cache].put_statuses([status(intent_id, version)])
            self.tasks.append(self.loop.create_task(put))
            self.settle()

    @rule(cache=st.integers(0, CACHES - 1), intent_id=st.sampled_from(IDS))
    def forget(self, cache: int, intent_id: str) -> None:
        self.tasks.append(self.loop.create_task(self.caches[cache].invalidate([intent_id])))
        self.settle()

    @precondition(lambda self: self.waiting)
    @rule(data=st.data())
    def step(self, data: st.DataObject) -> None:
        chosen = self.waiting.pop(data.draw(st.integers(0, len(self.waiting) - 1)))
        if not chosen.done():
            chosen.set_result(None)
        self.settle()

    @precondition(lambda self: self.waiting)
    @rule()
    def go_on(self) -> None:
        for _ in self.drained():
            self.settle()

    @precondition(lambda self: self.waiting)
    @rule(steps=st.integers(1, 6))
    def steps(self, steps: int) -> None:
        """In the order of arrival."""
        for _ in range(min(steps, len(self.waiting))):
            chosen = self.waiting.pop(0)
            if not chosen.done():
                chosen.set_result(None)
            self.settle()

    @rule(seconds=st.sampled_from([0.001, 0.3, 1.5, 20.0]))
    def later(self, seconds: float) -> None:
        self.clock.advance(seconds)
        self.settle()

    @rule()
    def lose_redis(self) -> None:
        self.shared.kept.clear()

    @rule(away=st.booleans())
    def redis(self, away: bool) -> None:
        self.shared.away = away

    @invariant()
    def shared_never_goes_back(self) -> None:
        assert not self.shared.went_back

    def teardown(self) -> None:
        for _ in self.drained():
            self.settle()
        assert not self.asking, "every look-up ends"
        self.loop.run_until_complete(self.stack.aclose())
        assert all(task.done() and task.exception() is None for task in self.tasks)
        self.loop.close()

    def drained(self) -> Iterator[None]:
        """Let everything go on until nothing waits any more."""
        self.settle()
        while self.waiting:
            for one in self.waiting:
                if not one.done():
                    one.set_result(None)
            self.waiting.clear()
            yield


test_p06_cached_status_never_goes_back = NeverBack.TestCase
test_p06_cached_status_never_goes_back.settings = settings(
    max_examples=150, stateful_step_count=40, deadline=None, suppress_health_check=list(HealthCheck)
)
