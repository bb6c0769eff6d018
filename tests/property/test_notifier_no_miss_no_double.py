"""P5 at the notifier: whatever breaks, an edge that comes back with its cursor misses nothing and sees no double."""

import asyncio
import random
from contextlib import AsyncExitStack

import pytest

from services.common.domain.feed import FeedMessage, Subscribe
from tests.harness.wait import eventually
from tests.unit.notifier.fakes import Edge, Log, notifying

INTENTS = [f"i{number}" for number in range(9)]
WRITES = 150


@pytest.mark.parametrize("seed", range(12))
async def test_p05_no_miss_no_double_over_reconnects_and_notifier_restarts(seed: int) -> None:
    dice = random.Random(seed)
    log = Log(dice)
    wanted = tuple(dice.sample(INTENTS, 5))
    edge = Edge(Subscribe(sequence=0, intent_ids=wanted, principals=("bob",)))
    edge.cursor = (await log.list_events(tail=True)).cursor
    owners = {intent_id: dice.choice(["alice", "bob"]) for intent_id in INTENTS}
    due = {one for one in INTENTS if one in wanted or owners[one] == "bob"}

    async def write() -> None:
        for _ in range(WRITES):
            intent_id = dice.choice(INTENTS)
            await log.write(intent_id, owners[intent_id])
            for _ in range(dice.randint(0, 6)):
                await asyncio.sleep(0)
            if dice.random() < 0.03:
                await log.cut()

    def complete() -> bool:
        return all(len(edge.of(one)) == log.versions.get(one, 0) for one in due)

    async with AsyncExitStack() as stack:
        houses = [AsyncExitStack(), AsyncExitStack()]
        running = [await house.enter_async_context(notifying(log)) for house in houses]
        for number in range(2):
            stack.push_async_callback(lambda number=number: houses[number].aclose())
        writing = asyncio.create_task(write())
        lives = 0
        while not (writing.done() and complete()) and lives < 40:
            lives += 1
            number = dice.randrange(2)
            patience = dice.randint(1, 12) if lives < 30 else 10_000
            seen = len(edge.messages)

            async def enough(_: FeedMessage, seen: int = seen, patience: int = patience) -> None:
                if len(edge.messages) - seen >= patience or (writing.done() and complete()):
                    raise ConnectionResetError

            task = asyncio.create_task(edge.follow(running[number], enough))
            if dice.random() < 0.3:
                await eventually(lambda seen=seen, task=task: len(edge.messages) > seen or task.done())
                await houses[number].aclose()
                houses[number] = AsyncExitStack()
                running[number] = await houses[number].enter_async_context(notifying(log))
            await asyncio.wait_for(asyncio.gather(task, return_exceptions=True), 20)
        await writing
    for one in INTENTS:
        expected = list(range(1, log.versions.get(one, 0) + 1)) if one in due else []
        assert edge.of(one) == expected
