"""The three curves: what counts as a signature is what the contract counts.

Source: near/intents crates/crypto (ed25519-dalek's `verify` behind `is_weak`; k256 and p256 with low s only) and the
host functions of NEAR's virtual machine that it calls. Each C function lets go of the interpreter.
"""

from typing import Final

from btclib_secp256k1 import recovery
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from cryptography.hazmat.primitives.asymmetric.utils import Prehashed, encode_dss_signature
from cryptography.hazmat.primitives.hashes import SHA256
from nacl.bindings import crypto_sign_open
from nacl.exceptions import BadSignatureError

_ED25519_P: Final = 2**255 - 19
_Y8: Final = 0x05FC536D880238B13933C6D305ACDFD5F098EFF289F4C345B027B2C28F95E826
"""The lesser y of the points of order 8; the greater is p minus it."""

_SMALL_Y: Final = frozenset((0, 1, _ED25519_P - 1, _Y8, _ED25519_P - _Y8))
"""y of the eight points whose order is 1, 2, 4 or 8."""

_SMALL: Final = frozenset(
    (y | sign << 255).to_bytes(32, "little")
    for y in _SMALL_Y
    for sign in ((0,) if y in (1, _ED25519_P - 1) else (0, 1))  # their x is 0, which has one sign
)

_P256: Final = ec.SECP256R1()
_P256_ORDER: Final = 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551
_SECP256K1_HALF: Final = bytes.fromhex("7FFFFFFFFFFFFFFFFFFFFFFFFFFFFFFF5D576E7357A4501DDFE92F46681B20A0")
_ES256: Final = ec.ECDSA(Prehashed(SHA256()))


def ed25519_signed(key: bytes, data: bytes, signature: bytes) -> bool:
    """Did `key` (32 bytes) sign `data` with `signature` (64)?

    R must be the canonical form of [S]B - [k]A, S below the order, and the key of none of the small orders. libsodium
    refuses an R of small order besides, which the holder of a key can make and the contract takes.
    """
    try:
        crypto_sign_open(signature + data, key)
    except BadSignatureError:
        return signature[:32] in _SMALL and not _weak(key) and _openssl_signed(key, data, signature)
    return True


def _weak(key: bytes) -> bool:
    return (int.from_bytes(key, "little") & (1 << 255) - 1) % _ED25519_P in _SMALL_Y


def _openssl_signed(key: bytes, data: bytes, signature: bytes) -> bool:
    try:
        Ed25519PublicKey.from_public_bytes(key).verify(signature, data)
    except (InvalidSignature, ValueError):
        return False
    return True


def p256_signed(key: bytes, digest: bytes, signature: bytes) -> bool:
    """Did `key` (x and y, 64 bytes) sign `digest` (32) with `signature` (r and s, 64), s in its lower half?"""
    r, s = int.from_bytes(signature[:32], "big"), int.from_bytes(signature[32:], "big")
    if not (0 < r < _P256_ORDER and 0 < s <= _P256_ORDER // 2):
        return False
    try:
        public = ec.EllipticCurvePublicKey.from_encoded_point(_P256, b"\x04" + key)
        public.verify(encode_dss_signature(r, s), digest, _ES256)
    except (InvalidSignature, ValueError):
        return False
    return True


def secp256k1_key(digest: bytes, signature: bytes) -> bytes | None:
    """The key (x and y, 64 bytes) that signed `digest` (32) with `signature` (r, s and recovery id, 65), s in its lower
    half; None if none did. Recovery ids are 0 to 3: 27 and 28 are Ethereum's, and no contract of NEAR takes them."""
    if signature[32:64] > _SECP256K1_HALF:
        return None
    try:
        return recovery.recover(digest, signature[:64], signature[64], compressed=False)[1:]
    except ValueError:
        return None
