"""WebAuthn, passkeys: an authenticator's assertion whose challenge is sha256 of the text. Keys of p256 or ed25519.

Source: near/intents' webauthn, which reads the client data as serde_json reads a struct, and ignores whether the user
was verified, where the assertion came from, and the counter.
"""

import hashlib
import json
from typing import Any, Final

import orjson

from services.common.domain.intent import SignedData, WebauthnAssertion
from services.common.domain.strictjson import MAX_DEPTH, TooDeep, check_depth
from services.common.encoding import b64decode_unpadded, b64url_unpadded
from services.validator.standards.curves import ed25519_signed, p256_signed
from services.validator.standards.keys import ED25519, P256, Typed
from services.validator.standards.standard import Standard, text_of

AUTHENTICATOR_DATA: Final = "signed_data.authenticator_data"
CLIENT_DATA: Final = "signed_data.client_data_json"

_FLAGS: Final = 32
"""Where in authenticator data the flags stand, after the hash of the relying party's id."""

_LEAST: Final = 37
_UP, _BE, _BS = 0x01, 0x08, 0x10
"""The user was there; the credential may be backed up; it is."""

_TYPE: Final = "webauthn.get"
_TYPES: Final = frozenset((_TYPE, "webauthn.create"))
_KNOWN: Final = ("type", "challenge", "origin")


def fault_of(assertion: WebauthnAssertion, challenge: bytes) -> tuple[str, str] | None:
    """What is wrong with it as an answer to `challenge`, as (field, for people); None if nothing. Client data that is
    `too_deep` is not read."""
    fault = _flags_fault(assertion)
    if fault is None and not _usual(assertion.client_data_json, challenge) and not too_deep(assertion):
        fault = _client_fault(assertion.client_data_json, challenge)
    return fault


def too_deep(assertion: WebauthnAssertion) -> bool:
    """Whether its client data nests deeper than 32. The contract passes over unknown members at any depth."""
    try:
        check_depth(assertion.client_data_json, MAX_DEPTH)
    except TooDeep:
        return True
    return False


def assertion_bytes(assertion: WebauthnAssertion) -> bytes:
    """What the authenticator's key signed: its data, and sha256 of the client's."""
    client = assertion.client_data_json.encode("utf-8", "surrogatepass")
    return assertion.authenticator_data + hashlib.sha256(client).digest()


def _flags_fault(assertion: WebauthnAssertion) -> tuple[str, str] | None:
    data = assertion.authenticator_data
    if len(data) < _LEAST:
        return AUTHENTICATOR_DATA, f"holds {len(data)} bytes where {_LEAST} are the least"
    flags = data[_FLAGS]
    if not flags & _UP:
        return AUTHENTICATOR_DATA, "lacks the flag UP: no user was there"
    if flags & _BS and not flags & _BE:
        return AUTHENTICATOR_DATA, "has the flag BS, backed up, without BE, which allows it"
    return None


def _usual(text: str, challenge: bytes) -> bool:
    """Whether it is client data as browsers write it, flat and without a backslash, that answers `challenge`: as many
    quotes as its keys and texts take are none of a key that came twice. If not, nothing is known."""
    if "\\" in text or not text.isascii():
        return False
    try:
        value = orjson.loads(text)
    except orjson.JSONDecodeError:
        return False
    if type(value) is not dict:
        return False
    kinds = [type(item) for item in value.values()]
    texts = kinds.count(str)
    return (
        texts + kinds.count(bool) == len(kinds)
        and text.count('"') == 2 * (len(kinds) + texts)
        and value.get("type") == _TYPE
        and value.get("challenge") == b64url_unpadded(challenge)
        and type(value.get("origin")) is str
    )


def _client_fault(text: str, challenge: bytes) -> tuple[str, str] | None:
    try:
        kind, asked = _client_data(text)
    except ValueError as error:
        return CLIENT_DATA, str(error)
    if kind != _TYPE:
        return CLIENT_DATA, f'has a type other than "{_TYPE}"'
    return None if asked == challenge else (CLIENT_DATA, "has a challenge other than sha256 of the payload")


class _Pairs(list[tuple[str, Any]]):
    """A JSON object with its doubles."""


def _client_data(text: str) -> tuple[str, bytes]:
    """Type and challenge, if the contract can read all of it. Raises ValueError saying why not.

    Fields that are not known are passed over, also twice; a known one twice, or missing, is not. As serde has it, an
    array of the three values stands for the object, and {"webauthn.get": null} for the type's text.
    """
    try:
        value = _DECODER.decode(text)
    except ValueError:
        raise ValueError("is not JSON") from None
    kind, challenge, origin = _three(value)
    if isinstance(kind, _Pairs) and len(kind) == 1 and kind[0][1] is None:
        kind = kind[0][0]
    if not _is_text(kind) or kind not in _TYPES:
        raise ValueError('has a type that is neither "webauthn.get" nor "webauthn.create"')
    if not _is_text(origin):
        raise ValueError("has an origin that is not a string")
    try:
        if not _is_text(challenge):
            raise ValueError
        return str(kind), b64decode_unpadded(str(challenge), urlsafe=True)
    except ValueError:
        raise ValueError("has a challenge that is not base64url") from None


def _three(value: object) -> tuple[object, object, object]:
    if isinstance(value, _Pairs):
        names = [name for name, _ in value]
        if not all(map(_is_text, names)):
            raise ValueError("has a key that is no text")
        for name in _KNOWN:
            if names.count(name) != 1:
                raise ValueError(f"has {name} twice" if name in names else f"has no {name}")
        found = dict(value)
        return found["type"], found["challenge"], found["origin"]
    if isinstance(value, list) and len(value) == len(_KNOWN):
        return value[0], value[1], value[2]
    raise ValueError("is not a JSON object")


class _Literal(str):
    """A number's digits."""

    __slots__ = ()


def _refuse(literal: str) -> None:
    raise ValueError(literal)


_DECODER: Final = json.JSONDecoder(
    object_pairs_hook=_Pairs, parse_constant=_refuse, parse_float=_Literal, parse_int=_Literal
)


def _is_text(value: object) -> bool:
    """A JSON string, and no half of a surrogate pair in it."""
    if not isinstance(value, str) or isinstance(value, _Literal):
        return False
    return not any("\ud800" <= one <= "\udfff" for one in value)


def _form(signed: SignedData) -> str:
    if signed.webauthn is None:
        return "signed_data must hold authenticator_data and client_data_json"
    return text_of(signed)


def _signed_bytes(signed: SignedData) -> bytes:
    assert signed.webauthn is not None, "its form was asked for"
    return assertion_bytes(signed.webauthn)


def _prove(signed_bytes: bytes, key: Typed | None, signature: Typed) -> Typed | None:
    if key is None or key.curve != signature.curve:
        return None
    if key.curve == P256:
        held = p256_signed(key.data, hashlib.sha256(signed_bytes).digest(), signature.data)
    else:
        held = ed25519_signed(key.data, signed_bytes, signature.data)
    return key if held else None


STANDARD: Final = Standard(
    name="webauthn", form=_form, prove=_prove, signed_bytes=_signed_bytes, curves=(ED25519, P256)
)
