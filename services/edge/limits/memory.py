"""The count of one process."""

from collections import OrderedDict, deque
from typing import Final

from services.common.clock import Clock

MAX_SUBJECTS: Final = 100_000
"""Subjects remembered; beyond them the one that was quiet longest is forgotten."""


class _Log:
    """Attempts of one subject, oldest first, as (time, how many)."""

    __slots__ = ("entries", "total")

    def __init__(self) -> None:
        self.entries: deque[tuple[float, int]] = deque()
        self.total = 0

    def expire(self, before: float) -> None:
        while self.entries and self.entries[0][0] <= before:
            self.total -= self.entries.popleft()[1]


class MemoryRateLimiter:
    """Satisfies `limits.port.RateLimiter`. `window` in seconds."""

    def __init__(
        self, clock: Clock, *, maximum: int, window: float, max_subjects: int = MAX_SUBJECTS
    ) -> None:
        self._clock = clock
        self._maximum = maximum
        self._window = window
        self._max_subjects = max_subjects
        self._logs: OrderedDict[str, _Log] = OrderedDict()

    async def take(self, subject: str, count: int = 1) -> float | None:
        now = self._clock.monotonic()
        log = self._logs.get(subject) or _Log()
        log.expire(now - self._window)
        if log.total + count > self._maximum:
            return self._wait(log, now, count)
        self._add(subject, log, now, count)
        return None

    def wait(self, subject: str, count: int = 1) -> float | None:
        """As `take`, counting nothing."""
        now = self._clock.monotonic()
        log = self._logs.get(subject) or _Log()
        log.expire(now - self._window)
        return self._wait(log, now, count) if log.total + count > self._maximum else None

    def note(self, subject: str, count: int, at: float) -> None:
        """Counts attempts that were let through elsewhere, without asking whether they fit. `at` is monotonic."""
        log = self._logs.get(subject) or _Log()
        log.expire(at - self._window)
        self._add(subject, log, at, count)

    async def aclose(self) -> None:
        self._logs.clear()

    def _add(self, subject: str, log: _Log, now: float, count: int) -> None:
        log.entries.append((now, count))
        log.total += count
        self._logs[subject] = log
        self._logs.move_to_end(subject)
        oldest, quiet = next(iter(self._logs.items()))
        if len(self._logs) > self._max_subjects or quiet.entries[-1][0] <= now - self._window:
            del self._logs[oldest]

    def _wait(self, log: _Log, now: float, count: int) -> float:
        excess = log.total + count - self._maximum
        for at, entry in log.entries:
            excess -= entry
            if excess <= 0:
                return max(0.001, at + self._window - now)
        return self._window
