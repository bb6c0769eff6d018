"""What every bench shares: rows with goals, rounds in which all sides take turns, the table.

A shared machine's absolute figures drift by the minute, so a figure is a ratio of two sides measured within the same
round, and what counts is the median of that ratio over the rounds.
"""

import json
import shutil
import statistics
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeVar

Side = TypeVar("Side")


class BenchError(Exception):
    """The run proves nothing; the text says why."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """What the command line asks for. `url`: a MongoDB-protocol server; `only`: parts of the bench, all if empty."""

    quick: bool = False
    profile: Path | None = None
    url: str = ""
    only: Sequence[str] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One figure. `goal` is the least it must be, the most where `at_most`; None where it is only reported."""

    name: str
    measured: float
    goal: float | None = None
    at_most: bool = False

    @property
    def met(self) -> bool | None:
        """None without a goal."""
        if self.goal is None:
            return None
        return self.measured <= self.goal if self.at_most else self.measured >= self.goal


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """What a bench found. `notes` are sentences for people, `details` the figures behind the rows."""

    bench: str
    rows: Sequence[Row]
    notes: Sequence[str] = ()
    details: dict[str, object] = field(default_factory=dict)

    @property
    def met(self) -> bool:
        """No goal was missed."""
        return all(row.met is not False for row in self.rows)

    def to_json(self) -> str:
        """The file --json writes: rows {name, goal, measured, met}."""
        rows = [
            {"name": row.name, "goal": row.goal, "measured": round(row.measured, 4), "met": row.met}
            for row in self.rows
        ]
        found = {"bench": self.bench, "met": self.met, "rows": rows, "notes": list(self.notes)}
        return json.dumps(found | {"details": self.details}, indent=2) + "\n"

    def table(self) -> str:
        """A Markdown table, as docs/performance.md holds it."""
        lines = ["| figure | goal | measured | met |", "|---|---|---|---|"]
        for row in self.rows:
            goal = "-" if row.goal is None else f"at {'most' if row.at_most else 'least'} {row.goal:g}"
            met = {None: "-", True: "yes", False: "NO"}[row.met]
            lines.append(f"| {row.name} | {goal} | {row.measured:.2f} | {met} |")
        return "\n".join([*lines, "", *self.notes])


def turns(sides: Sequence[Side], rounds: int) -> Iterator[tuple[int, list[Side]]]:
    """Each round's number and its order; whoever was first is last in the next."""
    for number in range(rounds):
        first = number % len(sides)
        yield number, [*sides[first:], *sides[:first]]


def median_ratio(mine: Sequence[float], its: Sequence[float]) -> float:
    """The median over the rounds of mine / its. Raises BenchError where a round lacks one of them."""
    if not mine or len(mine) != len(its):
        raise BenchError(f"{len(mine)} rounds of one side, {len(its)} of the other")
    return statistics.median(one / other for one, other in zip(mine, its, strict=True))


@contextmanager
def scratch() -> Iterator[Path]:
    """A folder for the run, gone afterwards."""
    # beside the repository's other passing files: /tmp may be memory, which has no sync to wait for
    Path("run").mkdir(exist_ok=True)
    folder = Path(tempfile.mkdtemp(prefix="bench-", dir="run")).resolve()
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def progress(text: str) -> None:
    """For whoever waits; results go to stdout."""
    print(text, file=sys.stderr, flush=True)
