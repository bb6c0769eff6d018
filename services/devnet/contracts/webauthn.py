"""The assertion that an authenticator made over a challenge. Sources: WebAuthn 7.2, near/intents' webauthn crate."""

import json
from collections.abc import Mapping
from typing import Any, Final

from services.devnet.contracts.base64 import Base64Refused, base64_bytes
from services.devnet.contracts.port import Panic
from services.devnet.node.keys import sha256

_DATA: Final = ("authenticator_data", "authenticatorData")
_CLIENT: Final = ("client_data_json", "clientDataJSON")
FIELDS: Final = frozenset((*_DATA, *_CLIENT))
"""Each goes by either name."""

_LEAST: Final = 37
"""Bytes: hash of the relying party's id, flags, counter."""
_PRESENT: Final = 0x01
_ELIGIBLE: Final = 0x08
_BACKED_UP: Final = 0x10


def signed_bytes(body: dict[str, Any], challenge: bytes) -> bytes | None:
    """What the key must have signed; None if the assertion is not one of this challenge. Raises Panic."""
    client, encoded = _either(body, _CLIENT), _either(body, _DATA)
    try:
        data = base64_bytes(encoded, urlsafe=True)
    except Base64Refused:
        raise Panic("authenticator_data: not base64url") from None
    if len(data) < _LEAST or not _flags_hold(data[32]) or not _answers(client, challenge):
        return None
    return data + sha256(client.encode())


def _either(body: Mapping[str, Any], names: tuple[str, str]) -> str:
    given = [body[name] for name in names if name in body]
    if len(given) != 1 or type(given[0]) is not str:
        raise Panic(f"{names[0]}: missing, twice, or not a string")
    return str(given[0])


def _flags_hold(flags: int) -> bool:
    """Somebody was there; what is not eligible for backup is not backed up. Verifying the user is not asked for."""
    return bool(flags & _PRESENT) and (bool(flags & _ELIGIBLE) or not flags & _BACKED_UP)


class _Pairs(list[tuple[str, object]]):
    """An object, with whatever it says twice."""


def _constant(name: str) -> object:
    raise ValueError(name)


_DECODER: Final = json.JSONDecoder(
    object_pairs_hook=_Pairs, parse_int=str, parse_float=str, parse_constant=_constant
)


def _answers(client: str, challenge: bytes) -> bool:
    """Whether it is client data of an assertion with this challenge; other members may say what they like."""
    try:
        pairs = _DECODER.decode(client)
        if not isinstance(pairs, _Pairs):
            return False
        "".join(name for name, _ in pairs).encode()
        told = [(name, value) for name, value in pairs if name in ("type", "challenge", "origin")]
        said = dict(told)
        if len(said) != 3 or len(told) != 3 or type(said["origin"]) is not str:
            return False
        said["origin"].encode()
        return said["type"] == "webauthn.get" and base64_bytes(said["challenge"], urlsafe=True) == challenge
    except (ValueError, RecursionError):
        return False
