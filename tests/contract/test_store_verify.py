"""verify finds every difference that there is a name for, says where, and repairs what can only be meant one way."""

import asyncio
import sqlite3
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import pytest

from services.common.domain.lifecycle import Status
from services.store.adapters.sqlite_schema import prepare
from services.store.document import SCHEMA
from services.store.model import decode_cursor
from services.store.ports import Storage
from services.store.verify.findings import Kind, Repair, Verified
from services.store.verify.run import verify
from tests.unit.store.raw import Document, Raw, raw
from tests.unit.store.support import (
    HandClock,
    claimed,
    created,
    failure,
    fence_of,
    logged,
    move,
    moved,
    opened,
    opened_storage,
    sqlite_url,
    transaction,
)

PARTITIONS: Final = 2


@dataclass
class Base:
    """What a store holds that is well."""

    intents: list[Document]
    events: list[Document]
    reserved: dict[str, list[Document]] = field(default_factory=dict)

    def load(self, behind: Raw) -> None:
        for document in self.intents:
            behind.put(dict(document))
        for event in self.events:
            behind.put_event(event["partition"], event["sequence"], event)
        for kind, reservations in self.reserved.items():
            for one in reservations:
                behind.put_reserved(kind, one)


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Base:
    url = sqlite_url(tmp_path_factory.mktemp("base"))
    asyncio.run(build(url))
    with raw(url) as behind:
        reserved = {kind: behind.reserved(kind) for kind in ("requests", "nonces")}
        return Base(behind.documents(), behind.events(), reserved)


async def build(url: str) -> None:
    """Intents at every stage of life."""
    async with opened(url, partitions=PARTITIONS) as made:
        store = made.store
        await created(store, "done-1", request_id="r-1")
        claim = await claimed(store)
        made.clock.advance(seconds=1)
        tx = transaction("tx-done")
        one = await moved(store, move(claim, Status.VERIFIED, fence=fence_of(claim), transactions=(tx,)))
        await moved(store, failure(one, "EXPIRED", fence=fence_of(claim)))
        await created(store, "leased-1", request_id="r-2")
        claim = await claimed(store)
        await moved(store, move(claim, Status.VERIFIED, fence=fence_of(claim)))
        await created(store, "open-1", signed=False)
        await created(store, "open-2")
        await moved(store, failure(await created(store, "cancelled-1")))
        await logged(store, 9)


async def verified(storage: Storage, *, repair: bool = False, limit: int = 100) -> Verified:
    return await verify(storage, HandClock(), repair=repair, limit=limit, progress=lambda what, count: None)


def found(result: Verified) -> list[tuple[Kind, str]]:
    return [(one.kind, one.where) for one in result.findings.kept]


def place(behind: Raw, intent_id: str, version: int) -> tuple[int, int]:
    (event,) = [one for one in behind.events() if (one["intentId"], one["version"]) == (intent_id, version)]
    return event["partition"], event["sequence"]


def event_at(behind: Raw, at: tuple[int, int]) -> Document:
    (event,) = [one for one in behind.events() if (one["partition"], one["sequence"]) == at]
    return event


def end_of(behind: Raw, partition: int) -> int:
    return max(one["sequence"] for one in behind.events() if one["partition"] == partition)


Plant = Callable[[Raw], list[tuple[Kind, str]]]


def set_to(intent_id: str, kind: Kind, /, *more: Kind, **values: Any) -> Plant:
    """These fields of this record; __ is a dot."""

    def plant(behind: Raw) -> list[tuple[Kind, str]]:
        def change(document: Document) -> None:
            for name, value in values.items():
                holder: Any = document
                *path, last = name.split("__")
                for part in path:
                    holder = holder[int(part) if part.isdigit() else part]
                holder[last] = value

        behind.change(intent_id, change)
        return [(one, intent_id) for one in (kind, *more)]

    return plant


def without(intent_id: str, kind: Kind, name: str) -> Plant:
    def plant(behind: Raw) -> list[tuple[Kind, str]]:
        behind.change(intent_id, lambda document: document.pop(name))
        return [(kind, intent_id)]

    return plant


def unreserved(kind: str, finding: Kind, intent_id: str, **changes: Any) -> Plant:
    def plant(behind: Raw) -> list[tuple[Kind, str]]:
        (one,) = [each for each in behind.reserved(kind) if each["intentId"] == intent_id]
        if changes:
            behind.put_reserved(kind, one | changes)
        else:
            behind.remove_reserved(kind, one["_id"])
        return [(finding, intent_id)]

    return plant


def last_event_lost(behind: Raw) -> list[tuple[Kind, str]]:
    """The newest of a partition: no hole shows, only the record knows."""
    partition, _ = place(behind, "open-2", 1)
    event = event_at(behind, (partition, end_of(behind, partition)))
    behind.remove_event(partition, event["sequence"])
    return [(Kind.UNTOLD, event["intentId"])]


def first_event_lost(behind: Raw) -> list[tuple[Kind, str]]:
    """A hole, and the version that was there is told nowhere; a later one is, so it cannot be told anew."""
    partition, sequence = place(behind, "done-1", 1)
    behind.remove_event(partition, sequence)
    return [(Kind.UNTOLD, "done-1"), (Kind.GAP, f"partition {partition}, sequence {sequence}")]


def told_twice(behind: Raw) -> list[tuple[Kind, str]]:
    partition, sequence = place(behind, "open-1", 1)
    event = event_at(behind, (partition, sequence))
    end = end_of(behind, partition) + 1
    behind.put_event(partition, end, event | {"sequence": end})
    return [(Kind.TOLD_TWICE, "open-1")]


def told_otherwise(behind: Raw) -> list[tuple[Kind, str]]:
    at = place(behind, "done-1", 3)
    behind.put_event(*at, event_at(behind, at) | {"reason": "CANCELLED"})
    return [(Kind.TOLD_OTHERWISE, "done-1")]


def told_too_much(behind: Raw) -> list[tuple[Kind, str]]:
    partition, sequence = place(behind, "open-2", 1)
    event = event_at(behind, (partition, sequence))
    end = end_of(behind, partition) + 1
    behind.put_event(partition, end, event | {"sequence": end, "version": 2, "status": "failed"})
    return [(Kind.TOLD_TOO_MUCH, "open-2")]


def told_out_of_order(behind: Raw) -> list[tuple[Kind, str]]:
    first, second = place(behind, "cancelled-1", 1), place(behind, "cancelled-1", 2)
    one, other = event_at(behind, first), event_at(behind, second)
    behind.put_event(*first, other | {"sequence": first[1]})
    behind.put_event(*second, one | {"sequence": second[1]})
    return [(Kind.TOLD_OUT_OF_ORDER, "cancelled-1")]


def waiting_though_told(behind: Raw) -> list[tuple[Kind, str]]:
    behind.change("open-2", lambda document: document["outbox"].append({"version": 1, "sequence": 0}))
    return [(Kind.WAITING_THOUGH_TOLD, "open-2")]


def misplaced(behind: Raw) -> list[tuple[Kind, str]]:
    at = place(behind, "open-1", 1)
    behind.put_event(*at, event_at(behind, at) | {"sequence": at[1] + 5})
    return [(Kind.MISPLACED, f"partition {at[0]}, sequence {at[1]}")]


def in_another_partition(behind: Raw) -> list[tuple[Kind, str]]:
    partition, sequence = place(behind, "open-1", 1)
    event, other = event_at(behind, (partition, sequence)), 1 - partition
    end = end_of(behind, other) + 1
    behind.put_event(other, end, event | {"partition": other, "sequence": end})
    return [(Kind.MISPLACED, f"partition {other}, sequence {end}"), (Kind.TOLD_TWICE, "open-1")]


def unreadable_event(behind: Raw) -> list[tuple[Kind, str]]:
    at = place(behind, "open-1", 1)
    behind.put_event(*at, event_at(behind, at) | {"status": "elsewhere"})
    return [(Kind.UNREADABLE_EVENT, f"partition {at[0]}, sequence {at[1]}"), (Kind.UNTOLD, "open-1")]


def no_record(behind: Raw) -> list[tuple[Kind, str]]:
    behind.remove("open-1")
    return [(Kind.NO_RECORD, "open-1")]


@dataclass(frozen=True)
class Case:
    """`repaired`: what --repair sets right; `gone`: what is right by that; the rest stays found."""

    name: str
    plant: Plant
    repaired: Sequence[Kind] = ()
    gone: Sequence[Kind] = ()


NO_LEASE: Final = {"owner": "", "fence": 1, "expiresAt": None}
CASES: Final = (
    Case("unreadable", set_to("open-1", Kind.UNREADABLE, executionDetails="by hand")),
    Case("a field of ours missing", without("open-1", Kind.UNREADABLE, "outbox")),
    Case("of a later version", set_to("open-1", Kind.NEWER_SCHEMA, schemaVersion=SCHEMA + 1)),
    Case("status written past", set_to("open-1", Kind.WRITTEN_PAST, status="failed")),
    Case("error written past", set_to("open-1", Kind.WRITTEN_PAST, errorDetails={"message": "by hand"})),
    Case("version counted on", set_to("done-1", Kind.HISTORY, Kind.OUTBOX, Kind.WAITING_THOUGH_TOLD, version=4,
         outbox=[{"version": 3, "sequence": 0}])),
    Case("history cut", set_to("done-1", Kind.HISTORY, Kind.TOLD_OTHERWISE, history__2__version=2)),
    Case("an illegal move", set_to("done-1", Kind.HISTORY, Kind.TOLD_OTHERWISE, history__1__status="completed")),
    Case("both statuses turned", set_to("leased-1", Kind.HISTORY, status="executing", versionStatus="executing")),
    Case("another amount", set_to("open-1", Kind.CONTENT, input_amount="1")),
    Case("another nonce", set_to("open-2", Kind.CONTENT, Kind.NONCE, nonceKey="[]")),
    Case("nobody's turn", set_to("open-1", Kind.SCHEDULE, nextActionAt=None), (Kind.SCHEDULE,)),
    Case("ended and scheduled", lambda behind: set_to("done-1", Kind.SCHEDULE,
         nextActionAt=behind.document("done-1")["updatedAt"])(behind), (Kind.SCHEDULE,)),
    Case("held and scheduled", set_to("open-1", Kind.SCHEDULE, held=True), (Kind.SCHEDULE,)),
    Case("half a lease", set_to("open-1", Kind.SCHEDULE, lease=NO_LEASE | {"owner": "p"})),
    Case("tokens of another", set_to("open-1", Kind.DERIVED, tokens=["USDC"]), (Kind.DERIVED,)),
    Case("ended and still open", lambda behind: set_to("done-1", Kind.DERIVED,
         openUntil=behind.document("done-1")["expiresAt"])(behind), (Kind.DERIVED,)),
    Case("an outbox with holes", set_to("done-1", Kind.OUTBOX, Kind.WAITING_THOUGH_TOLD,
         outbox=[{"version": 1, "sequence": 0}]), (Kind.WAITING_THOUGH_TOLD,), (Kind.OUTBOX,)),
    Case("a request forgotten", unreserved("requests", Kind.REQUEST, "done-1"), (Kind.REQUEST,)),
    Case("a request of another", unreserved("requests", Kind.REQUEST, "done-1", intentId="x")),
    Case("a nonce forgotten", unreserved("nonces", Kind.NONCE, "open-2"), (Kind.NONCE,)),
    Case("a nonce of other content", unreserved("nonces", Kind.NONCE, "open-2", contentHash="00")),
    Case("the newest event lost", last_event_lost, (Kind.UNTOLD,)),
    Case("an event lost on the way", first_event_lost, (Kind.UNTOLD,), (Kind.GAP,)),
    Case("an event twice", told_twice),
    Case("an event that differs", told_otherwise),
    Case("an event too much", told_too_much),
    Case("events in another order", told_out_of_order),
    Case("told and waiting", waiting_though_told, (Kind.WAITING_THOUGH_TOLD,)),
    Case("an event that names another place", misplaced),
    Case("an event in another partition", in_another_partition),
    Case("an event that cannot be read", unreadable_event, (Kind.UNTOLD,)),
    Case("events without a record", no_record),
)  # fmt: skip


@pytest.fixture(params=["sqlite", "mongo-java"])
def url(request: pytest.FixtureRequest) -> str:
    if request.param == "sqlite":
        return sqlite_url(request.getfixturevalue("tmp_path"))
    return str(request.getfixturevalue("mongo_java_url"))


@pytest.mark.parametrize("case", CASES, ids=[case.name for case in CASES])
async def test_a_difference_is_found_and_what_can_be_is_repaired(url: str, base: Base, case: Case) -> None:
    async with opened_storage(url, partitions=PARTITIONS) as storage:
        with raw(url) as behind:
            base.load(behind)
            expected = case.plant(behind)
        result = await verified(storage)
        assert sorted({*found(result)}) == sorted(expected), result.findings.kept
        possible = {one.kind for one in result.findings.kept if one.repair is Repair.POSSIBLE}
        assert possible == {*case.repaired}
        again = await verified(storage)
        assert again.as_json() == result.as_json()
        mended = await verified(storage, repair=True)
        done = [one.kind for one in mended.findings.kept if one.repair is Repair.DONE]
        assert set(done) == {*case.repaired}
        left = [(kind, where) for kind, where in expected if kind not in (*case.repaired, *case.gone)]
        # what was repaired is well for good; on MongoDB a version put back waits for a relay, as any does
        after = await verified(storage)
        assert sorted({*found(after)}) == sorted(left), after.findings.kept


def test_every_kind_of_difference_is_planted(base: Base, tmp_path: Path) -> None:
    planted: set[Kind] = set()
    for number, case in enumerate(CASES):
        url = f"sqlite:///{tmp_path / str(number)}.db"
        with sqlite3.connect(url.removeprefix("sqlite:///")) as connection:
            prepare(connection)
        with raw(url) as behind:
            base.load(behind)
            planted |= {kind for kind, _ in case.plant(behind)}
    assert planted == set(Kind) - {Kind.ROLLUP}


async def test_a_store_that_is_well_has_no_differences(url: str, base: Base) -> None:
    async with opened_storage(url, partitions=PARTITIONS) as storage:
        with raw(url) as behind:
            base.load(behind)
        result = await verified(storage)
        assert not result.findings.kept
        assert (result.intents, result.events, result.waiting) == (len(base.intents), len(base.events), 0)
        heads = list(await storage.heads())
        assert decode_cursor(result.cursor, storage.meta.store_id, PARTITIONS) == heads


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE intents SET user_id = 'mallory.near' WHERE id = 'open-1'",
        "UPDATE intents SET token = 'wBTC' WHERE id = 'open-1'",
        "UPDATE intents SET solver_id = 'mallory.near' WHERE id = 'open-1'",
        "INSERT INTO intent_hashes VALUES ('open-1', 'another', 0)",
    ],
    ids=["user", "token", "solver", "transaction"],
)
async def test_columns_that_do_not_follow_from_the_document_are_found(
    tmp_path: Path, base: Base, statement: str
) -> None:
    url = sqlite_url(tmp_path)
    async with opened_storage(url, partitions=PARTITIONS) as storage:
        with raw(url) as behind:
            base.load(behind)
        with sqlite3.connect(tmp_path / "store.db", isolation_level=None) as connection:
            connection.execute(statement)
        assert found(await verified(storage)) == [(Kind.DERIVED, "open-1")]
        assert (await verified(storage, repair=True)).findings.repaired == 1
        assert not found(await verified(storage))


async def test_findings_beyond_the_limit_are_counted(tmp_path: Path, base: Base) -> None:
    url = sqlite_url(tmp_path)
    async with opened_storage(url, partitions=PARTITIONS) as storage:
        with raw(url) as behind:
            base.load(behind)
            for one in ("open-1", "open-2", "leased-1"):
                behind.change(one, lambda document: document.update(nextActionAt=None))
        result = await verified(storage, limit=2)
        assert len(result.findings.kept) == 2
        assert result.findings.total == result.findings.counts[Kind.SCHEDULE] == 3


async def test_while_stores_serve_nothing_is_found_that_is_not_there(url: str) -> None:
    """Two replicas create and move all the while; verify runs between their writes, again and again."""
    async with (
        opened(url, partitions=PARTITIONS) as here,
        opened(url, here.clock, partitions=PARTITIONS) as there,
        opened_storage(url, partitions=PARTITIONS) as storage,
    ):
        done = asyncio.Event()

        async def write(number: int) -> int:
            written = 0
            while not done.is_set():
                one = await created((here, there)[written % 2].store, f"i-{number}-{written}")
                await moved((there, here)[written % 2].store, failure(one))
                written += 1
            return written

        writers = [asyncio.create_task(write(number)) for number in range(4)]
        try:
            for _ in range(5):
                seen = (await verified(storage)).intents
                result = await verified(storage)
                assert not found(result), result.findings.kept
                assert result.intents >= seen
        finally:
            done.set()
            written = sum(await asyncio.gather(*writers))
        await logged(here.store, 2 * written)
        result = await verified(storage)
        assert not found(result)
        assert (result.intents, result.events) == (written, 2 * written)
