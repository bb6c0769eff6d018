"""A page of a list on SQLite: one index walked newest first, nothing sorted."""

import sqlite3
from contextlib import closing
from typing import Any, Final

from services.common.clock import from_ns
from services.common.domain.outcomes import ListQuery
from services.store.adapters.sqlite_rows import decoded, ms
from services.store.listing import Walk, walk_of
from services.store.model import PageKey
from services.store.ports import Document, PageRead

_KEY: Final = ("created_ms", "id")
_HASH_KEY: Final = ("made_ms", "intent_id")


def page_statement(walk: Walk, after: PageKey | None, limit: int, most: int) -> tuple[str, list[Any]]:
    """SELECT of (document or NULL where the rest of the filters say no, created_ms, id), and its values."""
    if "transaction_hash" in walk.by:
        source, key = "intent_hashes CROSS JOIN intents ON intents.id = intent_hashes.intent_id", _HASH_KEY
        branches = [{"hash": walk.by["transaction_hash"]}]
    else:
        source, key, branches = "intents", _KEY, [dict(walk.by)]
        if "token" in walk.by:
            # two ranges of two indexes, merged in order; no record is in both
            (one,) = branches
            token = one.pop("token")
            branches = [{**one, "token": token}, {**one, "other_token": token}]
    shown, rest = _shown(walk)
    clauses, bounds = _between(walk, after, key)
    selects, values = [], []
    for given in branches:
        where = " AND ".join([*(f"{column} = ?" for column in given), *clauses])
        # the names are ours
        selects.append(
            f"SELECT {shown}, {key[0]}, {key[1]} FROM {source}{' WHERE ' if where else ''}{where}"  # noqa: S608
        )
        values += [*rest, *given.values(), *bounds]
    sql = f"{' UNION ALL '.join(selects)} ORDER BY 2 DESC, 3 DESC LIMIT ?"
    return sql, [*values, most if walk.rest else limit]


def read_page(
    connection: sqlite3.Connection, query: ListQuery, after: PageKey | None, limit: int, most: int
) -> PageRead:
    """As Storage.page says."""
    walk = walk_of(query)
    sql, values = page_statement(walk, after, limit, most)
    found: list[Document] = []
    looked_at, last = 0, None
    with closing(connection.execute(sql, values)) as cursor:
        for document, created_ms, intent_id in cursor:
            looked_at, last = looked_at + 1, (created_ms, intent_id)
            if document is not None:
                found.append(decoded(intent_id, document))
            if len(found) == limit:
                return PageRead(found)
    if last is None or not walk.rest or looked_at < most:
        return PageRead(found)
    return PageRead(found, PageKey(from_ns(last[0] * 1_000_000), last[1]))


def _shown(walk: Walk) -> tuple[str, list[Any]]:
    conditions, values = [], []
    for name, value in walk.rest.items():
        if name == "token":
            conditions.append("? IN (token, other_token)")
        else:
            conditions.append(f"{name} = ?")
        values.append(value)
    if not conditions:
        return "document", []
    return f"CASE WHEN {' AND '.join(conditions)} THEN document END", values


def _between(walk: Walk, after: PageKey | None, key: tuple[str, str]) -> tuple[list[str], list[Any]]:
    clauses: list[str] = []
    values: list[Any] = []
    if after is not None:
        # it lies before `until` already
        clauses.append(f"({key[0]}, {key[1]}) < (?, ?)")
        values += [ms(after.created_at), after.intent_id]
    elif walk.until is not None:
        clauses.append(f"{key[0]} < ?")
        values.append(ms(walk.until))
    if walk.since is not None:
        clauses.append(f"{key[0]} >= ?")
        values.append(ms(walk.since))
    return clauses, values
