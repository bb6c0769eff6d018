"""Stage 3: are the numbers amounts, and within what the chain can hold?"""

import re
from collections.abc import Iterator
from typing import Final

from services.common.domain.intent import PlainIntent
from services.common.errors import Reason, Violation
from services.validator.model import RuleBook, shown
from services.validator.rules.structure import Rule

MAX_AMOUNT: Final = 2**128 - 1
"""Largest u128, in a token's smallest unit."""

MAX_SLIPPAGE_BPS: Final = 10_000
_CANONICAL: Final = re.compile(r"0|[1-9][0-9]*", re.ASCII)
_DIGITS: Final = len(str(MAX_AMOUNT))


def input_amount(intent: PlainIntent, book: RuleBook) -> Iterator[Violation]:
    """1 to 2^128-1."""
    yield from _amount("input_amount", intent.input_amount, least=1)


def min_output_amount(intent: PlainIntent, book: RuleBook) -> Iterator[Violation]:
    """0 to 2^128-1, where given."""
    if intent.min_output_amount is not None:
        yield from _amount("min_output_amount", intent.min_output_amount, least=0)


def slippage(intent: PlainIntent, book: RuleBook) -> Iterator[Violation]:
    """0 to 100 percent, where given."""
    bps = intent.max_slippage_bps
    if bps is not None and not 0 <= bps <= MAX_SLIPPAGE_BPS:
        yield Violation(
            field="max_slippage",
            reason=Reason.INVALID_SLIPPAGE,
            message=f"max_slippage must be 0 to 100 percent, not {bps / 100:g}",
        )


def _amount(name: str, text: str, *, least: int) -> Iterator[Violation]:
    if _CANONICAL.fullmatch(text) is None:
        yield Violation(
            field=name,
            reason=Reason.INVALID_AMOUNT,
            message=f"{name} must be a whole number of the token's smallest unit in plain decimal digits, "
            f"without sign, point, exponent or leading zeros, not {shown(text)}",
        )
    elif len(text) > _DIGITS or not least <= int(text) <= MAX_AMOUNT:
        yield Violation(
            field=name,
            reason=Reason.AMOUNT_OUT_OF_RANGE,
            message=f"{name} must be {least} to 2^128-1, not {shown(text)}",
        )


RULES: Final[tuple[Rule, ...]] = (input_amount, min_output_amount, slippage)
