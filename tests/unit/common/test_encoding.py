"""Text forms of bytes, against published vectors and every malformed spelling."""

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.common.encoding import (
    ALPHABET,
    b58decode,
    b58encode,
    b64decode,
    b64encode,
    format_key,
    parse_key,
)

# from the base58 vectors of Bitcoin Core and draft-msporny-base58
VECTORS = [
    ("", ""),
    ("61", "2g"),
    ("626262", "a3gV"),
    ("73696d706c792061206c6f6e6720737472696e67", "2cFupjhnEsSn59qHXstmK2ffpLv2"),
    ("00eb15231dfceb60925886b67d065299925915aeb172c06647", "1NS17iag9jJgTHD1VXjvLCEnZuQ3rJDE9L"),
    ("516b6fcd0f", "ABnLTmg"),
    ("10c8511e", "Rt5zm"),
    ("00000000000000000000", "1111111111"),
    ("0000287fb4cd", "11233QC4"),
]


@pytest.mark.parametrize(("raw", "text"), VECTORS)
def test_base58_vectors(raw: str, text: str) -> None:
    assert b58encode(bytes.fromhex(raw)) == text
    assert b58decode(text) == bytes.fromhex(raw)


@given(st.binary(max_size=200))
def test_every_form_comes_back(data: bytes) -> None:
    assert b58decode(b58encode(data)) == data
    assert b64decode(b64encode(data)) == data


@pytest.mark.parametrize("text", ["0", "O", "I", "l", "a b", "a\n", "é", "\ud800", "1" * 1_025])
def test_what_is_no_base58(text: str) -> None:
    with pytest.raises(ValueError, match="base58"):
        b58decode(text)


@pytest.mark.parametrize(
    "text", ["a", "YQ", "YQ=", "YR==", "YQ==\n", " YQ==", "Y-_=", "YQ==YQ==", "é", "\ud800", "===="]
)
def test_what_is_no_canonical_base64(text: str) -> None:
    with pytest.raises(ValueError, match="base64"):
        b64decode(text)


def test_a_length_is_exact() -> None:
    assert b64decode(b64encode(bytes(32)), length=32) == bytes(32)
    with pytest.raises(ValueError, match="31 bytes where 32"):
        b64decode(b64encode(bytes(31)), length=32)


def test_keys_and_signatures() -> None:
    key, signature = bytes(range(32)), bytes(range(64))
    assert parse_key(format_key(key)) == key
    assert parse_key(format_key(signature), length=64) == signature
    assert parse_key(format_key(key, curve="p256"), curve="p256") == key


@pytest.mark.parametrize(
    "text", ["", "ed25519", "ed25519:", ":1", "secp256k1:" + "1" * 32, "ED25519:" + "1" * 32, "ed25519:" + "1" * 31,
             "ed25519:" + "1" * 33, "ed25519:" + "z" * 10_000, "ed25519: " + "1" * 32],
)  # fmt: skip
def test_what_is_no_key(text: str) -> None:
    with pytest.raises(ValueError, match=r"expected|bytes|base58"):
        parse_key(text)


def test_base58_of_every_length_is_the_sum_of_its_digits() -> None:
    digits = random.Random(5)
    for length in range(1, 200):
        text = "".join(digits.choices(ALPHABET, k=length))
        number = 0
        for character in text:
            number = number * 58 + ALPHABET.index(character)
        data = b58decode(text)
        assert int.from_bytes(data, "big") == number
        assert b58encode(data) == text
    assert b58decode("z" * 1024) == (58**1024 - 1).to_bytes(750, "big")
    for foreign in "0OIl \n\xff\u0661":
        with pytest.raises(ValueError, match="not base58"):
            b58decode(f"zzzz{foreign}zzzz")
