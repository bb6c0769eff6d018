"""Stage 3: are the numbers amounts, and within what the chain can hold?"""

import re
from typing import Final

from services.common.domain.outcomes import TokenInfo
from services.common.errors import Reason
from services.validator.model import Case, shown
from services.validator.registry import MAX_AMOUNT
from services.validator.rules.rule import Kind, Rule, Well, rule

MAX_SLIPPAGE_BPS: Final = 10_000
_CANONICAL: Final = re.compile(r"0|[1-9][0-9]*", re.ASCII)
_POINTED: Final = re.compile(r"(0|[1-9][0-9]{0,20})\.([0-9]{1,30})", re.ASCII)
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
        _no_amount(case, "input_amount", case.intent.input_token, case.intent.input_amount)


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
    "input-amount-least",
    Kind.POLICY,
    Reason.AMOUNT_OUT_OF_RANGE,
    "input_amount",
    asks="The amount given is no dust: not less than the registry's least for its token.",
    mend="Give at least the minAmount that GET /api/info shows for the token.",
)
def input_amount_least(case: Case) -> None:
    entry = None if case.stored else case.book.registry.find(case.intent.input_token)
    if entry is not None and entry.min_amount is not None:
        amount = units(case.intent.input_amount)
        if amount is not None and 0 < amount < entry.min_amount:
            _beyond(case, f"at least {entry.min_amount}", entry)


@rule(
    "input-amount-most",
    Kind.POLICY,
    Reason.AMOUNT_OUT_OF_RANGE,
    "input_amount",
    asks="The amount given is not more than the registry's most for its token.",
    mend="Give at most the maxAmount that GET /api/info shows for the token, or several intents.",
)
def input_amount_most(case: Case) -> None:
    entry = None if case.stored else case.book.registry.find(case.intent.input_token)
    if entry is not None and entry.max_amount is not None:
        amount = units(case.intent.input_amount)
        if amount is not None and amount > entry.max_amount:
            _beyond(case, f"at most {entry.max_amount}", entry)


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
        _no_amount(case, "min_output_amount", case.intent.output_token, text)


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


def units(text: str) -> int | None:
    """A canonical amount within u128; None for any other text, which is another rule's."""
    if len(text) > _DIGITS or _CANONICAL.fullmatch(text) is None:
        return None
    amount = int(text)
    return amount if amount <= MAX_AMOUNT else None


def _no_amount(case: Case, name: str, token: str, text: str) -> None:
    case.add(
        name,
        Reason.INVALID_AMOUNT,
        f"{name} must be a whole number of the token's smallest unit in plain decimal digits, "
        f"without sign, point, exponent or leading zeros, not {shown(text)}{_in_units(case, token, text)}",
    )


def _in_units(case: Case, token: str, text: str) -> str:
    """What a number of whole tokens is in the smallest unit, where the token's decimals are known."""
    match = _POINTED.fullmatch(text)
    entry = case.book.registry.find(token)
    if match is None or entry is None:
        return ""
    whole, fraction = match[1], match[2].rstrip("0")
    if len(fraction) > entry.decimals:
        return f"; {entry.symbol} has {entry.decimals} decimals"
    return f"; {text} {entry.symbol} is {int(whole + fraction.ljust(entry.decimals, '0'))}"


def _beyond(case: Case, bound: str, entry: TokenInfo) -> None:
    case.add(
        "input_amount",
        Reason.AMOUNT_OUT_OF_RANGE,
        f"input_amount must be {bound} for {entry.symbol}, which has {entry.decimals} decimals, "
        f"not {case.intent.input_amount}",
    )


def _within(case: Case, name: str, text: str, *, least: int) -> None:
    if len(text) < _DIGITS:
        beyond = least > 0 and text == "0"  # any other number of so few digits is within
    else:
        canonical = _CANONICAL.fullmatch(text) is not None  # what is not is another rule's
        beyond = canonical and (len(text) > _DIGITS or int(text) > MAX_AMOUNT)
    if beyond:
        case.add(name, Reason.AMOUNT_OUT_OF_RANGE, f"{name} must be {least} to 2^128-1, not {shown(text)}")


RULES: Final[tuple[Rule, ...]] = (
    input_amount_form, input_amount_range, input_amount_least, input_amount_most, min_output_form, min_output_range,
    slippage_range,
)  # fmt: skip


def _well(case: Case) -> bool:
    intent = case.intent
    given, least, bps = intent.input_amount, intent.min_output_amount, intent.max_slippage_bps
    entry = None if case.stored else case.book.registry.find(intent.input_token)
    return (
        _usual(given)
        and (least is None or _usual(least) or least == "0")
        and (bps is None or 0 <= bps <= MAX_SLIPPAGE_BPS)
        and (
            entry is None
            or (
                (entry.min_amount is None or int(given) >= entry.min_amount)
                and (entry.max_amount is None or int(given) <= entry.max_amount)
            )
        )
    )


def _usual(text: str) -> bool:
    """Canonical, not 0, and far from 2^128."""
    return len(text) < _DIGITS and text.isdigit() and text.isascii() and text[0] != "0"


WELL: Final = Well(RULES, _well)
"""All of them at once."""
