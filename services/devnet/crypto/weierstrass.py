"""ECDSA on secp256k1 and P-256 in whole numbers. It only verifies: nothing secret passes, time may depend on data.

Sources: SEC 1 (verification 4.1.4, recovery 4.1.6), SEC 2 (the curves' parameters).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from typing import Final

Affine = tuple[int, int]
_Jacobian = tuple[int, int, int]
_NOWHERE: Final[_Jacobian] = (1, 1, 0)
_WINDOW: Final = 4


@dataclass(frozen=True, slots=True, kw_only=True)
class Curve:
    """y² = x³ + ax + b over the field of p, generator (gx, gy) of prime order n; p is 3 mod 4."""

    p: int
    a: int
    b: int
    n: int
    gx: int
    gy: int

    def has(self, point: Affine) -> bool:
        """Whether both coordinates are reduced and the point lies on the curve."""
        x, y = point
        return 0 <= x < self.p and 0 <= y < self.p and (y * y - (x * x + self.a) * x - self.b) % self.p == 0

    def lift(self, x: int, *, odd: bool) -> Affine | None:
        """The point with this x and a y of this parity, if there is one."""
        square = ((x * x + self.a) * x + self.b) % self.p
        y = pow(square, (self.p + 1) // 4, self.p)
        if y * y % self.p != square:
            return None
        return x, y if y & 1 == odd else self.p - y


SECP256K1: Final = Curve(
    p=2**256 - 2**32 - 977,
    a=0,
    b=7,
    n=0xFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFEBAAEDCE6AF48A03BBFD25E8CD0364141,
    gx=0x79BE667EF9DCBBAC55A06295CE870B07029BFCDB2DCE28D959F2815B16F81798,
    gy=0x483ADA7726A3C4655DA4FBFC0E1108A8FD17B448A68554199C47D08FFB10D4B8,
)
P256: Final = Curve(
    p=2**256 - 2**224 + 2**192 + 2**96 - 1,
    a=-3,
    b=0x5AC635D8AA3A93E7B3EBBD55769886BC651D06B0CC53B0F63BCE3C3E27D2604B,
    n=0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551,
    gx=0x6B17D1F2E12C4247F8BCE6E563A440F277037D812DEB33A0F4A13945D898C296,
    gy=0x4FE342E2FE1A7F9B8EE7EB4A7C0F9E162BCE33576B315ECECBB6406837BF51F5,
)


def verify(curve: Curve, key: Affine, digest: bytes, r: int, s: int) -> bool:
    """Whether (r, s) is `key`'s over the 32-byte `digest`. A high s is refused: its low twin is the signature."""
    if not (0 < r < curve.n and 0 < s <= curve.n // 2 and curve.has(key)):
        return False
    inverse = pow(s, -1, curve.n)
    z = int.from_bytes(digest, "big")
    point = _affine(curve, _sum_of_two(curve, z * inverse % curve.n, key, r * inverse % curve.n))
    return point is not None and point[0] % curve.n == r


def recover(curve: Curve, digest: bytes, r: int, s: int, recovery_id: int) -> Affine | None:
    """The key whose (r, s) this is over the 32-byte `digest`, or None. A high s is refused.

    `recovery_id`: bit 0 the parity of y, bit 1 that x was r + n.
    """
    if not (0 < r < curve.n and 0 < s <= curve.n // 2 and 0 <= recovery_id <= 3):
        return None
    x = r + curve.n if recovery_id & 2 else r
    nonce_point = curve.lift(x, odd=bool(recovery_id & 1)) if x < curve.p else None
    if nonce_point is None:
        return None
    inverse = pow(r, -1, curve.n)
    z = int.from_bytes(digest, "big")
    return _affine(curve, _sum_of_two(curve, -z * inverse % curve.n, nonce_point, s * inverse % curve.n))


def _sum_of_two(curve: Curve, of_generator: int, point: Affine, of_point: int) -> _Jacobian:
    """of_generator · G + of_point · point, doubling once for both (Shamir's trick)."""
    first, second = _of_generator(curve), _multiples(curve, point)
    total = _NOWHERE
    for shift in range(256 - _WINDOW, -1, -_WINDOW):
        for _ in range(_WINDOW):
            total = _double(curve, total)
        total = _add(curve, total, first[of_generator >> shift & 15])
        total = _add(curve, total, second[of_point >> shift & 15])
    return total


@cache
def _of_generator(curve: Curve) -> Sequence[_Jacobian]:
    return _multiples(curve, (curve.gx, curve.gy))


def _multiples(curve: Curve, point: Affine) -> Sequence[_Jacobian]:
    """0 to 15 times the point."""
    one = (*point, 1)
    found: list[_Jacobian] = [_NOWHERE, one]
    while len(found) < 1 << _WINDOW:
        found.append(_add(curve, found[-1], one))
    return found


def _double(curve: Curve, point: _Jacobian) -> _Jacobian:
    x, y, z = point
    if z == 0 or y == 0:
        return _NOWHERE
    p = curve.p
    yy = y * y % p
    shared = 4 * x * yy % p
    zz = z * z % p
    slope = (3 * x * x + curve.a * zz * zz) % p
    x3 = (slope * slope - 2 * shared) % p
    return x3, (slope * (shared - x3) - 8 * yy * yy) % p, 2 * y * z % p


def _add(curve: Curve, first: _Jacobian, second: _Jacobian) -> _Jacobian:
    if first[2] == 0:
        return second
    if second[2] == 0:
        return first
    p = curve.p
    (x1, y1, z1), (x2, y2, z2) = first, second
    zz1, zz2 = z1 * z1 % p, z2 * z2 % p
    u1, u2 = x1 * zz2 % p, x2 * zz1 % p
    s1, s2 = y1 * zz2 * z2 % p, y2 * zz1 * z1 % p
    h, rise = (u2 - u1) % p, (s2 - s1) % p
    if h == 0:
        return _double(curve, first) if rise == 0 else _NOWHERE
    hh = h * h % p
    hhh, v = hh * h % p, u1 * hh % p
    x3 = (rise * rise - hhh - 2 * v) % p
    return x3, (rise * (v - x3) - s1 * hhh) % p, h * z1 * z2 % p


def _affine(curve: Curve, point: _Jacobian) -> Affine | None:
    x, y, z = point
    if z == 0:
        return None
    inverse = pow(z, -1, curve.p)
    square = inverse * inverse % curve.p
    return x * square % curve.p, y * square * inverse % curve.p
