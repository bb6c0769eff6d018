"""Wallets that sign in each of the seven standards, by seed: the same seed, message and nonce give the same bytes.

`sign` is the one function; `StandardWallet` is an account around it, used as `tests.harness.signing.Wallet` is.
"""

import hashlib
import json
import struct
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from btclib_secp256k1 import keys, recovery
from Crypto.Hash import keccak
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature
from nacl.signing import SigningKey

from intents_client.signing import SigningInfo, nep413_digest, plain_message
from intents_client.values import rfc3339
from services.common.encoding import b58encode, b64encode, b64url_unpadded
from tests.harness.signing import NETWORK, VERIFIER, plain_fields

STANDARDS: Final = ("nep413", "erc191", "tip191", "raw_ed25519", "webauthn", "ton_connect", "sep53")

CURVES: Final = {
    "nep413": "ed25519", "erc191": "secp256k1", "tip191": "secp256k1", "raw_ed25519": "ed25519",
    "webauthn": "p256", "ton_connect": "ed25519", "sep53": "ed25519",
}  # fmt: skip
"""Of each standard's wallets; webauthn's may be ed25519 too."""

P256_ORDER: Final = 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551
ORIGIN: Final = "http://localhost:3000"
RP_ID_HASH: Final = hashlib.sha256(b"localhost").digest()
UP: Final = 0x01
"""The flag of authenticator data that says a user was there."""


def keccak256(data: bytes) -> bytes:
    """Keccak-256 as Ethereum has it."""
    return keccak.new(digest_bits=256, data=data).digest()


@dataclass(frozen=True, slots=True)
class Key:
    """A key pair of one curve, made of a seed. `public` is as keys are sent: 32 bytes, or x and y (64)."""

    curve: str
    secret: bytes
    public: bytes

    @classmethod
    def of(cls, curve: str, seed: str | bytes) -> "Key":
        """The same seed gives the same key."""
        raw = seed.encode() if isinstance(seed, str) else seed
        secret = hashlib.sha256(curve.encode() + b":" + raw).digest()
        if curve == "ed25519":
            return cls(curve, secret, bytes(SigningKey(secret).verify_key))
        if curve == "secp256k1":
            return cls(curve, secret, keys.pubkey_from_prvkey(secret, compressed=False)[1:])
        secret = (int.from_bytes(secret, "big") % (P256_ORDER - 1) + 1).to_bytes(32, "big")
        numbers = _p256(secret).public_key().public_numbers()
        return cls(curve, secret, numbers.x.to_bytes(32, "big") + numbers.y.to_bytes(32, "big"))

    @property
    def text(self) -> str:
        """`curve:<base58>`."""
        return f"{self.curve}:{b58encode(self.public)}"

    @property
    def account(self) -> str:
        """The implicit account."""
        if self.curve == "ed25519":
            return self.public.hex()
        prefix = b"p256" if self.curve == "p256" else b""
        return "0x" + keccak256(prefix + self.public)[12:].hex()

    def sign(self, data: bytes) -> bytes:
        """64 bytes over `data`, whole for ed25519 and p256; 65 over the digest `data` for secp256k1."""
        if self.curve == "ed25519":
            return SigningKey(self.secret).sign(data).signature
        if self.curve == "secp256k1":
            signature, recid = recovery.sign(data, self.secret)
            return signature + bytes([recid])
        r, s = decode_dss_signature(
            _p256(self.secret).sign(data, ec.ECDSA(hashes.SHA256(), deterministic_signing=True))
        )
        return r.to_bytes(32, "big") + min(s, P256_ORDER - s).to_bytes(32, "big")


def _p256(secret: bytes) -> ec.EllipticCurvePrivateKey:
    return ec.derive_private_key(int.from_bytes(secret, "big"), ec.SECP256R1())


def sign(
    standard: str,
    text: str,
    key: Key,
    *,
    nonce: bytes = b"\7" * 32,
    recipient: str = VERIFIER,
    callback_url: str | None = None,
    address: str = "0:" + "ab" * 32,
    domain: str = "localhost",
    timestamp: int = 1_700_000_000,
    flags: int = UP,
    origin: str = ORIGIN,
) -> dict[str, Any]:
    """signed_data over any text at all. `nonce`, `recipient` and `callback_url` are nep413's; `address`, `domain` and
    `timestamp` (Unix seconds) ton_connect's; `flags` and `origin` webauthn's."""
    data = text.encode("utf-8", "surrogatepass")
    made: dict[str, Any] = {"standard": standard, "payload": text, "public_key": key.text}
    match standard:
        case "nep413":
            made["payload"] = {"message": text, "nonce": b64encode(nonce), "recipient": recipient}
            if callback_url is not None:
                made["payload"]["callbackUrl"] = callback_url
            signed = nep413_digest(text, nonce, recipient, callback_url)
        case "erc191" | "tip191":
            del made["public_key"]
            chain = b"Ethereum" if standard == "erc191" else b"TRON"
            signed = keccak256(b"\x19%b Signed Message:\n%d%b" % (chain, len(data), data))
        case "raw_ed25519":
            signed = data
        case "sep53":
            signed = hashlib.sha256(b"Stellar Signed Message:\n" + data).digest()
        case "ton_connect":
            made |= {"address": address, "domain": domain, "timestamp": timestamp}
            made["payload"] = {"type": "text", "text": text}
            workchain, _, account = address.partition(":")
            signed = hashlib.sha256(
                b"\xff\xffton-connect/sign-data/"
                + struct.pack(">i", int(workchain))
                + bytes.fromhex(account)
                + struct.pack(">I", len(domain.encode()))
                + domain.encode()
                + struct.pack(">Q3sI", timestamp, b"txt", len(data))
                + data
            ).digest()
        case "webauthn":
            challenge = b64url_unpadded(hashlib.sha256(data).digest())
            client = json.dumps(
                {"type": "webauthn.get", "challenge": challenge, "origin": origin}, separators=(",", ":")
            )
            assertion = RP_ID_HASH + bytes([flags]) + bytes(4)
            made |= {"authenticator_data": b64url_unpadded(assertion), "client_data_json": client}
            signed = assertion + hashlib.sha256(client.encode()).digest()
        case _:
            raise ValueError(f"no wallet signs {standard}")
    return made | {"signature": f"{key.curve}:{b58encode(key.sign(signed))}"}


class StandardWallet:
    """A key of its standard and the account it signs for: implicit by default, or the named one given."""

    def __init__(
        self,
        standard: str,
        seed: str | bytes = "",
        *,
        curve: str | None = None,
        account_id: str | None = None,
    ) -> None:
        self.standard = standard
        self.key = Key.of(curve or CURVES[standard], seed)
        self.public_key = self.key.text
        self.account_id = account_id or self.key.account

    def fields(self, **changes: Any) -> dict[str, Any]:
        """A valid intent of this account under a fresh id; `changes` replace fields, None removes one."""
        return plain_fields(self.account_id, self.standard, changes)

    def message(
        self,
        fields: Mapping[str, Any],
        *,
        network: str = NETWORK,
        verifier: str = VERIFIER,
        deadline: str | None = None,
        nonce: bytes = b"\7" * 32,
    ) -> dict[str, Any]:
        """The object whose JSON is signed; default deadline: the intent's own, or 10 minutes ahead of the clock."""
        until = fields.get("deadline") or deadline or rfc3339(datetime.now(UTC) + timedelta(minutes=10))
        info = SigningInfo(network=network, verifying_contract=verifier)
        made = plain_message(fields, info, deadline=until)
        if self.standard != "nep413":
            made |= {"verifying_contract": verifier, "nonce": b64encode(nonce)}
        return made

    def sign_plain(
        self,
        fields: Mapping[str, Any] | None = None,
        network: str = NETWORK,
        verifier: str = VERIFIER,
        deadline: str | datetime | None = None,
        nonce: bytes | None = None,
        *,
        request_id: str | None = None,
        **envelope: Any,
    ) -> dict[str, Any]:
        """The body of POST /api/intents with signed_data over `fields`; `envelope` goes to `sign`."""
        body = dict(self.fields() if fields is None else fields)
        until = rfc3339(deadline) if isinstance(deadline, datetime) else deadline
        once = hashlib.sha256(str(body["id"]).encode()).digest() if nonce is None else nonce
        message = self.message(body, network=network, verifier=verifier, deadline=until, nonce=once)
        text = json.dumps(message, separators=(",", ":"))
        body["signed_data"] = self.sign_text(text, nonce=once, recipient=verifier, **envelope)
        if request_id is not None:
            body["request_id"] = request_id
        return body

    def sign_text(self, text: str, **envelope: Any) -> dict[str, Any]:
        """signed_data over any text at all; `envelope` goes to `sign`."""
        return sign(self.standard, text, self.key, **envelope)
