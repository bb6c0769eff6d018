"""The assertion that an authenticator made over a challenge. Sources: WebAuthn 7.2, near/intents' webauthn crate."""

import json
from collections.abc import Mapping
from typing import Any, Final

from services.devnet.contracts.base64 import Base64Refused, base64_bytes
from services.devnet.contracts.port import Panic
from services.devnet.contracts.strictjson import Number
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
    object_pairs_hook=_Pairs, parse_int=Number, parse_float=Number, parse_constant=_constant
)


def _answers(client: str, challenge: bytes) -> bool:
    """Whether it is client data of an assertion with this challenge; other members may say what they like."""
    try:
        said = _members(_DECODER.decode(client))
        if said is None or type(said[2]) is not str:
            return False
        said[2].encode()
        return _is_get(said[0]) and base64_bytes(said[1], urlsafe=True) == challenge
    except (ValueError, RecursionError):
        return False


def _members(told: object) -> tuple[object, object, object] | None:
    """Type, challenge and origin. serde reads a list of just these as it reads an object."""
    if not isinstance(told, list):
        return None
    if not isinstance(told, _Pairs):
        return (told[0], told[1], told[2]) if len(told) == 3 else None
    "".join(name for name, _ in told).encode()
    known = [(name, value) for name, value in told if name in ("type", "challenge", "origin")]
    named = dict(known)
    if len(named) != 3 or len(known) != 3:
        return None
    return named["type"], named["challenge"], named["origin"]


def _is_get(kind: object) -> bool:
    """serde reads a variant without content by its name, or as an object of its name and null."""
    return kind == "webauthn.get" or (isinstance(kind, _Pairs) and kind == [("webauthn.get", None)])
