"""Token ids in messages: any the contract can parse, however unlikely (`ids.standard_of` says which are taken)."""

from services.validator.ids import TOKEN_STANDARDS, is_account


def parse(text: str) -> tuple[str, str, str]:
    """(standard, account, own id) of `text`, split on the first two colons only; the own id is "" for nep141.

    The own id is any text at all, also an empty one. Raises ValueError.
    """
    standard, colon, rest = text.partition(":")
    if not colon or standard not in TOKEN_STANDARDS:
        raise ValueError(f"must begin with one of {', '.join(f'{name}:' for name in TOKEN_STANDARDS)}")
    account, own = rest, ""
    if standard != "nep141":
        account, colon, own = rest.partition(":")
        if not colon:
            raise ValueError(f"must be {standard}:<account>:<id>")
    if not is_account(account):
        raise ValueError("must name a NEAR account id after its first colon")
    return standard, account, own


def standard_of(text: str) -> str:
    """The standard of an id that parses."""
    return text.partition(":")[0]


def own_id(text: str) -> str:
    """What the token's contract chose, of an id that parses; "" for nep141."""
    parts = text.split(":", 2)
    return parts[2] if len(parts) == 3 else ""
