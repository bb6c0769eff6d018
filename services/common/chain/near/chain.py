"""The Chain port over one NEAR node."""

from collections.abc import Mapping, Sequence
from typing import Any, Final

from services.common.chain.near import outcome as outcomes
from services.common.chain.near import views
from services.common.chain.near.borsh import CallTransaction, digest, signed
from services.common.chain.near.errors import NearError, broadcast_result
from services.common.chain.near.following import Following
from services.common.chain.near.kept import Kept
from services.common.chain.near.questions import (
    MAX_HEIGHT,
    Questions,
    answered,
    arguments_of,
    name_of,
    no_answer,
    number_of,
)
from services.common.chain.near.transport import DEFAULT_TIMEOUT, Transport
from services.common.chain.port import (
    AccessKey,
    Balance,
    Block,
    Broadcast,
    BroadcastResult,
    ChainIntent,
    Followed,
    FunctionCall,
    Signer,
    TxOutcome,
    TxState,
)
from services.common.domain.intent import SignedTransaction
from services.common.domain.views import ChainView, ViewAnswer
from services.common.encoding import b58encode, b64encode
from services.common.errors import IntentError, Reason, unavailable

WAIT_FINAL: Final = 20.0
"""Seconds a node may hold an answer; nearcore itself gives up after about 10."""
STORAGE_PRICE: Final = 10**19
"""yoctoNEAR that an account must keep for each byte it uses (nearcore, `storage_amount_per_byte`)."""
NONCES_A_BLOCK: Final = 1_000_000
"""A key's nonce stays below this times the height of the next block (nearcore, ACCESS_KEY_NONCE_RANGE_MULTIPLIER)."""
_MAX_U64: Final = 2**64 - 1
_MAX_U128: Final = 2**128 - 1


class NearChain:
    """`verifier_id` is the contract whose views are asked."""

    def __init__(self, transport: Transport, verifier_id: str) -> None:
        self._transport = transport
        self._node = Questions(transport)
        self._verifier_id = verifier_id
        self._following = Following(self._node, verifier_id)
        self._kept = Kept(self._node, verifier_id)
        self._network = ""

    async def network(self) -> str:
        if not self._network:
            self._network = name_of(await self._node.ask("status", []), "chain_id")
        return self._network

    async def block(self, at: int | str | None = None) -> Block | None:
        return await (self._node.final_block() if at is None else self._node.block(at))

    async def views(self, asked: Sequence[ChainView]) -> Sequence[ViewAnswer | IntentError]:
        if not asked:
            return []
        # one block for all, so that the answers belong together; a lone one needs no second call for that
        at = await self._node.final_block() if len(asked) > 1 else None
        return await answered([views.ask(self._node, self._verifier_id, view, at) for view in asked])

    async def intents(self, intent_ids: Sequence[str]) -> Sequence[ChainIntent | IntentError]:
        # one block for all, so that status and kept intent of each hold at the same moment
        at = await self._node.final_block()
        return await self._kept.at(intent_ids, at)

    async def changes(self, after: int, limit: int, *, but_of: frozenset[str] = frozenset()) -> Followed:
        return await self._following.changes(after, limit, but_of=but_of)

    async def access_key(self, account_id: str, public_key: str) -> AccessKey:
        answer = await self._account_query("view_access_key", account_id, public_key=public_key)
        height = number_of(answer, "block_height", MAX_HEIGHT)
        return AccessKey(
            # no chain lets a nonce get beyond this: one taken for true would use up all that are left
            nonce=number_of(answer, "nonce", min((height + 1) * NONCES_A_BLOCK, _MAX_U64)),
            block_hash=name_of(answer, "block_hash"),
            block_height=height,
        )

    async def balance(self, account_id: str) -> Balance:
        answer = await self._account_query("view_account", account_id)
        total, locked = number_of(answer, "amount", _MAX_U128), number_of(answer, "locked", _MAX_U128)
        kept = max(number_of(answer, "storage_usage", _MAX_U64) * STORAGE_PRICE - locked, 0)
        return Balance(
            total=total,
            spendable=max(total - kept, 0),
            block_height=number_of(answer, "block_height", MAX_HEIGHT),
        )

    async def gas_price(self) -> int:
        return number_of(await self._node.ask("gas_price", [None]), "gas_price", _MAX_U128)

    def prepare(
        self,
        call: FunctionCall,
        signer: Signer,
        *,
        nonce: int,
        anchor: AccessKey,
        purpose: str,
        solver_id: str = "",
    ) -> SignedTransaction:
        if not self._network:
            raise RuntimeError("network() is asked once before anything is signed")
        unsigned = CallTransaction(
            signer_id=signer.account_id, public_key=signer.public_key, nonce=nonce, receiver_id=call.receiver_id,
            block_hash=anchor.block_hash, method=call.method, args=arguments_of(call.args), gas=call.gas,
            deposit=call.deposit,
        ).encode()  # fmt: skip
        hashed = digest(unsigned)
        return SignedTransaction(
            purpose=purpose, hash=b58encode(hashed), signed_bytes=signed(unsigned, signer.sign(hashed)),
            signer_id=signer.account_id, public_key=signer.public_key, nonce=nonce, block_hash=anchor.block_hash,
            block_height=anchor.block_height, chain=self._network, solver_id=solver_id,
        )  # fmt: skip

    async def broadcast(self, signed_bytes: bytes) -> Broadcast:
        # NONE: what becomes of the bytes is asked by hash, so nothing is gained by holding the lane meanwhile
        params = {"signed_tx_base64": b64encode(signed_bytes), "wait_until": "NONE"}
        try:
            await self._transport.call("send_tx", params)
        except NearError as error:
            return Broadcast(result=broadcast_result(error), detail=str(error))
        except IntentError as error:
            return Broadcast(result=BroadcastResult.UNKNOWN, detail=error.message)
        return Broadcast(result=BroadcastResult.ACCEPTED)

    async def outcome(self, tx_hash: str, sender_id: str, *, wait_final: bool = False) -> TxOutcome:
        answer = None
        if wait_final:
            answer = await self._status(tx_hash, sender_id, "FINAL", WAIT_FINAL)
        if not isinstance(answer, Mapping):
            answer = await self._status(tx_hash, sender_id, "NONE")
        if answer is TxState.UNKNOWN and not wait_final:
            # asked again after a final block was seen: what this node does not know now is in no block up to it
            at = await self._node.final_block()
            answer = await self._status(tx_hash, sender_id, "NONE")
            if answer is TxState.UNKNOWN:
                return TxOutcome(state=TxState.UNKNOWN, block_height=at.height)
        if isinstance(answer, TxState):
            return TxOutcome(state=answer)
        try:
            found = outcomes.read(answer, tx_hash)
            if found.state is TxState.PENDING:
                return found
            blocks = outcomes.blocks_of(answer, tx_hash)
            return outcomes.read(
                answer, tx_hash, height=max([await self._node.height(one) for one in blocks])
            )
        except (KeyError, TypeError, ValueError, AttributeError):
            raise unavailable("chain node") from None

    async def _status(
        self, tx_hash: str, sender_id: str, wait_until: str, timeout: float = DEFAULT_TIMEOUT
    ) -> Mapping[str, Any] | TxState:
        """The answer, UNKNOWN where the node doesn't know the hash, PENDING where it cannot tell yet."""
        params = {"tx_hash": tx_hash, "sender_account_id": sender_id, "wait_until": wait_until}
        try:
            answer = await self._transport.call("EXPERIMENTAL_tx_status", params, timeout=timeout)
        except NearError as error:
            # a node that refused it at its pool says so here; both prove nothing by themselves
            if error.cause in ("UNKNOWN_TRANSACTION", "INVALID_TRANSACTION"):
                return TxState.UNKNOWN
            if error.cause in ("TIMEOUT_ERROR", "REQUEST_ROUTED"):
                return TxState.PENDING
            raise no_answer(error) from None
        except IntentError as error:
            if error.reason is Reason.DEADLINE_EXCEEDED and wait_until == "FINAL":
                return TxState.PENDING
            raise
        # a transaction known but in no block has no outcomes yet
        known = isinstance(answer, Mapping) and "transaction_outcome" in answer and "status" in answer
        return answer if known else TxState.PENDING

    async def _account_query(self, kind: str, account_id: str, **more: str) -> Any:
        params = {"request_type": kind, "finality": "final", "account_id": account_id, **more}
        try:
            return await self._node.question("query", params)
        except NearError as error:
            if error.cause in ("UNKNOWN_ACCESS_KEY", "UNKNOWN_ACCOUNT"):
                what = f"no access key {more['public_key']} on chain" if more else "no account on chain"
                height = error.info.get("block_height")
                told = type(height) is int and 0 <= height <= MAX_HEIGHT
                known = {"block_height": str(height)} if told else {}
                raise IntentError(
                    Reason.PERMISSION_DENIED, f"{account_id} has {what}.", metadata=known
                ) from None
            raise no_answer(error) from None
