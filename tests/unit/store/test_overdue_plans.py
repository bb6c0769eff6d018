"""What is overdue is found by one index each, entered where the page begins; old files get the columns for it."""

import sqlite3
from contextlib import closing
from datetime import timedelta
from pathlib import Path

import pymongo
import pytest

from services.common.domain.outcomes import OverdueCause
from services.store.adapters.mongo_schema import INTENT_INDEXES, SPARSE_INDEXES
from services.store.adapters.sqlite_overdue import statement
from services.store.adapters.sqlite_schema import WATCHED, prepare
from services.store.overdue_range import OverdueKey, OverdueRange
from tests.unit.store.raw import raw
from tests.unit.store.support import START, created, opened, sqlite_url

INDEX = {
    OverdueCause.PAST_DEADLINE: "intents_open ((open_until_ms,id)>(?,?) AND open_until_ms<?)",
    OverdueCause.NO_OWNER: "intents_due ((next_action_ms,id)>(?,?) AND next_action_ms<?)",
    OverdueCause.FOREIGN_WRITE: "intents_written_past ((version_status,status,created_ms,id)>(?,?,?,?)",
    OverdueCause.HELD: "intents_held ((held_ms,id)>(?,?) AND held_ms<?)",
}


@pytest.mark.parametrize("cause", OverdueCause)
@pytest.mark.parametrize("after", [None, OverdueKey(START, "i-1", "pending", "failed")])
def test_one_index_is_walked(cause: OverdueCause, after: OverdueKey | None) -> None:
    sql, values = statement(OverdueRange(cause, START, after, 10))
    with closing(sqlite3.connect(":memory:")) as connection:
        prepare(connection)
        (plan,) = connection.execute(f"EXPLAIN QUERY PLAN {sql}", values).fetchall()
    assert plan[3].startswith("SEARCH intents USING ") and INDEX[cause] in plan[3]


def test_mongodb_has_an_index_for_each_cause(mongo_url: str) -> None:
    """As SecantusDB tells of its plans: no collection is scanned."""
    with pymongo.MongoClient[dict[str, object]](mongo_url) as client:
        intents = client.get_default_database().intents
        for keys in INTENT_INDEXES:
            intents.create_index(list(keys))
        for keys in SPARSE_INDEXES:
            intents.create_index(list(keys), sparse=True)
        intents.insert_many([{"_id": f"i-{n}", "versionStatus": "pending"} for n in range(100)])
        for where, order in (
            ({"openUntil": {"$lt": START}}, [("openUntil", 1), ("_id", 1)]),
            ({"nextActionAt": {"$lt": START}}, [("nextActionAt", 1), ("_id", 1)]),
            ({"held.since": {"$lt": START}}, [("held.since", 1), ("_id", 1)]),
            (
                {"versionStatus": "failed", "status": {"$gt": "failed"}},
                [("status", 1), ("createdAt", 1), ("_id", 1)],
            ),
        ):
            plan = str(intents.find(where).sort(order).limit(5).explain()["queryPlanner"]["winningPlan"])
            assert "IXSCAN" in plan and "COLLSCAN" not in plan, (where, plan)


async def test_a_file_without_the_columns_gets_them_when_it_is_opened(tmp_path: Path) -> None:
    """Cut off after a portion it goes on; rows that an older version wrote since are filed as well."""
    url = sqlite_url(tmp_path)
    async with opened(url) as one:
        for n in range(3):
            await created(one.store, f"i-{n}", expires_at=START + timedelta(minutes=n + 1))
    with closing(sqlite3.connect(tmp_path / "store.db")) as connection:
        for index in ("intents_open", "intents_held", "intents_written_past", "intents_unfiled"):
            connection.execute(f"DROP INDEX {index}")
        for name in WATCHED:
            connection.execute(f"ALTER TABLE intents DROP COLUMN {name}")
    for _ in range(2):
        async with opened(url) as one:
            one.clock.advance(minutes=10)
            page = await one.store.overdue()
            assert [late.record.intent_id for late in page.overdue] == ["i-0", "i-1", "i-2"]
            assert {late.cause for late in page.overdue} == {OverdueCause.PAST_DEADLINE}
        with closing(sqlite3.connect(tmp_path / "store.db")) as connection:
            connection.execute(
                "UPDATE intents SET version_status = NULL, open_until_ms = NULL WHERE id = 'i-1'"
            )
            connection.commit()


async def test_a_record_that_cannot_be_read_keeps_no_file_from_opening(tmp_path: Path) -> None:
    url = sqlite_url(tmp_path)
    async with opened(url) as one:
        await created(one.store, "i-1")
    with raw(url) as behind:
        behind.change("i-1", lambda document: document.pop("versionStatus"))
    with closing(sqlite3.connect(tmp_path / "store.db")) as connection:
        connection.execute("UPDATE intents SET version_status = NULL")
        connection.commit()
    async with opened(url) as one:
        assert (await one.store.overdue()).overdue == ()
