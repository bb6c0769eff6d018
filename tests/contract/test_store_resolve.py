"""What a person may settle, and what not even a person may without a word more."""

import asyncio
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Any

import pytest

from services.common.domain.intent import IntentRecord
from services.common.domain.lifecycle import Status
from services.common.domain.outcomes import Applied, Refused, TransactionRecord
from services.common.errors import Reason
from services.store.ports import Document, Program, Storage
from services.store.resolving import RESOLVED, Choice, Resolution, Unsettled, choices, resolving
from services.store.verify.run import verify
from tests.unit.store.raw import raw
from tests.unit.store.support import (
    START,
    Bench,
    claimed,
    created,
    fence_of,
    logged,
    move,
    moved,
    opened,
    opened_storage,
    record,
    store_url,
    transaction,
)

__all__ = ["store_url"]

ERROR = {"code": 7, "message": "by hand"}


@dataclass
class Place:
    """A store that serves, and the database as `intents admin resolve` opens it."""

    bench: Bench
    storage: Storage
    url: str

    @property
    def store(self) -> Any:
        return self.bench.store

    def change(self, change: Callable[[Document], None]) -> None:
        """Past the store."""
        with raw(self.url) as behind:
            behind.change("i-1", change)

    def write_past(self, status: Any) -> None:
        """As the seed's updateOne does."""
        self.change(
            lambda document: document.update(
                status=status, errorDetails=ERROR, updatedAt=START + timedelta(days=1)
            )
        )

    def hold(self) -> None:
        self.change(
            lambda document: document.update(held={"reason": "UNSIGNED", "since": START}, nextActionAt=None)
        )

    def document(self) -> Document:
        with raw(self.url) as behind:
            return behind.document("i-1")

    async def settle(self, choice: Choice, status: Status | None = None, **more: Any) -> Document | Unsettled:
        resolution = Resolution(choice=choice, by="ada", reason="seen on chain", status=status, **more)
        return await self.storage.run(resolving("i-1", resolution, START + timedelta(days=2)))

    async def refused(self, choice: Choice, status: Status | None = None, **more: Any) -> str:
        # the outbox is the relay's meanwhile
        before = self.document() | {"outbox": None}
        answer = await self.settle(choice, status, **more)
        assert isinstance(answer, Unsettled)
        assert self.document() | {"outbox": None} == before
        return answer.why

    async def well(self, events: int) -> None:
        """verify has nothing to say once the log holds this many."""
        await logged(self.store, events)
        result = await verify(self.storage, self.bench.clock, progress=lambda what, count: None)
        assert not result.findings.kept


@pytest.fixture
async def place(store_url: str) -> AsyncIterator[Place]:
    async with opened(store_url) as bench, opened_storage(store_url) as storage:
        await created(bench.store, "i-1")
        await logged(bench.store, 1)
        yield Place(bench, storage, store_url)


async def signed_for(place: Place) -> IntentRecord:
    """Leased and verified, with a signed transaction whose end is not known."""
    claim = await claimed(place.store)
    one = await moved(place.store, move(claim, Status.VERIFIED, fence=fence_of(claim)))
    solve = transaction("tx-1", purpose="solve", solver_id="solver.near")
    one = await moved(place.store, move(one, Status.EXECUTING, fence=fence_of(claim), transactions=(solve,)))
    await logged(place.store, 3)
    return one


async def test_p03_our_status_comes_back_and_what_was_there_is_kept(place: Place) -> None:
    before = place.document()
    place.write_past("failed")
    document = await place.settle(Choice.TO_OURS)
    assert isinstance(document, dict)
    assert (document["status"], document["version"], document["updatedAt"]) == ("pending", 1, START)
    (kept,) = document["resolutions"]
    assert (kept["by"], kept["reason"], kept["choice"]) == ("ada", "seen on chain", "to-ours")
    assert kept["was"] == {
        "status": "failed", "errorDetails": ERROR, "updatedAt": START + timedelta(days=1), "held": None,
    }  # fmt: skip
    assert {name: document.get(name) for name in before} == before | {"outbox": document["outbox"]}
    await place.well(1)
    claim = await claimed(place.store)
    await moved(place.store, move(claim, Status.VERIFIED, fence=fence_of(claim)))


async def test_p03_their_status_becomes_a_move_with_actor_reason_and_event(place: Place) -> None:
    place.write_past("failed")
    assert await place.refused(Choice.ACCEPT, Status.VERIFIED) == "its status is 'failed' now, not verified"
    document = await place.settle(Choice.ACCEPT, Status.FAILED)
    assert isinstance(document, dict)
    (_, event) = await logged(place.store, 2)
    assert (event.version, event.status, event.reason, event.actor) == (2, "failed", RESOLVED, "operator:ada")
    assert event.error_details is not None and event.error_details.message == "by hand"
    one = await record(place.store)
    assert (one.status, one.version, one.foreign_write, one.next_action_at) == ("failed", 2, False, None)
    await place.well(2)


@pytest.mark.parametrize("status", ["completed", "executing", "no such", 5, {"of": "theirs"}, ["verified"]])
async def test_p03_what_is_no_legal_move_is_only_put_back(place: Place, status: Any) -> None:
    place.write_past(status)
    if status in list(Status):
        assert "does not go from pending" in await place.refused(Choice.ACCEPT, Status(status))
    assert choices(place.document()) == ["--to-ours", "--fail"]
    assert isinstance(await place.settle(Choice.TO_OURS), dict)
    await place.well(1)


async def test_nothing_is_settled_where_nothing_is_to_be(place: Place) -> None:
    for choice in Choice:
        await place.refused(choice, Status.FAILED)
    assert choices(place.document()) == []
    missing = await place.storage.run(
        resolving("i-2", Resolution(choice=Choice.FAIL, by="ada", reason="why"), START)
    )
    assert missing == Unsettled("there is no such intent")


@pytest.mark.parametrize("choice", [Choice.ACCEPT, Choice.FAIL])
async def test_p04_what_may_still_land_is_not_ended_without_a_word_more(place: Place, choice: Choice) -> None:
    one = await signed_for(place)
    place.write_past("failed")
    assert "signed bytes of it may still get on chain: tx-1" in await place.refused(choice, Status.FAILED)
    # its end becomes known; it was solved, so that it has not failed
    done = replace(one.transactions[0], status="success")
    (outcome,) = await place.store.record_transactions([_recorded(one, done)])
    assert isinstance(outcome, Applied)
    assert "it was solved on chain: tx-1" in await place.refused(choice, Status.FAILED)
    document = await place.settle(choice, Status.FAILED, force=True)
    assert isinstance(document, dict)
    assert document["resolutions"][0]["forced"] is True
    await place.well(4)


async def test_p04_a_failed_transaction_leaves_nothing_that_may_land(place: Place) -> None:
    one = await signed_for(place)
    place.write_past("failed")
    failed = replace(one.transactions[0], status="failure")
    await place.store.record_transactions([_recorded(one, failed)])
    assert isinstance(await place.settle(Choice.ACCEPT, Status.FAILED), dict)
    await place.well(4)


async def test_p04_completed_waits_for_the_end_of_signed_bytes_too(place: Place) -> None:
    await signed_for(place)
    place.write_past("completed")
    assert "may still get on chain" in await place.refused(Choice.ACCEPT, Status.COMPLETED)


def _recorded(one: IntentRecord, *transactions: Any) -> TransactionRecord:
    return TransactionRecord(
        intent_id=one.intent_id, seen_version=one.version, seen_status=one.status,
        fence=fence_of(one), transactions=transactions,
    )  # fmt: skip


async def test_who_held_the_lease_is_refused_after_it_was_settled(place: Place) -> None:
    claim = await claimed(place.store)
    place.write_past("failed")
    assert isinstance(await place.settle(Choice.ACCEPT, Status.FAILED), dict)
    late = move(claim, Status.VERIFIED, fence=fence_of(claim), transactions=(transaction(),))
    (outcome,) = await place.store.transition([late])
    assert not isinstance(outcome, Applied)
    await place.well(2)


async def test_a_held_one_is_failed_or_told_where_it_is(place: Place) -> None:
    place.hold()
    assert choices(place.document()) == ["--accept verified", "--accept failed", "--fail", "--release"]
    assert isinstance(await place.settle(Choice.ACCEPT, Status.VERIFIED), dict)
    assert (place.document()["held"] or {})["reason"] == "UNSIGNED"
    document = await place.settle(Choice.FAIL)
    assert isinstance(document, dict)
    assert (document["held"], document["openUntil"], document["version"]) == (None, None, 3)
    one = await record(place.store)
    assert one.error_details is not None
    assert (one.error_details.reason, one.error_details.message) == (RESOLVED, "seen on chain")
    await place.well(3)


async def test_p04_one_that_another_system_began_to_execute_is_not_failed_without_a_word_more(
    place: Place,
) -> None:
    for status in (Status.VERIFIED, Status.EXECUTING):
        place.hold()
        assert isinstance(await place.settle(Choice.ACCEPT, status), dict)
    assert "another system began to execute it" in await place.refused(Choice.FAIL)
    assert isinstance(await place.settle(Choice.ACCEPT, Status.COMPLETED), dict)
    await place.well(4)


async def test_a_held_one_goes_its_way_only_if_it_is_signed(place: Place) -> None:
    place.hold()
    assert not await place.store.claim("p-1", limit=1, lease_ms=1000)
    place.change(lambda document: document.update(signedData=None, nonceKey=None))
    assert "no signature of its user" in await place.refused(Choice.RELEASE)


async def test_a_held_and_signed_one_is_released(place: Place) -> None:
    place.hold()
    document = await place.settle(Choice.RELEASE)
    assert isinstance(document, dict)
    assert (document["version"], document["held"]) == (1, None)
    place.bench.clock.advance(days=3)
    assert (await claimed(place.store)).intent_id == "i-1"
    await place.well(1)


@dataclass
class Overtaken:
    """A storage on which `meanwhile` happens right before the first write."""

    inner: Storage
    meanwhile: Any

    async def run(self, program: Program[Any]) -> Any:
        return await self.inner.run(self._overtaken(program))

    def _overtaken(self, program: Program[Any]) -> Program[Any]:
        answer: Any = None
        while True:
            try:
                operation = program.send(answer)
            except StopIteration as end:
                return end.value
            if type(operation).__name__ == "Update" and self.meanwhile:
                meanwhile, self.meanwhile = self.meanwhile, None
                meanwhile()
            answer = yield operation


async def test_p04_bytes_signed_at_the_same_time_are_judged_too(mongo_java_url: str) -> None:
    async with opened(mongo_java_url) as bench, opened_storage(mongo_java_url) as storage:
        one = await created(bench.store, "i-1")
        await logged(bench.store, 1)
        place = Place(bench, storage, mongo_java_url)
        place.write_past("failed")

        def signed_meanwhile() -> None:
            def change(document: Document) -> None:
                document["chainTransactions"] = [_stored(transaction("late"))]
                document["chainRevision"] += 1

            place.change(change)

        place.storage = Overtaken(storage, signed_meanwhile)  # type: ignore[assignment]
        answer = await place.settle(Choice.ACCEPT, Status.FAILED)
        assert isinstance(answer, Unsettled) and "may still get on chain: late" in answer.why
        assert (await record(bench.store)).version == one.version


def _stored(one: Any) -> Document:
    from services.store.document import transaction_to

    return transaction_to(one)


async def test_two_people_settle_once(place: Place) -> None:
    place.write_past("failed")
    answers = await asyncio.gather(
        place.settle(Choice.TO_OURS), place.settle(Choice.ACCEPT, Status.FAILED), place.settle(Choice.FAIL)
    )
    settled = [one for one in answers if isinstance(one, dict)]
    assert len(settled) == len(place.document()["resolutions"]) == 1


async def test_p03_until_it_is_settled_nothing_moves(place: Place) -> None:
    claim = await claimed(place.store)
    place.write_past("verified")
    step = move(claim, Status.VERIFIED, fence=fence_of(claim))
    (outcome,) = await place.store.transition([step])
    assert isinstance(outcome, Refused) and outcome.error.reason is Reason.FOREIGN_WRITE
    assert isinstance(await place.settle(Choice.TO_OURS), dict)
    (outcome,) = await place.store.transition([step])
    assert isinstance(outcome, Applied)
