"""Stage 3, second part: can what the user wants be had at the prices there are, and is it what max_slippage allows?

Only where an adapter of prices is there. A price that is missing, old or of the future is none: then the rule is not
applied, and says so (`Case.leave`).
"""

from typing import Final

from services.common.errors import Reason
from services.validator.ids import bare
from services.validator.model import Case, shown
from services.validator.ports import NO_PRICES, Price
from services.validator.rules.amounts import MAX_SLIPPAGE_BPS, units
from services.validator.rules.rule import Kind, Rule, Well, rule

_BPS: Final = 10_000


Worth = tuple[int, int, int] | str
"""What the amount given is worth in the token wanted, as numerator and denominator of smallest units, and the basis
points by which it may be off; or why that cannot be known, "" where there is nothing to ask."""


def _worth(case: Case) -> Worth:
    intent, book = case.intent, case.book
    amount = units(intent.input_amount)
    if not amount:
        return ""
    given, wanted = bare(intent.input_token), bare(intent.output_token)
    if given == wanted:
        return amount, 1, 0
    one, other = _priced(case, given), _priced(case, wanted)
    if isinstance(one, str):
        return one
    if isinstance(other, str):
        return other
    (price, decimals), (per, others) = one, other
    shift = price.exponent - decimals - per.exponent + others
    numerator, denominator = amount * price.units, per.units
    if shift >= 0:
        return numerator * 10**shift, denominator, book.price_margin_bps
    return numerator, denominator * 10**-shift, book.price_margin_bps


def _priced(case: Case, token: str) -> tuple[Price, int] | str:
    """Price and decimals of a token by its bare name, or why it has no price."""
    entry, price = case.book.registry.by_name.get(token), case.prices.of(token)
    if entry is None:
        return f"the decimals of {shown(token)} are not known"
    if price is None:
        return f"there is no price of {entry.symbol}"
    if price.at_ns < case.now_ns - case.book.price_max_age_ns:
        return f"the price of {entry.symbol} is {(case.now_ns - price.at_ns) // 10**9} s old"
    if price.at_ns > case.now_ns + case.book.clock_skew_ns:
        return f"the price of {entry.symbol} is dated ahead"
    return price, entry.decimals


def expected(case: Case, rule: str) -> tuple[int, int, int] | None:
    """As `Worth`, found once for each case; None where there is none, which is noted of `rule` if it matters."""
    if case.worth is None:
        case.worth = _worth(case)
    if not isinstance(case.worth, str):
        return case.worth
    if case.worth:
        case.leave(rule, case.worth)
    return None


def _least(case: Case) -> str | None:
    least = _asked(case)
    return None if least is None else str(least)


@rule(
    "min-output-reachable",
    Kind.POLICY,
    Reason.MIN_OUTPUT_TOO_HIGH,
    "min_output_amount",
    asks="The least output is not above what the prices at hand give for the input, PRICE_MARGIN_BPS granted.",
    mend="Ask for less, or give more.",
    reads=("input_token", "input_amount", "output_token", "min_output_amount"),
    seen=_least,
)
def min_output_reachable(case: Case) -> None:
    least = _asked(case)
    if least is None:
        return
    worth = expected(case, "min-output-reachable")
    if worth is None:
        return
    numerator, denominator, margin = worth
    if least * denominator * _BPS > numerator * (_BPS + margin):
        case.add(
            "min_output_amount",
            Reason.MIN_OUTPUT_TOO_HIGH,
            f"min_output_amount {least} is more than the {numerator // denominator} that the input is worth",
        )


@rule(
    "min-output-slippage",
    Kind.POLICY,
    Reason.MIN_OUTPUT_TOO_LOW,
    "min_output_amount",
    asks="The least output is not below what max_slippage leaves of the prices at hand, PRICE_MARGIN_BPS granted.",
    mend="Raise min_output_amount to what max_slippage means, or raise max_slippage.",
    reads=("input_token", "input_amount", "output_token", "min_output_amount", "max_slippage"),
    seen=_least,
)
def min_output_slippage(case: Case) -> None:
    least, slippage = _asked(case), case.intent.max_slippage_bps
    if least is None or slippage is None or not 0 <= slippage <= MAX_SLIPPAGE_BPS:
        return
    worth = expected(case, "min-output-slippage")
    if worth is None:
        return
    numerator, denominator, margin = worth
    if least * denominator * _BPS * _BPS < numerator * (_BPS - slippage) * (_BPS - margin):
        case.add(
            "min_output_amount",
            Reason.MIN_OUTPUT_TOO_LOW,
            f"min_output_amount {least} is less than {slippage / 100:g} percent slippage leaves "
            f"of the {numerator // denominator} that the input is worth",
        )


def _asked(case: Case) -> int | None:
    """The least output of a new intent, where there are prices to hold it against."""
    text = case.intent.min_output_amount
    return None if case.stored or text is None or case.prices is NO_PRICES else units(text)


RULES: Final[tuple[Rule, ...]] = (min_output_reachable, min_output_slippage)


WELL: Final = Well(RULES, lambda case: _asked(case) is None)
"""All of them at once."""
