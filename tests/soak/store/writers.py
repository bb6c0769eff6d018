"""Writers: each creates, repeats, contradicts, cancels, and works off what is due, as edges and processors do.

A call without an answer is made again with the same content until there is one.
"""

import asyncio
import random
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from datetime import timedelta
from typing import Final, TypeVar

from services.common.domain.intent import IntentRecord, NewIntent
from services.common.domain.lifecycle import Status
from services.common.domain.outcomes import (
    AlreadyThere,
    Applied,
    LeaseRef,
    ListQuery,
    TransactionRecord,
    Transition,
    WriteOutcome,
)
from services.common.errors import Reason
from services.common.ports import Store
from tests.soak.account import Account
from tests.soak.store.ledger import Ledger, Promise
from tests.unit.store.support import failure, fence_of, move, new, nonce_of, transaction

Answer = TypeVar("Answer")

AGAIN: Final = 0.05
"""Seconds before a call that failed is made again."""
LEASE_MS: Final = 3_000
RECENT: Final = 200
"""A writer comes back to one of so many of its latest intents."""
PRINCIPALS: Final = 4


@dataclass(slots=True, kw_only=True)
class Writer:
    """`pace` is the mean of the seconds between two of its steps."""

    number: int
    store: Store
    ledger: Ledger
    account: Account
    chance: random.Random
    pace: float
    over: asyncio.Event
    made: int = 0
    mine: list[str] = field(default_factory=list)
    """Of its intents, those acknowledged."""

    @property
    def name(self) -> str:
        return f"writer-{self.number}"

    async def work(self) -> None:
        """Until `over`; the step at hand is finished."""
        steps = (self._create, self._repeat, self._contradict, self._cancel, self._process, self._look)
        while not self.over.is_set():
            await self.chance.choices(steps, (30, 15, 8, 8, 30, 9))[0]()
            with suppress(TimeoutError):
                await asyncio.wait_for(self.over.wait(), self.chance.uniform(0, 2 * self.pace))

    async def _call(self, name: str, make: Callable[[], Awaitable[Answer]]) -> Answer:
        while (answer := await self.account.call(name, make())) is None:
            await asyncio.sleep(AGAIN)
        return answer

    # --- as an edge does

    async def _create(self) -> None:
        news = [self._fresh() for _ in range(self.chance.randint(1, 4))]
        self.ledger.sending(news)
        answers = await self._call("create", lambda: self.store.create(news))
        for one, answer in zip(news, answers, strict=True):
            self.ledger.created(one, answer)
            assert one.submission.intent is not None
            self.mine.append(one.submission.intent.id)

    def _fresh(self) -> NewIntent:
        self.made += 1
        name = f"w{self.number}-{self.made}"
        return new(
            name,
            principal=f"principal-{self.number % PRINCIPALS}",
            request_id=f"request-{name}" if self.chance.random() < 0.5 else "",
            signed=self.chance.random() < 0.7,
            user_account=f"user-{self.chance.randrange(20)}.near",
        )

    def _one_of_mine(self) -> Promise | None:
        recent = self.mine[-RECENT:]
        return self.ledger.sent[self.chance.choice(recent)] if recent else None

    async def _repeat(self) -> None:
        if (promise := self._one_of_mine()) is None:
            return
        (answer,) = await self._call("create", lambda: self.store.create([promise.new]))
        self.ledger.created(promise.new, answer)

    async def _contradict(self) -> None:
        """Something that what was acknowledged forbids."""
        if (promise := self._one_of_mine()) is None or promise.receipt is None:
            return
        submission = promise.new.submission
        assert submission.intent is not None
        intent_id, principal = submission.intent.id, promise.new.principal
        sent = replace(promise.new, submission=replace(submission, request_id=""))
        ways = [
            (replace(sent, principal="principal-other"), Reason.ALREADY_EXISTS),
            (new(intent_id, principal=principal, signed=False, input_amount="7"), Reason.ID_TAKEN),
        ]
        other = f"{intent_id}-other"
        if submission.request_id:
            again = new(other, principal=principal, request_id=submission.request_id)
            ways.append((again, Reason.REQUEST_REUSED))
        if submission.signed_data is not None:
            account = submission.intent.user_account
            held = new(other, principal=principal, nonce=nonce_of(intent_id), user_account=account)
            ways.append((held, Reason.NONCE_HELD))
        refused, expected = self.chance.choice(ways)
        (answer,) = await self._call("create", lambda: self.store.create([refused]))
        self.ledger.refused(intent_id, answer, expected)

    async def _cancel(self) -> None:
        if (promise := self._one_of_mine()) is None or promise.receipt is None:
            return
        least, intent_id = promise.version, promise.receipt.intent_id
        (record,) = await self._call("get", lambda: self.store.get([intent_id]))
        self.ledger.looked(intent_id, least, record)
        if record is not None and not record.terminal:
            await self._move([failure(record, actor=self.name)])

    async def _look(self) -> None:
        if (promise := self._one_of_mine()) is None or promise.receipt is None:
            return
        least, intent_id = promise.version, promise.receipt.intent_id
        (record,) = await self._call("get", lambda: self.store.get([intent_id]))
        self.ledger.looked(intent_id, least, record)
        query = ListQuery(principal=promise.new.principal, page_size=self.chance.randint(1, 50))
        await self._call("list", lambda: self.store.list(query))

    # --- as a processor does

    async def _process(self) -> None:
        limit, reclaim = self.chance.randint(1, 8), self.chance.random() < 0.2
        records = await self._call(
            "claim",
            lambda: self.store.claim(self.name, limit=limit, lease_ms=LEASE_MS, reclaim=reclaim),
        )
        self.ledger.claimed(self.name, records)
        held = list(records)
        while held:
            what = self.chance.random()
            if what < 0.05:
                return  # as one that died: what it held is due again when the lease has run out
            if what < 0.15:
                await self._release(held)
                return
            if what < 0.25:
                held = await self._renew(held)
            else:
                held = await self._take_further(held)

    async def _renew(self, held: Sequence[IntentRecord]) -> list[IntentRecord]:
        """Those still held."""
        leases = [LeaseRef(intent_id=one.intent_id, fence=fence_of(one)) for one in held]
        kept = await self._call("renew", lambda: self.store.renew(leases, lease_ms=LEASE_MS))
        return [one for one, still in zip(held, kept, strict=True) if still]

    async def _release(self, held: Sequence[IntentRecord]) -> None:
        later = timedelta(seconds=self.chance.uniform(0, 2))
        leases = [
            LeaseRef(intent_id=one.intent_id, fence=fence_of(one), next_action_at=one.updated_at + later)
            for one in held
        ]
        await self._call("release", lambda: self.store.release(leases))

    async def _take_further(self, held: Sequence[IntentRecord]) -> list[IntentRecord]:
        """One step of each: those that are still held and not at their end."""
        if self.chance.random() < 0.3:
            held = await self._record(held)
        return await self._move([self._next(one) for one in held]) if held else []

    async def _record(self, held: Sequence[IntentRecord]) -> list[IntentRecord]:
        asked = [
            TransactionRecord(
                intent_id=one.intent_id,
                seen_version=one.version,
                seen_status=one.status,
                fence=fence_of(one),
                transactions=tuple(replace(tx, status="success") for tx in one.transactions)
                or (transaction(f"verify-{one.intent_id}"),),
            )
            for one in held
        ]
        answers = await self._call("record", lambda: self.store.record_transactions(asked))
        for one, answer in zip(asked, answers, strict=True):
            self.ledger.recorded(one, answer)
        return _standing(answers)

    def _next(self, seen: IntentRecord) -> Transition:
        fence = fence_of(seen)
        if seen.status is Status.PENDING:
            return move(seen, Status.VERIFIED, fence=fence, actor=self.name)
        solve = transaction(f"solve-{seen.intent_id}", purpose="solve", solver_id="solver.near")
        if seen.status is Status.VERIFIED:
            return move(seen, Status.EXECUTING, fence=fence, actor=self.name, transactions=(solve,))
        if self.chance.random() < 0.2:
            ended = (replace(solve, status="failure"),)
            return failure(seen, "SOLVER_FAILED", fence=fence, actor=self.name, transactions=ended)
        done = (replace(solve, status="success", gas_used=7, total_cost=70),)
        return move(seen, Status.COMPLETED, fence=fence, actor=self.name, transactions=done)

    async def _move(self, moves: Sequence[Transition]) -> list[IntentRecord]:
        self.ledger.moving(moves)
        answers = await self._call("move", lambda: self.store.transition(moves))
        for one, answer in zip(moves, answers, strict=True):
            self.ledger.moved(one, answer)
        return _standing(answers)


def _standing(answers: Sequence[WriteOutcome]) -> list[IntentRecord]:
    """Records after a write that was made, now or before, still leased."""
    return [
        answer.record
        for answer in answers
        if isinstance(answer, Applied | AlreadyThere)
        and not answer.record.terminal
        and answer.record.lease is not None
    ]
