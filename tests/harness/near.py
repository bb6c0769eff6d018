"""Writing NEAR transactions and signed intents by hand, apart from any code of the services."""

import base64
import hashlib
import itertools
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from services.devnet.genesis import key
from services.devnet.node.keys import SecretKey, b58decode, b58encode

TGAS = 10**12
_nonces = itertools.count(1)


def u32(value: int) -> bytes:
    return value.to_bytes(4, "little")


def u64(value: int) -> bytes:
    return value.to_bytes(8, "little")


def u128(value: int) -> bytes:
    return value.to_bytes(16, "little")


def borsh_bytes(data: bytes | str) -> bytes:
    raw = data.encode() if isinstance(data, str) else data
    return u32(len(raw)) + raw


def public(public_key: str) -> bytes:
    return b"\0" + b58decode(public_key.removeprefix("ed25519:"))


def call_action(method: str, args: object, gas: int = 100 * TGAS, deposit: int = 0) -> bytes:
    raw = args if isinstance(args, bytes) else json.dumps(args).encode()
    return b"\x02" + borsh_bytes(method) + borsh_bytes(raw) + u64(gas) + u128(deposit)


def transfer_action(deposit: int) -> bytes:
    return b"\x03" + u128(deposit)


@dataclass
class Sender:
    """An account with one key; `nonce` is the last one used."""

    account_id: str
    pair: SecretKey
    nonce: int = 0
    sent: list[str] = field(default_factory=list)

    @classmethod
    def of(cls, name: str, seed: str = "devnet", index: int = 0) -> "Sender":
        return cls(name, key(seed, name, index))

    def sign(
        self, receiver: str, actions: Sequence[bytes], block_hash: str, *, nonce: int | None = None
    ) -> bytes:
        """Borsh bytes of the SignedTransaction."""
        if nonce is None:
            self.nonce += 1
            nonce = self.nonce
        body = (
            borsh_bytes(self.account_id)
            + public(self.pair.public_key)
            + u64(nonce)
            + borsh_bytes(receiver)
            + b58decode(block_hash).rjust(32, b"\0")
            + u32(len(actions))
            + b"".join(actions)
        )
        return body + b"\0" + self.pair.sign(hashlib.sha256(body).digest())


def tx_hash(signed: bytes) -> str:
    return b58encode(hashlib.sha256(signed[:-65]).digest())


def encoded(signed: bytes) -> str:
    return base64.b64encode(signed).decode()


@dataclass
class User:
    """An implicit account unless named otherwise, that signs intents."""

    pair: SecretKey
    name: str | None = None

    @classmethod
    def fresh(cls, seed: str = "user") -> "User":
        return cls(SecretKey(hashlib.sha256(seed.encode()).digest()))

    @property
    def account_id(self) -> str:
        return self.name or self.pair.public_bytes.hex()

    def intent(self, intent_id: str, **changes: Any) -> dict[str, Any]:
        """100 USDC for at least 95 NEAR; a change to None takes the field away."""
        body: dict[str, Any] = {
            "id": intent_id,
            "user_account": self.account_id,
            "action": "swap",
            "input_token": "USDC",
            "input_amount": "100000000",
            "output_token": "NEAR",
            "min_output_amount": "95000000000000000000000000",
            "max_slippage": 0.5,
        } | changes
        return {name: value for name, value in body.items() if value is not None}

    def message(self, intent: Mapping[str, Any], deadline: object, **changes: Any) -> str:
        body: dict[str, Any] = {
            "signer_id": self.account_id,
            "network": "localnet",
            "deadline": deadline,
            "intents": [{"intent": "plain", **intent}],
        } | changes
        return json.dumps({name: value for name, value in body.items() if value is not None})

    def nep413(
        self, message: str, *, nonce: bytes | None = None, recipient: str = "verifier.near"
    ) -> dict[str, Any]:
        """A MultiPayload over `message`."""
        raw = hashlib.sha256(f"nonce {next(_nonces)}".encode()).digest() if nonce is None else nonce
        signed = u32(2**31 + 413) + borsh_bytes(message) + raw + borsh_bytes(recipient) + b"\0"
        signature = self.pair.sign(hashlib.sha256(signed).digest())
        payload = {"message": message, "nonce": base64.b64encode(raw).decode(), "recipient": recipient}
        return self._multi("nep413", payload, signature)

    def raw_ed25519(self, message: str) -> dict[str, Any]:
        return self._multi("raw_ed25519", message, self.pair.sign(message.encode()))

    def _multi(self, standard: str, payload: object, signature: bytes) -> dict[str, Any]:
        return {
            "standard": standard,
            "payload": payload,
            "public_key": self.pair.public_key,
            "signature": "ed25519:" + b58encode(signature),
        }
