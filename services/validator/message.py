"""The signed message of a plain intent, read as strictly as the contract reads it."""

from collections.abc import Mapping
from typing import Any, Final, NamedTuple

from services.common.domain import strictjson
from services.common.domain.intent import Nep413Payload, PlainIntent, SignedData
from services.common.domain.plainjson import PLAIN_FIELDS, deadline_ns, slippage_bps
from services.common.encoding import b64decode_unpadded

MAX_MESSAGE_BYTES: Final = 16_384
NONCE_BYTES: Final = 32

ENVELOPED: Final = frozenset(("signer_id", "network", "deadline", "intents"))
"""Keys of a message that an envelope goes around."""

BARE: Final = ENVELOPED | {"verifying_contract", "nonce"}
"""Of any other."""

_INTENT: Final = frozenset(("intent", *PLAIN_FIELDS))
_TEXTS: Final = tuple(name for name in PLAIN_FIELDS if name not in ("max_slippage", "deadline"))


class MessageError(ValueError):
    """The message cannot be read as one; the text says why, for people."""


class SignedMessage(NamedTuple):
    """What was signed. `fields` holds only what is present: texts, `max_slippage` in basis points, `deadline` in ns.

    `recipient`, `network` and `deadline` are None where absent; `deadline` and `nonce` are as they stand. `repeats` is
    the intent whose fields these are, where that is known.
    """

    signer_id: str
    recipient: str | None
    network: str | None
    deadline: object
    nonce: bytes | None
    fields: Mapping[str, str | int]
    repeats: PlainIntent | None = None


NO_MESSAGE: Final = SignedMessage(
    signer_id="", recipient=None, network=None, deadline=None, nonce=None, fields={}
)
"""Stands where none could be read."""


def read(signed: SignedData) -> SignedMessage:
    """The message of `signed`. Raises MessageError."""
    payload, text = signed.payload, signed.text
    enveloped = isinstance(payload, Nep413Payload)
    try:
        value = strictjson.loads(text, max_bytes=MAX_MESSAGE_BYTES, as_contract=True)
    except strictjson.StrictJsonError as error:
        raise MessageError(f"is not strict JSON: {error}") from None
    if not isinstance(value, dict):
        raise MessageError("is not a JSON object")
    if not (text.isascii() and "\\u" not in text) and not _ascii(value):
        raise MessageError("holds a string that is not ASCII")
    _only(value, ENVELOPED if enveloped else BARE, "the message")
    if isinstance(payload, Nep413Payload):
        recipient: str | None = payload.recipient
        nonce: bytes | None = payload.nonce
    else:
        recipient = _text_or_none(value, "verifying_contract")
        nonce = nonce_of(value.get("nonce"))
    signer = _text_or_none(value, "signer_id")
    if signer is None:
        raise MessageError("lacks signer_id")
    return SignedMessage(
        signer_id=signer,
        recipient=recipient,
        network=_text_or_none(value, "network"),
        deadline=value.get("deadline"),
        nonce=nonce,
        fields=_plain(value.get("intents")),
    )


def fields_of(intent: PlainIntent) -> dict[str, str | int]:
    """The fields present in an intent, in the form of `SignedMessage.fields`."""
    present: dict[str, str | int] = {
        "id": intent.id,
        "user_account": intent.user_account,
        "action": intent.action,
        "input_token": intent.input_token,
        "input_amount": intent.input_amount,
        "output_token": intent.output_token,
    }
    if intent.min_output_amount is not None:
        present["min_output_amount"] = intent.min_output_amount
    if intent.max_slippage_bps is not None:
        present["max_slippage"] = intent.max_slippage_bps
    if intent.deadline_ns is not None:
        present["deadline"] = intent.deadline_ns
    return present


def _plain(intents: object) -> dict[str, str | int]:
    if not isinstance(intents, list) or len(intents) != 1 or not isinstance(intents[0], dict):
        raise MessageError("must hold exactly one intent in intents")
    intent = intents[0]
    kind = intent.get("intent")
    if kind != "plain" or type(kind) is not str:
        raise MessageError('must hold an intent of kind "plain"')
    _only(intent, _INTENT, "its intent")
    present: dict[str, str | int] = {}
    for name in _TEXTS:
        value = intent.get(name)
        if type(value) is str:
            present[name] = value
        elif value is not None:
            raise MessageError(f"has {name} that is not a string")
    for name, parse in (("max_slippage", slippage_bps), ("deadline", deadline_ns)):
        value = intent.get(name)
        if value is not None:
            try:
                present[name] = parse(value)
            except ValueError as error:
                raise MessageError(f"has {name} that {error}") from None
    return present


def _only(value: Mapping[str, Any], allowed: frozenset[str], where: str) -> None:
    for name in value:
        if name not in allowed:
            raise MessageError(f"has a key that {where} must not have: {name[:40]!a}")


def _text_or_none(value: Mapping[str, Any], name: str) -> str | None:
    found = value.get(name)
    if found is None or type(found) is str:
        return found
    raise MessageError(f"has {name} that is not a string")


def nonce_of(value: object) -> bytes | None:
    """32 bytes out of base64; None for anything else."""
    if type(value) is not str:
        return None
    try:
        return b64decode_unpadded(value, length=NONCE_BYTES)
    except ValueError:
        return None


def _ascii(value: object) -> bool:
    if isinstance(value, str):
        return value.isascii()
    if isinstance(value, dict):
        return all(key.isascii() and _ascii(item) for key, item in value.items())
    if isinstance(value, list):
        return all(map(_ascii, value))
    return True
