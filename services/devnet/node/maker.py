"""Making one block over a state, seen by nobody until the chain publishes it."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Final

from services.devnet.node.execute import Executor, Work
from services.devnet.node.keys import b58decode, b58encode, sha256
from services.devnet.node.records import Block, TxRecord
from services.devnet.node.runtime import Moment, Runtime
from services.devnet.node.state import Delta, Overlay, Reading
from services.devnet.node.storage import Change
from services.devnet.node.transaction import SignedTransaction
from services.devnet.node.troubles import Troubles
from services.devnet.node.validate import InvalidTransaction

MAX_TXS: Final = 200
MAX_RECEIPTS: Final = 800
"""Per block; what is left waits for the next one."""
Due = list[tuple[str, bytes]]
"""Queue entries of receipts and data: key and JSON, in order."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Made:
    """A block that is not published. `undo` takes its changes back, `due` is what the next block begins with."""

    block: Block
    work: Work
    undo: Delta
    due: Due

    @property
    def change(self) -> Change:
        return self.block, self.work.overlay.delta, self.undo


class Maker:
    """Makes blocks; what it makes depends on its arguments and on faults asked for."""

    def __init__(self, runtime: Runtime, gas_price: int, troubles: Troubles) -> None:
        self._runtime = runtime
        self._price = gas_price
        self._troubles = troubles

    async def make(
        self, base: Reading, before: Block, timestamp: int, due: Due, pool: Iterable[SignedTransaction],
        known: Mapping[str, TxRecord], check_age: Callable[[SignedTransaction], None], salt: bytes = b"",
        skipped: int = 0,
    ) -> Made:  # fmt: skip
        """The block after `before`, over the state `base`. `timestamp` in Unix ns, raised to be later than that of
        `before`; `salt` makes another hash of what would be the same block; `skipped` heights have no block."""
        height, timestamp = before.height + 1 + skipped, max(timestamp, before.timestamp + 1)
        named = b58decode(before.hash) + height.to_bytes(8, "big") + timestamp.to_bytes(8, "big") + salt
        moment = Moment(height=height, hash=b58encode(sha256(named)), timestamp=timestamp)
        work = Work(moment, Overlay(base))
        executor = Executor(self._runtime, self._price, known, self._troubles)
        chosen = self._choose(pool, check_age, work.refused)
        made = await executor.block(work, chosen, due[:MAX_RECEIPTS])
        block = Block(
            height=height, hash=moment.hash, prev_hash=before.hash, timestamp=timestamp,
            transactions=len(work.included), gas_used=work.gas, prev_height=before.height,
        )  # fmt: skip
        undo: Delta = {key: base.get(key) for key in work.overlay.delta}
        return Made(block=block, work=work, undo=undo, due=due[MAX_RECEIPTS:] + made)

    def _choose(
        self, pool: Iterable[SignedTransaction], check_age: Callable[[SignedTransaction], None],
        refused: dict[str, InvalidTransaction],
    ) -> list[SignedTransaction]:  # fmt: skip
        """The next transactions, those of one key in order of nonce."""
        chosen: list[SignedTransaction] = []
        for tx in sorted(pool, key=lambda tx: tx.nonce):
            if len(chosen) >= MAX_TXS:
                break
            try:
                check_age(tx)
                if self._troubles.expires(tx):
                    raise InvalidTransaction("Expired")
            except InvalidTransaction as invalid:
                refused[tx.hash] = invalid
            else:
                chosen.append(tx)
        return chosen
