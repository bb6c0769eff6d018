"""The whole store against a model of it: two replicas with clocks of their own on one database, in any order of calls.

Creations and relays are cut off at any step, clocks jump both ways, replicas are replaced, readers follow the log by
cursor now through one replica, now through the other. `pytest --hypothesis-profile=long` goes on for minutes.
"""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Any, TypeVar

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    precondition,
    rule,
    run_state_machine_as_test,
)

from services.common.domain.intent import IntentEvent, IntentRecord, NewIntent
from services.common.domain.lifecycle import NEXT, Status
from services.common.domain.outcomes import (
    Accepted,
    AlreadyThere,
    Applied,
    Conflict,
    LeaseRef,
    ListQuery,
    Refused,
    RequestIdentity,
    TransactionRecord,
    Transition,
    WriteOutcome,
)
from services.common.errors import IntentError
from services.store.adapters.mongo import MongoStorage
from services.store.adapters.sqlite import SqliteStorage
from services.store.ports import Document, Reserve
from services.store.relay import Relay
from tests.conftest import stateful
from tests.harness.servers import ServerProcess
from tests.property.store_model import (
    ALREADY,
    APPLIED,
    CONFLICT,
    CREATED,
    REPEATED,
    Answer,
    Intent,
    Model,
    Sent,
    Step,
)
from tests.unit.store.support import Crash, Crashing, Dying, HandClock, new, nonce_of, on, transaction

T = TypeVar("T")

PARTITIONS = 2
REPLICAS = 2
IDS = [f"i-{number}" for number in range(5)]
PRINCIPALS = ["alice", "bob"]
USERS = ["ann.near", "ben.near"]
OWNERS = ["p-1", "p-2"]

replicas = st.integers(0, REPLICAS - 1)
ids = st.sampled_from(IDS)
owners = st.sampled_from(OWNERS)
submissions = st.builds(
    Sent,
    id=ids,
    principal=st.sampled_from(PRINCIPALS),
    user=st.sampled_from(USERS),
    amount=st.sampled_from(["1", "1", "1", "2"]),
    request=st.sampled_from(["", "r-1", "r-2", "r-3"]),
    nonce=st.sampled_from(["", "n-1", "n-2", "n-3", "n-4", "n-5"]),
)
signed = st.tuples(st.sampled_from(["t-1", "t-2", "t-3"]), st.sampled_from(["signed", "success"]))
some = signed.map(lambda one: (one,)) | st.tuples(signed, st.just(("t-4", "signed")))
leases = st.sampled_from([1, 1_000, 60_000])


@dataclass(slots=True)
class Replica:
    """A process of the store as far as calls see it. `stale` was read from the outbox some time ago."""

    storage: SqliteStorage | MongoStorage
    store: Any
    clock: HandClock
    relay: Relay | None
    stale: list[Document] = field(default_factory=list)


@dataclass(slots=True)
class Reader:
    """Follows the log. `told` has how many versions of an intent it knows; `late` that it began at the tail."""

    cursor: str = ""
    late: bool = False
    told: dict[str, int] = field(default_factory=dict)


class StoreMachine(RuleBasedStateMachine):
    """`open_storage` makes another storage on this example's own database."""

    def __init__(self, open_storage: Callable[[], SqliteStorage | MongoStorage]) -> None:
        super().__init__()
        self.runner = asyncio.Runner()
        self.open_storage = open_storage
        self.model = Model()
        self.replicas: list[Replica] = []
        self.readers = [Reader()]

    def run(self, work: Awaitable[T]) -> T:
        async def done() -> T:
            return await work

        return self.runner.run(done())

    @initialize()
    def start(self) -> None:
        self.replicas = [self._replica(HandClock()) for _ in range(REPLICAS)]

    def _replica(self, clock: HandClock) -> Replica:
        storage = self.open_storage()
        self.run(storage.open(PARTITIONS))
        relay = None if storage.outbox is None else _relay(storage)
        return Replica(storage, on(storage, clock), clock, relay)

    def now(self, which: int) -> Any:
        return self.replicas[which].clock.moment

    # --- creating

    @rule(which=replicas, batch=st.lists(submissions, min_size=1, max_size=3))
    def create(self, which: int, batch: list[Sent]) -> None:
        apart = _apart(batch)
        expected = [self.model.create(one, self.now(which)) for one in apart]
        outcomes = self.run(self.replicas[which].store.create([_new(one) for one in apart]))
        for one, outcome, answer in zip(apart, outcomes, expected, strict=True):
            self._created(one, outcome, answer)

    @rule(which=replicas, sent=submissions)
    def create_twice_in_one_batch(self, which: int, sent: Sent) -> None:
        expected = [self.model.create(sent, self.now(which)) for _ in range(2)]
        outcomes = self.run(self.replicas[which].store.create([_new(sent)] * 2))
        for outcome, answer in zip(outcomes, expected, strict=True):
            self._created(sent, outcome, answer)

    def _created(self, sent: Sent, outcome: Accepted | IntentError, expected: Answer) -> None:
        if isinstance(outcome, IntentError):
            assert outcome.reason == expected, (sent, outcome, expected)
            return
        assert (CREATED if outcome.created else REPEATED) == expected, (sent, outcome, expected)
        stands = self.model.intents[sent.id]
        assert (outcome.receipt.intent_id, outcome.receipt.created_at) == (sent.id, stands.created_at)

    @rule(which=replicas, sent=submissions, before=st.integers(0, 3))
    def create_cut_off(self, which: int, sent: Sent, before: int) -> None:
        """The process dies before a step of it, and another takes its place."""
        replica = self.replicas[which]
        dying = Crashing(replica.storage, before)
        try:
            (outcome,) = self.run(on(dying, replica.clock).create([_new(sent)]))
        except Crash:
            if isinstance(replica.storage, MongoStorage):
                kinds = {one.kind for one in dying.done if isinstance(one, Reserve)}
                self.model.reserve(sent, requests="requests" in kinds, nonces="nonces" in kinds)
        else:
            self._created(sent, outcome, self.model.create(sent, self.now(which)))
        self._replace(which)

    # --- moving

    @precondition(lambda self: self.model.intents)
    @rule(which=replicas, data=st.data(), added=st.just(()) | some)
    def move_on(self, which: int, data: st.DataObject, added: tuple[tuple[str, str], ...]) -> None:
        """A legal next move by whoever holds the fence, or without one."""
        intent = self.model.intents[data.draw(st.sampled_from(sorted(self.model.intents)))]
        to = data.draw(st.sampled_from(sorted(NEXT[intent.status]) or [Status.FAILED]))
        fence = data.draw(st.sampled_from([intent.fence, intent.fence, None]))
        self._move(which, _step(intent, to, fence, () if fence is None else added))

    @rule(
        which=replicas,
        id=ids,
        back=st.integers(-1, 3),
        status=st.none() | st.sampled_from(Status),
        to=st.sampled_from(Status),
        fence=st.none() | st.integers(-1, 2),
        added=st.just(()) | some,
    )
    def move_astray(
        self,
        which: int,
        id: str,
        back: int,
        status: Status | None,
        to: Status,
        fence: int | None,
        added: tuple[tuple[str, str], ...],
    ) -> None:
        """By an older view, a version from the future, a fence of another's, to where nothing leads."""
        self._move(which, self._astray(id, back, status, to, fence, added))

    def _astray(
        self,
        id: str,
        back: int,
        status: Status | None,
        to: Status,
        fence: int | None,
        added: tuple[tuple[str, str], ...],
    ) -> Step:
        intent = self.model.intents.get(id)
        version = (1 if intent is None else intent.version) - back
        if status is None:
            known = [] if intent is None else intent.history
            status = known[version - 1].status if 1 <= version <= len(known) else Status.PENDING
        held = 0 if intent is None else intent.fence
        return Step(
            id=id,
            version=version,
            status=status,
            to=to,
            fence=None if fence is None else held - fence,
            actor="stray",
            reason="STRAY" if to is Status.FAILED else "",
            transactions=added,
        )

    def _move(self, which: int, step: Step) -> None:
        asked = Transition(
            intent_id=step.id,
            seen_version=step.version,
            seen_status=step.status,
            to=step.to,
            actor=step.actor,
            fence=step.fence,
            reason=step.reason,
            transactions=_signed(step),
        )
        (outcome,) = self.run(self.replicas[which].store.transition([asked]))
        self._written(step, outcome, self.model.move(step))

    @rule(
        which=replicas,
        id=ids,
        back=st.sampled_from([0, 0, 0, 1, -1]),
        fence=st.sampled_from([0, 0, 0, 1, -1]),
        added=some,
    )
    def record_transactions(
        self, which: int, id: str, back: int, fence: int, added: tuple[tuple[str, str], ...]
    ) -> None:
        step = self._astray(id, back, None, Status.FAILED, fence, added)
        assert step.fence is not None
        asked = TransactionRecord(
            intent_id=step.id,
            seen_version=step.version,
            seen_status=step.status,
            fence=step.fence,
            transactions=_signed(step),
        )
        (outcome,) = self.run(self.replicas[which].store.record_transactions([asked]))
        self._written(step, outcome, self.model.record(step))

    def _written(self, step: Step, outcome: WriteOutcome, expected: Answer) -> None:
        match outcome:
            case Refused(error):
                assert error.reason == expected, (step, error, expected)
            case Applied(record) | AlreadyThere(record) | Conflict(record):
                word = {Applied: APPLIED, AlreadyThere: ALREADY, Conflict: CONFLICT}[type(outcome)]
                assert word == expected, (step, outcome, expected)
                self._same(record)

    # --- claiming

    @rule(which=replicas, owner=owners, limit=st.integers(1, 4), lease=leases, reclaim=st.booleans())
    def claim(self, which: int, owner: str, limit: int, lease: int, reclaim: bool) -> None:
        model, now = self.model, self.now(which)
        open_to = model.claimable(owner, now, reclaim=reclaim)
        due = {one: model.intents[one].due for one in open_to if model.intents[one].owner != owner}
        records = self.run(
            self.replicas[which].store.claim(owner, limit=limit, lease_ms=lease, reclaim=reclaim)
        )
        claimed = [one.intent_id for one in records]
        assert len(set(claimed)) == len(claimed) == min(limit, len(open_to)), (claimed, open_to)
        assert set(claimed) <= open_to
        for one in set(claimed) & set(due):
            for left in set(due) - set(claimed):
                if model.intents[one].sent.user == model.intents[left].sent.user:
                    assert due[one] <= due[left], "one that is less overdue was claimed first"
        model.claim(claimed, owner, now + timedelta(milliseconds=lease))
        for record in records:
            self._same(record)

    @rule(which=replicas, id=ids, stale=st.sampled_from([0, 0, 1]), lease=leases)
    def renew(self, which: int, id: str, stale: int, lease: int) -> None:
        fence = self._fence(id) - stale
        (held,) = self.run(
            self.replicas[which].store.renew([LeaseRef(intent_id=id, fence=fence)], lease_ms=lease)
        )
        assert held == self.model.renew(id, fence, self.now(which) + timedelta(milliseconds=lease))

    @rule(which=replicas, id=ids, stale=st.sampled_from([0, 0, 1]), after=st.none() | st.integers(-5, 5))
    def release(self, which: int, id: str, stale: int, after: int | None) -> None:
        fence = self._fence(id) - stale
        due = None if after is None else self.now(which) + timedelta(seconds=after)
        lease = LeaseRef(intent_id=id, fence=fence, next_action_at=due)
        (free,) = self.run(self.replicas[which].store.release([lease]))
        assert free == self.model.release(id, fence, due or self.now(which))

    def _fence(self, id: str) -> int:
        return self.model.intents[id].fence if id in self.model.intents else 1

    # --- what goes wrong by itself

    @rule(which=replicas, ms=st.sampled_from([1, 1_000, 60_000, 86_400_000, -1, -60_000, -86_400_000]))
    def clock_jumps(self, which: int, ms: int) -> None:
        self.replicas[which].clock.advance(milliseconds=ms)

    @rule(which=replicas)
    def replica_is_replaced(self, which: int) -> None:
        self._replace(which)

    def _replace(self, which: int) -> None:
        old = self.replicas[which]
        self.run(old.storage.close())
        self.replicas[which] = self._replica(old.clock)

    # --- the relay, where there is one

    def _relays(self) -> bool:
        return any(one.relay is not None for one in self.replicas)

    @precondition(_relays)
    @rule(which=replicas)
    def look_into_the_outbox(self, which: int) -> None:
        """What a relay has in its hands; it may be late by the time it gets to it."""
        self.replicas[which].stale = list(self.run(self.replicas[which].storage.waiting(100)))  # type: ignore[union-attr]

    @precondition(_relays)
    @rule(which=replicas)
    def relay_what_was_seen(self, which: int) -> None:
        replica = self.replicas[which]
        assert replica.relay is not None
        for document in replica.stale:
            self.run(replica.relay.relay(document))
        replica.stale = []

    @precondition(_relays)
    @rule(which=replicas, at=st.integers(1, 8), after=st.booleans())
    def relay_dies(self, which: int, at: int, after: bool) -> None:
        replica = self.replicas[which]
        dying = _relay(Dying(replica.storage, at, after=after))
        for document in self.run(replica.storage.waiting(100)):  # type: ignore[union-attr]
            try:
                self.run(dying.relay(document))
            except Crash:
                break

    def _drain(self, which: int) -> None:
        replica = self.replicas[which]
        if replica.relay is not None:
            while left := self.run(replica.storage.waiting(100)):  # type: ignore[union-attr]
                for document in left:
                    self.run(replica.relay.relay(document))

    # --- reading

    @rule(which=replicas, id=ids)
    def get(self, which: int, id: str) -> None:
        (record,) = self.run(self.replicas[which].store.get([id]))
        if record is None:
            assert id not in self.model.intents
        else:
            self._same(record)

    @rule(which=replicas, principal=st.sampled_from(PRINCIPALS), request=st.sampled_from(["r-1", "r-2"]))
    def get_by_request(self, which: int, principal: str, request: str) -> None:
        identity = RequestIdentity(principal=principal, method="SubmitIntent", request_id=request)
        (record,) = self.run(self.replicas[which].store.get([identity]))
        expected = self.model.by_request(principal, request)
        assert (None if record is None else record.intent_id) == (expected and expected.sent.id)

    @rule(
        which=replicas,
        principal=st.sampled_from(["", *PRINCIPALS]),
        user=st.sampled_from(["", *USERS]),
        status=st.none() | st.sampled_from(Status),
        size=st.integers(1, 3),
    )
    def list_pages(self, which: int, principal: str, user: str, status: Status | None, size: int) -> None:
        found: list[IntentRecord] = []
        token = ""
        while True:
            query = ListQuery(
                principal=principal, user_id=user, status=status, page_size=size, page_token=token
            )
            page = self.run(self.replicas[which].store.list(query))
            assert len(page.records) == size or not page.next_page_token
            found += page.records
            token = page.next_page_token
            if not token:
                break
        assert [one.intent_id for one in found] == self.model.listed(
            principal=principal, user=user, status=status
        )
        for record in found:
            self._same(record)

    @rule(which=replicas, principal=st.sampled_from(["", *PRINCIPALS]), user=st.sampled_from(["", *USERS]))
    def count(self, which: int, principal: str, user: str) -> None:
        counted = self.run(self.replicas[which].store.statistics(principal=principal, user_id=user)).counts
        assert counted == {
            status: len(self.model.listed(principal=principal, user=user, status=status)) for status in Status
        }

    @rule(which=replicas)
    def begin_at_the_tail(self, which: int) -> None:
        page = self.run(self.replicas[which].store.list_events(tail=True))
        assert page.events == ()
        self.readers = [*self.readers[:1], Reader(cursor=page.cursor, late=True)]

    @rule(which=replicas, data=st.data(), limit=st.integers(1, 4))
    def read_events(self, which: int, data: st.DataObject, limit: int) -> None:
        self._read(data.draw(st.sampled_from(self.readers)), which, limit)

    def _read(self, reader: Reader, which: int, limit: int) -> bool:
        """Whether it has reached the end."""
        page = self.run(self.replicas[which].store.list_events(reader.cursor, limit=limit))
        assert len(page.events) <= limit
        for event in page.events:
            known = reader.told.get(event.intent_id, event.version - 1 if reader.late else 0)
            assert event.version == known + 1, (event, known)
            reader.told[event.intent_id] = event.version
            self._happened(event)
        reader.cursor = page.cursor
        return bool(page.at_end)

    def _happened(self, event: IntentEvent) -> None:
        intent = self.model.intents[event.intent_id]
        entry = intent.history[event.version - 1]
        assert (event.status, event.actor, event.reason) == (entry.status, entry.actor, entry.reason)
        assert (event.user_id, event.principal) == (intent.sent.user, intent.sent.principal)

    @rule(which=replicas)
    def everything_agrees(self, which: int) -> None:
        """Once the outbox is empty: every reader has been told every version, every record is as it should be."""
        self._drain(which)
        for reader in self.readers:
            while not self._read(reader, which, 1000):
                pass
            for id, intent in self.model.intents.items():
                assert reader.told.get(id, intent.version if reader.late else 0) == intent.version
        for record in self.run(self.replicas[which].store.get(IDS)):
            if record is not None:
                self._same(record)

    def _same(self, record: IntentRecord) -> None:
        """The record is the model's, to the last field that it has."""
        intent = self.model.intents[record.intent_id]
        sent = intent.sent
        assert record.submission.signed_data == _new(sent).submission.signed_data
        assert record.intent == _new(sent).submission.intent
        assert (record.principal, record.created_at) == (sent.principal, intent.created_at)
        assert (record.status, record.version) == (intent.status, intent.version)
        assert [(one.status, one.actor, one.reason) for one in record.history] == [
            (one.status, one.actor, one.reason) for one in intent.history
        ]
        assert [one.version for one in record.history] == list(range(1, record.version + 1))
        times = [one.occurred_at for one in record.history]
        assert times == sorted(times), "a clock that went back took the history with it"
        assert {one.hash: one.status for one in record.transactions} == intent.transactions
        told = record.execution_details.transactions if record.execution_details else ()
        assert {one.hash: one.status for one in told} == intent.transactions
        lease = None if record.lease is None else (record.lease.owner, record.lease.fence)
        assert lease == ((intent.owner, intent.fence) if intent.owner else None)
        assert record.next_action_at == intent.due
        assert not record.foreign_write

    def teardown(self) -> None:
        try:
            if self.replicas:
                self.everything_agrees(0)
        finally:
            for one in self.replicas:
                self.run(one.storage.close())
            self.runner.close()


def _relay(outbox: Any) -> Relay:
    return Relay(outbox, HandClock(), partitions=PARTITIONS, poll=1.0, on_events=lambda: None)


def _apart(batch: list[Sent]) -> list[Sent]:
    """Those that share nothing with one before: what a batch does to itself is not what this is about."""
    taken: list[Sent] = []
    for one in batch:
        alike = (
            one.id == other.id
            or (one.request and (one.principal, one.request) == (other.principal, other.request))
            or (one.nonce and (one.user, one.nonce) == (other.user, other.nonce))
            for other in taken
        )
        if not any(alike):
            taken.append(one)
    return taken


def _new(sent: Sent) -> NewIntent:
    return new(
        sent.id,
        principal=sent.principal,
        request_id=sent.request,
        signed=bool(sent.nonce),
        nonce=nonce_of(sent.nonce),
        user_account=sent.user,
        input_amount=sent.amount,
    )


def _step(intent: Intent, to: Status, fence: int | None, added: tuple[tuple[str, str], ...]) -> Step:
    return Step(
        id=intent.sent.id,
        version=intent.version,
        status=intent.status,
        to=to,
        fence=fence,
        actor="processor",
        reason="CANCELLED" if to is Status.FAILED else "",
        transactions=added,
    )


def _signed(step: Step) -> tuple[Any, ...]:
    return tuple(transaction(hash, status=status) for hash, status in step.transactions)


def check(make: Callable[[], Callable[[], SqliteStorage | MongoStorage]], examples: int) -> None:
    """`make` is called for each example, and gives what opens its database."""
    run_state_machine_as_test(  # type: ignore[no-untyped-call]
        lambda: StoreMachine(make()),
        settings=settings(stateful(examples), suppress_health_check=list(HealthCheck)),
    )


@pytest.mark.timeout(0)
def test_p03_p05_p08_the_store_is_its_model_on_sqlite(tmp_path: Path) -> None:
    files = iter(range(10**9))

    def make() -> Callable[[], SqliteStorage]:
        path = tmp_path / f"{next(files)}.db"
        return lambda: SqliteStorage(path)

    check(make, 50)


@pytest.mark.timeout(0)
def test_p03_p05_p08_the_store_is_its_model_on_mongodb(mongo_java_server: ServerProcess) -> None:
    def make() -> Callable[[], MongoStorage]:
        url = mongo_java_server.new_database()
        return lambda: MongoStorage(url, select_timeout_ms=5_000, timeout_ms=20_000, pool_size=4)

    check(make, 20)
