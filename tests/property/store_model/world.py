"""Two replicas of a store on one database, the model beside them, and readers of the log."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, TypeVar

from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize

from services.common.domain.intent import IntentRecord
from services.store.adapters.mongo import MongoStorage
from services.store.adapters.sqlite import SqliteStorage
from services.store.ports import Document, Outbox
from services.store.relay import Relay
from tests.property.store_model.model import Intent, Model
from tests.property.store_model.values import REPLICAS, submitted
from tests.unit.store.support import HandClock, on

T = TypeVar("T")

PARTITIONS = 2

OpenStorage = Callable[[], SqliteStorage | MongoStorage]
"""Another storage on the same database."""


@dataclass(slots=True)
class Replica:
    """A process of the store as far as calls see it. `stale` was read from the outbox some time ago."""

    storage: SqliteStorage | MongoStorage
    store: Any
    clock: HandClock
    relay: Relay | None
    stale: list[Document] = field(default_factory=list)

    @property
    def outbox(self) -> Outbox:
        assert self.storage.outbox is not None
        return self.storage.outbox


@dataclass(slots=True)
class Reader:
    """Follows the log. `told` has how many versions of an intent it knows; `late` that it began at the tail."""

    cursor: str = ""
    late: bool = False
    told: dict[str, int] = field(default_factory=dict)


class World(RuleBasedStateMachine):
    """`open_storage` is of this example's own database."""

    def __init__(self, open_storage: OpenStorage) -> None:
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
        relay = None if storage.outbox is None else relay_on(storage.outbox)
        return Replica(storage, on(storage, clock), clock, relay)

    def replace_replica(self, which: int) -> None:
        """As if its process had died and another been started."""
        old = self.replicas[which]
        self.run(old.storage.close())
        self.replicas[which] = self._replica(old.clock)

    def relays(self) -> bool:
        return any(one.relay is not None for one in self.replicas)

    def now(self, which: int) -> datetime:
        return self.replicas[which].clock.moment

    def known(self, data: st.DataObject) -> Intent:
        return self.model.intents[data.draw(st.sampled_from(sorted(self.model.intents)))]

    def same(self, record: IntentRecord) -> None:
        """The record is the model's, to the last field that it has."""
        intent = self.model.intents[record.intent_id]
        sent = intent.sent
        assert record.submission.signed_data == submitted(sent).submission.signed_data
        assert record.intent == submitted(sent).submission.intent
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


def relay_on(outbox: Any) -> Relay:
    return Relay(outbox, HandClock(), partitions=PARTITIONS, poll=1.0, on_events=lambda: None)
