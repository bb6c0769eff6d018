"""Sending transactions and asking after them."""

import asyncio
import contextlib
from typing import Any, Final

from services.common.clock import Clock
from services.devnet.actors import ActorError, Actors
from services.devnet.node import transaction
from services.devnet.node.borsh import BorshError
from services.devnet.node.chain import Chain, PoolFull
from services.devnet.node.records import SATISFIES, Level
from services.devnet.node.transaction import SignedTransaction
from services.devnet.node.validate import InvalidTransaction, unsupported
from services.devnet.rpc.errors import (
    handler_error,
    invalid_transaction,
    parse_error,
    timeout_error,
    unknown_transaction,
)  # fmt: skip
from services.devnet.rpc.params import blob, named, text, tx_hash
from services.devnet.rpc.vantage import Vantage

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

    def __init__(self, chain: Chain, actors: Actors, clock: Clock, timeout: float) -> None:
        self._chain = chain
        self._actors = actors
        self._clock = clock
        self._timeout = timeout

    async def send_tx(self, params: object, where: Vantage) -> Json:
        """`{signed_tx_base64, wait_until?}` or `[base64]`."""
        if isinstance(params, list) and len(params) == 1:
            params = {"signed_tx_base64": params[0]}
        given = named(params)
        level = _level(given)
        tx = decode(blob(given.get("signed_tx_base64"), "signed_tx_base64"))
        await self._submit(tx, where, waits=level is not Level.NONE)
        if level is Level.NONE:
            return {"final_execution_status": Level.NONE.name}
        return await self._wait(tx.hash, level, where, sent=True)

    async def broadcast_tx_async(self, params: object, where: Vantage) -> str:
        tx = decode(self._single(params))
        await self._submit(tx, where, waits=False)
        return tx.hash

    async def broadcast_tx_commit(self, params: object, where: Vantage) -> Json:
        tx = decode(self._single(params))
        await self._submit(tx, where)
        return await self._wait(tx.hash, Level.EXECUTED_OPTIMISTIC, where, sent=True)

    def _single(self, params: object) -> bytes:
        if isinstance(params, list) and len(params) == 1:
            return blob(params[0], "signed_tx_base64")
        return blob(named(params).get("signed_tx_base64"), "signed_tx_base64")

    async def _submit(self, tx: SignedTransaction, where: Vantage, *, waits: bool = True) -> None:
        unchecked = not waits and where.strikes("unchecked") is not None
        try:
            await self._take(tx, where)
        except InvalidTransaction as invalid:
            if unchecked:
                return
            raise invalid_transaction(invalid.error) from None
        except PoolFull:
            if unchecked:
                return
            info = {"debug_info": "transaction pool is full"}
            raise handler_error("REQUEST_ROUTED", info, "transaction pool is full") from None
        slow = where.strikes("timeout")
        if slow is not None:
            await self._clock.sleep(slow.number("ms") / 1000)
            raise timeout_error()

    async def _take(self, tx: SignedTransaction, where: Vantage) -> None:
        """Into the pool, unless it is known or a fault is in the way."""
        if await self._chain.find(tx.hash) is not None:
            if where.forgets():
                # As in nearcore: only a node that knows the transaction excuses its nonce.
                self._chain.check(tx)
            return
        if where.strikes("expire", at="send") is not None:
            raise InvalidTransaction("Expired")
        if not self._chain.in_pool(tx.hash) and where.strikes("lose_transaction") is not None:
            self._chain.check(tx)
            return
        rival = None if self._chain.in_pool(tx.hash) else where.strikes("rival")
        await self._chain.submit(tx)
        if rival is not None:
            with contextlib.suppress(ActorError, InvalidTransaction, PoolFull):
                await self._actors.repeat(tx, rival.text("by"))

    async def tx(self, params: object, where: Vantage) -> Json:
        return await self._status(params, where, receipts=False)

    async def tx_status(self, params: object, where: Vantage) -> Json:
        """EXPERIMENTAL_tx_status: the same with `receipts`."""
        return await self._status(params, where, receipts=True)

    async def _status(self, params: object, where: Vantage, *, receipts: bool) -> Json:
        """`{tx_hash, sender_account_id, wait_until?}`, `[hash, account]` or `{signed_tx_base64, …}`."""
        if isinstance(params, list) and len(params) == 2:
            params = {"tx_hash": params[0], "sender_account_id": params[1]}
        given = named(params)
        level = _level(given)
        sent = "signed_tx_base64" in given
        if sent:
            wanted = decode(blob(given["signed_tx_base64"], "signed_tx_base64")).hash
        else:
            wanted = tx_hash(given.get("tx_hash"))
            text(given, "sender_account_id")
        return await self._wait(wanted, level, where, sent=sent, receipts=receipts)

    async def _wait(
        self, wanted: str, level: Level, where: Vantage, *, sent: bool, receipts: bool = False
    ) -> Json:
        """The answer once `level` is reached. With the bytes at hand (`sent`) a transaction that is unknown may
        still come; by its hash alone it is UNKNOWN_TRANSACTION at once."""
        try:
            async with asyncio.timeout(self._timeout):
                while True:
                    tick = self._chain.tick()
                    answer = await self._look(wanted, level, where, sent=sent, receipts=receipts)
                    if answer is not None:
                        return answer
                    await asyncio.shield(tick)
        except TimeoutError:
            raise timeout_error() from None

    async def _look(
        self, wanted: str, level: Level, where: Vantage, *, sent: bool, receipts: bool
    ) -> Json | None:
        """The answer if `level` is reached, None if it is still to come. Raises RpcError."""
        record = await self._chain.find(wanted)
        if record is not None and where.forgets():
            record = None
        head = where.head.height
        seen = None if record is None else record.seen_from(head)
        if seen is None:
            if record is not None or self._chain.in_pool(wanted):
                return {"final_execution_status": Level.NONE.name} if level is Level.NONE else None
            refusal = self._chain.refusal(wanted)
            if refusal is not None:
                raise invalid_transaction(refusal.error)
            if sent and level is not Level.NONE:
                return None
            raise unknown_transaction(wanted)
        reached = seen.level(self._chain.final_from(head))
        return seen.result(reached, receipts=receipts) if reached in SATISFIES[level] else None
