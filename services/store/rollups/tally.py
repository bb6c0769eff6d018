"""What is counted over moves: in memory, in a roll-up's document, and as an answer."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final

from services.common.domain.lifecycle import Status
from services.common.domain.statistics import PeriodStatistics, SolverStatistics, TimeToStatus, TokenVolume
from services.store.ports import Document
from services.store.rollups.histogram import quantiles
from services.store.rollups.moves import Move

MOST_NAMES: Final = 100
"""Tokens, reasons and solvers that a tally tells apart; what comes later counts as OTHER."""
OTHER: Final = "other"


class Named:
    """Sums by name: whole numbers, as many for each name. What is kept tells MOST_NAMES apart; of the others it knows
    how often they came, the first of the numbers."""

    __slots__ = ("by_name", "others")

    def __init__(self) -> None:
        self.by_name: dict[str, list[int]] = {}
        self.others = 0

    def add(self, name: str, *numbers: int) -> None:
        held = self.by_name.get(name)
        self.by_name[name] = (
            list(numbers) if held is None else [a + b for a, b in zip(held, numbers, strict=True)]
        )

    def merge(self, other: "Named", *, most: int | None = None) -> None:
        """A name that would be one more than `most` is among the others, now and whenever it comes again."""
        for name, numbers in other.by_name.items():
            if most is None or name in self.by_name or len(self.by_name) < most:
                self.add(name, *numbers)
            else:
                self.others += numbers[0]
        self.others += other.others

    def trim(self) -> None:
        """Only those of MOST_NAMES that came most often, in that order."""
        most = sorted(self.by_name.items(), key=lambda one: (-one[1][0], one[0]))
        self.by_name = dict(most[:MOST_NAMES])
        self.others += sum(numbers[0] for _, numbers in most[MOST_NAMES:])

    def stands_for(self, whole: "Named") -> bool:
        """Whether it is what bounding `whole` can have left: which names came too late depends on their order."""
        rest = sum(numbers[0] for name, numbers in whole.by_name.items() if name not in self.by_name)
        return (
            all(whole.by_name.get(name) == numbers for name, numbers in self.by_name.items())
            and self.others == rest + whole.others
            and (not self.others or len(self.by_name) >= MOST_NAMES)
        )


@dataclass(slots=True)
class Tally:
    """Of moves. `moved`: by status, how many came in less how many went on; over everything, what is there now."""

    moved: dict[Status, int] = field(default_factory=dict)
    first: datetime | None = None  # when the first of them happened
    created: int = 0
    completed: int = 0
    failed: int = 0
    gas: int = 0
    cost: int = 0
    volumes: Named = field(default_factory=Named)  # intents, amount
    failures: Named = field(default_factory=Named)  # failures
    solvers: Named = field(default_factory=Named)  # executions, successes, milliseconds
    times: dict[Status, dict[int, int]] = field(default_factory=dict)  # histograms

    def add(self, move: Move) -> None:
        """Count one move."""
        self.first = move.at if self.first is None else min(self.first, move.at)
        self.moved[move.status] = self.moved.get(move.status, 0) + 1
        self.created += move.came_in
        if move.before is None:
            return
        self.moved[move.before] = self.moved.get(move.before, 0) - 1
        if move.took is not None:
            buckets = self.times.setdefault(move.status, {})
            buckets[move.took] = buckets.get(move.took, 0) + 1
        if not move.ended:
            return
        self.gas += move.gas
        self.cost += move.cost
        if move.solver:
            self.solvers.add(move.solver, 1, int(move.status is Status.COMPLETED), move.solving_ms)
        if move.status is Status.COMPLETED:
            self.completed += 1
            self.volumes.add(move.token, 1, move.amount)
        else:
            self.failed += 1
            self.failures.add(move.reason, 1)

    def merge(self, other: "Tally", *, most: int | None = None) -> None:
        """Count all that `other` did, telling `most` names apart."""
        if other.first is not None:
            self.first = other.first if self.first is None else min(self.first, other.first)
        for status, count in other.moved.items():
            self.moved[status] = self.moved.get(status, 0) + count
        self.created += other.created
        self.completed += other.completed
        self.failed += other.failed
        self.gas += other.gas
        self.cost += other.cost
        self.volumes.merge(other.volumes, most=most)
        self.failures.merge(other.failures, most=most)
        self.solvers.merge(other.solvers, most=most)
        for status, buckets in other.times.items():
            mine = self.times.setdefault(status, {})
            for index, count in buckets.items():
                mine[index] = mine.get(index, 0) + count

    def stands_for(self, whole: "Tally") -> bool:
        """Whether it is `whole`, but for names that came too late."""
        return (
            _without_zeros(self.moved) == _without_zeros(whole.moved)
            and (self.first, self.created, self.completed, self.failed, self.gas, self.cost, self.times)
            == (whole.first, whole.created, whole.completed, whole.failed, whole.gas, whole.cost, whole.times)
            and self.volumes.stands_for(whole.volumes)
            and self.failures.stands_for(whole.failures)
            and self.solvers.stands_for(whole.solvers)
        )

    def trim(self) -> None:
        """No more names than a document holds."""
        for named in (self.volumes, self.failures, self.solvers):
            named.trim()

    def to_document(self) -> Document:
        """What is not 0. Names are values, not keys: they have dots. Sums of amounts may pass 63 bits: strings."""
        counts = {"created": self.created, "completed": self.completed, "failed": self.failed}
        sums = {"gasUsed": self.gas, "totalCost": self.cost}
        document: Document = {} if self.first is None else {"first": self.first}
        document |= {name: count for name, count in counts.items() if count}
        document |= {name: str(value) for name, value in sums.items() if value}
        moved = {status.value: count for status, count in self.moved.items() if count}
        times = {
            status.value: [[index, count] for index, count in sorted(buckets.items())]
            for status, buckets in self.times.items()
        }
        document |= {name: value for name, value in (("moved", moved), ("times", times)) if value}
        for name, held in (("volumes", self.volumes), ("failures", self.failures), ("solvers", self.solvers)):
            if held.by_name:
                document[name] = [
                    [key, first, *map(str, rest)] for key, (first, *rest) in held.by_name.items()
                ]
            if held.others:
                document[f"{name}Other"] = held.others
        return document

    def period(self, start: datetime, end: datetime) -> PeriodStatistics:
        """As an answer."""
        self.trim()
        volumes = [
            TokenVolume(token=token, intents=intents, amount=amount)
            for token, (intents, amount) in self.volumes.by_name.items()
        ]
        if self.volumes.others:
            volumes.append(TokenVolume(token=OTHER, intents=self.volumes.others, amount=None))
        failures = [(reason, count) for reason, (count,) in self.failures.by_name.items()]
        if self.failures.others:
            failures.append((OTHER, self.failures.others))
        return PeriodStatistics(
            start=start,
            end=end,
            created=self.created,
            completed=self.completed,
            failed=self.failed,
            volumes=tuple(volumes),
            times=tuple(_time(status, buckets) for status in Status if (buckets := self.times.get(status))),
            gas_used=self.gas,
            total_cost=self.cost,
            failures=tuple(failures),
            solvers=tuple(
                SolverStatistics(
                    solver_id=solver,
                    success_rate=successes / executions,
                    avg_execution_time=ms / executions / 1000,
                    executions=executions,
                )
                for solver, (executions, successes, ms) in self.solvers.by_name.items()
            ),
        )


def tally_of(document: Document) -> Tally:
    """The reverse of `to_document`. Raises KeyError, ValueError, TypeError for what is none."""
    tally = Tally(
        moved={Status(status): count + 0 for status, count in document.get("moved", {}).items()},
        first=document.get("first"),
        created=document.get("created", 0),
        completed=document.get("completed", 0),
        failed=document.get("failed", 0),
        gas=int(document.get("gasUsed", 0)),
        cost=int(document.get("totalCost", 0)),
        times={
            Status(status): {index + 0: count for index, count in buckets}
            for status, buckets in document.get("times", {}).items()
        },
    )
    for name, held in (("volumes", tally.volumes), ("failures", tally.failures), ("solvers", tally.solvers)):
        held.by_name.update({key: [first, *map(int, rest)] for key, first, *rest in document.get(name, ())})
        held.others = document.get(f"{name}Other", 0)
    return tally


def _time(status: Status, buckets: dict[int, int]) -> TimeToStatus:
    p50, p90, p99 = quantiles(buckets, 0.5, 0.9, 0.99)
    return TimeToStatus(status=status, count=sum(buckets.values()), p50=p50, p90=p90, p99=p99)


def _without_zeros(counts: dict[Status, int]) -> dict[Status, int]:
    return {status: count for status, count in counts.items() if count}


def merged(tallies: Iterable[Tally]) -> Tally:
    """Of them all."""
    whole = Tally()
    for one in tallies:
        whole.merge(one)
    return whole
