"""Ranges of intents that nobody ends, on SQLite; each walks one index."""

import sqlite3
from typing import Any, Final

from services.common.domain.outcomes import OverdueCause
from services.store.adapters.sqlite_rows import documents, ms
from services.store.overdue_range import OverdueRange
from services.store.ports import Document

_BY_TIME: Final = "SELECT document FROM intents WHERE {0} < ? AND ({0}, id) > (?, ?) ORDER BY {0}, id LIMIT ?"
_STATEMENTS: Final = {
    OverdueCause.PAST_DEADLINE: _BY_TIME.format("open_until_ms"),
    OverdueCause.NO_OWNER: _BY_TIME.format("next_action_ms"),
    OverdueCause.HELD: _BY_TIME.format("held_ms"),
    OverdueCause.FOREIGN_WRITE: (
        "SELECT document FROM intents WHERE status <> version_status "
        "AND (version_status, status, created_ms, id) > (?, ?, ?, ?) "
        "ORDER BY version_status, status, created_ms, id LIMIT ?"
    ),
}
_FIRST_MS: Final = -(1 << 62)


def statement(asked: OverdueRange) -> tuple[str, list[Any]]:
    """SELECT of its documents and its values."""
    after = asked.after
    at = _FIRST_MS if after is None else ms(after.at)
    intent_id = "" if after is None else after.intent_id
    if asked.cause is OverdueCause.FOREIGN_WRITE:
        statuses = ["", ""] if after is None else [after.ours, after.status]
        values = [*statuses, at, intent_id]
    else:
        values = [ms(asked.before), at, intent_id]
    return _STATEMENTS[asked.cause], [*values, asked.limit]


def overdue(connection: sqlite3.Connection, asked: OverdueRange) -> list[Document]:
    """As `services.store.ports.Storage.overdue` says."""
    return documents(connection, *statement(asked))
