"""proto <-> domain: counts, and what happened in a time."""

from collections.abc import Iterable
from datetime import datetime
from typing import Final

from google.protobuf.timestamp_pb2 import Timestamp

from intents.store.v1 import store_service_pb2 as store_pb
from intents.v1 import intent_service_pb2 as pb
from services.common.convert.intents import status_from_proto, status_to_proto
from services.common.convert.times import moment, stamp_ns, timestamp
from services.common.domain.lifecycle import Status
from services.common.domain.statistics import (
    Period,
    PeriodStatistics,
    SolverStatistics,
    Statistics,
    StatisticsQuery,
    TimeToStatus,
    TokenVolume,
)
from services.common.errors import IntentError, Reason

_PERIODS: Final = {
    pb.STATISTICS_PERIOD_UNSPECIFIED: None,
    pb.STATISTICS_PERIOD_HOUR: Period.HOUR,
    pb.STATISTICS_PERIOD_DAY: Period.DAY,
}
_NUMBERS: Final = {period: number for number, period in _PERIODS.items()}


def period_from_proto(number: "pb.StatisticsPeriod.ValueType") -> Period | None:
    """UNSPECIFIED means totals only. Raises INVALID_FIELD for a number not in the contract."""
    try:
        return _PERIODS[number]
    except KeyError:
        raise IntentError(Reason.INVALID_FIELD, f"period: {number} is not a period.") from None


def moment_of(message: object, field: str) -> datetime | None:
    """A Timestamp field; None where absent. Raises INVALID_FIELD naming it for no date."""
    if not message.HasField(field):  # type: ignore[attr-defined]
        return None
    stamp: Timestamp = getattr(message, field)
    stamp_ns(stamp, field)
    return moment(stamp)


def query_to_proto(query: StatisticsQuery) -> store_pb.GetStatisticsRequest:
    return store_pb.GetStatisticsRequest(
        principal=query.principal,
        user_id=query.user_id,
        period=_NUMBERS[query.period],
        since=None if query.since is None else timestamp(query.since),
        until=None if query.until is None else timestamp(query.until),
    )


def query_from_proto(request: store_pb.GetStatisticsRequest) -> StatisticsQuery:
    return StatisticsQuery(
        principal=request.principal,
        user_id=request.user_id,
        period=period_from_proto(request.period),
        since=moment_of(request, "since"),
        until=moment_of(request, "until"),
    )


def statistics_to_proto(found: Statistics) -> store_pb.GetStatisticsResponse:
    return store_pb.GetStatisticsResponse(
        statuses=counts_to_proto(found),
        solvers=solvers_to_proto(found.solvers),
        totals=None if found.totals is None else period_to_proto(found.totals),
        periods=[period_to_proto(one) for one in found.periods],
    )


def statistics_from_proto(message: store_pb.GetStatisticsResponse) -> Statistics:
    return Statistics(
        counts={status_from_proto(row.status): row.count for row in message.statuses},
        solvers=_solvers_from(message.solvers),
        totals=_period_from(message.totals) if message.HasField("totals") else None,
        periods=tuple(_period_from(one) for one in message.periods),
    )


def counts_to_proto(found: Statistics) -> list[pb.StatusCount]:
    return [pb.StatusCount(status=status_to_proto(s), count=found.counts.get(s, 0)) for s in Status]


def solvers_to_proto(solvers: Iterable[SolverStatistics]) -> list[pb.SolverStatistics]:
    return [
        pb.SolverStatistics(
            solver_id=one.solver_id,
            success_rate=one.success_rate,
            avg_execution_time=one.avg_execution_time,
            executions=one.executions,
        )
        for one in solvers
    ]


def period_to_proto(one: PeriodStatistics) -> pb.PeriodStatistics:
    return pb.PeriodStatistics(
        start=timestamp(one.start),
        end=timestamp(one.end),
        created=one.created,
        completed=one.completed,
        failed=one.failed,
        completion_rate=one.completion_rate,
        volumes=[
            pb.TokenVolume(
                token=volume.token,
                intents=volume.intents,
                amount="" if volume.amount is None else str(volume.amount),
            )
            for volume in one.volumes
        ],
        times=[
            pb.TimeToStatus(
                status=status_to_proto(time.status),
                count=time.count,
                p50=time.p50,
                p90=time.p90,
                p99=time.p99,
            )
            for time in one.times
        ],
        gas_used=str(one.gas_used),
        total_cost=str(one.total_cost),
        failures=[pb.FailureCount(reason=reason, count=count) for reason, count in one.failures],
        solvers=solvers_to_proto(one.solvers),
    )


def _period_from(message: pb.PeriodStatistics) -> PeriodStatistics:
    return PeriodStatistics(
        start=moment(message.start),
        end=moment(message.end),
        created=message.created,
        completed=message.completed,
        failed=message.failed,
        volumes=tuple(
            TokenVolume(
                token=volume.token,
                intents=volume.intents,
                amount=int(volume.amount) if volume.amount else None,
            )
            for volume in message.volumes
        ),
        times=tuple(
            TimeToStatus(
                status=status_from_proto(time.status),
                count=time.count,
                p50=time.p50,
                p90=time.p90,
                p99=time.p99,
            )
            for time in message.times
        ),
        gas_used=int(message.gas_used or 0),
        total_cost=int(message.total_cost or 0),
        failures=tuple((one.reason, one.count) for one in message.failures),
        solvers=_solvers_from(message.solvers),
    )


def _solvers_from(solvers: Iterable[pb.SolverStatistics]) -> tuple[SolverStatistics, ...]:
    return tuple(
        SolverStatistics(
            solver_id=one.solver_id,
            success_rate=one.success_rate,
            avg_execution_time=one.avg_execution_time,
            executions=one.executions,
        )
        for one in solvers
    )
