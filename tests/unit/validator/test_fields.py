"""Structure, tokens, amounts: every rule has an input that fails it alone."""

from dataclasses import replace
from typing import Any

import pytest

from services.common.domain.intent import REQUIRED_FIELDS, PlainIntent, Submission
from services.common.errors import IntentError, Reason
from services.validator.rules import STAGES
from tests.harness.signing import to_domain
from tests.unit.validator.support import ALICE, found, judge, only, signed, validator


async def test_a_signed_swap_is_valid_and_expires_at_the_floored_deadline() -> None:
    body = ALICE.sign_plain(ALICE.fields(), deadline="2026-11-23T12:10:00.123999Z")
    verdict = await judge(body)
    assert verdict.valid
    assert verdict.violations == ()
    assert verdict.expires_at is not None
    assert verdict.expires_at.isoformat() == "2026-11-23T12:10:00.123000+00:00"


async def test_nothing_at_all_lists_the_seeds_six_in_its_order() -> None:
    verdict = await judge(to_domain({}))
    assert verdict.failed_stage == "structure"
    assert [violation.message for violation in verdict.violations] == [
        f"Missing required field: {name}" for name in REQUIRED_FIELDS
    ]
    assert {violation.reason for violation in verdict.violations} == {Reason.MISSING_FIELD}
    assert found(await judge(Submission(intent=None))) == found(verdict)


@pytest.mark.parametrize("name", REQUIRED_FIELDS)
@pytest.mark.parametrize("value", [None, "", False, 0])
async def test_missing_is_what_javascript_calls_missing(name: str, value: object) -> None:
    body = {**signed(), name: value}
    only(await judge(body), "structure", name, Reason.MISSING_FIELD)


@pytest.mark.parametrize("value", ["x" * 129, "x" * 10_000, "a\nb", "a\n", "{a}", "a\0", "a b", "é", "a/b"])
async def test_p10_bad_ids(value: str) -> None:
    verdict = await judge(signed(id=value))
    only(verdict, "structure", "id", Reason.INVALID_ID)
    assert len(verdict.violations[0].message) < 200
    assert verdict.violations[0].message.isprintable()


@pytest.mark.parametrize(
    "value", ["a", "A.near", "a..near", ".near", "a_-b", "x" * 65, "a.near\n", "ünï.near"]
)
async def test_bad_accounts(value: str) -> None:
    only(await judge(signed(user_account=value)), "structure", "user_account", Reason.INVALID_ACCOUNT)


@pytest.mark.parametrize("value", ["stake", "Swap", "swap ", "swäp", "s" * 10_000])
async def test_unknown_actions(value: str) -> None:
    only(await judge(signed(action=value)), "structure", "action", Reason.UNSUPPORTED_ACTION)
    assert (await judge(signed(action="stake"), actions=("stake",))).valid


async def test_all_violations_of_the_stage_and_none_of_a_later_one() -> None:
    body = signed(id="{", user_account="A", action="x", input_token="INVALID", input_amount="-1")
    verdict = await judge(body)
    assert found(verdict) == [
        ("id", Reason.INVALID_ID),
        ("user_account", Reason.INVALID_ACCOUNT),
        ("action", Reason.UNSUPPORTED_ACTION),
    ]


async def test_stages_run_in_order_each_only_after_the_one_before() -> None:
    body: dict[str, Any] = {**ALICE.fields(), "id": "{", "input_token": "?", "input_amount": "-1"}
    seen = []
    for repair in ({}, {"id": "a"}, {"input_token": "USDC"}, {"input_amount": "1"}):
        body |= repair
        seen.append((await judge(body)).failed_stage)
    assert tuple(seen) == STAGES


@pytest.mark.parametrize("name", ["input_token", "output_token"])
@pytest.mark.parametrize(
    "value",
    [
        "INVALID",
        "usdc",
        "NEAR ",
        "nep141:",
        "nep141:A.near",
        "nep141:" + "a" * 65,
        "nep171:a.near:1",
        "nep141:a:b",
    ],
)
async def test_unknown_tokens(name: str, value: str) -> None:
    only(await judge(signed(**{name: value})), "tokens", name, Reason.UNKNOWN_TOKEN)


@pytest.mark.parametrize(
    "value", ["NEAR", "wNEAR", "USDT", "ETH", "wrap.near", "usdc.near", "usdc.testnet", "nep141:x.near"]
)
async def test_known_tokens(value: str) -> None:
    assert (await judge(signed(output_token=value))).valid


@pytest.mark.parametrize(("given", "wanted"), [("USDC", "USDC"), ("usdc.near", "nep141:usdc.near")])
async def test_a_swap_for_the_same_token(given: str, wanted: str) -> None:
    body = signed(input_token=given, output_token=wanted)
    only(await judge(body), "tokens", "output_token", Reason.SAME_TOKEN)
    assert (await judge(signed(action="transfer", input_token=given, output_token=wanted))).valid


@pytest.mark.parametrize("name", ["input_amount", "min_output_amount"])
@pytest.mark.parametrize(
    "value", ["1e5", "-1", "007", "1.0", " 1", "1 ", "+1", "00", "0x1", "1_000", "١", "²", "1\n", "NaN", "9" * 50 + "x"]
)  # fmt: skip
async def test_p10_amounts_that_are_none(name: str, value: str) -> None:
    verdict = await judge(signed(**{name: value}))
    only(verdict, "amounts", name, Reason.INVALID_AMOUNT)
    assert verdict.violations[0].message.isascii()


@pytest.mark.parametrize("value", [str(2**128), "9" * 39, "9" * 40, "9" * 10_000, "0"])
async def test_p10_amounts_out_of_range(value: str) -> None:
    only(await judge(signed(input_amount=value)), "amounts", "input_amount", Reason.AMOUNT_OUT_OF_RANGE)


@pytest.mark.parametrize("value", ["1", str(2**128 - 1)])
async def test_amounts_within_range(value: str) -> None:
    assert (await judge(signed(input_amount=value, min_output_amount=value))).valid


async def test_the_least_output_may_be_nothing_but_not_empty() -> None:
    assert (await judge(signed(min_output_amount="0"))).valid
    assert (await judge(signed(min_output_amount=None, max_slippage=None))).valid
    only(await judge(signed(min_output_amount="")), "amounts", "min_output_amount", Reason.INVALID_AMOUNT)
    body = signed(min_output_amount=str(2**128))
    only(await judge(body), "amounts", "min_output_amount", Reason.AMOUNT_OUT_OF_RANGE)


@pytest.mark.parametrize("value", [100.01, 101, 2**31])
async def test_slippage_beyond_100_percent(value: float) -> None:
    submission = to_domain(signed())
    assert submission.intent is not None
    wrong = replace(submission, intent=replace(submission.intent, max_slippage_bps=round(value * 100)))
    only(await judge(wrong), "amounts", "max_slippage", Reason.INVALID_SLIPPAGE)


@pytest.mark.parametrize("value", [0, 0.01, 99.99, 100])
async def test_slippage_within_range(value: float) -> None:
    assert (await judge(signed(max_slippage=value))).valid


async def test_negative_slippage_from_a_caller_in_process() -> None:
    submission = to_domain(signed())
    assert isinstance(submission.intent, PlainIntent)
    wrong = replace(submission, intent=replace(submission.intent, max_slippage_bps=-1))
    only(await judge(wrong), "amounts", "max_slippage", Reason.INVALID_SLIPPAGE)


async def test_the_message_of_a_plain_intent_is_none_on_its_own() -> None:
    submission = replace(to_domain(signed()), intent=None)
    verdict = await judge(submission)
    only(verdict, "security", "signed_data.payload.intents[0].intent", Reason.INVALID_MESSAGE)
    assert verdict.violations[0].message.endswith("a plain intent is sent beside its signed message")


@pytest.mark.parametrize("count", [0, 257])
async def test_empty_and_oversize_batches(count: int) -> None:
    with pytest.raises(IntentError) as caught:
        await validator().validate([to_domain(signed())] * count)
    assert caught.value.reason is Reason.BATCH_SIZE
