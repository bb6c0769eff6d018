"""Reading JSON-RPC parameters: every fault is a PARSE_ERROR that names the field."""

import base64
import binascii
from typing import Any

from services.devnet.node.keys import b58hash
from services.devnet.rpc.errors import RpcError, handler_error, parse_error


def named(params: object) -> dict[str, Any]:
    """Parameters given by name."""
    if not isinstance(params, dict):
        raise parse_error("Failed parsing args: params is not an object")
    return params


def text(params: dict[str, Any], name: str) -> str:
    value = params.get(name)
    if not isinstance(value, str):
        raise parse_error(f"Failed parsing args: field `{name}` is missing or not a string")
    return value


def account(params: dict[str, Any], name: str) -> str:
    """An account id; its form is checked where it is used."""
    return text(params, name)


def blob(value: object, name: str) -> bytes:
    """Strict base64."""
    try:
        if isinstance(value, str):
            return base64.b64decode(value, validate=True)
    except (binascii.Error, ValueError):
        pass
    raise parse_error(f"Failed parsing args: field `{name}` is not base64")


def tx_hash(value: object) -> str:
    """Base58 of 32 bytes."""
    try:
        if isinstance(value, str):
            b58hash(value)
            return value
    except ValueError:
        pass
    raise parse_error("Failed parsing args: field `tx_hash` is not base58 of 32 bytes")


def invalid_account(account_id: str, height: int, block_hash: str) -> RpcError:
    info = {"requested_account_id": account_id, "block_height": height, "block_hash": block_hash}
    return handler_error("INVALID_ACCOUNT", info, f"Account ID {account_id[:80]} is invalid")
