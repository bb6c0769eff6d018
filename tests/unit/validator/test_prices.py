"""The least output against prices: exact, and never checked against a price that is none."""

import asyncio
import json
from collections.abc import Mapping
from dataclasses import replace
from fractions import Fraction
from pathlib import Path
from typing import Any

import pytest

from services.common.clock import to_ns
from services.common.domain.outcomes import TokenInfo, Verdict
from services.common.errors import Reason
from services.common.observe import Observe
from services.common.rpc.runtime import run
from services.validator.adapters.prices import MAX_PRICES, FilePrices, read_prices
from services.validator.app import build, open_validator
from services.validator.model import RuleBook
from services.validator.observe import Vocabulary
from services.validator.ports import Price
from services.validator.registry import Registry
from services.validator.service import Validator
from tests.harness.signing import to_domain
from tests.harness.ticks import TickClock
from tests.unit.validator.support import NOW, FakeViews, StoppedClock, found, signed
from tests.unit.validator.test_files import Room, settings

AT = to_ns(NOW)
NEAR_95 = str(95 * 10**24)
"""For 100 USDC."""


def price(units: int, exponent: int = 0, *, age_ns: int = 0) -> Price:
    return Price(units=units, exponent=exponent, at_ns=AT - age_ns)


async def judged(
    body: dict[str, Any], prices: Mapping[str, Price], *, stored: bool = False, **book: Any
) -> tuple[Verdict, dict[str, float]]:
    """The verdict, and how often each rule could not be applied."""
    observe = Observe(service="validator")
    validator = Validator(RuleBook(**book), FakeViews(), StoppedClock(), Vocabulary(observe))
    validator.prices = FilePrices(prices)
    (verdict,) = await validator.validate([to_domain(body)], stored=stored)
    left = {
        sample.labels["rule"]: sample.value
        for family in observe.registry.collect()
        if family.name == "validator_rules_not_applied"
        for sample in family.samples
    }
    return verdict, left


@pytest.mark.parametrize("decimals", [(0, 0), (6, 24), (38, 0), (0, 38), (18, 18)])
@pytest.mark.parametrize(
    "rate", [("1", "2"), ("0.000000000000000000000000000001", "3"), ("123456789.987654321", "7")]
)
async def test_the_bounds_are_exact(decimals: tuple[int, int], rate: tuple[str, str]) -> None:
    one, other = (TokenInfo(id=name, symbol=name, decimals=n) for name, n in zip("AB", decimals, strict=True))
    prices = read_prices(
        json.dumps({"prices": {n: {"price": p, "at": AT} for n, p in zip("AB", rate, strict=True)}}).encode()
    )
    amount = 10**37 + 1
    worth = Fraction(rate[0]) / Fraction(rate[1]) * amount * Fraction(10) ** (decimals[1] - decimals[0])
    most, least = worth * Fraction(101, 100), worth * Fraction(99, 100) * Fraction(995, 1000)
    for text in (int(most), int(most) + 1, int(least), int(least) + 1):
        if not 0 <= text < 2**128:
            continue
        high, low = Reason.MIN_OUTPUT_TOO_HIGH, Reason.MIN_OUTPUT_TOO_LOW
        reason = high if text > most else low if text < least else None
        body = signed(
            input_token="A", output_token="B", input_amount=str(amount), min_output_amount=str(text)
        )
        verdict, left = await judged(body, prices, registry=Registry(tokens=(one, other)))
        assert found(verdict) == ([("min_output_amount", reason)] if reason else []), (text, worth)
        assert left == {}


@pytest.mark.parametrize(
    ("prices", "why"),
    [
        ({}, "no price"),
        ({"USDC": price(1)}, "no price"),
        ({"USDC": price(1), "NEAR": price(2, age_ns=60 * 10**9 + 1)}, "old"),
        ({"USDC": price(1, age_ns=10**18), "NEAR": price(2)}, "old"),
        ({"USDC": price(1), "NEAR": price(2, age_ns=-(10**9) - 1)}, "ahead"),
    ],
)
async def test_a_price_that_is_none_leaves_the_rules_not_applied(
    prices: Mapping[str, Price], why: str
) -> None:
    verdict, left = await judged(signed(), prices, clock_skew_ns=10**9)
    assert verdict.valid, why
    assert left == {"min-output-reachable": 1, "min-output-slippage": 1}


async def test_a_price_counts_until_its_age() -> None:
    prices = {"USDC": price(1, age_ns=60 * 10**9), "NEAR": price(2, age_ns=-(10**9))}
    verdict, left = await judged(signed(min_output_amount=NEAR_95), prices, clock_skew_ns=10**9)
    assert found(verdict) == [("min_output_amount", Reason.MIN_OUTPUT_TOO_HIGH)]
    assert left == {}


async def test_a_token_of_unknown_decimals_has_no_worth() -> None:
    verdict, left = await judged(signed(output_token="nep141:x.near"), {"USDC": price(1), "x.near": price(1)})
    assert verdict.valid
    assert left == {"min-output-reachable": 1, "min-output-slippage": 1}


async def test_a_transfer_is_worth_itself() -> None:
    body = signed(action="transfer", input_amount="1000", output_token="USDC", min_output_amount="995")
    assert (await judged(body, {}))[0].valid
    for least, reason in (("1001", Reason.MIN_OUTPUT_TOO_HIGH), ("994", Reason.MIN_OUTPUT_TOO_LOW)):
        body = signed(action="transfer", input_amount="1000", output_token="USDC", min_output_amount=least)
        assert found((await judged(body, {}))[0]) == [("min_output_amount", reason)]


async def test_nothing_is_asked_of_what_was_accepted_or_names_no_least_output() -> None:
    prices = {"USDC": price(1), "NEAR": price(1000)}
    assert not (await judged(signed(), prices))[0].valid
    for body, stored in ((signed(), True), (signed(min_output_amount=None), False)):
        assert (await judged(body, {}, stored=stored)) == (await judged(body, prices, stored=stored))
        assert (await judged(body, prices, stored=stored))[1] == {}


ENTRY = {"price": "1", "at": "2026-11-23T12:00:00Z"}


@pytest.mark.parametrize(
    ("value", "said"),
    [
        (b"{", "strict JSON"),
        ({}, "must be"),
        ({"prices": []}, "must be"),
        ({"prices": {}, "x": 1}, "must be"),
        ({"prices": {"A": "1"}}, "prices['A']: "),
        ({"prices": {"A": {"price": "1"}}}, "prices['A']: "),
        ({"prices": {"A": {**ENTRY, "price": 1}}}, "prices['A'].price: "),
        ({"prices": {"A": {**ENTRY, "price": "1e3"}}}, "prices['A'].price: "),
        ({"prices": {"A": {**ENTRY, "price": "-1"}}}, "prices['A'].price: "),
        ({"prices": {"A": {**ENTRY, "price": "0.00"}}}, "prices['A'].price: must be more"),
        ({"prices": {"A": {**ENTRY, "price": "1." + "1" * 31}}}, "prices['A'].price: "),
        ({"prices": {"A": {**ENTRY, "at": "now"}}}, "prices['A'].at: "),
        ({"prices": {"a.near": ENTRY, "nep141:a.near": ENTRY}}, "is there twice"),
        ({"prices": {f"T{n}": 1 for n in range(MAX_PRICES + 1)}}, "at most"),
    ],
)
def test_a_file_of_prices_that_cannot_be_used(value: object, said: str) -> None:
    data = value if isinstance(value, bytes) else json.dumps(value).encode()
    with pytest.raises(ValueError) as caught:
        read_prices(data)
    assert said in str(caught.value) and len(str(caught.value)) < 300


def test_prices_are_known_by_bare_names() -> None:
    prices = FilePrices(
        read_prices(json.dumps({"prices": {"nep141:a.near": {**ENTRY, "price": "0.50"}}}).encode())
    )
    assert prices.of("a.near") == replace(price(50, -2), at_ns=AT)
    assert prices.of("b.near") is None


async def test_prices_change_while_it_runs(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "prices.json"

    def write(near: str) -> None:
        at = {"at": "2026-11-23T12:00:00Z"}
        file.write_text(json.dumps({"prices": {"USDC": {"price": "1", **at}, "NEAR": {"price": near, **at}}}))

    async def valid() -> bool:
        await clock.tick()
        return (await validator.validate([to_domain(signed(min_output_amount=NEAR_95, max_slippage=None))]))[
            0
        ].valid

    write("1")
    clock, observe = TickClock(NOW), Observe(service="validator")
    made = settings(PRICES_FILE=str(file), PORT="0", ADMIN_PORT="0")
    async with open_validator(made, FakeViews(), clock, observe) as validator:
        here = Room(validator, file, clock, observe)
        assert await valid()
        write("2")
        assert not await valid()
        file.write_text("{")
        assert not await valid()
        assert here.shown('validator_file_refused{file="prices"}') == 1 and "prices" in observe.notes
        write("1")
        assert await valid()
        assert observe.notes == {}
        clock.advance(seconds=61)
        write("2")
        assert await valid(), "a price too old is none"
        assert here.shown('validator_rules_not_applied_total{rule="min-output-reachable"}') == 1
    file.write_text("{")
    assert await run("validator", made, build, clock, asyncio.Event()) == 2
    assert capsys.readouterr().err.startswith(f"validator: PRICES_FILE: {file}: ")
