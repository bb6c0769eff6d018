"""P6 under interleavings that hypothesis chooses: several caches, one shared level, one store and its event log, each
step on its own. Redis is lost or has old data, caches are restarted, the log cannot be followed.
"""

import asyncio
import contextlib
import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import timedelta

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from services.cache.model import Breaker, Entry
from services.cache.service import Answer, Cache
from services.cache.shared import Guarded
from services.common.domain.outcomes import StatusAnswer, StatusQuery
from services.common.errors import IntentError, Reason
from tests.unit.cache.fakes import WAY, Clock, Shared, Store, new_cache, new_meters, status

IDS = ("a", "b")
CACHES = 2
LAST = len(WAY)
UNTAILED = 0.2
UNKNOWN = 0.3
BROKEN = {
    "away": IntentError(Reason.DEPENDENCY_UNAVAILABLE, "The store is away."),
    "cursor": IntentError(Reason.CURSOR_EXPIRED, "The cursor is older than what is kept."),
}


@dataclass
class Asking:
    """A look-up under way; `place` is its cache's process and its id, `seen` the newest version answered there when it
    began; `sure` what every level that counted then had at the least."""

    place: tuple[int, int, str]
    min_version: int
    seen: int
    sure: int
    strict: bool
    task: "asyncio.Task[Sequence[Answer]]" = field(repr=False)


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
        self.seen: dict[tuple[int, int, str], int] = {}
        self.history: dict[str, list[tuple[float, int]]] = {intent_id: [] for intent_id in IDS}
        self.backup: dict[str, Entry] = {}
        self.caches: list[Cache] = []
        self.starts = [0] * CACHES
        self.stacks = [contextlib.AsyncExitStack() for _ in range(CACHES)]
        for stack in self.stacks:
            self.caches.append(self.loop.run_until_complete(stack.enter_async_context(self.new().run())))
        self.settle()

    def new(self) -> Cache:
        breaker = Breaker(self.clock.monotonic, failures=2, first=0.5, longest=2.0)
        level = Guarded(
            self.shared, breaker, wait=600.0, give_up=600.0, clock=self.clock, meters=new_meters()
        )
        return new_cache(
            self.clock,
            self.store,
            shared=level,
            memory_entries=1,
            jitter=0.5,
            revalidate=0.5,
            unknown=UNKNOWN,
            dice=random.Random(7).random,
        )

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
        (answer,) = one.task.result()
        if isinstance(answer, IntentError):
            return
        intent_id = one.place[-1]
        if answer is None:
            assert one.sure == 0, "what the store had is found"
            assert one.seen == 0, f"{one.place} was known at version {one.seen}"
            return
        assert isinstance(answer, StatusAnswer)
        version = answer.status.version
        assert answer.status == status(intent_id, version), "never a status of another version"
        assert version >= one.seen, f"{one.place} went back from {one.seen} to {version}"
        assert version >= one.min_version
        assert version <= self.store.versions[intent_id]
        assert not answer.stale, "nobody allowed that"
        if one.strict:
            assert version >= one.sure, "max_age 0 reads the truth"
        self.seen[one.place] = max(self.seen.get(one.place, 0), version)

    def truth(self, intent_id: str, ago: float = 0.0) -> int:
        """What the store had so many seconds ago."""
        at = self.clock.now_ms() / 1000 - ago
        return max((version for moment, version in self.history[intent_id] if moment <= at), default=0)

    @rule(intent_id=st.sampled_from(IDS))
    def write(self, intent_id: str) -> None:
        if self.store.versions.get(intent_id, 0) == LAST:
            return
        version = self.store.write(intent_id)
        self.history[intent_id].append((self.clock.now_ms() / 1000, version))
        self.loop.run_until_complete(self.store.tell())
        self.settle()

    @rule(
        cache=st.integers(0, CACHES - 1),
        intent_id=st.sampled_from(IDS),
        how=st.sampled_from(["plain", "plain", "strict", "known", "answered"]),
    )
    def ask(self, cache: int, intent_id: str, how: str) -> None:
        """Plainly; for the truth of now; for the version that the caller wrote, or was answered anywhere."""
        answered = max((seen for place, seen in self.seen.items() if place[-1] == intent_id), default=0)
        least = {"known": self.truth(intent_id), "answered": answered}.get(how, 0)
        self.look(cache, intent_id, strict=how == "strict", min_version=least)

    @rule(
        cache=st.integers(0, CACHES - 1),
        intent_id=st.sampled_from(IDS),
        before=st.integers(0, 5),
        between=st.integers(0, 3),
    )
    def race(self, cache: int, intent_id: str, before: int, between: int) -> None:
        """A load reads, the intent moves, the event comes, and the load's answer after it."""
        self.ask(cache, intent_id, "strict")
        self.newest(before)
        self.write(intent_id)
        self.newest(between)
        self.ask(cache, intent_id, "plain")
        for _ in self.drained():
            self.settle()
        self.ask(cache, intent_id, "plain")

    def newest(self, steps: int) -> None:
        """Those that came last go on first."""
        for _ in range(min(steps, len(self.waiting))):
            chosen = self.waiting.pop()
            if not chosen.done():
                chosen.set_result(None)
            self.settle()

    def look(self, cache: int, intent_id: str, *, strict: bool, min_version: int) -> None:
        truth = self.truth(intent_id)
        query = StatusQuery(
            intent_id=intent_id, min_version=min_version, max_age=timedelta(0) if strict else None
        )

        async def look() -> Sequence[Answer]:
            return await self.caches[cache].get_statuses([query])

        place = (cache, self.starts[cache], intent_id)
        plain = not strict and min_version == 0
        sure = self.truth(intent_id, UNKNOWN) if plain else truth
        tailed, recent = self.caches[cache].tailed, self.truth(intent_id, UNTAILED)
        task = self.loop.create_task(look())
        self.asking.append(Asking(place, min_version, self.seen.get(place, 0), sure, strict, task))
        self.settle()
        if task.done() and not tailed:
            (answer,) = task.result()
            if isinstance(answer, StatusAnswer):
                assert answer.status.version >= recent, (
                    "while the log is not followed memory counts for a moment"
                )

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

    @rule(what=st.sampled_from(["away", "back", "empty", "remembered", "old"]))
    def redis(self, what: str) -> None:
        """`old`: a replica that lagged takes over."""
        match what:
            case "away" | "back":
                self.shared.away = what == "away"
            case "empty":
                self.shared.kept.clear()
            case "remembered":
                self.backup = dict(self.shared.kept)
            case _:
                self.shared.kept = dict(self.backup)

    @rule(what=st.sampled_from([*sorted(BROKEN), "well"]))
    def tail(self, what: str) -> None:
        self.store.log_error = BROKEN.get(what)
        self.loop.run_until_complete(self.store.tell())
        self.settle()

    @rule(cache=st.integers(0, CACHES - 1))
    def restart(self, cache: int) -> None:
        self.closed(self.stacks[cache])
        self.starts[cache] += 1
        self.stacks[cache] = contextlib.AsyncExitStack()
        self.caches[cache] = self.loop.run_until_complete(
            self.stacks[cache].enter_async_context(self.new().run())
        )
        self.settle()

    @invariant()
    def shared_never_goes_back(self) -> None:
        assert not self.shared.went_back

    def teardown(self) -> None:
        for _ in self.drained():
            self.settle()
        assert not self.asking, "every look-up ends"
        self.converge()
        for stack in self.stacks:
            self.closed(stack)
        assert all(task.done() and task.exception() is None for task in self.tasks)
        self.loop.close()

    def closed(self, stack: contextlib.AsyncExitStack) -> None:
        """What a cache waits for while it closes goes on."""
        closing = self.loop.create_task(stack.aclose())
        for _ in self.drained():
            self.settle()
        assert closing.done()

    def converge(self) -> None:
        """Everything works again: every cache says what the store has, and knows it by events."""
        self.store.log_error, self.shared.away = None, False
        for _ in range(6):
            self.clock.advance(1.0)
            for _ in self.drained():
                self.settle()
        assert all(cache.tailed for cache in self.caches)
        for cache in self.caches:
            for intent_id in IDS:
                task = self.loop.create_task(cache.get_statuses([StatusQuery(intent_id=intent_id)]))
                for _ in self.drained():
                    self.settle()
                (answer,) = task.result()
                version = answer.status.version if isinstance(answer, StatusAnswer) else 0
                assert version == self.truth(intent_id), "all converge"

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
    max_examples=120, stateful_step_count=40, deadline=None, suppress_health_check=list(HealthCheck)
)
