"""A thread that owns one SQLite connection. Whatever waits for it runs in one go.

For the writer one go is one transaction: operations that arrive while a commit is being synced are gathered
and committed together, each is answered only after that commit's sync. An operation that fails is rolled
back alone.
"""

import asyncio
import logging
import queue
import sqlite3
import threading
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final, TypeVar

from bson.errors import InvalidBSON

from services.common.errors import IntentError, Reason, too_late, unavailable
from services.common.observe import logs
from services.common.rpc import deadline

logger = logging.getLogger(__name__)

MAX_GROUP: Final = 256
"""Most operations of one transaction."""

T = TypeVar("T")
Work = Callable[[sqlite3.Connection], Any]


@dataclass(slots=True, eq=False)
class _Job:
    work: Work
    future: "asyncio.Future[Any]"
    loop: asyncio.AbstractEventLoop
    result: Any = None
    error: BaseException | None = None


class Worker:
    """`transactional` makes it the writer."""

    def __init__(self, name: str, connect: Callable[[], sqlite3.Connection], *, transactional: bool) -> None:
        self._connect = connect
        self._transactional = transactional
        self._queue: queue.SimpleQueue[_Job | None] = queue.SimpleQueue()
        self._closed = False
        self._started: queue.SimpleQueue[BaseException | None] = queue.SimpleQueue()
        self._thread = threading.Thread(target=self._serve, name=name, daemon=True)
        self.groups = 0
        """Transactions so far."""

    def start(self) -> None:
        """Open the connection; blocks for it. Raises what connecting raised."""
        self._thread.start()
        error = self._started.get()
        if error is not None:
            raise error

    async def run(self, work: Callable[[sqlite3.Connection], T]) -> T:
        """Run `work` in the thread; for the writer it is durable on return.

        Raises what `work` raised, and IntentError: DEPENDENCY_UNAVAILABLE, CORRUPT_RECORD, or DEADLINE_EXCEEDED where
        the caller's time was up: work that was not begun by then is not done.
        """
        if self._closed:
            raise unavailable("store")
        loop = asyncio.get_running_loop()
        future: asyncio.Future[T] = loop.create_future()
        self._queue.put(_Job(work, future, loop))
        try:
            async with asyncio.timeout(deadline.remaining()):
                return await future
        except TimeoutError:
            raise too_late("store") from None

    async def close(self) -> None:
        """Finish what waits, then end the thread."""
        if self._closed:
            return
        self._closed = True
        self._queue.put(None)
        if self._thread.ident is None:
            return
        await asyncio.to_thread(self._thread.join)

    def _serve(self) -> None:
        try:
            connection = self._connect()
        except BaseException as error:
            self._started.put(error)
            return
        self._started.put(None)
        ending = False
        while not ending:
            first = self._queue.get()
            if first is None:
                break
            jobs = [first]
            while len(jobs) < MAX_GROUP:
                try:
                    job = self._queue.get_nowait()
                except queue.Empty:
                    break
                if job is None:
                    ending = True
                    break
                jobs.append(job)
            # nobody waits any more for what was cancelled
            jobs = [job for job in jobs if not job.future.cancelled()]
            if jobs:
                self._run(connection, jobs)
                _deliver(jobs)
        connection.close()

    def _run(self, connection: sqlite3.Connection, jobs: list[_Job]) -> None:
        if not self._transactional:
            for job in jobs:
                _attempt(job, connection)
            return
        self.groups += 1
        try:
            connection.execute("BEGIN IMMEDIATE")
            for job in jobs:
                # one alone needs no savepoint: the transaction is its own
                _attempt_alone(job, connection, savepoint=len(jobs) > 1)
            if len(jobs) == 1 and jobs[0].error is not None:
                connection.execute("ROLLBACK")
            else:
                connection.execute("COMMIT")
        except sqlite3.Error as error:
            _undo(connection)
            for job in jobs:
                job.error = job.error or error


def _undo(connection: sqlite3.Connection) -> None:
    try:
        if connection.in_transaction:
            connection.execute("ROLLBACK")
    except sqlite3.Error as error:
        # SQLite rolls back by itself where it cannot go on; the thread has to
        logs.event(logger, logging.ERROR, "store.sqlite_failed", why=f"rollback: {error}")


def _attempt_alone(job: _Job, connection: sqlite3.Connection, *, savepoint: bool) -> None:
    if not savepoint:
        _attempt(job, connection)
        return
    connection.execute("SAVEPOINT one")
    _attempt(job, connection)
    if job.error is not None:
        connection.execute("ROLLBACK TO one")
    connection.execute("RELEASE one")


def _attempt(job: _Job, connection: sqlite3.Connection) -> None:
    try:
        job.result = job.work(connection)
    except Exception as error:
        job.error = error


def _deliver(jobs: list[_Job]) -> None:
    by_loop: dict[asyncio.AbstractEventLoop, list[_Job]] = {}
    for job in jobs:
        by_loop.setdefault(job.loop, []).append(job)
    for loop, done in by_loop.items():
        try:
            loop.call_soon_threadsafe(_settle, done)
        except RuntimeError:
            # the loop is closed: nobody waits any more
            continue


def _settle(jobs: list[_Job]) -> None:
    for job in jobs:
        if job.future.done():
            continue
        if job.error is None:
            job.future.set_result(job.result)
        else:
            shown = _shown(job.error)
            if shown is not job.error:
                shown.__cause__ = job.error
            job.future.set_exception(shown)


def _shown(error: BaseException) -> BaseException:
    if isinstance(error, sqlite3.DatabaseError) and not isinstance(
        error, sqlite3.ProgrammingError | sqlite3.IntegrityError
    ):
        logs.event(logger, logging.ERROR, "store.sqlite_failed", why=str(error))
        return unavailable("store")
    if isinstance(error, InvalidBSON):
        logs.event(logger, logging.ERROR, "store.sqlite_unreadable", why=str(error))
        return IntentError(Reason.CORRUPT_RECORD, "A stored document cannot be read.")
    if isinstance(error, sqlite3.Error):
        logs.event(logger, logging.ERROR, "store.sqlite_refused", why=str(error))
        return IntentError(Reason.INTERNAL, "The store could not do this.")
    return error
