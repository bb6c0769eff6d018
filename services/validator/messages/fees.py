"""What the contract takes of what is given in a token_diff (near/intents `crates/primitives/fees`, `token_diff.rs`)."""

from typing import Final

MAX_PIPS: Final = 1_000_000
"""Everything: a pip is 0.0001 percent."""

_INDIVISIBLE: Final = ("nep245", "imt")


def token_fee(standard: str, amount: int, pips: int) -> int:
    """Pips that count for `amount` of a token of that standard: none for NFTs, nor for one unit of what may be one."""
    whole = standard == "nep171" or (standard in _INDIVISIBLE and amount <= 1)
    return 0 if whole else pips


def fee_ceil(amount: int, pips: int) -> int:
    """The fee on `amount`, rounded up to a whole unit."""
    return -(-amount * pips // MAX_PIPS)


def fee_of(standard: str, delta: int, pips: int) -> int:
    """The fee on a delta, in the token's smallest unit: only what is given, a negative delta, pays."""
    amount = -delta
    return fee_ceil(amount, token_fee(standard, amount, pips)) if amount > 0 else 0
