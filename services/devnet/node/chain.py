"""The chain: a pool, a block at a time, each durable before anyone can see it."""

import asyncio
import base64
from collections import ChainMap, OrderedDict
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import dataclass
from typing import Any, Final, TypeVar

from services.common.clock import Clock
from services.devnet.node.contents import Contents, Index
from services.devnet.node.keys import b58decode, b58encode, verify
from services.devnet.node.maker import Made, Maker
from services.devnet.node.records import Block, TxRecord
from services.devnet.node.runtime import Runtime
from services.devnet.node.state import Overlay, State
from services.devnet.node.storage import RECENT, Storage
from services.devnet.node.transaction import SignedTransaction
from services.devnet.node.troubles import Fate, Troubles
from services.devnet.node.validate import InvalidTransaction, check_shape, check_state

T = TypeVar("T")
MAX_POOL: Final = 20_000


class PoolFull(Exception):
    """More transactions wait than the pool holds."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Reorganised:
    """What a reorg did: the newest block that stayed, hashes of those that vanished and of their transactions."""

    fork_height: int
    vanished: tuple[str, ...]
    transactions: tuple[str, ...]


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
        self.runtime = runtime
        self._clock = clock
        self._storage = storage
        self._troubles = troubles
        self._pool: OrderedDict[str, SignedTransaction] = OrderedDict()
        self._refused: OrderedDict[str, InvalidTransaction] = OrderedDict()
        self._recent: dict[int, list[SignedTransaction]] = {}
        self._maker = Maker(runtime, rules.gas_price, troubles)
        self._tick: asyncio.Future[None] | None = None
        self._making = asyncio.Lock()
        self._closed = False
        self._tasks: set[asyncio.Task[Any]] = set()
        self._begin(state, blocks, txs)

    def _begin(self, state: State, blocks: list[Block], txs: list[TxRecord]) -> None:
        """What a node knows as it starts."""
        self.state = state
        self._blocks: OrderedDict[int, Block] = OrderedDict((block.height, block) for block in blocks)
        self._by_hash = {block.hash: block.height for block in blocks}
        self._txs: OrderedDict[str, TxRecord] = OrderedDict((tx.hash, tx) for tx in txs)
        self._due = list(state.scan("q|"))
        self.index = Index()
        self.index.load(txs)
        self.head = blocks[-1]
        self.genesis = blocks[0]

    @property
    def final_height(self) -> int:
        """Never goes back: a reorg leaves one block more than it took."""
        return self.final_from(self.head.height)

    def final_from(self, head: int) -> int:
        """The newest final height for a node whose newest height is `head`."""
        return self.back(head, self.rules.finality_lag).height

    def back(self, height: int, count: int) -> Block:
        """The block `count` blocks before the newest at or below `height`; the earliest kept if there are no more."""
        block = self._blocks.get(height)
        while block is None:
            if height <= self.earliest.height:
                return self.earliest
            height -= 1
            block = self._blocks.get(height)
        for _ in range(count):
            before = self._blocks.get(block.prev_height)
            if before is None or before is block:
                return block
            block = before
        return block

    @property
    def not_final(self) -> int:
        """How many blocks there are after the final one."""
        return sum(height > self.final_height for height in reversed(list(self._blocks)[-100:]))

    @property
    def earliest(self) -> Block:
        return next(iter(self._blocks.values()))

    def behind(self, blocks: int) -> Block:
        """The block a node that lags by `blocks` takes for the newest."""
        return self.back(self.head.height, blocks)

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

    def arguments_of(self, method: str) -> Iterator[bytes]:
        """Arguments of the calls of `method` in the pool and among the recent transactions, newest first."""
        views = [tx.view() for tx in reversed(self._pool.values())]
        for view in (*views, *(record.view for record in reversed(self._txs.values()))):
            for action in view["actions"]:
                if "FunctionCall" in action and action["FunctionCall"]["method_name"] == method:
                    yield base64.b64decode(action["FunctionCall"]["args"])

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
        return await self._alone(self._produce)

    async def reorg(self, depth: int, fate: Fate) -> Reorganised:
        """The newest `depth` blocks give way to `depth` + 1 others, all at once. Raises ValueError if one is final."""

        async def run() -> Reorganised:
            if not 0 < depth <= self.not_final:
                raise ValueError(f"{self.not_final} blocks are not final, so many at most")
            return await self._reorg(depth, fate)

        return await self._alone(run)

    async def restart(self) -> None:
        """Begin anew from the state file, as after a crash: the pool is gone. Raises ValueError if there is none."""
        storage = self._storage
        if storage is None:
            raise ValueError("there is no state file to restart from: set STATE_FILE")

        async def run() -> None:
            loaded = await storage.reopen()
            for forgotten in (self._pool, self._refused, self._recent):
                forgotten.clear()
            self._begin(State(loaded.entries, loaded.undo), loaded.blocks, loaded.txs)
            self._wake()

        await self._alone(run)

    async def _alone(self, work: Callable[[], Awaitable[T]]) -> T:
        async def run() -> T:
            async with self._making:
                if self._closed:
                    raise RuntimeError("the chain is closed")
                return await work()

        task = asyncio.create_task(run())
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return await asyncio.shield(task)

    async def close(self) -> None:
        """Let the block in the making end; there are no more after it."""
        self._closed = True
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _produce(self) -> Block:
        asked = self._troubles.reorg()
        if asked is not None:
            await self._reorg(min(asked[0], self.not_final), asked[1])
        pool = list(self._pool.values())
        made = await self._maker.make(
            self.state, self.head, self._clock.now_ns(), self._due, pool, self._txs, self.check_age,
            skipped=self._troubles.skipped(),
        )  # fmt: skip
        if self._storage is not None:
            await self._storage.commit([made.change], list(made.work.records.values()))
        self._publish(made)
        self._wake()
        return made.block

    def _publish(self, made: Made) -> None:
        block, work = made.block, made.work
        self.state.publish(block.height, work.overlay.delta, made.undo)
        self._due = made.due
        self._blocks[block.height] = block
        self._by_hash[block.hash] = block.height
        keep = max(self.rules.validity_blocks, 100) + 1
        while len(self._blocks) > keep:
            _, old = self._blocks.popitem(last=False)
            del self._by_hash[old.hash]
            self.index.blocks.pop(old.height, None)
        contents = Contents(transactions=tuple(work.included), ran=tuple(work.ran))
        self.index.publish(block.height, contents, work.records.values(), work.written)
        self._recent[block.height] = [self._pool[tx_hash] for tx_hash in work.included]
        for tx_hash in work.included:
            self._pool.pop(tx_hash, None)
        for tx_hash, refusal in work.refused.items():
            self._pool.pop(tx_hash, None)
            self._refused[tx_hash] = refusal
        while len(self._refused) > 1000:
            self._refused.popitem(last=False)
        self._txs.update(work.records)
        self.head = block
        for height in [height for height in self._recent if height <= self.final_height]:
            del self._recent[height]
        if self._storage is not None:
            self._evict()

    def _wake(self) -> None:
        if self._tick is not None and not self._tick.done():
            self._tick.set_result(None)

    async def _reorg(self, depth: int, fate: Fate) -> Reorganised:
        if depth == 0:
            return Reorganised(fork_height=self.head.height, vanished=(), transactions=())
        fork, vanished = self.back(self.head.height, depth).height, self.head
        gone = [block for height, block in self._blocks.items() if height > fork]
        back = self.state.back_to(fork)
        back_txs = {hash: record.back_to(fork) for hash, record in self._txs.items() if record.last > fork}
        dropped = frozenset(hash for hash, record in back_txs.items() if record is None)
        kept = {hash: record for hash, record in back_txs.items() if record is not None}
        pulled = [tx for block in gone for tx in self._recent.get(block.height, [])]
        pool = list(self._pool.values()) + pulled if fate is Fate.AGAIN else []
        base = Overlay(self.state, dict(back))
        older, gone_hashes = self._blocks[fork], {block.hash for block in gone}

        def check_age(tx: SignedTransaction) -> None:
            if b58encode(tx.block_hash) in gone_hashes:
                raise InvalidTransaction("Expired")
            self.check_age(tx)

        due, branch, records = list(base.scan("q|")), [], dict(kept)
        for _ in range(depth + 1):
            known = ChainMap[str, TxRecord](records, self._txs)
            made = await self._maker.make(
                base, older, self._clock.now_ns(), due, pool, known, check_age, b58decode(vanished.hash)
            )
            branch.append(made)
            records |= made.work.records
            base.merge(made.work.overlay)
            taken = {*made.work.included, *made.work.refused}
            pool = [tx for tx in pool if tx.hash not in taken]
            older, due = made.block, made.due
        if self._storage is not None:
            again = {hash for made in branch for hash in made.work.included}
            changes = [made.change for made in branch]
            await self._storage.commit(changes, list(records.values()), fork, back, dropped - again)
        # From here on nothing waits: no reader sees the chain between the two branches.
        self.state.roll_back(fork)
        self.index.roll_back(fork)
        for block in gone:
            del self._blocks[block.height], self._by_hash[block.hash]
            self._recent.pop(block.height, None)
        for hash in dropped:
            del self._txs[hash]
        self._txs.update(kept)
        if fate is not Fate.LOST:
            self._pool = OrderedDict((tx.hash, tx) for tx in (*pulled, *self._pool.values()))
        for made in branch:
            self._publish(made)
        self._wake()
        return Reorganised(
            fork_height=fork, vanished=tuple(block.hash for block in gone),
            transactions=tuple(tx.hash for tx in pulled),
        )  # fmt: skip

    def _evict(self) -> None:
        """Finished transactions beyond the recent ones stay in the file only."""
        while len(self._txs) > RECENT:
            oldest = next(iter(self._txs.values()))
            if oldest.open or oldest.last > self.final_height:
                return
            self._txs.popitem(last=False)
            self.index.forget(oldest)
