"""Creators: one after the other, or many at once; as a process of its own for counting its syncs.

`python -m bench.store.creators DATABASE_URL COUNT CREATORS`
"""

import asyncio
import sys
import time
from collections.abc import Sequence

from bench.frame import BenchError
from bench.store import database
from bench.store.documents import new_intent
from services.common.clock import SystemClock, now
from services.common.domain.intent import NewIntent
from services.common.domain.outcomes import Accepted
from services.common.ports import IntentCreator
from services.common.rpc.runtime import loop_factory


def submissions(prefix: str, count: int) -> list[NewIntent]:
    moment = now(SystemClock())
    return [new_intent(f"{prefix}-{number}", now=moment) for number in range(count)]


async def create(store: IntentCreator, news: Sequence[NewIntent], *, creators: int) -> float:
    """Seconds until all are acknowledged; each creator has one call under way."""
    left = iter(news)

    async def creator() -> None:
        for new in left:
            (outcome,) = await store.create([new])
            if not isinstance(outcome, Accepted) or not outcome.created:
                raise BenchError(f"a creation was refused: {outcome}")

    began = time.perf_counter()
    await asyncio.gather(*(creator() for _ in range(creators)))
    return time.perf_counter() - began


async def _main(url: str, count: int, creators: int) -> None:
    async with database.store(url) as store:
        await create(store, submissions("counted", count), creators=creators)


if __name__ == "__main__":
    url, count, creators = sys.argv[1:]
    with asyncio.Runner(loop_factory=loop_factory()) as runner:
        runner.run(_main(url, int(count), int(creators)))
