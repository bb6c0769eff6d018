"""How many intents of one user, or naming one token, are under way at once: the store counts."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from services.common.domain.intent import Receipt, Submission
from services.common.domain.lifecycle import Status
from services.common.domain.outcomes import IntentPage, ListQuery, Verdict
from services.common.errors import IntentError, Reason, Violation
from services.common.observe import Observe
from services.edge.limits.in_flight import InFlight, Lister
from services.edge.limits.memory import MemoryRateLimiter
from services.edge.model import Caller, Limits
from services.edge.observe import Vocabulary
from services.edge.service import Edge
from services.edge.watch.hub import Hub, WatchLimits
from tests.unit.edge.fakes import World
from tests.unit.edge.support import ManualClock, running, submission
from tests.unit.edge.test_service import ALICE, BOB
from tests.unit.store.support import new, opened, sqlite_url

FULL = Reason.IN_FLIGHT_LIMIT


class Room:
    """An edge with limits over a store that a test looks into."""

    def __init__(self, *, store: Lister | None = None, **limits: Any) -> None:
        self.clock = ManualClock()
        self.world = World(self.clock)
        ports, seen = self.world.ports, Vocabulary(Observe(service="edge"))
        self.edge = Edge(
            ports,
            self.clock,
            limiter=MemoryRateLimiter(self.clock, maximum=10_000, window=900),
            limits=Limits(),
            hub=Hub(ports.notifier, ports.store, self.clock, edge_id="e", limits=WatchLimits(), seen=seen),
            seen=seen,
            default_lifetime=timedelta(hours=1),
            version="1",
            in_flight=InFlight(store or ports.store, self.clock, **limits),
        )

    async def submit(self, *wanted: Submission, caller: Caller = ALICE) -> list[Reason | str]:
        """For each its id, or the reason it was refused for."""
        outcomes = await self.edge.submit_many(caller, wanted)
        return [one.intent_id if isinstance(one, Receipt) else one.reason for one in outcomes]


def of(user: str, *ids: str, **changes: Any) -> Sequence[Submission]:
    return [submission(one, user_account=f"{user}.near", **changes) for one in ids]


@asynccontextmanager
async def room(**limits: Any) -> AsyncIterator[Room]:
    made = Room(**limits)
    yield made
    await made.edge.aclose()


async def test_a_user_has_so_many_under_way_and_another_as_many() -> None:
    async with room(per_user=2) as here:
        assert await here.submit(*of("alice", "a1", "a2", "a3"), *of("bob", "b1")) == ["a1", "a2", FULL, "b1"]
        assert await here.submit(*of("alice", "a4"), caller=BOB) == [FULL], "whoever hands it in"
        (outcome,) = await here.edge.submit_many(ALICE, of("alice", "a4"))
        assert isinstance(outcome, IntentError)
        assert (outcome.metadata, outcome.retry_after) == ({"limit": "2", "of": "user"}, 1.0)
        await here.world.store.run_through("a1")
        here.clock.pass_(1.001)
        assert await here.submit(*of("alice", "a5", "a6")) == ["a5", FULL]


async def test_what_is_under_way_counts_wherever_it_is() -> None:
    async with room(per_user=3) as here:
        assert await here.submit(*of("alice", "a1", "a2", "a3")) == ["a1", "a2", "a3"]
        await here.world.store.move("a1", Status.VERIFIED)
        await here.world.store.move("a2", Status.VERIFIED)
        await here.world.store.move("a2", Status.EXECUTING)
        here.clock.pass_(2)
        assert await here.submit(*of("alice", "a4")) == [FULL]


async def test_a_token_counts_on_either_side() -> None:
    async with room(per_token=2) as here:
        ids = await here.submit(
            *of("a", "1", input_token="USDC", output_token="NEAR"),
            *of("b", "2", input_token="ETH", output_token="USDC"),
            *of("c", "3", input_token="ETH", output_token="USDC"),
            *of("d", "4", action="transfer", input_token="ETH", output_token="ETH"),
            *of("e", "5", input_token="ETH", output_token="NEAR"),
        )
        assert ids == ["1", "2", FULL, "4", FULL]


async def test_p08_a_repeat_is_answered_where_there_is_no_place() -> None:
    async with room(per_user=1) as here:
        assert await here.submit(*of("alice", "a1")) == ["a1"]
        here.world.cache.down = True  # it says nothing of what is known already
        assert await here.submit(*of("alice", "a1", "a2")) == ["a1", FULL]
        assert await here.submit(submission("a1", request_id="r1", user_account="alice.near")) == ["a1"]


async def test_of_many_at_once_one_edge_lets_no_more_through() -> None:
    async with room(per_user=3) as here:
        outcomes = await asyncio.gather(*(here.submit(*of("alice", f"a{n}")) for n in range(20)))
        assert sum(one != [FULL] for one in outcomes) == 3
        assert len(here.world.store.records) == 3
        assert len(here.world.store.queries) == 3, "one count for all of them, a question a status"


async def test_what_was_not_stored_gives_its_place_back() -> None:
    async with room(per_user=1) as here:
        await here.submit(*of("bob", "taken"))
        here.clock.pass_(2)
        assert await here.submit(*of("alice", "taken")) == [Reason.ID_TAKEN]
        assert await here.submit(*of("alice", "a1")) == ["a1"]


async def test_a_store_that_is_away_is_told_and_takes_no_place() -> None:
    async with room(per_user=1) as here:
        here.world.store.down = True
        with pytest.raises(IntentError) as caught:
            await here.submit(*of("alice", "a1"))
        assert caught.value.reason is Reason.DEPENDENCY_UNAVAILABLE
        here.world.store.down = False
        assert await here.submit(*of("alice", "a1")) == ["a1"]


async def test_nothing_is_counted_for_what_is_refused_or_without_a_limit() -> None:
    async with room(per_user=1) as here:
        bad = Violation(field="id", reason=Reason.INVALID_ID, message="no")
        here.world.validator.verdict = lambda one: Verdict(valid=False, failed_stage="s", violations=(bad,))
        assert await here.submit(*of("alice", "a1")) == [Reason.INVALID_ID]
        assert here.world.store.queries == []
    async with room() as here:
        assert await here.submit(*of("alice", "a1", "a2")) == ["a1", "a2"]
        assert here.world.store.queries == []


class Slow:
    """A lister whose first answer waits."""

    def __init__(self) -> None:
        self.gate = asyncio.Event()
        self.asked = 0

    async def list(self, query: ListQuery) -> IntentPage:
        self.asked += 1
        if self.asked == 1:
            await self.gate.wait()
            raise IntentError(Reason.DEADLINE_EXCEEDED, "the first caller's own")
        return IntentPage(records=())


async def test_a_count_that_fails_for_one_caller_is_made_anew_for_the_next() -> None:
    slow = Slow()
    here = Room(store=slow, per_user=1)
    first = asyncio.create_task(here.submit(*of("alice", "a1")))
    second = asyncio.create_task(here.submit(*of("alice", "a2")))
    while not slow.asked:
        await asyncio.sleep(0)
    slow.gate.set()
    with pytest.raises(IntentError):
        await first
    assert await second == ["a2"]
    await here.edge.aclose()


async def test_the_truth_of_a_real_store_is_counted(tmp_path: Path) -> None:
    async with opened(sqlite_url(tmp_path)) as bench:
        await bench.store.create([new(f"i-{n}", user_account=f"u{n % 2}.near") for n in range(120)])
        for per_user, per_token, full in ((60, 0, True), (61, 0, False), (0, 120, True), (0, 121, False)):
            counted = InFlight(bench.store, ManualClock(), per_user=per_user, per_token=per_token)
            places = await counted.take({0: submission("new", user_account="u1.near")})
            assert bool(places.refused) is full, (per_user, per_token)


async def test_the_limit_is_told_over_grpc() -> None:
    async with running(max_in_flight_per_user=1) as edge:
        await edge.submit("a")
        async with edge.http.post("/api/intents", json={**BODY, "id": "b"}) as answer:
            problem = await answer.json()
            assert (answer.status, problem["reason"]) == (429, "IN_FLIGHT_LIMIT")
            assert answer.headers["Retry-After"] == "1"


BODY = {
    "user_account": "alice.near", "action": "swap", "input_token": "USDC", "input_amount": "100", "output_token": "NEAR"
}  # fmt: skip
