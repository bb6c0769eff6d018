"""What counts as a signature on each curve: what others published, and every way to bend a good one."""

import hashlib
import random
from typing import Any, Final

from nacl.signing import SigningKey

from services.validator.standards.curves import ed25519_signed, p256_signed, secp256k1_key
from tests.harness.standards import P256_ORDER, Key
from tests.unit.validator.vectors import load

ED25519_ORDER: Final = 2**252 + 27742317777372353535851937790883648493
SECP256K1_ORDER: Final = 0xFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFEBAAEDCE6AF48A03BBFD25E8CD0364141
SECP256K1_FIELD: Final = 2**256 - 2**32 - 977
P256_FIELD: Final = 2**256 - 2**224 + 2**192 + 2**96 - 1


def big(number: int) -> bytes:
    return (number % 2**256).to_bytes(32, "big")


def little(number: int) -> bytes:
    return number.to_bytes(32, "little")


def sha256(data: bytes) -> bytes:
    return hashlib.sha256(data).digest()


def raw(row: list[Any]) -> tuple[bytes, bytes, bytes]:
    key, message, signature = (bytes.fromhex(part) for part in row[:3])
    return key, message, signature


def test_p09_what_near_intents_takes_and_refuses() -> None:
    curves = load("near_intents")["curves"]
    assert {name: len(rows) for name, rows in curves.items()} == {"ed25519": 5, "secp256k1": 4, "p256": 5}
    for row in curves["ed25519"]:
        assert ed25519_signed(*raw(row)) is row[3]
    for row in curves["secp256k1"]:
        key, digest, signature = raw(row)
        assert (secp256k1_key(digest, signature) == key) is row[3]
    for row in curves["p256"]:
        key, digest, signature = raw(row)
        assert p256_signed(key, digest, signature) is row[3]


def test_p09_ed25519_at_its_edges_is_the_contracts() -> None:
    """ed25519-dalek's `verify` behind `is_weak`: the published cases 2 and 3 hold, whatever libsodium says of 2."""
    taken = [
        number
        for number, case in enumerate(load("ed25519_speccheck")["cases"])
        if ed25519_signed(*(bytes.fromhex(case[part]) for part in ("pub_key", "message", "signature")))
    ]
    assert taken == [2, 3]


def test_p09_an_ed25519_signature_has_one_form() -> None:
    draw = random.Random(1)
    for _ in range(20):
        key, message = SigningKey(draw.randbytes(32)), draw.randbytes(40)
        public, good = bytes(key.verify_key), key.sign(message).signature
        assert ed25519_signed(public, message, good)
        s = int.from_bytes(good[32:], "little")
        bent = [good[:32] + little(s + times * ED25519_ORDER) for times in range(1, 9)]
        bent += [good[:32] + little(s | 1 << 255), good[:32] + bytes(32), bytes(32) + good[32:]]
        bent += [good[:31] + bytes([good[31] ^ 0x80]) + good[32:]]
        assert not any(ed25519_signed(public, message, one) for one in bent)


def test_p09_an_r_of_small_order_counts_and_a_key_of_small_order_never() -> None:
    identity = little(1)
    secret = hashlib.sha512(b"\5" * 32).digest()
    scalar = int.from_bytes(secret[:32], "little") & ~7 & (1 << 254) - 1 | 1 << 254
    public = bytes(SigningKey(b"\5" * 32).verify_key)
    k = int.from_bytes(hashlib.sha512(identity + public + b"m").digest(), "little")
    assert ed25519_signed(public, b"m", identity + little(k * scalar % ED25519_ORDER))
    assert not ed25519_signed(public, b"n", identity + little(k * scalar % ED25519_ORDER))
    # its non-canonical spellings are none: y above the field's prime, or the sign of an x that is 0
    for spelling in (little(2**255 - 18), little(1 | 1 << 255)):
        k = int.from_bytes(hashlib.sha512(spelling + public + b"m").digest(), "little")
        assert not ed25519_signed(public, b"m", spelling + little(k * scalar % ED25519_ORDER))
    y8 = 0x05FC536D880238B13933C6D305ACDFD5F098EFF289F4C345B027B2C28F95E826
    prime = 2**255 - 19
    for y in (0, 1, prime - 1, y8, prime - y8, prime, prime + 1):
        for sign in (0, 1 << 255):
            weak = little(y | sign)
            # under a key of small order S = 0 and R its multiple hold for a message in eight
            held = [
                ed25519_signed(weak, bytes([n]), r + bytes(32)) for n in range(16) for r in (identity, weak)
            ]
            assert not any(held)


def test_p09_a_p256_signature_has_one_form_and_its_key_one() -> None:
    draw = random.Random(2)
    for _ in range(10):
        key, message = Key.of("p256", draw.randbytes(8)), draw.randbytes(50)
        good = key.sign(message)
        digest = sha256(message)
        assert p256_signed(key.public, digest, good)
        assert not p256_signed(key.public, sha256(digest), good)
        r, s = int.from_bytes(good[:32], "big"), int.from_bytes(good[32:], "big")
        x, y = int.from_bytes(key.public[:32], "big"), int.from_bytes(key.public[32:], "big")
        for bent in (
            (r, P256_ORDER - s), (r, 0), (0, s), (0, 0), (P256_ORDER, s), (r, P256_ORDER), (P256_ORDER - r, s),
            (2**256 - 1, s), (r, P256_ORDER // 2), (r, P256_ORDER // 2 + 1),
        ):  # fmt: skip
            assert not p256_signed(key.public, digest, big(bent[0]) + big(bent[1])), bent
        for other in ((x, P256_FIELD - y), (x, 0), (0, 0), (y, x), (x, y + P256_FIELD), (x + P256_FIELD, y)):
            assert not p256_signed(big(other[0]) + big(other[1]), digest, good), other


def test_p09_a_secp256k1_signature_yields_its_key_in_one_form() -> None:
    draw = random.Random(3)
    for _ in range(10):
        key, digest = Key.of("secp256k1", draw.randbytes(8)), draw.randbytes(32)
        good = key.sign(digest)
        assert secp256k1_key(digest, good) == key.public
        assert secp256k1_key(draw.randbytes(32), good) not in (None, key.public)
        r, s, v = int.from_bytes(good[:32], "big"), int.from_bytes(good[32:64], "big"), good[64]
        # the other half of s under the other recovery id yields the same key, were it taken
        assert secp256k1_key(digest, big(r) + big(SECP256K1_ORDER - s) + bytes([v ^ 1])) is None
        assert secp256k1_key(digest, good[:64] + bytes([v ^ 1])) not in (None, key.public)
        for recovery_id in (4, 27, 28, 29, 30, 31, 255):
            assert secp256k1_key(digest, good[:64] + bytes([recovery_id])) is None
        for recovery_id in range(4):
            for bent in (
                (0, s),
                (r, 0),
                (SECP256K1_ORDER, s),
                (r, SECP256K1_ORDER),
                (2**256 - 1, s),
            ):
                assert secp256k1_key(digest, big(bent[0]) + big(bent[1]) + bytes([recovery_id])) is None
    # r + order is an x of the curve only where it is below the field's prime
    beyond = big(SECP256K1_FIELD - SECP256K1_ORDER) + big(1)
    assert secp256k1_key(bytes(32), beyond + b"\2") is None
    assert any(secp256k1_key(b"\1" * 32, big(r) + big(1) + b"\2") is not None for r in range(1, 20))
