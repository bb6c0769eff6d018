"""The relay's rules under every interleaving that a seed can make, on an outbox in memory."""

import asyncio
import random
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from services.common.clock import SystemClock
from services.store.ports import Document
from services.store.relay import Relay

PARTITIONS = 2


class Gone(Exception):
    """The process of a relay is gone."""


class Memory:
    """What MongoDB gives a relay: single documents, unique ids. Every call may be overtaken by others."""

    def __init__(self, intents: int, versions: int) -> None:
        self.log: dict[tuple[int, int], tuple[str, int]] = {}
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


class View:
    """One relay's hands on the memory; they fall off after `life` steps."""

    def __init__(self, memory: Memory, dice: random.Random, life: int) -> None:
        self.memory, self.dice, self.life = memory, dice, life
        self.on_written: Any = None

    async def _turn(self) -> None:
        for _ in range(self.dice.randrange(4)):
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


async def drive(memory: Memory, dice: random.Random, relays: int) -> None:
    async def work(view: View) -> None:
        relay = Relay(view, SystemClock(), partitions=PARTITIONS, poll=1.0, on_events=lambda: None)
        documents = await view.waiting(100)
        dice.shuffle(documents)
        try:
            for document in documents:
                await relay.relay(document)
        except Gone:
            pass

    await asyncio.gather(*(work(View(memory, dice, dice.randrange(1, 60))) for _ in range(relays)))
    # somebody always comes who lives
    await work(View(memory, dice, 1_000_000))


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
    assert all(not one["outbox"] for one in memory.intents.values())
    told = list(memory.log.values())
    assert len(told) == len(set(told)) == intents * versions
    for partition in range(PARTITIONS):
        places = sorted(sequence for one, sequence in memory.log if one == partition)
        assert places == list(range(1, len(places) + 1))
        in_order = [memory.log[partition, sequence] for sequence in places]
        for name in memory.intents:
            versions_told = [version for one, version in in_order if one == name]
            assert versions_told in ([], list(range(1, versions + 1)))
