"""Names on NEAR: accounts by near-account-id's own lists, tokens as near/intents reads them."""

import pytest

from services.validator.ids import bare, contract_of, is_account, standard_of

# near-account-id, src/test_data.rs at 3414fb1 (MIT or Apache-2.0): the facts, not the code
OK_ACCOUNTS = """
aa a-a a-aa 100 0o com near bowen b-o_w_e-n b.owen bro.wen a.ha a.b-a.ra system over.9000 google.com
illia.cheapaccounts.near 0o0ooo00oo00o alex-skidanov 10-4.8-2 no_lols near.a
0123456789012345678901234567890123456789012345678901234567890123
"""
BAD_ACCOUNTS = """
a A Abc -near near- -near- near. .near near@ @near неар @@@@@ 0__0 0_-_0 .. a..near nEar _bowen
abcdefghijklmnopqrstuvwxyz.abcdefghijklmnopqrstuvwxyz.abcdefghijklmnopqrstuvwxyz
01234567890123456789012345678901234567890123456789012345678901234
some-complex-address@gmail.com sub.buy_d1gitz@atata@b0-rg.c_0_m
"""
# with a blank, and of our own: what a regular expression is likely to let through
TRICKS = ["hello world", "", "near\n", "٣٣", "a\0a", "near ", " near", "a._b", "a_.b"]


def test_accounts_by_near_account_ids_own_lists() -> None:
    assert [text for text in OK_ACCOUNTS.split() if not is_account(text)] == []
    assert [text for text in (*BAD_ACCOUNTS.split(), *TRICKS) if is_account(text)] == []
    assert is_account("0x") and is_account("0x" + "a" * 40) and is_account("0s" + "0" * 40)


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
