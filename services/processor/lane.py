"""One access key, one lane: nonces in order, bytes durable before they are sent, sent lowest nonce first.

Many intents wait for a signature at once: they get consecutive nonces, one store call for the moves and one
for the rest, then the bytes go out. NEAR takes any nonce above the last: a gap harms nobody, and a
transaction overtaken by a higher nonce is found dead by who follows it, and signed anew.
"""

import asyncio
import heapq
import itertools
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
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
from services.processor.observe import Vocabulary
from services.processor.pace import Pace
from services.processor.ports import Store

MAX_BATCH: Final = 100
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
    """A call to sign for an intent, and the write that makes its bytes durable."""

    call: FunctionCall
    purpose: str
    write: Callable[[SignedTransaction], Transition | TransactionRecord]
    solver_id: str = ""
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

    def __init__(self, chain: Chain, signer: Signer, store: Store, clock: Clock, observe: Vocabulary) -> None:
        self._chain = chain
        self._signer = signer
        self._store = store
        self._clock = clock
        self._observe = observe
        self._orders: list[Order] = []
        self._sends: list[_ToSend] = []
        self._arrivals = itertools.count()
        self._work = asyncio.Event()
        self._nonce = 0
        self._anchor: AccessKey | None = None
        self._anchored = 0.0

    async def start(self, floor: int = 0) -> None:
        """Takes the nonce from the final block, or `floor` if that is higher. Raises as `Chain.access_key`."""
        await self._chain.network()
        self._nonce = max(self._nonce, floor)
        await self._refresh()

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
        except asyncio.CancelledError:
            raise
        except Exception as error:
            # whatever it was, it belongs to these intents; the lane goes on for the others
            _refuse(orders, error)

    async def _prepare(self, orders: Sequence[Order]) -> list[_Prepared]:
        pace = Pace()
        while self._anchor is None or self._clock.monotonic() - self._anchored > ANCHOR_AGE:
            try:
                await self._refresh()
            except IntentError as error:
                due = pace.next()
                self._observe.waits("access key", error, due)
                await self._clock.sleep(due)
        prepared = []
        for order in orders:
            self._nonce += 1
            tx = self._chain.prepare(
                order.call, self._signer, nonce=self._nonce, anchor=self._anchor,
                purpose=order.purpose, solver_id=order.solver_id,
            )  # fmt: skip
            prepared.append(_Prepared(order=order, tx=tx, write=order.write(tx)))
        return prepared

    async def _refresh(self) -> None:
        self._anchor = await self._chain.access_key(self._signer.account_id, self._signer.public_key)
        self._anchored = self._clock.monotonic()
        self._nonce = max(self._nonce, self._anchor.nonce)

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
        gate = _Gate(self._chain)
        while waiting:
            one = heapq.heappop(waiting)
            if one.sent.done():
                continue
            answer = await gate.send(one.tx)
            if not one.sent.done():
                one.sent.set_result(answer)

    async def _send_all(self, transactions: list[SignedTransaction]) -> None:
        gate = _Gate(self._chain)
        for tx in transactions:
            await gate.send(tx)


class _Gate:
    """Stops sending once a node seems away: a batch must not wait out a time-out for each. Who follows a
    transaction has it sent again."""

    def __init__(self, chain: Chain) -> None:
        self._chain = chain
        self._doubts = 0

    async def send(self, tx: SignedTransaction) -> Broadcast:
        if self._doubts >= DOUBTS:
            return Broadcast(result=BroadcastResult.UNKNOWN, detail="not sent: the node is away")
        answer = await self._chain.broadcast(tx.signed_bytes)
        self._doubts = self._doubts + 1 if answer.result is BroadcastResult.UNKNOWN else 0
        return answer


def _refuse(orders: Sequence[Order], error: Exception) -> None:
    for order in orders:
        if not order.stored.done():
            order.stored.set_exception(error)
