"""Stage 3: are the numbers amounts, and within what the chain can hold?"""

import re
from typing import Final

from services.common.errors import Reason
from services.validator.model import Case, shown
from services.validator.rules.rule import Kind, Rule, rule

MAX_AMOUNT: Final = 2**128 - 1
"""Largest u128, in a token's smallest unit."""

MAX_SLIPPAGE_BPS: Final = 10_000
_CANONICAL: Final = re.compile(r"0|[1-9][0-9]*", re.ASCII)
_DIGITS: Final = len(str(MAX_AMOUNT))
_MEND_FORM: Final = (
    'Send the amount as a string of digits in the token\'s smallest unit: 1.5 USDC is "1500000".'
)
_MEND_RANGE: Final = "Check the token's decimals: amounts count its smallest unit."


@rule(
    "input-amount-form",
    Kind.PROTOCOL,
    Reason.INVALID_AMOUNT,
    "input_amount",
    asks="The amount given is canonical: decimal digits without sign, point, exponent, blank or leading zero.",
    mend=_MEND_FORM,
)
def input_amount_form(case: Case) -> None:
    if _CANONICAL.fullmatch(case.intent.input_amount) is None:
        _no_amount(case, "input_amount", case.intent.input_amount)


@rule(
    "input-amount-range",
    Kind.PROTOCOL,
    Reason.AMOUNT_OUT_OF_RANGE,
    "input_amount",
    asks="The amount given is 1 to 2^128-1.",
    mend=_MEND_RANGE,
)
def input_amount_range(case: Case) -> None:
    _within(case, "input_amount", case.intent.input_amount, least=1)


@rule(
    "min-output-form",
    Kind.PROTOCOL,
    Reason.INVALID_AMOUNT,
    "min_output_amount",
    asks="The least output, where given, is canonical in the same way.",
    mend=_MEND_FORM,
)
def min_output_form(case: Case) -> None:
    text = case.intent.min_output_amount
    if text is not None and _CANONICAL.fullmatch(text) is None:
        _no_amount(case, "min_output_amount", text)


@rule(
    "min-output-range",
    Kind.PROTOCOL,
    Reason.AMOUNT_OUT_OF_RANGE,
    "min_output_amount",
    asks="The least output, where given, is 0 to 2^128-1.",
    mend=_MEND_RANGE,
)
def min_output_range(case: Case) -> None:
    text = case.intent.min_output_amount
    if text is not None:
        _within(case, "min_output_amount", text, least=0)


@rule(
    "slippage-range",
    Kind.PROTOCOL,
    Reason.INVALID_SLIPPAGE,
    "max_slippage",
    asks="The slippage, where given, is 0 to 100 percent.",
    mend="Give percent, not basis points or a fraction: half a percent is 0.5.",
)
def slippage_range(case: Case) -> None:
    bps = case.intent.max_slippage_bps
    if bps is not None and not 0 <= bps <= MAX_SLIPPAGE_BPS:
        case.add(
            "max_slippage",
            Reason.INVALID_SLIPPAGE,
            f"max_slippage must be 0 to 100 percent, not {bps / 100:g}",
        )


def _no_amount(case: Case, name: str, text: str) -> None:
    case.add(
        name,
        Reason.INVALID_AMOUNT,
        f"{name} must be a whole number of the token's smallest unit in plain decimal digits, "
        f"without sign, point, exponent or leading zeros, not {shown(text)}",
    )


def _within(case: Case, name: str, text: str, *, least: int) -> None:
    if _CANONICAL.fullmatch(text) is None:
        return  # another rule's
    if len(text) > _DIGITS or not least <= int(text) <= MAX_AMOUNT:
        case.add(name, Reason.AMOUNT_OUT_OF_RANGE, f"{name} must be {least} to 2^128-1, not {shown(text)}")


RULES: Final[tuple[Rule, ...]] = (
    input_amount_form, input_amount_range, min_output_form, min_output_range, slippage_range,
)  # fmt: skip
