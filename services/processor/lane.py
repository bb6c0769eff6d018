"""One access key, one lane: nonces in order, bytes durable before they are sent, sent lowest nonce first.

Many intents wait for a signature at once: they get consecutive nonces, one store call for the moves and one
for the rest, then the bytes go out. NEAR takes any nonce above the last: a gap harms nobody, and a
transaction overtaken by a higher nonce is found dead by who follows it, and signed anew.
"""

import asyncio
import heapq
import itertools
from collections import deque
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Final

from services.common.chain.port import (
    AccessKey,
    Broadcast,
    BroadcastResult,
    Chain,
    FunctionCall,
    Signer,
)
from services.common.clock import Clock
from services.common.domain.intent import IntentRecord, SignedTransaction
from services.common.domain.outcomes import (
    AlreadyThere,
    Applied,
    Conflict,
    Refused,
    TransactionRecord,
    Transition,
    WriteOutcome,
)
from services.common.errors import IntentError, Reason
from services.processor.keys import KeyLost, Keys
from services.processor.observe import Vocabulary
from services.processor.pace import Pace
from services.processor.ports import Store

MAX_BATCH: Final = 100
RESERVED: Final = 256
"""Nonces asked for at once: one call to the store for so many signatures."""
ANCHOR_AGE: Final = 30.0
"""Seconds a final block serves as the block hash of new transactions."""
AWAY: Final = frozenset({
    Reason.DEPENDENCY_UNAVAILABLE, Reason.DEADLINE_EXCEEDED, Reason.OVERLOADED, Reason.DRAINING,
})  # fmt: skip
"""Errors of a dependency that is away: the same call goes out again."""

DOUBTS: Final = 2
"""Broadcasts without an answer, one after the other, after which a node counts as away."""

Writer = Callable[[Sequence[Any]], Awaitable[Sequence[WriteOutcome]]]


class LostIntent(Exception):
    """Another processor, or another writer, has the intent now: it is dropped, not failed."""


@dataclass(slots=True, kw_only=True)
class Order:
    """A call to sign for an intent, and the write that makes its bytes durable. `basis`: why it may be signed."""

    call: FunctionCall
    purpose: str
    write: Callable[[SignedTransaction], Transition | TransactionRecord]
    solver_id: str = ""
    basis: str = ""
    stored: "asyncio.Future[tuple[IntentRecord, SignedTransaction]]" = field(
        default_factory=lambda: asyncio.get_running_loop().create_future()
    )


@dataclass(slots=True, kw_only=True)
class _Prepared:
    order: Order
    tx: SignedTransaction
    write: Transition | TransactionRecord
    record: IntentRecord | None = None


@dataclass(order=True, slots=True)
class _ToSend:
    nonce: int
    arrival: int
    tx: SignedTransaction = field(compare=False)
    sent: "asyncio.Future[Broadcast]" = field(compare=False)


class Lane:
    """`run` does the work until cancelled; `sign` and `send` are for everybody else."""

    def __init__(
        self,
        chain: Chain,
        keys: Keys,
        store: Store,
        clock: Clock,
        observe: Vocabulary,
        *,
        low_balance: Callable[[str], None] = lambda detail: None,
    ) -> None:
        """`low_balance` is told when the chain does not take bytes because nobody can pay for them."""
        self._chain = chain
        self._keys = keys
        self._store = store
        self._clock = clock
        self._observe = observe
        self._low_balance = low_balance
        self._orders: list[Order] = []
        self._sends: list[_ToSend] = []
        self._arrivals = itertools.count()
        self._work = asyncio.Event()
        self._nonces: deque[int] = deque()
        self._floor = 0
        self._anchor: AccessKey | None = None
        self._anchored = 0.0

    async def start(self, floor: int = 0) -> None:
        """Begins with the key that is held: nonces above what its final block says, and above `floor`.

        What waited for a key held before is dropped. Raises KeyLost, and as `Chain.access_key`.
        """
        for waiting in self._sends:
            if not waiting.sent.done():
                waiting.sent.set_result(
                    Broadcast(result=BroadcastResult.UNKNOWN, detail="not sent: the key was lost")
                )
        self._orders, self._sends = [], []
        self._nonces.clear()
        self._floor = floor
        await self._refresh()
        await self._reserve(1)

    async def sign(self, order: Order) -> tuple[IntentRecord, SignedTransaction]:
        """The record with its new transaction, durable and sent once. Raises LostIntent, or IntentError where
        the store refused the write."""
        self._orders.append(order)
        self._work.set()
        return await order.stored

    async def send(self, tx: SignedTransaction) -> Broadcast:
        """Sends stored bytes again, in turn. UNKNOWN if the node was found away before their turn."""
        waiting = _ToSend(tx.nonce, next(self._arrivals), tx, asyncio.get_running_loop().create_future())
        heapq.heappush(self._sends, waiting)
        self._work.set()
        return await waiting.sent

    async def run(self) -> None:
        """Until cancelled."""
        while True:
            await self._work.wait()
            self._work.clear()
            await self._send_waiting()
            while self._orders:
                await self._serve_orders()
                await self._send_waiting()

    async def _serve_orders(self) -> None:
        orders = [order for order in self._orders[:MAX_BATCH] if not order.stored.done()]
        del self._orders[:MAX_BATCH]
        try:
            prepared = await self._prepare(orders)
            durable = await self._store_all(prepared)
            if durable:
                self._observe.signed([one.tx for one in durable])
                await self._send_all([one.tx for one in durable])
            for one in durable:
                if one.record is not None and not one.order.stored.done():
                    one.order.stored.set_result((one.record, one.tx))
        except (asyncio.CancelledError, KeyLost):
            raise
        except Exception as error:
            # whatever it was, it belongs to these intents; the lane goes on for the others
            _refuse(orders, error)

    async def _prepare(self, orders: Sequence[Order]) -> list[_Prepared]:
        anchor, signer = await self._ready_to_sign(len(orders))
        prepared = []
        for order in orders:
            tx = self._chain.prepare(
                order.call, signer, nonce=self._nonces.popleft(), anchor=anchor,
                purpose=order.purpose, solver_id=order.solver_id,
            )  # fmt: skip
            tx = replace(tx, evidence=order.basis)
            prepared.append(_Prepared(order=order, tx=tx, write=order.write(tx)))
        return prepared

    async def _ready_to_sign(self, count: int) -> tuple[AccessKey, Signer]:
        """Returns with a fresh block hash, `count` nonces of ours and a lease that holds. Raises KeyLost."""
        pace = Pace()
        while True:
            try:
                if self._anchor is None or self._clock.monotonic() - self._anchored > ANCHOR_AGE:
                    await self._refresh()
                if not self._keys.may_sign():
                    await self._keys.renew()
                await self._reserve(count)
            except IntentError as error:
                self._keys.unusable(error)
                due = pace.next()
                self._observe.waits("access key", error, due)
                # what is signed already needs nothing of what is missing here
                await self._send_waiting()
                await self._clock.sleep(due)
                continue
            signer = self._keys.signer
            if self._anchor is not None and signer is not None and self._keys.may_sign():
                return self._anchor, signer

    async def _refresh(self) -> None:
        signer = self._keys.signer
        if signer is None:
            raise KeyLost("it was given back")
        self._anchor = await self._chain.access_key(signer.account_id, signer.public_key)
        self._anchored = self._clock.monotonic()

    async def _reserve(self, count: int) -> None:
        """Nonces are reserved ahead: what is left of them at the end is a gap, which harms nobody."""
        seen = 0 if self._anchor is None else self._anchor.nonce
        while self._nonces and self._nonces[0] <= seen:
            self._nonces.popleft()
        while len(self._nonces) < count:
            given = await self._keys.nonces(RESERVED, max(seen, self._floor))
            self._observe.nonces_reserved(RESERVED)
            self._nonces.extend(range(given.first, given.last + 1))

    async def _store_all(self, prepared: list[_Prepared]) -> list[_Prepared]:
        """Those that are durable now. The others' orders are answered."""
        moves = [one for one in prepared if isinstance(one.write, Transition)]
        others = [one for one in prepared if isinstance(one.write, TransactionRecord)]
        await asyncio.gather(
            self._persist(moves, self._store.transition),
            self._persist(others, self._store.record_transactions),
        )
        return [one for one in prepared if one.record is not None]

    async def _persist(self, batch: list[_Prepared], write: Writer) -> None:
        """Retries the very same bytes until the store says what became of them: a write whose answer was lost
        may have happened, and other bytes beside it would be a second transaction."""
        pace = Pace()
        while batch:
            try:
                outcomes = await write([one.write for one in batch])
            except IntentError as error:
                if error.reason in AWAY:
                    due = pace.next()
                    self._observe.waits("signing", error, due)
                    await self._send_waiting()
                    await self._clock.sleep(due)
                    continue
                if len(batch) > 1:
                    # one of them is the trouble: the others must not share it
                    for one in batch:
                        await self._persist([one], write)
                    return
                _refuse([one.order for one in batch], error)
                return
            for one, outcome in zip(batch, outcomes, strict=True):
                self._stored(one, outcome)
            return

    def _stored(self, one: _Prepared, outcome: WriteOutcome) -> None:
        match outcome:
            case Applied(record):
                one.record = record
            case AlreadyThere(record) if any(tx.hash == one.tx.hash for tx in record.transactions):
                # an earlier try of this very write, whose answer was lost
                one.record = record
            case AlreadyThere() | Conflict():
                _refuse([one.order], LostIntent())
            case Refused(error):
                _refuse([one.order], error)

    async def _send_waiting(self) -> None:
        waiting, self._sends = self._sends, []
        gate = _Gate(self._chain, self._low_balance)
        while waiting:
            one = heapq.heappop(waiting)
            if one.sent.done():
                continue
            answer = await gate.send(one.tx)
            if not one.sent.done():
                one.sent.set_result(answer)

    async def _send_all(self, transactions: list[SignedTransaction]) -> None:
        gate = _Gate(self._chain, self._low_balance)
        for tx in transactions:
            await gate.send(tx)


class _Gate:
    """Stops sending once a node seems away: a batch must not wait out a time-out for each. Who follows a
    transaction has it sent again."""

    def __init__(self, chain: Chain, low_balance: Callable[[str], None]) -> None:
        self._chain = chain
        self._low_balance = low_balance
        self._doubts = 0

    async def send(self, tx: SignedTransaction) -> Broadcast:
        if self._doubts >= DOUBTS:
            return Broadcast(result=BroadcastResult.UNKNOWN, detail="not sent: the node is away")
        answer = await self._chain.broadcast(tx.signed_bytes)
        if answer.result is BroadcastResult.LOW_BALANCE:
            self._low_balance(answer.detail)
        self._doubts = self._doubts + 1 if answer.result is BroadcastResult.UNKNOWN else 0
        return answer


def _refuse(orders: Sequence[Order], error: Exception) -> None:
    for order in orders:
        if not order.stored.done():
            order.stored.set_exception(error)
