"""What a NEAR node's errors mean for whoever asked. A table; what it does not hold is unknown, never failed.

Sources: nearcore `chain/jsonrpc-primitives` (names and causes), `core/primitives/src/errors.rs` (InvalidTxError).
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, Final

from services.common.chain.port import BroadcastResult

PANIC_TEXT: Final = 240
_PANIC: Final = re.compile(r"""panic_msg: (["'])(.*)\1""", re.DOTALL)


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
    "UNKNOWN_BLOCK": Advice.RETRY_LATER,
    "GARBAGE_COLLECTED_BLOCK": Advice.RETRY_NOW,
    "INVALID_ACCOUNT": Advice.FINAL,
    "UNKNOWN_ACCOUNT": Advice.FINAL,
    "UNKNOWN_ACCESS_KEY": Advice.FINAL,
    "UNAVAILABLE_SHARD": Advice.RETRY_LATER,
    "NO_SYNCED_BLOCKS": Advice.RETRY_LATER,
    "NO_CONTRACT_CODE": Advice.FINAL,
    "TOO_LARGE_CONTRACT_STATE": Advice.FINAL,
    "CONTRACT_EXECUTION_ERROR": Advice.FINAL,
    "INVALID_TRANSACTION": Advice.UNKNOWN,  # its kind says more: INVALID_TRANSACTION below
    "UNKNOWN_TRANSACTION": Advice.LOOK_UP,
    "DOES_NOT_TRACK_SHARD": Advice.RETRY_LATER,
    "REQUEST_ROUTED": Advice.LOOK_UP,
    "TIMEOUT_ERROR": Advice.LOOK_UP,
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
    "SignerDoesNotExist": (Advice.RETRY_LATER, BroadcastResult.REFUSED),
    "InvalidAccessKeyError": (Advice.RETRY_LATER, BroadcastResult.REFUSED),
    "NotEnoughBalance": (Advice.RETRY_LATER, BroadcastResult.REFUSED),
    "LackBalanceForState": (Advice.RETRY_LATER, BroadcastResult.REFUSED),
    "CostOverflow": (Advice.RE_SIGN, BroadcastResult.REFUSED),
    "InvalidSignerId": (Advice.RE_SIGN, BroadcastResult.REFUSED),
    "InvalidReceiverId": (Advice.RE_SIGN, BroadcastResult.REFUSED),
    "InvalidSignature": (Advice.RE_SIGN, BroadcastResult.REFUSED),
    "ActionsValidation": (Advice.RE_SIGN, BroadcastResult.REFUSED),
    "TransactionSizeExceeded": (Advice.RE_SIGN, BroadcastResult.REFUSED),
    "InvalidTransactionVersion": (Advice.RE_SIGN, BroadcastResult.REFUSED),
    "StorageError": (Advice.RETRY_LATER, BroadcastResult.UNKNOWN),
    "ShardCongested": (Advice.RETRY_LATER, BroadcastResult.UNKNOWN),
    "ShardStuck": (Advice.RETRY_LATER, BroadcastResult.UNKNOWN),
}
"""Kind of an INVALID_TRANSACTION -> advice, and what a broadcast that met it amounts to."""


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
    if error.cause != "INVALID_TRANSACTION":
        return ""
    for place in (error.data, error.info):
        found = _kind(place)
        if found:
            return found
    return ""


def advice(error: NearError) -> Advice:
    """What to do about `error`."""
    kind = invalid_transaction_kind(error)
    if kind:
        known = INVALID_TRANSACTION.get(kind)
        return Advice.UNKNOWN if known is None else known[0]
    if error.name == "HANDLER_ERROR":
        return HANDLER.get(error.cause, Advice.UNKNOWN)
    return OTHER.get(error.cause) or OTHER.get(error.name) or Advice.UNKNOWN


def broadcast_result(error: NearError) -> BroadcastResult:
    """What an error given to signed bytes amounts to."""
    known = INVALID_TRANSACTION.get(invalid_transaction_kind(error))
    if known is not None:
        return known[1]
    # bytes a node cannot read are in no block; any other error leaves open whether they went further
    return BroadcastResult.REFUSED if error.cause == "PARSE_ERROR" else BroadcastResult.UNKNOWN


def _kind(place: object) -> str:
    """Finds `{"InvalidTxError": kind}` under any wrapping, or a bare known kind."""
    if isinstance(place, str):
        return place if place in INVALID_TRANSACTION else ""
    if not isinstance(place, Mapping):
        return ""
    if "InvalidTxError" in place:
        inner = place["InvalidTxError"]
        if isinstance(inner, str):
            return inner
        return str(next(iter(inner), "")) if isinstance(inner, Mapping) else ""
    for key, value in place.items():
        if key in INVALID_TRANSACTION:
            return str(key)
        found = _kind(value)
        if found:
            return found
    return ""


def panic_of(error: NearError) -> str | None:
    """The words with which a contract itself ended a view: printable ASCII, at most 240 characters. None for any other
    error: no such method, out of gas, a node's own trouble."""
    said = next((one for one in (error.info.get("vm_error"), error.data, error.message) if one), "")
    panic = _PANIC.search(said if isinstance(said, str) else str(said))
    if error.cause != "CONTRACT_EXECUTION_ERROR" or panic is None:
        return None
    return ascii(panic[2])[1:-1][:PANIC_TEXT] or "no reason given"
