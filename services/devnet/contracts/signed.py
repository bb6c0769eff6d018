"""The message of a plain intent as the Verifier reads it, once its signature holds."""

from dataclasses import dataclass
from typing import Final

from services.devnet.contracts import plain
from services.devnet.contracts.envelope import nonce_bytes, only, open_envelope
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
    `deadline` as it is spelled, `signed_at` ton_connect's (Unix ns), `intent` its only intent."""

    signer_id: str
    key: PublicKey
    recipient: str | None
    network: str | None
    deadline: object
    signed_at: int | None
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
    signer_id, network = plain.text(content, "signer_id"), _text_or_none(content, "network")
    intent = _one_intent(content.get("intents"))
    return Signed(
        signer_id=signer_id,
        key=envelope.key,
        recipient=recipient,
        network=network,
        deadline=content.get("deadline"),
        signed_at=envelope.signed_at,
        nonce=envelope.nonce if envelope.nonce is not None else nonce_bytes(content.get("nonce")),
        intent=intent,
        intent_hash=b58encode(envelope.digest),
    )


def _text_or_none(content: dict[str, object], name: str) -> str | None:
    value = content.get(name)
    if value is None or type(value) is str:
        return value
    raise Panic(f"{name}: not a string")


def _one_intent(intents: object) -> plain.Plain:
    if not isinstance(intents, list) or len(intents) != 1:
        raise Panic("intents: exactly one is needed")
    entry = intents[0]
    if not isinstance(entry, dict) or entry.get("intent") != "plain" or isinstance(entry["intent"], Number):
        raise Panic('intents: not of kind "plain"')
    return plain.read({name: value for name, value in entry.items() if name != "intent"})
