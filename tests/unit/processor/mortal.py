"""A processor that can be killed wherever it waits: every suspension of every task of it is counted.

Nobody lists the places. The loop's task factory wraps the root task and each task that comes from it, so a new
`await` is a new place to be killed at by itself. Ports are called from outside of these tasks: what is under way at
the end is either lost before it arrived or applied with its answer lost, and nothing else of the processor goes on,
no `finally` and no `except`.
"""

import asyncio
import contextlib
import types
from collections import deque
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine, Generator
from contextlib import asynccontextmanager
from typing import Any, Final
from weakref import WeakKeyDictionary

from services.common.errors import unavailable

SERVICES: Final = "services/"


class Life:
    """One life of a processor: it ends at suspension `at` (from 0), or is not ended.

    `applied`: calls that were made and had not arrived are applied after death; else they never happened.
    """

    def __init__(self, at: int | None = None, *, applied: bool = False) -> None:
        self.at = at
        self.applied = applied
        self.places: list[str] = []
        self.dead = False
        self.under_way = 0
        """Calls that had not arrived when it died."""
        self.buried = asyncio.Event()
        self._made: deque[_Call] = deque()
        self._outside: set[asyncio.Task[Any]] = set()

    # --- its tasks ---

    def suspended(self, coro: Coroutine[Any, Any, Any]) -> None:
        """Counts, and may be the end."""
        if self.dead:
            return
        self.places.append(_place(coro))
        if len(self.places) - 1 == self.at:
            self.dead = True
            self.under_way = len(self._made)

    # --- what it calls ---

    def port(self, real: Any) -> Any:
        """`real`, called from outside of its tasks."""
        return _Port(self, real)

    async def call(self, made: Callable[[], Awaitable[Any]]) -> Any:
        if self.dead:
            raise unavailable("world of the living")
        loop = asyncio.get_running_loop()
        one = _Call(made, loop.create_future())
        self._made.append(one)
        loop.call_soon(self._arrive, one)
        return await one.answer

    def _arrive(self, one: "_Call") -> None:
        self._made.remove(one)
        if not self.dead or self.applied:
            self.outside(one.run())

    def outside(self, work: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        task = asyncio.get_running_loop().create_task(work)
        self._outside.add(task)
        task.add_done_callback(self._outside.discard)
        return task

    async def arrived(self) -> None:
        """Ends what waits for ever, and returns once whatever it called is done."""
        while self._made:
            await asyncio.sleep(0)
        tasks = [task for task in self._outside if not task.done()]
        for task in tasks:
            if task.get_name().endswith("pump"):
                task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


class _Call:
    def __init__(self, made: Callable[[], Awaitable[Any]], answer: "asyncio.Future[Any]") -> None:
        self._made = made
        self.answer = answer

    async def run(self) -> None:
        try:
            result = await self._made()
        except Exception as error:
            if not self.answer.done():
                self.answer.set_exception(error)
        else:
            if not self.answer.done():
                self.answer.set_result(result)


class _Port:
    def __init__(self, life: Life, real: Any) -> None:
        self._life = life
        self._real = real

    def __getattr__(self, method: str) -> Any:
        real = getattr(self._real, method)
        if method == "prepare":
            return real
        if method == "watch_events":
            return lambda *args, **kwargs: self._pages(real(*args, **kwargs))
        return lambda *args, **kwargs: self._life.call(lambda: real(*args, **kwargs))

    async def _pages(self, stream: Any) -> AsyncIterator[Any]:
        pages: asyncio.Queue[Any] = asyncio.Queue()

        async def pump() -> None:
            async for page in stream:
                pages.put_nowait(page)

        loop = asyncio.get_running_loop()
        started: asyncio.Future[asyncio.Task[None]] = loop.create_future()

        def start() -> None:
            task = self._life.outside(pump())
            task.set_name("pump")
            started.set_result(task)

        # started by the loop: a task started here would be one of the processor's
        loop.call_soon(start)
        task = await started
        try:
            while True:
                yield await pages.get()
        finally:
            task.cancel()


class _Mortal(Coroutine[Any, Any, Any]):
    """A task's coroutine, stepped while its processor lives."""

    def __init__(self, coro: Coroutine[Any, Any, Any], life: Life) -> None:
        self._coro = coro
        self._life = life
        self._grave: Generator[Any, None, Any] | None = None

    def send(self, value: Any) -> Any:
        if self._life.dead and not self._life.buried.is_set():
            return self._rest()
        if self._grave is not None:
            self._grave = None
            return self._coro.throw(asyncio.CancelledError())
        waits = self._coro.send(value)
        self._life.suspended(self._coro)
        return waits

    def throw(self, *error: Any) -> Any:
        if self._life.dead and not self._life.buried.is_set():
            return self._rest()
        self._grave = None
        waits = self._coro.throw(*error)
        self._life.suspended(self._coro)
        return waits

    def close(self) -> None:
        self._coro.close()

    def __await__(self) -> Generator[Any, None, Any]:
        raise TypeError("a task's own")

    def _rest(self) -> Any:
        if self._grave is None:
            self._grave = self._life.buried.wait().__await__()  # type: ignore[assignment]
        assert self._grave is not None
        return self._grave.send(None)


_lives: "WeakKeyDictionary[asyncio.Task[Any], Life]" = WeakKeyDictionary()


def _task(loop: asyncio.AbstractEventLoop, coro: Any, **options: Any) -> asyncio.Task[Any]:
    parent = asyncio.current_task(loop)
    life = None if parent is None else _lives.get(parent)
    if life is None:
        return asyncio.Task(coro, loop=loop, **options)
    task: asyncio.Task[Any] = asyncio.Task(_Mortal(coro, life), loop=loop, **options)
    _lives[task] = life
    return task


@asynccontextmanager
async def living(life: Life, work: Coroutine[Any, Any, None]) -> AsyncIterator[None]:
    """`work` as the root task of a processor; left dead or alive, nothing of it goes on."""
    loop = asyncio.get_running_loop()
    before = loop.get_task_factory()
    loop.set_task_factory(_task)
    root: asyncio.Task[None] = asyncio.Task(_Mortal(work, life), loop=loop)
    _lives[root] = life
    try:
        yield
    finally:
        if life.dead:
            await life.arrived()
        life.buried.set()
        root.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await root
        await life.arrived()
        loop.set_task_factory(before)


def _place(coro: Any) -> str:
    """The innermost line of ours that waits, as file:line and function; of a library's own task, its function."""
    found = getattr(coro, "__qualname__", "?")
    while isinstance(coro, types.CoroutineType) and coro.cr_frame is not None:
        code = coro.cr_frame.f_code
        if SERVICES in code.co_filename:
            found = f"{code.co_filename.rpartition(SERVICES)[2]}:{coro.cr_frame.f_lineno} {code.co_name}"
        coro = coro.cr_await
    return found
