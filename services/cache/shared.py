"""The shared level made safe: waited for a few ms at most, left alone while it is away, never an error for a caller."""

import asyncio
from collections.abc import Awaitable, Callable, Coroutine, Sequence
from typing import Any, Final, TypeVar

from services.cache.model import Breaker, Entry
from services.cache.observe import Meters
from services.cache.ports import SharedLevel, SharedUnavailable
from services.common.clock import Clock

MAX_READS: Final = 64
MAX_WRITES: Final = 64
"""Most calls under way, those nobody waits for any more among them; more are not begun."""

T = TypeVar("T")


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
    """Satisfies `ports.SharedLevel` without ever raising. `wait` and `give_up` in seconds.

    Whoever reads waits `wait` at most, and not at all while the breaker is open; a call goes on by itself until
    `give_up`, so that a connection that takes longer to open is there for the next. Writes are waited for by
    nobody, and probes run beside reads. Reads and probes alone move the breaker: it is there for readers, and a
    server that refuses writes may still answer them.

    A write that did not arrive leaves the level with an older version than this process has seen: values
    read from the truth before that moment are not taken any more. They are gone by themselves after the
    level's time to live.
    """

    def __init__(
        self,
        inner: SharedLevel,
        breaker: Breaker,
        *,
        wait: float,
        give_up: float,
        clock: Clock,
        meters: Meters,
    ) -> None:
        self._inner = inner
        self._breaker = breaker
        self._wait = wait
        self._give_up = give_up
        self._clock = clock
        self._meters = meters
        self._missed_at_ms = -1
        self._calls: set[asyncio.Task[Any]] = set()
        self._writes: set[asyncio.Task[Any]] = set()

    async def warm(self) -> None:
        """Opens a first connection before anybody reads, or finds the level away; at most twice `give_up`."""
        await self._probe("warm")

    async def get(self, intent_ids: Sequence[str]) -> Sequence[Entry | None]:
        found: Sequence[Entry | None] | None = None
        if self._admits(intent_ids[0]):
            call = self._begin(lambda: self._inner.get(intent_ids))
            if await self._done(call):
                found = self._judged(call)
            else:
                self._failed("Late")
        if found is None:
            return [None] * len(intent_ids)
        return [entry if entry and entry.read_at_ms > self._missed_at_ms else None for entry in found]

    async def put(self, entries: Sequence[Entry]) -> None:
        """Begun when this returns, not done: a caller that reads would wait for it otherwise."""
        if not self._admits(entries[0].status.intent_id):
            self._missed()
            return
        if len(self._writes) >= MAX_WRITES:
            self._missed()
            self._meters.redis_refused("TooManyWrites")
            return
        self._write(lambda: self._inner.put(entries))

    async def forget(self, intent_ids: Sequence[str]) -> None:
        """Waits as a read does, for writes under way first: they would bring back what is to be forgotten."""
        if self._writes:
            await asyncio.wait(self._writes, timeout=self._wait)
        if not self._admits(intent_ids[0]):
            self._missed()
            return
        await self._done(self._write(lambda: self._inner.forget(intent_ids)))

    async def settled(self) -> None:
        """Returns when nothing is under way."""
        while self._calls:
            await asyncio.wait(self._calls)

    async def close(self) -> None:
        """What is being written gets `wait` to arrive."""
        if self._writes:
            await asyncio.wait(self._writes, timeout=self._wait)
        for call in list(self._calls):
            call.cancel()
        await asyncio.gather(*self._calls, return_exceptions=True)
        await self._inner.close()

    def _admits(self, intent_id: str) -> bool:
        """Whether to begin a call now; while the level is left alone, a probe may be begun instead."""
        if not self._breaker.closed:
            if self._breaker.may_probe():
                self._start(self._probe(intent_id))
            return False
        if len(self._calls) - len(self._writes) >= MAX_READS:
            self._failed("TooManyReads")
            return False
        return True

    async def _probe(self, intent_id: str) -> None:
        """Asks twice: the first may have to connect, the second must be answered as quickly as readers need it."""
        try:
            outcome: object = await self._begin(lambda: self._inner.get([intent_id]))
            if not isinstance(outcome, Exception):
                again = self._begin(lambda: self._inner.get([intent_id]))
                outcome = again.result() if await self._done(again) else SharedUnavailable("Late")
        except asyncio.CancelledError:
            self._breaker.abandoned()
            raise
        self._breaker.probed(not isinstance(outcome, Exception))
        if isinstance(outcome, Exception):
            self._meters.redis_failed(_why(outcome), closed=False)
        else:
            self._meters.redis_answered()

    def _begin(self, work: Callable[[], Awaitable[T]]) -> "asyncio.Task[T | Exception]":
        async def bounded() -> T | Exception:
            try:
                async with asyncio.timeout(self._give_up):
                    return await work()
            except Exception as error:
                return error

        return self._start(bounded())

    def _start(self, work: Coroutine[Any, Any, T]) -> "asyncio.Task[T]":
        call = asyncio.create_task(work, name="cache.redis")
        self._calls.add(call)
        call.add_done_callback(self._calls.discard)
        return call

    def _write(self, work: Callable[[], Awaitable[None]]) -> "asyncio.Task[Exception | None]":
        call = self._begin(work)
        self._writes.add(call)
        call.add_done_callback(self._written)
        return call

    async def _done(self, call: "asyncio.Task[Any]") -> bool:
        """Whether it ended in time."""
        await asyncio.wait({call}, timeout=self._wait)
        for _ in range(3):
            if call.done():
                return True
            # after a busy moment of this process an answer may be here and only not be taken up yet
            await asyncio.sleep(0)
        return call.done()

    def _judged(self, call: "asyncio.Task[T | Exception]") -> T | None:
        """What a read in time returned; None where it failed."""
        outcome = call.result()
        if isinstance(outcome, Exception):
            self._failed(_why(outcome))
            return None
        self._breaker.succeeded()
        self._meters.redis_answered()
        return outcome

    def _written(self, call: "asyncio.Task[Exception | None]") -> None:
        self._writes.discard(call)
        error = SharedUnavailable("Closed") if call.cancelled() else call.result()
        if error is None:
            self._meters.redis_wrote()
        else:
            self._missed()
            self._meters.redis_refused(_why(error))

    def _missed(self) -> None:
        self._missed_at_ms = self._clock.now_ns() // 1_000_000

    def _failed(self, why: str) -> None:
        self._breaker.failed()
        self._meters.redis_failed(why, closed=self._breaker.closed)


def _why(error: Exception) -> str:
    """Never an address or a password: a kind of failure."""
    return str(error) if isinstance(error, SharedUnavailable) else type(error).__name__
