"""MongoDB by either driver: what no URL weakens, whose time a call takes, what becomes of one left behind."""

import asyncio
from collections.abc import Iterator
from typing import Any

import pytest
from pymongo import monitoring

from services.common.domain.lifecycle import Status
from services.common.domain.outcomes import Accepted, ListQuery
from services.common.errors import IntentError, Reason
from services.common.rpc.deadline import deadline_scope
from tests.harness.servers import driver_for, spoken_to_with
from tests.unit.store.support import created, failure, logged, move, moved, new, opened, record


class Commands(monitoring.CommandListener):
    """What drivers send, while `sent` is a list."""

    def __init__(self) -> None:
        self.sent: list[dict[str, Any]] | None = None

    def started(self, event: monitoring.CommandStartedEvent) -> None:
        if self.sent is not None and event.database_name != "admin":
            self.sent.append({"": event.command_name, **event.command})

    def succeeded(self, event: monitoring.CommandSucceededEvent) -> None: ...

    def failed(self, event: monitoring.CommandFailedEvent) -> None: ...


COMMANDS = Commands()
# of every client made from now on; there is no way to take it back
monitoring.register(COMMANDS)


@pytest.fixture
def commands() -> Iterator[list[dict[str, Any]]]:
    COMMANDS.sent = []
    yield COMMANDS.sent
    COMMANDS.sent = None


WRITES = {"insert", "update", "findAndModify", "delete"}
READS = {"find", "aggregate", "count"}


async def test_p01_no_url_weakens_writes_and_reads(any_mongo: str, commands: list[dict[str, Any]]) -> None:
    weak = f"{any_mongo}&w=0&journal=false&readPreference=secondary&readConcernLevel=local&wTimeoutMS=1"
    spoken_to_with(weak, driver_for(any_mongo))
    async with opened(weak) as bench:
        seen = await created(bench.store)
        await moved(bench.store, failure(seen))
        await bench.store.create([new(f"more-{number}") for number in range(3)])
        await bench.store.list(ListQuery(page_size=5))
        await logged(bench.store, 2)
        # with w=0 nobody would have been told
        (other,) = await bench.store.create([new(input_amount="7", nonce=b"n" * 32)])
        assert isinstance(other, IntentError) and other.reason is Reason.ID_TAKEN
    sent = {one[""] for one in commands}
    assert sent >= {"insert", "findAndModify", "find"}
    for one in commands:
        if one[""] in WRITES:
            concern = one["writeConcern"]
            assert (concern["w"], concern["j"]) == ("majority", True) and concern["wtimeout"] > 1, one
        if one[""] in READS:
            assert one["readConcern"]["level"] == "majority", one
            assert one.get("$readPreference", {"mode": "primary"})["mode"] != "secondary", one


async def test_a_call_carries_its_callers_deadline(any_mongo: str, commands: list[dict[str, Any]]) -> None:
    async with opened(any_mongo, database_timeout_ms=300_000) as bench:
        commands.clear()
        with deadline_scope(20):
            await bench.store.create([new("with-a-deadline")])
        carried = [
            one["maxTimeMS"]
            for one in commands
            if one[""] == "insert" and "with-a-deadline" in str(one["documents"])
        ]
        # requests are none: nonce, then intent
        assert len(carried) >= 2 and all(0 < one <= 20_000 for one in carried)
        commands.clear()
        await bench.store.create([new("without")])
        assert not [one for one in commands if one[""] == "insert" and "maxTimeMS" in one]


async def test_no_call_takes_longer_than_one_may(any_mongo: str, commands: list[dict[str, Any]]) -> None:
    async with opened(any_mongo, database_timeout_ms=20_000) as bench:
        commands.clear()
        with deadline_scope(600):
            await bench.store.create([new()])
        limits = [one["maxTimeMS"] for one in commands if one[""] == "insert" and "maxTimeMS" in one]
        assert limits and all(one <= 20_000 for one in limits)


async def test_a_deadline_that_has_passed_asks_nothing(
    any_mongo: str, commands: list[dict[str, Any]]
) -> None:
    async with opened(any_mongo, relay_poll_ms=60_000, event_poll_ms=60_000) as bench:
        with deadline_scope(0), pytest.raises(IntentError) as error:
            await bench.store.create([new("too-late")])
        assert error.value.reason is Reason.DEADLINE_EXCEEDED
        assert not [one for one in commands if "too-late" in str(one)]
        assert await bench.store.get(["too-late"]) == [None]


async def test_the_relay_works_within_nobodys_deadline(
    any_mongo: str, commands: list[dict[str, Any]]
) -> None:
    async with opened(any_mongo, relay_poll_ms=600_000) as bench:
        commands.clear()
        with deadline_scope(20):
            await bench.store.create([new()])
        await logged(bench.store, 1)
        events = [one for one in commands if one[""] == "insert" and one["insert"] == "events"]
        assert events and all("maxTimeMS" not in one for one in events)


async def test_callers_that_leave_harm_nobody(any_mongo: str) -> None:
    """More of them than there are connections, cancelled at every moment; the store and its end are as ever."""
    async with opened(any_mongo, database_pool_size=2) as bench:
        await bench.store.create([new(f"i-{number}") for number in range(10)])
        for turns in range(30):
            calls = [
                asyncio.ensure_future(bench.store.get([f"i-{number}"])) for number in range(turns % 10 + 1)
            ]
            for _ in range(turns):
                await asyncio.sleep(0)
            for call in calls:
                call.cancel()
            for answer in await asyncio.gather(*calls, return_exceptions=True):
                assert isinstance(answer, list | asyncio.CancelledError), answer
        found = await asyncio.gather(*(record(bench.store, f"i-{number}") for number in range(10)))
        assert [one.intent_id for one in found] == [f"i-{number}" for number in range(10)]


async def test_a_write_whose_caller_left_is_answered_to_its_repeat(any_mongo: str) -> None:
    async with opened(any_mongo) as bench:
        for turns in range(0, 40, 4):
            sent = new(f"i-{turns}", request_id=f"r-{turns}")
            call = asyncio.ensure_future(bench.store.create([sent]))
            for _ in range(turns):
                await asyncio.sleep(0)
            call.cancel()
            await asyncio.gather(call, return_exceptions=True)
            (again,) = await bench.store.create([sent])
            assert isinstance(again, Accepted), again
            seen = await record(bench.store, f"i-{turns}")
            assert (seen.status, seen.version) == (Status.PENDING, 1)
        await moved(bench.store, move(await record(bench.store, "i-0"), Status.FAILED))
