"""A NEAR transaction as bytes. Source: nearcore `core/primitives/src/transaction.rs`, version 0 (no tag)."""

import hashlib
import struct
from dataclasses import dataclass
from typing import Final

from services.common.encoding import b58decode, parse_key

_ED25519: Final = b"\0"
_FUNCTION_CALL: Final = b"\2"
_U128: Final = 16


@dataclass(frozen=True, slots=True, kw_only=True)
class CallTransaction:
    """A transaction of one function call. `public_key` is "ed25519:<base58>", `block_hash` base58 of 32 bytes,
    `gas` in gas units, `deposit` in yoctoNEAR."""

    signer_id: str
    public_key: str
    nonce: int
    receiver_id: str
    block_hash: str
    method: str
    args: bytes
    gas: int
    deposit: int

    def encode(self) -> bytes:
        """Borsh of the unsigned transaction. Raises ValueError for a key or hash of a wrong form."""
        block_hash = b58decode(self.block_hash, max_length=44)
        if len(block_hash) != 32:
            raise ValueError("block hash is not 32 bytes")
        return b"".join((
            _blob(self.signer_id.encode()),
            _ED25519, parse_key(self.public_key),
            struct.pack("<Q", self.nonce),
            _blob(self.receiver_id.encode()),
            block_hash,
            struct.pack("<I", 1),
            _FUNCTION_CALL, _blob(self.method.encode()), _blob(self.args),
            struct.pack("<Q", self.gas), self.deposit.to_bytes(_U128, "little"),
        ))  # fmt: skip


def digest(unsigned: bytes) -> bytes:
    """What is signed, and, in base58, the transaction's hash."""
    return hashlib.sha256(unsigned).digest()


def signed(unsigned: bytes, signature: bytes) -> bytes:
    """Borsh of the SignedTransaction; `signature` is 64 bytes of ed25519."""
    if len(signature) != 64:
        raise ValueError("an ed25519 signature is 64 bytes")
    return unsigned + _ED25519 + signature


def _blob(data: bytes) -> bytes:
    return struct.pack("<I", len(data)) + data
