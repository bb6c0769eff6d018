"""NEAR's JSON-RPC errors: `{name, cause: {name, info}, code, data, message}`."""

from typing import Any


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


def timeout_error() -> RpcError:
    """Unknown, never failed."""
    return handler_error("TIMEOUT_ERROR", {}, "Timeout", http_status=408)


def unknown_block(what: object) -> RpcError:
    return handler_error("UNKNOWN_BLOCK", {}, f"DB Not Found Error: BLOCK: {what}")
