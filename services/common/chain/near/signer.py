"""The Signer port over a NEAR credentials file."""

import json
import os
import stat
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final

from nacl.signing import SigningKey

from services.common.encoding import format_key, parse_key

_MAX_FILE: Final = 64 * 1024


class KeyFileError(ValueError):
    """The key file cannot be used; the message names the file and what is wrong, never what is in it."""


class KeyFileSigner:
    """One access key. The secret lives in the key object alone; repr shows account and public key."""

    __slots__ = ("_account_id", "_key", "_public_key")

    def __init__(self, account_id: str, secret: bytes) -> None:
        """`secret` is the 32-byte seed."""
        self._account_id = account_id
        self._key = SigningKey(secret)
        self._public_key = format_key(bytes(self._key.verify_key))

    @classmethod
    def load(cls, path: Path, index: int = 0) -> "KeyFileSigner":
        """Reads `{account_id, public_key, private_key}`, or the entry `index` of a list of such.

        `private_key` (or `secret_key`) is "ed25519:<base58 of 64 bytes>", seed then public key. Raises KeyFileError,
        also for a file that others than its owner and group may read or change.
        """
        entries = _entries(str(path), _read(path))
        if not 0 <= index < len(entries):
            raise KeyFileError(f"{path}: has {len(entries)} key(s), number {index} was asked for")
        return cls._from_entry(str(path), entries[index])

    @classmethod
    def load_all(cls, references: Sequence[str], environ: Mapping[str, str]) -> list["KeyFileSigner"]:
        """All keys of all references: paths of key files, or `env:NAME` for a variable that holds what such a file
        holds. In their order, each once. Raises KeyFileError."""
        signers: list[KeyFileSigner] = []
        for reference in references:
            kind, _, name = reference.partition(":")
            if kind != "env":
                raw = _read(Path(reference))
            elif environ.get(name, "").strip():
                raw = environ[name].encode("utf-8", "surrogateescape")
            else:
                raise KeyFileError(f"{reference}: there is no such variable, or nothing in it")
            signers += [cls._from_entry(reference, entry) for entry in _entries(reference, raw)]
        seen: set[tuple[str, str]] = set()
        for one in signers:
            if (one.account_id, one.public_key) in seen:
                raise KeyFileError(f"{one.public_key} of {one.account_id} is there twice")
            seen.add((one.account_id, one.public_key))
        return signers

    @classmethod
    def _from_entry(cls, path: str, entry: object) -> "KeyFileSigner":
        if not isinstance(entry, dict):
            raise KeyFileError(f"{path}: not a JSON object with account_id, public_key, private_key")
        account, secret = entry.get("account_id"), entry.get("private_key", entry.get("secret_key"))
        if not isinstance(account, str) or not account:
            raise KeyFileError(f"{path}: account_id is missing")
        if not isinstance(secret, str):
            raise KeyFileError(f"{path}: private_key is missing")
        kind, separator, _ = secret.partition(":")
        if separator and kind != "ed25519":
            raise KeyFileError(f"{path}: private_key is of another type than ed25519, which alone signs here")
        try:
            pair = parse_key(secret, length=64)
        except ValueError:
            raise KeyFileError(f"{path}: private_key is not ed25519:<base58 of 64 bytes>") from None
        signer = cls(account, pair[:32])
        named = entry.get("public_key", signer.public_key)
        if format_key(pair[32:]) != signer.public_key or named != signer.public_key:
            raise KeyFileError(f"{path}: public_key does not belong to private_key")
        return signer

    @property
    def account_id(self) -> str:
        return self._account_id

    @property
    def public_key(self) -> str:
        return self._public_key

    def sign(self, data: bytes) -> bytes:
        return bytes(self._key.sign(data).signature)

    def __repr__(self) -> str:
        return f"KeyFileSigner({self._account_id}, {self._public_key})"


def _read(path: Path) -> bytes:
    """At most _MAX_FILE + 1 bytes of a file that is one and not open to everybody. Raises KeyFileError."""
    try:
        # a pipe must not keep the process waiting; what is looked at is what is read
        descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
        try:
            state = os.fstat(descriptor)
            if not stat.S_ISREG(state.st_mode):
                raise KeyFileError(f"{path}: is not a file")
            if state.st_mode & stat.S_IRWXO:
                mode = stat.S_IMODE(state.st_mode)
                raise KeyFileError(
                    f"{path}: is open to every user (mode {mode:04o}); chmod 600 it, and change the key"
                )
            raw = os.read(descriptor, _MAX_FILE + 1)
        finally:
            os.close(descriptor)
    except OSError as error:
        raise KeyFileError(f"{path}: {error.strerror or 'cannot be read'}") from None
    return raw


def _entries(where: str, raw: bytes) -> list[object]:
    if len(raw) > _MAX_FILE:
        raise KeyFileError(f"{where}: larger than a key file is")
    try:
        value = json.loads(raw)
    except (ValueError, RecursionError):
        raise KeyFileError(f"{where}: not JSON") from None
    return value if isinstance(value, list) else [value]
