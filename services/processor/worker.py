"""Claims due intents, has each processed, keeps the leases alive, gives them back."""

import asyncio
import contextlib
import contextvars
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final

from services.common.chain.port import Chain, TxState
from services.common.clock import Clock
from services.common.domain.intent import IntentRecord, SignedTransaction
from services.common.domain.lifecycle import Status
from services.common.domain.outcomes import LeaseRef
from services.common.errors import IntentError
from services.processor.keys import HeldKey, KeyLost, Keys
from services.processor.lane import Lane, LostIntent
from services.processor.model import open_transactions
from services.processor.observe import Vocabulary
from services.processor.pace import Pace
from services.processor.ports import Store

MAX_CLAIM: Final = 1000
DRAIN_RELEASE: Final = 3.0
"""Seconds the leases get to be given back at the end; those that aren't run out by themselves."""

Process = Callable[[IntentRecord], Awaitable[datetime | None]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """`claim_limit` and `max_in_flight` in intents, times in ms."""

    claim_limit: int
    max_in_flight: int
    lease_ms: int
    poll_ms: int


@dataclass(slots=True)
class _Active:
    fence: int
    task: "asyncio.Task[None] | None" = None


@dataclass(slots=True, kw_only=True)
class Worker:
    """Works as long as it holds a key of the pool, and in its name: whoever takes the key over takes its intents over
    at once, under fresh fences, before it signs anything with it."""

    keys: Keys
    store: Store
    chain: Chain
    lane: Lane
    process: Process
    clock: Clock
    observe: Vocabulary
    limits: Limits
    _active: dict[str, _Active] = field(default_factory=dict)
    _unbegun: Sequence[IntentRecord] = ()
    """Reclaimed, and nobody works on them yet."""
    _done: list[LeaseRef] = field(default_factory=list)
    _wake: asyncio.Event = field(default_factory=asyncio.Event)
    _releasing: asyncio.Event = field(default_factory=asyncio.Event)
    _more: bool = False

    @property
    def claimed(self) -> int:
        """Intents under lease now."""
        return len(self._active)

    @property
    def owner(self) -> str:
        """This replica's name in its key's lease."""
        return self.keys.holder

    async def run(self) -> None:
        """Until cancelled, or until a part of it failed. A key that is lost is followed by the next."""
        while True:
            key = await self.keys.acquire()
            try:
                await self._work_with(key)
            except* KeyLost as lost:
                self.observe.key_lost(key.signer.public_key, _first(lost))

    async def _work_with(self, key: HeldKey) -> None:
        """At the end every task is ended, every lease given back, the key's last."""
        name = key.signer.public_key
        try:
            async with asyncio.TaskGroup() as parts:
                parts.create_task(self._renew())
                reclaimed = self._unbegun = await self._reclaim(name)
                await self._start_lane(reclaimed, name)
                for part in (self.lane.run, self._release, self._watch):
                    parts.create_task(part())
                await self._resend(reclaimed, name)
                self._unbegun = []
                for record in reclaimed:
                    self._begin(record)
                await self._claim(name)
        finally:
            with contextlib.suppress(TimeoutError, IntentError):
                async with asyncio.timeout(DRAIN_RELEASE):
                    await self._stop()
                    await self.keys.release()

    def wake(self) -> None:
        """Looks for due intents now."""
        self._wake.set()

    def again(self, intent_id: str) -> bool:
        """Has an intent under this replica's lease looked at from the start; False if it is not under it.

        By way of the store, under a fresh fence: what its task may still be writing counts before or not at all.
        """
        active = self._active.get(intent_id)
        if active is None or active.task is None:
            return False
        active.task.cancel()
        self._done.append(LeaseRef(intent_id=intent_id, fence=active.fence))
        self._releasing.set()
        return True

    # --- taking work ---

    async def _reclaim(self, name: str) -> Sequence[IntentRecord]:
        """What was held with this key before, by whomever: signed bytes of it set where the nonces go on."""
        pace = Pace()
        while True:
            try:
                return await self.store.claim(
                    name, limit=MAX_CLAIM, lease_ms=self.limits.lease_ms, reclaim=True
                )
            except IntentError as error:
                await self._pause("reclaiming", error, pace)

    async def _start_lane(self, reclaimed: Sequence[IntentRecord], name: str) -> None:
        floor = max((tx.nonce for tx in _signed_with(name, reclaimed)), default=0)
        pace = Pace()
        while True:
            try:
                await self.lane.start(floor)
                return
            except IntentError as error:
                self.keys.unusable(error)
                await self._pause("starting", error, pace)

    async def _resend(self, reclaimed: Sequence[IntentRecord], name: str) -> None:
        """Bytes stored but perhaps never sent go out in order of nonce, before anything new is signed: sent in
        another order the lower ones would die."""
        waiting = _signed_with(name, reclaimed)
        answers = await asyncio.gather(
            *(self.chain.outcome(tx.hash, tx.signer_id) for tx in waiting), return_exceptions=True
        )
        unknown = [
            tx for tx, answer in zip(waiting, answers, strict=True)
            if isinstance(answer, BaseException) or answer.state is TxState.UNKNOWN
        ]  # fmt: skip
        await asyncio.gather(*(self.lane.send(tx) for tx in unknown))

    async def _claim(self, name: str) -> None:
        pace = Pace()
        while True:
            self._wake.clear()
            room = self._room()
            # full, it waits for room worth a call: claiming one for each that ends would cost a write each
            self._more = room < self._least_room()
            if not self._more:
                try:
                    records = await self.store.claim(name, limit=room, lease_ms=self.limits.lease_ms)
                except IntentError as error:
                    await self._pause("claiming", error, pace)
                    continue
                pace = Pace()
                for record in records:
                    self._begin(record)
                self._more = len(records) == room
                if self._more and self._room() >= self._least_room():
                    continue
            await self._first(self._wake.wait(), self.clock.sleep(self.limits.poll_ms / 1000))

    def _room(self) -> int:
        return min(self.limits.max_in_flight - len(self._active), self.limits.claim_limit)

    def _least_room(self) -> int:
        return max(1, min(self.limits.max_in_flight // 8, self.limits.claim_limit))

    async def _watch(self) -> None:
        """New intents wake the claiming; polling finds them anyway."""
        pace = Pace()
        while True:
            try:
                async for page in self.store.watch_events(tail=True):
                    if any(event.status is Status.PENDING for event in page.events):
                        self._wake.set()
            except IntentError as error:
                await self._pause("watching", error, pace)
            else:
                await self.clock.sleep(pace.next())

    # --- working ---

    def _begin(self, record: IntentRecord) -> None:
        if record.lease is None:
            return
        before = self._active.get(record.intent_id)
        if before is not None and before.task is not None:
            # our own lease ran out and we claimed it again: the newer fence is the one that may write
            before.task.cancel()
        active = self._active[record.intent_id] = _Active(record.lease.fence)
        # a context of its own: nothing of the loop's span or deadline belongs to an intent
        active.task = asyncio.create_task(self._work(record, active), context=contextvars.Context())
        self.observe.in_flight.set(len(self._active))

    async def _work(self, record: IntentRecord, active: _Active) -> None:
        again: datetime | None = None
        give_back = False
        try:
            again = await self.process(record)
            give_back = again is not None
        except LostIntent:
            self.observe.lost(record.intent_id)
        finally:
            if self._active.get(record.intent_id) is active:
                del self._active[record.intent_id]
                self.observe.in_flight.set(len(self._active))
            if self._more and self._room() >= self._least_room():
                self._wake.set()
        if give_back:
            self._done.append(LeaseRef(intent_id=record.intent_id, fence=active.fence, next_action_at=again))
            self._releasing.set()

    # --- leases ---

    async def _renew(self) -> None:
        """The key's lease first: without it the others are of no use."""
        while True:
            await self.clock.sleep(self.limits.lease_ms / 3000)
            try:
                await self.keys.renew()
            except IntentError as error:
                self.observe.waits("renewing the key", error, self.limits.lease_ms / 3000)
            leases = [LeaseRef(intent_id=key, fence=active.fence) for key, active in self._active.items()]
            for start in range(0, len(leases), MAX_CLAIM):
                part = leases[start : start + MAX_CLAIM]
                try:
                    held = await self.store.renew(part, lease_ms=self.limits.lease_ms)
                except IntentError as error:
                    # fences guard every write: a lease that runs out meanwhile harms nobody
                    self.observe.waits("renewing", error, self.limits.lease_ms / 3000)
                    continue
                for lease, ours in zip(part, held, strict=True):
                    self._check(lease, ours)

    def _check(self, lease: LeaseRef, ours: bool) -> None:
        active = self._active.get(lease.intent_id)
        if ours or active is None or active.fence != lease.fence or active.task is None:
            return
        self.observe.lost(lease.intent_id)
        active.task.cancel()

    async def _release(self) -> None:
        pace = Pace()
        while True:
            await self._releasing.wait()
            self._releasing.clear()
            while self._done:
                part = self._done[:MAX_CLAIM]
                try:
                    await self.store.release(part)
                except IntentError as error:
                    await self._pause("releasing", error, pace)
                    continue
                pace = Pace()
                del self._done[: len(part)]
                if any(one.next_action_at is None for one in part):
                    self._wake.set()

    async def _stop(self) -> None:
        tasks = [active.task for active in self._active.values() if active.task is not None]
        left = [LeaseRef(intent_id=key, fence=active.fence) for key, active in self._active.items()]
        left += [
            LeaseRef(intent_id=one.intent_id, fence=one.lease.fence)
            for one in self._unbegun
            if one.lease is not None
        ]
        self._unbegun = []
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        left, self._done = left + self._done, []
        for start in range(0, len(left), MAX_CLAIM):
            await self.store.release(left[start : start + MAX_CLAIM])

    # --- waiting ---

    async def _pause(self, during: str, error: IntentError, pace: Pace) -> None:
        due = pace.next()
        self.observe.waits(during, error, due)
        await self.clock.sleep(due)

    async def _first(self, *waits: Awaitable[object]) -> None:
        tasks = [asyncio.ensure_future(wait) for wait in waits]
        try:
            await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for task in tasks:
                task.cancel()


def _signed_with(public_key: str, records: Sequence[IntentRecord]) -> list[SignedTransaction]:
    found = [tx for record in records for tx in open_transactions(record)]
    return [tx for tx in found if tx.public_key == public_key]


def _first(group: BaseExceptionGroup[KeyLost]) -> str:
    one: BaseException = group
    while isinstance(one, BaseExceptionGroup):
        one = one.exceptions[0]
    return str(one)
