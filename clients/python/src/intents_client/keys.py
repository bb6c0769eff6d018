"""An ed25519 key pair, and the file it is kept in."""

import json
import os
import stat
from dataclasses import dataclass, field
from pathlib import Path
from typing import Self

from nacl.signing import SigningKey

from intents_client.encoding import b58decode, b58encode


class KeyFileError(ValueError):
    """A key file cannot be used; the message says why and what to do."""


@dataclass(frozen=True, slots=True)
class Keypair:
    """`seed` is the 32-byte secret; it shows in no repr."""

    seed: bytes = field(repr=False)
    _signing: SigningKey = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        if len(self.seed) != 32:
            raise ValueError("an ed25519 seed has 32 bytes")
        object.__setattr__(self, "_signing", SigningKey(self.seed))

    @classmethod
    def generate(cls) -> Self:
        """A fresh key pair from the system's randomness."""
        return cls(os.urandom(32))

    @classmethod
    def from_private_key(cls, text: str) -> Self:
        """From NEAR's form `ed25519:<base58 of seed, or of seed and public key>`. Raises ValueError."""
        curve, _, body = text.partition(":")
        data = b58decode(body)
        if curve != "ed25519" or len(data) not in (32, 64):
            raise ValueError("expected ed25519:<base58 of 32 or 64 bytes>")
        pair = cls(data[:32])
        if data[32:] not in (b"", pair.public_bytes):
            raise ValueError("its public half does not belong to its secret half")
        return pair

    @property
    def public_bytes(self) -> bytes:
        """The 32-byte public key."""
        return bytes(self._signing.verify_key)

    @property
    def public_key(self) -> str:
        """`ed25519:<base58>`."""
        return "ed25519:" + b58encode(self.public_bytes)

    @property
    def private_key(self) -> str:
        """`ed25519:<base58 of seed and public key>`, the form NEAR's own key files have."""
        return "ed25519:" + b58encode(self.seed + self.public_bytes)

    @property
    def implicit_account(self) -> str:
        """The account that belongs to this key without registration: 64 hex digits of the public key."""
        return self.public_bytes.hex()

    def sign(self, data: bytes) -> bytes:
        """64-byte signature."""
        return bytes(self._signing.sign(data).signature)


@dataclass(frozen=True, slots=True, kw_only=True)
class Account:
    """An account and a key of it."""

    account_id: str
    keypair: Keypair

    @classmethod
    def generate(cls) -> Self:
        """A fresh implicit account."""
        pair = Keypair.generate()
        return cls(account_id=pair.implicit_account, keypair=pair)

    @classmethod
    def from_file(cls, path: Path) -> Self:
        """Reads JSON {account_id, public_key, private_key}. Raises KeyFileError, also if others may read it."""
        try:
            with open(path, encoding="utf-8") as file:
                if os.name == "posix" and stat.S_IMODE(os.fstat(file.fileno()).st_mode) & 0o077:
                    raise KeyFileError(f"{path} can be read by others; run: chmod 600 {path}")
                found = json.load(file)
        except FileNotFoundError:
            raise KeyFileError(f"{path} does not exist; make it with: intents keygen --out {path}") from None
        except OSError as error:
            raise KeyFileError(f"{path} cannot be read: {error.strerror}") from None
        except ValueError as error:
            if isinstance(error, KeyFileError):
                raise
            raise KeyFileError(f"{path} is not JSON") from None
        texts = [
            found.get(name) if isinstance(found, dict) else None for name in ("account_id", "private_key")
        ]
        if not all(isinstance(text, str) and text for text in texts):
            raise KeyFileError(f"{path} must hold account_id, public_key and private_key")
        try:
            pair = Keypair.from_private_key(str(texts[1]))
        except ValueError as error:
            raise KeyFileError(f"{path}: private_key cannot be used: {error}") from None
        if found.get("public_key", pair.public_key) != pair.public_key:
            raise KeyFileError(f"{path}: public_key does not belong to private_key")
        return cls(account_id=str(texts[0]), keypair=pair)

    def save(self, path: Path) -> None:
        """Writes a new file that only its owner can read. Raises FileExistsError: keys are never overwritten."""
        content = {
            "account_id": self.account_id,
            "public_key": self.keypair.public_key,
            "private_key": self.keypair.private_key,
        }
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(descriptor, "w", encoding="utf-8") as file:
            json.dump(content, file, indent=2)
            file.write("\n")
