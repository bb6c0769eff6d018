"""The bench `store`: its parts on SQLite, and on a MongoDB-protocol server where one is given."""

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any, Final

from bench.frame import BenchError, Options, Report, Row, scratch
from bench.processes import Fleet
from bench.store import events, moves, sizes, syncs
from bench.store.database import Databases
from services.common.rpc.runtime import loop_factory
from services.store.ports import CannotOpen

Part = Callable[[Databases, Fleet, bool], Awaitable[tuple[list[Row], dict[str, Any]]]]

MEASURES: Final[dict[str, Part]] = {
    "moves": lambda at, fleet, quick: moves.measure(at, fleet, moves.QUICK if quick else moves.FULL),
    "events": lambda at, fleet, quick: events.measure(at, fleet, events.QUICK if quick else events.FULL),
    "syncs": lambda at, fleet, quick: syncs.measure(at, fleet, syncs.QUICK if quick else syncs.FULL),
    "sizes": lambda at, fleet, quick: sizes.measure(at, fleet, sizes.QUICK if quick else sizes.FULL),
}
PARTS: Final = tuple(MEASURES)


def run(options: Options) -> Report:
    """Raises BenchError where the run proves nothing."""
    with scratch() as folder, asyncio.Runner(loop_factory=loop_factory()) as runner:
        try:
            return runner.run(_measure(options, folder))
        except CannotOpen as error:
            raise BenchError(str(error)) from None


async def _measure(options: Options, folder: Path) -> Report:
    rows: list[Row] = []
    details: dict[str, object] = {}
    for databases in [Databases(folder)] + ([Databases(folder, options.url)] if options.url else []):
        for part in options.only or PARTS:
            if part in ("events", "syncs") and databases.mongo:
                continue  # of SQLite's file alone
            fleet = Fleet(folder, options.profile)
            try:
                found, figures = await MEASURES[part](databases, fleet, options.quick)
            finally:
                fleet.stop()
                databases.drop()
            rows += found
            details[f"{part}, {databases.backend}"] = figures
    return Report(bench="store", rows=rows, details=details)
