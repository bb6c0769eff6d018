"""Many callers, few batches: send at once when idle, gather while a batch is in flight, linger only under load.

A unary call costs about a millisecond, an item in a batch some microseconds; a fixed linger would make a
lone caller wait for nobody. Without any, many callers fall into small batches that chase each other.
"""

import asyncio
import contextvars
import dataclasses
import logging
import time
from collections.abc import Awaitable, Callable, Sequence
from itertools import islice
from typing import Final, Generic, NamedTuple, TypeVar

from opentelemetry.trace import SpanContext

from services.common.errors import IntentError, Reason
from services.common.observe import logs, trace
from services.common.rpc import deadline

logger = logging.getLogger(__name__)

Item = TypeVar("Item")
Result = TypeVar("Result")

MAX_LINKS: Final = 32
"""Spans a batch is linked to at most."""

LOADED: Final = 6
"""Callers in a batch from which further ones are waited for: below it the wait costs more than a call saves."""
MAX_LINGER: Final = 0.008
QUIET: Final = 0.001
"""Seconds waited at most, and without a newcomer: a call takes half a millisecond to receive."""
LOAD_DECAY: Final = 0.9
LOAD_MEMORY: Final = 0.05
"""What is left of the load after each batch; seconds of rest that end it."""


class _Waiting(NamedTuple, Generic[Item]):
    item: Item
    expires: float | None
    span: SpanContext | None
    caller: object


class Coalescer(Generic[Item, Result]):
    """Awaitable per item over a batch call.

    `send` gets up to `max_batch` items and answers per item, in order, a result or an IntentError. One batch
    is in flight at a time; up to `max_in_flight` once `max_batch` items wait. Above `max_waiting` items
    OVERLOADED is raised. A batch hangs on its first item's span and links to the others'; its deadline is
    the latest of its items'.

    A batch of several weighs at most `max_weight`, each item as `weigh` says: a peer that takes no larger call
    would refuse everybody in it because of a few.
    """

    def __init__(
        self,
        send: Callable[[Sequence[Item]], Awaitable[Sequence[Result | IntentError]]],
        *,
        name: str = "batch",
        max_batch: int = 256,
        max_in_flight: int = 1,
        max_waiting: int = 10_000,
        weigh: Callable[[Item], int] | None = None,
        max_weight: int = 0,
    ) -> None:
        self._send = send
        self._name = name
        self._max_batch = max_batch
        self._max_in_flight = max_in_flight
        self._max_waiting = max_waiting
        self._weigh = weigh
        self._max_weight = max_weight
        self._waiting: dict[asyncio.Future[Result], _Waiting[Item]] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self._closed = False
        self._load = 0.0
        self._ended = 0.0

    async def __call__(self, item: Item) -> Result:
        """The item's own result, or its own error. Cancelling withdraws an item not sent yet."""
        self._check(1)
        answer = self._enter(item, self._expiry(), trace.current(), None)
        self._start()
        try:
            return await answer
        finally:
            self._waiting.pop(answer, None)

    async def many(self, items: Sequence[Item]) -> list[Result | IntentError]:
        """An outcome for each of one caller's items, in order. Raises DRAINING, OVERLOADED for all."""
        if not items:
            return []
        self._check(len(items))
        expires, span, caller = self._expiry(), trace.current(), object()
        answers = [self._enter(item, expires, span, caller) for item in items]
        self._start()
        try:
            await asyncio.wait(answers)
        finally:
            for answer in answers:
                self._waiting.pop(answer, None)
                answer.cancel()
        return [self._outcome(answer) for answer in answers]

    def _enter(
        self, item: Item, expires: float | None, span: SpanContext | None, caller: object
    ) -> "asyncio.Future[Result]":
        answer: asyncio.Future[Result] = asyncio.get_running_loop().create_future()
        self._waiting[answer] = _Waiting(item, expires, span, caller or answer)
        return answer

    def _check(self, coming: int) -> None:
        """Raises DRAINING, OVERLOADED."""
        if self._closed:
            raise IntentError(Reason.DRAINING, "The service is shutting down.", retry_after=0.5)
        if len(self._waiting) + coming > self._max_waiting:
            raise IntentError(Reason.OVERLOADED, "Too many calls wait for an answer.", retry_after=0.5)

    def _expiry(self) -> float | None:
        left = deadline.remaining()
        return None if left is None else time.monotonic() + left

    def _start(self) -> None:
        running = len(self._tasks)
        if running == 0 or (running < self._max_in_flight and len(self._waiting) >= self._max_batch):
            # a context of its own: the batch belongs to no caller's deadline or intent
            task = asyncio.create_task(self._run(), name=f"{self._name}-batch", context=contextvars.Context())
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

    async def aclose(self) -> None:
        """Stop; whoever still waits gets DRAINING."""
        self._closed = True
        tasks = list(self._tasks)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        for answer in list(self._waiting):
            if not answer.done():
                answer.set_exception(
                    IntentError(Reason.DRAINING, "The service is shutting down.", retry_after=0.5)
                )

    async def _run(self) -> None:
        me = asyncio.current_task()
        while self._waiting:
            lingered = await self._linger()
            answers = self._next()
            if not answers:
                # whoever waited went away meanwhile
                break
            batch = [self._waiting.pop(answer) for answer in answers]
            results = await self._batch(batch, answers)
            self._learn(len({waiting.caller for waiting in batch}), lingered=lingered)
            for answer, result in zip(answers, results, strict=True):
                if answer.done():
                    continue
                if isinstance(result, IntentError):
                    # a copy for each caller: raising one instance in many tasks would chain their stacks
                    answer.set_exception(dataclasses.replace(result))
                else:
                    answer.set_result(result)
            # let the callers just answered queue their next item before deciding that nobody waits
            await asyncio.sleep(0)
        if me is not None:
            self._tasks.discard(me)

    def _next(self) -> list[asyncio.Future[Result]]:
        """Who goes with the next batch: the longest waiting, as many as may go together."""
        answers = list(islice(self._waiting, self._max_batch))
        if self._weigh is None:
            return answers
        weight = 0
        for index, answer in enumerate(answers):
            weight += self._weigh(self._waiting[answer].item)
            if index and weight > self._max_weight:
                return answers[:index]
        return answers

    def _outcome(self, answer: "asyncio.Future[Result]") -> Result | IntentError:
        error = answer.exception()
        if error is None:
            return answer.result()
        if isinstance(error, IntentError):
            return error
        raise error

    async def _linger(self) -> bool:
        """Under load, a little time for more callers to come; returns whether it was taken."""
        if (
            self._load < LOADED
            or len(self._waiting) >= self._max_batch
            or time.monotonic() - self._ended > LOAD_MEMORY
        ):
            return False
        until, seen = time.monotonic() + MAX_LINGER, 0
        # whoever was answered together comes back together, so most waits end with the last one's coming
        while seen < len(self._waiting) < self._load and time.monotonic() < until:
            seen = len(self._waiting)
            await asyncio.sleep(QUIET)
        return True

    def _learn(self, callers: int, *, lingered: bool) -> None:
        # time that nobody else came in was lost on this caller: no more of it
        self._load = 1.0 if lingered and callers == 1 else max(callers, self._load * LOAD_DECAY)
        self._ended = time.monotonic()

    async def _batch(
        self, batch: list[_Waiting[Item]], answers: list[asyncio.Future[Result]]
    ) -> Sequence[Result | IntentError]:
        expiries = [waiting.expires for waiting in batch if waiting.expires is not None]
        latest = max(expiries) - time.monotonic() if len(expiries) == len(batch) else None
        deadline.begin(latest)
        spans = [waiting.span for waiting in batch if waiting.span is not None]
        sampled = [span for span in spans if span.trace_flags & 1] if trace.exporting() else []
        parent, links = (sampled[0], sampled[1 : MAX_LINKS + 1]) if sampled else (next(iter(spans), None), [])
        try:
            with trace.span(self._name, parent=parent, links=links, attributes={"batch.size": len(batch)}):
                results = await self._send([waiting.item for waiting in batch])
            if len(results) != len(batch):
                raise ValueError(f"{len(results)} results for {len(batch)} items")
            return results
        except IntentError as error:
            return [error] * len(batch)
        except asyncio.CancelledError:
            for answer in answers:
                if not answer.done():
                    answer.set_exception(
                        IntentError(Reason.DRAINING, "The service is shutting down.", retry_after=0.5)
                    )
            raise
        except Exception as error:
            logs.event(
                logger, logging.ERROR, "batch.failed", batch=self._name, size=len(batch), exc_info=error
            )
            return [IntentError(Reason.INTERNAL, "The service failed on this call.")] * len(batch)
