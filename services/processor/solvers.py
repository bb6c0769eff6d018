"""Which solver is asked.

    score = success x speed x rest

    success = (rate * n + 1) / (n + 2)      rate and n (executions) of solverStats; nobody known yet has 1/2
    speed   = 1 / (1 + seconds / 10)        avgExecutionTime of solverStats; 10 s halve it
    rest    = 1 - fee / 10,000              fee in basis points, by setting; a solver's own is no part of solverStats

The highest score is asked, the order of the setting decides between equals. One intent in EXPLORE, by a hash of its id,
goes to the solver of whom least is known, so that newcomers and those that got better are found. Who failed at this
intent is asked again only when all did.

A breaker for each solver opens after so many failures in a row that this replica saw, and for a while its solver
is passed over; then one intent tries it, and success closes the breaker. Where every breaker is open the one that
opened first is asked: whom the contract admits is its business, and nobody at all would only let the deadline pass.

While signed bytes for a solver are open it may still act: then it and no other is the answer.
"""

import hashlib
import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Final

from prometheus_client import Counter, Gauge

from services.common.clock import Clock, now
from services.common.domain.intent import IntentRecord, SignedTransaction
from services.common.domain.statistics import SolverStatistics, StatisticsQuery
from services.common.errors import IntentError
from services.common.observe import Observe, logs, metrics
from services.common.ports import IntentReader
from services.processor.model import SOLVE, SUCCESS, open_transactions, put_back, solved

logger: Final = logging.getLogger(__name__)

TIME_SCALE: Final = 10.0
"""Seconds that halve a solver's speed."""
EXPLORE: Final = 32
UNKNOWN: Final = SolverStatistics(solver_id="", success_rate=0.0, avg_execution_time=0.0)
LOOKED_BACK: Final = timedelta(hours=1)
"""Of the statistics that come along and are not needed."""


def score(stats: SolverStatistics, fee_bps: int) -> float:
    """0 to 1, as the module says."""
    success = (stats.success_rate * stats.executions + 1) / (stats.executions + 2)
    speed = 1 / (1 + max(stats.avg_execution_time, 0.0) / TIME_SCALE)
    return success * speed * (1 - fee_bps / 10_000)


@dataclass(slots=True)
class Breaker:
    """`failures` in a row; `opened` when it opened, None while closed; `probing` since when one intent tries it."""

    failures: int = 0
    opened: float | None = None
    probing: float | None = None


@dataclass(slots=True, kw_only=True)
class RatedSolvers:
    """Satisfies the port `Solvers`. `fees` in basis points; `cool` and `every` in seconds."""

    solvers: Sequence[str]
    fees: Mapping[str, int]
    store: IntentReader
    clock: Clock
    observe: Observe
    limit: int = 5
    cool: float = 30.0
    every: float = 10.0
    stats: dict[str, SolverStatistics] = field(default_factory=dict)
    _breakers: dict[str, Breaker] = field(init=False)
    _choices: metrics.Family[Counter] = field(init=False)
    _open: metrics.Family[Gauge] = field(init=False)

    def __post_init__(self) -> None:
        self._breakers = {one: Breaker() for one in self.solvers}
        registry = self.observe.registry
        self._choices = metrics.counter(
            registry, "processor_solver_choices_total", "Intents given to a solver", ("solver_id",)
        )
        self._open = metrics.gauge(
            registry,
            "processor_solver_breaker_open",
            "1 while a solver is passed over",
            ("solver_id",),
        )
        for one in self.solvers:
            self._open(one).set(0)

    async def run(self) -> None:
        """Keeps the statistics current, until cancelled. What cannot be had leaves those of before."""
        while len(self.solvers) > 1:
            try:
                found = await self.store.statistics(StatisticsQuery(since=now(self.clock) - LOOKED_BACK))
                self.stats = {one.solver_id: one for one in found.solvers}
            except IntentError as error:
                logs.event(logger, logging.DEBUG, "solvers.not_read", reason=str(error.reason))
            await self.clock.sleep(self.every)

    def choose(self, record: IntentRecord) -> str:
        """Account id of the solver to ask."""
        signed = [tx for tx in open_transactions(record) if tx.purpose == SOLVE]
        if signed:
            return signed[-1].solver_id
        chosen = self._best(record)
        breaker = self._breakers[chosen]
        if breaker.opened is not None:
            breaker.probing = self.clock.monotonic()
        self._choices(chosen).inc()
        return chosen

    def ended(self, tx: SignedTransaction) -> None:
        """What became of an attempt: only what the solver did counts, not what was wrong with the call."""
        breaker = self._breakers.get(tx.solver_id)
        if tx.purpose != SOLVE or tx.status != SUCCESS or breaker is None:
            if breaker is not None and tx.purpose == SOLVE:
                breaker.probing = None
            return
        breaker.probing = None
        if solved(tx):
            breaker.failures, breaker.opened = 0, None
        elif put_back(tx):
            breaker.failures += 1
            if breaker.failures >= self.limit:
                if breaker.opened is None:
                    logs.event(
                        logger,
                        logging.WARNING,
                        "solver.passed_over",
                        solver_id=tx.solver_id,
                        cool_s=self.cool,
                    )
                breaker.opened = self.clock.monotonic()
        self._open(tx.solver_id).set(0 if breaker.opened is None else 1)

    def _best(self, record: IntentRecord) -> str:
        tried = {tx.solver_id for tx in record.transactions if tx.purpose == SOLVE}
        fresh = [one for one in self.solvers if one not in tried] or list(self.solvers)
        admitted = [one for one in fresh if self._admits(one)]
        if not admitted:
            admitted = [one for one in self.solvers if self._admits(one)]
        if not admitted:
            return min(self.solvers, key=lambda one: self._breakers[one].opened or 0.0)
        if _explores(record.intent_id):
            return min(admitted, key=lambda one: self._of(one).executions)
        return max(admitted, key=lambda one: score(self._of(one), self.fees.get(one, 0)))

    def _admits(self, solver: str) -> bool:
        breaker, moment = self._breakers[solver], self.clock.monotonic()
        if breaker.opened is None:
            return True
        if moment - breaker.opened < self.cool:
            return False
        # one at a time; one that never told its end holds up the next no longer than the breaker itself
        return breaker.probing is None or moment - breaker.probing >= self.cool

    def _of(self, solver: str) -> SolverStatistics:
        return self.stats.get(solver, UNKNOWN)


def _explores(intent_id: str) -> bool:
    return hashlib.sha256(intent_id.encode()).digest()[0] % EXPLORE == 0


def fees_of(texts: Sequence[str]) -> dict[str, int]:
    """Of `account=basis points`. Raises ValueError with one line."""
    fees: dict[str, int] = {}
    for text in texts:
        solver, equals, number = text.rpartition("=")
        if not equals or not solver or not number.isdecimal() or int(number) > 10_000:
            raise ValueError(f"SOLVER_FEES: {text!r} is not account=basis points, 0 to 10000")
        fees[solver] = int(number)
    return fees
