"""What a TON wallet signs for signData of type "text". Sources: TON Connect, near/intents' ton-connect crate."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from services.devnet.contracts import plain
from services.devnet.contracts.base64 import Base64Refused, base64_bytes
from services.devnet.contracts.port import Panic
from services.devnet.contracts.strictjson import Number
from services.devnet.node.keys import sha256

FIELDS: Final = frozenset(("address", "domain", "timestamp"))
_RAW: Final = re.compile(r"([+-]?[0-9]{1,10}):([0-9A-Fa-f]{64})", re.ASCII)
_SECONDS: Final = re.compile(r"\+?0*([0-9]{1,12})|-0+", re.ASCII)
"""A signed whole number as Rust spells them, with no more digits than the last second takes."""
_LAST: Final = 253_402_300_799
"""Second of the year 9999."""
_TAGS: Final = frozenset((0x11, 0x51, 0x91, 0xD1))
"""First bytes of a friendly address: bounceable or not, of the test network or not."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Signed:
    """`digest`: 32 bytes; `signed_at`: Unix ns."""

    text: str
    digest: bytes
    signed_at: int


def read(body: Mapping[str, Any]) -> Signed:
    """Raises Panic."""
    payload = body.get("payload")
    if not isinstance(payload, dict) or set(payload) != {"type", "text"} or payload["type"] != "text":
        raise Panic('payload: not {"type": "text", "text": …}')
    text, domain = payload["text"], body.get("domain")
    if type(text) is not str or type(domain) is not str:
        raise Panic("payload.text, domain: strings are needed")
    workchain, account = _address(body.get("address"))
    signed_at = _instant(body.get("timestamp"))
    named, said = domain.encode(), text.encode()
    digest = sha256(
        b"\xff\xffton-connect/sign-data/"
        + workchain.to_bytes(4, "big", signed=True)
        + account
        + len(named).to_bytes(4, "big")
        + named
        + (signed_at // 10**9).to_bytes(8, "big")
        + b"txt"
        + len(said).to_bytes(4, "big")
        + said
    )
    return Signed(text=text, digest=digest, signed_at=signed_at)


def _instant(value: object) -> int:
    """RFC 3339, or whole seconds as a number or its digits -> Unix ns."""
    match = _SECONDS.fullmatch(value) if isinstance(value, str) else None
    # as a JSON number -0 is a float to serde
    if match is not None and not (isinstance(value, Number) and value == "-0"):
        seconds = int(match[1] or 0)
        if seconds > _LAST:
            raise Panic("timestamp: after the year 9999")
        return seconds * 10**9
    if type(value) is not str:
        raise Panic("timestamp: neither RFC 3339 nor seconds")
    return plain.instant(value, "timestamp")


def _address(value: object) -> tuple[int, bytes]:
    """Workchain and account."""
    if type(value) is not str:
        raise Panic("address: missing or not a string")
    if len(value) == 48:
        return _friendly(value)
    match = _RAW.fullmatch(value)
    if match is None or not -(2**31) <= int(match[1]) < 2**31:
        raise Panic("address: not an address of TON")
    return int(match[1]), bytes.fromhex(match[2])


def _friendly(value: str) -> tuple[int, bytes]:
    try:
        raw = base64_bytes(value, urlsafe="-" in value or "_" in value)
    except Base64Refused:
        raise Panic("address: not base64") from None
    if len(raw) != 36 or raw[0] not in _TAGS or _crc16(raw) != 0:
        raise Panic("address: not an address of TON, or its checksum is wrong")
    return int.from_bytes(raw[1:2], "big", signed=True), raw[2:34]


def _crc16(data: bytes) -> int:
    """CRC-16/XMODEM; 0 over data and its own checksum."""
    remainder = 0
    for bit in (byte >> place & 1 for byte in data for place in range(7, -1, -1)):
        top = remainder >> 15 ^ bit
        remainder = (remainder << 1 & 0xFFFF) ^ (0x1021 if top else 0)
    return remainder
