"""Names of tokens as near/intents reads them."""

import itertools
import re

import pytest

from services.validator.ids import bare, contract_of, is_account, standard_of


@pytest.mark.parametrize(
    ("token", "standard"),
    [
        # crates/primitives/token-id of near/intents at 32a7836 (MIT)
        ("nep141:abc", "nep141"),
        ("nep171:abc:xyz", "nep171"),
        ("nep245:abc:xyz", "nep245"),
        ("imt:abc:xyz", "imt"),
        ("nep141:" + "a" * 64, "nep141"),
        (
            "nep245:v2_1.omni.hot.tg:1100_111bz:QBB5",
            "nep245",
        ),  # what follows the second colon is the token's own
        ("nep171:abc::", "nep171"),
        ("nep171:abc:", "nep171"),
        ("nep171:abc:" + "x" * 127, "nep171"),
        ("nep171:abc:" + "x" * 128, ""),
        ("nep171:abc:" + "é", ""),
        ("nep171:abc:a b", ""),
        ("nep171:abc:a\n", ""),
        ("nep141:" + "a" * 65, ""),
        ("nep141:A", ""),
        ("nep141:abc:xyz", ""),
        ("nep141:", ""),
        ("nep171:abc", ""),
        ("imt::xyz", ""),
        ("NEP141:abc", ""),
        ("nep142:abc", ""),
        (":abc", ""),
        ("abc", ""),
        ("", ""),
    ],
)
def test_token_ids(token: str, standard: str) -> None:
    assert standard_of(token) == standard


def test_a_fungible_token_has_one_bare_name() -> None:
    assert bare("nep141:wrap.near") == bare("wrap.near") == contract_of("nep141:wrap.near") == "wrap.near"
    for token in ("USDC", "nep141:USDC", "nep171:abc:xyz", "nep141:nep141:a"):
        assert bare(token) == token
        assert contract_of(token) == ""


def test_account_ids_are_what_nears_own_pattern_takes() -> None:
    pattern = re.compile(r"(([a-z\d]+[-_])*[a-z\d]+\.)*([a-z\d]+[-_])*[a-z\d]+", re.ASCII)  # near-account-id
    for length in range(7):
        for parts in itertools.product("a7.-_A", repeat=length):
            text = "".join(parts)
            assert is_account(text) == (length >= 2 and pattern.fullmatch(text) is not None), text
    assert is_account("a" * 64) and not is_account("a" * 65)
    assert not is_account("a.near\n")
