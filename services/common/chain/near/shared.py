"""The same question asked by many at once goes to the node once."""

import asyncio
from collections.abc import Awaitable, Callable, Coroutine, Hashable
from typing import Any, TypeVar

T = TypeVar("T")


class Shared:
    """Calls that are under way, by key."""

    def __init__(self) -> None:
        self._waiting: dict[Hashable, asyncio.Task[Any]] = {}
        self._running: dict[Hashable, asyncio.Task[Any]] = {}

    async def fresh(self, key: Hashable, call: Callable[[], Awaitable[T]]) -> T:
        """The answer of a call that began after this question was asked: who comes while one is under way shares
        the next. For what changes from moment to moment."""
        task = self._waiting.get(key)
        if task is None:
            task = self._waiting[key] = _task(self._next(key, call))
        return await _shared(task)

    async def fixed(self, key: Hashable, call: Callable[[], Awaitable[T]]) -> T:
        """The answer of one call for all who come while it is under way. For what cannot change."""
        task = self._running.get(key)
        if task is None:
            task = self._running[key] = _task(self._only(key, call))
        return await _shared(task)

    async def _next(self, key: Hashable, call: Callable[[], Awaitable[T]]) -> T:
        before = self._running.get(key)
        if before is not None:
            await asyncio.wait({before})
        mine = self._waiting.pop(key)
        self._running[key] = mine
        return await self._only(key, call)

    async def _only(self, key: Hashable, call: Callable[[], Awaitable[T]]) -> T:
        try:
            return await call()
        finally:
            self._running.pop(key, None)


def _task(work: Coroutine[Any, Any, T]) -> "asyncio.Task[T]":
    task = asyncio.create_task(work)
    # whoever asked may be gone by the time it fails
    task.add_done_callback(lambda done: done.cancelled() or done.exception())
    return task


async def _shared(task: "asyncio.Task[T]") -> T:
    """One caller that gives up does not end the call of the others."""
    return await asyncio.shield(task)
