"""The message of a plain intent as the Verifier reads it, once its signature holds."""

from dataclasses import dataclass
from typing import Final

from services.devnet.contracts import plain
from services.devnet.contracts.envelope import Envelope, nonce_bytes, only, open_envelope
from services.devnet.contracts.port import Panic
from services.devnet.contracts.strictjson import JsonRefused, Number, parse_object
from services.devnet.crypto.curves import PublicKey
from services.devnet.node.keys import b58encode

_VERSIONED: Final = bytes.fromhex("5628f6c600")
_ENVELOPED: Final = frozenset(("signer_id", "network", "deadline", "intents"))
_BARE: Final = _ENVELOPED | {"verifying_contract", "nonce"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Signed:
    """A message whose signature holds. `intent_hash` is base58 of the digest, `recipient` the contract it names,
    `deadline` as it is spelled, `intent` its only intent, or why it can be
    the same as no other."""

    signer_id: str
    key: PublicKey
    recipient: str | None
    network: str | None
    deadline: object
    nonce: bytes
    inner_deadline: int | None
    """The intent's own, Unix ns."""
    intent: plain.Plain | Panic
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


def read(body: object) -> Signed:
    """Check the signature, then read the message. Raises Panic with the first fault."""
    envelope = open_envelope(body)
    try:
        content = parse_object(envelope.text)
    except JsonRefused as error:
        raise Panic(f"message: {error}") from None
    enveloped = envelope.nonce is not None
    only(content, _ENVELOPED if enveloped else _BARE, "message")
    recipient = envelope.recipient if enveloped else _text_or_none(content, "verifying_contract")
    signer_id, network = plain.string(content, "signer_id"), _text_or_none(content, "network")
    entry = _one_entry(content.get("intents"))
    nonce = envelope.nonce if enveloped else nonce_bytes(content.get("nonce"))
    if nonce is None or len(nonce) != 32:
        raise Panic("nonce: not base64 of 32 bytes")
    _in_time(envelope, content.get("deadline"))
    return Signed(
        signer_id=signer_id,
        key=envelope.key,
        recipient=recipient,
        network=network,
        deadline=content.get("deadline"),
        nonce=nonce,
        inner_deadline=None
        if entry.get("deadline") is None
        else plain.instant(entry["deadline"], "deadline"),
        intent=_readable(entry),
        intent_hash=b58encode(envelope.digest),
    )


def _in_time(envelope: Envelope, deadline: object) -> None:
    """As near/intents reads a ton_connect message; a deadline that is none has its own fault later."""
    if envelope.signed_at is None:
        return
    try:
        until = plain.instant(deadline, "message deadline")
    except Panic:
        return
    if until < envelope.signed_at:
        raise Panic("message: signed after its deadline, as its timestamp says")


def _text_or_none(content: dict[str, object], name: str) -> str | None:
    value = content.get(name)
    if value is None or type(value) is str:
        return value
    raise Panic(f"{name}: not a string")


def _one_entry(intents: object) -> dict[str, object]:
    """The fields of the only intent. They have the types they must have; whether they say something shows later."""
    if not isinstance(intents, list) or len(intents) != 1:
        raise Panic("intents: exactly one is needed")
    entry = intents[0]
    if not isinstance(entry, dict) or entry.get("intent") != "plain" or isinstance(entry["intent"], Number):
        raise Panic('intents: not of kind "plain"')
    said = {name: value for name, value in entry.items() if name != "intent"}
    plain.check_types(said)
    return said


def _readable(said: dict[str, object]) -> plain.Plain | Panic:
    try:
        return plain.read(said)
    except Panic as fault:
        return fault
