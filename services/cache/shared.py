"""The shared level made safe: bounded in time, left alone while it is away, never an error for a caller."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager

from services.cache.model import Breaker, Entry
from services.cache.observe import Meters
from services.cache.ports import SharedLevel, SharedUnavailable
from services.common.clock import Clock


class NoShared:
    """No Redis: knows nothing, keeps nothing."""

    async def get(self, intent_ids: Sequence[str]) -> Sequence[Entry | None]:
        return [None] * len(intent_ids)

    async def put(self, entries: Sequence[Entry]) -> None:
        return

    async def forget(self, intent_ids: Sequence[str]) -> None:
        return

    async def close(self) -> None:
        return


class Guarded:
    """Satisfies `ports.SharedLevel` without ever raising.

    A write that did not arrive leaves the level with an older version than this process has seen: values
    read from the truth before that moment are not taken any more. They are gone by themselves after the
    level's time to live.
    """

    def __init__(
        self, inner: SharedLevel, breaker: Breaker, *, timeout: float, clock: Clock, meters: Meters
    ) -> None:
        self._inner = inner
        self._breaker = breaker
        self._timeout = timeout
        self._clock = clock
        self._meters = meters
        self._missed_at_ms = -1

    async def get(self, intent_ids: Sequence[str]) -> Sequence[Entry | None]:
        found: Sequence[Entry | None] = [None] * len(intent_ids)
        async with self._attempt() as allowed:
            if allowed:
                found = await self._inner.get(intent_ids)
        return [entry if entry and entry.read_at_ms > self._missed_at_ms else None for entry in found]

    async def put(self, entries: Sequence[Entry]) -> None:
        arrived = False
        try:
            async with self._attempt() as allowed:
                if allowed:
                    await self._inner.put(entries)
                    arrived = True
        finally:
            if not arrived:
                self._missed()

    async def forget(self, intent_ids: Sequence[str]) -> None:
        arrived = False
        try:
            async with self._attempt() as allowed:
                if allowed:
                    await self._inner.forget(intent_ids)
                    arrived = True
        finally:
            if not arrived:
                self._missed()

    async def close(self) -> None:
        await self._inner.close()

    def _missed(self) -> None:
        self._missed_at_ms = self._clock.now_ns() // 1_000_000

    @asynccontextmanager
    async def _attempt(self) -> AsyncIterator[bool]:
        if not self._breaker.allow():
            yield False
            return
        try:
            async with asyncio.timeout(self._timeout):
                yield True
        except (SharedUnavailable, TimeoutError) as error:
            self._breaker.failed()
            self._meters.redis_failed(str(error) or type(error).__name__, closed=self._breaker.closed)
        except BaseException:
            self._breaker.abandoned()
            raise
        else:
            self._breaker.succeeded()
            self._meters.redis_answered()
