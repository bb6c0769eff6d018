"""The node's own arithmetic, against OpenSSL and against what others published."""

import hashlib
import itertools

import pytest
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, utils

from services.devnet.crypto import curves, weierstrass
from services.devnet.crypto.keccak import keccak256
from services.devnet.crypto.weierstrass import P256, SECP256K1, Curve
from services.devnet.node.keys import verify as openssl_verify
from services.validator.standards import curves as validators
from tests.unit.validator.vectors import load

OPENSSL = {SECP256K1: ec.SECP256K1(), P256: ec.SECP256R1()}


def signed(curve: Curve, number: int) -> tuple[tuple[int, int], bytes, int, int]:
    """A key, a digest, and OpenSSL's signature of it with the low s."""
    secret = int.from_bytes(hashlib.sha256(b"key %d" % number).digest(), "big") % (curve.n - 1) + 1
    key = ec.derive_private_key(secret, OPENSSL[curve])
    digest = hashlib.sha256(b"message %d" % number).digest()
    r, s = utils.decode_dss_signature(key.sign(digest, ec.ECDSA(utils.Prehashed(hashes.SHA256()))))
    public = key.public_key().public_numbers()
    return (public.x, public.y), digest, r, min(s, curve.n - s)


@pytest.mark.parametrize("curve", OPENSSL, ids=("secp256k1", "p256"))
def test_openssls_signatures_hold_and_yield_their_key(curve: Curve) -> None:
    assert curve.has((curve.gx, curve.gy))
    for number in range(20):
        key, digest, r, s = signed(curve, number)
        assert weierstrass.verify(curve, key, digest, r, s)
        found = [weierstrass.recover(curve, digest, r, s, recovery_id) for recovery_id in range(4)]
        assert found.count(key) == 1


@pytest.mark.parametrize("curve", OPENSSL, ids=("secp256k1", "p256"))
def test_p09_nothing_else_holds(curve: Curve) -> None:
    (x, y), digest, r, s = signed(curve, 0)
    other, _, _, _ = signed(curve, 1)
    n, p = curve.n, curve.p
    wrong = [
        ((x, y), r, n - s), ((x, y), r, 0), ((x, y), 0, s), ((x, y), r + n, s), ((x, y), r, s + n), ((x, y), n, s),
        ((x, y), r + 1, s), ((x, y), r, s - 1), (other, r, s), ((x, y ^ 1), r, s), ((x + p, y), r, s), ((0, 0), r, s),
    ]  # fmt: skip
    assert weierstrass.verify(curve, (x, y), digest, r, s)
    for key, one, two in wrong:
        assert not weierstrass.verify(curve, key, digest, one, two)
    assert not weierstrass.verify(curve, (x, y), hashlib.sha256(digest).digest(), r, s)
    for one, two in ((r, n - s), (r, 0), (0, s), (n, s)):
        assert {weierstrass.recover(curve, digest, one, two, which) for which in range(4)} == {None}
    assert weierstrass.recover(curve, digest, r, s, 4) is None
    # x = r + n is no x of the field for all but a few r
    assert weierstrass.recover(curve, digest, r, s, 2) is None


def test_the_generators_multiples_are_those_of_openssl() -> None:
    for curve, number in itertools.product(OPENSSL, (1, 2, 3, 15, 16, 17, 2**255 + 19)):
        public = ec.derive_private_key(number, OPENSSL[curve]).public_key().public_numbers()
        point = weierstrass._sum_of_two(curve, number, (curve.gx, curve.gy), 0)
        assert weierstrass._affine(curve, point) == (public.x, public.y)
        # the same point in two parts, which may meet at a doubling or at nowhere
        halves = weierstrass._sum_of_two(curve, number - 1, (curve.gx, curve.gy), 1)
        assert weierstrass._affine(curve, halves) == (public.x, public.y)
        assert weierstrass._sum_of_two(curve, number, (curve.gx, curve.gy), curve.n - number)[2] == 0


@pytest.mark.parametrize(
    ("data", "digest"),
    [
        # Ethereum's hashes of nothing and of "abc", its yellow paper's and go-ethereum's
        (b"", "c5d2460186f7233c927e7db2dcc703c0e500b653ca82273b7bfad8045d85a470"),
        (b"abc", "4e03657aea45a94fc7d47ba826c8d667c0d1e6e33a64a036ec44f58fa12d6c45"),
    ],
)
def test_keccak(data: bytes, digest: str) -> None:
    assert keccak256(data).hex() == digest


WEAK = [
    "0100000000000000000000000000000000000000000000000000000000000000",
    "ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
    "0000000000000000000000000000000000000000000000000000000000000000",
    "0000000000000000000000000000000000000000000000000000000000000080",
    "26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05",
    "26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc85",
    "c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a",
    "c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac03fa",
    # the first two with y + p, and with the sign that no such point has
    "eeffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
    "edffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
    "0100000000000000000000000000000000000000000000000000000000000080",
]
"""Points of small order as "Taming the many EdDSAs" (Chalkias, Garillot, Nikolaenko, 2020) lists them."""


def test_p09_weak_ed25519_keys_sign_nothing() -> None:
    forged = bytes.fromhex(WEAK[0]) + bytes(32)
    taken = 0
    for key in map(bytes.fromhex, WEAK):
        for number in range(8):
            message = b"anything %d" % number
            taken += openssl_verify(key, forged, message)
            assert not curves.ed25519_signed(key, forged, message)
    assert taken > len(WEAK)  # OpenSSL alone would take many of them


def test_keys_are_read_as_the_authority_reads_them() -> None:
    ed, p256 = curves.PublicKey("ed25519", b"\1" * 32), curves.PublicKey("p256", b"\2" * 64)
    assert curves.public_key(ed.text) == ed == curves.public_key(ed.text.partition(":")[2])
    assert curves.public_key(p256.text) == p256
    for text in (
        "",
        "ed25519:",
        "ED25519:" + ed.text[8:],
        "rsa:" + ed.text[8:],
        ed.text + "zz",
        p256.text[5:],
        "0OIl",
    ):
        with pytest.raises(ValueError):
            curves.public_key(text)
    assert curves.of_curve("Ed25519:" + ed.text[8:], "ed25519", 32) == ed.raw
    assert ed.account == "01" * 32
    # an account of Ethereum's: the key of secret 1
    one = (SECP256K1.gx << 256 | SECP256K1.gy).to_bytes(64, "big")
    assert curves.PublicKey("secp256k1", one).account == "0x7e5f4552091a69125d5dfcb7b8c2659029395bdf"


WYCHEPROOF = load("wycheproof")


@pytest.mark.parametrize("name", ["p256", "secp256k1"])
def test_p09_wycheproofs_ecdsa_is_judged_as_they_say_but_for_a_high_s(name: str) -> None:
    curve, judged = {"p256": P256, "secp256k1": SECP256K1}[name], set()
    for one in WYCHEPROOF[name]:
        key, digest, signature = (bytes.fromhex(one[part]) for part in ("key", "digest", "signature"))
        point = int.from_bytes(key[:32], "big"), int.from_bytes(key[32:], "big")
        r, s = int.from_bytes(signature[:32], "big"), int.from_bytes(signature[32:], "big")
        holds = one["valid"] and s <= curve.n // 2
        judged.add((one["valid"], holds))
        assert weierstrass.verify(curve, point, digest, r, s) is holds, one
        if one["valid"] and not holds:
            assert weierstrass.verify(curve, point, digest, r, curve.n - s), one
        if name == "p256":
            assert validators.p256_signed(key, digest, signature) is holds, one
            continue
        # a recovery id of 2 or 3 says that x was r + n
        yielded = [curves.secp256k1_signer(signature + bytes([which]), digest) for which in range(4)]
        assert (key in yielded) is holds, one
        assert yielded == [
            validators.secp256k1_key(digest, signature + bytes([which])) for which in range(4)
        ], one
    assert judged == {(True, True), (True, False), (False, False)}


def test_p09_wycheproofs_ed25519_is_judged_as_they_say() -> None:
    for one in WYCHEPROOF["ed25519"]:
        key, message, signature = (bytes.fromhex(one[part]) for part in ("key", "message", "signature"))
        assert curves.ed25519_signed(key, signature, message) is one["valid"], one
        assert validators.ed25519_signed(key, message, signature) is one["valid"], one
    assert {one["valid"] for one in WYCHEPROOF["ed25519"]} == {True, False}
