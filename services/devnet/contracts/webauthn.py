"""The assertion that an authenticator made over a challenge. Sources: WebAuthn 7.2, near/intents' webauthn crate."""

import json
from collections.abc import Mapping
from typing import Any, Final

from services.devnet.contracts.base64 import Base64Refused, base64_bytes
from services.devnet.contracts.jsonscan import parts
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
_GET: Final = "webauthn.get"
_KNOWN: Final = ("type", "challenge", "origin")


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


def _answers(client: str, challenge: bytes) -> bool:
    """Whether it is client data of an assertion with this challenge; other members may say what they like."""
    try:
        kind, asked, origin = _told(client)
        _text(origin)
        return _is_get(kind) and base64_bytes(_text(asked), urlsafe=True) == challenge
    except ValueError:
        return False


def _told(client: str) -> tuple[str, str, str]:
    """Type, challenge and origin as they are written. serde reads a list of just these as it reads an object. Raises
    ValueError."""
    found = list(parts(client))
    if not client.lstrip(" \t\n\r").startswith("{"):
        (_, kind), (_, challenge), (_, origin) = found
        return kind, challenge, origin
    known = [
        (name, value) for name, value in ((_text(name), value) for name, value in found) if name in _KNOWN
    ]
    named = dict(known)
    if len(named) != len(_KNOWN) or len(known) != len(_KNOWN):
        raise ValueError("a member is missing, or there twice")
    return named["type"], named["challenge"], named["origin"]


def _text(written: str | None) -> str:
    """What a JSON string says. Raises ValueError if it is none, or half of a surrogate pair is in it."""
    if written is None or not (bare := written.strip(" \t\n\r")).startswith('"'):
        raise ValueError("not a string")
    said = str(json.loads(bare))
    said.encode()
    return said


def _is_get(kind: str) -> bool:
    """serde reads a variant without content by its name, or as an object of its name and null."""
    if kind.strip(" \t\n\r").startswith("{"):
        ((name, nothing),) = parts(kind)
        return nothing.strip(" \t\n\r") == "null" and _text(name) == _GET
    return _text(kind) == _GET
