"""The rules of relay and retention under every interleaving that a seed can make, on an outbox in memory."""

import asyncio
import random
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from services.common.clock import SystemClock
from services.common.observe import Observe
from services.common.observe.metrics import new_registry
from services.store.observe import RetentionMeters
from services.store.ports import Document, Drop, Keep, Kept, Meta, Program
from services.store.relay import Relay
from services.store.retention.run import Policy, Retention

PARTITIONS = 2


class Gone(Exception):
    """The process of a relay, or of retention, is gone."""


class Memory:
    """What MongoDB gives a relay: single documents, unique ids. Every call may be overtaken by others."""

    def __init__(self, intents: int, versions: int) -> None:
        self.log: dict[tuple[int, int], tuple[str, int]] = {}
        self.archived: dict[tuple[int, int], tuple[str, int]] = {}
        self.meta: dict[str, Document] = {}
        self.intents = {
            f"i-{number}": {
                "_id": f"i-{number}", "userId": "u", "principal": "p",
                "history": [{"version": version} for version in range(1, versions + 1)],
                "outbox": [{"version": version, "sequence": 0} for version in range(1, versions + 1)],
            }
            for number in range(intents)
        }  # fmt: skip

    def copy(self, intent_id: str) -> Document:
        found = self.intents[intent_id]
        return {**found, "outbox": [dict(entry) for entry in found["outbox"]]}

    def floor(self, partition: int) -> int:
        return int(self.meta.get(f"floor:{partition}", {"sequence": 0})["sequence"])

    def told(self) -> dict[tuple[int, int], tuple[str, int]]:
        """The whole log, what was dropped of it from the archive."""
        gone = {place: one for place, one in self.archived.items() if place[1] <= self.floor(place[0])}
        return gone | {place: one for place, one in self.log.items() if place[1] > self.floor(place[0])}


class View:
    """One process's hands on the memory, a relay's or retention's; they fall off after `life` steps."""

    def __init__(self, memory: Memory, dice: random.Random, life: int) -> None:
        self.memory, self.dice, self.life = memory, dice, life
        self.on_written: Any = None
        self.outbox = self.scans = self
        self.meta = Meta(store_id="0" * 16, partitions=PARTITIONS)

    async def _turn(self) -> None:
        # now and then one stands still while others do a lot
        for _ in range(self.dice.randrange(4) if self.dice.randrange(10) else self.dice.randrange(150)):
            await asyncio.sleep(0)
        self.life -= 1
        if self.life < 0:
            raise Gone

    async def waiting(self, limit: int) -> list[Document]:
        return [self.memory.copy(name) for name, one in self.memory.intents.items() if one["outbox"]][:limit]

    async def reread(self, intent_id: str) -> Document | None:
        await self._turn()
        return self.memory.copy(intent_id)

    def _oldest(self, intent_id: str, version: int, sequence: int) -> dict[str, int] | None:
        outbox: Any = self.memory.intents[intent_id]["outbox"]
        if outbox and outbox[0] == {"version": version, "sequence": sequence}:
            oldest: dict[str, int] = outbox[0]
            return oldest
        return None

    async def number(self, intent_id: str, version: int, before: int, after: int) -> bool:
        await self._turn()
        oldest = self._oldest(intent_id, version, before)
        if oldest is None:
            return False
        oldest["sequence"] = after
        return True

    async def append(self, event: Document) -> tuple[str, int] | None:
        await self._turn()
        place = event["partition"], event["sequence"]
        mine = event["intentId"], event["version"]
        standing = self.memory.log.setdefault(place, mine)
        return None if standing is mine else standing

    async def unbox(self, intent_id: str, version: int, sequence: int) -> bool:
        await self._turn()
        if self._oldest(intent_id, version, sequence) is None:
            return False
        outbox: Any = self.memory.intents[intent_id]["outbox"]
        outbox.pop(0)
        return True

    async def newest(self, partition: int) -> int:
        await self._turn()
        return max((sequence for one, sequence in self.memory.log if one == partition), default=0)

    async def floor(self, partition: int) -> int:
        await self._turn()
        return self.memory.floor(partition)

    async def boxed(self, intent_ids: Sequence[str]) -> list[Document]:
        await self._turn()
        return [self.memory.copy(one) for one in intent_ids if self.memory.intents[one]["outbox"]]

    async def heads(self) -> list[int]:
        return [await self.newest(partition) for partition in range(PARTITIONS)]

    async def floors(self) -> list[int]:
        return [await self.floor(partition) for partition in range(PARTITIONS)]

    async def log(self, partition: int, after: int, limit: int) -> list[tuple[int, Document]]:
        await self._turn()
        places = sorted(
            sequence for one, sequence in self.memory.log if one == partition and sequence > after
        )
        return [(sequence, self._event(partition, sequence)) for sequence in places[:limit]]

    def _event(self, partition: int, sequence: int) -> Document:
        intent_id, version = self.memory.log[partition, sequence]
        moment = datetime(2026, 1, 1, tzinfo=UTC)
        return {"intentId": intent_id, "version": version, "sequence": sequence, "occurredAt": moment}

    async def put(self, partition: int, events: Sequence[Document]) -> str:
        """The archive."""
        for event in events:
            await self._turn()
            mine = event["intentId"], event["version"]
            assert self.memory.archived.setdefault((partition, event["sequence"]), mine) == mine
        return "memory"

    async def kept(self, kind: str, keys: Sequence[str]) -> dict[str, Document]:
        """Roll-ups that have counted everything."""
        assert kind == "rollups"
        await self._turn()
        return {key: {"sequence": 1 << 40, "revision": 1} for key in keys}

    async def run(self, program: Program[Any]) -> Any:
        answer: Any = None
        while True:
            try:
                operation = program.send(answer)
            except StopIteration as end:
                return end.value
            await self._turn()
            match operation:
                case Kept(keys=keys):
                    answer = {key: dict(self.memory.meta[key]) for key in keys if key in self.memory.meta}
                case Keep(documents=documents):
                    answer = [self._keep(one) for one in documents]
                case Drop(partition=partition, through=through, limit=limit):
                    places = sorted(
                        one for one in self.memory.log if one[0] == partition and one[1] <= through
                    )
                    for place in places[:limit]:
                        await self._turn()
                        self.memory.log.pop(place, None)
                    answer = len(places[:limit])
                case _:
                    raise AssertionError(operation)

    def _keep(self, document: Document) -> bool:
        seen = document["revision"]
        if self.memory.meta.get(document["_id"], {"revision": 0})["revision"] != seen:
            return False
        self.memory.meta[document["_id"]] = {**document, "revision": seen + 1}
        return True


async def drive(memory: Memory, dice: random.Random, relays: int, retentions: int = 0) -> None:
    async def work(view: View) -> None:
        relay = Relay(view, SystemClock(), partitions=PARTITIONS, poll=1.0, on_events=lambda: None)
        documents = await view.waiting(100)
        dice.shuffle(documents)
        try:
            for document in documents:
                await relay.relay(document)
        except Gone:
            pass

    async def drop(view: Any, passes: int) -> None:
        meters = RetentionMeters(Observe(service="store", registry=new_registry(process=False)))
        policy = Policy(keep=timedelta(0) if dice.randrange(2) else None, count=dice.randrange(1, 3))
        try:
            for _ in range(passes):
                await Retention(view, SystemClock(), policy, view, meters).once()
        except Gone:
            pass

    def life() -> View:
        return View(memory, dice, dice.randrange(1, 60))

    await asyncio.gather(
        *(work(life()) for _ in range(relays)), *(drop(life(), 9) for _ in range(retentions))
    )
    # somebody always comes who lives
    await work(View(memory, dice, 1_000_000))
    if retentions:
        await drop(View(memory, dice, 1_000_000), 1)


@settings(max_examples=150, deadline=None)
@given(
    seed=st.integers(0, 2**32),
    relays=st.integers(1, 4),
    intents=st.integers(1, 5),
    versions=st.integers(1, 4),
)
def test_p05_relays_racing_and_dying_neither_skip_nor_double(
    seed: int, relays: int, intents: int, versions: int
) -> None:
    memory = Memory(intents, versions)
    with asyncio.Runner() as runner:
        runner.run(drive(memory, random.Random(seed), relays))
    check(memory, intents, versions)


@settings(max_examples=500, deadline=None)
@given(
    seed=st.integers(0, 2**32),
    relays=st.integers(1, 4),
    retentions=st.integers(1, 3),
    intents=st.integers(1, 5),
    versions=st.integers(1, 4),
)
def test_p05_retention_racing_with_relays_loses_and_doubles_nothing(
    seed: int, relays: int, retentions: int, intents: int, versions: int
) -> None:
    """What was dropped is in the archive; both together are the log as it would be without retention."""
    memory = Memory(intents, versions)
    with asyncio.Runner() as runner:
        runner.run(drive(memory, random.Random(seed), relays, retentions))
    check(memory, intents, versions)
    for partition in range(PARTITIONS):
        kept = sorted(sequence for one, sequence in memory.log if one == partition)
        head = max((sequence for one, sequence in memory.told() if one == partition), default=0)
        floor = memory.floor(partition)
        assert kept == list(range(floor + 1, head + 1))
        assert floor < head or head == 0


def check(memory: Memory, intents: int, versions: int) -> None:
    """Every version once, in order, without a gap."""
    assert all(not one["outbox"] for one in memory.intents.values())
    told = memory.told()
    assert len(told) == len({*told.values()}) == intents * versions
    for partition in range(PARTITIONS):
        places = sorted(sequence for one, sequence in told if one == partition)
        assert places == list(range(1, len(places) + 1))
        in_order = [told[partition, sequence] for sequence in places]
        for name in memory.intents:
            versions_told = [version for one, version in in_order if one == name]
            assert versions_told in ([], list(range(1, versions + 1)))
