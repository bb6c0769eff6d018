"""A plain intent's message as wallets nearly always send it: read in C, and compared in one step with what was sent.

`message.read` is who says what a message is. This answers only where that would say the very same, and only of a
message that repeats the intent; for all else, odd or wrong, it has no answer. What makes it certain: without a
backslash each string of JSON takes two quotes, so where their number is that of the keys and texts that were kept no
key came twice; both objects have the keys they must and nothing in them is nested; and of a number the literal counts,
not what a reader makes of it.
"""

import re
from functools import lru_cache
from typing import Any, Final

import orjson

from services.common.domain.intent import Nep413Payload, PlainIntent, SignedData
from services.common.domain.plainjson import deadline_ns, slippage_bps
from services.common.domain.strictjson import Number
from services.validator.message import (
    BARE,
    ENVELOPED,
    MAX_MESSAGE_BYTES,
    SignedMessage,
    fields_of,
    nonce_of,
)

_TEXT: Final = {str}
_SLIPPAGE: Final = re.compile(r'"max_slippage"\s*:\s*([^\s,}]+)', re.ASCII)
"""The literal of the one key of that name."""


def read(signed: SignedData, intent: PlainIntent) -> SignedMessage | None:
    """As `message.read`, of a message whose fields are those of `intent`; None where only that can tell."""
    text, payload = signed.text, signed.payload
    if "\\" in text or not text.isascii() or len(text) > MAX_MESSAGE_BYTES:
        return None
    try:
        value = orjson.loads(text)
    except orjson.JSONDecodeError:
        return None
    enveloped = isinstance(payload, Nep413Payload)
    if type(value) is not dict or value.keys() != (ENVELOPED if enveloped else BARE):
        return None
    intents = value.pop("intents")
    if type(intents) is not list or len(intents) != 1 or {*map(type, value.values())} != _TEXT:
        return None
    fields = fields_of(intent)
    texts = _texts_of(intents[0], fields, value["deadline"], text)
    # the keys and texts of the message, the key of its intents, and those of its one intent
    if texts is None or text.count('"') != 2 * (2 * len(value) + 1 + texts):
        return None
    return SignedMessage(
        signer_id=value["signer_id"],
        recipient=payload.recipient if isinstance(payload, Nep413Payload) else value["verifying_contract"],
        network=value["network"],
        deadline=value["deadline"],
        nonce=payload.nonce if isinstance(payload, Nep413Payload) else nonce_of(value["nonce"]),
        fields=fields,
        repeats=intent,
    )


@lru_cache(maxsize=256)
def _bps(literal: str) -> int:
    return slippage_bps(Number(literal))


def _texts_of(found: Any, fields: dict[str, str | int], deadline: str, text: str) -> int | None:
    """How many strings an object is made of that says of an intent what `fields` do; None if it may say another thing.

    `deadline` is the message's, which the intent's own has to repeat.
    """
    wanted = {"intent": "plain", **fields}
    texts = 2 * len(wanted)
    if type(found) is not dict:
        return None
    try:
        if wanted.pop("max_slippage", None) is not None:
            texts -= 1
            literal = _SLIPPAGE.search(text)
            if literal is None or _bps(literal[1]) != fields["max_slippage"]:
                return None
            found.pop("max_slippage", None)
        if "deadline" in wanted:
            if deadline_ns(deadline) != fields["deadline"]:
                return None
            wanted["deadline"] = deadline
    except ValueError:
        return None
    return texts if found == wanted else None
