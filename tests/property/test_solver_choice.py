"""Who is asked to solve: the best by the documented score, nobody else while the first may still act."""

import json
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

from hypothesis import assume, given
from hypothesis import strategies as st

from services.common.domain.intent import IntentRecord, PlainIntent, SignedTransaction
from services.common.domain.lifecycle import Status
from services.common.domain.statistics import SolverStatistics
from services.common.observe import Observe
from services.common.observe.metrics import new_registry
from services.processor.solvers import UNKNOWN, RatedSolvers, _explores, score
from tests.unit.store.support import HandClock, transaction

NOW = datetime(2026, 11, 30, tzinfo=UTC)
NAMES = ("a.near", "b.near", "c.near", "d.near")


class OwnedClock(HandClock):
    """Monotonic time by hand."""

    def monotonic(self) -> float:
        return self.now_ns() / 10**9


def record(intent_id: str = "i-1", transactions: Sequence[SignedTransaction] = ()) -> IntentRecord:
    plain = PlainIntent(
        id=intent_id,
        user_account="u",
        action="swap",
        input_token="USDC",
        input_amount="1",
        output_token="NEAR",
    )
    return IntentRecord(
        intent_id=intent_id, user_id="u", intent=plain, status=Status.EXECUTING, version=3, created_at=NOW,
        updated_at=NOW, expires_at=NOW + timedelta(minutes=10), principal="p", content_hash="",
        transactions=tuple(transactions),
    )  # fmt: skip


def attempt(solver: str, answer: bool | None, number: int = 0) -> SignedTransaction:
    """`answer` None: signed, its end not known."""
    made = transaction(f"tx-{solver}-{number}", purpose="solve", solver_id=solver)
    if answer is None:
        return made
    return replace(made, status="success", evidence=json.dumps({"answer": answer}))


def solvers(
    names: Sequence[str] = NAMES, stats: Sequence[SolverStatistics] = (), **more: Any
) -> RatedSolvers:
    made = RatedSolvers(
        solvers=names, fees=more.pop("fees", {}), store=None,  # type: ignore[arg-type]
        clock=OwnedClock(), observe=Observe(service="processor", registry=new_registry(process=False)), **more,
    )  # fmt: skip
    made.stats = {one.solver_id: one for one in stats}
    return made


known = st.builds(
    SolverStatistics,
    solver_id=st.sampled_from(NAMES),
    success_rate=st.floats(0, 1),
    avg_execution_time=st.floats(0, 10_000),
    executions=st.integers(0, 10**6),
)
fee = st.integers(0, 10_000)
ids = st.text("abcdef0123456789", min_size=1, max_size=8)


@given(st.lists(known, max_size=4), st.dictionaries(st.sampled_from(NAMES), fee), ids)
def test_the_highest_score_is_asked_and_one_intent_in_so_many_explores(
    stats: list[SolverStatistics], fees: dict[str, int], intent_id: str
) -> None:
    made = solvers(stats=stats, fees=fees)
    chosen = made.choose(record(intent_id))
    of = {name: made.stats.get(name, UNKNOWN) for name in NAMES}
    if _explores(intent_id):
        assert of[chosen].executions == min(one.executions for one in of.values())
    else:
        scores = {name: score(one, fees.get(name, 0)) for name, one in of.items()}
        assert scores[chosen] == max(scores.values())
        assert chosen == next(name for name in NAMES if scores[name] == scores[chosen]), (
            "the setting's order decides"
        )


@given(known, known, fee, fee)
def test_a_solver_that_is_better_in_everything_is_never_rated_lower(
    one: SolverStatistics, other: SolverStatistics, cheap: int, dear: int
) -> None:
    better = replace(
        one,
        success_rate=max(one.success_rate, other.success_rate),
        avg_execution_time=min(one.avg_execution_time, other.avg_execution_time),
    )
    worse = replace(
        one,
        success_rate=min(one.success_rate, other.success_rate),
        avg_execution_time=max(one.avg_execution_time, other.avg_execution_time),
    )
    assert 0 <= score(worse, max(cheap, dear)) <= score(better, min(cheap, dear)) <= 1


steps = st.lists(st.tuples(st.sampled_from(NAMES), st.booleans()), max_size=40)


@given(
    st.lists(known, max_size=4),
    steps,
    st.sampled_from(NAMES),
    st.lists(st.sampled_from(NAMES), max_size=4),
    ids,
)
def test_p02_nobody_else_is_asked_while_the_first_may_still_act(
    stats: list[SolverStatistics],
    before: list[tuple[str, bool]],
    asked: str,
    failed: list[str],
    intent_id: str,
) -> None:
    """Whatever the scores, the breakers, and who failed before."""
    made = solvers(stats=stats, limit=2)
    for solver, answer in before:
        made.ended(attempt(solver, answer))
    earlier = [attempt(solver, False, number) for number, solver in enumerate(failed)]
    assert made.choose(record(intent_id, [*earlier, attempt(asked, None, 99)])) == asked


@given(steps, st.integers(1, 4), ids)
def test_whose_breaker_is_open_is_passed_over_until_it_cooled_and_then_tried_once(
    ends: list[tuple[str, bool]], limit: int, intent_id: str
) -> None:
    made = solvers(limit=limit, cool=30.0)
    row = dict.fromkeys(NAMES, 0)
    is_open = dict.fromkeys(NAMES, False)
    for solver, good in ends:
        made.ended(attempt(solver, good))
        row[solver] = 0 if good else row[solver] + 1
        is_open[solver] = not good and (is_open[solver] or row[solver] >= limit)
    closed = [name for name in NAMES if not is_open[name]]
    chosen = made.choose(record(intent_id))
    assert chosen in (closed or NAMES)
    if closed:
        for name in closed:
            assert (
                made.choose(record(intent_id, [attempt(one, False) for one in closed if one != name])) == name
            )
    assume(len(closed) < len(NAMES))
    made.clock.advance(seconds=31)  # type: ignore[attr-defined]
    resting = next(name for name in NAMES if is_open[name])
    others = [attempt(one, False) for one in NAMES if one != resting]
    assert made.choose(record(intent_id, others)) == resting
    second = made.choose(record("another", others))
    assert second != resting or not [one for one in NAMES if one != resting and not is_open[one]]
    made.ended(attempt(resting, True))
    assert made.choose(record(intent_id, others)) == resting


@given(steps)
def test_what_was_wrong_with_the_call_is_not_the_solvers(ends: list[tuple[str, bool]]) -> None:
    made = solvers(limit=1)
    for solver, _ in ends:
        made.ended(replace(attempt(solver, None), status="failure", evidence='{"failure":"paused"}'))
        made.ended(replace(attempt(solver, None), status="dead"))
        made.ended(replace(attempt(solver, False), purpose="verify"))
    assert all(breaker.opened is None for breaker in made._breakers.values())
