"""Text forms of bytes: base58, strict base64, and `curve:<base58>` keys. Every refusal is a ValueError."""

import base64
import binascii
from functools import lru_cache
from typing import Final

ALPHABET: Final = "123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz"
_FOREIGN: Final = 0xFF
_DIGITS: Final = bytes(ALPHABET.find(chr(code)) & 0xFF for code in range(256))
"""For bytes.translate: a character's digit, _FOREIGN for what is none."""
MAX_BASE58: Final = 1024
"""Longest base58 text taken, in characters: decoding costs the square of it."""


def b58encode(data: bytes) -> str:
    """Base58 (Bitcoin alphabet); each leading zero byte becomes a leading '1'."""
    number = int.from_bytes(data, "big")
    digits: list[str] = []
    while number:
        number, rest = divmod(number, 58)
        digits.append(ALPHABET[rest])
    zeros = len(data) - len(data.lstrip(b"\0"))
    return "1" * zeros + "".join(reversed(digits))


def b58decode(text: str, *, max_length: int = MAX_BASE58) -> bytes:
    """Bytes of `text`. Raises ValueError above `max_length` characters or on a foreign character."""
    if len(text) > max_length:
        raise ValueError(f"base58 text longer than {max_length} characters")
    if not text.isascii():
        raise ValueError("not base58")
    digits = text.encode("ascii").translate(_DIGITS)
    if _FOREIGN in digits:
        raise ValueError("not base58")
    # digits stand in lanes of one byte; each step joins neighbours, so that a lane of twice the width holds
    # high * 58^n + low in place of high * 2^width + low: few operations on one long number, not one for each character
    number = int.from_bytes(digits, "big")
    for width, less, low in _joins(len(digits)):
        number -= ((number >> width) & low) * less
    zeros = len(text) - len(text.lstrip("1"))
    return b"\0" * zeros + number.to_bytes((number.bit_length() + 7) // 8, "big")


@lru_cache(maxsize=128)
def _joins(digits: int) -> tuple[tuple[int, int, int], ...]:
    """For each step the width of a lane in bits, how much less than 2^width its upper neighbour weighs, and a mask of
    every second lane."""
    made: list[tuple[int, int, int]] = []
    width, weight = 8, 58
    while width < 8 * digits:
        lane = (1 << width) - 1
        made.append((width, (1 << width) - weight, sum(lane << at for at in range(0, 8 * digits, 2 * width))))
        width, weight = 2 * width, weight * weight
    return tuple(made)


_FROM_URLSAFE: Final = str.maketrans("-_", "+/")


def b64decode(text: str, *, length: int | None = None) -> bytes:
    """Bytes of standard padded base64 in its one canonical spelling; `length` is the exact byte count asked."""
    try:
        raw = text.encode("ascii")
        data = base64.b64decode(raw, validate=True)
    except (UnicodeEncodeError, binascii.Error):
        raise ValueError("not base64") from None
    if base64.b64encode(data) != raw:
        raise ValueError("not canonical base64")
    if length is not None and len(data) != length:
        raise ValueError(f"{len(data)} bytes where {length} are expected")
    return data


def b64decode_unpadded(text: str, *, urlsafe: bool = False, length: int | None = None) -> bytes:
    """Bytes of base64 whose padding may be left off, and is canonical otherwise; `length` is the exact byte count.

    So near/intents' serde_with reads both of its alphabets. Raises ValueError.
    """
    body = text.rstrip("=")
    most = -len(body) % 4
    # one character carries no byte; what is left of four names how many may follow
    if most == 3 or len(text) - len(body) > most:
        raise ValueError("not base64")
    if urlsafe:
        if "+" in body or "/" in body:
            raise ValueError("not base64")
        body = body.translate(_FROM_URLSAFE)
    whole = body + "=" * most
    try:
        data = binascii.a2b_base64(whole)
    except ValueError:
        raise ValueError("not base64") from None
    if binascii.b2a_base64(data, newline=False).decode() != whole:
        raise ValueError("not canonical base64")
    if length is not None and len(data) != length:
        raise ValueError(f"{len(data)} bytes where {length} are expected")
    return data


def b64url_unpadded(data: bytes) -> str:
    """URL-safe base64 without padding."""
    return base64.urlsafe_b64encode(data).decode("ascii").rstrip("=")


def b64encode(data: bytes) -> str:
    """Standard padded base64."""
    return base64.b64encode(data).decode("ascii")


def parse_key(text: str, *, curve: str = "ed25519", length: int = 32) -> bytes:
    """Bytes of `curve:<base58>` (a key or a signature of `length` bytes). Raises ValueError."""
    prefix, colon, body = text.partition(":")
    if not colon or prefix != curve:
        raise ValueError(f"expected {curve}:<base58>")
    data = b58decode(body, max_length=2 * length)
    if len(data) != length:
        raise ValueError(f"{len(data)} bytes where {length} are expected")
    return data


def format_key(data: bytes, *, curve: str = "ed25519") -> str:
    """`curve:<base58>`."""
    return f"{curve}:{b58encode(data)}"
