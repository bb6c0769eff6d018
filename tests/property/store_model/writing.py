"""Creating, moving, recording and claiming."""

from dataclasses import replace
from datetime import timedelta

from hypothesis import strategies as st
from hypothesis.stateful import precondition, rule

from services.common.domain.lifecycle import NEXT, Status
from services.common.domain.outcomes import Accepted, LeaseRef, Refused, TransactionRecord, WriteOutcome
from services.common.errors import IntentError
from tests.property.store_model.model import CREATED, REPEATED, Answer, Sent, Step
from tests.property.store_model.values import (
    Added,
    apart,
    asked,
    ids,
    leases,
    next_step,
    owners,
    replicas,
    signed_by,
    some,
    submissions,
    submitted,
    word,
)
from tests.property.store_model.world import World


class Writing(World):
    """What edges and processors ask for."""

    # --- creating

    @rule(which=replicas, batch=st.lists(submissions, min_size=1, max_size=3))
    def create(self, which: int, batch: list[Sent]) -> None:
        sent = apart(batch)
        expected = [self.model.create(one, self.now(which)) for one in sent]
        outcomes = self.run(self.replicas[which].store.create([submitted(one) for one in sent]))
        for one, outcome, answer in zip(sent, outcomes, expected, strict=True):
            self.created(one, outcome, answer)

    @precondition(lambda self: self.model.intents)
    @rule(which=replicas, data=st.data(), other=submissions)
    def create_again(self, which: int, data: st.DataObject, other: Sent) -> None:
        """What is stored, as it is or with one thing changed."""
        sent = self.known(data).sent
        field = data.draw(st.sampled_from(["", "", "id", "principal", "user", "amount", "request", "nonce"]))
        self.create(which, [replace(sent, **{field: getattr(other, field)}) if field else sent])

    @rule(which=replicas, sent=submissions)
    def create_twice_in_one_batch(self, which: int, sent: Sent) -> None:
        expected = [self.model.create(sent, self.now(which)) for _ in range(2)]
        outcomes = self.run(self.replicas[which].store.create([submitted(sent)] * 2))
        for outcome, answer in zip(outcomes, expected, strict=True):
            self.created(sent, outcome, answer)

    def created(self, sent: Sent, outcome: Accepted | IntentError, expected: Answer) -> None:
        if isinstance(outcome, IntentError):
            assert outcome.reason == expected, (sent, outcome, expected)
            return
        assert (CREATED if outcome.created else REPEATED) == expected, (sent, outcome, expected)
        stands = self.model.intents[sent.id]
        assert (outcome.receipt.intent_id, outcome.receipt.created_at) == (sent.id, stands.created_at)

    # --- moving

    @precondition(lambda self: self.model.intents)
    @rule(which=replicas, data=st.data(), added=st.just(()) | some)
    def move_on(self, which: int, data: st.DataObject, added: Added) -> None:
        """A legal next move by whoever holds the fence, or without one."""
        intent = self.known(data)
        to = data.draw(st.sampled_from(sorted(NEXT[intent.status]) or [Status.FAILED]))
        fence = data.draw(st.sampled_from([intent.fence, intent.fence, None]))
        self.move(which, next_step(intent, to, fence, () if fence is None else added))

    @precondition(lambda self: any(one.version > 1 for one in self.model.intents.values()))
    @rule(which=replicas, data=st.data())
    def move_again(self, which: int, data: st.DataObject) -> None:
        """A move that was made, whoever asks."""
        moved = sorted(id for id, one in self.model.intents.items() if one.version > 1)
        intent = self.model.intents[data.draw(st.sampled_from(moved))]
        version = data.draw(st.integers(1, intent.version - 1))
        before, after = intent.history[version - 1], intent.history[version]
        step = next_step(intent, after.status, data.draw(st.sampled_from([None, intent.fence])), ())
        self.move(which, replace(step, version=version, status=before.status))

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
        added: Added,
    ) -> None:
        """By an older view, a version from the future, a fence of another's, to where nothing leads."""
        self.move(which, self._astray(id, back, status, to, fence, added))

    def _astray(
        self,
        id: str,
        back: int,
        status: Status | None,
        to: Status,
        fence: int | None,
        added: Added,
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

    def move(self, which: int, step: Step) -> None:
        (outcome,) = self.run(self.replicas[which].store.transition([asked(step)]))
        self._written(step, outcome, self.model.move(step))

    @rule(
        which=replicas,
        id=ids,
        back=st.sampled_from([0, 0, 0, 1, -1]),
        fence=st.sampled_from([0, 0, 0, 1, -1]),
        added=some,
    )
    def record_transactions(self, which: int, id: str, back: int, fence: int, added: Added) -> None:
        step = self._astray(id, back, None, Status.FAILED, fence, added)
        assert step.fence is not None
        asked = TransactionRecord(
            intent_id=step.id,
            seen_version=step.version,
            seen_status=step.status,
            fence=step.fence,
            transactions=signed_by(step),
        )
        (outcome,) = self.run(self.replicas[which].store.record_transactions([asked]))
        self._written(step, outcome, self.model.record(step))

    def _written(self, step: Step, outcome: WriteOutcome, expected: Answer) -> None:
        assert word(outcome) == expected, (step, outcome, expected)
        if not isinstance(outcome, Refused):
            self.same(outcome.record)

    # --- claiming

    @rule(which=replicas, owner=owners, limit=st.integers(1, 4), lease=leases, reclaim=st.booleans())
    def claim(self, which: int, owner: str, limit: int, lease: int, reclaim: bool) -> None:
        model, now = self.model, self.now(which)
        open_to = model.claimable(owner, now, reclaim=reclaim)
        mine = {one for one in open_to if owner in (model.intents[one].owner, model.intents[one].handed)}
        due = {one: model.intents[one].due for one in open_to - mine}
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
            self.same(record)

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

    @precondition(lambda self: any(one.owner for one in self.model.intents.values()))
    @rule(which=replicas, data=st.data(), stale=st.sampled_from([0, 0, 1]), to=owners, lease=leases)
    def hand_over(self, which: int, data: st.DataObject, stale: int, to: str, lease: int) -> None:
        leased = sorted(id for id, one in self.model.intents.items() if one.owner)
        id = data.draw(st.sampled_from(leased))
        fence = self._fence(id) - stale
        ref = LeaseRef(intent_id=id, fence=fence)
        (answer,) = self.run(self.replicas[which].store.hand_over([ref], to_owner=to, lease_ms=lease))
        assert answer == self.model.hand_over(id, fence, to, self.now(which) + timedelta(milliseconds=lease))

    def _fence(self, id: str) -> int:
        return self.model.intents[id].fence if id in self.model.intents else 1
