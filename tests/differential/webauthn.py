"""Assertions of authenticators that are not as they should be."""

import hashlib
import json
from typing import Any, Final

from services.common.encoding import b58encode, b64url_unpadded
from tests.harness.standards import Key

_GET: Final = '"type":"webauthn.get"'
_ASKED: Final = '"challenge":"$"'
_FROM: Final = '"origin":"http://localhost"'

CLIENTS: Final = (
    f"{{{_GET},{_ASKED},{_FROM}}}",
    f' {{ "crossOrigin" : false , {_FROM} , {_ASKED} , {_GET} }} ',
    f'{{{_GET},{_ASKED},{_FROM},"other":{{"type":1,"type":2}},"n":1e999,"deep":[[[[]]]]}}',
    f'{{{_GET},{_ASKED},{_FROM},"x":1,"x":2}}',
    f'{{"type":"webauthn.create",{_ASKED},{_FROM}}}',
    f'{{"type":"webauthn.other",{_ASKED},{_FROM}}}',
    f'{{"type":["webauthn.get"],{_ASKED},{_FROM}}}',
    f'{{"type":"webauthn\\u002eget",{_ASKED},{_FROM}}}',
    f"{{{_GET},{_GET},{_ASKED},{_FROM}}}",
    f"{{{_GET},{_ASKED},{_ASKED},{_FROM}}}",
    f"{{{_GET},{_ASKED}}}",
    f"{{{_ASKED},{_FROM}}}",
    f"{{{_GET},{_FROM}}}",
    f'{{{_GET},{_ASKED},"origin":null}}',
    f'{{{_GET},{_ASKED},"origin":7}}',
    f'{{{_GET},{_ASKED},"origin":""}}',
    f'{{{_GET},"challenge":"$=",{_FROM}}}',
    f'{{{_GET},"challenge":"$==",{_FROM}}}',
    f'{{{_GET},"challenge":"$A",{_FROM}}}',
    f'{{{_GET},"challenge":"AAAA",{_FROM}}}',
    f'{{{_GET},"challenge":"",{_FROM}}}',
    f'{{{_GET},"challenge":7,{_FROM}}}',
    f"{{{_GET},{_ASKED},{_FROM}",
    f"{{{_GET},{_ASKED},{_FROM}}}x",
    f"[{{{_GET},{_ASKED},{_FROM}}}]",
    f'{{{_GET},{_ASKED},{_FROM},"n":NaN}}',
    f'{{{_GET},{_ASKED},{_FROM},"t":"\t"}}',
    f'{{{_GET},{_ASKED},"origin":"\\ud800"}}',
    '["webauthn.get","$","http://localhost"]',
    '["webauthn.get","$","http://localhost",1]',
    '["webauthn.get","$"]',
    '["webauthn.get","$",null]',
    f'{{"type":{{"webauthn.get":null}},{_ASKED},{_FROM}}}',
    f'{{"type":{{"webauthn.get":1}},{_ASKED},{_FROM}}}',
    f'{{"type":{{"webauthn.get":null,"x":null}},{_ASKED},{_FROM}}}',
    "null",
    "",
)
"""Client data; `$` is the challenge."""


def deep(levels: int) -> str:
    """Client data with a member that nobody knows, nesting so many levels itself."""
    return f'{{{_GET},{_ASKED},{_FROM},"deep":{"[" * levels}{"]" * levels}}}'


def signed(
    text: str, key: Key, *, client: str = CLIENTS[0], data: bytes = bytes(32) + b"\1" + bytes(4)
) -> dict[str, Any]:
    """Signed data of webauthn over `text`, with a signature that holds for whatever this client data is."""
    challenge = b64url_unpadded(hashlib.sha256(text.encode("utf-8", "surrogatepass")).digest())
    told = client.replace("$", challenge)
    signature = key.sign(data + hashlib.sha256(told.encode()).digest())
    return json.loads(json.dumps({
        "standard": "webauthn", "payload": text, "public_key": key.text,
        "signature": f"{key.curve}:{b58encode(signature)}",
        "authenticator_data": b64url_unpadded(data), "client_data_json": told,
    }))  # fmt: skip
