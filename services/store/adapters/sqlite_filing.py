"""What SQLite keeps beside an intent's document for lists, and how a file of an earlier version gets it."""

import sqlite3
from typing import Final

from bson import decode
from bson.errors import InvalidBSON

from services.store.adapters.sqlite_rows import OPTIONS, hashes, listed_columns, ms
from services.store.adapters.sqlite_schema import LISTED
from services.store.ports import Document

PORTION: Final = 500
_DONE: Final = "lists.filed"
_AT: Final = "lists.filing"
_SET: Final = f"UPDATE intents SET {' = ?, '.join(LISTED)} = ? WHERE id = ?"  # noqa: S608


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

    Where it stands is kept in the file, so that it goes on there if it is cut off.
    """
    state = dict(
        connection.execute("SELECT key, value FROM meta WHERE key IN (?, ?)", (_DONE, _AT)).fetchall()
    )
    if _DONE in state:
        return False
    sql = "SELECT id, document FROM intents WHERE id > ? ORDER BY id LIMIT ?"
    rows: list[tuple[str, bytes]] = connection.execute(sql, (state.get(_AT, ""), PORTION)).fetchall()
    for intent_id, stored in rows:
        try:
            document = decode(stored, OPTIONS)
            connection.execute(_SET, (*listed_columns(document), intent_id))
            refile_hashes(connection, document)
        except (KeyError, TypeError, AttributeError, InvalidBSON):
            continue  # `verify` tells of it
    if rows:
        connection.execute("INSERT OR REPLACE INTO meta VALUES (?, ?)", (_AT, rows[-1][0]))
        return True
    connection.execute("DELETE FROM meta WHERE key = ?", (_AT,))
    connection.execute("INSERT INTO meta VALUES (?, '1')", (_DONE,))
    return False
