"""Assertions as devnet's Verifier reads them."""

from typing import Any, Final

import pytest

from services.common.encoding import b64url_unpadded
from services.devnet.contracts import webauthn
from services.devnet.contracts.port import Panic
from services.devnet.node.keys import sha256
from tests.harness.client_data import NOT_READ, READ, client, deep

DIGEST: Final = bytes(range(32))
PRESENT: Final = bytes(32) + b"\1" + bytes(4)


def signed(client_data: str = client(), data: bytes = PRESENT) -> bytes | None:
    body = {"client_data_json": client_data, "authenticator_data": b64url_unpadded(data)}
    return webauthn.signed_bytes(body, DIGEST)


@pytest.mark.parametrize("text", [*READ, deep(32), deep(33), deep(128), deep(100_000)])
def test_client_data_is_read_as_near_intents_reads_it(text: str) -> None:
    assert signed(text) == PRESENT + sha256(text.encode())


TOO_MUCH: Final = (
    "[" * 100_000,
    '{"x":' * 100_000,
    deep(100_000)[:-1],
    deep(5).replace("[]", "[}"),
    deep(5) + "]",
)


@pytest.mark.parametrize("text", [*NOT_READ, *TOO_MUCH])
def test_p09_no_other_client_data_answers_the_challenge(text: str) -> None:
    assert signed(text) is None


BROKEN: Final = (
    "[1,]", "[,1]", "[1 2]", "[1", "1]", '{"a"}', '{"a":}', '{"a":1,}', '{,"a":1}', '{"a":1 "b":2}', "{1:2}", '{"a":1]',
    "[1}", '"', r'"\x"', r'"\u12g4"', "01", "1.", ".5", "1e", "+1", "-", "tru", "nul", "NaN", "Infinity", "[]]", "",
)  # fmt: skip


def test_p09_members_that_are_passed_over_are_json_all_the_same() -> None:
    for text in BROKEN:
        assert signed(client()[:-1] + f', "x": {text}}}') is None, text
    for text in (
        "[]",
        "{}",
        "[[],{}]",
        '{"a":{"b":[1,-0.5e-9,true,null,""]}}',
        r'"\u00e9\ud800"',
        " [ ] ",
        "-0",
    ):
        assert signed(client()[:-1] + f', "x": {text}}}') is not None, text


def test_p09_authenticator_data_needs_its_length_and_a_user_who_was_there() -> None:
    for flags in range(256):
        present, eligible, backed = flags & 0x01, flags & 0x08, flags & 0x10
        taken = bool(present and (eligible or not backed))
        assert (signed(data=bytes(32) + bytes([flags]) + bytes(4)) is not None) is taken, flags
    for length in range(60):
        assert (signed(data=(b"\1" * 60)[:length]) is not None) is (length >= 37)


def test_p09_each_part_is_there_once_by_either_name() -> None:
    data = b64url_unpadded(PRESENT)
    good: dict[str, Any] = {"client_data_json": client(), "authenticator_data": data}
    assert webauthn.signed_bytes({"clientDataJSON": client(), "authenticatorData": data + "="}, DIGEST)
    for changes in (
        {"clientDataJSON": client()}, {"authenticatorData": data}, {"client_data_json": 7},
        {"authenticator_data": None}, {"authenticator_data": "+" + data}, {"authenticator_data": data + "\n"},
    ):  # fmt: skip
        with pytest.raises(Panic):
            webauthn.signed_bytes(good | changes, DIGEST)
    with pytest.raises(Panic):
        webauthn.signed_bytes({}, DIGEST)
