"""The store on SQLite: WAL, synchronous=FULL, one writer thread with group commit, one reader thread.

A document is kept as BSON, the very form MongoDB keeps it in, beside the columns that queries need.

Events are numbered and written in the transaction that moves the intent, so there is no outbox to relay:
choosing the number, writing the event and clearing the outbox entry succeed or fail together, and SQLite
lets one writer at a time, so that no number is chosen twice. What a reader of the log sees is the same.
"""

import secrets
import sqlite3
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Final, TypeVar

from bson import decode, encode
from bson.codec_options import CodecOptions

from services.common.clock import from_ns, to_ns
from services.common.domain.lifecycle import Status
from services.common.domain.outcomes import ListQuery, SolverStatistics
from services.store.adapters.single import apply, matches
from services.store.adapters.sqlite_worker import Worker
from services.store.document import event_document
from services.store.model import PageKey, partition_of
from services.store.ports import (
    CannotOpen,
    Document,
    Due,
    Ended,
    Find,
    Found,
    Insert,
    Look,
    Meta,
    Operation,
    Outbox,
    OwnedBy,
    Program,
    Reservation,
    Reserve,
    Standing,
    Tally,
    Update,
    other_partitions,
)

T = TypeVar("T")

_OPTIONS: Final[CodecOptions[Document]] = CodecOptions(tz_aware=True)
_CHUNK: Final = 500
"""Most variables of one statement."""

_SCHEMA: Final = """
CREATE TABLE IF NOT EXISTS meta (key TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS requests (
  key TEXT PRIMARY KEY, intent_id TEXT NOT NULL, content_hash TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS nonces (
  key TEXT PRIMARY KEY, intent_id TEXT NOT NULL, content_hash TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS intents (
  id TEXT PRIMARY KEY, principal TEXT NOT NULL, content_hash TEXT NOT NULL, created_ms INTEGER NOT NULL,
  user_id TEXT NOT NULL, action TEXT NOT NULL, status TEXT NOT NULL, next_action_ms INTEGER, lease_owner TEXT,
  document BLOB NOT NULL);
CREATE INDEX IF NOT EXISTS intents_status ON intents (status, created_ms);
CREATE INDEX IF NOT EXISTS intents_user ON intents (user_id, status);
CREATE INDEX IF NOT EXISTS intents_page ON intents (principal, created_ms, id);
CREATE INDEX IF NOT EXISTS intents_due ON intents (next_action_ms, id) WHERE next_action_ms IS NOT NULL;
CREATE INDEX IF NOT EXISTS intents_owner ON intents (lease_owner) WHERE lease_owner IS NOT NULL;
CREATE TABLE IF NOT EXISTS events (
  partition INTEGER NOT NULL, sequence INTEGER NOT NULL, document BLOB NOT NULL,
  PRIMARY KEY (partition, sequence)) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS solver_stats (
  solver_id TEXT PRIMARY KEY, success_rate REAL NOT NULL, avg_execution_time REAL NOT NULL,
  executions INTEGER NOT NULL, successes INTEGER NOT NULL, seconds REAL NOT NULL) WITHOUT ROWID;
"""

_RESERVE: Final = {
    "requests": "INSERT INTO requests VALUES (?, ?, ?) ON CONFLICT (key) DO NOTHING",
    "nonces": "INSERT INTO nonces VALUES (?, ?, ?) ON CONFLICT (key) DO NOTHING",
}
_RESERVED: Final = {
    "requests": "SELECT key, intent_id, content_hash FROM requests WHERE key IN",
    "nonces": "SELECT key, intent_id, content_hash FROM nonces WHERE key IN",
}


class SqliteStorage:
    """`services.store.ports.Storage` on one file."""

    outbox: Outbox | None = None

    def __init__(self, path: Path) -> None:
        self._path = path
        self.meta = Meta(store_id="0" * 16, partitions=1)
        self.on_events: Callable[[], None] = lambda: None
        self._writer = Worker("store-writer", self._connect_writer, transactional=True)
        self._reader = Worker("store-reader", self._connect_reader, transactional=False)

    async def open(self, partitions: int) -> None:
        """Create or open the file. Raises CannotOpen."""
        try:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            self._writer.start()
        except (OSError, sqlite3.Error) as error:
            raise CannotOpen(f"DATABASE_URL: {self._path} cannot be opened: {error}") from error
        self.meta = await self._writer.run(lambda connection: _meta(connection, partitions))
        if self.meta.partitions != partitions:
            raise other_partitions(self.meta, partitions)
        self._reader.start()

    async def close(self) -> None:
        """Finish what waits."""
        await self._reader.close()
        await self._writer.close()

    @property
    def commits(self) -> int:
        """Transactions so far; fewer than writes where they were gathered."""
        return self._writer.groups

    def _connect_writer(self) -> sqlite3.Connection:
        connection = _connect(self._path)
        connection.execute("PRAGMA journal_mode=WAL")
        connection.execute("PRAGMA synchronous=FULL")
        connection.executescript(_SCHEMA)
        return connection

    def _connect_reader(self) -> sqlite3.Connection:
        connection = _connect(self._path)
        connection.execute("PRAGMA query_only=ON")
        return connection

    async def run(self, program: Program[T]) -> T:
        run = _Run(program, self.meta.partitions)
        result: T = await self._writer.run(run)
        if run.published:
            self.on_events()
        return result

    async def find(self, intent_ids: Sequence[str]) -> Mapping[str, Document]:
        return await self._reader.run(lambda connection: _find(connection, intent_ids))

    async def requests(self, keys: Sequence[str]) -> Mapping[str, Reservation]:
        return await self._reader.run(lambda connection: _reservations(connection, "requests", keys))

    async def page(self, query: ListQuery, after: PageKey | None, limit: int) -> Sequence[Document]:
        filters = {
            "principal": query.principal,
            "user_id": query.user_id,
            "status": query.status.value if query.status else "",
            "action": query.action,
        }
        clauses = [f"{name} = ?" for name, value in filters.items() if value]
        values: list[Any] = [value for value in filters.values() if value]
        if after is not None:
            clauses.append("(created_ms, id) < (?, ?)")
            values += [_ms(after.created_at), after.intent_id]
        where = f"WHERE {' AND '.join(clauses)}" if clauses else ""
        sql = f"SELECT document FROM intents {where} ORDER BY created_ms DESC, id DESC LIMIT ?"  # noqa: S608 (names are ours)
        return await self._reader.run(lambda connection: _documents(connection, sql, [*values, limit]))

    async def counts(self, *, principal: str, user_id: str) -> Mapping[Status, int]:
        clauses = [f"{name} = ?" for name, value in (("principal", principal), ("user_id", user_id)) if value]
        where = f"WHERE {' AND '.join(clauses)}" if clauses else ""
        sql = f"SELECT status, COUNT(*) FROM intents {where} GROUP BY status"  # noqa: S608 (names are ours)
        values = [value for value in (principal, user_id) if value]
        rows = await self._reader.run(lambda connection: connection.execute(sql, values).fetchall())
        return {Status(status): count for status, count in rows if status in set(Status)}

    async def solvers(self, limit: int) -> Sequence[SolverStatistics]:
        sql = (
            "SELECT solver_id, success_rate, avg_execution_time FROM solver_stats "
            "ORDER BY executions DESC, solver_id LIMIT ?"
        )
        rows = await self._reader.run(lambda connection: connection.execute(sql, [limit]).fetchall())
        return [
            SolverStatistics(solver_id=row[0], success_rate=row[1], avg_execution_time=row[2]) for row in rows
        ]

    async def read_log(self, after: Mapping[int, int], each: int) -> Mapping[int, Sequence[Document]]:
        sql = "SELECT document FROM events WHERE partition = ? AND sequence > ? ORDER BY sequence LIMIT ?"
        return await self._reader.run(
            lambda connection: {
                partition: _documents(connection, sql, [partition, sequence, each])
                for partition, sequence in after.items()
            }
        )

    async def heads(self) -> Sequence[int]:
        partitions = range(self.meta.partitions)
        return await self._reader.run(lambda connection: [_newest(connection, one) for one in partitions])


class _Run:
    """A program within the writer's transaction."""

    def __init__(self, program: Program[Any], partitions: int) -> None:
        self._program = program
        self._partitions = partitions
        self.published = False

    def __call__(self, connection: sqlite3.Connection) -> Any:
        try:
            operation = next(self._program)
            while True:
                operation = self._program.send(self._do(connection, operation))
        except StopIteration as end:
            return end.value

    def _do(self, connection: sqlite3.Connection, operation: Operation) -> Any:
        match operation:
            case Look():
                return Found(
                    _reservations(connection, "requests", operation.requests),
                    _reservations(connection, "nonces", operation.nonces),
                    _standing(connection, operation.intents),
                )
            case Find():
                return _find(connection, operation.intent_ids)
            case Reserve():
                return [_reserve(connection, operation.kind, one) for one in operation.reservations]
            case Insert():
                return [self._insert(connection, document) for document in operation.documents]
            case Update():
                return [self._update(connection, write) for write in operation.writes]
            case Due():
                return _documents(
                    connection,
                    "SELECT document FROM intents WHERE next_action_ms <= ? ORDER BY next_action_ms, id LIMIT ?",
                    [_ms(operation.now), operation.limit],
                )
            case OwnedBy():
                return _documents(
                    connection,
                    "SELECT document FROM intents WHERE lease_owner = ? ORDER BY next_action_ms LIMIT ?",
                    [operation.owner, operation.limit],
                )
            case Tally():
                for ended in operation.ended:
                    _tally(connection, ended)
                return None

    def _insert(self, connection: sqlite3.Connection, document: Document) -> Standing | None:
        intent_id = document["_id"]
        outbox = document["outbox"]
        cursor = connection.execute(
            "INSERT INTO intents VALUES (?, ?, ?, ?, ?, ?, ?, ?, NULL, ?) ON CONFLICT (id) DO NOTHING",
            (
                intent_id,
                document["principal"],
                document["contentHash"],
                _ms(document["createdAt"]),
                document["userId"],
                document["action"],
                document["status"],
                _ms(document["nextActionAt"]),
                encode({**document, "outbox": []}),
            ),
        )
        if cursor.rowcount == 0:
            return _standing(connection, [intent_id])[intent_id]
        self._publish(connection, document, outbox)
        return None

    def _update(self, connection: sqlite3.Connection, write: Any) -> Document | None:
        row = connection.execute("SELECT document FROM intents WHERE id = ?", (write.intent_id,)).fetchone()
        if row is None:
            return None
        document = decode(row[0], _OPTIONS)
        if not matches(document, write.where):
            return None
        apply(document, write.set, write.push)
        outbox, document["outbox"] = document["outbox"], []
        due = document["nextActionAt"]
        connection.execute(
            "UPDATE intents SET status = ?, next_action_ms = ?, lease_owner = ?, document = ? WHERE id = ?",
            (
                document["status"],
                None if due is None else _ms(due),
                document["lease"]["owner"] or None,
                encode(document),
                write.intent_id,
            ),
        )
        self._publish(connection, document, outbox)
        return document

    def _publish(
        self, connection: sqlite3.Connection, document: Document, outbox: Sequence[Document]
    ) -> None:
        partition = partition_of(document["_id"], self._partitions)
        for entry in outbox:
            sequence = _newest(connection, partition) + 1
            event = event_document(document, entry["version"], partition, sequence)
            connection.execute("INSERT INTO events VALUES (?, ?, ?)", (partition, sequence, encode(event)))
            self.published = True


def _connect(path: Path) -> sqlite3.Connection:
    connection = sqlite3.connect(path, isolation_level=None, check_same_thread=False, cached_statements=256)
    connection.execute("PRAGMA busy_timeout=5000")
    return connection


def _meta(connection: sqlite3.Connection, partitions: int) -> Meta:
    insert = "INSERT OR IGNORE INTO meta VALUES (?, ?)"
    connection.executemany(insert, [("store_id", secrets.token_hex(8)), ("partitions", str(partitions))])
    found = dict(connection.execute("SELECT key, value FROM meta").fetchall())
    return Meta(store_id=found["store_id"], partitions=int(found["partitions"]))


def _ms(moment: Any) -> int:
    return to_ns(moment) // 1_000_000


def _newest(connection: sqlite3.Connection, partition: int) -> int:
    row = connection.execute("SELECT MAX(sequence) FROM events WHERE partition = ?", (partition,)).fetchone()
    return row[0] or 0


def _documents(connection: sqlite3.Connection, sql: str, values: Sequence[Any]) -> list[Document]:
    return [decode(row[0], _OPTIONS) for row in connection.execute(sql, values)]


def _rows(connection: sqlite3.Connection, sql: str, keys: Sequence[str]) -> list[tuple[Any, ...]]:
    """`sql` ends in "IN"; the keys are asked for in portions."""
    rows: list[tuple[Any, ...]] = []
    for start in range(0, len(keys), _CHUNK):
        part = keys[start : start + _CHUNK]
        rows += connection.execute(f"{sql} ({','.join('?' * len(part))})", part).fetchall()
    return rows


def _find(connection: sqlite3.Connection, intent_ids: Sequence[str]) -> dict[str, Document]:
    rows = _rows(connection, "SELECT id, document FROM intents WHERE id IN", intent_ids)
    return {intent_id: decode(document, _OPTIONS) for intent_id, document in rows}


def _standing(connection: sqlite3.Connection, intent_ids: Sequence[str]) -> dict[str, Standing]:
    sql = "SELECT id, principal, content_hash, created_ms FROM intents WHERE id IN"
    return {
        row[0]: Standing(row[0], row[1], row[2], from_ns(row[3] * 1_000_000))
        for row in _rows(connection, sql, intent_ids)
    }


def _reservations(connection: sqlite3.Connection, table: str, keys: Sequence[str]) -> dict[str, Reservation]:
    return {row[0]: Reservation(*row) for row in _rows(connection, _RESERVED[table], keys)}


def _reserve(connection: sqlite3.Connection, table: str, one: Reservation) -> Reservation:
    values = (one.key, one.intent_id, one.content_hash)
    if connection.execute(_RESERVE[table], values).rowcount:
        return one
    return _reservations(connection, table, [one.key])[one.key]


def _tally(connection: sqlite3.Connection, ended: Ended) -> None:
    connection.execute(
        """INSERT INTO solver_stats VALUES (?1, ?2, ?3, 1, ?2, ?3) ON CONFLICT (solver_id) DO UPDATE SET
           executions = executions + 1, successes = successes + ?2, seconds = seconds + ?3,
           success_rate = (successes + ?2) * 1.0 / (executions + 1),
           avg_execution_time = (seconds + ?3) / (executions + 1)""",
        (ended.solver_id, int(ended.success), ended.seconds),
    )
