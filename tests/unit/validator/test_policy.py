"""What the operator lets in: tokens, accounts, amounts, deadlines."""

from dataclasses import replace
from typing import Any

import pytest

from services.common.domain.outcomes import TokenInfo
from services.common.errors import Reason
from services.validator.registry import Registry
from tests.unit.validator.alone import NEAR, USDC
from tests.unit.validator.support import ALICE, found, judge, only, signed

WRAP = TokenInfo(id="nep141:wrap.near", symbol="wNEAR", decimals=24)


def registry(*tokens: TokenInfo, **beside: Any) -> dict[str, Any]:
    return {"registry": Registry(tokens=tokens or (USDC, NEAR, WRAP), **beside)}


@pytest.mark.parametrize("name", ["wrap.near", "nep141:wrap.near"])
async def test_a_token_has_its_bounds_under_both_of_its_names(name: str) -> None:
    book = registry(USDC, replace(WRAP, paused=True))
    only(await judge(signed(output_token=name), **book), "tokens", "output_token", Reason.TOKEN_PAUSED)
    book = registry(denied_tokens=frozenset(("wrap.near",)))
    only(await judge(signed(output_token=name), **book), "tokens", "output_token", Reason.TOKEN_NOT_ALLOWED)
    book = registry(USDC, NEAR, replace(WRAP, max_amount=5, pairs=("USDC",)))
    body = signed(input_token=name, input_amount="6", output_token="USDC")
    only(await judge(body, **book), "amounts", "input_amount", Reason.AMOUNT_OUT_OF_RANGE)
    body = signed(input_token=name, input_amount="5", output_token="NEAR")
    only(await judge(body, **book), "tokens", "output_token", Reason.PAIR_NOT_ALLOWED)


async def test_what_the_registry_bounds_counts_on_the_way_in_only() -> None:
    book = registry(
        replace(USDC, min_amount=2, max_amount=2, pairs=("wrap.near",)), replace(NEAR, paused=True)
    )
    for amount in ("1", "3"):
        body = signed(input_amount=amount)
        assert not (await judge(body, **book)).valid
        assert (await judge(body, stored=True, **book)).valid
    near = ALICE.sign_plain(deadline="2026-11-23T12:00:01Z")
    assert found(await judge(near, min_lifetime_ns=2 * 10**9)) == [("deadline", Reason.DEADLINE_TOO_NEAR)]
    assert (await judge(near, stored=True, min_lifetime_ns=2 * 10**9)).valid


async def test_what_is_denied_is_denied_later_too() -> None:
    for denied, reason in (
        ({"denied_tokens": frozenset(("USDC",))}, Reason.TOKEN_NOT_ALLOWED),
        ({"allowed_tokens": frozenset(("USDC",))}, Reason.TOKEN_NOT_ALLOWED),
        ({"denied_accounts": frozenset((ALICE.account_id,))}, Reason.ACCOUNT_NOT_ALLOWED),
        ({"allowed_accounts": frozenset(("bob.near",))}, Reason.ACCOUNT_NOT_ALLOWED),
    ):
        for stored in (False, True):
            verdict = await judge(signed(), stored=stored, **registry(**denied))
            assert [violation.reason for violation in verdict.violations] == [reason]


async def test_both_tokens_are_told_in_order() -> None:
    book = registry(denied_tokens=frozenset(("USDC", "NEAR")))
    assert found(await judge(signed(), **book)) == [
        ("input_token", Reason.TOKEN_NOT_ALLOWED),
        ("output_token", Reason.TOKEN_NOT_ALLOWED),
    ]


async def test_amounts_at_their_bounds() -> None:
    book = registry(replace(USDC, min_amount=10, max_amount=10), NEAR)
    assert (await judge(signed(input_amount="10"), **book)).valid
    for amount in ("9", "11"):
        only(
            await judge(signed(input_amount=amount), **book),
            "amounts",
            "input_amount",
            Reason.AMOUNT_OUT_OF_RANGE,
        )
    # one that is no amount is told once, not by each rule
    for amount in ("0", "x", str(2**128), "1.5", "9" * 10_000):
        assert len((await judge(signed(input_amount=amount), **book)).violations) == 1


@pytest.mark.parametrize(
    ("amount", "said"),
    [
        ("1.5", "; 1.5 USDC is 1500000"),
        ("0.000001", "; 0.000001 USDC is 1"),
        ("1.10000000", "; 1.10000000 USDC is 1100000"),
        ("1.0000001", "; USDC has 6 decimals"),
        ("1.5e3", "not '1.5e3'"),
        ("-1.5", "not '-1.5'"),
    ],
)
async def test_decimals_are_told_where_an_amount_has_a_point(amount: str, said: str) -> None:
    verdict = await judge(signed(input_amount=amount))
    only(verdict, "amounts", "input_amount", Reason.INVALID_AMOUNT)
    assert verdict.violations[0].message.endswith(said)


async def test_the_window_of_deadlines() -> None:
    book: dict[str, Any] = {"min_lifetime_ns": 60 * 10**9, "max_lifetime_ns": 3600 * 10**9}
    cases = {
        "2026-11-23T12:00:00Z": Reason.DEADLINE_EXPIRED,
        "2026-11-23T12:00:59.999999999Z": Reason.DEADLINE_TOO_NEAR,
        "2026-11-23T12:01:00Z": None,
        "2026-11-23T13:00:00Z": None,
        "2026-11-23T13:00:00.000000001Z": Reason.DEADLINE_TOO_FAR,
    }
    for deadline, reason in cases.items():
        verdict = await judge(ALICE.sign_plain(deadline=deadline), **book)
        assert [violation.reason for violation in verdict.violations] == ([reason] if reason else []), (
            deadline
        )
    skewed = {
        "2026-11-23T12:00:00Z": Reason.DEADLINE_EXPIRED,  # a clock that is off makes nothing live again
        "2026-11-23T12:00:49.999999999Z": Reason.DEADLINE_TOO_NEAR,
        "2026-11-23T12:00:50Z": None,
        "2026-11-23T13:00:10Z": None,
        "2026-11-23T13:00:10.000000001Z": Reason.DEADLINE_TOO_FAR,
    }
    for deadline, reason in skewed.items():
        verdict = await judge(ALICE.sign_plain(deadline=deadline), clock_skew_ns=10 * 10**9, **book)
        assert [violation.reason for violation in verdict.violations] == ([reason] if reason else []), (
            deadline
        )
