"""Signed messages: a good one, and every kind of bad one."""

import json
from typing import Any, Final

from tests.harness.signing import NETWORK
from tests.unit.validator.support import ALICE


def message(**changes: Any) -> dict[str, Any]:
    """The signed object of the intent "m"; `changes` replace keys, None removes one."""
    plain = ALICE.fields(id="m")
    made: dict[str, Any] = {
        "signer_id": ALICE.account_id,
        "network": NETWORK,
        "deadline": "2026-11-23T12:10:00Z",
        "intents": [{"intent": "plain", **plain}],
    } | changes
    return {name: value for name, value in made.items() if value is not None}


def body_of(text: str | dict[str, Any], **envelope: Any) -> dict[str, Any]:
    """The body of intent "m" with Alice's signature over `text`."""
    raw = text if isinstance(text, str) else json.dumps(text)
    return {**ALICE.fields(id="m"), "signed_data": ALICE.sign_message(raw, **envelope)}


UNREADABLE: Final = (
    "",
    "null",
    "[]",
    "{",
    "\ufeff" + json.dumps(message()),
    json.dumps(message())[:-1] + ',"network":"localnet"}',
    json.dumps(message(extra=1)),
    json.dumps(message(nonce="AAAA")),
    json.dumps(message(signer_id=None)),
    json.dumps(message(signer_id=7)),
    json.dumps(message(signer_id="\ud800")),
    json.dumps(message(signer_id="ünï.near")),
    json.dumps(message(network=7)),
    json.dumps(message(intents=None)),
    json.dumps(message(intents=[])),
    json.dumps(message(intents=message()["intents"] * 2)),
    json.dumps(message(intents=["plain"])),
    json.dumps(message(intents=[ALICE.fields(id="m")])),
    json.dumps(message(intents=[{"intent": "transfer", **ALICE.fields(id="m")}])),
    json.dumps(message(intents=[{"intent": "plain", **ALICE.fields(id="m"), "signed_data": {}}])),
    json.dumps(message(intents=[{"intent": "plain", **ALICE.fields(id="m", input_amount=100000000)}])),
    json.dumps(message(intents=[{"intent": "plain", **ALICE.fields(id="m", min_output_amount=95)}])),
    json.dumps(message(intents=[{"intent": "plain", **ALICE.fields(id="m", max_slippage="0.5")}])),
    json.dumps(message(intents=[{"intent": "plain", **ALICE.fields(id="m", max_slippage=0.125)}])),
    json.dumps(message(intents=[{"intent": "plain", **ALICE.fields(id="m", deadline="tomorrow")}])),
    json.dumps(message()).replace("0.5", "NaN"),
    json.dumps(message()).replace("0.5", "5e-1"),
    json.dumps(message()).replace("0.5", "-0"),
    "[" * 5_000,
)
"""Texts that neither the validator nor the contract reads as a message."""

TOO_LONG: Final = (json.dumps(message()) + " " * 20_000,)
"""What the validator refuses for its size alone."""
