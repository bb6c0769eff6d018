"""What counts when Redis is away: this replica's own count.

Stated choice: a lost Redis refuses nobody and lets nobody run free. Each replica goes on with the count it
kept beside Redis' all along, so n replicas let through at most n times the limit until Redis is back, also
where it comes back empty.
"""

import logging
from typing import Final

from services.common.clock import Clock
from services.common.errors import IntentError
from services.common.observe import logs
from services.edge.limits.memory import MemoryRateLimiter
from services.edge.limits.port import RateLimiter
from services.edge.observe import Vocabulary

logger = logging.getLogger(__name__)

PAUSE: Final = 1.0
"""Seconds after a failure in which Redis is not asked again."""


class FallbackRateLimiter:
    """Satisfies `limits.port.RateLimiter`: `shared` while it answers, `local` otherwise."""

    def __init__(self, shared: RateLimiter, local: MemoryRateLimiter, clock: Clock, seen: Vocabulary) -> None:
        self._shared = shared
        self._local = local
        self._clock = clock
        self._seen = seen
        self._not_before = float("-inf")

    async def take(self, subject: str, count: int = 1) -> float | None:
        now = self._clock.monotonic()
        if now >= self._not_before:
            # what went through here alone is too much already, whatever a Redis that came back empty says
            wait = self._local.wait(subject, count)
            if wait is not None:
                return wait
            try:
                wait = await self._shared.take(subject, count)
            except IntentError as error:
                self._not_before = self._clock.monotonic() + PAUSE
                logs.event(logger, logging.WARNING, "rate_limit.local", why=error.message, pause_s=PAUSE)
            else:
                if wait is None:
                    # from when it was asked: what Redis forgets is forgotten here too by then
                    self._local.note(subject, count, now)
                return wait
        self._seen.rate_limit_local().inc()
        return await self._local.take(subject, count)

    async def aclose(self) -> None:
        await self._shared.aclose()
