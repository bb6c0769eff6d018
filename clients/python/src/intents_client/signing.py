"""Signing a plain intent: NEP-413 as wallets do it, or raw ed25519.

What is signed repeats every field of the intent, so that nobody on the way can change one.
"""

import base64
import hashlib
import json
import os
import struct
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from intents.v1 import intent_service_pb2 as service_pb
from intents_client.encoding import b58encode
from intents_client.keys import Account
from intents_client.plain import PLAIN_FIELDS, submission_from_body
from intents_client.values import rfc3339

NEP413_TAG: Final = 2**31 + 413
DEFAULT_LIFETIME: Final = timedelta(minutes=10)


@dataclass(frozen=True, slots=True, kw_only=True)
class SigningInfo:
    """What GetInfo says a signature must name."""

    network: str
    verifying_contract: str

    @classmethod
    def of(cls, info: service_pb.GetInfoResponse) -> "SigningInfo":
        """From the answer of GetInfo."""
        return cls(network=info.network, verifying_contract=info.verifying_contract)


def nep413_digest(message: str, nonce: bytes, recipient: str, callback_url: str | None = None) -> bytes:
    """sha256(u32 LE tag, borsh{message, nonce[32], recipient, callback_url?}), the bytes a NEAR wallet signs."""
    callback = b"\0" if callback_url is None else b"\1" + _borsh(callback_url)
    return hashlib.sha256(
        struct.pack("<I", NEP413_TAG) + _borsh(message) + nonce + _borsh(recipient) + callback
    ).digest()


def _borsh(text: str) -> bytes:
    data = text.encode()
    return struct.pack("<I", len(data)) + data


def plain_message(fields: Mapping[str, Any], info: SigningInfo, *, deadline: str) -> dict[str, Any]:
    """The object whose JSON is signed, in the nep413 form (the envelope holds recipient and nonce)."""
    plain = {name: fields[name] for name in PLAIN_FIELDS if fields.get(name) is not None}
    return {
        "signer_id": fields["user_account"],
        "network": info.network,
        "deadline": deadline,
        "intents": [{"intent": "plain", **plain}],
    }


def sign_nep413(
    message: str, account: Account, *, nonce: bytes, recipient: str, callback_url: str | None = None
) -> dict[str, Any]:
    """The MultiPayload of a NEP-413 signature over `message`, exactly as it stands."""
    digest = nep413_digest(message, nonce, recipient, callback_url)
    payload = {"message": message, "nonce": base64.b64encode(nonce).decode(), "recipient": recipient}
    if callback_url is not None:
        payload["callbackUrl"] = callback_url
    return _multipayload("nep413", payload, account, digest)


def sign_raw_ed25519(message: str, account: Account) -> dict[str, Any]:
    """The MultiPayload of an ed25519 signature over the text's bytes."""
    return _multipayload("raw_ed25519", message, account, message.encode())


def _multipayload(standard: str, payload: object, account: Account, signed: bytes) -> dict[str, Any]:
    return {
        "standard": standard,
        "payload": payload,
        "public_key": account.keypair.public_key,
        "signature": "ed25519:" + b58encode(account.keypair.sign(signed)),
    }


def sign_body(
    fields: Mapping[str, Any],
    info: SigningInfo,
    account: Account,
    *,
    deadline: str | None = None,
    lifetime: timedelta = DEFAULT_LIFETIME,
    nonce: bytes | None = None,
    standard: str = "nep413",
) -> dict[str, Any]:
    """The body of POST /api/intents: `fields` (the seed's names) and `signed_data` over all of them.

    The message's deadline is the intent's own if it has one, else `deadline`, else now plus `lifetime`.
    `user_account` defaults to the account's. Raises ValueError for a standard other than nep413 and
    raw_ed25519.
    """
    body = {"user_account": account.account_id, **fields}
    until = body.get("deadline") or deadline or rfc3339(datetime.now(UTC) + lifetime)
    message = plain_message(body, info, deadline=until)
    once = os.urandom(32) if nonce is None else nonce
    if standard == "nep413":
        text = json.dumps(message, separators=(",", ":"))
        body["signed_data"] = sign_nep413(text, account, nonce=once, recipient=info.verifying_contract)
    elif standard == "raw_ed25519":
        message["verifying_contract"] = info.verifying_contract
        message["nonce"] = base64.b64encode(once).decode()
        body["signed_data"] = sign_raw_ed25519(json.dumps(message, separators=(",", ":")), account)
    else:
        raise ValueError(f"cannot sign {standard}; use nep413 or raw_ed25519")
    return body


def sign_plain(
    fields: Mapping[str, Any],
    info: SigningInfo,
    account: Account,
    *,
    lifetime: timedelta = DEFAULT_LIFETIME,
    request_id: str = "",
) -> service_pb.Submission:
    """A submission ready to send: `fields` signed under NEP-413, to be acted on within `lifetime`."""
    body = sign_body(fields, info, account, lifetime=lifetime)
    if request_id:
        body["request_id"] = request_id
    return submission_from_body(body)
