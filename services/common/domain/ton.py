"""What TON Connect signs: address, instant and digest. Sources: TON Connect signData, near/intents' ton-connect."""

import hashlib
import re
import struct
from typing import Final

from services.common.domain.intent import TonConnectPayload
from services.common.domain.plainjson import deadline_ns
from services.common.domain.strictjson import Number
from services.common.encoding import b64decode_unpadded

SECOND: Final = 10**9
LAST_SECOND: Final = 253_402_300_799
"""Of the year 9999; later instants have no RFC 3339 form."""

_PREFIX: Final = b"\xff\xffton-connect/sign-data/"
_RAW: Final = re.compile(r"([+-]?[0-9]{1,10}):([0-9A-Fa-f]{64})", re.ASCII)
_SECONDS: Final = re.compile(r"\+?0*([0-9]{1,12})|-0+", re.ASCII)
"""As Rust reads an i64, no further than to the year 9999: any zeros in front, and minus zero."""
_USER_FRIENDLY: Final = 48
_FLAGS: Final = frozenset((0x11, 0x51, 0x91, 0xD1))
"""Bouncible or not, for the test network or not: nothing that is signed."""


def address_parts(text: str) -> tuple[int, bytes]:
    """Workchain (i32) and 32 bytes of account. Raises ValueError saying what an address must be."""
    if len(text) == _USER_FRIENDLY:
        return _user_friendly(text)
    match = _RAW.fullmatch(text)
    workchain = 0 if match is None else int(match[1])
    if match is None or not -(2**31) <= workchain < 2**31:
        raise ValueError('must be an address of TON: "0:<64 hex digits>", or 48 characters of base64')
    return workchain, bytes.fromhex(match[2])


def _user_friendly(text: str) -> tuple[int, bytes]:
    try:
        data = b64decode_unpadded(text, urlsafe="-" in text or "_" in text, length=36)
    except ValueError:
        raise ValueError("must be an address of TON: its 48 characters are not base64") from None
    if data[0] not in _FLAGS:
        raise ValueError(f"must be an address of TON: its first byte cannot be {data[0]:#x}")
    if _crc16(data[:34]) != int.from_bytes(data[34:], "big"):
        raise ValueError("must be an address of TON: its checksum does not match")
    return int.from_bytes(data[1:2], "big", signed=True), data[2:34]


def _crc16(data: bytes) -> int:
    """CRC-16/XMODEM."""
    crc = 0
    for byte in data:
        crc ^= byte << 8
        for _ in range(8):
            crc = (crc << 1) ^ 0x1021 if crc & 0x8000 else crc << 1
    return crc & 0xFFFF


def timestamp_ns(value: object) -> int:
    """RFC 3339, or whole seconds as a number or in digits -> Unix nanoseconds. Raises ValueError saying why."""
    if isinstance(value, str) and not isinstance(value, Number):
        match = _SECONDS.fullmatch(value)
        if match is None:
            return deadline_ns(value)
        value = int(match[1] or 0)
    if not isinstance(value, int) or isinstance(value, bool):
        raise ValueError("must be RFC 3339 with an offset, or whole seconds since 1970")
    if not 0 <= value <= LAST_SECOND:
        raise ValueError("lies outside the years 1970 to 9999")
    return value * SECOND


def ton_connect_digest(payload: TonConnectPayload) -> bytes:
    """sha256 over prefix, address, domain, seconds and text. Raises ValueError for an address that is none."""
    workchain, account = address_parts(payload.address)
    domain = payload.domain.encode("utf-8", "surrogatepass")
    text = payload.text.encode("utf-8", "surrogatepass")
    return hashlib.sha256(
        b"".join((
            _PREFIX, struct.pack(">i", workchain), account, struct.pack(">I", len(domain)), domain,
            struct.pack(">Q", payload.timestamp_ns // SECOND), b"txt", struct.pack(">I", len(text)), text,
        ))
    ).digest()  # fmt: skip
