"""Client data of webauthn that the contract reads, and that it refuses."""

import json
from typing import Any, Final

from services.common.encoding import b64url_unpadded
from tests.harness.standards import ORIGIN

CHALLENGE: Final = b64url_unpadded(bytes(range(32)))


def client(**changes: Any) -> str:
    """Client data with these members changed, and those left out that are `...`."""
    made = {"type": "webauthn.get", "challenge": CHALLENGE, "origin": ORIGIN} | changes
    return json.dumps({name: value for name, value in made.items() if value is not Ellipsis})


READ: Final = (
    client(), client(crossOrigin=False), client(extra={"a": [1, {"b": None}]}), client(origin=""), client(origin="é"),
    client(challenge=CHALLENGE + "="), client(type={"webauthn.get": None}),
    json.dumps(["webauthn.get", CHALLENGE, ORIGIN]), " \n\t\r" + client() + "\n",
    client()[:-1] + ', "x": 1, "x": 2}', client()[:-1] + r', "x": "\ud800"}', client()[:-1] + ', "x": 1e9999}',
    client()[:-1] + f', "x": {"9" * 5000}}}', client().replace("type", r"\u0074ype"),
    client(origin="\U0001f600"),
)  # fmt: skip
"""Client data that near/intents at 32a7836f reads (its own code was asked)."""

NOT_READ: Final = (
    "", "null", "{}", "[]", "1", '"x"', "{'type': 1}", "\ufeff" + client(), client() + " x", client()[:-1] + ",}",
    client(type="webauthn.create"), client(type="webauthn.Get"), client(type=None), client(type=["webauthn.get"]),
    client(type={"webauthn.get": 1}), client(type={"webauthn.get": None, "x": None}), client(type=...),
    client(challenge=CHALLENGE[:-1]), client(challenge=CHALLENGE + "=="), client(challenge=7), client(challenge=...),
    client(challenge="AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh9="), client(origin=None), client(origin=...),
    client(origin=7), client()[:-1] + ', "type": "webauthn.get"}', client()[:-1] + f', "origin": "{ORIGIN}"}}',
    client().replace(ORIGIN, r"\ud800"), client()[:-1] + r', "\ud800": 1}', client()[:-1] + ', "x": NaN}',
    client()[:-1] + ', "x": 01}', client()[:-1] + ', "x": [1,]}', client().replace(ORIGIN, "a\nb"),
    client().replace(ORIGIN, r"a\xb"), json.dumps(["webauthn.get", CHALLENGE]), client().replace('"type"', '"Type"'),
    json.dumps(["webauthn.get", CHALLENGE, ORIGIN, None]),
)  # fmt: skip
"""Client data that it refuses."""


def deep(levels: int) -> str:
    """Client data that nests so many levels in all, which it reads too."""
    return client()[:-1] + f', "deep": {"[" * (levels - 1)}{"]" * (levels - 1)}}}'
