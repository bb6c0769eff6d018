"""However a page is filtered, SQLite walks one index from where the page begins, and sorts nothing."""

import sqlite3
from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from datetime import datetime, timedelta
from itertools import product

import pytest

from services.common.domain.lifecycle import Status
from services.common.domain.outcomes import ListQuery
from services.store.adapters.sqlite_page import page_statement
from services.store.adapters.sqlite_schema import prepare
from services.store.listing import walk_of
from services.store.model import PageKey
from tests.unit.store.support import START

SINCE, UNTIL = START - timedelta(days=1), START + timedelta(days=1)
QUERIES = [
    ListQuery(
        principal=principal, user_id=user, status=status, action=action,
        token=token, solver_id=solver, transaction_hash=hash_,
    )
    for principal, user, status, action, token, solver, hash_ in product(
        ("", "alice"), ("", "alice.near"), (None, Status.PENDING), ("", "swap"), ("", "USDC"), ("", "s.near"), ("", "h")
    )
]  # fmt: skip


@pytest.fixture(scope="module")
def connection() -> Iterator[sqlite3.Connection]:
    with closing(sqlite3.connect(":memory:", isolation_level=None)) as made:
        prepare(made)
        yield made


def expected(query: ListQuery) -> list[str]:
    """Indexes that are walked."""
    if query.transaction_hash:
        return ["intents_newest_by_hash"]
    if query.user_id:
        return ["intents_newest_by_user_status" if query.status else "intents_newest_by_user"]
    if query.principal and query.solver_id:
        return ["intents_newest_by_solver"]
    if query.principal and query.token:
        return ["intents_newest_by_token", "intents_newest_by_other_token"]
    if query.principal:
        return ["intents_newest_by_principal_status" if query.status else "intents_page"]
    if query.status:
        return ["intents_newest_by_status"]
    return ["intents_newest_by_action" if query.action else "intents_newest"]


@pytest.mark.parametrize("after", [None, PageKey(START, "i-1")], ids=["first", "later"])
@pytest.mark.parametrize("times", [(None, None), (SINCE, None), (None, UNTIL), (SINCE, UNTIL)])
def test_one_index_is_walked(
    connection: sqlite3.Connection, after: PageKey | None, times: tuple[datetime | None, datetime | None]
) -> None:
    for each in QUERIES:
        query = replace(each, created_since=times[0], created_until=times[1])
        sql, values = page_statement(walk_of(query), after, 10, 100)
        plan = [row[3] for row in connection.execute(f"EXPLAIN QUERY PLAN {sql}", values)]
        assert not [step for step in plan if "TEMP B-TREE" in step], (query, plan)
        walks = [step for step in plan if step.startswith(("SEARCH", "SCAN"))]
        # a hash's records are found one by one, by their key
        walks = [
            step for step in walks if step != "SEARCH intents USING INDEX sqlite_autoindex_intents_1 (id=?)"
        ]
        names = [step.replace(" COVERING", "").split("USING INDEX ")[1].split(" ")[0] for step in walks]
        assert names == expected(query), (query, plan)
        bounded = after is not None or times != (None, None)
        filtered = names[0] != "intents_newest"
        assert all(step.startswith("SEARCH") for step in walks) or not (bounded or filtered), (query, plan)
        made = "made_ms,intent_id" if query.transaction_hash else "created_ms,id"
        assert all((f"({made})<(?,?)" in step) is (after is not None) for step in walks), (query, plan)
        if after is None and bounded:
            assert all(f"{made.split(',')[0]}{'<' if times[1] else '>'}?" in step for step in walks), plan
