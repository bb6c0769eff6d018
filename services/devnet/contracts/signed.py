"""Signed messages as the Verifier checks them: NEP-413 and raw ed25519, with code of its own."""

import base64
import binascii
from dataclasses import dataclass
from typing import Final

from services.devnet.contracts import plain
from services.devnet.contracts.port import Panic
from services.devnet.contracts.strictjson import JsonRefused, Number, parse_object
from services.devnet.node.keys import b58encode, parse_ed25519, sha256, verify

STANDARDS: Final = ("nep413", "raw_ed25519")
_NEP413_TAG: Final = (2**31 + 413).to_bytes(4, "little")
_VERSIONED: Final = bytes.fromhex("5628f6c600")


@dataclass(frozen=True, slots=True, kw_only=True)
class Signed:
    """A message whose signature holds. `intent_hash` is base58 of the digest, `public_key` in text form,
    `deadline` Unix ns, `recipient` the contract it names, `intent` its only intent."""

    signer_id: str
    public_key: str
    public_bytes: bytes
    recipient: str
    network: str
    deadline: int
    nonce: bytes
    intent: plain.Plain
    intent_hash: str


@dataclass(frozen=True, slots=True)
class VersionedNonce:
    """What a nonce of version 1 says of itself; the deadline is Unix ns."""

    salt: bytes
    deadline: int


def versioned(nonce: bytes) -> VersionedNonce | None:
    """None for a legacy nonce, which may be any 32 bytes."""
    if not nonce.startswith(_VERSIONED):
        return None
    return VersionedNonce(nonce[5:9], int.from_bytes(nonce[9:17], "little", signed=True))


def nonce_bytes(value: object) -> bytes:
    """Base64 of 32 bytes. Raises Panic."""
    try:
        raw = base64.b64decode(value, validate=True) if type(value) is str else b""
    except (binascii.Error, ValueError):
        raw = b""
    if len(raw) != 32:
        raise Panic("nonce: not base64 of 32 bytes")
    return raw


def _string(data: str) -> bytes:
    raw = data.encode()
    return len(raw).to_bytes(4, "little") + raw


def nep413_digest(message: str, nonce: bytes, recipient: str, callback_url: str | None) -> bytes:
    """What a NEP-413 wallet signs: sha256(tag ‖ borsh{message, nonce, recipient, callback_url?})."""
    tail = b"\0" if callback_url is None else b"\1" + _string(callback_url)
    return sha256(_NEP413_TAG + _string(message) + nonce + _string(recipient) + tail)


def _only(body: dict[str, object], allowed: set[str], where: str) -> None:
    unknown = sorted(set(body) - allowed)
    if unknown:
        raise Panic(f"{where}: unknown field {unknown[0]}")


def _envelope(body: dict[str, object]) -> tuple[str, bytes, str | None, bytes | None]:
    """(message, signed bytes, recipient, nonce), the last two None where the message carries them."""
    standard, payload = body.get("standard"), body.get("payload")
    if standard == "raw_ed25519":
        if type(payload) is not str or not payload:
            raise Panic("payload: missing or not a string")
        return payload, payload.encode(), None, None
    if standard != "nep413":
        raise Panic(f"standard: this contract checks {' and '.join(STANDARDS)} only")
    if not isinstance(payload, dict):
        raise Panic("payload: not an object")
    _only(payload, {"message", "nonce", "recipient", "callbackUrl"}, "payload")
    url = payload.get("callbackUrl")
    if url is not None and (type(url) is not str):
        raise Panic("callbackUrl: not a string")
    message, recipient = plain.text(payload, "message"), plain.text(payload, "recipient")
    nonce = nonce_bytes(payload.get("nonce"))
    return message, nep413_digest(message, nonce, recipient, url), recipient, nonce


def read(body: object) -> Signed:
    """Check the signature, then read the message. Raises Panic with the first fault."""
    if not isinstance(body, dict):
        raise Panic("signed: not an object")
    _only(body, {"standard", "payload", "public_key", "signature"}, "signed")
    message, signed_bytes, recipient, nonce = _envelope(body)
    try:
        public = parse_ed25519(plain.text(body, "public_key"), 32)
        signature = parse_ed25519(plain.text(body, "signature"), 64)
    except ValueError as error:
        raise Panic(f"invalid signature: {error}") from None
    if not verify(public, signature, signed_bytes):
        raise Panic("invalid signature")
    try:
        content = parse_object(message)
    except JsonRefused as error:
        raise Panic(f"message: {error}") from None
    allowed = {"signer_id", "network", "deadline", "intents"}
    if recipient is None:
        allowed |= {"verifying_contract", "nonce"}
    _only(content, allowed, "message")
    if recipient is None:
        recipient, nonce = plain.text(content, "verifying_contract"), nonce_bytes(content.get("nonce"))
    assert nonce is not None
    digest = signed_bytes if body.get("standard") == "nep413" else sha256(signed_bytes)
    return Signed(
        signer_id=plain.text(content, "signer_id"),
        public_key=f"ed25519:{b58encode(public)}",
        public_bytes=public,
        recipient=recipient,
        network=plain.text(content, "network"),
        deadline=plain.instant(content.get("deadline"), "message deadline"),
        nonce=nonce,
        intent=_one_intent(content.get("intents")),
        intent_hash=b58encode(digest),
    )


def _one_intent(intents: object) -> plain.Plain:
    if not isinstance(intents, list) or len(intents) != 1:
        raise Panic("intents: exactly one is needed")
    entry = intents[0]
    if not isinstance(entry, dict) or entry.get("intent") != "plain" or isinstance(entry["intent"], Number):
        raise Panic('intents: not of kind "plain"')
    return plain.read({name: value for name, value in entry.items() if name != "intent"})
