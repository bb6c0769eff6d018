"""What callers met: calls by kind, how many failed and why, how long answers took, the longest time without one."""

import time
from collections import Counter
from collections.abc import Awaitable
from dataclasses import dataclass, field
from typing import Any, Final, TypeVar

from intents_client import IntentsError
from services.common.errors import IntentError

Answer = TypeVar("Answer")

EXCUSED: Final = ("UNAVAILABLE", "DEADLINE_EXCEEDED", "RESOURCE_EXHAUSTED")

AWAY: Final = 1.5
"""Seconds without an answer that count as being away; callers ask more often than that."""


@dataclass(slots=True)
class _Kind:
    made: int = 0
    failed: Counter[str] = field(default_factory=Counter)
    took: list[float] = field(default_factory=list)
    answered_at: float = field(default_factory=time.monotonic)
    longest_gap: float = 0.0
    longest_until: float = 0.0
    away: float = 0.0


@dataclass(slots=True)
class Account:
    """Every call is made through `call`, of a client or of a service."""

    kinds: dict[str, _Kind] = field(default_factory=dict)
    began: float = field(default_factory=time.monotonic)
    answered_from: float = 0.0
    """When the latest-begun of the calls answered so far was begun; of time.monotonic."""

    async def call(self, name: str, made: Awaitable[Answer]) -> Answer | None:
        """Its answer, or None where it failed."""
        kind = self.kinds.setdefault(name, _Kind())
        kind.made += 1
        started = time.monotonic()
        try:
            answer = await made
        except (IntentsError, IntentError) as error:
            kind.failed[f"{error.status} {error.reason}".strip()] += 1
            return None
        now = time.monotonic()
        kind.took.append(now - started)
        self.answered_from = max(self.answered_from, started)
        gap, kind.answered_at = now - kind.answered_at, now
        if gap > kind.longest_gap:
            kind.longest_gap, kind.longest_until = gap, now - self.began
        if gap > AWAY:
            kind.away += gap
        return answer

    def not_to_be(self) -> list[str]:
        """Failures that no fault of a process or the chain excuses: anything but away, late or too much at once."""
        return [
            f"{name} failed {count} times with {why}"
            for name, kind in sorted(self.kinds.items())
            for why, count in kind.failed.items()
            if why.split()[0] not in EXCUSED
        ]

    def plain(self) -> dict[str, Any]:
        """By kind: made, failed by reason, availability in percent, milliseconds, seconds."""
        return {name: _plain(kind) for name, kind in sorted(self.kinds.items())}


def _plain(kind: _Kind) -> dict[str, Any]:
    took = sorted(kind.took)
    failed = sum(kind.failed.values())

    def at(share: float) -> float:
        return round(took[min(len(took) - 1, int(len(took) * share))] * 1000, 1) if took else 0.0

    return {
        "made": kind.made,
        "failed": dict(kind.failed),
        "availability_percent": round(100 * (kind.made - failed) / max(1, kind.made), 3),
        "p50_ms": at(0.5),
        "p99_ms": at(0.99),
        "longest_without_an_answer_s": round(kind.longest_gap, 2),
        "that_ended_at_s": round(kind.longest_until, 1),
        "away_s": round(kind.away, 1),
    }
