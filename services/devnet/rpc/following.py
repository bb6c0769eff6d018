"""`chunk`, receipts, changes of contract storage, and whole blocks with their outcomes: to follow the chain."""

import asyncio
import base64
import binascii
from typing import Any, Final

from services.devnet.node.chain import Chain
from services.devnet.node.contents import NOTHING
from services.devnet.node.records import Block, TxRecord
from services.devnet.rpc.errors import handler_error, parse_error, unknown_receipt
from services.devnet.rpc.params import named, text
from services.devnet.rpc.vantage import Vantage
from services.devnet.rpc.views import Views, chunk_header

Json = dict[str, Any]
MOST_ACCOUNTS: Final = 100
AHEAD: Final = 20
"""Blocks beyond the newest that are waited for rather than answered with null."""


class Following:
    """Reads only. One shard, whose chunk has its block's hash."""

    def __init__(self, chain: Chain, views: Views, timeout: float) -> None:
        self._chain = chain
        self._timeout = timeout
        self._views = views

    async def chunk(self, params: object, where: Vantage) -> Json:
        """`{chunk_id}`, or `{block_id, shard_id}` -> transactions included and receipts that arrived."""
        if isinstance(params, list) and params:
            params = (
                {"chunk_id": params[0]}
                if len(params) == 1
                else {"block_id": params[0], "shard_id": params[1]}
            )
        given = named(params)
        if "chunk_id" in given:
            found = self._chain.block_of(text(given, "chunk_id"))
            if found is None or found.height > where.head.height:
                raise handler_error("UNKNOWN_CHUNK", {"chunk_hash": given["chunk_id"]}, "Chunk is unknown")
            return await self._chunk(found)
        if given.get("shard_id") != 0:
            shard = given.get("shard_id")
            raise handler_error("INVALID_SHARD_ID", {"shard_id": shard}, f"Shard id {shard} does not exist")
        return await self._chunk(self._views.reference(given, where))

    async def _chunk(self, block: Block) -> Json:
        transactions = [(await self._record(one)).view for one in self._in(block).transactions]
        return {
            "author": "node0", "header": chunk_header(block, self._chain.rules.gas_price),
            "transactions": transactions, "receipts": await self._arrived(block),
        }  # fmt: skip

    def _in(self, block: Block) -> Any:
        return self._chain.index.blocks.get(block.height, NOTHING)

    async def _record(self, tx_hash: str) -> TxRecord:
        record = await self._chain.find(tx_hash)
        assert record is not None, "what is indexed is kept"
        return record

    async def _arrived(self, block: Block) -> list[Json]:
        """The receipts made in the block before: as on NEAR they come in here, and run when their data are there."""
        before = self._chain.block_at(block.prev_height)
        if before is None or before is block:
            return []
        made: list[Json] = []
        for tx_hash, outcome in await self._outcomes(before):
            receipts = {one["receipt_id"]: one for one in (await self._record(tx_hash)).receipts}
            made.extend(receipts[one] for one in outcome["outcome"]["receipt_ids"])
        return made

    async def _outcomes(self, block: Block) -> list[tuple[str, Json]]:
        """(transaction, ExecutionOutcomeWithIdView) of everything that ran in a block, transactions first."""
        contents = self._in(block)
        records = {
            one: await self._record(one) for one in (*contents.transactions, *(tx for tx, _ in contents.ran))
        }
        ran = {(tx, outcome["id"]): outcome for tx, record in records.items() for outcome in record.outcomes}
        return [
            *((tx_hash, records[tx_hash].outcome) for tx_hash in contents.transactions),
            *((tx_hash, ran[tx_hash, receipt_id]) for tx_hash, receipt_id in contents.ran),
        ]

    async def receipt(self, params: object, where: Vantage) -> Json:
        """`EXPERIMENTAL_receipt {receipt_id}` -> NEAR's ReceiptView."""
        receipt_id = text(named(params), "receipt_id")
        tx_hash = self._chain.index.transaction_of.get(receipt_id)
        record = None if tx_hash is None else await self._chain.find(tx_hash)
        seen = None if record is None else record.back_to(where.head.height)
        for receipt in () if seen is None else seen.receipts:
            if receipt["receipt_id"] == receipt_id:
                return dict(receipt)
        raise unknown_receipt(receipt_id)

    async def light_client_proof(self, params: object, where: Vantage) -> Json:
        """`EXPERIMENTAL_light_client_proof {type: receipt, receipt_id, receiver_id, light_client_head}` -> the outcome
        of a receipt. There are no validators whose signatures a proof could lead to: its paths are empty."""
        given = named(params)
        if given.get("type") != "receipt":
            raise parse_error("Failed parsing args: type is receipt on this node")
        receipt_id, _ = text(given, "receipt_id"), text(given, "receiver_id")
        head = self._views.reference({"block_id": text(given, "light_client_head")}, where)
        tx_hash = self._chain.index.transaction_of.get(receipt_id)
        record = None if tx_hash is None else await self._chain.find(tx_hash)
        seen = None if record is None else record.back_to(where.head.height)
        for outcome in () if seen is None else seen.outcomes:
            if outcome["id"] == receipt_id:
                block = self._chain.block_of(outcome["block_hash"])
                if block is None or block.height > head.height:
                    raise handler_error(
                        "NOT_CONFIRMED", {"transaction_or_receipt_id": receipt_id}, "not confirmed"
                    )
                return {
                    "outcome_proof": {**outcome, "proof": []}, "outcome_root_proof": [], "block_proof": [],
                    "block_header_lite": {"prev_block_hash": block.prev_hash},
                }  # fmt: skip
        raise handler_error(
            "UNKNOWN_TRANSACTION_OR_RECEIPT", {"transaction_or_receipt_id": receipt_id}, "does not exist"
        )

    async def changes_in_block(self, params: object, where: Vantage) -> Json:
        """`EXPERIMENTAL_changes_in_block {block reference}` -> accounts whose contract storage changed."""
        block = self._views.reference(named(params), where)
        touched = dict.fromkeys(key.split("|")[1] for key in self._written(block))
        changes = [{"type": "data_touched", "account_id": account_id} for account_id in touched]
        return {"block_hash": block.hash, "changes": changes}

    async def changes(self, params: object, where: Vantage) -> Json:
        """`EXPERIMENTAL_changes {changes_type: data_changes, account_ids, key_prefix_base64, block reference}`."""
        given = named(params)
        if given.get("changes_type") != "data_changes":
            raise parse_error("Failed parsing args: changes_type is data_changes on this node")
        accounts = given.get("account_ids")
        if not isinstance(accounts, list) or len(accounts) > MOST_ACCOUNTS:
            raise parse_error(f"Failed parsing args: account_ids is a list of at most {MOST_ACCOUNTS}")
        try:
            prefix = base64.b64decode(text(given, "key_prefix_base64"), validate=True).decode()
        except (binascii.Error, UnicodeDecodeError):
            raise parse_error("Failed parsing args: key_prefix_base64 is not base64 of text") from None
        block = self._views.reference(given, where)
        written, state = self._written(block), self._chain.state.at(block.height)
        changes: list[Json] = []
        for key, receipt_id in written.items():
            _, account_id, name = key.split("|", 2)
            if account_id not in accounts or not name.startswith(prefix):
                continue
            value = state.get(key)
            change = {"account_id": account_id, "key_base64": base64.b64encode(name.encode()).decode()}
            if value is not None:
                change["value_base64"] = base64.b64encode(value).decode()
            changes.append({
                "cause": {"type": "receipt_processing", "receipt_hash": receipt_id},
                "type": "data_deletion" if value is None else "data_update",
                "change": change,
            })  # fmt: skip
        return {"block_hash": block.hash, "changes": changes}

    def _written(self, block: Block) -> Any:
        written = self._chain.index.written.get(block.height)
        if written is None:
            info = {"block_height": block.height, "block_hash": block.hash}
            raise handler_error(
                "GARBAGE_COLLECTED_BLOCK", info, "the changes of that block are no longer kept"
            )
        return written

    async def whole_at(self, params: object, where: Vantage) -> Json | None:
        """`{height, finality}` -> that block in the form neardata servers give it; None if there is no such block.

        A block that is due within `AHEAD` blocks is waited for.
        """
        given = named(params)
        height, optimistic = given["height"], given["finality"] == "optimistic"

        def newest() -> int:
            head = where.head.height
            return head if optimistic else self._chain.final_from(head)

        try:
            async with asyncio.timeout(self._timeout):
                while newest() < height <= newest() + AHEAD:
                    tick = self._chain.tick()
                    if newest() < height:
                        await asyncio.shield(tick)
        except TimeoutError:
            return None
        block = self._chain.block_at(height)
        return None if block is None or height > newest() else await self._whole(block)

    async def _whole(self, block: Block) -> Json:
        outcomes = await self._outcomes(block)
        included, ran = len(self._in(block).transactions), []
        transactions = []
        for number, (tx_hash, outcome) in enumerate(outcomes):
            record = await self._record(tx_hash)
            if number < included:
                executed = {"execution_outcome": outcome, "receipt": record.receipts[0]}
                transactions.append({"transaction": record.view, "outcome": executed})
            else:
                (receipt,) = (one for one in record.receipts if one["receipt_id"] == outcome["id"])
                ran.append({"execution_outcome": outcome, "receipt": receipt, "tx_hash": tx_hash})
        chunk = {
            "author": "node0", "header": chunk_header(block, self._chain.rules.gas_price),
            "transactions": transactions, "receipts": await self._arrived(block),
        }  # fmt: skip
        shard = {"shard_id": 0, "chunk": chunk, "receipt_execution_outcomes": ran, "state_changes": []}
        return {"block": self._views.shown(block), "shards": [shard]}
