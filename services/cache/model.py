"""Which of two statuses wins, how long one is trusted, how it is written down, when Redis is left alone."""

import json
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import timedelta
from enum import StrEnum
from typing import Final

from services.common.domain.lifecycle import TERMINAL, Status
from services.common.domain.outcomes import CachedStatus

MAX_VERSION: Final = 2**32 - 1
_WORDS: Final = frozenset(status.value for status in Status)


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

    `open` counts while the event log is followed, `untailed` while it is not; `settled` for statuses that
    end an intent's life.
    """

    open: float
    untailed: float
    settled: float

    def seconds(self, entry: Entry, *, tailed: bool) -> float:
        if entry.settled:
            return self.settled
        return self.open if tailed else min(self.open, self.untailed)


def to_json(entry: Entry) -> str:
    """`{"status":"verified","version":2,"principal":…,"readAt":…}`, readAt in Unix milliseconds."""
    status = entry.status
    return json.dumps(
        {
            "status": status.status.value,
            "version": status.version,
            "principal": status.principal,
            "readAt": entry.read_at_ms,
        },
        separators=(",", ":"),
    )


def from_json(intent_id: str, raw: bytes | str) -> Entry | None:
    """None for anything `to_json` does not write: a value nobody can vouch for is a miss."""
    try:
        value = json.loads(raw)
    except (ValueError, RecursionError):
        return None
    if not isinstance(value, dict):
        return None
    status, version = value.get("status"), value.get("version")
    principal, read_at = value.get("principal"), value.get("readAt")
    if not isinstance(status, str) or status not in _WORDS or not isinstance(principal, str):
        return None
    if type(version) is not int or not 0 <= version <= MAX_VERSION or type(read_at) is not int or read_at < 0:
        return None
    cached = CachedStatus(intent_id=intent_id, status=Status(status), version=version, principal=principal)
    return Entry(status=cached, read_at_ms=read_at)


class Breaker:
    """Closed; open after `failures` in a row; then one probe at a time. `now` gives monotonic seconds.

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

    def allow(self) -> bool:
        """Whether to try now; True to one caller only while half open, who must then report."""
        if self.closed:
            return True
        if self._probing or self._now() < self._open_until:
            return False
        self._probing = True
        return True

    def succeeded(self) -> None:
        self._in_a_row, self._open_for, self._probing = 0, 0.0, False

    def failed(self) -> None:
        self._in_a_row += 1
        probe, self._probing = self._probing, False
        if not (probe or (self.closed and self._in_a_row >= self._failures)):
            return
        self._open_for = min(max(self._first, self._open_for * 2), self._longest)
        self._open_until = self._now() + self._open_for

    def abandoned(self) -> None:
        """The attempt was given up without an answer; the next caller may probe."""
        self._probing = False
