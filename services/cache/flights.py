"""One load per key at a time; keys missing together are loaded together."""

import asyncio
import contextvars
import logging
from collections.abc import Awaitable, Callable, Hashable, Sequence
from dataclasses import dataclass, field
from itertools import islice
from typing import Final, Generic, TypeVar

from opentelemetry.trace import SpanContext

from services.common.errors import IntentError, Reason
from services.common.observe import logs, trace
from services.common.rpc import deadline

logger = logging.getLogger(__name__)

MAX_LINKS: Final = 32

K = TypeVar("K", bound=Hashable)
V = TypeVar("V")


@dataclass(slots=True, eq=False)
class Flight(Generic[V]):
    """A load of one key. `begun` is monotonic, infinite until it is sent."""

    landed: "asyncio.Future[V | IntentError]"
    span: SpanContext | None
    begun: float = field(default=float("inf"))


class Flights(Generic[K, V]):
    """`load` gets up to `max_batch` keys and answers per key in order; it should not raise.

    Keys asked for in the same turn of the loop go together; while `max_in_flight` batches are under way
    further ones gather. A load belongs to no caller: it has `timeout` seconds of its own, and goes on when
    whoever asked first goes away.
    """

    def __init__(
        self,
        load: Callable[[Sequence[K]], Awaitable[Sequence[V | IntentError]]],
        *,
        name: str,
        now: Callable[[], float],
        timeout: float,
        max_batch: int = 1000,
        max_in_flight: int = 8,
    ) -> None:
        self._load = load
        self._name = name
        self._now = now
        self._timeout = timeout
        self._max_batch = max_batch
        self._max_in_flight = max_in_flight
        self._flights: dict[K, Flight[V]] = {}
        self._waiting: dict[K, Flight[V]] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self._pumping = False

    async def get(
        self, keys: Sequence[K], *, not_before: Sequence[float | None] | None = None
    ) -> list[tuple[V | IntentError, float]]:
        """Per key what was loaded and when that load began. A load under way that began before the key's
        `not_before` (monotonic) is not joined."""
        flights = [
            self._join(key, None if not_before is None else not_before[index])
            for index, key in enumerate(keys)
        ]
        if len(flights) == 1:
            if not flights[0].landed.done():
                # somewhat cheaper than a wait for a set; whoever goes away cancels no load here either
                await asyncio.shield(flights[0].landed)
        elif pending := {flight.landed for flight in flights if not flight.landed.done()}:
            await asyncio.wait(pending)
        return [(flight.landed.result(), flight.begun) for flight in flights]

    def start(self, keys: Sequence[K]) -> None:
        """Loads of these, for whoever asks later; those under way are left to it."""
        for key in keys:
            self._join(key, None)

    async def close(self) -> None:
        """Cut what is under way; whoever waits gets DRAINING."""
        tasks = list(self._tasks)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        for flight in list(self._waiting.values()):
            _land(flight, _draining())
        self._waiting.clear()

    def _join(self, key: K, not_before: float | None) -> Flight[V]:
        flight = self._flights.get(key)
        if flight is not None and (not_before is None or flight.begun >= not_before):
            return flight
        loop = asyncio.get_running_loop()
        flight = self._flights[key] = self._waiting[key] = Flight(loop.create_future(), trace.current())
        if not self._pumping:
            self._pumping = True
            loop.call_soon(self._pump)
        return flight

    def _pump(self) -> None:
        self._pumping = False
        while self._waiting and len(self._tasks) < self._max_in_flight:
            batch = {key: self._waiting[key] for key in islice(self._waiting, self._max_batch)}
            for key in batch:
                del self._waiting[key]
            task = asyncio.get_running_loop().create_task(
                self._run(batch), name=self._name, context=contextvars.Context()
            )
            self._tasks.add(task)
            task.add_done_callback(self._done)

    def _done(self, task: "asyncio.Task[None]") -> None:
        self._tasks.discard(task)
        if self._waiting and not self._pumping:
            self._pump()

    async def _run(self, batch: dict[K, Flight[V]]) -> None:
        begun = self._now()
        for flight in batch.values():
            flight.begun = begun
        deadline.begin(self._timeout)
        spans = [flight.span for flight in batch.values() if flight.span is not None]
        try:
            with trace.span(
                self._name,
                parent=spans[0] if spans else None,
                links=spans[1 : MAX_LINKS + 1] if trace.exporting() else (),
                attributes={"batch.size": len(batch)},
            ):
                async with asyncio.timeout(self._timeout):
                    results = await self._load(list(batch))
            answers: Sequence[V | IntentError] = results
        except TimeoutError:
            late = IntentError(
                Reason.DEPENDENCY_UNAVAILABLE, "The answer took too long; try again.", retry_after=1.0
            )
            answers = [late] * len(batch)
        except IntentError as error:
            answers = [error] * len(batch)
        except asyncio.CancelledError:
            self._settle(batch, [_draining()] * len(batch))
            raise
        except Exception as error:
            logs.event(logger, logging.ERROR, "load.failed", load=self._name, size=len(batch), exc_info=error)
            answers = [IntentError(Reason.INTERNAL, "The cache failed on this look-up.")] * len(batch)
        self._settle(batch, answers)

    def _settle(self, batch: dict[K, Flight[V]], answers: Sequence[V | IntentError]) -> None:
        for (key, flight), answer in zip(batch.items(), answers, strict=True):
            _land(flight, answer)
            if self._flights.get(key) is flight:
                del self._flights[key]


def _land(flight: Flight[V], answer: V | IntentError) -> None:
    if not flight.landed.done():
        flight.landed.set_result(answer)


def _draining() -> IntentError:
    return IntentError(Reason.DRAINING, "The service is shutting down.", retry_after=0.5)
