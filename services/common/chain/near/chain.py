"""The Chain port over a NEAR node."""

import asyncio
import base64
import json
import re
from collections import OrderedDict
from collections.abc import Awaitable, Mapping, Sequence
from typing import Any, Final, TypeVar

from services.common.chain.near import outcome as outcomes
from services.common.chain.near.borsh import CallTransaction, digest, signed
from services.common.chain.near.errors import (
    Advice,
    NearError,
    advice,
    broadcast_result,
    invalid_transaction_kind,
    panic_of,
)
from services.common.chain.near.transport import Transport
from services.common.chain.port import (
    AccessKey,
    Broadcast,
    BroadcastResult,
    ChainIntent,
    FunctionCall,
    Signer,
    TxOutcome,
    TxState,
)
from services.common.domain.intent import SignedData, SignedTransaction
from services.common.domain.signedjson import signed_to_json
from services.common.domain.strictjson import StrictJsonError, loads
from services.common.domain.views import (
    BalanceOf,
    ChainView,
    CurrentSalt,
    HasPublicKey,
    IsNonceUsed,
    IsRegistered,
    IsValidSalt,
    Simulation,
    ViewAnswer,
)
from services.common.encoding import b58encode, b64encode
from services.common.errors import IntentError, Reason, unavailable

MAX_VIEW: Final = 64 * 1024
"""Bytes of a view's answer."""
WAIT_FINAL: Final = 20.0
"""Seconds a node may hold an answer; nearcore itself gives up after about 10."""
CONCURRENT_VIEWS: Final = 32
_SALT: Final = re.compile(r"[0-9a-fA-F]{8}", re.ASCII)
_UNITS: Final = re.compile(r"0|[1-9][0-9]{0,38}", re.ASCII)
_KNOWN_BLOCKS: Final = 1024

T = TypeVar("T")


class NearChain:
    """`verifier_id` is the contract whose views are asked."""

    def __init__(self, transport: Transport, verifier_id: str) -> None:
        self._transport = transport
        self._verifier_id = verifier_id
        self._network = ""
        self._heights: OrderedDict[str, int] = OrderedDict()
        self._gate = asyncio.Semaphore(CONCURRENT_VIEWS)

    async def network(self) -> str:
        if not self._network:
            status = await self._ask("status", [])
            self._network = str(_of(status, "chain_id"))
        return self._network

    async def views(self, asked: Sequence[ChainView]) -> Sequence[ViewAnswer | IntentError]:
        return await _gather([self._view(view) for view in asked])

    async def intents(self, intent_ids: Sequence[str]) -> Sequence[ChainIntent | IntentError]:
        # one block for all, so that status and kept intent of each hold at the same moment
        header = _of(await self._ask("block", {"finality": "final"}), "header")
        return await _gather([self._intent(intent_id, header) for intent_id in intent_ids])

    async def access_key(self, account_id: str, public_key: str) -> AccessKey:
        params = {
            "request_type": "view_access_key", "finality": "final", "account_id": account_id, "public_key": public_key
        }  # fmt: skip
        try:
            answer = await self._transport.call("query", params)
        except NearError as error:
            if error.cause in ("UNKNOWN_ACCESS_KEY", "UNKNOWN_ACCOUNT"):
                raise IntentError(
                    Reason.PERMISSION_DENIED, f"{account_id} has no access key {public_key} on chain."
                ) from None
            raise _no_answer(error) from None
        return AccessKey(
            nonce=int(_of(answer, "nonce")),
            block_hash=str(_of(answer, "block_hash")),
            block_height=int(_of(answer, "block_height")),
        )

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
            block_hash=anchor.block_hash, method=call.method, args=_args(call.args), gas=call.gas, deposit=call.deposit,
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
        if isinstance(answer, TxState):
            return TxOutcome(state=answer)
        try:
            found = outcomes.read(answer)
            if found.state is TxState.PENDING:
                return found
            blocks = {str(outcome["block_hash"]) for outcome in outcomes.all_outcomes(answer)}
            return outcomes.read(answer, height=max([await self._height(block) for block in blocks]))
        except (KeyError, TypeError, ValueError):
            raise unavailable("chain node") from None

    async def _status(
        self, tx_hash: str, sender_id: str, wait_until: str, timeout: float = 5.0
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
            raise _no_answer(error) from None
        except IntentError as error:
            if error.reason is Reason.DEADLINE_EXCEEDED and wait_until == "FINAL":
                return TxState.PENDING
            raise
        # a transaction known but in no block has no outcomes yet
        known = isinstance(answer, Mapping) and "transaction_outcome" in answer and "status" in answer
        return answer if known else TxState.PENDING

    async def _height(self, block_hash: str) -> int:
        known = self._heights.get(block_hash)
        if known is None:
            header = _of(await self._ask("block", {"block_id": block_hash}), "header")
            known = self._remember(header)
        return known

    def _remember(self, header: Mapping[str, Any]) -> int:
        height = int(_of(header, "height"))
        self._heights[str(_of(header, "hash"))] = height
        while len(self._heights) > _KNOWN_BLOCKS:
            self._heights.popitem(last=False)
        return height

    async def _intent(self, intent_id: str, header: Mapping[str, Any]) -> ChainIntent:
        height, block = self._remember(header), {"block_id": str(_of(header, "hash"))}
        stamp = header.get("timestamp_nanosec", header.get("timestamp"))
        args = {"intent_id": intent_id}
        status, _ = await self._call_view("get_intent_status", args, block)
        kept = None
        if status is not None:
            kept, _ = await self._call_view("get_intent", args, block)
        return ChainIntent(
            status=None if status is None else str(status),
            kept=kept if isinstance(kept, Mapping) else None,
            block_height=height,
            block_timestamp_ns=int(str(stamp)),
        )

    async def _view(self, view: ChainView) -> ViewAnswer:
        method, args = "current_salt", dict[str, Any]()
        match view:
            case HasPublicKey(account_id, public_key):
                method, args = "has_public_key", {"account_id": account_id, "public_key": public_key}
            case IsNonceUsed(account_id, nonce):
                method, args = "is_nonce_used", {"account_id": account_id, "nonce": b64encode(nonce)}
            case IsValidSalt(salt):
                method, args = "is_valid_salt", {"salt": salt.hex()}
            case BalanceOf(account_id, token):
                method, args = "mt_balance_of", {"account_id": account_id, "token_id": token}
            case IsRegistered(contract_id, account_id):
                return await self._registered(contract_id, account_id)
            case Simulation(signed):
                return await self._simulated(signed)
        value, height = await self._call_view(method, args, {"finality": "final"})
        answer = _answer(view, value)
        if answer is None:
            raise unavailable("chain node")
        return ViewAnswer(value=answer, block_height=height)

    async def _registered(self, contract_id: str, account_id: str) -> ViewAnswer:
        at = {"finality": "final"}
        try:
            value, height = await self._call_view(
                "storage_balance_of", {"account_id": account_id}, at, contract_id=contract_id
            )
        except IntentError as error:
            # nothing can be sent by a contract that is not there; one without this view says nothing by that
            if error.metadata.get("cause") not in ("UNKNOWN_ACCOUNT", "NO_CONTRACT_CODE"):
                raise
            return ViewAnswer(value=False, block_height=0)
        if value is not None and not isinstance(value, Mapping):
            raise unavailable("chain node")
        return ViewAnswer(value=value is not None, block_height=height)

    async def _simulated(self, signed: SignedData) -> ViewAnswer:
        params = _call_params(
            self._verifier_id, "simulate_intents", {"signed": [signed_to_json(signed)]}, {"finality": "final"}
        )
        try:
            async with self._gate:
                answer = await self._question("query", params)
        except NearError as error:
            # a contract that lacks the method has said nothing of the message
            words = panic_of(error)
            if words is None:
                raise _no_answer(error) from None
            return ViewAnswer(value=words, block_height=0)
        return ViewAnswer(value="", block_height=int(_of(answer, "block_height")))

    async def _call_view(
        self, method: str, args: Mapping[str, Any], at: Mapping[str, Any], *, contract_id: str = ""
    ) -> tuple[Any, int]:
        params = _call_params(contract_id or self._verifier_id, method, args, at)
        async with self._gate:
            answer = await self._ask("query", params)
        raw = bytes(_of(answer, "result"))
        try:
            value = loads(raw, max_bytes=MAX_VIEW) if raw else None
        except StrictJsonError:
            raise unavailable("chain node") from None
        return value, int(_of(answer, "block_height"))

    async def _ask(self, method: str, params: object) -> Any:
        """A question whose only good answer is a result."""
        try:
            return await self._question(method, params)
        except NearError as error:
            raise _no_answer(error) from None

    async def _question(self, method: str, params: object) -> Any:
        """Asked once more where another try may answer. Raises NearError."""
        for attempt in (1, 2):
            try:
                return await self._transport.call(method, params)
            except NearError as error:
                if attempt == 2 or advice(error) is not Advice.RETRY_NOW:
                    raise
        raise AssertionError("unreachable")


def _answer(view: ChainView, value: object) -> bool | bytes | int | None:
    """What a contract's return value says to a view; None if it is not of the view's kind."""
    match view:
        case CurrentSalt():
            return bytes.fromhex(value) if isinstance(value, str) and _SALT.fullmatch(value) else None
        case BalanceOf():
            return int(value) if isinstance(value, str) and _UNITS.fullmatch(value) else None
        case _:
            return value if isinstance(value, bool) else None


def _call_params(
    contract_id: str, method: str, args: Mapping[str, Any], at: Mapping[str, Any]
) -> Mapping[str, Any]:
    return {
        "request_type": "call_function", **at, "account_id": contract_id, "method_name": method,
        "args_base64": base64.b64encode(_args(args)).decode(),
    }  # fmt: skip


def _args(args: Mapping[str, Any]) -> bytes:
    return json.dumps(args, separators=(",", ":"), ensure_ascii=False).encode()


def _of(answer: object, key: str) -> Any:
    if not isinstance(answer, Mapping) or key not in answer:
        raise unavailable("chain node")
    return answer[key]


def _no_answer(error: NearError) -> IntentError:
    """A node's refusal to answer a question, as the port tells it: the chain could not be asked."""
    reason = Reason.DEADLINE_EXCEEDED if error.cause == "TIMEOUT_ERROR" else Reason.DEPENDENCY_UNAVAILABLE
    kind = error.cause or error.name or invalid_transaction_kind(error)
    metadata = {"dependency": "chain", "cause": kind[:100]}
    return IntentError(reason, "The chain node could not answer.", metadata=metadata, retry_after=1.0)


async def _gather(asked: Sequence[Awaitable[T]]) -> list[T | IntentError]:
    """All answers in order; an IntentError stands in its item's place, anything else is raised."""
    answers: list[T | IntentError] = []
    for answer in await asyncio.gather(*asked, return_exceptions=True):
        if isinstance(answer, BaseException) and not isinstance(answer, IntentError):
            raise answer
        answers.append(answer)
    return answers
