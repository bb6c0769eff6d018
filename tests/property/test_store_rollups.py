"""Roll-ups under every interleaving that a seed can make: folders race and die anywhere, relays write meanwhile."""

import asyncio
import random
from collections import Counter
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from services.common.domain.lifecycle import NEXT, TERMINAL, Status
from services.common.domain.statistics import Period, PeriodStatistics, StatisticsQuery
from services.store.ports import Document, Keep
from services.store.rollups.fold import Folder
from services.store.rollups.read import Reader
from tests.unit.store.support import HandClock

PARTITIONS = 2
START = datetime(2026, 11, 23, 22, 30, tzinfo=UTC)
USERS = [("alice", "ann.near"), ("alice", "ben.near"), ("bob", "ann.near")]


class Gone(Exception):
    """The process of a folder is gone."""


class Memory:
    """A log that grows, records, and bookkeeping documents by compare-and-set."""

    def __init__(self, dice: random.Random, intents: int) -> None:
        self.log: list[list[Document]] = [[] for _ in range(PARTITIONS)]
        self.records: dict[str, Document] = {}
        self.kept: dict[str, Document] = {}
        self.coming: list[tuple[str, int]] = []
        for number in range(intents):
            self._live(dice, f"i-{number}", number % PARTITIONS)
        dice.shuffle(self.coming)
        # versions of an intent in order, intents among each other in any
        told: Counter[str] = Counter()
        for index, (name, _) in enumerate(self.coming):
            told[name] += 1
            self.coming[index] = (name, told[name])

    def _live(self, dice: random.Random, name: str, partition: int) -> None:
        principal, user = dice.choice(USERS)
        at, status = START + timedelta(minutes=dice.randrange(200)), Status.PENDING
        history = [{"status": status.value, "occurredAt": at, "reason": ""}]
        while status not in TERMINAL and dice.random() < 0.9:
            status = dice.choice(sorted(NEXT[status]))
            at += timedelta(milliseconds=dice.choice([0, 7, 4_000, 3_600_000]))
            move: Document = {"status": status.value, "occurredAt": at, "reason": ""}
            if status is Status.FAILED:
                move["reason"] = dice.choice(["CANCELLED", "EXPIRED"])
            if status in TERMINAL:
                move["executionDetails"] = {
                    "solverId": dice.choice(["", "a.near", "b.near"]), "gasUsed": str(10**13), "totalCost": str(10**24),
                }  # fmt: skip
            history.append(move)
        self.records[name] = {
            "_id": name, "principal": principal, "userId": user, "createdAt": history[0]["occurredAt"],
            "input_token": dice.choice(["USDC", "a.b$c"]), "input_amount": str(dice.randrange(1, 2**128)),
            "history": history, "partition": partition,
        }  # fmt: skip
        self.coming += [(name, 0)] * len(history)

    def append(self) -> None:
        """The next event gets into the log."""
        name, version = self.coming.pop(0)
        record = self.records[name]
        log = self.log[record["partition"]]
        event = {
            **record["history"][version - 1],
            "version": version,
            "intentId": name,
            "userId": record["userId"],
        }
        log.append(
            event
            | {"principal": record["principal"], "partition": record["partition"], "sequence": len(log) + 1}
        )


class View:
    """One process's hands on the memory; they fall off after `life` steps."""

    outbox = None
    meta = SimpleNamespace(partitions=PARTITIONS)

    def __init__(self, memory: Memory, dice: random.Random, life: int) -> None:
        self.memory, self.dice, self.life = memory, dice, life

    async def _turn(self) -> None:
        for _ in range(self.dice.randrange(4)):
            await asyncio.sleep(0)
        if self.memory.coming and self.dice.random() < 0.3:
            self.memory.append()
        self.life -= 1
        if self.life < 0:
            raise Gone

    async def find(self, names: list[str]) -> dict[str, Document]:
        await self._turn()
        return {name: self.memory.records[name] for name in names}

    async def read_log(self, after: dict[int, int], each: int) -> dict[int, list[Document]]:
        await self._turn()
        return {one: self.memory.log[one][position : position + each] for one, position in after.items()}

    async def floors(self) -> list[int]:
        return [0] * PARTITIONS

    async def kept(self, kind: str, keys: list[str]) -> dict[str, Document]:
        await self._turn()
        return {key: self.memory.kept[key] for key in keys if key in self.memory.kept}

    async def kept_between(self, kind: str, first: str, last: str, limit: int) -> list[Document]:
        found = [one for key, one in sorted(self.memory.kept.items()) if first <= key < last]
        return found[:limit]

    async def run(self, program: Any) -> Any:
        operation = next(program)
        assert isinstance(operation, Keep)
        answers = []
        for document in operation.documents:
            await self._turn()
            standing = self.memory.kept.get(document["_id"], {"revision": 0})
            answers.append(standing["revision"] == document["revision"])
            if answers[-1]:
                self.memory.kept[document["_id"]] = {**document, "revision": document["revision"] + 1}
        try:
            program.send(answers)
        except StopIteration as end:
            return end.value


async def fold(view: Any, batch: int) -> None:
    folder = Folder(view, batch=batch)
    try:
        while await folder.step():
            pass
    except Gone:
        pass


async def drive(memory: Memory, dice: random.Random, folders: int) -> None:
    for _ in range(3):
        await asyncio.gather(
            *(
                fold(View(memory, dice, dice.randrange(1, 200)), dice.choice([2, 6, 40]))
                for _ in range(folders)
            )
        )
    while memory.coming:
        memory.append()
    # somebody always comes who lives
    await fold(View(memory, dice, 10**9), 8)


def expected(memory: Memory, query: StatisticsQuery, start: datetime, end: datetime) -> PeriodStatistics:
    """Counted from the histories, one by one."""
    chosen = [
        (record, index, move)
        for record in memory.records.values()
        for index, move in enumerate(record["history"])
        if query.principal in ("", record["principal"])
        and query.user_id in ("", record["userId"])
        and start <= move["occurredAt"] < end
    ]
    ends = [(record, move) for record, _, move in chosen if move["status"] in TERMINAL]
    done = [record for record, move in ends if move["status"] == Status.COMPLETED]
    tokens = Counter(record["input_token"] for record in done)
    amounts: Counter[str] = Counter()
    for record in done:
        amounts[record["input_token"]] += int(record["input_amount"])
    reasons = Counter(move["reason"] for _, move in ends if move["status"] == Status.FAILED)
    return PeriodStatistics(
        start=start, end=end,
        created=sum(index == 0 for _, index, _ in chosen),
        completed=len(done), failed=reasons.total(),
        gas_used=10**13 * len(ends), total_cost=10**24 * len(ends),
        failures=tuple(sorted(reasons.items(), key=lambda one: (-one[1], one[0]))),
        volumes=tuple(
            SimpleNamespace(token=token, intents=number, amount=amounts[token])  # type: ignore[arg-type]
            for token, number in sorted(tokens.items(), key=lambda one: (-one[1], one[0]))
        ),
    )  # fmt: skip


def assert_same(found: PeriodStatistics, wanted: PeriodStatistics, memory: Memory) -> None:
    for name in ("start", "end", "created", "completed", "failed", "gas_used", "total_cost", "failures"):
        assert getattr(found, name) == getattr(wanted, name), name
    assert [(one.token, one.intents, one.amount) for one in found.volumes] == [
        (one.token, one.intents, one.amount) for one in wanted.volumes
    ]


@settings(max_examples=100, deadline=None)
@given(seed=st.integers(0, 2**32), folders=st.integers(1, 4), intents=st.integers(0, 8))
def test_folders_racing_and_dying_count_each_event_once(seed: int, folders: int, intents: int) -> None:
    dice = random.Random(seed)
    memory = Memory(dice, intents)
    with asyncio.Runner() as runner:
        runner.run(drive(memory, dice, folders))
        reader = Reader(View(memory, dice, 10**9), HandClock(START + timedelta(days=2)))  # type: ignore[arg-type]
        for principal in ("", "alice", "bob", "nobody"):
            for user in ("", "ann.near", "ben.near"):
                query = StatisticsQuery(principal=principal, user_id=user)
                for period in (None, Period.HOUR, Period.DAY):
                    asked = StatisticsQuery(principal=principal, user_id=user, period=period)
                    counts, totals, periods = runner.run(reader.read(asked))
                    last = Counter(
                        one["history"][-1]["status"]
                        for one in memory.records.values()
                        if principal in ("", one["principal"]) and user in ("", one["userId"])
                    )
                    assert counts == {status: last.get(status.value, 0) for status in Status}
                    assert_same(totals, expected(memory, query, totals.start, totals.end), memory)
                    for one in periods:
                        assert_same(one, expected(memory, query, one.start, one.end), memory)
                    assert sum(one.created for one in periods) == (totals.created if period else 0)
                since, until = START + timedelta(hours=1), START + timedelta(hours=27)
                _, totals, _ = runner.run(
                    reader.read(StatisticsQuery(principal=principal, user_id=user, since=since, until=until))
                )
                assert_same(totals, expected(memory, query, totals.start, totals.end), memory)
