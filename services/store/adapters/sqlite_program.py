"""A store's program run within the SQLite writer's transaction: every operation of services/store/ports.py."""

import sqlite3
from collections.abc import Sequence
from typing import Any, Final

from bson import encode

from services.store.adapters.single import applied, matches
from services.store.adapters.sqlite_filing import file_hashes, refile_hashes
from services.store.adapters.sqlite_rows import (
    COLUMNS,
    MOVING,
    columns,
    due_of_users,
    find,
    find_any,
    first_readable,
    hashes,
    kept,
    kept_between,
    moving_columns,
    ms,
    newest,
    reservations,
    solver,
    standing,
    watched_columns,
)
from services.store.adapters.sqlite_schema import WATCHED
from services.store.document import event_document
from services.store.model import partition_of
from services.store.ports import (
    Append,
    Document,
    Drop,
    Due,
    DueOfUsers,
    Ended,
    Find,
    Found,
    Heads,
    Insert,
    Keep,
    Kept,
    KeptBetween,
    Look,
    Operation,
    OwnedBy,
    Program,
    Recall,
    Refile,
    Reservation,
    Reserve,
    Standing,
    Tally,
    Update,
)

_RESERVE: Final = {
    "requests": "INSERT INTO requests VALUES (?, ?, ?) ON CONFLICT (key) DO NOTHING",
    "nonces": "INSERT INTO nonces VALUES (?, ?, ?) ON CONFLICT (key) DO NOTHING",
}
_INSERT: Final = (
    f"INSERT INTO intents ({', '.join(COLUMNS)}, document, id) VALUES (?{', ?' * (len(COLUMNS) + 1)}) "  # noqa: S608
    "ON CONFLICT (id) DO NOTHING"
)
_DROP: Final = (
    "DELETE FROM events WHERE partition = ? AND sequence IN "
    "(SELECT sequence FROM events WHERE partition = ? AND sequence <= ? ORDER BY sequence LIMIT ?)"
)
_REFILE: Final = f"UPDATE intents SET {' = ?, '.join(COLUMNS)} = ? WHERE id = ?"  # noqa: S608

DUE: Final = "SELECT id, document FROM intents WHERE next_action_ms <= ? ORDER BY next_action_ms, id LIMIT ?"
OWNED: Final = "SELECT id, document FROM intents WHERE lease_owner = ? ORDER BY next_action_ms LIMIT ?"


class Run:
    """A program within the writer's transaction."""

    def __init__(self, program: Program[Any], partitions: int) -> None:
        self._program = program
        self._partitions = partitions
        self._read: dict[str, Document] = {}
        """Intents as this transaction left them; nobody else writes meanwhile."""
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
                    reservations(connection, "requests", operation.requests),
                    reservations(connection, "nonces", operation.nonces),
                    standing(connection, operation.intents),
                )
            case Find():
                found = find(connection, [one for one in operation.intent_ids if one not in self._read])
                self._read |= found
                return {one: self._read[one] for one in operation.intent_ids if one in self._read}
            case Recall():
                return {}  # within the transaction looking costs no round trip
            case Reserve():
                return [_reserve(connection, operation.kind, one) for one in operation.reservations]
            case Insert():
                return [self._insert(connection, document) for document in operation.documents]
            case Update():
                return [self._update(connection, write) for write in operation.writes]
            case Due():
                reserved = operation.reserved_for
                return (
                    self._intents(connection, OWNED, reserved, operation.limit) if reserved else [],
                    self._intents(connection, DUE, ms(operation.now), operation.limit),
                )
            case DueOfUsers():
                heads, upto = due_of_users(connection, ms(operation.now), operation.after, operation.users)
                read = find_any(connection, [one for one in heads if one not in self._read])
                self._read |= {one: document for one, document in read.items() if len(document) > 1}
                return Heads([self._read[one] for one in heads if one in self._read], upto)
            case OwnedBy():
                return self._intents(connection, OWNED, operation.owner, operation.limit)
            case Tally():
                for ended in operation.ended:
                    _tally(connection, ended)
                return None
            case Kept():
                return kept(connection, operation.kind, operation.keys)
            case KeptBetween():
                between = operation
                return kept_between(connection, between.kind, between.first, between.last, between.limit)
            case Keep():
                return [_keep(connection, operation.kind, document) for document in operation.documents]
            case Append():
                return [_append(connection, event) for event in operation.events]
            case Refile():
                for document in find(connection, operation.intent_ids).values():
                    connection.execute(_REFILE, (*columns(document), document["_id"]))
                    refile_hashes(connection, document)
                return None
            case Drop():
                values = [operation.partition, operation.partition, operation.through, operation.limit]
                return connection.execute(_DROP, values).rowcount

    def _insert(self, connection: sqlite3.Connection, document: Document) -> Standing | None:
        intent_id = document["_id"]
        outbox = document["outbox"]
        stored = encode({**document, "outbox": []})
        cursor = connection.execute(_INSERT, (*columns(document), stored, intent_id))
        if cursor.rowcount == 0:
            return standing(connection, [intent_id])[intent_id]
        file_hashes(connection, document, set())
        self._publish(connection, document, outbox)
        return None

    def _update(self, connection: sqlite3.Connection, write: Any) -> Document | None:
        found: dict[str, Document] = self._do(connection, Find([write.intent_id]))
        before = found.get(write.intent_id)
        if before is None or not matches(before, write.where):
            return None
        document = applied(before, write.set, write.push)
        outbox, document["outbox"] = document["outbox"], []
        names, values = list(MOVING), list(moving_columns(document))
        # an index is written for each column that is set, changed or not
        seldom = zip(WATCHED, watched_columns(before), watched_columns(document), strict=True)
        for name, old, new in (*seldom, ("solver_id", solver(before), solver(document))):
            if new != old:
                names.append(name)
                values.append(new)
        # the names are ours; as many texts as there are kinds of moves
        sql = f"UPDATE intents SET {' = ?, '.join(names)} = ?, document = ? WHERE id = ?"  # noqa: S608
        connection.execute(sql, (*values, encode(document), write.intent_id))
        if document.get("executionDetails") is not before.get("executionDetails"):
            file_hashes(connection, document, hashes(before))
        self._read[write.intent_id] = document
        self._publish(connection, document, outbox)
        return document

    def _intents(self, connection: sqlite3.Connection, sql: str, value: Any, limit: int) -> list[Document]:
        # as many as it takes to find `limit` that can be read
        found = first_readable(connection, sql, [value, -1], limit)
        self._read |= {document["_id"]: document for document in found}
        return found

    def _publish(
        self, connection: sqlite3.Connection, document: Document, outbox: Sequence[Document]
    ) -> None:
        partition = partition_of(document["_id"], self._partitions)
        for entry in outbox:
            sequence = newest(connection, partition) + 1
            event = event_document(document, entry["version"], partition, sequence)
            connection.execute("INSERT INTO events VALUES (?, ?, ?)", (partition, sequence, encode(event)))
            self.published = True


def _reserve(connection: sqlite3.Connection, table: str, one: Reservation) -> Reservation:
    values = (one.key, one.intent_id, one.content_hash)
    if connection.execute(_RESERVE[table], values).rowcount:
        return one
    return reservations(connection, table, [one.key])[one.key]


def _keep(connection: sqlite3.Connection, kind: str, document: Document) -> bool:
    seen = document["revision"]
    stored = encode({**document, "revision": seen + 1})
    if seen == 0:
        sql = "INSERT INTO kept VALUES (?, ?, 1, ?) ON CONFLICT (kind, key) DO NOTHING"
        return connection.execute(sql, (kind, document["_id"], stored)).rowcount == 1
    sql = "UPDATE kept SET revision = ?, document = ? WHERE kind = ? AND key = ? AND revision = ?"
    return connection.execute(sql, (seen + 1, stored, kind, document["_id"], seen)).rowcount == 1


def _append(connection: sqlite3.Connection, event: Document) -> bool:
    values = (event["partition"], event["sequence"], encode(event))
    sql = "INSERT INTO events VALUES (?, ?, ?) ON CONFLICT (partition, sequence) DO NOTHING"
    return connection.execute(sql, values).rowcount == 1


def _tally(connection: sqlite3.Connection, ended: Ended) -> None:
    connection.execute(
        """INSERT INTO solver_stats VALUES (?1, ?2, ?3, 1, ?2, ?3) ON CONFLICT (solver_id) DO UPDATE SET
           executions = executions + 1, successes = successes + ?2, seconds = seconds + ?3,
           success_rate = (successes + ?2) * 1.0 / (executions + 1),
           avg_execution_time = (seconds + ?3) / (executions + 1)""",
        (ended.solver_id, int(ended.success), ended.seconds),
    )
