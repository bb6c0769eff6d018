"""What a claim reads on SQLite is entered by an index and not sorted, however much is stored or due."""

import sqlite3
from contextlib import closing

import pytest

from services.store.adapters.sqlite_program import DUE, OWNED
from services.store.adapters.sqlite_rows import LOOKS, NEXT_USER, due_of_users
from services.store.adapters.sqlite_schema import prepare


@pytest.mark.parametrize(
    ("sql", "values", "plan"),
    [
        (DUE, [5, 10], "SEARCH intents USING INDEX intents_due (next_action_ms<?)"),
        (NEXT_USER, ["a"], "SEARCH intents USING COVERING INDEX intents_due_by_user (user_id>?)"),
    ],
)
def test_one_index_is_walked(sql: str, values: list[object], plan: str) -> None:
    with closing(sqlite3.connect(":memory:")) as connection:
        prepare(connection)
        assert [row[3] for row in connection.execute(f"EXPLAIN QUERY PLAN {sql}", values)] == [plan]


def test_leases_are_found_by_their_owner() -> None:
    with closing(sqlite3.connect(":memory:")) as connection:
        prepare(connection)
        steps = [row[3] for row in connection.execute(f"EXPLAIN QUERY PLAN {OWNED}", ["p-1", 10])]
    assert steps[0] == "SEARCH intents USING INDEX intents_owner (lease_owner=?)"


def test_looks_past_users_with_nothing_due_are_counted() -> None:
    """A claim stops after LOOKS of them, and the next goes on there."""
    with closing(sqlite3.connect(":memory:")) as connection:
        prepare(connection)
        waiting = [(f"i-{n:05}", f"u-{n:05}", 1 if n == LOOKS + 5 else 100) for n in range(LOOKS + 10)]
        connection.executemany(
            "INSERT INTO intents (id, user_id, next_action_ms, principal, content_hash, created_ms, action, status, "
            "document) VALUES (?, ?, ?, '', '', 0, '', '', x'')",
            waiting,
        )
        found, upto = due_of_users(connection, 50, "", 3)
        assert (found, upto) == ([], f"u-{LOOKS - 1:05}")
        assert due_of_users(connection, 50, upto, 3) == ([f"i-{LOOKS + 5:05}"], "")
