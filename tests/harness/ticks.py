"""A clock whose waits end when a test says so."""

import asyncio
from datetime import UTC, datetime, timedelta

from services.common.clock import to_ns


class TickClock:
    """Wall time moves by hand; whoever sleeps goes on at the next tick, however long it asked for.

    `asked` are the seconds of every sleep.
    """

    def __init__(self, start: datetime | None = None) -> None:
        self.moment = start or datetime.now(UTC)
        self.asked: list[float] = []
        self._sleepers: list[asyncio.Future[None]] = []
        self._changed = asyncio.Condition()

    def now_ns(self) -> int:
        return to_ns(self.moment)

    def monotonic(self) -> float:
        return self.moment.timestamp()

    def advance(self, **span: float) -> None:
        self.moment += timedelta(**span)

    async def sleep(self, seconds: float) -> None:
        self.asked.append(seconds)
        future: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        async with self._changed:
            self._sleepers.append(future)
            self._changed.notify_all()
        try:
            await future
        finally:
            if future in self._sleepers:
                self._sleepers.remove(future)

    async def tick(self, sleepers: int = 1) -> None:
        """Waits for so many to sleep, lets them go on, and returns when as many sleep again."""
        async with asyncio.timeout(10), self._changed:
            await self._changed.wait_for(lambda: len(self._sleepers) >= sleepers)
            for one in self._sleepers[:]:
                one.set_result(None)
            self._sleepers.clear()
            await self._changed.wait_for(lambda: len(self._sleepers) >= sleepers)
