"""Which of two statuses wins, how long one is trusted, when Redis is left alone."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import timedelta
from enum import StrEnum
from typing import Final

from services.common.domain.lifecycle import TERMINAL, Status
from services.common.domain.outcomes import CachedStatus

MAX_VERSION: Final = 2**32 - 1


class Level(StrEnum):
    """Where an answer came from."""

    MEMORY = "memory"
    REDIS = "redis"
    STORE = "store"
    CHAIN = "chain"


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """A status and when the reading of it from the truth began, in Unix milliseconds."""

    status: CachedStatus
    read_at_ms: int

    @property
    def version(self) -> int:
        return self.status.version

    @property
    def settled(self) -> bool:
        """It will not change again. What only the chain said stays open: the store may learn of it."""
        return self.status.version > 0 and self.status.status in TERMINAL

    def age(self, now_ms: int) -> timedelta:
        """Since it was read from the truth; clocks of other machines may run ahead, never below 0."""
        return timedelta(milliseconds=max(0, now_ms - self.read_at_ms))


def newest(held: Entry | None, given: Entry) -> Entry:
    """The higher version; of equal ones what was read later (a write past us keeps the version).

    A principal that one of two equal versions knows is kept.
    """
    if held is None:
        return given
    if (given.version, given.read_at_ms) < (held.version, held.read_at_ms):
        return held
    if given.version == held.version and not given.status.principal and held.status.principal:
        return replace(given, status=replace(given.status, principal=held.status.principal))
    return given


@dataclass(frozen=True, slots=True, kw_only=True)
class Trust:
    """Seconds that memory is answered from before a level below is asked.

    `open` counts while the event log is followed, `untailed` at most while it is not; `ended` per status that ends
    an intent's life. Each life is shortened by a random share up to `jitter` (0 to 1), so that what came together
    does not expire together. For `revalidate` seconds more memory answers while the truth is read anew; only while
    the event log is followed.
    """

    open: float
    untailed: float
    ended: Mapping[Status, float]
    jitter: float = 0.0
    revalidate: float = 0.0

    def seconds(self, entry: Entry, dice: Callable[[], float]) -> float:
        """`dice` gives 0 to 1."""
        life = self.ended[entry.status.status] if entry.settled else self.open
        return life * (1 - self.jitter * dice())


class Breaker:
    """Closed; open after `failures` in a row; then half open for one probe at a time. `now` gives monotonic seconds.

    Only a probe closes it again: calls begun before it opened may still be answered, and say nothing about now.
    Open times double from `first` to `longest` seconds while probes fail.
    """

    def __init__(self, now: Callable[[], float], *, failures: int, first: float, longest: float) -> None:
        self._now = now
        self._failures = failures
        self._first = first
        self._longest = longest
        self._in_a_row = 0
        self._open_for = 0.0
        self._open_until = 0.0
        self._probing = False

    @property
    def closed(self) -> bool:
        return self._open_for == 0.0

    def may_probe(self) -> bool:
        """True to one caller only while half open, who must then tell `probed` or `abandoned`."""
        if self.closed or self._probing or self._now() < self._open_until:
            return False
        self._probing = True
        return True

    def succeeded(self) -> None:
        self._in_a_row = 0

    def failed(self) -> None:
        self._in_a_row += 1
        if self.closed and self._in_a_row >= self._failures:
            self._open()

    def probed(self, answered: bool) -> None:
        self._probing = False
        if answered:
            self._in_a_row, self._open_for = 0, 0.0
        else:
            self._open()

    def abandoned(self) -> None:
        """The probe was given up without an answer; the next caller may probe."""
        self._probing = False

    def _open(self) -> None:
        self._open_for = min(max(self._first, self._open_for * 2), self._longest)
        self._open_until = self._now() + self._open_for
