"""Executing one block: transactions become receipts, receipts run, data meets who waits for it."""

import asyncio
import base64
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from orjson import dumps, loads

from services.devnet.node.receipts import child_id, receipt_view
from services.devnet.node.records import TxRecord
from services.devnet.node.runtime import Json, Moment, Runtime, outcome_view
from services.devnet.node.state import Overlay
from services.devnet.node.transaction import SignedTransaction
from services.devnet.node.troubles import Troubles
from services.devnet.node.validate import InvalidTransaction, charge, check_state, raise_nonce

BREATH: Final = 16
"""Items after which the event loop gets a turn."""


@dataclass(slots=True)
class Work:
    """A block in the making. Nothing of it is visible before it is published."""

    moment: Moment
    overlay: Overlay
    records: dict[str, TxRecord] = field(default_factory=dict)
    refused: dict[str, InvalidTransaction] = field(default_factory=dict)
    included: list[str] = field(default_factory=list)
    queue: list[Json] = field(default_factory=list)
    ran: list[tuple[str, str]] = field(default_factory=list)
    written: dict[str, str] = field(default_factory=dict)
    gas: int = 0
    items: int = 0


class Executor:
    """Turns queued receipts and pooled transactions into a block's changes."""

    def __init__(
        self, runtime: Runtime, gas_price: int, known: Mapping[str, TxRecord], troubles: Troubles
    ) -> None:
        self._runtime = runtime
        self._troubles = troubles
        self._price = gas_price
        self._known = known

    async def block(
        self, work: Work, txs: list[SignedTransaction], due: list[tuple[str, bytes]]
    ) -> list[tuple[str, bytes]]:
        """Run `txs` and the `due` queue entries over `work`. Returns the new queue entries."""
        for tx in txs:
            await self._breathe(work)
            self._include(work, tx)
        for key, raw in due:
            await self._breathe(work)
            work.overlay.set(key, None)
            self._arrive(work, loads(raw))
        entries = []
        for index, item in enumerate(work.queue):
            key, value = f"q|{work.moment.height:012d}|{index:06d}", dumps(item)
            work.overlay.set(key, value)
            entries.append((key, value))
        return entries

    async def _breathe(self, work: Work) -> None:
        work.items += 1
        if work.items % BREATH == 0:
            await asyncio.sleep(0)

    def _include(self, work: Work, tx: SignedTransaction) -> None:
        jump = self._troubles.nonce_jump(tx)
        if jump:
            raise_nonce(tx, work.overlay, jump)
        try:
            cost = check_state(tx, work.overlay, work.moment.height - 1, self._price)
        except InvalidTransaction as invalid:
            work.refused[tx.hash] = invalid
            return
        charge(tx, work.overlay, cost)
        view = tx.view()
        receipt = receipt_view(
            child_id(tx.hash, 0), tx.signer_id, tx.receiver_id, tx.signer_id, tx.key_text, self._price,
            view["actions"], [], [],
        )  # fmt: skip
        outcome = outcome_view(
            work.moment, tx.hash, tx.signer_id, {"SuccessReceiptId": receipt["receipt_id"]}, logs=[],
            receipt_ids=[receipt["receipt_id"]], gas=cost.gas, gas_price=self._price,
        )  # fmt: skip
        record = TxRecord(view=view, height=work.moment.height, outcome=outcome)
        work.records[tx.hash] = record.created((receipt,))
        work.included.append(tx.hash)
        work.gas += cost.gas
        work.queue.append({"tx": tx.hash, "receipt": receipt})

    def _arrive(self, work: Work, item: Json) -> None:
        """A receipt or a piece of data reaches its receiver."""
        if item.get("held_until", 0) > work.moment.height:
            work.queue.append(item)
            return
        if "data_id" not in item:
            inputs = item["receipt"]["receipt"]["Action"]["input_data_ids"]
            if any(work.overlay.get(f"d|{data_id}") is None for data_id in inputs):
                work.overlay.set(f"w|{item['receipt']['receipt_id']}", dumps(item))
                for data_id in inputs:
                    work.overlay.set(f"x|{data_id}", dumps(item["receipt"]["receipt_id"]))
                return
            self._run(work, item)
            return
        work.overlay.set(f"d|{item['data_id']}", dumps({"data": item["data"]}))
        waiting = work.overlay.get(f"x|{item['data_id']}")
        if waiting is not None:
            key = f"w|{loads(waiting)}"
            held = work.overlay.get(key)
            if held is not None:
                work.overlay.set(key, None)
                self._arrive(work, loads(held))

    def _results(self, work: Work, inputs: list[str]) -> list[bytes | None]:
        results: list[bytes | None] = []
        for data_id in inputs:
            data: Any = loads(work.overlay.get(f"d|{data_id}") or b"{}").get("data")
            results.append(None if data is None else base64.b64decode(data))
            work.overlay.set(f"d|{data_id}", None)
            work.overlay.set(f"x|{data_id}", None)
        return results

    def _held(self, receipt: Json) -> int:
        """Blocks that this receipt is to wait, by order of a test."""
        body = receipt["receipt"]["Action"]
        for action in body["actions"]:
            if isinstance(action, dict) and "FunctionCall" in action:
                call = action["FunctionCall"]
                args = base64.b64decode(call["args"])
                return self._troubles.held(
                    body["signer_id"], receipt["receiver_id"], call["method_name"], args
                )
        return 0

    def _run(self, work: Work, item: Json) -> None:
        receipt, tx_hash = item["receipt"], item["tx"]
        if "held_until" not in item and not self._troubles.quiet:
            wait = self._held(receipt)
            if wait:
                work.queue.append({**item, "held_until": work.moment.height + wait})
                return
        results = self._results(work, receipt["receipt"]["Action"]["input_data_ids"])
        ran = self._runtime.apply(work.overlay, receipt, results, work.moment)
        record = work.records.get(tx_hash) or self._known[tx_hash]
        work.records[tx_hash] = record.ran(ran.outcome, work.moment.height).created(tuple(ran.receipts))
        work.ran.append((tx_hash, receipt["receipt_id"]))
        work.written |= dict.fromkeys(ran.written, receipt["receipt_id"])
        work.gas += ran.gas
        work.queue.extend({"tx": tx_hash, "receipt": made} for made in ran.receipts)
        work.queue.extend({"tx": tx_hash, **data} for data in ran.data)
