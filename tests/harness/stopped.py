"""The instant at which verdicts are given in tests, and a clock that stands there."""

from datetime import UTC, datetime
from typing import Final

from services.common.clock import to_ns

NOW: Final = datetime(2026, 11, 23, 12, 0, tzinfo=UTC)
NOW_NS: Final = to_ns(NOW)


class StoppedClock:
    """Always NOW."""

    def now_ns(self) -> int:
        return NOW_NS

    def monotonic(self) -> float:
        return 0.0

    async def sleep(self, seconds: float) -> None:
        raise AssertionError("a verdict waits for nothing")
