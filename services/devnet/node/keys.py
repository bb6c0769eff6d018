"""Base58 and ed25519 as NEAR writes them. The node's own: it shares no signing code with the services."""

import hashlib
import re
from typing import Final

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

_ALPHABET: Final = "123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz"
_INDEX: Final = {char: value for value, char in enumerate(_ALPHABET)}
_PAIRS: Final = [a + b for a in _ALPHABET for b in _ALPHABET]
_TEN: Final = 58**10
"""Ten digits at a time fit into a machine word, where division is cheap."""
ACCOUNT_ID: Final = re.compile(r"(([a-z\d]+[-_])*[a-z\d]+\.)*([a-z\d]+[-_])*[a-z\d]+", re.ASCII)
ED25519: Final = "ed25519:"


def b58encode(data: bytes) -> str:
    """Bytes -> base58 text, one leading `1` per leading zero byte."""
    number = int.from_bytes(data, "big")
    parts: list[str] = []
    while number:
        number, ten = divmod(number, _TEN)
        for _ in range(5):
            ten, pair = divmod(ten, 58 * 58)
            parts.append(_PAIRS[pair])
    text = "".join(reversed(parts)).lstrip("1")
    return "1" * (len(data) - len(data.lstrip(b"\0"))) + text


def b58decode(text: str, limit: int = 128) -> bytes:
    """Base58 text -> bytes. Raises ValueError on a foreign character or more than `limit` characters."""
    if len(text) > limit:
        raise ValueError("base58 text too long")
    number = 0
    for char in text:
        value = _INDEX.get(char)
        if value is None:
            raise ValueError("not base58")
        number = number * 58 + value
    zeros = len(text) - len(text.lstrip("1"))
    return b"\0" * zeros + number.to_bytes((number.bit_length() + 7) // 8, "big")


def b58hash(text: str) -> bytes:
    """A 32-byte hash from its base58 text. Raises ValueError."""
    raw = b58decode(text, 64)
    if len(raw) != 32:
        raise ValueError("not a hash of 32 bytes")
    return raw


def parse_ed25519(text: str, size: int) -> bytes:
    """`ed25519:<base58 of size bytes>` -> bytes. Raises ValueError."""
    if not text.startswith(ED25519):
        raise ValueError("not an ed25519 value")
    raw = b58decode(text[len(ED25519) :])
    if len(raw) != size:
        raise ValueError(f"not {size} bytes")
    return raw


def verify(public_key: bytes, signature: bytes, message: bytes) -> bool:
    """Whether `signature` (64 bytes) is `public_key`'s (32 bytes) over `message`. Never raises on bad bytes."""
    try:
        Ed25519PublicKey.from_public_bytes(public_key).verify(signature, message)
    except (InvalidSignature, ValueError):
        return False
    return True


def is_account_id(text: str) -> bool:
    """NEAR's rule: 2 to 64 characters, lower case parts joined by `.`, `-` or `_`."""
    return 2 <= len(text) <= 64 and ACCOUNT_ID.fullmatch(text) is not None


def is_implicit(account_id: str) -> bool:
    """Whether the account id is the hex of an ed25519 key."""
    return len(account_id) == 64 and all(char in "0123456789abcdef" for char in account_id)


class SecretKey:
    """An ed25519 key pair from its 32-byte seed; `repr` shows only the public half."""

    def __init__(self, seed: bytes) -> None:
        self._seed = seed
        self._key = Ed25519PrivateKey.from_private_bytes(seed)
        self.public_bytes: bytes = self._key.public_key().public_bytes_raw()
        self.public_key: str = ED25519 + b58encode(self.public_bytes)

    def __repr__(self) -> str:
        return f"SecretKey({self.public_key})"

    def sign(self, message: bytes) -> bytes:
        """64-byte signature over `message`."""
        return self._key.sign(message)

    def secret(self) -> str:
        """NEAR's credential form: `ed25519:` and the base58 of seed and public key. Keep it out of logs."""
        return ED25519 + b58encode(self._seed + self.public_bytes)


def sha256(data: bytes) -> bytes:
    return hashlib.sha256(data).digest()
