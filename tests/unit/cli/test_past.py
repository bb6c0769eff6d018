"""stats and history: one answer as table, CSV and JSON; what is asked of the server."""

import csv
import io
from datetime import UTC, datetime, timedelta

import pytest

from intents.v1 import intent_service_pb2 as pb
from intents.v1 import types_pb2 as types
from intents_client.shown import STATUSES
from tests.unit.cli.support import Terminal, answering
from tests.unit.cli.test_commands import DONE, record

START = datetime(2026, 11, 23, 12, tzinfo=UTC)


def period(**changes: int) -> pb.PeriodStatistics:
    made = pb.PeriodStatistics(
        created=5,
        completed=3,
        failed=1,
        completion_rate=0.75,
        volumes=[
            pb.TokenVolume(token="USDC", intents=3, amount=str(2**100)),
            pb.TokenVolume(token="other", intents=1),
        ],
        times=[pb.TimeToStatus(status=STATUSES["completed"], count=3, p50=1.25, p90=2, p99=3)],
        gas_used="7",
        total_cost="8",
        failures=[pb.FailureCount(reason="EXPIRED", count=1)],
    )
    made.start.FromDatetime(START)
    made.end.FromDatetime(START + timedelta(hours=1))
    made.MergeFrom(pb.PeriodStatistics(**changes))
    return made


def counted() -> pb.GetStatisticsResponse:
    return pb.GetStatisticsResponse(
        statuses=[pb.StatusCount(status=number, count=number) for number in STATUSES.values()],
        total=15,
        solvers=[
            pb.SolverStatistics(solver_id="solver.near", success_rate=0.5, avg_execution_time=2, executions=4)
        ],
        totals=period(),
        periods=[period(), period(created=9)],
    )


async def test_statistics_as_table_csv_and_json(terminal: Terminal) -> None:
    script = answering(GetStatistics=counted())
    async with terminal.at(script):
        code, out, err = await terminal.run("stats", "--by", "hour")
        assert (code, err) == (0, "")
        for shown in ("solver.near", str(2**100), "EXPIRED", "75.0%", "1.250", "2026-11-23T12:00Z"):
            assert shown in out
        code, out, err = await terminal.run("stats", "--by", "hour", "--csv")
        rows = list(csv.DictReader(io.StringIO(out)))
        assert [row["created"] for row in rows] == ["5", "9"]
        assert rows[0]["start"] == "2026-11-23T12:00:00.000Z"
        assert (rows[0]["volumes"], rows[0]["failures"]) == (f"USDC={2**100} other=", "EXPIRED=1")
        assert (rows[0]["completed_p50_seconds"], rows[0]["failed_p50_seconds"]) == ("1.250", "")
        code, out, err = await terminal.run("stats", "--csv")
        assert len(out.splitlines()) == 2, "totals alone"
        shown = await terminal.json("stats", "--by", "day")
    assert shown["totals"]["volumes"] == [
        {"token": "USDC", "intents": 3, "amount": str(2**100)},
        {"token": "other", "intents": 1},
    ]
    assert shown["totals"]["times"] == {"completed": {"count": 3, "p50": 1.25, "p90": 2.0, "p99": 3.0}}
    assert [one["created"] for one in shown["periods"]] == [5, 9]
    assert script.calls[-1][1].period == pb.STATISTICS_PERIOD_DAY


async def test_a_time_is_an_instant_or_how_long_ago(terminal: Terminal) -> None:
    script = answering(GetStatistics=counted())
    async with terminal.at(script):
        await terminal.run(
            "stats", "--since", "7d", "--until", "2026-11-23T13:00:00+01:00", "--user", "ann.near"
        )
        asked = script.calls[-1][1]
        assert asked.until.ToDatetime(tzinfo=UTC) == START
        ago = datetime.now(UTC) - asked.since.ToDatetime(tzinfo=UTC)
        assert timedelta(days=7) <= ago < timedelta(days=7, minutes=5)
        assert asked.user_account == "ann.near"


@pytest.mark.parametrize(
    "argv", [["stats", "--since=soon"], ["stats", "--by=week"], ["stats", "--csv", "--json"]]
)
async def test_p10_what_cannot_be_meant_is_refused(terminal: Terminal, argv: list[str]) -> None:
    code, out, err = await terminal.run(*argv)
    assert (code, out) == (2, "")
    assert err.strip()


async def test_history_as_table_csv_and_json(terminal: Terminal) -> None:
    failed = record("failed", error_details=types.ErrorDetails(reason="EXPIRED", message="too late"))
    failed.intent_id = "=1+1"
    script = answering(ListIntents=pb.ListIntentsResponse(intents=[record(execution_details=DONE), failed]))
    async with terminal.at(script):
        code, out, err = await terminal.run("history", "alice.near", "--status=failed")
        assert (code, err) == (0, "")
        for shown in ("solver.near", "Abc:success", "100 USDC", "EXPIRED", "2025-11-24T16:00:00.123Z"):
            assert shown in out
        asked = script.calls[-1][1]
        assert (asked.user_account, asked.status) == ("alice.near", STATUSES["failed"])
        code, out, err = await terminal.run("history", "alice.near", "--csv")
        rows = list(csv.DictReader(io.StringIO(out)))
        assert [(row["id"], row["status"], row["reason"]) for row in rows] == [
            ("a", "completed", ""), ("'=1+1", "failed", "EXPIRED")
        ]  # fmt: skip
        shown = await terminal.json("history", "alice.near", "--limit=1")
    assert [one["intentId"] for one in shown["intents"]] == ["a"]
    assert shown["intents"][0]["executionDetails"]["solverId"] == "solver.near"
