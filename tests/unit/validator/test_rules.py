"""Every rule is needed: an input fails it alone, and passes where the rule is taken out."""

import pytest

from services.common.domain.outcomes import Verdict
from services.validator.model import RuleBook
from services.validator.rules import STAGES, TABLE
from services.validator.rules.rule import Rule, Table
from services.validator.service import Validator
from tests.unit.validator.alone import Input, alone
from tests.unit.validator.support import StoppedClock


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
