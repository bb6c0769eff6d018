"""Names on NEAR: accounts and tokens, each in the form that the chain takes."""

import re
from typing import Final

TOKEN_STANDARDS: Final = ("nep141", "nep171", "nep245", "imt")
"""What a token id begins with, before its first colon."""

MAX_OWN_ID: Final = 127
"""Bytes of the part of a token id that the token's own contract chose, after the second colon."""

_ACCOUNT: Final = re.compile(r"[a-z\d]++(?:[._-][a-z\d]++)*+", re.ASCII)
"""Parts of an account id, 2 to 64 characters of them: NEAR's own pattern, but without ways back; for fullmatch."""

_NEP141: Final = "nep141:"
_OWN: Final = re.compile(r"[!-~]*", re.ASCII)


def is_account(text: str) -> bool:
    """Whether `text` has the form of a NEAR account id (near-account-id's rules)."""
    return 2 <= len(text) <= 64 and _ACCOUNT.fullmatch(text) is not None


def standard_of(token: str) -> str:
    """The standard of a well-formed token id, "" for any other text.

    `nep141:<account>`, and `nep171:`, `nep245:` or `imt:` with `<account>:<own id>`; split on the first two colons
    only. The own id, which the chain takes in any Unicode, is visible ASCII here.
    """
    standard, colon, rest = token.partition(":")
    if not colon or standard not in TOKEN_STANDARDS:
        return ""
    if standard == "nep141":
        return standard if is_account(rest) else ""
    account, colon, own = rest.partition(":")
    well = colon and len(own) <= MAX_OWN_ID and is_account(account) and _OWN.fullmatch(own) is not None
    return standard if well else ""


def bare(token: str) -> str:
    """One name for a fungible token that has two: `nep141:x.near` is `x.near`. Any other text is as it is."""
    return token[len(_NEP141) :] if token.startswith(_NEP141) and standard_of(token) else token


def contract_of(token: str) -> str:
    """The account of a fungible token's contract; "" for a symbol or another kind of token."""
    name = bare(token)
    return name if is_account(name) else ""
