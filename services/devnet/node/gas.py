"""What gas costs, who paid for it ahead, and what comes back: as on NEAR by receipts of the account `system`."""

from typing import Any, Final

from services.devnet.node.receipts import child_id, receipt_view

ACTION_GAS: Final = 223_182_562_500
"""Running a receipt, bought with it."""
SEND_GAS: Final = 308_066_207_802
ARGUMENT_GAS: Final = 2_235_934
SYSTEM: Final = "system"
Json = dict[str, Any]


def conversion_gas(actions: list[Any]) -> int:
    """What turning a transaction of these actions (views) into a receipt burns."""
    size = sum(len(action["FunctionCall"]["args"]) * 3 // 4 for action in actions if "FunctionCall" in action)
    return SEND_GAS + ARGUMENT_GAS * size


def bought(actions: list[Any]) -> int:
    """Gas that was paid for ahead for a receipt of these actions (views): what it may burn and pass on."""
    calls = [action["FunctionCall"] for action in actions if "FunctionCall" in action]
    return ACTION_GAS + sum(int(call["gas"]) for call in calls)


def _to(receiver: str, receipt: Json, number: int, amount: int) -> Json:
    body = receipt["receipt"]["Action"]
    # A refund buys no gas: it burns some, at a price of 0.
    return receipt_view(
        child_id(receipt["receipt_id"], number), SYSTEM, receiver, body["signer_id"],
        body["signer_public_key"], 0, [{"Transfer": {"deposit": str(amount)}}], [], [],
    )  # fmt: skip


def refunds(receipt: Json, *, burnt: int, passed_on: int, failed: bool, price: int) -> list[Json]:
    """Receipts that give back what a receipt did not need: deposits to whoever sent it, if it failed; gas neither
    burnt nor passed on to other receipts to the signer. None for a refund itself."""
    if receipt["predecessor_id"] == SYSTEM:
        return []
    actions, made = receipt["receipt"]["Action"]["actions"], []
    deposits = sum(
        int(next(iter(action.values()))["deposit"])
        for action in actions
        if isinstance(action, dict) and ("FunctionCall" in action or "Transfer" in action)
    )
    if failed and deposits:
        made.append(_to(receipt["predecessor_id"], receipt, 0, deposits))
    left = bought(actions) - burnt - passed_on
    if left > 0:
        made.append(_to(receipt["receipt"]["Action"]["signer_id"], receipt, 1, left * price))
    return made
