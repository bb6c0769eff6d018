"""However a page is filtered, SQLite walks one index from where the page begins, and sorts nothing."""

import sqlite3
from contextlib import closing
from itertools import product

import pytest

from services.common.domain.lifecycle import Status
from services.common.domain.outcomes import ListQuery
from services.store.adapters.sqlite_rows import page_statement
from services.store.adapters.sqlite_schema import SCHEMA
from services.store.model import PageKey
from tests.unit.store.support import START

QUERIES = [
    ListQuery(principal=principal, user_id=user, status=status, action=action)
    for principal, user, status, action in product(
        ("", "alice"), ("", "alice.near"), (None, Status.PENDING), ("", "swap")
    )
]


@pytest.mark.parametrize("after", [None, PageKey(START, "i-1")])
@pytest.mark.parametrize("query", QUERIES)
def test_one_index_is_walked(query: ListQuery, after: PageKey | None) -> None:
    sql, values = page_statement(query, after)
    with closing(sqlite3.connect(":memory:")) as connection:
        connection.executescript(SCHEMA)
        (plan,) = connection.execute(f"EXPLAIN QUERY PLAN {sql}", [*values, 10]).fetchall()
    shown = plan[3]
    if query == ListQuery() and after is None:
        assert shown == "SCAN intents USING INDEX intents_newest"
        return
    assert shown.startswith("SEARCH intents USING INDEX ")
    assert ("(created_ms,id)<(?,?)" in shown) is (after is not None)
    narrowest = "user_id" if query.user_id else "principal" if query.principal else None
    assert narrowest is None or f"({narrowest}=?" in shown
    if narrowest and query.status:
        assert "status=?" in shown
