"""Lists by every filter and by several, on every backend: what they find, page by page, and how far one page looks."""

import sqlite3
from collections.abc import Iterator, Sequence
from dataclasses import replace
from datetime import timedelta
from itertools import combinations
from pathlib import Path
from typing import Any, Final

import pymongo
import pytest

from services.common.domain.intent import IntentRecord
from services.common.domain.lifecycle import Status
from services.common.domain.outcomes import IntentPage, ListQuery
from services.common.errors import IntentError, Reason
from services.store.adapters import sqlite_filing
from services.store.adapters.mongo import MongoStorage
from services.store.adapters.mongo_page import PATHS, read_page
from services.store.adapters.sqlite_schema import LISTED, WATCHED, prepare
from services.store.listing import walk_of
from services.store.model import PageKey
from tests.unit.store.raw import raw
from tests.unit.store.support import (
    START,
    Bench,
    bench,
    claimed,
    created,
    fence_of,
    move,
    moved,
    on,
    opened,
    opened_storage,
    record,
    sqlite_url,
    store_url,
    transaction,
)

__all__ = ["bench", "store_url"]

FILTERS: Final[dict[str, dict[str, Any]]] = {
    "principal": {"principal": "alice"},
    "user": {"user_id": "b.near"},
    "status": {"status": Status.EXECUTING},
    "action": {"action": "swap"},
    "token": {"token": "USDC"},
    "rare token": {"token": "wBTC"},
    "solver": {"solver_id": "fast.near"},
    "hash": {"transaction_hash": "solve-i-06"},
    "since": {"created_since": START + timedelta(seconds=4)},
    "until": {"created_until": START + timedelta(seconds=9)},
    "since within": {"created_since": START + timedelta(seconds=4, microseconds=1)},
    "until within": {"created_until": START + timedelta(seconds=8, microseconds=1)},
    "nobody's": {"token": "NOPE"},
}
"""Each given alone, and with each of the others that does not contradict it."""
COMBINED: Final = [
    (first, second, FILTERS[first] | FILTERS[second])
    for first, second in combinations(FILTERS, 2)
    if FILTERS[first].keys().isdisjoint(FILTERS[second])
]
SEVERAL: Final = (
    {"principal": "alice", "token": "USDC", "status": Status.EXECUTING},
    {"principal": "alice", "user_id": "b.near", "token": "USDC", "solver_id": "fast.near"},
    {"principal": "alice", "token": "NEAR"} | FILTERS["since"] | FILTERS["until"],
    {"principal": "alice", "solver_id": "slow.near", "token": "wBTC"} | FILTERS["since"],
    {"principal": "bob", "transaction_hash": "solve-i-06"},
)


async def stocked(bench: Any) -> list[IntentRecord]:
    """Twelve intents of two principals, a second apart; half of them executing, by two solvers."""
    for number in range(12):
        await created(
            bench.store,
            f"i-{number:02d}",
            principal="bob" if number % 4 == 3 else "alice",
            user_account=f"{'abc'[number % 3]}.near",
            action="transfer" if number % 5 == 4 else "swap",
            input_token=("USDC", "NEAR", "wBTC")[number % 3],
            output_token=("NEAR", "USDC")[number % 2],
        )
        bench.clock.advance(seconds=1)
    for one in await bench.store.claim("worker-1", limit=12, lease_ms=60_000):
        if int(one.intent_id[2:]) % 2:
            continue
        fence = fence_of(one)
        one = await moved(bench.store, move(one, Status.VERIFIED, fence=fence))
        solver = "fast.near" if int(one.intent_id[2:]) % 3 else "slow.near"
        solve = transaction(f"solve-{one.intent_id}", purpose="solve", solver_id=solver)
        await moved(bench.store, move(one, Status.EXECUTING, fence=fence, transactions=(solve,)))
    return [await record(bench.store, f"i-{number:02d}") for number in range(12)]


def matches(one: IntentRecord, query: ListQuery) -> bool:
    execution = one.execution_details
    plain = one.intent
    return (
        query.principal in ("", one.principal)
        and query.user_id in ("", one.user_id)
        and query.status in (None, one.status)
        and query.action in ("", plain.action)
        and query.token in ("", plain.input_token, plain.output_token)
        and query.solver_id in ("", execution.solver_id if execution else "")
        and query.transaction_hash in ("", *(tx.hash for tx in (execution.transactions if execution else ())))
        and (query.created_since is None or one.created_at >= query.created_since)
        and (query.created_until is None or one.created_at < query.created_until)
    )


def listed(records: Sequence[IntentRecord], query: ListQuery) -> list[str]:
    """What the list must hold, newest first."""
    found = [one for one in records if matches(one, query)]
    return [
        one.intent_id for one in sorted(found, key=lambda one: (one.created_at, one.intent_id), reverse=True)
    ]


async def pages(store: Any, query: ListQuery) -> list[IntentPage]:
    found: list[IntentPage] = []
    while True:
        found.append(await store.list(query))
        assert len(found[-1].records) <= query.page_size
        if not found[-1].next_page_token:
            return found
        query = replace(query, page_token=found[-1].next_page_token)


def ids(found: Sequence[IntentPage]) -> list[str]:
    return [one.intent_id for page in found for one in page.records]


async def test_each_filter_and_each_two_find_what_matches(bench: Bench) -> None:
    records = await stocked(bench)
    empty = set()
    for filters in (*FILTERS.values(), *(each for _, _, each in COMBINED), *SEVERAL):
        query = ListQuery(page_size=2, **filters)
        expected = listed(records, query)
        assert ids(await pages(bench.store, query)) == expected, filters
        empty.add(not expected)
    assert empty == {True, False}


async def test_a_page_looks_at_so_many_records_and_the_next_goes_on(store_url: str) -> None:
    async with opened(store_url) as bench, opened_storage(store_url) as storage:
        records = await stocked(bench)
        store = on(storage, looked_at=2)
        for filters in (*FILTERS.values(), *(each for _, _, each in COMBINED), *SEVERAL):
            query = ListQuery(page_size=3, **filters)
            assert ids(await pages(store, query)) == listed(records, query), filters


async def test_p10_a_list_that_finds_little_does_not_read_everything(store_url: str) -> None:
    """Of a user's nine records the oldest alone is another principal's: it is on the third page of three looks each."""
    async with opened(store_url) as bench, opened_storage(store_url) as storage:
        for number in range(9):
            await created(bench.store, f"i-{number}", principal="alice" if number else "bob")
            bench.clock.advance(seconds=1)
        found = await pages(on(storage, looked_at=3), ListQuery(principal="bob", user_id="alice.near"))
        assert [len(page.records) for page in found][:3] == [0, 0, 1]
        assert ids(found) == ["i-0"]
        # what an index serves wholly is not cut: there is nothing to look past
        (whole,) = await pages(on(storage, looked_at=3), ListQuery(principal="alice", token="USDC"))
        assert len(whole.records) == 8


async def test_pages_hold_while_others_write(store_url: str) -> None:
    """What matches all the while is there once; new ones are newer than where the list is."""
    async with opened(store_url) as bench, opened_storage(store_url) as storage:
        records = await stocked(bench)
        store = on(storage, looked_at=2)
        query = ListQuery(principal="alice", token="USDC", action="swap", page_size=1)
        stay = listed(records, query)
        seen: list[str] = []
        number = 0
        while True:
            page = await store.list(query)
            seen += [one.intent_id for one in page.records]
            await created(bench.store, f"new-{number}", principal="alice")
            bench.clock.advance(seconds=1)
            for one in await claimed_some(bench):
                await moved(bench.store, move(one, Status.VERIFIED, fence=fence_of(one)))
            number += 1
            if not page.next_page_token:
                break
            query = replace(query, page_token=page.next_page_token)
        assert seen == stay
        assert number >= len(stay) > 2


async def claimed_some(bench: Bench) -> list[IntentRecord]:
    found = await bench.store.claim("worker-2", limit=1, lease_ms=60_000)
    return [one for one in found if one.status is Status.PENDING]


@pytest.mark.parametrize("other", ["token", "rare token", "solver", "hash", "since", "until"])
async def test_p10_a_page_token_is_of_its_own_filters_only(bench: Bench, other: str) -> None:
    for number in range(3):
        await created(bench.store, f"i-{number}")
    plain = ListQuery(page_size=1)
    filtered = replace(plain, **FILTERS[other])
    token = (await bench.store.list(plain)).next_page_token
    assert token
    with pytest.raises(IntentError) as refused:
        await bench.store.list(replace(filtered, page_token=token))
    assert refused.value.reason is Reason.PAGE_TOKEN_INVALID


@pytest.mark.parametrize(
    ("field", "times"),
    [
        ("created_since", {"created_since": START.replace(year=1969)}),
        ("created_until", {"created_until": START.replace(year=9999)}),
        ("created_until", {"created_since": START, "created_until": START}),
    ],
)
async def test_times_that_nothing_lies_between_are_refused(
    bench: Bench, field: str, times: dict[str, Any]
) -> None:
    with pytest.raises(IntentError) as refused:
        await bench.store.list(ListQuery(**times))
    assert refused.value.reason is Reason.INVALID_FIELD
    assert [one.field for one in refused.value.violations] == [field]


async def test_a_list_follows_a_solver_and_transactions_as_they_change(bench: Bench) -> None:
    await created(bench.store, "i-1", principal="alice")
    claim = await claimed(bench.store)
    fence = fence_of(claim)
    one = await moved(bench.store, move(claim, Status.VERIFIED, fence=fence))
    first = transaction("h-1", purpose="solve", solver_id="slow.near")
    one = await moved(bench.store, move(one, Status.EXECUTING, fence=fence, transactions=(first,)))
    by_slow = ListQuery(principal="alice", solver_id="slow.near")
    by_fast = replace(by_slow, solver_id="fast.near")
    assert ids(await pages(bench.store, by_slow)) == ["i-1"]
    second = transaction("h-2", purpose="solve", solver_id="fast.near", status="success")
    await moved(bench.store, move(one, Status.COMPLETED, fence=fence, transactions=(second,)))
    assert ids(await pages(bench.store, by_slow)) == []
    assert ids(await pages(bench.store, by_fast)) == ["i-1"]
    for one_hash in ("h-1", "h-2"):
        assert ids(await pages(bench.store, ListQuery(transaction_hash=one_hash))) == ["i-1"]


def as_before(path: Path) -> None:
    """The file as the version before lists by token, solver and transaction made it."""
    connection = sqlite3.connect(path, isolation_level=None)
    newest = ("token", "other_token", "solver")
    for index in (*(f"newest_by_{one}" for one in newest), "open", "held", "written_past", "unfiled"):
        connection.execute(f"DROP INDEX intents_{index}")
    for column in (*LISTED, *WATCHED):
        connection.execute(f"ALTER TABLE intents DROP COLUMN {column}")
    connection.execute("DROP TABLE intent_hashes")
    connection.close()


async def test_a_file_of_an_earlier_version_is_filed_when_it_is_opened(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    url = sqlite_url(tmp_path)
    async with opened(url) as bench:
        records = await stocked(bench)
    as_before(tmp_path / "store.db")
    monkeypatch.setattr(sqlite_filing, "PORTION", 5)
    portions = 0
    file_portion = sqlite_filing.file_portion

    def dying(connection: sqlite3.Connection) -> bool:
        nonlocal portions
        portions += 1
        if portions == 2:
            raise KeyboardInterrupt
        return file_portion(connection)

    connection = sqlite3.connect(tmp_path / "store.db", isolation_level=None)
    with pytest.raises(KeyboardInterrupt):
        prepare(connection)
        while dying(connection):
            pass
    connection.close()
    async with opened_storage(url) as storage:
        store = on(storage)
        for filters in (*FILTERS.values(), *SEVERAL):
            query = ListQuery(**filters)
            assert ids(await pages(store, query)) == listed(records, query), filters
        assert await storage.scans.misfiled([one.intent_id for one in records]) == []


async def test_another_systems_documents_are_passed_over(any_mongo: str) -> None:
    """Their ids and times may be of any type, and are where a page ends."""
    async with opened(any_mongo) as bench, opened_storage(any_mongo) as storage:
        await created(bench.store, "i-old", action="transfer")
        for number in range(8):
            odd: dict[str, Any] = {
                "principal": "alice",
                "action": "swap",
                "createdAt": START + timedelta(seconds=number),
            }
            match number % 3:
                case 0:
                    odd["_id"] = "é" * 400 + str(number)
                case 1:
                    odd["_id"] = number
                case _:
                    odd |= {"_id": f"s-{number}", "createdAt": "yesterday"}
            with raw(any_mongo) as behind:
                behind.put(odd)
        found = await pages(on(storage, looked_at=2), ListQuery(principal="alice", action="transfer"))
        assert ids(found) == ["i-old"]


class Noting:
    """A collection that notes the commands of its finds."""

    def __init__(self, inner: Any) -> None:
        self.inner = inner
        self.commands: list[dict[str, Any]] = []

    def find(self, where: Any, projection: Any = None, **options: Any) -> Any:
        command = {"find": "intents", "filter": where} | options
        self.commands.append(command | {name: dict(options[name]) for name in ("sort", "hint")})
        return self.inner.find(where, projection, **options)


@pytest.fixture
def bare(mongo_url: str) -> Iterator[pymongo.MongoClient[dict[str, Any]]]:
    with pymongo.MongoClient[dict[str, Any]](mongo_url) as client:
        yield client


def stages(plan: dict[str, Any]) -> list[dict[str, Any]]:
    return [plan, *(stages(plan["inputStage"]) if "inputStage" in plan else [])]


async def test_mongodb_walks_the_index_it_is_told_to(
    mongo_url: str, bare: pymongo.MongoClient[dict[str, Any]]
) -> None:
    """As SecantusDB explains it; whether it sorts it does not say as MongoDB does, so that follows from the keys."""
    async with opened(mongo_url) as bench, opened_storage(mongo_url) as storage:
        assert isinstance(storage, MongoStorage)
        await stocked(bench)
        database = bare.get_default_database()
        for filters in ({}, *FILTERS.values(), *(each for _, _, each in COMBINED), *SEVERAL):
            query = ListQuery(**filters)
            walk = walk_of(query)
            noting = Noting(storage._on.intents)
            after = None if walk.until else PageKey(START + timedelta(seconds=6), "i-06")
            await read_page(noting, query, after, 3, 2)
            assert len(noting.commands) == (2 if walk.rest and "transaction_hash" not in walk.by else 1)
            for command in noting.commands:
                answer = database.command("explain", command)
                found = stages(answer["queryPlanner"]["winningPlan"])
                (scan,) = [one for one in found if one["stage"] == "IXSCAN"]
                assert scan["keyPattern"] == command["hint"]
                # equal on all before the sort's own keys, and those in its order: nothing is left to sort
                by_hash = "transaction_hash" in walk.by
                assert list(command["hint"].items()) == [
                    *((PATHS[name], 1) for name in walk.by),
                    *([] if by_hash else command["sort"].items()),
                ]
