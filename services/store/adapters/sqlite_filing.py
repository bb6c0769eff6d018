"""What SQLite keeps beside a document for lists and what is overdue, and how a file of an earlier version gets it."""

import sqlite3
from typing import Final

from bson import decode
from bson.errors import InvalidBSON

from services.store.adapters.sqlite_rows import OPTIONS, hashes, listed_columns, ms, watched_columns
from services.store.adapters.sqlite_schema import LISTED, WATCHED
from services.store.ports import Document

PORTION: Final = 500
_LATER: Final = (*LISTED, *WATCHED)
_SET: Final = f"UPDATE intents SET {' = ?, '.join(_LATER)} = ? WHERE id = ?"  # noqa: S608


def file_hashes(connection: sqlite3.Connection, document: Document, before: set[str]) -> None:
    """Rows of its transactions' hashes, where those `before` differ from them."""
    after = hashes(document)
    for gone in before - after:
        connection.execute(
            "DELETE FROM intent_hashes WHERE intent_id = ? AND hash = ?", (document["_id"], gone)
        )
    for one in after - before:
        connection.execute(
            "INSERT OR REPLACE INTO intent_hashes VALUES (?, ?, ?)",
            (document["_id"], one, ms(document["createdAt"])),
        )


def refile_hashes(connection: sqlite3.Connection, document: Document) -> None:
    """All of them anew."""
    connection.execute("DELETE FROM intent_hashes WHERE intent_id = ?", (document["_id"],))
    file_hashes(connection, document, set())


def file_portion(connection: sqlite3.Connection) -> bool:
    """Files some more of the intents that an earlier version wrote, in one transaction; False when all are filed.

    Which they are stands in the rows: cut off, it goes on with the others, and finds those that an earlier version
    writes later.
    """
    sql = "SELECT id, document FROM intents WHERE version_status IS NULL ORDER BY id LIMIT ?"
    rows: list[tuple[str, bytes]] = connection.execute(sql, (PORTION,)).fetchall()
    for intent_id, stored in rows:
        try:
            document: Document = decode(stored, OPTIONS)
            connection.execute(_SET, (*listed_columns(document), *watched_columns(document), intent_id))
            refile_hashes(connection, document)
        except (KeyError, TypeError, AttributeError, InvalidBSON):
            # `verify` tells of it
            connection.execute("UPDATE intents SET version_status = status WHERE id = ?", (intent_id,))
    return bool(rows)
