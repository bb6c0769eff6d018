"""What is in which block: for whoever follows the chain."""

from collections import OrderedDict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Final

from services.devnet.node.records import TxRecord
from services.devnet.node.state import HISTORY

KEPT: Final = HISTORY
"""Blocks whose changes to contract storage are kept."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Contents:
    """Transactions included, and receipts run as (transaction, receipt), both in order."""

    transactions: tuple[str, ...] = ()
    ran: tuple[tuple[str, str], ...] = ()


NOTHING: Final = Contents()


@dataclass(slots=True)
class Index:
    """Contents by height, transactions by receipt, and which receipt wrote what. In memory: a restart has it again
    from the transactions, but for what was written."""

    blocks: dict[int, Contents] = field(default_factory=dict)
    transaction_of: dict[str, str] = field(default_factory=dict)
    written: OrderedDict[int, Mapping[str, str]] = field(default_factory=OrderedDict)

    def load(self, records: Iterable[TxRecord]) -> None:
        """Begin anew with these transactions."""
        included: dict[int, list[str]] = {}
        ran: dict[int, list[tuple[str, str]]] = {}
        for record in records:
            included.setdefault(record.height, []).append(record.hash)
            for outcome, height in zip(record.outcomes, record.heights, strict=True):
                ran.setdefault(height, []).append((record.hash, outcome["id"]))
        heights = included.keys() | ran.keys()
        self.blocks = {
            height: Contents(transactions=tuple(included.get(height, ())), ran=tuple(ran.get(height, ())))
            for height in heights
        }
        self.transaction_of = {
            str(receipt["receipt_id"]): record.hash for record in records for receipt in record.receipts
        }
        self.written = OrderedDict()

    def publish(
        self, height: int, contents: Contents, records: Iterable[TxRecord], written: Mapping[str, str]
    ) -> None:
        """A block's. `written` is storage key -> receipt that wrote it last."""
        if contents != NOTHING:
            self.blocks[height] = contents
        for record in records:
            for receipt in record.receipts:
                self.transaction_of[str(receipt["receipt_id"])] = record.hash
        self.written[height] = written
        while len(self.written) > KEPT:
            self.written.popitem(last=False)

    def roll_back(self, height: int) -> None:
        for gone in [one for one in self.blocks if one > height]:
            del self.blocks[gone]
        for gone in [one for one in self.written if one > height]:
            del self.written[gone]

    def forget(self, record: TxRecord) -> None:
        """A transaction that left memory: its receipts are not found by their ids from here on."""
        for receipt in record.receipts:
            self.transaction_of.pop(str(receipt["receipt_id"]), None)
