"""Several solvers: the next one after a proven failure, the same one while the first may still act."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from pathlib import Path

import pytest

from services.common.domain.lifecycle import Status
from services.common.domain.statistics import SolverStatistics, Statistics
from services.processor.config import WorkSettings
from services.processor.solvers import fees_of
from tests.harness.wait import eventually
from tests.unit.processor.support import Gate, Stage, stage

TWO = ("first.near", "second.near")


@pytest.fixture
async def play(tmp_path: Path) -> AsyncIterator[Stage]:
    async with stage(tmp_path) as made:
        yield made


def asked(transactions: Sequence[object]) -> list[str]:
    return [tx.solver_id for tx in transactions if tx.purpose == "solve"]  # type: ignore[attr-defined]


async def test_after_a_proven_failure_another_solver_is_asked(play: Stage) -> None:
    (intent_id,) = await play.accept()
    play.chain.solver_fails = 1
    async with play.processor(solvers=TWO):
        (record,) = await play.ended(intent_id)
    assert record.status is Status.COMPLETED
    assert sorted(asked(record.transactions)) == sorted(TWO)
    assert record.execution_details is not None
    assert record.execution_details.solver_id == asked(record.transactions)[-1]


async def test_p02_while_the_first_may_still_act_nobody_else_is_asked(play: Stage) -> None:
    """Its bytes are lost for long, the processor that signed them is killed: the next one sends the same."""
    (intent_id,) = await play.accept()
    gate = Gate(on="chain.broadcast", nth=2)
    async with play.processor(gate, solvers=TWO):
        await eventually(lambda: gate.dead)
    assert await _solve_signed(play, intent_id)
    play.chain.lose = 10**9
    play.clock.advance(seconds=31)
    sent = len(play.chain.sent)
    async with play.processor(key=1, solvers=tuple(reversed(TWO)), solver_fees=(f"{TWO[0]}=9000",)):
        await eventually(lambda: len(play.chain.sent) > sent + 3)
        record = await play.record(intent_id)
        assert len(asked(record.transactions)) == 1
        play.chain.lose = 0
        (record,) = await play.ended(intent_id)
    assert record.status is Status.COMPLETED and len(asked(record.transactions)) == 1
    assert play.chain.effects["solve_intent", intent_id] == 1


async def _solve_signed(play: Stage, intent_id: str) -> bool:
    return bool(asked((await play.record(intent_id)).transactions))


async def test_statistics_are_read_again_and_again_and_their_absence_leaves_those_of_before(
    play: Stage,
) -> None:
    real = play.store.statistics
    told = [SolverStatistics(solver_id=TWO[1], success_rate=1.0, avg_execution_time=0.1, executions=1000)]

    async def statistics(query: object) -> Statistics:
        found = await real(query)  # type: ignore[arg-type]
        return Statistics(counts=found.counts, solvers=tuple(told))

    play.store.statistics = statistics  # type: ignore[method-assign, assignment]
    async with play.assembled(solvers=TWO, solver_refresh_ms=1_000) as made:
        await eventually(lambda: made.solvers.stats)
        ids = await play.accept(20)
        records = await play.ended(*ids)
    best = [record for record in records if asked(record.transactions) == [TWO[1]]]
    assert len(best) >= 15, "all but those by which newcomers are found"


async def test_with_one_solver_nobody_asks_for_statistics(play: Stage) -> None:
    gate = Gate()
    async with play.assembled(gate) as made:
        async with asyncio.timeout(5):
            await made.solvers.run()
    assert "store.statistics" not in gate.calls


def test_fees_are_read_and_what_is_none_is_said() -> None:
    assert fees_of(("a.near=30", "b.near=0")) == {"a.near": 30, "b.near": 0}
    for wrong in ("a.near", "a.near=", "=3", "a.near=-1", "a.near=10001", "a.near=x"):
        complaint = WorkSettings(solver_fees=(wrong,)).check()
        assert complaint is not None and complaint.startswith("SOLVER_FEES: ")
