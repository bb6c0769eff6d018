"""Keys and signatures of three curves as the Verifier takes them: texts, implicit accounts, checks.

Source: near/intents (crates/crypto, contracts/defuse/core/src/public_key.rs), whose answers these are.
"""

from dataclasses import dataclass
from typing import Final

from services.devnet.crypto import weierstrass
from services.devnet.crypto.keccak import keccak256
from services.devnet.node.keys import b58decode, b58encode, sha256
from services.devnet.node.keys import verify as verify_ed25519

ED25519: Final = "ed25519"
SECP256K1: Final = "secp256k1"
P256: Final = "p256"
KEY_BYTES: Final = {ED25519: 32, SECP256K1: 64, P256: 64}
SIGNATURE_BYTES: Final = {ED25519: 64, SECP256K1: 65, P256: 64}

_FIELD: Final = 2**255 - 19
_EIGHTH: Final = 0x05FC536D880238B13933C6D305ACDFD5F098EFF289F4C345B027B2C28F95E826
_WEAK_Y: Final = frozenset((0, 1, _FIELD - 1, _EIGHTH, _FIELD - _EIGHTH))
"""y of the eight points whose order divides 8: of such a key anybody can make signatures."""


@dataclass(frozen=True, slots=True)
class PublicKey:
    """32 bytes of ed25519, or x and y of the other two."""

    curve: str
    raw: bytes

    @property
    def text(self) -> str:
        """`curve:<base58>`."""
        return f"{self.curve}:{b58encode(self.raw)}"

    @property
    def account(self) -> str:
        """The implicit account that this key alone stands for."""
        if self.curve == ED25519:
            return self.raw.hex()
        return "0x" + keccak256((b"p256" if self.curve == P256 else b"") + self.raw)[12:].hex()


def public_key(text: str) -> PublicKey:
    """Of any curve; ed25519 where no curve is named. Raises ValueError."""
    curve, colon, data = text.partition(":")
    if not colon:
        curve, data = ED25519, text
    if curve not in KEY_BYTES:
        raise ValueError("not a key of ed25519, secp256k1 or p256")
    return PublicKey(curve, _sized(data, KEY_BYTES[curve]))


def of_curve(text: str, curve: str, size: int) -> bytes:
    """`curve:<base58 of size bytes>`; the curve in any case, or left out. Raises ValueError."""
    named, colon, data = text.partition(":")
    if colon and named.lower() != curve:
        raise ValueError(f"not an {curve} value")
    return _sized(data if colon else text, size)


def _sized(data: str, size: int) -> bytes:
    raw = b58decode(data)
    if len(raw) != size:
        raise ValueError(f"not {size} bytes")
    return raw


def ed25519_signed(key: bytes, signature: bytes, message: bytes) -> bool:
    """Whether it is this key's, and the key is no weak one."""
    y = int.from_bytes(key, "little") & ((1 << 255) - 1)
    return y % _FIELD not in _WEAK_Y and verify_ed25519(key, signature, message)


def p256_signed(key: bytes, signature: bytes, message: bytes) -> bool:
    """ES256: ECDSA over the message's sha256, low s only."""
    x, y = int.from_bytes(key[:32], "big"), int.from_bytes(key[32:], "big")
    r, s = int.from_bytes(signature[:32], "big"), int.from_bytes(signature[32:], "big")
    return weierstrass.verify(weierstrass.P256, (x, y), sha256(message), r, s)


def secp256k1_signer(signature: bytes, digest: bytes) -> bytes | None:
    """x and y of the key whose 65 bytes r, s and recovery id (0 to 3) these are, low s only; None if of none."""
    r, s = int.from_bytes(signature[:32], "big"), int.from_bytes(signature[32:64], "big")
    found = weierstrass.recover(weierstrass.SECP256K1, digest, r, s, signature[64])
    return None if found is None else found[0].to_bytes(32, "big") + found[1].to_bytes(32, "big")
