"""What goes wrong by itself: creations cut off, moves overtaken, clocks that jump, replicas and relays that die."""

import copy
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Any

from hypothesis import strategies as st
from hypothesis.stateful import precondition, rule

from services.common.domain.lifecycle import NEXT
from services.store.adapters.mongo import MongoStorage
from services.store.ports import Document, Operation, Program, Reserve, Update
from tests.property.store_model.model import Sent
from tests.property.store_model.reading import Reading
from tests.property.store_model.values import (
    FAR,
    IDS,
    Added,
    asked,
    next_step,
    replicas,
    some,
    submissions,
    submitted,
    word,
)
from tests.property.store_model.world import World, relay_on
from tests.property.store_model.writing import Writing
from tests.unit.store.support import Crash, Crashing, Dying, on


@dataclass
class Overtaken:
    """A storage that lets another call pass by before a program's first write, where its steps are apart."""

    inner: MongoStorage
    meanwhile: Callable[[], Awaitable[None]]
    passed: bool = False

    def __getattr__(self, name: str) -> Any:
        return getattr(self.inner, name)

    async def run(self, program: Program[Any]) -> Any:
        answer: Any = None
        while True:
            try:
                operation = program.send(answer)
            except StopIteration as end:
                return end.value
            if isinstance(operation, Update) and not self.passed:
                self.passed = True
                await self.meanwhile()
            answer = await self.inner.run(_alone(operation))


def _alone(operation: Operation) -> Program[Any]:
    return (yield operation)


class Faults(Writing, Reading):
    """The whole machine."""

    @rule(which=replicas, sent=submissions, before=st.integers(0, 3))
    def create_cut_off(self, which: int, sent: Sent, before: int) -> None:
        """The process dies before a step of it, and another takes its place."""
        replica = self.replicas[which]
        dying = Crashing(replica.storage, before)
        try:
            (outcome,) = self.run(on(dying, replica.clock).create([submitted(sent)]))
        except Crash:
            if isinstance(replica.storage, MongoStorage):
                kinds = {one.kind for one in dying.done if isinstance(one, Reserve)}
                self.model.reserve(sent, requests="requests" in kinds, nonces="nonces" in kinds)
        else:
            self.created(sent, outcome, self.model.create(sent, self.now(which)))
        self.replace_replica(which)

    @precondition(lambda self: self.relays() and self.model.claimable("", FAR, reclaim=False))
    @rule(which=replicas, data=st.data(), added=st.just(()) | some, claimed=st.booleans())
    def move_overtaken(self, which: int, data: st.DataObject, added: Added, claimed: bool) -> None:
        """Between what it read and what it writes another call is made whole: as if one had come first."""
        id = data.draw(st.sampled_from(sorted(self.model.claimable("", FAR, reclaim=False))))
        intent = self.model.intents[id]
        steps = [
            next_step(intent, data.draw(st.sampled_from(sorted(NEXT[intent.status]))), fence, ())
            for fence in (intent.fence, data.draw(st.sampled_from([intent.fence, None])))
        ]
        slow, fast = replace(steps[0], transactions=added), replace(steps[1], actor="faster")
        replica, other = self.replicas[which], self.replicas[1 - which]
        until = self.now(1 - which) + timedelta(seconds=1)
        answers: dict[str, Any] = {}

        async def meanwhile() -> None:
            if claimed:
                answers["claim"] = await other.store.claim("p-3", limit=len(IDS), lease_ms=1_000)
            else:
                (answers["fast"],) = await other.store.transition([asked(fast)])

        async def race() -> None:
            overtaken = on(Overtaken(replica.storage, meanwhile), replica.clock)
            (answers["slow"],) = await overtaken.transition([asked(slow)])
            if len(answers) == 1:  # it wrote nothing
                await meanwhile()

        self.run(race())
        orders = []
        for slow_first in (True, False):
            model = copy.deepcopy(self.model)
            words: dict[str, Any] = {"slow": model.move(slow)} if slow_first else {}
            if claimed:
                words["claim"] = model.claimable("p-3", other.clock.moment, reclaim=False)
                model.claim(words["claim"], "p-3", until)
            else:
                words["fast"] = model.move(fast)
            if not slow_first:
                words["slow"] = model.move(slow)
            orders.append((words, model))
        told = {
            what: {one.intent_id for one in answer} if what == "claim" else word(answer)
            for what, answer in answers.items()
        }
        fitting = [model for words, model in orders if words == told]
        assert fitting, (slow, fast, answers)
        self.model = fitting[0]
        self.get(which, id)

    @rule(which=replicas, ms=st.sampled_from([1, 1_000, 60_000, 86_400_000, -1, -60_000, -86_400_000]))
    def clock_jumps(self, which: int, ms: int) -> None:
        self.replicas[which].clock.advance(milliseconds=ms)

    @rule(which=replicas)
    def replica_is_replaced(self, which: int) -> None:
        self.replace_replica(which)

    # --- the relay, where there is one

    @precondition(World.relays)
    @rule(which=replicas)
    def look_into_the_outbox(self, which: int) -> None:
        """What a relay has in its hands; it may be late by the time it gets to it."""
        self.replicas[which].stale = list(self.run(self.replicas[which].outbox.waiting(100)))

    @precondition(World.relays)
    @rule(which=replicas)
    def relay_what_was_seen(self, which: int) -> None:
        replica = self.replicas[which]
        assert replica.relay is not None
        for document in replica.stale:
            self.run(replica.relay.relay(document))
        replica.stale = []

    @precondition(World.relays)
    @rule(which=replicas, at=st.integers(1, 8), after=st.booleans(), again=st.booleans())
    def relay_dies(self, which: int, at: int, after: bool, again: bool) -> None:
        """At any step of it; `again`: another has the same in its hands, and goes on with it as it was."""
        replica = self.replicas[which]
        left = list(self.run(replica.outbox.waiting(100)))
        other = self._hands(left)
        dying = relay_on(Dying(replica.outbox, at, after=after))
        for document in left:
            try:
                self.run(dying.relay(document))
            except Crash:
                break
        if again:
            for document in other:
                self.run(relay_on(replica.outbox).relay(document))

    def _hands(self, left: list[Document]) -> list[Document]:
        """Whole documents, as a relay of the process that wrote them holds them."""
        read = [self.run(self.replicas[0].outbox.reread(one["_id"])) for one in left]
        return [one for one in read if one is not None]
