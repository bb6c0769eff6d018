"""Every rule is needed: an input fails it alone, and passes where the rule is taken out."""

from dataclasses import replace
from typing import Any

import pytest

from services.common.clock import to_ns
from services.common.domain.intent import Submission
from services.common.domain.outcomes import Verdict
from services.common.domain.plainjson import plain_to_json
from services.common.domain.signedjson import signed_to_json
from services.validator.model import RuleBook
from services.validator.rules import STAGES, TABLE
from services.validator.rules.rule import Kind, Rule, Table
from services.validator.service import Validator
from tests.differential.contract import Contract
from tests.harness.signing import to_domain
from tests.unit.validator.alone import Input, alone
from tests.unit.validator.messages import body_of, message
from tests.unit.validator.support import ALICE, NOW, StoppedClock


async def judged(one: Input, table: Table = TABLE, **asked: bool) -> Verdict:
    validator = Validator(RuleBook(**one.book), one.views(), StoppedClock(), table=table)
    validator.prices = one.prices
    (verdict,) = await validator.validate([one.submission], **asked)
    return verdict


def test_every_rule_has_an_input_that_fails_it_alone() -> None:
    assert sorted(alone()) == sorted(rule.name for _, rule in TABLE)


async def test_p10_every_rule_is_needed() -> None:
    inputs = alone()
    for stage, rule in TABLE:
        refused = await judged(inputs[rule.name])
        assert (refused.valid, refused.failed_stage) == (False, stage), rule.name
        speaks_of(refused, rule)
        taken = await judged(inputs[rule.name], TABLE.without(rule.name))
        assert taken.valid, f"{rule.name} is not alone in refusing its input: {taken}"


async def test_the_contract_refuses_what_protocol_rules_refuse_and_takes_the_rest() -> None:
    for _, rule in TABLE:
        one = alone()[rule.name].submission
        assert one.intent is not None
        contract = Contract(to_ns(NOW))
        if rule.name == "nonce-unused":
            first = body_of(message(intents=[{"intent": "plain", **ALICE.fields(id="m")}]))
            contract.keep("verify_signed_intent", contract_call(to_domain(first)))
            # the same intent again would be no second use of it
            one = to_domain(body_of(message(intents=[{"intent": "plain", **ALICE.fields(id="n")}])))
            one = replace(one, intent=to_domain(ALICE.fields(id="n")).intent)
            assert one.intent is not None
        if rule.name == "signature-required":
            # a user's own wallet may send it as it stands
            contract.keep("verify_intent", {"intent": plain_to_json(one.intent)}, by=one.intent.user_account)
            continue
        if rule.name == "simulation":
            continue  # the contract's own word, which is a fake's here
        call = contract_call(one)
        refused = contract.refusal(call["intent"], call["signed"])
        assert bool(refused) is (rule.kind is Kind.PROTOCOL), f"{rule.name} ({rule.kind}): {refused!r}"


def contract_call(submission: Submission) -> dict[str, Any]:
    """The arguments of verify_signed_intent."""
    assert submission.intent is not None and submission.signed_data is not None
    return {"intent": plain_to_json(submission.intent), "signed": signed_to_json(submission.signed_data)}


def speaks_of(verdict: Verdict, rule: Rule) -> None:
    """Every violation carries a reason and a field of that rule."""
    assert verdict.violations
    for violation in verdict.violations:
        assert violation.reason in rule.reasons, rule.name
        assert violation.field in rule.fields, rule.name


def test_the_table_says_what_people_need() -> None:
    for _, rule in TABLE:
        assert rule.name == rule.name.lower() and rule.name.replace("-", "").isalnum()
        for text in (rule.asks, rule.mend):
            assert text.endswith(".") and "\n" not in text and len(text) < 160, rule.name
    assert STAGES == ("structure", "tokens", "amounts", "security")


def test_two_rules_of_one_name_make_no_table() -> None:
    (_, first), *_ = TABLE
    with pytest.raises(ValueError, match=first.name):
        Table({"structure": (first,), "tokens": (first,)})
    with pytest.raises(KeyError):
        TABLE.without("no-such-rule")
