"""Signed data from its JSON form, the MultiPayload of near/intents, to its message."""

import base64
import binascii
import re
from collections.abc import Mapping
from typing import Any, Final

from intents.v1 import types_pb2 as types_pb
from intents_client.values import LAST_NS, BodyError, deadline_ns, only, text, timestamp

_DATA: Final = "signed_data."
_PAYLOAD: Final = f"{_DATA}payload."
_FIELDS: Final = ("standard", "payload", "public_key", "signature")
_ASSERTION: Final = {"authenticator_data": "authenticatorData", "client_data_json": "clientDataJSON"}
_ALLOWED: Final = {
    "erc191": ("standard", "payload", "signature"),
    "tip191": ("standard", "payload", "signature"),
    "webauthn": (*_FIELDS, *_ASSERTION.keys(), *_ASSERTION.values()),
    "ton_connect": (*_FIELDS, "address", "domain", "timestamp"),
}
"""Fields of the standards that have others than the rest."""
_SECONDS: Final = re.compile(r"\+?0*([0-9]{1,12})|-0+", re.ASCII)


def signed_from_body(value: object) -> types_pb.SignedData:
    """A MultiPayload as a message. Raises BodyError for a value that has no place in it.

    What is missing stays empty, and whether the standard is known is not asked: the server says both.
    """
    if not isinstance(value, Mapping):
        raise BodyError("signed_data", "must be an object")
    standard = text(value, "standard", _DATA)
    allowed = _ALLOWED.get(standard)
    only(value, allowed or _FIELDS, _DATA, f"{standard} signed data" if allowed else "signed data")
    signed = types_pb.SignedData(
        standard=standard,
        public_key=text(value, "public_key", _DATA),
        signature=text(value, "signature", _DATA),
    )
    payload = value.get("payload")
    if standard == "ton_connect":
        signed.ton_connect.CopyFrom(_ton(value, payload))
    elif isinstance(payload, str):
        signed.text = text(value, "payload", _DATA)
    elif isinstance(payload, Mapping):
        signed.nep413.CopyFrom(_nep413(payload))
    else:
        raise BodyError("signed_data.payload", "must be an object or a string")
    if standard == "webauthn":
        signed.webauthn.CopyFrom(_assertion(value))
    return signed


def _nep413(payload: Mapping[str, Any]) -> types_pb.Nep413Payload:
    only(payload, ("message", "nonce", "recipient", "callbackUrl"), _PAYLOAD, "a nep413 payload")
    made = types_pb.Nep413Payload(
        message=text(payload, "message", _PAYLOAD), recipient=text(payload, "recipient", _PAYLOAD)
    )
    made.nonce = _bytes(text(payload, "nonce", _PAYLOAD), f"{_PAYLOAD}nonce", "must be base64 of 32 bytes")
    if payload.get("callbackUrl") is not None:
        made.callback_url = text(payload, "callbackUrl", _PAYLOAD)
    return made


def _ton(value: Mapping[str, Any], payload: object) -> types_pb.TonConnectPayload:
    if not isinstance(payload, Mapping):
        raise BodyError("signed_data.payload", "must be an object")
    if payload.get("type") != "text":
        raise BodyError(f"{_PAYLOAD}type", 'must be "text"')
    only(payload, ("type", "text"), _PAYLOAD, "a ton_connect payload")
    made = types_pb.TonConnectPayload(
        text=text(payload, "text", _PAYLOAD),
        address=text(value, "address", _DATA),
        domain=text(value, "domain", _DATA),
    )
    if value.get("timestamp") is not None:
        made.timestamp.CopyFrom(timestamp(_instant(value["timestamp"])))
    return made


def _instant(value: object) -> int:
    """RFC 3339, or whole seconds as a number or in digits -> Unix nanoseconds."""
    field = f"{_DATA}timestamp"
    if isinstance(value, str):
        match = _SECONDS.fullmatch(value)
        if match is None:
            try:
                return deadline_ns(value)
            except BodyError as error:
                raise BodyError(field, error.why) from None
        value = int(match[1] or 0)
    if not isinstance(value, int) or isinstance(value, bool):
        raise BodyError(field, "must be RFC 3339 with an offset, or whole seconds since 1970")
    if not 0 <= value * 10**9 <= LAST_NS:
        raise BodyError(field, "lies outside the years 1970 to 9999")
    return value * 10**9


def _assertion(value: Mapping[str, Any]) -> types_pb.WebauthnAssertion:
    texts: dict[str, str] = {}
    for name, alias in _ASSERTION.items():
        if name in value and alias in value:
            raise BodyError(f"{_DATA}{alias}", f"is {name} by another name, which is there too")
        field = alias if alias in value else name
        try:
            texts[name] = text(value, field, _DATA)
        except BodyError as error:
            raise BodyError(f"{_DATA}{name}", error.why) from None
    data = _bytes(
        texts["authenticator_data"], f"{_DATA}authenticator_data", "must be base64url", urlsafe=True
    )
    return types_pb.WebauthnAssertion(authenticator_data=data, client_data_json=texts["client_data_json"])


def _bytes(encoded: str, field: str, why: str, *, urlsafe: bool = False) -> bytes:
    """Base64 whose padding may be left off, and is canonical otherwise."""
    body = encoded.rstrip("=")
    whole = body.encode("utf-8", "replace") + b"=" * (-len(body) % 4)
    try:
        data = base64.urlsafe_b64decode(whole) if urlsafe else base64.b64decode(whole)
    except binascii.Error:
        raise BodyError(field, why) from None
    again = base64.urlsafe_b64encode(data) if urlsafe else base64.b64encode(data)
    if again != whole or len(encoded) - len(body) > -len(body) % 4:
        raise BodyError(field, why)
    return data
