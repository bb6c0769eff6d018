"""Counts over intents: what is where now, and what happened in a time."""

from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum

from services.common.domain.lifecycle import Status


class Period(StrEnum):
    """Periods begin at full hours or days of UTC."""

    HOUR = "hour"
    DAY = "day"


@dataclass(frozen=True, slots=True, kw_only=True)
class StatisticsQuery:
    """Whose intents, and which time. Empty filters match all; `period` None asks for totals only.

    `since` is floored and `until` raised to full periods (hours where `period` is None); None is open.
    """

    principal: str = ""
    user_id: str = ""
    period: Period | None = None
    since: datetime | None = None
    until: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class SolverStatistics:
    """`success_rate` 0 to 1, `avg_execution_time` seconds, `executions` that ended."""

    solver_id: str
    success_rate: float
    avg_execution_time: float
    executions: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class TokenVolume:
    """Input of completed intents: `amount` in the token's smallest unit, None for the token "other"."""

    token: str
    intents: int
    amount: int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class TimeToStatus:
    """Seconds from acceptance to a status, right to within 5 %."""

    status: Status
    count: int
    p50: float
    p90: float
    p99: float


@dataclass(frozen=True, slots=True, kw_only=True)
class PeriodStatistics:
    """What happened from `start` until before `end`. `gas_used` in gas units, `total_cost` in yoctoNEAR."""

    start: datetime
    end: datetime
    created: int = 0
    completed: int = 0
    failed: int = 0
    volumes: tuple[TokenVolume, ...] = ()
    times: tuple[TimeToStatus, ...] = ()
    gas_used: int = 0
    total_cost: int = 0
    failures: tuple[tuple[str, int], ...] = ()
    """(reason, count), most first; beyond the first 100 reasons "other"."""
    solvers: tuple[SolverStatistics, ...] = ()
    """Over these intents, most executions first, at most 100."""

    @property
    def completion_rate(self) -> float:
        """Completed over ended, 0 where none ended."""
        ended = self.completed + self.failed
        return self.completed / ended if ended else 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Statistics:
    """Intents now in each of the five statuses, the solvers, and what happened in the time asked for."""

    counts: dict[Status, int]
    solvers: tuple[SolverStatistics, ...]
    totals: PeriodStatistics | None = None
    periods: tuple[PeriodStatistics, ...] = field(default=())

    @property
    def total(self) -> int:
        return sum(self.counts.values())
