"""Rows of the SQLite store <-> documents, reservations, standings."""

import sqlite3
from collections.abc import Iterable, Iterator, Sequence
from itertools import islice
from typing import Any, Final

from bson import decode
from bson.codec_options import CodecOptions
from bson.errors import InvalidBSON

from services.common.clock import from_ns, to_ns
from services.common.errors import IntentError, Reason
from services.store.adapters.sqlite_schema import LISTED, WATCHED
from services.store.document import held_since
from services.store.model import floor_key
from services.store.ports import Document, Reservation, Standing

OPTIONS: Final[CodecOptions[Document]] = CodecOptions(tz_aware=True)
_CHUNK: Final = 500
"""Most variables of one statement."""

LOOKS: Final = 512
"""Most users looked at to find those who have something due."""
NEXT_USER: Final = (
    "SELECT user_id, next_action_ms, id FROM intents WHERE user_id > ? AND next_action_ms IS NOT NULL "
    "ORDER BY user_id, next_action_ms, id LIMIT 1"
)

MOVING: Final = ("status", "next_action_ms", "lease_owner")
"""Columns beside an intent's document that moves and leases change, most of the time."""
COLUMNS: Final = (
    "principal", "content_hash", "created_ms", "user_id", "action", *LISTED, *WATCHED, *MOVING
)  # fmt: skip
"""All columns beside an intent's document; every one follows from it."""

_DOCUMENTS: Final = "SELECT id, document FROM intents WHERE id IN"
_RESERVED: Final = {
    "requests": "SELECT key, intent_id, content_hash FROM requests WHERE key IN",
    "nonces": "SELECT key, intent_id, content_hash FROM nonces WHERE key IN",
}


def ms(moment: Any) -> int:
    return to_ns(moment) // 1_000_000


def _text(value: Any) -> str:
    """What was written past us may be anything; a column holds text."""
    return value if isinstance(value, str) else ""


def moving_columns(document: Document) -> tuple[Any, ...]:
    """Values of MOVING."""
    due = document["nextActionAt"]
    return (
        _text(document["status"]),
        None if due is None else ms(due),
        (document.get("lease") or {}).get("owner") or None,
    )


def columns(document: Document) -> tuple[Any, ...]:
    """Values of COLUMNS."""
    return (
        document["principal"],
        document["contentHash"],
        ms(document["createdAt"]),
        _text(document["userId"]),
        _text(document["action"]),
        *listed_columns(document),
        *watched_columns(document),
        *moving_columns(document),
    )


def listed_columns(document: Document) -> tuple[Any, ...]:
    """Values of LISTED."""
    given, wanted = _text(document["input_token"]), _text(document["output_token"])
    return (given, None if wanted == given else wanted, solver(document))


def solver(document: Document) -> str | None:
    """The column solver_id, the only one of LISTED that a move may change: once or twice in a lifetime."""
    return (document.get("executionDetails") or {}).get("solverId") or None


def watched_columns(document: Document) -> tuple[Any, ...]:
    """Values of WATCHED."""
    until, held = document.get("openUntil"), held_since(document)
    return (
        document["versionStatus"],
        None if until is None else ms(until),
        None if held is None else ms(held),
    )


def hashes(document: Document) -> set[str]:
    """Of its transactions: rows of intent_hashes."""
    return {one["hash"] for one in (document.get("executionDetails") or {}).get("transactions") or ()}


def newest(connection: sqlite3.Connection, partition: int) -> int:
    row = connection.execute("SELECT MAX(sequence) FROM events WHERE partition = ?", (partition,)).fetchone()
    return row[0] or 0


def floors(connection: sqlite3.Connection, partitions: int) -> list[int]:
    """By partition the sequence up to which its events are dropped."""
    keys = [floor_key(partition) for partition in range(partitions)]
    found = kept(connection, "meta", keys)
    return [int(found[key]["sequence"]) if key in found else 0 for key in keys]


def documents(connection: sqlite3.Connection, sql: str, values: Sequence[Any]) -> list[Document]:
    return [decode(row[0], OPTIONS) for row in connection.execute(sql, values)]


def due_of_users(connection: sqlite3.Connection, now: int, after: str, users: int) -> tuple[list[str], str]:
    """Ids of the most overdue intents of up to `users` users above `after`, and the last user looked at ("" if there
    is none after). The index leads from each user's first next action to the next user's."""
    found: list[str] = []
    for _ in range(LOOKS):
        row = connection.execute(NEXT_USER, [after]).fetchone()
        if row is None:
            return found, ""
        after, due, intent_id = row
        if due <= now:
            found.append(intent_id)
            if len(found) == users:
                break
    return found, after


def rows(connection: sqlite3.Connection, sql: str, keys: Sequence[str]) -> list[tuple[Any, ...]]:
    """Those of `keys`: `sql` ends in "IN", they are asked for in portions."""
    found: list[tuple[Any, ...]] = []
    for start in range(0, len(keys), _CHUNK):
        part = keys[start : start + _CHUNK]
        found += connection.execute(f"{sql} ({','.join('?' * len(part))})", part).fetchall()
    return found


def find(connection: sqlite3.Connection, intent_ids: Sequence[str]) -> dict[str, Document]:
    """Raises IntentError CORRUPT_RECORD for one whose bytes are broken."""
    found = rows(connection, _DOCUMENTS, intent_ids)
    return {intent_id: decoded(intent_id, document) for intent_id, document in found}


def find_any(connection: sqlite3.Connection, intent_ids: Sequence[str]) -> dict[str, Document]:
    """As find, but one whose bytes are broken is a document that has an `_id` and nothing else."""
    return dict(with_ids(rows(connection, _DOCUMENTS, intent_ids)))


def with_ids(found: Iterable[tuple[str, bytes]]) -> Iterator[tuple[str, Document]]:
    """Documents by id; those whose bytes are broken have an `_id` and nothing else."""
    for intent_id, document in found:
        try:
            yield intent_id, decoded(intent_id, document)
        except IntentError:
            yield intent_id, {"_id": intent_id}


def first_readable(
    connection: sqlite3.Connection, sql: str, values: Sequence[Any], limit: int
) -> list[Document]:
    """Of the documents that `sql` selects with their ids: one whose bytes are broken must not hold up all others."""
    found = (one for _, one in with_ids(connection.execute(sql, values)) if len(one) > 1)
    return list(islice(found, limit))


def decoded(intent_id: str, document: bytes) -> Document:
    """Raises IntentError CORRUPT_RECORD where its bytes are broken."""
    try:
        return decode(document, OPTIONS)
    except InvalidBSON as error:
        raise IntentError(
            Reason.CORRUPT_RECORD, "A stored intent cannot be read.", metadata={"intent_id": intent_id[:128]}
        ) from error


def standing(connection: sqlite3.Connection, intent_ids: Sequence[str]) -> dict[str, Standing]:
    sql = "SELECT id, principal, content_hash, created_ms FROM intents WHERE id IN"
    return {
        row[0]: Standing(row[0], row[1], row[2], from_ns(row[3] * 1_000_000))
        for row in rows(connection, sql, intent_ids)
    }


def reservations(connection: sqlite3.Connection, table: str, keys: Sequence[str]) -> dict[str, Reservation]:
    return {row[0]: Reservation(*row) for row in rows(connection, _RESERVED[table], keys)}


def kept(connection: sqlite3.Connection, kind: str, keys: Sequence[str]) -> dict[str, Document]:
    """Bookkeeping documents by id."""
    # the kind is one of services.store.adapters.sqlite_program's, never a caller's text
    sql = f"SELECT key, document FROM kept WHERE kind = '{kind}' AND key IN"  # noqa: S608
    return {key: decode(document, OPTIONS) for key, document in rows(connection, sql, keys)}


def kept_between(
    connection: sqlite3.Connection, kind: str, first: str, last: str, limit: int
) -> list[Document]:
    """Bookkeeping documents with first <= id < last, ascending."""
    sql = "SELECT document FROM kept WHERE kind = ? AND key >= ? AND key < ? ORDER BY key LIMIT ?"
    return documents(connection, sql, [kind, first, last, limit])
