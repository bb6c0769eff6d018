"""The way of an event: from its move to a reader of WatchEvents, while moves go on."""

import asyncio
import json
import statistics
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

from bench.frame import BenchError, Row, progress
from bench.processes import Fleet
from bench.store import database
from bench.store.database import Databases
from bench.store.documents import subjects
from services.common.clock import SystemClock, now
from services.common.config import ServiceSettings
from services.common.rpc.channel import open_channel
from services.common.rpc.clients.store import GrpcStore

RATE: Final = 500.0
ASKED: Final = 510.0
"""Moves a second begun, so that RATE is reached with the last answer waited for."""
GOAL_MS: Final = 20.0
WARM: Final = 0.1
"""Share of the events, the first, that do not count."""
REST: Final = 30.0
"""Seconds after the last move for its event to arrive."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Size:
    """Rounds, and seconds of moves in each."""

    rounds: int
    seconds: float


FULL: Final = Size(rounds=5, seconds=10)
QUICK: Final = Size(rounds=2, seconds=3)


async def measure(databases: Databases, fleet: Fleet, size: Size) -> tuple[list[Row], dict[str, Any]]:
    """What an event's way takes in the median round, and the load really reached in the slowest."""
    url = databases.new("events")
    count = round(size.seconds * ASKED)
    moment = now(SystemClock())
    for number in range(size.rounds):
        await database.fill(url, subjects(f"round{number}", count, now=moment))
    target = fleet.start(f"events-{databases.backend[:5]}", ["services.store"], {"DATABASE_URL": url})
    p50s: list[float] = []
    p99s: list[float] = []
    rates: list[float] = []
    calls: list[float] = []
    async with open_channel(target, settings=ServiceSettings()) as channel:
        for number in range(size.rounds):
            took, mover = await _round(GrpcStore(channel), target, f"round{number}", count)
            p50s.append(statistics.median(took) * 1000)
            p99s.append(statistics.quantiles(took, n=100)[98] * 1000)
            rates.append(count / mover["seconds"])
            calls.append(mover["p50_ms"])
            progress(f"events on {databases.backend}: p50 {p50s[-1]:.1f} ms at {rates[-1]:.0f} moves/s")
    name = databases.backend
    rows = [
        Row(
            name=f"{name}: p50 in ms from a move taken up (before its commit) to a WatchEvents reader",
            goal=None if databases.mongo else GOAL_MS,
            at_most=True,
            measured=statistics.median(p50s),
        ),
        Row(
            name=f"{name}: moves a second meanwhile, one call each, in the slowest round",
            goal=None if databases.mongo else RATE,
            measured=min(rates),
        ),
    ]
    return rows, {"p50_ms": p50s, "p99_ms": p99s, "moves_per_second": rates, "move_p50_ms": calls}


async def _round(
    store: GrpcStore, target: str, prefix: str, count: int
) -> tuple[Sequence[float], dict[str, float]]:
    """Seconds of each event's way, and what the mover says."""
    took: list[float] = []
    watching, all_there = asyncio.Event(), asyncio.Event()

    async def read() -> None:
        async for page in store.watch_events(tail=True):
            watching.set()
            here = time.time()
            took.extend(here - event.occurred_at.timestamp() for event in page.events)
            if len(took) >= count:
                all_there.set()

    reading = asyncio.create_task(read())
    try:
        await watching.wait()
        mover = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "bench.store.mover", target, prefix, str(count), str(ASKED),
            stdout=asyncio.subprocess.PIPE,
        )  # fmt: skip
        said, _ = await mover.communicate()
        if mover.returncode != 0:
            raise BenchError("the mover's process failed")
        async with asyncio.timeout(REST):
            await all_there.wait()
    except TimeoutError:
        raise BenchError(f"{len(took)} of {count} events arrived") from None
    finally:
        reading.cancel()
        await asyncio.gather(reading, return_exceptions=True)
    if len(took) != count:
        raise BenchError(f"{len(took)} events arrived of {count} moves")
    return took[round(count * WARM) :], json.loads(said)
