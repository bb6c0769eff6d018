"""Explanations say for each rule what became of it, and change no verdict; full looks further."""

import json
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from services.common.convert.answers import verdict_from_proto, verdict_to_proto
from services.common.domain.explanation import Explanation, RuleStatus
from services.common.domain.outcomes import Verdict
from services.common.domain.views import HasPublicKey
from services.common.errors import IntentError, Reason
from services.validator.explain import MAX_DATA, MAX_SEEN, MAX_TEXT
from services.validator.model import MAX_EXPLAINED
from services.validator.rules import STAGES, TABLE
from tests.harness.signing import to_domain
from tests.unit.validator.alone import BOB, Input, alone, versioned
from tests.unit.validator.messages import UNREADABLE, body_of, message
from tests.unit.validator.support import ALICE, SOON, FakeViews, found, signed, validator
from tests.unit.validator.test_rules import judged

PASSED, FAILED, NOT_REACHED, UNAVAILABLE = RuleStatus


async def explained(body: dict[str, Any], views: FakeViews | None = None, **asked: bool) -> Verdict:
    (verdict,) = await validator(views).validate([to_domain(body)], explain=True, **asked)
    return verdict


def explanation(verdict: Verdict) -> Explanation:
    assert verdict.explanation is not None
    return verdict.explanation


def statuses(verdict: Verdict) -> dict[str, RuleStatus]:
    return {one.rule: one.status for one in explanation(verdict).rules}


async def test_each_rule_is_told_to_have_failed_on_what_it_saw() -> None:
    for name, one in alone().items():
        verdict = await judged(one, explain=True, full=True)
        rules = explanation(verdict).rules
        assert [(one.stage, one.rule) for one in rules] == [(stage, rule.name) for stage, rule in TABLE]
        (failed,) = [one for one in rules if one.status is FAILED]
        assert (failed.rule, failed.violations) == (name, verdict.violations)
        assert failed.seen, f"{name} does not say what it saw"
        assert UNAVAILABLE not in statuses(verdict).values()
        assert all(one.seen for one in rules if one.status is PASSED), name


async def test_nothing_is_reached_after_the_stage_that_refused() -> None:
    for name, one in alone().items():
        verdict = await judged(one, explain=True)
        for outcome in explanation(verdict).rules:
            if STAGES.index(outcome.stage) > STAGES.index(verdict.failed_stage):
                assert (outcome.status, outcome.seen, outcome.violations) == (NOT_REACHED, "", ()), name


async def test_explaining_changes_no_verdict() -> None:
    inputs = [*alone().values(), *(Input(submission=to_domain(body_of(text))) for text in UNREADABLE)]
    inputs.append(Input(submission=to_domain(signed())))
    inputs.append(Input(submission=to_domain({})))
    inputs.append(Input(submission=replace(to_domain(signed()), intent=None)))
    for one in inputs:
        plain = await judged(one)
        assert plain.explanation is None
        assert replace(await judged(one, explain=True), explanation=None) == plain
        if plain.valid:
            assert await judged(one, full=True) == plain


async def test_a_valid_intent_passes_all_that_has_something_to_look_at() -> None:
    verdict = await explained(body_of(message(), nonce=versioned()), FakeViews(salts={b"salt"}))
    assert verdict.valid
    idle = {name for name, status in statuses(verdict).items() if status is not PASSED}
    # an implicit account needs no registration, no adapter of prices is there, holdings are not asked about, and four
    # rules are of other standards
    off = {"min-output-reachable", "min-output-slippage", "balance-covers", "output-registered", "simulation"}
    assert idle == {
        "key-registered",
        "assertion-valid",
        "client-data-depth",
        "envelope-ascii",
        "timestamp-before-deadline",
        *off,
    }
    signed_ = explanation(verdict).signed
    assert signed_ is not None
    assert json.loads(signed_.text) == message()
    assert (signed_.text_bytes, signed_.data_bytes, len(signed_.data)) == (len(json.dumps(message())), 32, 32)
    seen = {one.rule: one.seen for one in explanation(verdict).rules}
    assert seen["network"] == "'localnet'"
    assert seen["slippage-range"] == "0.5 percent"
    assert seen["nonce-salt"] == "73616c74; is_valid_salt: yes"
    assert seen["fields-agree"] == "8 fields, all equal"


async def test_full_goes_on_but_says_nothing_twice_of_a_field() -> None:
    text = message(network="mainnet", deadline="2020-01-01T00:00:00Z")
    body = {**body_of(text), "id": "{", "action": "", "input_token": "?", "input_amount": "-1"}
    short = await explained(body)
    assert found(short) == [("action", Reason.MISSING_FIELD), ("id", Reason.INVALID_ID)]
    verdict = await explained(body, full=True)
    assert verdict.failed_stage == "structure"
    assert found(verdict) == [
        ("action", Reason.MISSING_FIELD),
        ("id", Reason.INVALID_ID),
        ("input_token", Reason.UNKNOWN_TOKEN),
        ("input_amount", Reason.INVALID_AMOUNT),
        ("signed_data.payload.network", Reason.WRONG_NETWORK),
        ("deadline", Reason.DEADLINE_EXPIRED),
    ]
    assert statuses(verdict)["tokens-differ"] is NOT_REACHED
    assert statuses(verdict)["input-amount-range"] is NOT_REACHED
    assert statuses(verdict)["fields-agree"] is PASSED, "what was refused before is not held against it again"


async def test_full_asks_the_chain_nothing_about_an_account_that_is_none() -> None:
    views = FakeViews()
    body = {**signed(), "user_account": "A.near"}
    (verdict,) = await validator(views).validate([to_domain(body)], full=True)
    assert found(verdict) == [("user_account", Reason.INVALID_ACCOUNT)]
    assert views.calls == []


async def test_views_that_cannot_be_had_are_neither_passed_nor_failed() -> None:
    known = {("bob.near", BOB.public_key)}
    body = BOB.sign_plain(deadline=SOON)
    verdict = await explained(body, FakeViews(known, mute=HasPublicKey))
    assert (verdict.valid, verdict.unavailable, verdict.violations) == (False, "chain views", ())
    assert statuses(verdict)["key-registered"] is UNAVAILABLE
    assert statuses(verdict)["nonce-unused"] is PASSED
    refused = await explained({**body, "input_amount": "1"}, FakeViews(away=True))
    assert (refused.unavailable, found(refused)) == ("", [("input_amount", Reason.FIELD_MISMATCH)])
    assert [statuses(refused)[name] for name in ("key-registered", "nonce-unused")] == [UNAVAILABLE] * 2


async def test_a_price_that_is_too_old_leaves_its_rule_unapplied_but_the_intent_valid() -> None:
    one = alone()["min-output-reachable"]
    verdict = await judged(replace(one, book={"price_max_age_ns": -1}), explain=True)
    assert verdict.valid
    outcome = next(one for one in explanation(verdict).rules if one.rule == "min-output-reachable")
    assert outcome.status is UNAVAILABLE
    assert outcome.seen.endswith("; the price of USDC is 0 s old")


async def test_what_was_signed_is_shown_also_to_whom_an_earlier_stage_refused() -> None:
    shown = explanation(await explained(signed(id="{"))).signed
    assert shown is not None and '"{"' in shown.text
    assert explanation(await explained(ALICE.fields())).signed is None
    unknown = signed()
    unknown["signed_data"]["standard"] = "NEP413"
    assert explanation(await explained(unknown)).signed is None


@pytest.mark.parametrize("hostile", ["é" * 10_000, "\x1b[2J" * 10_000, "'\"" * 10_000])
async def test_p10_an_explanation_is_bounded_and_printable_whatever_was_sent(hostile: str) -> None:
    names = (
        "id",
        "user_account",
        "action",
        "input_token",
        "input_amount",
        "output_token",
        "min_output_amount",
    )
    body: dict[str, Any] = dict.fromkeys(names, hostile)
    body["signed_data"] = ALICE.sign_raw(hostile)
    verdicts = [await explained(body, full=True)]
    for data in (ALICE.sign_message(hostile, recipient=hostile, nonce=b"n" * 9_999), ALICE.sign_raw(hostile)):
        data["public_key"] = data["signature"] = hostile
        verdicts.append(await explained({**body, "signed_data": data}, full=True))
    verdicts.append(await explained(signed(input_token=hostile[:99], output_token=hostile[:99])))
    verdicts.append(await explained(body_of(message(), callback_url=hostile[:99])))
    verdicts.append(await explained(body_of(message(signer_id=hostile[:9_000], network=hostile[:9]))))
    lone = to_domain(signed())
    assert lone.signed_data is not None
    data_ = replace(lone.signed_data, standard="raw_ed25519", payload="\ud800" * 9)
    verdicts += await validator().validate([replace(lone, signed_data=data_)], explain=True)
    for verdict in verdicts:
        told_ = explanation(verdict)
        for one in told_.rules:
            assert len(one.seen) <= MAX_SEEN and one.seen.isascii() and one.seen.isprintable(), one.rule
        assert told_.signed is not None
        assert len(told_.signed.text) <= MAX_TEXT and len(told_.signed.data) <= MAX_DATA
        on_the_wire = verdict_to_proto(verdict)
        assert on_the_wire.ByteSize() < 64 << 10
        assert verdict_from_proto(on_the_wire) == verdict


async def test_explanations_are_given_for_few_at_a_time() -> None:
    one = to_domain(signed())
    assert len(await validator().validate([one] * MAX_EXPLAINED, explain=True)) == MAX_EXPLAINED
    with pytest.raises(IntentError) as caught:
        await validator().validate([one] * (MAX_EXPLAINED + 1), explain=True)
    assert caught.value.reason is Reason.BATCH_SIZE
    assert len(await validator().validate([one] * (MAX_EXPLAINED + 1), full=True)) == MAX_EXPLAINED + 1


async def test_what_no_rule_could_look_at_reaches_none() -> None:
    unread = Verdict(valid=False, failed_stage="structure")
    (verdict,) = await validator().judge([unread], explain=True)
    assert set(statuses(verdict).values()) == {NOT_REACHED}
    nothing = await explained({}, full=True)
    assert statuses(nothing)["required-fields"] is FAILED
    assert statuses(nothing)["min-output-form"] is PASSED


async def test_deadlines_are_told_as_the_message_has_them() -> None:
    verdict = await explained(body_of(message(deadline="2026-11-23T13:10:00+01:00")))
    seen = {one.rule: one.seen for one in explanation(verdict).rules}
    assert seen["deadline-ahead"] == "'2026-11-23T13:10:00+01:00'"
    late = await explained(body_of(message(), nonce=versioned(after=timedelta(minutes=9))))
    seen = {one.rule: one.seen for one in explanation(late).rules}
    assert seen["nonce-outlives-deadline"] == "2026-11-23T12:09:00Z"
