"""TON Connect as devnet's Verifier reads it: addresses, instants, digest."""

import json
from typing import Any, Final

import pytest

from services.devnet.contracts import ton
from services.devnet.contracts.port import Panic
from services.devnet.contracts.strictjson import parse_object
from services.devnet.crypto.curves import ed25519_signed

ACCOUNT: Final = "f4809e5ffac9dc42a6b1d94c5e74ad5fd86378de675c805f2274d0055cbc9378"
HELLO: Final[dict[str, Any]] = {
    "address": f"0:{ACCOUNT}", "domain": "ton-connect.github.io", "timestamp": 1_747_759_882,
    "payload": {"type": "text", "text": "Hello, TON!" * 100},
}  # fmt: skip
KEY: Final = bytes.fromhex("22e795a07e832fc9084ca35a488a711f1dbedef637d4e886a6997d93ee2c2e37")
SIGNATURE: Final = bytes.fromhex(
    "7bc628f6d634ab6ddaf10463742b13f0ede3cb828737d9ce1962cc808fbfe703"
    "5e77c1a3d0b682acf02d645cc1a244992b276552c0e1c57d30b03c2820d73d01"
)
"""A wallet's, over HELLO. Source: near/intents at 32a7836f (MIT), crates/signatures/ton-connect."""

SECOND: Final = 10**9


def read(**changes: Any) -> ton.Signed:
    return ton.read(parse_object(json.dumps({**HELLO, **changes})))


def test_what_a_wallet_signed_is_what_is_hashed() -> None:
    assert read().signed_at == 1_747_759_882 * SECOND
    assert ed25519_signed(KEY, SIGNATURE, read().digest)
    for other in (
        {"address": f"-1:{ACCOUNT}"}, {"address": "0:" + "ab" * 32}, {"domain": "ton-connect.github.io."},
        {"timestamp": 1_747_759_883}, {"payload": {"type": "text", "text": "Hello, TON!"}},
    ):  # fmt: skip
        assert not ed25519_signed(KEY, SIGNATURE, read(**other).digest)


FRIENDLY: Final = {
    (0, "fb" * 32): (
        "UQD7-_v7-_v7-_v7-_v7-_v7-_v7-_v7-_v7-_v7-_v7-xzR", "EQD7+/v7+/v7+/v7+/v7+/v7+/v7+/v7+/v7+/v7+/v7+0EU",
        "0:" + "fB" * 32, "+0000000000:" + "FB" * 32, "-0:" + "fb" * 32,
    ),
    (-1, "fb" * 32): ("kf_7-_v7-_v7-_v7-_v7-_v7-_v7-_v7-_v7-_v7-_v7-wXW", "-1:" + "fb" * 32, "-01:" + "fb" * 32),
    (-(2**31), "00" * 32): (f"-{2**31}:" + "00" * 32,),
}  # fmt: skip
"""Addresses as TON's own libraries show them, and the raw forms of the same."""


def test_an_address_is_spelled_in_many_ways() -> None:
    for (workchain, account), ways in FRIENDLY.items():
        assert {ton._address(way) for way in ways} == {(workchain, bytes.fromhex(account))}


@pytest.mark.parametrize("address", [
    "", "0:", "0:" + "ab" * 31, "0:" + "ab" * 33, "0:" + "xy" * 32, "ab" * 32, ":" + "ab" * 32, " 0:" + "ab" * 32,
    f"{2**31}:" + "ab" * 32, "00000000000:" + "ab" * 32, "0:" + "ab" * 32 + "\n", None, 0,
    # another checksum, a tag that is none, two alphabets in one, and padding
    "UQD7-_v7-_v7-_v7-_v7-_v7-_v7-_v7-_v7-_v7-_v7-xzS", "EgD7-_v7-_v7-_v7-_v7-_v7-_v7-_v7-_v7-_v7-_v7-_Va",
    "EQD7-/v7+/v7+/v7+/v7+/v7+/v7+/v7+/v7+/v7+/v7+0EU", "EQD7+/v7+/v7+/v7+/v7+/v7+/v7+/v7+/v7+/v7+/v7+0EU=",
])  # fmt: skip
def test_p09_what_is_no_address_is_refused(address: object) -> None:
    with pytest.raises(Panic, match="address"):
        ton._address(address)


@pytest.mark.parametrize("payload", [
    None, "text", {}, {"type": "text"}, {"text": "x"}, {"type": "Text", "text": "x"}, {"type": "text", "text": None},
    {"type": "binary", "bytes": "AA=="}, {"type": "text", "text": "x", "more": 1}, {"type": "text", "text": 7},
])  # fmt: skip
def test_p09_only_text_is_read(payload: object) -> None:
    with pytest.raises(Panic, match="payload"):
        read(payload=payload)


SPELLED: Final = {
    0: (0, "0", "+0", "-0", "-000", "0" * 5_000, "+" + "0" * 30, "1970-01-01T00:00:00Z"),
    7: (7, "7", "+7", "007", "+" + "0" * 5_000 + "7", "1970-01-01T00:00:07.0Z", "1970-01-01T05:30:07+05:30"),
    253_402_300_799: (253_402_300_799, "253402300799", "0" * 90 + "253402300799", "9999-12-31T23:59:59z"),
}


def test_one_second_is_spelled_in_many_ways_and_hashed_in_one() -> None:
    for seconds, ways in SPELLED.items():
        assert {read(timestamp=way).signed_at for way in ways} == {seconds * SECOND}
        assert len({read(timestamp=way).digest for way in ways}) == 1
    fraction = read(timestamp="1970-01-01T00:00:07.999999999Z")
    assert (fraction.signed_at, fraction.digest) == (7 * SECOND + 999_999_999, read(timestamp=7).digest)


@pytest.mark.parametrize("timestamp", [
    "", " 7", "7 ", "-7", "--0", "+-0", "-01", "1_0", "1e3", "0x7", "٧", "253402300800", "1" * 13, 253_402_300_800,
    10**70, -1, 1.0, True, None, [7], "1970-01-01T24:00:00Z", "1970-01-01T00:00:60Z", "1970-01-01T00:00:00",
    "1969-12-31T23:59:59Z",
])  # fmt: skip
def test_p09_no_other_spelling_is_a_time(timestamp: object) -> None:
    with pytest.raises(Panic, match="timestamp"):
        ton._instant(parse_timestamp(timestamp))


def parse_timestamp(value: object) -> object:
    if isinstance(value, str):
        return value  # some are no text that arguments may hold
    return parse_object(json.dumps({"timestamp": value}))["timestamp"]


def test_p09_minus_zero_is_no_whole_number_of_json() -> None:
    with pytest.raises(Panic, match="timestamp"):
        ton.read(parse_object(json.dumps(HELLO).replace("1747759882", "-0")))
