"""Numbers in texts, as Rust's FromStr reads them: an optional sign, then decimal digits, leading zeros allowed."""

import re
from typing import Final

U128: Final = range(2**128)
I128: Final = range(-(2**127), 2**127)
U64: Final = range(2**64)

_INTEGER: Final = re.compile(r"([+-]?)0*+([0-9]*+)", re.ASCII)
_LONGEST: Final = 39
"""Digits of the largest of the three."""


class OutOfRange(ValueError):
    """A number, but not one that the type holds."""


def integer(text: str, bounds: range) -> int:
    """The number in `text`. Raises OutOfRange outside `bounds`, ValueError for what is no number of that type."""
    match = _INTEGER.fullmatch(text)
    if match is None or not text[-1:].isdecimal() or (match[1] == "-" and bounds.start == 0):
        raise ValueError("must be a whole number in decimal digits")
    sign, digits = match.groups()
    # so many digits are looked at and no more: converting costs the square of them
    if len(digits) > _LONGEST or (value := int(f"{sign}{digits or '0'}")) not in bounds:
        raise OutOfRange(f"must be {_name(bounds.start)} to {_name(bounds.stop - 1)}")
    return value


def _name(bound: int) -> str:
    power = bound.bit_length() - 1
    if bound > 0 and bound == (1 << (power + 1)) - 1:
        return f"2^{power + 1}-1"
    return f"-2^{bound.bit_length() - 1}" if bound < 0 else str(bound)
