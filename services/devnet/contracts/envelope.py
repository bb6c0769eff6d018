"""What was signed and by which key, in each of the seven standards. Source: near/intents (contracts/defuse/core)."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from services.devnet.contracts import plain, ton, webauthn
from services.devnet.contracts.base64 import Base64Refused, base64_bytes
from services.devnet.contracts.port import Panic
from services.devnet.crypto import curves
from services.devnet.crypto.curves import PublicKey
from services.devnet.crypto.keccak import keccak256
from services.devnet.node.keys import sha256

_NEP413_TAG: Final = (2**31 + 413).to_bytes(4, "little")
_KEYED: Final = frozenset(("standard", "payload", "public_key", "signature"))
_RECOVERED: Final = _KEYED - {"public_key"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Envelope:
    """A message whose signature holds. `digest`: 32 bytes, the intent hash. `recipient` and `nonce` (of any length) are
    nep413's, None where the message carries them; `signed_at` is ton_connect's, Unix ns."""

    text: str
    key: PublicKey
    digest: bytes
    recipient: str | None = None
    nonce: bytes | None = None
    signed_at: int | None = None


Body = dict[str, Any]


def only(body: Body, allowed: frozenset[str], where: str) -> None:
    """Raises Panic for a field that is not there."""
    unknown = sorted(set(body) - allowed)
    if unknown:
        raise Panic(f"{where}: unknown field {unknown[0][:64]}")


def open_envelope(body: object) -> Envelope:
    """Reads the form, then checks the signature. Raises Panic."""
    if not isinstance(body, dict):
        raise Panic("signed: not an object")
    opener = _OPENERS.get(standard) if isinstance(standard := body.get("standard"), str) else None
    if opener is None:
        raise Panic(f"standard: this contract checks {', '.join(STANDARDS)}")
    return opener(body)


def nonce_bytes(value: object) -> bytes:
    """Base64 of 32 bytes. Raises Panic."""
    try:
        raw = base64_bytes(value)
    except Base64Refused:
        raw = b""
    if len(raw) != 32:
        raise Panic("nonce: not base64 of 32 bytes")
    return raw


def nep413_digest(message: str, nonce: bytes, recipient: str, callback_url: str | None) -> bytes:
    """What a NEP-413 wallet signs: sha256(tag ‖ borsh{message, nonce, recipient, callback_url?})."""
    tail = b"\0" if callback_url is None else b"\1" + _string(callback_url)
    return sha256(_NEP413_TAG + _string(message) + nonce + _string(recipient) + tail)


def _string(data: str) -> bytes:
    raw = data.encode()
    return len(raw).to_bytes(4, "little") + raw


def _nep413(body: Body) -> Envelope:
    only(body, _KEYED, "signed")
    payload = body.get("payload")
    if not isinstance(payload, dict):
        raise Panic("payload: not an object")
    only(payload, frozenset(("message", "nonce", "recipient", "callbackUrl")), "payload")
    url = payload.get("callbackUrl")
    if url is not None and type(url) is not str:
        raise Panic("callbackUrl: not a string")
    message, recipient = plain.string(payload, "message"), plain.string(payload, "recipient")
    try:
        nonce = base64_bytes(payload.get("nonce"))
    except Base64Refused:
        raise Panic("nonce: not base64 of 32 bytes") from None
    digest = nep413_digest(message, nonce, recipient, url)
    key = _ed25519(body, digest)
    return Envelope(text=message, key=key, digest=digest, recipient=recipient, nonce=nonce)


def _raw_ed25519(body: Body) -> Envelope:
    only(body, _KEYED, "signed")
    text = plain.string(body, "payload")
    return Envelope(text=text, key=_ed25519(body, text.encode()), digest=sha256(text.encode()))


def _sep53(body: Body) -> Envelope:
    only(body, _KEYED, "signed")
    text = plain.string(body, "payload")
    digest = sha256(b"Stellar Signed Message:\n" + text.encode())
    return Envelope(text=text, key=_ed25519(body, digest), digest=digest)


def _prefixed(chain: bytes) -> Callable[[Body], Envelope]:
    def opener(body: Body) -> Envelope:
        only(body, _RECOVERED, "signed")
        text = plain.string(body, "payload")
        data = text.encode()
        digest = keccak256(b"\x19" + chain + b" Signed Message:\n" + str(len(data)).encode() + data)
        signature = _bytes(body, "signature", curves.SECP256K1, curves.SIGNATURE_BYTES)
        signer = curves.secp256k1_signer(signature, digest)
        if signer is None:
            raise Panic("invalid signature")
        return Envelope(text=text, key=PublicKey(curves.SECP256K1, signer), digest=digest)

    return opener


def _webauthn(body: Body) -> Envelope:
    only(body, _KEYED | webauthn.FIELDS, "signed")
    text = plain.string(body, "payload")
    digest = sha256(text.encode())
    signed = webauthn.signed_bytes(body, digest)
    try:
        key = curves.public_key(_text(body, "public_key"))
    except ValueError as error:
        raise Panic(f"invalid signature: {error}") from None
    named = _text(body, "signature").partition(":")
    curve = named[0] if named[1] else curves.ED25519
    check = {curves.ED25519: curves.ed25519_signed, curves.P256: curves.p256_signed}.get(curve)
    if check is None or curve != key.curve:
        raise Panic("invalid signature: key and signature must both be of ed25519 or of p256")
    signature = _bytes(body, "signature", curve, curves.SIGNATURE_BYTES)
    if signed is None or not check(key.raw, signature, signed):
        raise Panic("invalid signature")
    return Envelope(text=text, key=key, digest=digest)


def _ton_connect(body: Body) -> Envelope:
    only(body, _KEYED | ton.FIELDS, "signed")
    found = ton.read(body)
    return Envelope(
        text=found.text, key=_ed25519(body, found.digest), digest=found.digest, signed_at=found.signed_at
    )


def _ed25519(body: Body, signed: bytes) -> PublicKey:
    key = _bytes(body, "public_key", curves.ED25519, curves.KEY_BYTES)
    signature = _bytes(body, "signature", curves.ED25519, curves.SIGNATURE_BYTES)
    if not curves.ed25519_signed(key, signature, signed):
        raise Panic("invalid signature")
    return PublicKey(curves.ED25519, key)


def _bytes(body: Body, name: str, curve: str, sizes: Mapping[str, int]) -> bytes:
    try:
        return curves.of_curve(_text(body, name), curve, sizes[curve])
    except ValueError as error:
        raise Panic(f"invalid signature: {name}: {error}") from None


def _text(body: Body, name: str) -> str:
    value = body.get(name)
    if type(value) is not str:
        raise Panic(f"invalid signature: {name}: missing or not a string")
    return value


_OPENERS: Final[Mapping[str, Callable[[Body], Envelope]]] = {
    "nep413": _nep413,
    "erc191": _prefixed(b"Ethereum"),
    "tip191": _prefixed(b"TRON"),
    "raw_ed25519": _raw_ed25519,
    "webauthn": _webauthn,
    "ton_connect": _ton_connect,
    "sep53": _sep53,
}
STANDARDS: Final = tuple(_OPENERS)
