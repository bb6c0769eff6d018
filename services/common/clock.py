"""Time comes in as an argument, so that tests own it."""

import asyncio
import time
from datetime import UTC, datetime, timedelta
from typing import Final, Protocol

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)


class Clock(Protocol):
    """Wall time for records, monotonic time for waiting."""

    def now_ns(self) -> int:
        """Unix time in nanoseconds, UTC."""
        ...

    def monotonic(self) -> float:
        """Seconds from an arbitrary start; never goes back."""
        ...

    async def sleep(self, seconds: float) -> None:
        """Return after `seconds` of this clock's time."""
        ...


class SystemClock:
    """The machine's clock."""

    def now_ns(self) -> int:
        return time.time_ns()

    def monotonic(self) -> float:
        return time.monotonic()

    async def sleep(self, seconds: float) -> None:
        await asyncio.sleep(seconds)


def now(clock: Clock) -> datetime:
    """`clock`'s time as an aware UTC datetime floored to milliseconds (what BSON dates hold)."""
    return from_ns(clock.now_ns())


def now_ms(clock: Clock) -> int:
    """`clock`'s time in whole Unix milliseconds."""
    return clock.now_ns() // 1_000_000


def from_ns(ns: int) -> datetime:
    """Unix nanoseconds -> aware UTC datetime floored to milliseconds. Raises OverflowError/ValueError out of range."""
    return _EPOCH + timedelta(milliseconds=ns // 1_000_000)


def to_ns(moment: datetime) -> int:
    """Aware datetime -> Unix nanoseconds, exactly (whole microseconds)."""
    delta = moment - _EPOCH
    return (delta.days * 86_400 + delta.seconds) * 1_000_000_000 + delta.microseconds * 1_000
