"""Keys and signatures as texts, and the account that a key stands for by itself. Source: near/intents crates/crypto."""

import re
from functools import lru_cache
from typing import Final, NamedTuple

from services.common.domain.signing import keccak256
from services.common.encoding import b58decode, b58encode

ED25519: Final = "ed25519"
SECP256K1: Final = "secp256k1"
P256: Final = "p256"

KEY_BYTES: Final = {ED25519: 32, SECP256K1: 64, P256: 64}
"""Of a key: 32 bytes compressed, or x and y without SEC 1's tag."""

SIGNATURE_BYTES: Final = {ED25519: 64, SECP256K1: 65, P256: 64}
"""Of a signature: R and S; r, s and recovery id; r and s."""

IMPLICIT: Final = re.compile(r"[0-9a-f]{64}|0x[0-9a-f]{40}", re.ASCII)
"""Accounts that a key derives, so that nobody registers one; use with fullmatch."""

IMPLICIT_LENGTHS: Final = (64, 42)
"""Of such an account."""


class Typed(NamedTuple):
    """A key or a signature of a curve."""

    curve: str
    data: bytes

    @property
    def text(self) -> str:
        """`curve:<base58>`, as the contract writes it."""
        return f"{self.curve}:{b58encode(self.data)}"


KEPT: Final = 4_096
"""Keys whose reading, and whose account, is kept: a key comes again with its user's next intent, and with the same one
when it is asked about once more before it goes on chain. About 1 MB."""


@lru_cache(maxsize=KEPT)
def read_key(text: str, curves: tuple[str, ...]) -> Typed:
    """`curve:<base58>` of one of these curves; without a curve it is the first. Raises ValueError saying why not.

    Where only one curve can be meant the contract reads its name in either case, else as it stands.
    """
    return _read(text, KEY_BYTES, curves)


def read_signature(text: str, curves: tuple[str, ...]) -> Typed:
    """As `read_key`."""
    return _read(text, SIGNATURE_BYTES, curves)


def _read(text: str, lengths: dict[str, int], curves: tuple[str, ...]) -> Typed:
    name, colon, body = text.partition(":")
    if not colon:
        name, body = curves[0], text
    elif len(curves) == 1 and name not in curves and name.isascii():
        name = name.lower()
    if name not in curves:
        raise ValueError(f"expected {' or '.join(f'{one}:<base58>' for one in curves)}")
    length = lengths[name]
    data = b58decode(body, max_length=2 * length)
    if len(data) != length:
        raise ValueError(f"{len(data)} bytes where {length} are expected")
    return Typed(name, data)


@lru_cache(maxsize=KEPT)
def implicit_account(key: Typed) -> str:
    """The account that needs no registration: 64 hex digits, or 0x and 40."""
    if key.curve == ED25519:
        return key.data.hex()
    prefix = P256.encode() if key.curve == P256 else b""
    return f"0x{keccak256(prefix + key.data)[12:].hex()}"
