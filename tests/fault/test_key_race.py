"""Two processes want one key and are killed with it in hand: each nonce is given to one of them."""

import asyncio
import sys
from itertools import pairwise
from pathlib import Path
from typing import Any

from services.common.clock import SystemClock
from services.store.app import build
from services.store.config import StoreSettings

LINES = 20
"""Reservations of a process before it is killed."""
LIVES = 2


async def live(target: str, name: str) -> list[tuple[int, int, int]]:
    """What a process was told until it was killed with -9."""
    racer = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "tests.fault.key_racer", target, name, stdout=asyncio.subprocess.PIPE
    )
    assert racer.stdout is not None
    told = [await racer.stdout.readline() for _ in range(LINES)]
    racer.kill()
    told += (await racer.stdout.read()).splitlines(keepends=True)
    await racer.wait()
    whole = [line.split() for line in told if line.endswith(b"\n")]
    return [(int(fence), int(first), int(last)) for fence, first, last in whole]


async def test_p02_two_processes_that_race_for_one_key_share_no_nonce(tmp_path: Path) -> None:
    anywhere: dict[str, Any] = {"port": 0, "admin_port": 0}
    settings = StoreSettings(database_url=f"sqlite:///{tmp_path / 'store.db'}", **anywhere)
    async with build(settings, SystemClock()) as store:
        await store.ready()
        target = store.rpc.address

        async def lives(name: str) -> list[tuple[int, int, int]]:
            return [one for _ in range(LIVES) for one in await live(target, name)]

        async with asyncio.timeout(60):
            first, second = await asyncio.gather(lives("p-0"), lives("p-1"))
    assert min(len(first), len(second)) >= LINES * LIVES
    assert not {fence for fence, _, _ in first} & {fence for fence, _, _ in second}
    given = sorted((begins, ends, fence) for fence, begins, ends in first + second)
    for before, after in pairwise(given):
        assert before[1] < after[0], "a nonce was given twice"
        assert before[2] <= after[2], "who held the key before was given nonces above its successor's"
