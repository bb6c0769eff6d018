"""Group commit on SQLite: syncs and throughput of 64 creators at once against one each."""

import re
import shutil
import statistics
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from bench.frame import BenchError, Row, median_ratio, progress, turns
from bench.processes import Fleet
from bench.store import database
from bench.store.creators import create, submissions
from bench.store.database import Databases
from services.common.clock import SystemClock
from services.common.config import ServiceSettings
from services.common.observe import Observe
from services.common.observe.metrics import new_registry
from services.common.ports import IntentCreator
from services.common.rpc.channel import open_channel
from services.common.rpc.clients.store import GrpcStore
from services.store.adapters.sqlite import SqliteStorage
from services.store.app import open_storage
from services.store.observe import StoreMeters
from services.store.service import Store

CREATORS: Final = 64
SYNCS_GOAL: Final = 16.0
RATE_GOAL: Final = 3.0
CROWD, EACH = "64 at once", "one each"


@dataclass(frozen=True, slots=True, kw_only=True)
class Size:
    """Rounds, creations per side and round, creations whose syncs are counted."""

    rounds: int
    creations: int
    counted: int


FULL: Final = Size(rounds=9, creations=640, counted=1_280)
QUICK: Final = Size(rounds=3, creations=320, counted=640)


async def measure(databases: Databases, fleet: Fleet, size: Size) -> tuple[list[Row], dict[str, Any]]:
    """Rows, and the figures behind them."""
    traced = shutil.which("strace") is not None
    syncs = {}
    for side, creators in ((CROWD, CREATORS), (EACH, 1)):
        url = databases.new(f"syncs-{creators}")
        if traced:
            # what opening and closing the file takes is no creation's
            idle = _traced(url + ".idle", 0, creators, databases.folder)
            syncs[side] = _traced(url, size.counted, creators, databases.folder) - idle
        else:
            syncs[side] = await _commits(url, size.counted, creators)
    progress(f"syncs of {size.counted} creations: {syncs}")
    async with database.store(databases.new("creators")) as store:
        here = await _rounds(store, "here", size)
    target = fleet.start("creators", ["services.store"], {"DATABASE_URL": databases.new("creators-grpc")})
    async with open_channel(target, settings=ServiceSettings()) as channel:
        wire = await _rounds(GrpcStore(channel), "wire", size)
    what = "fsync and fdatasync calls (counted by strace)" if traced else "commits (no strace to count syncs)"
    rows = [
        Row(
            name=f"SQLite: {what}, one creator : 64 creators at once",
            goal=SYNCS_GOAL,
            measured=syncs[EACH] / max(1, syncs[CROWD]),
        ),
        Row(
            name="SQLite, in process: creations a second, 64 creators at once : one",
            goal=RATE_GOAL,
            measured=median_ratio(here[EACH], here[CROWD]),
        ),
        Row(
            name="SQLite, over gRPC: creations a second, 64 creators at once : one",
            measured=median_ratio(wire[EACH], wire[CROWD]),
        ),
    ]
    details: dict[str, Any] = {"syncs": syncs, "creations_counted": size.counted}
    for where, found in (("in_process", here), ("grpc", wire)):
        details[f"{where}_us_per_creation"] = {
            side: round(statistics.median(times) * 1e6, 1) for side, times in found.items()
        }
    return rows, details


async def _rounds(store: IntentCreator, prefix: str, size: Size) -> dict[str, list[float]]:
    """Seconds per creation."""
    found: dict[str, list[float]] = {CROWD: [], EACH: []}
    for number, order in turns((CROWD, EACH), size.rounds + 1):
        for side in order:
            news = submissions(f"{prefix}-{len(side)}-{number}", size.creations)
            seconds = await create(store, news, creators=CREATORS if side == CROWD else 1)
            if number:  # the first warms up
                found[side].append(seconds / size.creations)
    progress(f"creators {prefix}: done")
    return found


async def _commits(url: str, count: int, creators: int) -> int:
    """Transactions that create `count`; with synchronous=FULL each syncs the log once."""
    async with open_storage(database.settings(url)) as storage:
        assert isinstance(storage, SqliteStorage)
        meters = StoreMeters(Observe(service="bench", registry=new_registry(process=False)), ())
        before = storage.commits
        await create(Store(storage, SystemClock(), meters), submissions("counted", count), creators=creators)
        return storage.commits - before


def _traced(url: str, count: int, creators: int, folder: Path) -> int:
    """fsync and fdatasync calls of a process that creates `count`."""
    found = folder / "strace.txt"
    command = ["strace", "-f", "-qq", "-e", "trace=fsync,fdatasync", "-o", str(found)]
    command += [sys.executable, "-m", "bench.store.creators", url, str(count), str(creators)]
    ran = subprocess.run(command, capture_output=True, text=True)
    if ran.returncode != 0:
        raise BenchError(f"the creators failed: {ran.stderr.strip()[-500:]}")
    return syncs_of(found.read_text("utf-8"))


def syncs_of(trace: str) -> int:
    """Of strace's lines, those that begin a sync."""
    return len(re.findall(r"^\d+ +(?:fsync|fdatasync)\(", trace, re.MULTILINE))
