"""The chain: a pool, a block at a time, each durable before anyone can see it."""

import asyncio
from collections import OrderedDict
from dataclasses import dataclass
from typing import Any, Final

from services.common.clock import Clock
from services.devnet.node.execute import Executor, Work
from services.devnet.node.keys import b58decode, b58encode, sha256, verify
from services.devnet.node.records import Block, TxRecord
from services.devnet.node.runtime import Moment, Runtime
from services.devnet.node.state import Overlay, State
from services.devnet.node.storage import RECENT, Storage
from services.devnet.node.transaction import SignedTransaction
from services.devnet.node.troubles import Troubles
from services.devnet.node.validate import InvalidTransaction, check_shape, check_state

MAX_TXS: Final = 200
MAX_RECEIPTS: Final = 400
"""Per block; what is left waits for the next one."""
MAX_POOL: Final = 20_000


class PoolFull(Exception):
    """More transactions wait than the pool holds."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ChainRules:
    """`finality_lag` and `validity_blocks` in blocks, `gas_price` in yoctoNEAR per gas."""

    chain_id: str
    finality_lag: int
    validity_blocks: int
    gas_price: int


class Chain:
    """Everything published is durable; reads see published blocks only."""

    def __init__(
        self, rules: ChainRules, clock: Clock, runtime: Runtime, storage: Storage | None, *, state: State,
        blocks: list[Block], txs: list[TxRecord], troubles: Troubles,
    ) -> None:  # fmt: skip
        self.rules = rules
        self.state = state
        self.runtime = runtime
        self._clock = clock
        self._storage = storage
        self._troubles = troubles
        self._blocks: OrderedDict[int, Block] = OrderedDict((block.height, block) for block in blocks)
        self._by_hash = {block.hash: block.height for block in blocks}
        self._txs: OrderedDict[str, TxRecord] = OrderedDict((tx.hash, tx) for tx in txs)
        self._pool: OrderedDict[str, SignedTransaction] = OrderedDict()
        self._refused: OrderedDict[str, InvalidTransaction] = OrderedDict()
        self._due = list(state.scan("q|"))
        self._executor = Executor(runtime, rules.gas_price, self._txs, troubles)
        self._tick: asyncio.Future[None] | None = None
        self._making = asyncio.Lock()
        self._closed = False
        self._tasks: set[asyncio.Task[Block]] = set()
        self.head = blocks[-1]
        self.genesis = blocks[0]

    @property
    def final_height(self) -> int:
        return self.final_from(self.head.height)

    def final_from(self, head: int) -> int:
        """The newest final height when the newest height is `head`."""
        return max(head - self.rules.finality_lag, self.earliest.height)

    @property
    def earliest(self) -> Block:
        return next(iter(self._blocks.values()))

    def behind(self, blocks: int) -> Block:
        """The block a node that lags by `blocks` takes for the newest."""
        return self._blocks.get(self.head.height - blocks, self.earliest) if blocks else self.head

    @property
    def pooled(self) -> int:
        return len(self._pool)

    def block_at(self, height: int) -> Block | None:
        return self._blocks.get(height)

    def block_of(self, block_hash: str) -> Block | None:
        height = self._by_hash.get(block_hash)
        return None if height is None else self._blocks.get(height)

    async def submit(self, tx: SignedTransaction) -> None:
        """Put a transaction into the pool; one known already is left as it is.

        Raises InvalidTransaction or PoolFull. The pool is not durable, as in NEAR.
        """
        if tx.hash in self._pool or await self.find(tx.hash) is not None:
            return
        self.check(tx)
        if len(self._pool) >= MAX_POOL:
            raise PoolFull
        self._refused.pop(tx.hash, None)
        self._pool[tx.hash] = tx

    def check(self, tx: SignedTransaction) -> None:
        """Raises InvalidTransaction if it could not be taken now."""
        check_shape(tx)
        if not verify(tx.public_key, tx.signature, tx.digest):
            raise InvalidTransaction("InvalidSignature")
        self.check_age(tx)
        check_state(tx, self.state, self.head.height, self.rules.gas_price)

    def check_age(self, tx: SignedTransaction) -> None:
        """Raises InvalidTransaction if the block it names is unknown or too old."""
        named = self.block_of(b58encode(tx.block_hash))
        if named is None or self.head.height - named.height > self.rules.validity_blocks:
            raise InvalidTransaction("Expired")

    def glance(self, tx_hash: str) -> dict[str, Any] | None:
        """NEAR's view of a transaction in the pool or among the recent ones."""
        record, pooled = self._txs.get(tx_hash), self._pool.get(tx_hash)
        if record is not None:
            return record.view
        return None if pooled is None else pooled.view()

    def in_pool(self, tx_hash: str) -> bool:
        return tx_hash in self._pool

    def refusal(self, tx_hash: str) -> InvalidTransaction | None:
        """Why a pooled transaction was left out of the chain, if it was lately."""
        return self._refused.get(tx_hash)

    async def find(self, tx_hash: str) -> TxRecord | None:
        """A transaction that is in a published block."""
        record = self._txs.get(tx_hash)
        if record is None and self._storage is not None and len(self._txs) >= RECENT:
            record = await self._storage.find_tx(tx_hash)
        return record

    def tick(self) -> asyncio.Future[None]:
        """Done when the next block is published. Take it before looking, wait for it shielded."""
        if self._tick is None or self._tick.done():
            self._tick = asyncio.get_running_loop().create_future()
        return self._tick

    async def produce(self) -> Block:
        """Make, store and publish one block. A caller that is cancelled does not cut the block short: stored
        and not published it would be in the way of the next one."""
        task = asyncio.create_task(self._locked())
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return await asyncio.shield(task)

    async def _locked(self) -> Block:
        async with self._making:
            if self._closed:
                raise RuntimeError("the chain is closed")
            return await self._produce()

    async def close(self) -> None:
        """Let the block in the making end; there are no more after it."""
        self._closed = True
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def _choose(self, refused: dict[str, InvalidTransaction]) -> list[SignedTransaction]:
        """The next transactions, those of one key in order of nonce."""
        chosen: list[SignedTransaction] = []
        for tx in sorted(self._pool.values(), key=lambda tx: tx.nonce):
            if len(chosen) >= MAX_TXS:
                break
            try:
                self.check_age(tx)
                if self._troubles.expires(tx):
                    raise InvalidTransaction("Expired")
            except InvalidTransaction as invalid:
                refused[tx.hash] = invalid
            else:
                chosen.append(tx)
        return chosen

    async def _produce(self) -> Block:
        before, height = self.head, self.head.height + 1
        timestamp = max(self._clock.now_ns(), before.timestamp + 1)
        named = b58decode(before.hash) + height.to_bytes(8, "big") + timestamp.to_bytes(8, "big")
        work = Work(
            Moment(height=height, hash=b58encode(sha256(named)), timestamp=timestamp), Overlay(self.state)
        )
        due, later = self._due[:MAX_RECEIPTS], self._due[MAX_RECEIPTS:]
        made = await self._executor.block(work, self._choose(work.refused), due)
        block = Block(
            height=height, hash=work.moment.hash, prev_hash=before.hash, timestamp=timestamp,
            transactions=len(work.included), gas_used=work.gas,
        )  # fmt: skip
        delta, undo = work.overlay.delta, self.state.undo_of(work.overlay.delta)
        if self._storage is not None:
            await self._storage.commit(block, delta, undo, list(work.records.values()))
        self.state.publish(height, delta, undo)
        self._due = later + made
        self._publish(block, work)
        return block

    def _publish(self, block: Block, work: Work) -> None:
        self._blocks[block.height] = block
        self._by_hash[block.hash] = block.height
        keep = max(self.rules.validity_blocks, 100) + 1
        while len(self._blocks) > keep:
            _, old = self._blocks.popitem(last=False)
            del self._by_hash[old.hash]
        for tx_hash in work.included:
            self._pool.pop(tx_hash, None)
        for tx_hash, refusal in work.refused.items():
            self._pool.pop(tx_hash, None)
            self._refused[tx_hash] = refusal
        while len(self._refused) > 1000:
            self._refused.popitem(last=False)
        self._txs.update(work.records)
        if self._storage is not None:
            self._evict()
        self.head = block
        if self._tick is not None and not self._tick.done():
            self._tick.set_result(None)

    def _evict(self) -> None:
        """Finished transactions beyond the recent ones stay in the file only."""
        while len(self._txs) > RECENT:
            oldest = next(iter(self._txs.values()))
            if oldest.open or oldest.height > self.final_height:
                return
            self._txs.popitem(last=False)
