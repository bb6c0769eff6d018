"""Sending transactions and asking after them."""

import asyncio
from typing import Any, Final

from services.devnet.faults import Faults
from services.devnet.node import transaction
from services.devnet.node.borsh import BorshError
from services.devnet.node.chain import Chain, PoolFull
from services.devnet.node.records import SATISFIES, Level
from services.devnet.node.transaction import SignedTransaction
from services.devnet.node.validate import InvalidTransaction, unsupported
from services.devnet.rpc.errors import (
    RpcError,
    handler_error,
    invalid_transaction,
    parse_error,
    timeout_error,
    unknown_transaction,
)  # fmt: skip
from services.devnet.rpc.params import blob, named, text, tx_hash

DEFAULT_LEVEL: Final = Level.EXECUTED_OPTIMISTIC
Json = dict[str, Any]


def _level(params: Json) -> Level:
    wanted = params.get("wait_until")
    if wanted is None:
        return DEFAULT_LEVEL
    if not isinstance(wanted, str) or wanted not in Level.__members__:
        raise parse_error(f"Failed parsing args: wait_until is one of {', '.join(Level.__members__)}")
    return Level[wanted]


def decode(data: bytes) -> SignedTransaction:
    """Raises RpcError: PARSE_ERROR for what is no transaction, INVALID_TRANSACTION for one not run here."""
    try:
        return transaction.decode(data)
    except BorshError as error:
        raise parse_error(f"Failed parsing args: Failed to decode transaction: {error}") from None
    except transaction.UnsupportedVersion:
        raise invalid_transaction("InvalidTransactionVersion") from None
    except transaction.Unsupported as error:
        raise invalid_transaction(unsupported(error.feature).error) from None


class Transactions:
    """`timeout` in seconds: how long a caller is kept waiting for the level asked for."""

    def __init__(self, chain: Chain, faults: Faults, timeout: float) -> None:
        self._chain = chain
        self._faults = faults
        self._timeout = timeout

    async def send_tx(self, params: object) -> Json:
        """`{signed_tx_base64, wait_until?}` or `[base64]`."""
        if isinstance(params, list) and len(params) == 1:
            params = {"signed_tx_base64": params[0]}
        given = named(params)
        level = _level(given)
        tx = decode(blob(given.get("signed_tx_base64"), "signed_tx_base64"))
        await self._submit(tx)
        if self._faults.take("timeout_send_next"):
            raise timeout_error()
        if level is Level.NONE:
            return {"final_execution_status": Level.NONE.name}
        return await self._wait(tx.hash, level, receipts=False)

    async def broadcast_tx_async(self, params: object) -> str:
        tx = decode(self._single(params))
        await self._submit(tx)
        return tx.hash

    async def broadcast_tx_commit(self, params: object) -> Json:
        tx = decode(self._single(params))
        await self._submit(tx)
        if self._faults.take("timeout_send_next"):
            raise timeout_error()
        return await self._wait(tx.hash, Level.EXECUTED_OPTIMISTIC, receipts=False)

    def _single(self, params: object) -> bytes:
        if isinstance(params, list) and len(params) == 1:
            return blob(params[0], "signed_tx_base64")
        return blob(named(params).get("signed_tx_base64"), "signed_tx_base64")

    async def _submit(self, tx: SignedTransaction) -> None:
        try:
            await self._chain.submit(tx)
        except InvalidTransaction as invalid:
            raise invalid_transaction(invalid.error) from None
        except PoolFull:
            info = {"debug_info": "transaction pool is full"}
            raise handler_error("REQUEST_ROUTED", info, "transaction pool is full") from None

    async def tx(self, params: object) -> Json:
        return await self._status(params, receipts=False)

    async def tx_status(self, params: object) -> Json:
        """EXPERIMENTAL_tx_status: the same with `receipts`."""
        return await self._status(params, receipts=True)

    async def _status(self, params: object, *, receipts: bool) -> Json:
        """`{tx_hash, sender_account_id, wait_until?}`, `[hash, account]` or `{signed_tx_base64, …}`."""
        if isinstance(params, list) and len(params) == 2:
            params = {"tx_hash": params[0], "sender_account_id": params[1]}
        given = named(params)
        level = _level(given)
        if "signed_tx_base64" in given:
            wanted = decode(blob(given["signed_tx_base64"], "signed_tx_base64")).hash
        else:
            wanted = tx_hash(given.get("tx_hash"))
            text(given, "sender_account_id")
        return await self._wait(wanted, level, receipts=receipts)

    async def _wait(self, wanted: str, level: Level, *, receipts: bool) -> Json:
        try:
            async with asyncio.timeout(self._timeout):
                while True:
                    tick = self._chain.tick()
                    answer = await self._look(wanted, level, receipts=receipts)
                    if answer is not None:
                        return answer
                    await asyncio.shield(tick)
        except TimeoutError:
            raise timeout_error() from None

    async def _look(self, wanted: str, level: Level, *, receipts: bool) -> Json | None:
        """The answer if `level` is reached, None if it is still to come. Raises RpcError."""
        record = await self._chain.find(wanted)
        head = self._chain.behind(self._faults.value("lag_blocks")).height
        seen = None if record is None else record.seen_from(head)
        if seen is None:
            if record is not None or self._chain.in_pool(wanted):
                return {"final_execution_status": Level.NONE.name} if level is Level.NONE else None
            raise self._unknown(wanted)
        reached = seen.level(self._chain.final_from(head))
        return seen.result(reached, receipts=receipts) if reached in SATISFIES[level] else None

    def _unknown(self, wanted: str) -> RpcError:
        refusal = self._chain.refusal(wanted)
        return unknown_transaction(wanted) if refusal is None else invalid_transaction(refusal.error)
