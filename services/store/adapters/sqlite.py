"""The store on SQLite: WAL, synchronous=FULL, one writer thread with group commit, one reader thread.

A document is kept as BSON, the very form MongoDB keeps it in, beside the columns that queries need.

Events are numbered and written in the transaction that moves the intent, so there is no outbox to relay:
choosing the number, writing the event and clearing the outbox entry succeed or fail together, and SQLite
lets one writer at a time, so that no number is chosen twice. What a reader of the log sees is the same.
"""

import secrets
import sqlite3
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Final, TypeVar

from services.common.domain.outcomes import (
    ListQuery,
)
from services.common.domain.statistics import SolverStatistics
from services.store.adapters.sqlite_filing import file_portion
from services.store.adapters.sqlite_overdue import overdue
from services.store.adapters.sqlite_page import read_page
from services.store.adapters.sqlite_program import Run
from services.store.adapters.sqlite_rows import (
    documents,
    find_any,
    floors,
    kept,
    kept_between,
    newest,
    reservations,
)
from services.store.adapters.sqlite_scans import SqliteScans
from services.store.adapters.sqlite_schema import prepare
from services.store.adapters.sqlite_worker import Worker
from services.store.model import PageKey
from services.store.overdue_range import OverdueRange
from services.store.ports import (
    CannotOpen,
    Document,
    Meta,
    Outbox,
    PageRead,
    Program,
    Reservation,
    Scans,
    Strangers,
    other_partitions,
)

T = TypeVar("T")

CACHE_KIB: Final = 65_536
"""Of pages, for the writer and for the reader: a million intents' indexes down to their leaves."""


class SqliteStorage:
    """`services.store.ports.Storage` on one file. `lock_ms`: longest wait for another process that has it locked."""

    outbox: Outbox | None = None
    strangers: Strangers | None = None

    def __init__(self, path: Path, *, lock_ms: int = 5_000) -> None:
        self._path = path
        self._lock_ms = lock_ms
        self.meta = Meta(store_id="0" * 16, partitions=1)
        self.on_events: Callable[[], None] = lambda: None
        self._writer = Worker("store-writer", self._connect_writer, transactional=True)
        self._reader = Worker("store-reader", self._connect_reader, transactional=False)
        self.scans: Scans = SqliteScans(self._reader)

    async def open(self, partitions: int) -> None:
        """Create or open the file. Raises CannotOpen, IntentError."""
        try:
            if not self._path.parent.is_dir():
                self._path.parent.mkdir(parents=True, exist_ok=True)
            self._writer.start()
            self.meta = await self._writer.run(lambda connection: _meta(connection, partitions))
            self._reader.start()
        except (OSError, ValueError, sqlite3.Error) as error:
            raise CannotOpen(f"DATABASE_URL: {self._path} cannot be used: {error}") from error
        if self.meta.partitions != partitions:
            raise other_partitions(self.meta, partitions)
        while await self._writer.run(file_portion):
            pass

    async def renew_identity(self) -> None:
        renewed = replace(self.meta, store_id=secrets.token_hex(8))
        sql = "UPDATE meta SET value = ? WHERE key = 'store_id'"
        await self._writer.run(lambda connection: connection.execute(sql, [renewed.store_id]))
        self.meta = renewed

    async def close(self) -> None:
        """Finish what waits."""
        await self._reader.close()
        await self._writer.close()

    @property
    def commits(self) -> int:
        """Transactions so far; fewer than writes where they were gathered."""
        return self._writer.groups

    def _connect(self) -> sqlite3.Connection:
        connection = sqlite3.connect(
            self._path, isolation_level=None, check_same_thread=False, cached_statements=256
        )
        connection.execute(f"PRAGMA busy_timeout={self._lock_ms}")
        connection.execute(f"PRAGMA cache_size=-{CACHE_KIB}")
        return connection

    def _connect_writer(self) -> sqlite3.Connection:
        connection = self._connect()
        (mode,) = connection.execute("PRAGMA journal_mode=WAL").fetchone()
        if mode != "wal":
            raise sqlite3.NotSupportedError(f"a file that can have a write-ahead log is needed, not {mode}")
        connection.execute("PRAGMA synchronous=FULL")
        prepare(connection)
        return connection

    def _connect_reader(self) -> sqlite3.Connection:
        connection = self._connect()
        connection.execute("PRAGMA query_only=ON")
        return connection

    async def run(self, program: Program[T]) -> T:
        run = Run(program, self.meta.partitions)
        result: T = await self._writer.run(run)
        if run.published:
            self.on_events()
        return result

    async def find(self, intent_ids: Sequence[str]) -> Mapping[str, Document]:
        return await self._reader.run(lambda connection: find_any(connection, intent_ids))

    async def requests(self, keys: Sequence[str]) -> Mapping[str, Reservation]:
        return await self._reader.run(lambda connection: reservations(connection, "requests", keys))

    async def page(self, query: ListQuery, after: PageKey | None, limit: int, most: int) -> PageRead:
        return await self._reader.run(lambda connection: read_page(connection, query, after, limit, most))

    async def overdue(self, asked: OverdueRange) -> Sequence[Document]:
        return await self._reader.run(lambda connection: overdue(connection, asked))

    async def kept(self, kind: str, keys: Sequence[str]) -> Mapping[str, Document]:
        return await self._reader.run(lambda connection: kept(connection, kind, keys))

    async def kept_between(self, kind: str, first: str, last: str, limit: int) -> Sequence[Document]:
        return await self._reader.run(lambda connection: kept_between(connection, kind, first, last, limit))

    async def solvers(self, limit: int) -> Sequence[SolverStatistics]:
        sql = (
            "SELECT solver_id, success_rate, avg_execution_time, executions FROM solver_stats "
            "ORDER BY executions DESC, solver_id LIMIT ?"
        )
        rows = await self._reader.run(lambda connection: connection.execute(sql, [limit]).fetchall())
        return [
            SolverStatistics(
                solver_id=row[0], success_rate=row[1], avg_execution_time=row[2], executions=row[3]
            )
            for row in rows
        ]

    async def read_log(self, after: Mapping[int, int], each: int) -> Mapping[int, Sequence[Document]]:
        sql = "SELECT document FROM events WHERE partition = ? AND sequence > ? ORDER BY sequence LIMIT ?"
        return await self._reader.run(
            lambda connection: {
                partition: documents(connection, sql, [partition, sequence, each])
                for partition, sequence in after.items()
            }
        )

    async def heads(self) -> Sequence[int]:
        partitions = range(self.meta.partitions)
        return await self._reader.run(lambda connection: [newest(connection, one) for one in partitions])

    async def floors(self) -> Sequence[int]:
        return await self._reader.run(lambda connection: floors(connection, self.meta.partitions))


def _meta(connection: sqlite3.Connection, partitions: int) -> Meta:
    insert = "INSERT OR IGNORE INTO meta VALUES (?, ?)"
    connection.executemany(insert, [("store_id", secrets.token_hex(8)), ("partitions", str(partitions))])
    found = dict(connection.execute("SELECT key, value FROM meta").fetchall())
    return Meta(store_id=found["store_id"], partitions=int(found["partitions"]))
