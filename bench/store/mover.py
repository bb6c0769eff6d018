"""Moves at a steady rate, in a process of its own: `python -m bench.store.mover TARGET PREFIX COUNT RATE`.

Each move is a call of its own, begun when its time has come whatever became of those before. Prints {seconds, p50_ms}.
"""

import asyncio
import json
import statistics
import sys

from bench.store.documents import move
from services.common.config import ServiceSettings
from services.common.domain.outcomes import Applied
from services.common.rpc.channel import open_channel
from services.common.rpc.clients.store import GrpcStore
from services.common.rpc.runtime import loop_factory


async def run(target: str, prefix: str, count: int, rate: float) -> dict[str, float]:
    """Seconds from the first call to the last answer, and the median call's milliseconds."""
    loop = asyncio.get_running_loop()
    times: list[float] = []
    async with open_channel(target, settings=ServiceSettings()) as channel:
        store = GrpcStore(channel)
        await channel.channel_ready()

        async def one(number: int) -> None:
            began = loop.time()
            (outcome,) = await store.transition([move(f"{prefix}-{number}")])
            if not isinstance(outcome, Applied):
                raise SystemExit(f"a move was refused: {outcome}")
            times.append(loop.time() - began)

        began = loop.time()
        async with asyncio.TaskGroup() as calls:
            for number in range(count):
                await asyncio.sleep(max(0.0, began + number / rate - loop.time()))
                calls.create_task(one(number))
        return {"seconds": loop.time() - began, "p50_ms": statistics.median(times) * 1000}


if __name__ == "__main__":
    target, prefix, count, rate = sys.argv[1:]
    with asyncio.Runner(loop_factory=loop_factory()) as runner:
        print(json.dumps(runner.run(run(target, prefix, int(count), float(rate)))))
