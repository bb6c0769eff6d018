"""Receipts as NEAR's RPC shows them, and how their ids come about."""

from typing import Any

from services.devnet.node.keys import b58encode, sha256


def child_id(parent: str, index: int) -> str:
    """The id of the `index`-th receipt or data that `parent` makes: fixed by its origin."""
    return b58encode(sha256(parent.encode() + index.to_bytes(8, "little")))


def receipt_view(
    receipt_id: str, predecessor: str, receiver: str, signer: str, signer_key: str, gas_price: int,
    actions: list[Any], inputs: list[str], outputs: list[dict[str, str]],
) -> dict[str, Any]:  # fmt: skip
    """NEAR's ReceiptView of an action receipt."""
    action = {
        "signer_id": signer, "signer_public_key": signer_key, "gas_price": str(gas_price),
        "actions": actions, "input_data_ids": inputs, "output_data_receivers": outputs,
        "is_promise_yield": False, "refund_to": None,
    }  # fmt: skip
    return {
        "predecessor_id": predecessor, "receiver_id": receiver, "receipt_id": receipt_id,
        "receipt": {"Action": action}, "priority": 0,
    }  # fmt: skip
