"""Every rule on signed messages is needed: an input fails it alone, and passes where the rule is taken out."""

from services.common.domain.explanation import RuleStatus
from services.common.domain.outcomes import Verdict
from services.validator.messages.reading import read
from services.validator.messages.rules import TABLE
from services.validator.model import Case, RuleBook, pattern_of, plain_of
from services.validator.rules.rule import SECURITY, Table
from tests.unit.validator.bare.alone import Input, alone
from tests.unit.validator.bare.support import BOUNDS, SWAP, bare, judged, message


async def judge(one: Input, table: Table = TABLE, **asked: bool) -> Verdict:
    return await judged(one.submission, one.views(), table=table, **asked, **one.book)


def test_every_rule_has_an_input_that_fails_it_alone() -> None:
    assert sorted(alone()) == sorted(rule.name for _, rule in TABLE)


async def test_p10_every_rule_on_messages_is_needed() -> None:
    inputs = alone()
    for stage, rule in TABLE:
        one = inputs[rule.name]
        refused = await judge(one)
        assert (refused.valid, refused.failed_stage) == (False, stage), (rule.name, refused)
        assert refused.violations
        for violation in refused.violations:
            assert violation.reason in rule.reasons, rule.name
            assert pattern_of(violation.field) in rule.fields, (rule.name, violation.field)
            assert len(violation.message) < 500 and violation.message.isascii(), rule.name
        taken = await judge(one, TABLE.without(rule.name))
        assert taken.valid, f"{rule.name} is not alone in refusing its input: {taken}"


async def test_explanations_tell_of_each_rule_what_it_saw() -> None:
    for _, rule in TABLE:
        one = alone()[rule.name]
        verdict = await judge(one, explain=True)
        assert verdict.explanation is not None
        told = {outcome.rule: outcome for outcome in verdict.explanation.rules}
        assert list(told) == [rule.name for _, rule in TABLE]
        mine = told[rule.name]
        assert mine.status is RuleStatus.FAILED and mine.seen and mine.violations, rule.name
        assert mine.seen.isascii() and mine.seen.isprintable() and len(mine.seen) <= 240
        others = [name for name, one in told.items() if one.status is RuleStatus.FAILED and name != rule.name]
        assert not others, (rule.name, others)
    verdict = await judged(bare(message(SWAP)), explain=True)
    assert verdict.valid and verdict.explanation is not None
    not_reached = {one.rule for one in verdict.explanation.rules if one.status is RuleStatus.NOT_REACHED}
    # there is nothing of theirs to look at: no assertion, no timestamp, no versioned nonce, no keys, no simulation
    assert not_reached == {
        "assertion-valid", "client-data-depth", "timestamp-before-deadline", "nonce-salt",
        "nonce-outlives-deadline", "key-changes", "simulation",
    }  # fmt: skip
    seen = {one.rule: one.seen for one in verdict.explanation.rules}
    assert seen["amounts-not-zero"] == "nep141:a.near -1000, nep141:b.near +998"
    assert seen["message-json"] == "1 intent: token_diff"


async def test_full_goes_on_after_a_stage_that_refused() -> None:
    intents = [{**SWAP, "diff": {}}, {**SWAP, "diff": {"nep141:a.near": "0"}}]
    verdict = await judged(bare(message(*intents, verifying_contract="other.near")), full=True)
    assert verdict.failed_stage == "structure"
    assert [violation.field for violation in verdict.violations] == [
        "signed_data.payload.intents[0].diff",
        "signed_data.payload.intents[1].diff",
        "signed_data.payload.recipient",
    ]


def test_a_message_that_cannot_be_read_is_refused_by_some_rule() -> None:
    """Whatever the reader notes, a rule of that name reports it: else a message that nobody read would be valid."""
    names = {rule.name for _, rule in TABLE}
    faults: set[str] = set()
    for name, one in alone().items():
        signed = one.submission.signed_data
        assert signed is not None
        reading = read(signed, BOUNDS)
        assert (reading.payload is None) is bool(reading.faults), name
        faults |= {fault.rule for fault in reading.faults}
    assert faults <= names and len(faults) == 17


def test_the_table_says_what_people_need() -> None:
    assert tuple(TABLE.stages) == ("structure", "tokens", "amounts", SECURITY)
    for stage, rule in TABLE:
        for text in (rule.asks, rule.mend):
            assert text.endswith(".") and "\n" not in text and len(text) < 160, rule.name
        if stage != SECURITY:
            case = Case(
                intent=plain_of(bare(message(SWAP))),
                signed=None,
                book=RuleBook(),
                now_ns=0,
                stored=False,
            )
            rule.check(case)  # nothing could be read
            assert not case.found
