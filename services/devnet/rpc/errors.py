"""NEAR's JSON-RPC errors: `{name, cause: {name, info}, code, data, message}`."""

from typing import Any, Final


class RpcError(Exception):
    """What a request is answered with instead of a result. `http_status` is nearcore's for it."""

    def __init__(
        self, name: str, cause: str, info: dict[str, Any], *, code: int, message: str, data: object,
        http_status: int = 200,
    ) -> None:  # fmt: skip
        super().__init__(f"{name} {cause}: {data}")
        self.name = name
        self.cause = cause
        self.info = info
        self.code = code
        self.message = message
        self.data = data
        self.http_status = http_status

    def body(self) -> dict[str, Any]:
        """The `error` member."""
        return {
            "name": self.name,
            "cause": {"name": self.cause, "info": self.info},
            "code": self.code,
            "message": self.message,
            "data": self.data,
        }


def handler_error(cause: str, info: dict[str, Any], data: object, *, http_status: int = 200) -> RpcError:
    """The request was understood and cannot be answered."""
    return RpcError(
        "HANDLER_ERROR", cause, info, code=-32000, message="Server error", data=data, http_status=http_status
    )


def parse_error(text: str) -> RpcError:
    """The request, its parameters or its transaction cannot be read."""
    return RpcError(
        "REQUEST_VALIDATION_ERROR", "PARSE_ERROR", {"error_message": text}, code=-32700,
        message="Parse error", data=text, http_status=400,
    )  # fmt: skip


def method_not_found(method: str) -> RpcError:
    return RpcError(
        "REQUEST_VALIDATION_ERROR", "METHOD_NOT_FOUND", {"method_name": method}, code=-32601,
        message="Method not found", data=method, http_status=400,
    )  # fmt: skip


def internal_error() -> RpcError:
    """No detail leaves the node; its log has it."""
    return RpcError(
        "INTERNAL_ERROR", "INTERNAL_ERROR", {"error_message": "internal error"}, code=-32603,
        message="Internal error", data="internal error", http_status=500,
    )  # fmt: skip


def invalid_transaction(error: object) -> RpcError:
    """`error` is NEAR's InvalidTxError."""
    return handler_error("INVALID_TRANSACTION", {}, {"TxExecutionError": {"InvalidTxError": error}})


def unknown_transaction(tx_hash: str) -> RpcError:
    return handler_error(
        "UNKNOWN_TRANSACTION",
        {"requested_transaction_hash": tx_hash},
        f"Transaction {tx_hash} doesn't exist",
    )


def unknown_receipt(receipt_id: str) -> RpcError:
    return handler_error(
        "UNKNOWN_RECEIPT", {"receipt_id": receipt_id}, f"Receipt with id {receipt_id} has never been observed"
    )


def timeout_error() -> RpcError:
    """Unknown, never failed."""
    return handler_error("TIMEOUT_ERROR", {}, "Timeout", http_status=408)


def unknown_block(what: object) -> RpcError:
    return handler_error("UNKNOWN_BLOCK", {}, f"DB Not Found Error: BLOCK: {what}")


_BLOCK: Final = {"block_height": 0, "block_hash": "1" * 32}
_CAUSES: Final[dict[str, tuple[dict[str, Any], str]]] = {
    "GARBAGE_COLLECTED_BLOCK": (_BLOCK, "The data for block #0 is garbage collected on this node"),
    "UNAVAILABLE_SHARD": ({"requested_shard_id": 0}, "The node does not track the shard ID 0"),
    "NO_SYNCED_BLOCKS": ({}, "There are no fully synchronized blocks on the node yet"),
    "NOT_SYNCED_YET": ({}, "The node has not synchronized any block yet"),
    "DOES_NOT_TRACK_SHARD": ({}, "Node doesn't track this shard"),
    "REQUEST_ROUTED": ({"transaction_hash": "1" * 32}, "Transaction was routed"),
    "TOO_LARGE_CONTRACT_STATE": (
        {"contract_account_id": "x", **_BLOCK},
        "State of contract x is too large",
    ),
    "UNKNOWN_TRANSACTION": ({"requested_transaction_hash": "1" * 32}, "Transaction doesn't exist"),
}
"""Causes a fault can ask for, with the members nearcore's info has."""


def of_cause(cause: str) -> RpcError:
    """The error a node in that trouble gives; a cause not known here is a HANDLER_ERROR without info."""
    match cause:
        case "INTERNAL_ERROR":
            return internal_error()
        case "PARSE_ERROR":
            return parse_error("Failed parsing args")
        case "TIMEOUT_ERROR":
            return timeout_error()
        case "UNKNOWN_BLOCK":
            return unknown_block("as a fault asked")
    info, text = _CAUSES.get(cause, ({}, cause))
    return handler_error(cause, info, text)
