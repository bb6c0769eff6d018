"""Endpoints stay under survey whatever happens to one comparison."""

import asyncio
from typing import Any

import pytest

from services.common.chain.several.chain import SeveralChain
from services.common.chain.several.endpoints import Standing
from services.common.clock import SystemClock
from tests.harness.wait import eventually
from tests.unit.chain.test_several import Node, standings


async def test_p13_a_survey_that_failed_is_followed_by_the_next(caplog: pytest.LogCaptureFixture) -> None:
    """Who was behind or away would else be so for as long as the process lives."""

    class Ticks(SystemClock):
        async def sleep(self, seconds: float) -> None:
            await tick.wait()
            tick.clear()

    tick, late = asyncio.Event(), Node(final=10)
    named: Any = [("late", late), ("good", Node())]
    async with SeveralChain(named, clock=Ticks()).running() as chain:
        await chain.network()
        late.says["all"] = RuntimeError("nobody foresaw this")
        tick.set()
        await eventually(lambda: "chain.survey_failed" in caplog.text)
        del late.says["all"]
        late.final = 100
        tick.set()
        await eventually(lambda: standings(chain)[0] is Standing.USABLE)
