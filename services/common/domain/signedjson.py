"""Signed data as JSON shows it: the MultiPayload of near/intents, each standard with the fields it has there."""

from collections.abc import Mapping
from typing import Any, Final

from services.common.domain.faults import Faults
from services.common.domain.intent import Nep413Payload, SignedData, TonConnectPayload, WebauthnAssertion
from services.common.domain.plainjson import rfc3339
from services.common.domain.signing import RECOVERED
from services.common.domain.strictjson import Number
from services.common.domain.ton import address_parts, timestamp_ns
from services.common.encoding import b64decode_unpadded, b64encode, b64url_unpadded

_FIELDS: Final = ("standard", "payload", "public_key", "signature")
_TON: Final = ("address", "domain", "timestamp")
_ASSERTION: Final = {"authenticator_data": "authenticatorData", "client_data_json": "clientDataJSON"}
"""Each goes by either name."""

_DATA: Final = "signed_data"


def signed_to_json(signed: SignedData) -> dict[str, Any]:
    """The MultiPayload."""
    shown: dict[str, Any] = {"standard": signed.standard}
    match signed.payload:
        case Nep413Payload() as envelope:
            shown["payload"] = {
                "message": envelope.message,
                "nonce": b64encode(envelope.nonce),
                "recipient": envelope.recipient,
            }
            if envelope.callback_url is not None:
                shown["payload"]["callbackUrl"] = envelope.callback_url
        case TonConnectPayload() as ton:
            shown |= {
                "address": ton.address,
                "domain": ton.domain,
                "timestamp": rfc3339(ton.timestamp_ns),
                "payload": {"type": "text", "text": ton.text},
            }
        case text:
            shown["payload"] = text
    if signed.webauthn is not None:
        shown["authenticator_data"] = b64url_unpadded(signed.webauthn.authenticator_data)
        shown["client_data_json"] = signed.webauthn.client_data_json
    if signed.public_key or signed.standard not in RECOVERED:
        shown["public_key"] = signed.public_key
    return shown | {"signature": signed.signature}


def signed_from_json(value: object) -> SignedData:
    """A MultiPayload, as strictjson read it. Raises IntentError INVALID_FIELD naming each wrong field.

    What a standard needs must be there and nothing that it has not. A standard that is not known, or a payload in
    the form of another, is for the validator to refuse.
    """
    faults = Faults()
    if not isinstance(value, Mapping):
        faults.add(_DATA, "must be an object")
        faults.check()
        raise AssertionError("unreachable")
    standard = faults.text(f"{_DATA}.standard", value.get("standard"))
    for name in value:
        if name not in _allowed(standard):
            known = f"{standard} " if standard in ("webauthn", "ton_connect", *RECOVERED) else ""
            faults.add(f"{_DATA}.{str(name)[:64]}", f"is not a field of {known}signed data")
    key = value.get("public_key")
    signed = SignedData(
        standard=standard,
        payload=_payload(standard, value, faults),
        public_key="" if key is None else faults.text(f"{_DATA}.public_key", key),
        signature=faults.text(f"{_DATA}.signature", value.get("signature")),
        webauthn=_assertion(value, faults) if standard == "webauthn" else None,
    )
    faults.check()
    return signed


def _allowed(standard: str) -> tuple[str, ...]:
    if standard == "ton_connect":
        return (*_FIELDS, *_TON)
    if standard == "webauthn":
        return (*_FIELDS, *_ASSERTION.keys(), *_ASSERTION.values())
    return ("standard", "payload", "signature") if standard in RECOVERED else _FIELDS


def _payload(
    standard: str, value: Mapping[str, Any], faults: Faults
) -> Nep413Payload | TonConnectPayload | str:
    raw = value.get("payload")
    if standard == "ton_connect":
        return _ton(value, raw, faults)
    if isinstance(raw, Mapping):
        return _nep413(raw, faults)
    if isinstance(raw, str) and not isinstance(raw, Number):
        return raw
    faults.add(f"{_DATA}.payload", "must be an object or a string")
    return ""


def _nep413(raw: Mapping[str, Any], faults: Faults) -> Nep413Payload:
    where = f"{_DATA}.payload"
    for name in raw:
        if name not in ("message", "nonce", "recipient", "callbackUrl"):
            faults.add(f"{where}.{str(name)[:64]}", "is not a field of a nep413 payload")
    nonce = b""
    try:
        nonce = b64decode_unpadded(faults.text(f"{where}.nonce", raw.get("nonce")))
    except ValueError:
        faults.add(f"{where}.nonce", "must be base64 of 32 bytes")
    callback = raw.get("callbackUrl")
    return Nep413Payload(
        message=faults.text(f"{where}.message", raw.get("message")),
        nonce=nonce,
        recipient=faults.text(f"{where}.recipient", raw.get("recipient")),
        callback_url=None if callback is None else faults.text(f"{where}.callbackUrl", callback),
    )


def _ton(value: Mapping[str, Any], raw: object, faults: Faults) -> TonConnectPayload:
    where = f"{_DATA}.payload"
    text = ""
    if not isinstance(raw, Mapping):
        faults.add(where, "must be an object")
    else:
        kind = raw.get("type")
        if kind != "text" or isinstance(kind, Number):
            faults.add(f"{where}.type", 'must be "text"')
        for name in raw:
            if name not in ("type", "text"):
                faults.add(f"{where}.{str(name)[:64]}", "is not a field of a ton_connect payload")
        text = faults.text(f"{where}.text", raw.get("text"))
    address, seconds = faults.text(f"{_DATA}.address", value.get("address")), 0
    try:
        if isinstance(value.get("address"), str):
            address_parts(address)
    except ValueError as error:
        faults.add(f"{_DATA}.address", str(error))
    try:
        seconds = timestamp_ns(value.get("timestamp"))
    except ValueError as error:
        faults.add(f"{_DATA}.timestamp", str(error))
    domain = faults.text(f"{_DATA}.domain", value.get("domain"))
    return TonConnectPayload(address=address, domain=domain, timestamp_ns=seconds, text=text)


def _assertion(value: Mapping[str, Any], faults: Faults) -> WebauthnAssertion:
    texts: dict[str, str] = {}
    for name, alias in _ASSERTION.items():
        if name in value and alias in value:
            faults.add(f"{_DATA}.{alias}", f"is {name} by another name, which is there too")
        texts[name] = faults.text(f"{_DATA}.{name}", value.get(name, value.get(alias)))
    data = b""
    try:
        data = b64decode_unpadded(texts["authenticator_data"], urlsafe=True)
    except ValueError:
        faults.add(f"{_DATA}.authenticator_data", "must be base64url")
    return WebauthnAssertion(authenticator_data=data, client_data_json=texts["client_data_json"])
