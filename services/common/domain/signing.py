"""What is hashed: the digest a wallet signs, and with it an intent's content."""

import hashlib
import json
import struct
from collections.abc import Callable, Mapping
from typing import Final

import sha3

from services.common.domain.intent import (
    Nep413Payload,
    PlainIntent,
    SignedData,
    Submission,
    TonConnectPayload,
)
from services.common.domain.plainjson import PLAIN_FIELDS
from services.common.domain.ton import ton_connect_digest

STANDARDS: Final = ("nep413", "erc191", "tip191", "raw_ed25519", "webauthn", "ton_connect", "sep53")
"""Every standard there is, in the contract's order."""

RECOVERED: Final = frozenset(("erc191", "tip191"))
"""Standards whose signature yields the key, so that none is sent beside it."""

NEP413_TAG: Final = struct.pack("<I", 2**31 + 413)
"""NEP-413: the prefix that keeps a signed message from being a transaction."""


_LENGTH: Final = struct.Struct("<I").pack


def _borsh_text(text: str) -> bytes:
    data = text.encode("utf-8", "surrogatepass")
    return _LENGTH(len(data)) + data


def nep413_digest(payload: Nep413Payload) -> bytes:
    """sha256 over tag and borsh{message, nonce[32], recipient, callback_url?}. Source: NEP-413."""
    parts = [NEP413_TAG, _borsh_text(payload.message), payload.nonce, _borsh_text(payload.recipient)]
    parts.append(b"\x00" if payload.callback_url is None else b"\x01" + _borsh_text(payload.callback_url))
    return hashlib.sha256(b"".join(parts)).digest()


def keccak256(data: bytes) -> bytes:
    """Keccak-256 as Ethereum has it, which is not SHA3-256."""
    digest: bytes = sha3.keccak_256(data).digest()
    return digest


def _sha256(data: bytes) -> bytes:
    return hashlib.sha256(data).digest()


_TEXT_DIGESTS: Final[Mapping[str, Callable[[bytes], bytes]]] = {
    "erc191": lambda data: keccak256(b"\x19Ethereum Signed Message:\n%d%b" % (len(data), data)),
    "tip191": lambda data: keccak256(b"\x19TRON Signed Message:\n%d%b" % (len(data), data)),
    "sep53": lambda data: _sha256(b"Stellar Signed Message:\n" + data),
}
"""Of a text. Sources: EIP-191 version 0x45, TIP-191, SEP-53. raw_ed25519 and webauthn hash the text alone."""


def intent_digest(signed: SignedData) -> bytes:
    """32 bytes that identify the signed message, as the contract's hash() gives them.

    They are what the key signs too, but for raw_ed25519, which signs the text, and webauthn, whose challenge they
    are. Raises ValueError for a payload of ton_connect whose address is none.
    """
    match signed.payload:
        case Nep413Payload() as envelope:
            return nep413_digest(envelope)
        case TonConnectPayload() as ton:
            return ton_connect_digest(ton)
        case text:
            return _TEXT_DIGESTS.get(signed.standard, _sha256)(text.encode("utf-8", "surrogatepass"))


def content_hash(submission: Submission) -> str:
    """64 hex digits that say whether two submissions are the same.

    The signed message's digest, bound to the id; without one sha256 of the canonical fields. Signature
    bytes and request_id are no part of it.
    """
    if submission.signed_data is not None:
        return intent_digest(submission.signed_data).hex()
    if submission.intent is None:
        raise ValueError("a submission holds an intent or a signed message")
    return hashlib.sha256(canonical_fields(submission.intent)).hexdigest()


def canonical_fields(intent: PlainIntent) -> bytes:
    """The seed's fields as sorted, compact JSON; slippage in basis points, deadline in nanoseconds."""
    named = {
        **{
            name: getattr(intent, name, None)
            for name in PLAIN_FIELDS
            if name not in ("max_slippage", "deadline")
        },
        "max_slippage_bps": intent.max_slippage_bps,
        "deadline_ns": intent.deadline_ns,
    }
    present = {name: value for name, value in named.items() if value is not None}
    return json.dumps(present, sort_keys=True, separators=(",", ":")).encode()
