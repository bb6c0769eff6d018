"""The bench `edge`: rounds of submissions at the product's edge, at the naive one and at the bare one."""

import sqlite3
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median
from typing import Final

from bench.edge.submitters import DriverProcess
from bench.frame import BenchError, Options, Report, Row, median_ratio, progress, scratch, turns
from bench.processes import Fleet

CALLERS: Final = 64
GOAL: Final = 2.5
NAIVE, EDGE, BARE = "naive", "edge", "bare"
SIDES: Final = (EDGE, NAIVE, BARE)
STORING: Final = (EDGE, NAIVE)


@dataclass(frozen=True, slots=True, kw_only=True)
class Size:
    """Rounds, and submissions of one measurement in each."""

    rounds: int
    crowd: int
    lone: int
    batches: int


FULL: Final = Size(rounds=7, crowd=1_536, lone=96, batches=1_536)
QUICK: Final = Size(rounds=3, crowd=384, lone=32, batches=384)


@dataclass(slots=True)
class Measured:
    """One side's figures, a value per round: submissions a second and CPU seconds per submission of all its
    processes and the submitters' (64 callers), a lone caller's p50 in ms, submissions a second in batches."""

    rate: list[float] = field(default_factory=list)
    cpu: list[float] = field(default_factory=list)
    lone_ms: list[float] = field(default_factory=list)
    batched: list[float] = field(default_factory=list)
    by_process: list[dict[str, float]] = field(default_factory=list)
    sent: int = 0


def run(options: Options) -> Report:
    """Raises BenchError where the run proves nothing."""
    size = QUICK if options.quick else FULL
    with scratch() as folder:
        fleet, driver = Fleet(folder, options.profile), DriverProcess()
        try:
            found = _measure(size, fleet, driver, folder)
        finally:
            driver.stop()
            fleet.stop()
        for side in STORING:
            _count(folder / f"{side}.db", side, found[side].sent)
    return _report(found)


def _measure(size: Size, fleet: Fleet, driver: DriverProcess, folder: Path) -> dict[str, Measured]:
    targets = {side: _start(fleet, side, folder / f"{side}.db") for side in STORING}
    targets[BARE] = fleet.start(BARE, ["bench.edge.serve", "bare"], {})
    found = {side: Measured() for side in SIDES}
    warm_up = max(CALLERS, size.crowd // 4)
    for side in SIDES:
        progress(f"signing for {side}")
        per_round = size.crowd + size.lone + size.batches
        driver.ask("sign", name=side, count=warm_up + size.rounds * per_round)

    def send(
        side: str, count: int, *, callers: int, batch: int = 1
    ) -> tuple[dict[str, float], dict[str, float]]:
        """The driver's answer, and CPU seconds per submission by process."""
        fleet.settle()
        before = fleet.cpu(side)
        answer = driver.ask("run", target=targets[side], name=side, count=count, callers=callers, batch=batch)
        found[side].sent += count
        spent = {name: (now - before[name]) / count for name, now in fleet.cpu(side).items()}
        return answer, {"submitters": answer["cpu"] / count} | spent

    for side in SIDES:
        send(side, warm_up, callers=CALLERS)
    for number, order in turns(SIDES, size.rounds):
        for side in order:
            one = found[side]
            answer, cpu = send(side, size.crowd, callers=CALLERS)
            one.rate.append(size.crowd / answer["seconds"])
            one.cpu.append(sum(cpu.values()))
            one.by_process.append(cpu)
            one.lone_ms.append(send(side, size.lone, callers=1)[0]["median_ms"])
            batched, _ = send(side, size.batches, callers=1, batch=CALLERS)
            one.batched.append(size.batches / batched["seconds"])
        rates = ", ".join(f"{side} {found[side].rate[-1]:.0f}/s" for side in SIDES)
        progress(f"round {number + 1} of {size.rounds}: {rates}")
    fleet.settle()
    return found


def _start(fleet: Fleet, side: str, database: Path) -> str:
    """The edge's address; store, cache, validator and notifier are the side's own."""
    store = fleet.start(f"{side}-store", ["services.store"], {"DATABASE_URL": f"sqlite:///{database}"})
    cache = fleet.start(f"{side}-cache", ["bench.edge.serve", "cache"], {"STORE_TARGET": store})
    validator = fleet.start(f"{side}-validator", ["services.validator"], {"CACHE_TARGET": cache})
    notifier = fleet.start(f"{side}-notifier", ["bench.edge.serve", "notifier"], {})
    command = ["services.edge"] if side == EDGE else ["bench.edge.serve", "naive"]
    settings: dict[str, str | int] = {
        "STORE_TARGET": store,
        "CACHE_TARGET": cache,
        "VALIDATOR_TARGET": validator,
        "NOTIFIER_TARGET": notifier,
        "HTTP_PORT": 0,
        "RATE_LIMIT_MAX": 1_000_000_000,
    }
    return fleet.start(f"{side}-edge", command, settings)


def _count(database: Path, side: str, sent: int) -> None:
    """By a reader of our own, after the store has ended. Raises BenchError where an intent or event is missing."""
    with closing(sqlite3.connect(database)) as connection:
        stored = connection.execute(
            "SELECT COUNT(*) FROM intents WHERE id LIKE ? || '-%'", (side,)
        ).fetchone()[0]
        (all_,) = connection.execute("SELECT COUNT(*) FROM intents").fetchone()
        (events,) = connection.execute("SELECT COUNT(*) FROM events").fetchone()
    if not stored == all_ == events == sent:
        raise BenchError(
            f"{side}: {sent} submissions acknowledged, {stored} of {all_} stored, {events} events"
        )


def _report(found: dict[str, Measured]) -> Report:
    edge, naive, bare = found[EDGE], found[NAIVE], found[BARE]

    def ratio(pick: Callable[[Measured], list[float]], mine: Measured, its: Measured) -> float:
        return median_ratio(pick(mine), pick(its))

    rows = [
        Row(
            name="throughput of 64 callers, edge : naive fan-out",
            goal=GOAL,
            measured=ratio(lambda one: one.rate, edge, naive),
        ),
        Row(
            name="CPU time per intent of 64 callers, naive fan-out : edge",
            measured=ratio(lambda one: one.cpu, naive, edge),
        ),
        Row(
            name="throughput of 64 callers, edge : bare edge that answers at once",
            measured=ratio(lambda one: one.rate, edge, bare),
        ),
        Row(
            name="a lone caller's p50, edge : naive fan-out (below 1 is faster)",
            measured=ratio(lambda one: one.lone_ms, edge, naive),
        ),
        Row(
            name="intents in batches of 64, one caller : single calls of 64 callers, both at the edge",
            measured=median_ratio(edge.batched, edge.rate),
        ),
        Row(
            name="intents in batches of 64, one caller, edge : naive fan-out",
            measured=ratio(lambda one: one.batched, edge, naive),
        ),
    ]
    details: dict[str, object] = {
        side: {
            "per_second": round(median(one.rate)),
            "cpu_us_per_intent": round(median(one.cpu) * 1e6),
            "cpu_us_by_process": {
                name: round(median(cpu[name] for cpu in one.by_process) * 1e6) for name in one.by_process[0]
            },
            "lone_p50_ms": round(median(one.lone_ms), 2),
            "batched_per_second": round(median(one.batched)),
            "sent": one.sent,
        }
        for side, one in found.items()
    }
    notes = [
        f"Stored and counted: {edge.sent} intents through the edge, {naive.sent} through the naive fan-out.",
    ]
    return Report(bench="edge", rows=rows, notes=notes, details=details)
