"""A creation, a move or a relay cut off at any step: what was acknowledged stays, the repeat finishes the rest."""

import asyncio
import os
import signal
import sys
import threading
from collections import Counter
from itertools import count
from pathlib import Path
from typing import Any

import pytest

from services.common.domain.lifecycle import Status
from services.common.domain.outcomes import Accepted, AlreadyThere, Applied, RequestIdentity
from services.common.errors import IntentError, Reason
from services.store.adapters.mongo import MongoStorage
from services.store.ports import Document, Storage
from services.store.relay import Relay
from tests.harness import servers
from tests.unit.store.support import (
    Crash,
    Crashing,
    Dying,
    HandClock,
    all_events,
    created,
    failure,
    logged,
    new,
    nonce_of,
    on,
    opened,
    opened_storage,
    record,
    sqlite_url,
    store_url,
    versions,
)

__all__ = ["store_url"]


async def test_p08_a_creation_cut_off_anywhere_is_healed_by_its_repeat(store_url: str) -> None:
    """At each step in turn: the process dies, the same request comes again and makes one intent with one event."""
    async with opened_storage(store_url) as storage:
        for before in count():
            sent = new(f"i-{before}", request_id=f"r-{before}")
            request = RequestIdentity(principal="alice", method="SubmitIntent", request_id=f"r-{before}")
            dying = Crashing(storage, before)
            try:
                await on(dying).create([sent])
            except Crash:
                cut = True
            else:
                cut = False
            assert (await on(storage).get([request]) == [None]) == cut
            (again,) = await on(storage).create([sent])
            assert isinstance(again, Accepted)
            assert again.created == cut
            (other,) = await on(storage).create([new(f"x-{before}", nonce=nonce_of(f"i-{before}"))])
            assert isinstance(other, IntentError)
            assert other.reason is Reason.NONCE_HELD
            if not cut:
                assert dying.steps == ["Look", "Reserve", "Reserve", "Insert"]
                break
    async with opened(store_url) as made:
        events = await logged(made.store, 5)
        assert Counter(one.intent_id for one in events) == {f"i-{number}": 1 for number in range(5)}


async def test_p03_a_move_cut_off_anywhere_is_made_once_by_its_repeat(store_url: str) -> None:
    async with opened(store_url) as made:
        storage = made.store._storage
        for before in count():
            seen = await created(made.store, f"i-{before}")
            dying = Crashing(storage, before)
            try:
                await on(dying).transition([failure(seen)])
            except Crash:
                cut = True
            else:
                cut = False
            (again,) = await made.store.transition([failure(seen)])
            assert isinstance(again, Applied if cut else AlreadyThere)
            assert (await record(made.store, seen.intent_id)).version == 2
            if not cut:
                break
        storage.on_events = made.store._log.wake
        events = await logged(made.store, 2 * (before + 1))
        assert all(versions(events, f"i-{number}") == [1, 2] for number in range(before + 1))


@pytest.fixture
async def mongo(any_mongo: str) -> Any:
    """Storage alone: nothing relays but what the test starts."""
    async with opened_storage(any_mongo) as storage:
        assert isinstance(storage, MongoStorage)
        yield storage


def relay_on(outbox: Any) -> Relay:
    return Relay(outbox, HandClock(), partitions=4, poll=0.01, on_events=lambda: None)


async def drained(storage: Any) -> list[Any]:
    """The log after a fresh relay has taken up everything left behind."""
    relay = relay_on(storage.outbox)
    while left := await storage.outbox.waiting(100):
        for document in left:
            await relay.relay(document)
    return await all_events(on(storage))


async def test_p08_what_a_dead_creation_held_is_held_for_its_content(mongo: Any) -> None:
    """Request and nonce stay held after the process died before the intent; nobody else takes them over."""
    with pytest.raises(Crash):
        await on(Crashing(mongo, 3)).create([new("i-1", request_id="r")])
    outcomes = await on(mongo).create([
        new("i-2", request_id="r"),
        new("i-3", nonce=nonce_of("i-1")),
        new("i-1", nonce=nonce_of("i-1"), input_amount="8"),
    ])  # fmt: skip
    assert [one.reason for one in outcomes if isinstance(one, IntentError)] == [
        Reason.REQUEST_REUSED, Reason.NONCE_HELD, Reason.ID_TAKEN,
    ]  # fmt: skip
    assert await on(mongo).get(["i-1", "i-2", "i-3"]) == [None] * 3
    (healed,) = await on(mongo).create([new("i-1", request_id="r")])
    assert isinstance(healed, Accepted) and healed.created


async def test_p05_a_relay_dying_at_any_step_neither_skips_nor_doubles(mongo: Any) -> None:
    expected = 0
    for at in range(1, 9):
        for after in (False, True):
            name = f"i-{at}-{after}"
            await on(mongo).create([new(name)])
            (document,) = await mongo.outbox.waiting(10)
            try:
                await relay_on(Dying(mongo.outbox, at, after=after)).relay(document)
            except Crash:
                pass
            # somebody else's event may take the number the dead one had chosen
            await on(mongo).create([new(f"{name}-other")])
            expected += 2
            events = await drained(mongo)
            assert len(events) == len({one.intent_id for one in events}) == expected
    assert sum(await mongo.heads()) == expected


async def test_p05_relays_racing_neither_skip_nor_double(mongo: Any) -> None:
    store = on(mongo)
    await store.create([new(f"i-{number}") for number in range(20)])
    records = await store.get([f"i-{number}" for number in range(20)])
    await store.transition([failure(one) for one in records if one is not None])
    left = await mongo.outbox.waiting(100)
    assert len(left) == 20
    relays = [relay_on(mongo.outbox) for _ in range(3)]

    def copies() -> list[Document]:
        return [{**one, "outbox": [dict(entry) for entry in one["outbox"]]} for one in left]

    async def work(relay: Relay, turn: int) -> None:
        documents = copies()
        for document in documents[turn * 5 :] + documents[: turn * 5]:
            await relay.relay(document)

    await asyncio.gather(*(work(relay, turn) for turn, relay in enumerate(relays)))
    assert await mongo.outbox.waiting(100) == []
    events = await all_events(store)
    assert len(events) == 40
    assert all(versions(events, f"i-{number}") == [1, 2] for number in range(20))
    assert sum(await mongo.heads()) == 40


async def test_p05_entries_of_a_dead_process_are_found_by_the_next(any_mongo: str) -> None:
    async with opened_storage(any_mongo) as dead:
        await on(dead).create([new("i-1")])
        assert len(await dead.outbox.waiting(10)) == 1  # type: ignore[union-attr]
    async with opened(any_mongo) as alive:
        assert versions(await logged(alive.store, 1), "i-1") == [1]


_WRITER = """
import asyncio, sys
from tests.unit.store.support import new, opened, record, failure

async def write(url):
    async with opened(url, partitions=4) as made:
        async def one(lane):
            for number in range(100_000):
                name = f"{lane}-{number}"
                await made.store.create([new(name, request_id=name)])
                print("created", name, flush=True)
                if number % 3 == 0:
                    await made.store.transition([failure(await record(made.store, name))])
                    print("failed", name, flush=True)
        await asyncio.gather(*(one(lane) for lane in range(4)))

asyncio.run(write(sys.argv[1]))
"""


@pytest.mark.parametrize("backend", ["sqlite", "mongo-java"])
async def test_p01_kill_9_loses_nothing_acknowledged(
    backend: str, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    """The writer, and the database with it, are killed while they write."""
    database = None
    if backend == "mongo-java":
        if lacking := servers.missing("mongo-java"):
            pytest.skip(f"missing: {lacking}")
        database = servers.mongo_java(tmp_path / "mongo").start()
        url = database.new_database()
    else:
        url = sqlite_url(tmp_path)
    try:
        acknowledged = await _write_until_killed(url, database)
        if database is not None:
            database.restart()
        async with opened(url) as made:
            names = {name for _, name in acknowledged}
            failed = {name for what, name in acknowledged if what == "failed"}
            assert len(names) >= 30
            found = await made.store.get(sorted(names)[:1000])
            assert all(one is not None for one in found)
            for one in found:
                assert one is not None
                assert one.status is Status.FAILED or one.intent_id not in failed
            events = await logged(made.store, len(acknowledged))
            for name in names:
                assert versions(events, name) in ([1], [1, 2])
            for name in failed:
                assert versions(events, name) == [1, 2]
    finally:
        if database is not None:
            database.stop()


async def _write_until_killed(url: str, database: servers.ServerProcess | None) -> list[tuple[str, str]]:
    path = os.pathsep.join(sys.path)
    writer = await asyncio.create_subprocess_exec(
        sys.executable, "-c", _WRITER, url, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.DEVNULL,
        env={**os.environ, "PYTHONPATH": path},
    )  # fmt: skip
    assert writer.stdout is not None
    lines: list[bytes] = []
    async with asyncio.timeout(40):
        while len(lines) < 60:
            line = await writer.stdout.readline()
            assert line, "the writer ended by itself"
            lines.append(line)
    if database is not None:
        database.kill9()
    writer.send_signal(signal.SIGKILL)
    rest = await writer.stdout.read()
    await writer.wait()
    lines += rest.splitlines(keepends=True)
    whole = [line.decode().split() for line in lines if line.endswith(b"\n")]
    return [(what, name) for what, name in whole]


async def test_p01_an_answer_waits_for_the_commit(tmp_path: Path) -> None:
    """Many at once share commits; another connection sees each as soon as it is acknowledged."""
    async with opened(sqlite_url(tmp_path)) as made, opened_storage(sqlite_url(tmp_path)) as other:
        storage: Any = made.store._storage
        before = storage.commits

        async def one(number: int) -> None:
            (outcome,) = await made.store.create([new(f"i-{number}")])
            assert isinstance(outcome, Accepted)
            assert f"i-{number}" in await other.find([f"i-{number}"])

        await asyncio.gather(*(one(number) for number in range(100)))
        assert storage.commits - before < 50

        held = HeldCommit()
        await storage._writer.run(lambda connection: connection.set_trace_callback(held))
        creating = asyncio.create_task(made.store.create([new("held")]))
        await asyncio.to_thread(held.reached.wait, 30)
        try:
            for _ in range(100):
                await asyncio.sleep(0)
            assert not creating.done() and await other.find(["held"]) == {}
        finally:
            held.go.set()
        await creating
        assert "held" in await other.find(["held"])


class HeldCommit:
    """Told each statement before it is run: the commit after an insertion waits until it may go on."""

    def __init__(self) -> None:
        self.reached, self.go = threading.Event(), threading.Event()
        self._inserted = False

    def __call__(self, statement: str) -> None:
        self._inserted = self._inserted or statement.startswith("INSERT INTO intents")
        if self._inserted and statement == "COMMIT":
            self.reached.set()
            self.go.wait(30)


async def test_p01_a_failed_operation_takes_no_other_with_it(tmp_path: Path) -> None:
    """Gathered into one transaction with others, one that dies is rolled back alone."""
    async with opened(sqlite_url(tmp_path)) as made:
        storage: Storage = made.store._storage

        async def die(number: int) -> None:
            with pytest.raises(Crash):
                await on(Crashing(storage, 3)).create([new(f"dead-{number}", request_id=f"d-{number}")])

        await asyncio.gather(
            *(die(n) for n in range(10)), *(made.store.create([new(f"i-{n}")]) for n in range(10))
        )
        found = await made.store.get([*(f"i-{n}" for n in range(10)), *(f"dead-{n}" for n in range(10))])
        assert [one is not None for one in found] == [True] * 10 + [False] * 10
        (again,) = await made.store.create([new("other", nonce=nonce_of("dead-1"))])
        assert isinstance(again, Accepted) and again.created


async def test_errors_of_the_database_are_unavailable(tmp_path: Path) -> None:
    async with opened(sqlite_url(tmp_path)) as made:
        closed = made
    for call in (closed.store.get(["x"]), closed.store.create([new()])):
        with pytest.raises(IntentError) as error:
            await call
        assert error.value.reason is Reason.DEPENDENCY_UNAVAILABLE
