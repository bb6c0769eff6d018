"""A MongoDB server that hangs, is away, is too old, or lets nobody in: one clear line, and nothing half written."""

import asyncio
import os
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pymongo
import pytest

from services.common.domain.outcomes import Accepted
from services.common.errors import IntentError, Reason
from services.common.rpc.deadline import deadline_scope
from services.store.ports import CannotOpen
from tests.harness import servers
from tests.harness.servers import ServerProcess, free_port, mongo_database_url, spoken_to_with
from tests.harness.wait import eventually
from tests.unit.store.support import created, logged, new, opened, opened_storage, record, served, sound

DRIVERS = ("motor", "pymongo")
LIMIT = 20.0
"""Seconds after which waiting counts as for ever; far below the patience of the clients under test."""
PATIENT = {"database_timeout_ms": 300_000, "database_select_timeout_ms": 300_000}


@pytest.fixture
def server(tmp_path: Path) -> Iterator[ServerProcess]:
    """One of this test's own, to stop and start."""
    if lacking := servers.missing("mongo-java"):
        pytest.skip(f"missing: {lacking}")
    made = servers.mongo_java(tmp_path / "mongo", on_disk=False).start()
    yield made
    made.kill9()


def stop(server: ServerProcess) -> None:
    """Returns when all its threads stand still: until then one of them may still answer."""
    os.kill(server.pid, signal.SIGSTOP)
    os.waitid(os.P_PID, server.pid, os.WSTOPPED)


@contextmanager
def hanging(server: ServerProcess) -> Iterator[None]:
    """It takes connections and bytes, and answers nothing."""
    stop(server)
    try:
        yield
    finally:
        os.kill(server.pid, signal.SIGCONT)


async def reason_of(call: Any) -> Reason:
    with pytest.raises(IntentError) as error:
        await asyncio.wait_for(call, LIMIT)
    return error.value.reason


@pytest.mark.parametrize("driver", DRIVERS)
async def test_p04_a_server_that_hangs_is_answered_within_the_callers_deadline(
    driver: str, server: ServerProcess
) -> None:
    url = spoken_to_with(server.new_database(), driver)
    async with opened(url, database_pool_size=4, **PATIENT) as bench:
        await created(bench.store, "before")
        with hanging(server):
            with deadline_scope(0.4):
                # more than there are connections, so that some wait for one
                sent = [bench.store.create([new(f"i-{number}")]) for number in range(8)]
                reasons = await asyncio.gather(*(reason_of(one) for one in sent))
            with deadline_scope(0.2):
                reasons.append(await reason_of(bench.store.get(["before"])))
        assert set(reasons) == {Reason.DEADLINE_EXCEEDED}
        # what was under way may have been written or not; the repeat finds out, and it is there once
        for number in range(8):
            (outcome,) = await asyncio.wait_for(bench.store.create([new(f"i-{number}")]), LIMIT)
            assert isinstance(outcome, Accepted), outcome
        assert (await record(bench.store, "before")).version == 1

        assert len(await logged(bench.store, 9)) == 9
        await eventually(lambda: sound(url))


@pytest.mark.parametrize("driver", DRIVERS)
async def test_a_server_that_hangs_costs_no_caller_more_than_one_calls_time(
    driver: str, server: ServerProcess
) -> None:
    url = spoken_to_with(server.new_database(), driver)
    async with opened(url) as bench:
        await created(bench.store)
    async with opened(url, database_timeout_ms=1_500, database_select_timeout_ms=1_500) as bench:
        with hanging(server):
            with deadline_scope(600):
                assert await reason_of(bench.store.get(["i-1"])) is Reason.DEPENDENCY_UNAVAILABLE
            assert await reason_of(bench.store.get(["i-1"])) is Reason.DEPENDENCY_UNAVAILABLE


@pytest.mark.parametrize("driver", DRIVERS)
async def test_a_server_that_hangs_does_not_hold_up_the_end(driver: str, server: ServerProcess) -> None:
    url = spoken_to_with(server.new_database(), driver)
    async with opened_storage(url, **PATIENT) as storage:
        with deadline_scope(30):
            await storage.find(["i-1"])
        stop(server)
        left_behind = asyncio.ensure_future(storage.find(["i-1"]))
        await asyncio.sleep(0)
        left_behind.cancel()
        closing = asyncio.ensure_future(storage.close())
        try:
            done, _ = await asyncio.wait([closing], timeout=LIMIT)
        finally:
            os.kill(server.pid, signal.SIGCONT)
        assert done


@pytest.mark.parametrize("driver", DRIVERS)
async def test_callers_over_grpc_are_answered_while_the_server_hangs(
    driver: str, server: ServerProcess
) -> None:
    url = spoken_to_with(server.new_database(), driver)
    async with served(url, default_deadline_ms=2_000, **PATIENT) as bench:
        await created(bench.store)
        with hanging(server):
            assert await reason_of(bench.store.get(["i-1"])) is Reason.DEADLINE_EXCEEDED
        assert await asyncio.wait_for(record(bench.store), LIMIT)


@pytest.mark.parametrize("driver", DRIVERS)
async def test_a_server_that_is_killed_is_unavailable_until_it_is_back(
    driver: str, server: ServerProcess
) -> None:
    url = spoken_to_with(server.new_database(), driver)
    async with opened(url, database_select_timeout_ms=1_000) as bench:
        await created(bench.store)
        server.kill9()
        assert await reason_of(bench.store.create([new("i-2")])) is Reason.DEPENDENCY_UNAVAILABLE
        assert await reason_of(bench.store.get(["i-1"])) is Reason.DEPENDENCY_UNAVAILABLE
        server.start()

        async def back() -> bool:
            try:
                # this one keeps nothing on disk
                return await bench.store.get(["i-1"]) == [None]
            except IntentError as error:
                if error.reason is not Reason.DEPENDENCY_UNAVAILABLE:
                    raise
                return False

        assert await eventually(back, 20)


async def why_not(url: str, driver: str, **changes: Any) -> Exception:
    """What a store that starts on `url` says."""
    spoken_to_with(url, driver)
    with pytest.raises((CannotOpen, IntentError)) as refused:
        async with opened_storage(url, database_select_timeout_ms=500, **changes):
            pass
    text = refused.value.message if isinstance(refused.value, IntentError) else str(refused.value)
    assert text.startswith("DATABASE_URL: ") and "\n" not in text
    return refused.value


@pytest.mark.parametrize("driver", DRIVERS)
async def test_a_server_that_is_away_at_the_start_may_be_there_at_the_next(driver: str) -> None:
    refused = await why_not(f"mongodb://127.0.0.1:{free_port()}/intents", driver)
    assert isinstance(refused, IntentError) and refused.reason is Reason.DEPENDENCY_UNAVAILABLE


async def test_a_server_that_is_too_old_is_named_as_such(tmp_path: Path) -> None:
    if lacking := servers.missing("mongo-java"):
        pytest.skip(f"missing: {lacking}")
    old = servers.mongo_java(tmp_path, on_disk=False, wire_version=5).start()
    try:
        for driver in DRIVERS:
            refused = await why_not(old.new_database(), driver)
            assert isinstance(refused, CannotOpen)
            assert "wire version 5" in str(refused) and "MongoDB 4.4" in str(refused)
    finally:
        old.kill9()


async def test_a_wrong_password_is_said_and_not_shown(tmp_path: Path) -> None:
    if lacking := servers.missing("secantus"):
        pytest.skip(f"missing: {lacking}")
    port = free_port()
    server = servers.secantus(tmp_path, port=port).start()
    try:
        with pymongo.MongoClient[dict[str, Any]](server.url) as client:
            client.admin.command("createUser", "store", pwd="right", roles=["root"])
        server.stop()
        server = servers.secantus(tmp_path, port=port, options=["--auth"]).start()
        address = mongo_database_url(server.url, "intents").removeprefix("mongodb://")
        for driver in DRIVERS:
            refused = await why_not(f"mongodb://store:wr0ng-secret@{address}&authSource=admin", driver)
            assert isinstance(refused, CannotOpen) and "user or password" in str(refused)
            assert "wr0ng-secret" not in str(refused)
            refused = await why_not(f"mongodb://{address}", driver)
            assert isinstance(refused, CannotOpen) and "user or password" in str(refused)
            right = spoken_to_with(f"mongodb://store:right@{address}&authSource=admin", driver)
            async with opened(right) as bench:
                await created(bench.store, f"by-{driver}")
    finally:
        server.stop()


@pytest.mark.parametrize("driver", DRIVERS)
@pytest.mark.parametrize(
    "url", ["mongodb://a:b@c@d/x", "mongodb://127.0.0.1/x?w=0&journal=true", "mongodb://127.0.0.1:99999/x"]
)
async def test_an_url_that_cannot_be_meant_is_refused(url: str, driver: str) -> None:
    assert isinstance(await why_not(url, driver), CannotOpen)
