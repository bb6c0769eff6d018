"""P2: replicas over a pool of keys, each with a clock of its own, their calls to the store cut into single steps.

Each step is one operation on one document, as on MongoDB; between two of them anything may happen: another's step, a
jump of a clock, a death, after which the replica starts anew under its name. No nonce is ever given twice.
"""

from collections.abc import Generator
from dataclasses import dataclass, field
from datetime import timedelta
from itertools import pairwise
from typing import Any

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from services.common.domain.keys import KeyAnswer, KeyRef, NonceRequest, Nonces, PoolKey
from services.store.keys import leasing, releasing_keys, renewing_keys, reserving
from services.store.ports import Document, Keep, Kept
from tests.unit.store.support import START

POOL = tuple(PoolKey(chain_id="c", account_id="r.near", public_key=f"ed25519:{n}") for n in "ab")
REPLICAS = 3
LEASE = timedelta(seconds=30)


class Memory:
    """Documents, one operation at a time."""

    def __init__(self) -> None:
        self.documents: dict[str, Document] = {}

    def do(self, operation: Any) -> Any:
        match operation:
            case Kept(kind="keys", keys=keys):
                return {key: dict(self.documents[key]) for key in keys if key in self.documents}
            case Keep(kind="keys", documents=documents):
                return [self._keep(document) for document in documents]
        raise AssertionError(operation)

    def _keep(self, document: Document) -> bool:
        if self.documents.get(document["_id"], {"revision": 0})["revision"] != document["revision"]:
            return False
        self.documents[document["_id"]] = {**document, "revision": document["revision"] + 1}
        return True


@dataclass
class Replica:
    name: str
    skew: timedelta = timedelta()
    run: int = 0
    ref: KeyRef | None = None
    asking: "Generator[Any, Any, Any] | None" = None
    about: "KeyRef | None" = None
    waiting: Any = None
    given: list[tuple[KeyRef, Nonces]] = field(default_factory=list)

    @property
    def session(self) -> str:
        return f"{self.name} run {self.run}"


class Pool(RuleBasedStateMachine):
    def __init__(self) -> None:
        super().__init__()
        self.memory = Memory()
        self.now = START
        self.replicas = [Replica(f"p-{n}") for n in range(REPLICAS)]
        self.seen: dict[PoolKey, int] = dict.fromkeys(POOL, 0)
        self.holders: dict[tuple[PoolKey, int], str] = {}

    def _ask(self, one: Replica, program: "Generator[Any, Any, Any]") -> None:
        one.asking, one.about = program, one.ref
        one.waiting = next(program)

    @rule(n=st.integers(0, REPLICAS - 1), reclaim=st.booleans())
    def lease(self, n: int, reclaim: bool) -> None:
        one = self.replicas[n]
        if one.asking is None and one.ref is None:
            now = self.now + one.skew
            asked = leasing(
                POOL, holder=one.name, session=one.session, until=now + LEASE, now=now, reclaim=reclaim
            )
            self._ask(one, asked)

    @rule(n=st.integers(0, REPLICAS - 1), what=st.sampled_from(["renew", "release", "reserve", "reserve"]),
          count=st.integers(1, 3))  # fmt: skip
    def use(self, n: int, what: str, count: int) -> None:
        one = self.replicas[n]
        if one.asking is not None or one.ref is None:
            return
        if what == "renew":
            self._ask(one, renewing_keys([one.ref], self.now + one.skew + LEASE))
        elif what == "release":
            self._ask(one, releasing_keys([one.ref]))
        else:
            asked = NonceRequest(
                key=one.ref.key, fence=one.ref.fence, count=count, above=self.seen[one.ref.key]
            )
            self._ask(one, reserving([asked]))

    @rule(n=st.integers(0, REPLICAS - 1))
    def step(self, n: int) -> None:
        one = self.replicas[n]
        if one.asking is None:
            return
        answer = self.memory.do(one.waiting)
        try:
            one.waiting = one.asking.send(answer)
        except StopIteration as end:
            one.asking = None
            self._told(one, end.value)

    def _told(self, one: Replica, answer: Any) -> None:
        if isinstance(answer, KeyAnswer):
            if answer.lease is not None:
                one.ref = KeyRef(key=answer.lease.key, fence=answer.lease.fence)
                stands = self.holders.setdefault((one.ref.key, one.ref.fence), one.session)
                assert stands == one.session, "one fence for two"
        elif isinstance(answer[0], Nonces):
            assert one.about is not None
            one.given.append((one.about, answer[0]))
        elif answer[0] is None or answer[0] is False:
            one.ref = None

    @rule(n=st.integers(0, REPLICAS - 1))
    def whole(self, n: int) -> None:
        """To the end of what it asked, undisturbed."""
        while self.replicas[n].asking is not None:
            self.step(n)

    @rule(n=st.integers(0, REPLICAS - 1))
    def dies(self, n: int) -> None:
        one = self.replicas[n]
        one.asking, one.ref, one.run = None, None, one.run + 1

    @rule(n=st.integers(0, REPLICAS - 1), by=st.sampled_from([-100, -31, -5, 5, 31, 100]))
    def clock_jumps(self, n: int, by: int) -> None:
        self.replicas[n].skew += timedelta(seconds=by)

    @rule(by=st.sampled_from([1, 10, 31]))
    def time_passes(self, by: int) -> None:
        self.now += timedelta(seconds=by)

    @rule(key=st.sampled_from(POOL), by=st.integers(1, 5))
    def chain_goes_on(self, key: PoolKey, by: int) -> None:
        self.seen[key] += by

    @invariant()
    def no_nonce_is_given_twice(self) -> None:
        given = [(ref, nonces) for one in self.replicas for ref, nonces in one.given]
        for key in POOL:
            ranges = sorted((n.first, n.last, ref.fence) for ref, n in given if ref.key == key)
            for before, after in pairwise(ranges):
                assert before[1] < after[0], "a nonce was given twice"
                assert before[2] <= after[2], "who held the key before was given nonces above its successor's"


TestPool = Pool.TestCase
TestPool.settings = settings(max_examples=150, stateful_step_count=60)
