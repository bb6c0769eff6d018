"""What is hashed: the digest a wallet signs, and with it an intent's content."""

import hashlib
import json
import struct
from typing import Final

from services.common.domain.intent import Nep413Payload, PlainIntent, SignedData, Submission
from services.common.domain.plainjson import PLAIN_FIELDS

NEP413_TAG: Final = struct.pack("<I", 2**31 + 413)
"""NEP-413: the prefix that keeps a signed message from being a transaction."""


def _borsh_text(text: str) -> bytes:
    data = text.encode("utf-8", "surrogatepass")
    return struct.pack("<I", len(data)) + data


def nep413_digest(payload: Nep413Payload) -> bytes:
    """sha256 over tag and borsh{message, nonce[32], recipient, callback_url?}. Source: NEP-413."""
    parts = [NEP413_TAG, _borsh_text(payload.message), payload.nonce, _borsh_text(payload.recipient)]
    parts.append(b"\x00" if payload.callback_url is None else b"\x01" + _borsh_text(payload.callback_url))
    return hashlib.sha256(b"".join(parts)).digest()


def intent_digest(signed: SignedData) -> bytes:
    """32 bytes that identify the signed message: nep413's digest, sha256 of the text for the others."""
    if isinstance(signed.payload, Nep413Payload):
        return nep413_digest(signed.payload)
    return hashlib.sha256(signed.payload.encode("utf-8", "surrogatepass")).digest()


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
