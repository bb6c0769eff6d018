"""What the chain remembers: block headers and, per transaction, every outcome."""

from dataclasses import dataclass, replace
from enum import IntEnum
from typing import Any, Final

Json = dict[str, Any]


class Level(IntEnum):
    """`wait_until`, weakest first."""

    NONE = 0
    INCLUDED = 1
    EXECUTED_OPTIMISTIC = 2
    INCLUDED_FINAL = 3
    EXECUTED = 4
    FINAL = 5


@dataclass(frozen=True, slots=True, kw_only=True)
class Block:
    """`hash` and `prev_hash` are base58, `timestamp` Unix ns, `transactions` the number included. Heights may be
    passed over: `prev_height` is the height of the block before."""

    height: int
    hash: str
    prev_hash: str
    timestamp: int
    transactions: int = 0
    gas_used: int = 0
    prev_height: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class TxRecord:
    """A transaction that is in a block. `view` is NEAR's SignedTransactionView, outcomes NEAR's
    ExecutionOutcomeWithIdView in order of execution, `heights` the blocks of those outcomes,
    `receipts` NEAR's ReceiptView, `open` how many receipts of it are still to run."""

    view: Json
    height: int
    outcome: Json
    outcomes: tuple[Json, ...] = ()
    heights: tuple[int, ...] = ()
    receipts: tuple[Json, ...] = ()
    open: int = 0

    @property
    def hash(self) -> str:
        return str(self.view["hash"])

    def created(self, views: tuple[Json, ...]) -> "TxRecord":
        return replace(self, receipts=self.receipts + views, open=self.open + len(views))

    def ran(self, outcome: Json, height: int) -> "TxRecord":
        return replace(
            self, outcomes=(*self.outcomes, outcome), heights=(*self.heights, height), open=self.open - 1
        )

    @property
    def last(self) -> int:
        """The newest block that has anything of it."""
        return max(self.height, *self.heights) if self.heights else self.height

    def back_to(self, head: int) -> "TxRecord | None":
        """The record as it was when block `head` was the newest; None if it was in no block then."""
        seen = self.seen_from(head)
        if seen is None:
            return None
        made = {
            one for outcome in (seen.outcome, *seen.outcomes) for one in outcome["outcome"]["receipt_ids"]
        }
        receipts = tuple(receipt for receipt in seen.receipts if receipt["receipt_id"] in made)
        return replace(seen, receipts=receipts, open=len(receipts) - len(seen.outcomes))

    def seen_from(self, head: int) -> "TxRecord | None":
        """What a node whose newest block is `head` knows of it."""
        if self.height > head:
            return None
        known = sum(1 for height in self.heights if height <= head)
        return replace(self, outcomes=self.outcomes[:known], heights=self.heights[:known])

    def status(self) -> object:
        """NEAR's FinalExecutionStatus: follows the returned promises to the value."""
        by_id = {outcome["id"]: outcome["outcome"] for outcome in self.outcomes}
        status: object = self.outcome["outcome"]["status"]
        for _ in range(len(self.outcomes) + 1):
            if not (isinstance(status, dict) and "SuccessReceiptId" in status):
                return status
            following = by_id.get(status["SuccessReceiptId"])
            if following is None:
                return "Started"
            status = following["status"]
        return status

    def level(self, final: int) -> Level:
        """The strongest level reached when `final` is the newest final block.

        As in nearcore, FINAL speaks of the outcomes there are: one that is yet to run is not waited for
        once the returned value is known.
        """
        included_final = self.height <= final
        if self.status() == "Started":
            return Level.INCLUDED_FINAL if included_final else Level.INCLUDED
        if not included_final:
            return Level.EXECUTED_OPTIMISTIC
        return Level.FINAL if all(height <= final for height in self.heights) else Level.EXECUTED

    def result(self, reached: Level, *, receipts: bool) -> Json:
        """NEAR's FinalExecutionOutcomeView, with `receipts` for EXPERIMENTAL_tx_status."""
        body: Json = {
            "final_execution_status": reached.name,
            "status": self.status(),
            "transaction": self.view,
            "transaction_outcome": self.outcome,
            "receipts_outcome": list(self.outcomes),
        }
        if receipts:
            body["receipts"] = list(self.receipts)
        return body


SATISFIES: Final[dict[Level, frozenset[Level]]] = {
    Level.NONE: frozenset(Level),
    Level.INCLUDED: frozenset(Level) - {Level.NONE},
    Level.EXECUTED_OPTIMISTIC: frozenset({Level.EXECUTED_OPTIMISTIC, Level.EXECUTED, Level.FINAL}),
    Level.INCLUDED_FINAL: frozenset({Level.INCLUDED_FINAL, Level.EXECUTED, Level.FINAL}),
    Level.EXECUTED: frozenset({Level.EXECUTED, Level.FINAL}),
    Level.FINAL: frozenset({Level.FINAL}),
}
"""Asked level -> reached levels that answer it: executed and included-final are not ordered."""
