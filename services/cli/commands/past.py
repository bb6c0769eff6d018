"""stats, history: what happened, as table, CSV or JSON."""

import argparse
from contextlib import aclosing
from typing import Any, Final

from intents.v1 import intent_service_pb2 as pb
from intents.v1 import types_pb2 as types
from intents_client import status_word
from intents_client.shown import STATUSES, intent_to_json, statistics_to_json, time_text
from services.cli import exits, options, output
from services.cli.exits import Failure

_TIMED: Final = ("verified", "executing", "completed", "failed")
_HISTORY: Final = (
    "ID", "STATUS", "ACTION", "INPUT", "OUTPUT", "CREATED", "UPDATED", "SOLVER", "TRANSACTIONS", "REASON"
)  # fmt: skip


def add(commands: options.Commands) -> None:
    """Both."""
    stats = options.add_command(
        commands, "stats", help="your intents counted: by status now, and what happened in a time"
    )
    _add_user(stats)
    stats.add_argument("--by", choices=("hour", "day"), default="", help="split by full hours or days of UTC")
    stats.add_argument(
        "--since",
        type=options.moment,
        help="from here on: RFC 3339, or how long ago, such as 7d (default: the first)",
    )
    stats.add_argument(
        "--until", type=options.moment, help="before this: RFC 3339, or how long ago (default: now)"
    )
    _add_forms(stats)
    stats.set_defaults(run=run_stats)

    history = options.add_command(
        commands, "history", help="a user's intents, newest first, with what became of each"
    )
    history.add_argument("user", help="the user's account")
    history.add_argument("--status", choices=tuple(STATUSES), help="only this status")
    history.add_argument("--limit", type=options.whole, default=100, help="most to show (default 100)")
    _add_forms(history)
    history.set_defaults(run=run_history)


def _add_user(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--user", "--user-account", dest="user", default="", metavar="USER", help="only this user's"
    )


def _add_forms(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--csv", action="store_true", help="comma-separated values, for spreadsheets")
    options.add_common(parser)


def _check_forms(args: argparse.Namespace) -> None:
    if args.csv and args.json:
        raise Failure(exits.USAGE, "choose --csv or --json, not both")


async def run_stats(args: argparse.Namespace) -> int:
    _check_forms(args)
    async with options.client_of(args) as client:
        found = await client.statistics(
            user_account=args.user, period=args.by, since=args.since, until=args.until
        )
    if args.json:
        output.emit_json(statistics_to_json(found))
    elif args.csv:
        _stats_csv(found, by=args.by)
    else:
        _stats_tables(found, by=args.by)
    return exits.OK


def _stats_csv(found: pb.GetStatisticsResponse, *, by: str) -> None:
    """A line per period, or one of totals; volumes and failures as name=number, parted by spaces."""
    header = [
        "start", "end", "created", "completed", "failed", "completion_rate", "gas_used", "total_cost",
        *(f"{status}_{part}_seconds" for status in _TIMED for part in ("p50", "p90", "p99")), "volumes", "failures",
    ]  # fmt: skip
    rows = []
    for one in found.periods if by else [found.totals]:
        times = {status_word(time.status): time for time in one.times}
        rows.append(
            [
                time_text(one.start), time_text(one.end), one.created, one.completed, one.failed,
                f"{one.completion_rate:.4f}", one.gas_used, one.total_cost,
                *(
                    f"{getattr(times[status], part):.3f}" if status in times else ""
                    for status in _TIMED for part in ("p50", "p90", "p99")
                ),
                " ".join(f"{volume.token}={volume.amount}" for volume in one.volumes),
                " ".join(f"{failure.reason}={failure.count}" for failure in one.failures),
            ]
        )  # fmt: skip
    output.csv_rows(rows, header)


def _stats_tables(found: pb.GetStatisticsResponse, *, by: str) -> None:
    counts = [(status_word(one.status), one.count) for one in found.statuses]
    output.table([*counts, ("total", found.total)], ("STATUS", "INTENTS"))
    if found.solvers:
        print()
        _solvers(found)
    totals = found.totals
    if not (totals.created or totals.completed or totals.failed):
        return
    print(f"\n{time_text(totals.start)} to {time_text(totals.end)}")
    output.pairs(
        {
            "created": totals.created,
            "completed": f"{totals.completed} ({totals.completion_rate:.1%} of what ended)",
            "failed": totals.failed,
            "gas used": totals.gas_used,
            "total cost": f"{totals.total_cost} yoctoNEAR",
        }
    )
    for rows, header in (
        (
            [(one.token, one.intents, one.amount or "-") for one in totals.volumes],
            ("TOKEN", "INTENTS", "VOLUME"),
        ),
        (
            [
                (status_word(one.status), one.count, *map(_seconds, (one.p50, one.p90, one.p99)))
                for one in totals.times
            ],
            ("SECONDS TO", "INTENTS", "P50", "P90", "P99"),
        ),
        ([(one.reason, one.count) for one in totals.failures], ("FAILED FOR", "INTENTS")),
    ):
        if rows:
            print()
            output.table(rows, header)
    if by:
        print()
        output.table(
            [_period(one) for one in found.periods], ("FROM", "CREATED", "COMPLETED", "FAILED", "RATE", "P50")
        )


def _solvers(found: pb.GetStatisticsResponse) -> None:
    rows = [
        (one.solver_id, f"{one.success_rate:.1%}", f"{one.avg_execution_time:.3f}", one.executions)
        for one in found.solvers
    ]
    output.table(rows, ("SOLVER", "SUCCESS", "SECONDS", "EXECUTIONS"))


def _period(one: pb.PeriodStatistics) -> tuple[object, ...]:
    done = [time.p50 for time in one.times if time.status == types.INTENT_STATUS_COMPLETED]
    rate = f"{one.completion_rate:.1%}" if one.completed or one.failed else "-"
    return (
        time_text(one.start)[:16] + "Z", one.created, one.completed, one.failed, rate,
        _seconds(done[0]) if done else "-",
    )  # fmt: skip


def _seconds(value: float) -> str:
    return f"{value:.3f}"


async def run_history(args: argparse.Namespace) -> int:
    _check_forms(args)
    found: list[types.Intent] = []
    wanted = STATUSES[args.status] if args.status else types.INTENT_STATUS_UNSPECIFIED
    async with (
        options.client_of(args) as client,
        aclosing(client.list_all(user_account=args.user, status=wanted)) as intents,
    ):
        async for intent in intents:
            if len(found) >= args.limit:
                break
            found.append(intent)
    if args.json:
        output.emit_json({"intents": [intent_to_json(intent) for intent in found]})
        return exits.OK
    rows = [_history(one, args.csv) for one in found]
    if args.csv:
        output.csv_rows(rows, [name.lower() for name in _HISTORY])
    else:
        output.table(rows, _HISTORY)
    return exits.OK


def _history(one: types.Intent, empty: bool) -> tuple[Any, ...]:
    """`empty`: what is not there is left empty, not a dash."""
    plain, execution = one.intent, one.execution_details
    least = f"{plain.min_output_amount} " if plain.HasField("min_output_amount") else ""
    row = (
        one.intent_id, status_word(one.status), plain.action,
        f"{plain.input_amount} {plain.input_token}", f"{least}{plain.output_token}",
        time_text(one.created_at), time_text(one.updated_at), execution.solver_id,
        " ".join(f"{tx.hash}:{tx.status}" for tx in execution.transactions), one.error_details.reason,
    )  # fmt: skip
    return row if empty else tuple(cell or "-" for cell in row)
