"""What a NEAR node's errors mean for whoever asked. A table; what it does not hold is unknown, never failed.

Sources (nearcore 2.10): `chain/jsonrpc-primitives/src/errors.rs` and `src/types/{query,blocks,transactions}.rs` (names
and causes), `core/primitives/src/errors.rs` (InvalidTxError, InvalidAccessKeyError, ActionsValidationError,
ActionErrorKind, FunctionCallError, CompilationError, MethodResolveError). Names of later versions are there as far as
its published API description has them.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, Final

from services.common.chain.port import BroadcastResult, Failure

PANIC_TEXT: Final = 240
_PANIC: Final = re.compile(r"""panic_msg: (["'])(.*)\1""", re.DOTALL)
_MAX_DEPTH: Final = 12
"""Levels of a node's JSON that are looked through."""


class Advice(StrEnum):
    """What to do about an error."""

    RETRY_NOW = "retry_now"  # another try, or another node, may answer at once
    RETRY_LATER = "retry_later"  # the same question again after a pause
    LOOK_UP = "look_up"  # ask for the transaction by its hash: it may be on chain
    RE_SIGN = "re_sign"  # these bytes are never taken; prove them dead, then sign anew
    FINAL = "final"  # the answer is no, and asking again does not change it
    UNKNOWN = "unknown"  # nothing is known of what happened


@dataclass(eq=False)
class NearError(Exception):
    """`{"error": {name, cause: {name, info}, code, data, message}}` of a node."""

    name: str
    cause: str = ""
    info: Mapping[str, Any] = field(default_factory=dict)
    message: str = ""
    data: Any = None

    def __str__(self) -> str:
        kind = invalid_transaction_kind(self)
        words = self.data if isinstance(self.data, str) and self.data else self.message
        return " ".join(part for part in (self.name, self.cause, kind, words) if part)[:500]


HANDLER: Final[Mapping[str, Advice]] = {
    "UNKNOWN_BLOCK": Advice.RETRY_NOW,  # a node behind the one that named the block
    "GARBAGE_COLLECTED_BLOCK": Advice.RETRY_NOW,
    "INVALID_ACCOUNT": Advice.FINAL,
    "UNKNOWN_ACCOUNT": Advice.FINAL,
    "UNKNOWN_ACCESS_KEY": Advice.FINAL,
    "UNKNOWN_GAS_KEY": Advice.FINAL,
    "UNAVAILABLE_SHARD": Advice.RETRY_LATER,
    "NO_SYNCED_BLOCKS": Advice.RETRY_LATER,
    "NOT_SYNCED_YET": Advice.RETRY_LATER,
    "NO_CONTRACT_CODE": Advice.FINAL,
    "NO_GLOBAL_CONTRACT_CODE": Advice.FINAL,
    "TOO_LARGE_CONTRACT_STATE": Advice.FINAL,
    "CONTRACT_EXECUTION_ERROR": Advice.FINAL,
    "INVALID_TRANSACTION": Advice.UNKNOWN,  # its kind says more: INVALID_TRANSACTION below
    "UNKNOWN_TRANSACTION": Advice.LOOK_UP,
    "DOES_NOT_TRACK_SHARD": Advice.RETRY_LATER,
    "REQUEST_ROUTED": Advice.LOOK_UP,
    "TIMEOUT_ERROR": Advice.LOOK_UP,
    "UNKNOWN_TRANSACTION_OR_RECEIPT": Advice.FINAL,  # of this node: it keeps no outcomes, or no longer this one
    "NOT_CONFIRMED": Advice.RETRY_LATER,
    "CHUNK_NOT_CERTIFIED": Advice.RETRY_LATER,
    "INCONSISTENT_STATE": Advice.RETRY_LATER,
    "IO_ERROR": Advice.RETRY_LATER,
    "UNREACHABLE": Advice.RETRY_LATER,
    "INTERNAL_ERROR": Advice.RETRY_LATER,
}
"""Cause of a HANDLER_ERROR -> advice."""

OTHER: Final[Mapping[str, Advice]] = {
    "REQUEST_VALIDATION_ERROR": Advice.FINAL,
    "PARSE_ERROR": Advice.FINAL,
    "METHOD_NOT_FOUND": Advice.FINAL,
    "INTERNAL_ERROR": Advice.RETRY_LATER,
}
"""Name of an error that is no HANDLER_ERROR, or cause of a REQUEST_VALIDATION_ERROR -> advice."""

INVALID_TRANSACTION: Final[Mapping[str, tuple[Advice, BroadcastResult]]] = {
    "InvalidNonce": (Advice.LOOK_UP, BroadcastResult.NONCE_TAKEN),
    "Expired": (Advice.LOOK_UP, BroadcastResult.EXPIRED),
    "InvalidChain": (Advice.LOOK_UP, BroadcastResult.EXPIRED),
    "NonceTooLarge": (Advice.RETRY_LATER, BroadcastResult.REFUSED),
    "InvalidNonceIndex": (Advice.RE_SIGN, BroadcastResult.REFUSED),
    "SignerDoesNotExist": (Advice.RETRY_LATER, BroadcastResult.REFUSED),
    "InvalidAccessKeyError": (Advice.RETRY_LATER, BroadcastResult.REFUSED),  # ACCESS_KEY below says more
    "NotEnoughBalance": (Advice.RETRY_LATER, BroadcastResult.LOW_BALANCE),
    "NotEnoughBalanceForDeposit": (Advice.RETRY_LATER, BroadcastResult.LOW_BALANCE),
    "NotEnoughGasKeyBalance": (Advice.RETRY_LATER, BroadcastResult.LOW_BALANCE),
    "LackBalanceForState": (Advice.RETRY_LATER, BroadcastResult.LOW_BALANCE),
    "CostOverflow": (Advice.RE_SIGN, BroadcastResult.REFUSED),
    "InvalidSignerId": (Advice.RE_SIGN, BroadcastResult.REFUSED),
    "InvalidReceiverId": (Advice.RE_SIGN, BroadcastResult.REFUSED),
    "InvalidSignature": (Advice.RE_SIGN, BroadcastResult.REFUSED),
    "ActionsValidation": (Advice.RE_SIGN, BroadcastResult.REFUSED),  # any kind of it: none is ever taken
    "TransactionSizeExceeded": (Advice.RE_SIGN, BroadcastResult.REFUSED),
    "InvalidTransactionVersion": (Advice.RE_SIGN, BroadcastResult.REFUSED),
    "StorageError": (Advice.RETRY_LATER, BroadcastResult.UNKNOWN),
    "ShardCongested": (Advice.RETRY_LATER, BroadcastResult.UNKNOWN),
    "ShardStuck": (Advice.RETRY_LATER, BroadcastResult.UNKNOWN),
}
"""Kind of an INVALID_TRANSACTION -> advice, and what a broadcast that met it amounts to."""

ACCESS_KEY: Final[Mapping[str, tuple[Advice, BroadcastResult]]] = {
    "AccessKeyNotFound": (Advice.RETRY_LATER, BroadcastResult.REFUSED),
    "ReceiverMismatch": (Advice.RE_SIGN, BroadcastResult.REFUSED),
    "MethodNameMismatch": (Advice.RE_SIGN, BroadcastResult.REFUSED),
    "RequiresFullAccess": (Advice.RE_SIGN, BroadcastResult.REFUSED),
    "DepositWithFunctionCall": (Advice.RE_SIGN, BroadcastResult.REFUSED),
    "NotEnoughAllowance": (Advice.RETRY_LATER, BroadcastResult.LOW_BALANCE),
}
"""Kind of an InvalidAccessKeyError -> the same."""

_ANOTHER = (Advice.RE_SIGN, Failure.OTHER)
_ABSENT = (Advice.RETRY_LATER, Failure.NO_CONTRACT)
_BALANCE = (Advice.RETRY_LATER, Failure.LOW_BALANCE)

ACTION: Final[Mapping[str, tuple[Advice, Failure]]] = {
    "AccountDoesNotExist": _ABSENT,
    "GlobalContractDoesNotExist": _ABSENT,
    "LackBalanceForState": _BALANCE,
    "InsufficientGasKeyBalance": _BALANCE,
    "FunctionCallError": (Advice.UNKNOWN, Failure.OTHER),  # FUNCTION_CALL below says more
    "NewReceiptValidationError": _ANOTHER,
    # no transaction of ours asks for what follows; a contract's promise may have
    **dict.fromkeys(
        (
            "AccountAlreadyExists", "CreateAccountOnlyByRegistrar", "CreateAccountNotAllowed", "ActorNoPermission",
            "DeleteKeyDoesNotExist", "AddKeyAlreadyExists", "DeleteAccountStaking", "TriesToUnstake", "TriesToStake",
            "InsufficientStake", "OnlyImplicitAccountCreationAllowed", "DeleteAccountWithLargeState",
            "NonRefundableTransferToExistingAccount", "DelegateActionInvalidSignature",
            "DelegateActionSenderDoesNotMatchTxReceiver", "DelegateActionExpired", "DelegateActionAccessKeyError",
            "DelegateActionInvalidNonce", "DelegateActionNonceTooLarge", "GasKeyDoesNotExist", "GasKeyBalanceTooHigh",
        ),
        _ANOTHER,
    ),
}  # fmt: skip
"""ActionErrorKind of a failed receipt -> advice on the next attempt, and what the failure speaks of."""

FUNCTION_CALL: Final[Mapping[str, tuple[Advice, Failure]]] = {
    "ExecutionError": (Advice.FINAL, Failure.CONTRACT),  # unless it says that the gas ran out
    "HostError": (Advice.FINAL, Failure.CONTRACT),
    "WasmTrap": (Advice.FINAL, Failure.CONTRACT),
    "CompilationError": _ABSENT,
    "LinkError": _ABSENT,
    "MethodResolveError": _ABSENT,
    "WasmUnknownError": (Advice.UNKNOWN, Failure.OTHER),
    "_EVMError": (Advice.UNKNOWN, Failure.OTHER),
}
"""FunctionCallError of a failed receipt -> the same. A contract that is not there, cannot be run or lacks the method
has said nothing of the intent."""

OUT_OF_GAS: Final = ("Exceeded the prepaid gas", "Exceeded the maximum amount of gas")
"""How an ExecutionError begins when the gas ran out."""


def near_error(body: object) -> NearError:
    """The error object of a JSON-RPC answer; anything odd becomes an error nobody knows."""
    if not isinstance(body, Mapping):
        return NearError("UNREADABLE", message=str(body)[:200])
    cause = body.get("cause")
    info = cause.get("info") if isinstance(cause, Mapping) else None
    return NearError(
        name=str(body.get("name") or ""),
        cause=str(cause.get("name") or "") if isinstance(cause, Mapping) else "",
        info=info if isinstance(info, Mapping) else {},
        message=str(body.get("message") or ""),
        data=body.get("data"),
    )


def invalid_transaction_kind(error: NearError) -> str:
    """The InvalidTxError behind an INVALID_TRANSACTION, "" for another error."""
    return _invalid(error)[0]


def advice(error: NearError) -> Advice:
    """What to do about `error`."""
    if error.cause == "INVALID_TRANSACTION":
        return _meaning(error)[0]
    if error.name == "HANDLER_ERROR":
        return HANDLER.get(error.cause, Advice.UNKNOWN)
    return OTHER.get(error.cause) or OTHER.get(error.name) or Advice.UNKNOWN


def broadcast_result(error: NearError) -> BroadcastResult:
    """What an error given to signed bytes amounts to."""
    if error.cause == "INVALID_TRANSACTION":
        return _meaning(error)[1]
    # bytes a node cannot read are in no block; any other error leaves open whether they went further
    return BroadcastResult.REFUSED if error.cause == "PARSE_ERROR" else BroadcastResult.UNKNOWN


def failure_of(failure: object) -> tuple[Advice, Failure]:
    """What the `Failure` of a final outcome says: about the next attempt, and of what it speaks."""
    if not isinstance(failure, Mapping):
        return Advice.UNKNOWN, Failure.OTHER
    if "InvalidTxError" in failure:
        meant, amounts = _table_of(failure["InvalidTxError"])
        low = amounts is BroadcastResult.LOW_BALANCE
        return meant, Failure.LOW_BALANCE if low else Failure.OTHER
    action = failure.get("ActionError")
    kind, inner = _variant(action.get("kind") if isinstance(action, Mapping) else None)
    if kind != "FunctionCallError":
        return ACTION.get(kind, (Advice.UNKNOWN, Failure.OTHER))
    call, said = _variant(inner)
    if call == "ExecutionError" and isinstance(said, str) and said.startswith(OUT_OF_GAS):
        return Advice.RE_SIGN, Failure.OUT_OF_GAS
    return FUNCTION_CALL.get(call, (Advice.UNKNOWN, Failure.OTHER))


def _meaning(error: NearError) -> tuple[Advice, BroadcastResult]:
    return _table_of(_invalid(error)[1])


def _table_of(invalid: object) -> tuple[Advice, BroadcastResult]:
    """An InvalidTxError in JSON -> what it means."""
    unknown = (Advice.UNKNOWN, BroadcastResult.UNKNOWN)
    kind, inner = _variant(invalid)
    if kind == "InvalidAccessKeyError":
        return ACCESS_KEY.get(_variant(inner)[0], INVALID_TRANSACTION[kind])
    return INVALID_TRANSACTION.get(kind, unknown)


def _invalid(error: NearError) -> tuple[str, object]:
    """(kind, InvalidTxError in JSON), ("", None) where the error holds none."""
    if error.cause == "INVALID_TRANSACTION":
        for place in (error.data, error.info):
            found = _search(place, _MAX_DEPTH)
            if found is not None:
                return _variant(found)[0], found
    return "", None


def _variant(value: object) -> tuple[str, object]:
    """A Rust enum in JSON, a bare name or `{name: fields}` -> (name, fields)."""
    if isinstance(value, str):
        return value, None
    if isinstance(value, Mapping) and value:
        name = next(iter(value))
        return str(name), value[name]
    return "", None


def _search(place: object, depth: int) -> object:
    """The InvalidTxError under any wrapping: `{"InvalidTxError": it}`, or a known kind by itself."""
    if isinstance(place, str):
        return place if place in INVALID_TRANSACTION else None
    if not isinstance(place, Mapping) or depth == 0:
        return None
    if "InvalidTxError" in place:
        return place["InvalidTxError"]
    for key, value in place.items():
        if key in INVALID_TRANSACTION:
            return {key: value}
        found = _search(value, depth - 1)
        if found is not None:
            return found
    return None


def panic_of(error: NearError) -> str | None:
    """The words with which a contract itself ended a view: printable ASCII, at most 240 characters. None for any other
    error: no such method, out of gas, a node's own trouble."""
    said = next((one for one in (error.info.get("vm_error"), error.data, error.message) if one), "")
    panic = _PANIC.search(said if isinstance(said, str) else str(said))
    if error.cause != "CONTRACT_EXECUTION_ERROR" or panic is None:
        return None
    return ascii(panic[2])[1:-1][:PANIC_TEXT] or "no reason given"
