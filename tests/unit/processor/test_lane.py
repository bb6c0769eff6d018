"""The lane while what it needs for new signatures is away: what is signed already still goes out."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest

from services.common.chain.port import AccessKey, BroadcastResult, FunctionCall
from services.common.domain.intent import SignedTransaction
from services.common.domain.keys import KeyRef, NonceRequest, Nonces, PoolKey
from services.common.domain.outcomes import TransactionRecord, WriteOutcome
from services.common.errors import unavailable
from services.common.observe import Observe
from services.common.observe.metrics import new_registry
from services.processor.keys import HeldKey, Keys
from services.processor.lane import Lane, Order
from services.processor.observe import Vocabulary
from tests.harness.wait import eventually
from tests.unit.processor.fake_chain import FakeChain
from tests.unit.processor.support import FastClock, signer
from tests.unit.test_checker import RECORD


class Shop:
    """The store as the lane sees it; `shut` for writes, or for nonces."""

    def __init__(self, shut: str) -> None:
        self.shut = shut
        self.refused = 0
        self.mark = 0

    def _open(self, what: str) -> None:
        if self.shut == what:
            self.refused += 1
            raise unavailable("store")

    async def reserve_nonces(self, asked: Sequence[NonceRequest]) -> Sequence[Nonces]:
        if self.mark:
            self._open("nonces")
        first = self.mark + 1
        # the first ones are few, so that more are needed at once
        self.mark = first + (asked[0].count if self.shut != "nonces" else 1) - 1
        return [Nonces(first=first, last=self.mark)]

    async def transition(self, moves: Sequence[Any]) -> Sequence[WriteOutcome]:
        self._open("writes")
        raise AssertionError("nothing moves here")

    async def record_transactions(self, writes: Sequence[Any]) -> Sequence[WriteOutcome]:
        self._open("writes")
        raise AssertionError("it is to be shut")


@asynccontextmanager
async def lane_of(chain: FakeChain, store: Any) -> AsyncIterator[Lane]:
    clock = FastClock(datetime.now(UTC))
    observe = Vocabulary(Observe(service="processor", registry=new_registry(process=False)))
    mine = signer()
    key = PoolKey(chain_id="localnet", account_id=mine.account_id, public_key=mine.public_key)
    keys = Keys(
        store, chain, [mine], holder="r", session="s", lease_ms=60_000, poll_ms=500, clock=clock, observe=observe
    )  # fmt: skip
    keys.held = HeldKey(signer=mine, ref=KeyRef(key=key, fence=1), good_until=clock.monotonic() + 3_600)
    lane = Lane(chain, keys, store, clock, observe)
    await lane.start()
    task = asyncio.create_task(lane.run())
    try:
        yield lane
    finally:
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task


def call() -> FunctionCall:
    return FunctionCall(
        receiver_id="verifier.near", method="verify_signed_intent", args={"intent": {"id": "i-1"}}
    )


def order() -> Order:
    def write(tx: SignedTransaction) -> TransactionRecord:
        return TransactionRecord(
            intent_id="i-2", seen_version=1, seen_status=RECORD.status, fence=1, transactions=(tx,)
        )

    return Order(call=call(), purpose="verify", write=write)


@pytest.mark.parametrize("shut", ["nonces", "writes"])
async def test_p13_bytes_go_out_again_while_the_store_takes_nothing(shut: str) -> None:
    """Whoever follows signed bytes would else wait for the store before it learns what became of them."""
    chain, store = FakeChain(lambda: 0), Shop(shut)
    async with lane_of(chain, store) as lane:
        mine = [asyncio.create_task(lane.sign(order())) for _ in range(3)]
        await eventually(lambda: store.refused)
        anchor = AccessKey(nonce=0, block_hash="block-100", block_height=100)
        old = replace(
            chain.prepare(call(), signer(), nonce=1, anchor=anchor, purpose="verify"), block_height=100
        )
        answer = await asyncio.wait_for(lane.send(old), 20)
        for one in mine:
            one.cancel()
    assert answer.result is BroadcastResult.ACCEPTED and chain.sent == [old.signed_bytes]


async def test_p13_bytes_go_out_again_while_the_only_key_is_of_no_use() -> None:
    """The pool's only key is gone: it is waited for, and what another key signed is followed all the same."""
    chain, store = FakeChain(lambda: 0), Shop("nothing")
    async with lane_of(chain, store) as lane:
        chain.gone.add(signer().public_key)
        lane._anchor = None
        mine = asyncio.create_task(lane.sign(order()))
        anchor = AccessKey(nonce=0, block_hash="block-100", block_height=100)
        old = chain.prepare(call(), signer(3), nonce=1, anchor=anchor, purpose="verify")
        await asyncio.sleep(0)
        answer = await asyncio.wait_for(lane.send(old), 20)
        mine.cancel()
    assert answer.result is BroadcastResult.ACCEPTED
