"""What becomes of each rule, as people are told it."""

from collections.abc import Sequence
from typing import Final

from services.common.domain.explanation import Explanation, RuleOutcome, RuleStatus, SignedContent
from services.common.errors import Violation
from services.validator.model import AGAIN, MAX_TOLD_OF_RULE, VIEWS, Answer, Case, Reach, pattern_of
from services.validator.rules.rule import Rule, Table
from services.validator.values import value_of

MAX_SEEN: Final = 240
"""Characters of what one rule saw."""

MAX_TEXT: Final = 4_096
"""Characters of the signed message that are shown."""

MAX_DATA: Final = 1_024
"""Bytes that are shown of what the signature is over."""


def outcome(case: Case, stage: str, rule: Rule, found: Sequence[Violation], *, ran: bool) -> RuleOutcome:
    """What became of a rule that just had its turn, and found `found`; not `ran` if it was left out."""
    seen = _seen(case, rule) if ran else None
    if found:
        status = RuleStatus.FAILED
    elif seen is None or _moot(case, rule):
        status = RuleStatus.NOT_REACHED
    elif rule.name in case.unapplied or any(
        case.answers.get(asked) is None for asked in _questions(case, rule)
    ):
        status = RuleStatus.UNAVAILABLE
    else:
        status = RuleStatus.PASSED
    return _told(rule, stage, status, seen or "", tuple(found[:MAX_TOLD_OF_RULE]))


def unread(table: Table) -> Explanation:
    """For a submission that has no form to be judged in."""
    return Explanation(rules=tuple(unreached(stage, rule) for stage, rule in table))


def unreached(stage: str, rule: Rule) -> RuleOutcome:
    """For a rule whose stage was not looked at."""
    return _told(rule, stage, RuleStatus.NOT_REACHED, "", ())


def signed_content(case: Case) -> SignedContent | None:
    """None where nothing was signed, or by a standard that is not known. Needs a case that was prepared."""
    if case.signed is None or case.reach < Reach.DECODED:
        return None
    return SignedContent(
        text=case.signed.text[:MAX_TEXT].encode("utf-8", "replace").decode(),
        text_bytes=case.message_bytes,
        data=case.signed_bytes[:MAX_DATA],
        data_bytes=len(case.signed_bytes),
    )


def _moot(case: Case, rule: Rule) -> bool:
    """Something it needs was refused before, or it would have asked the chain but there was nothing to ask."""
    if rule.view is not None and rule.name not in case.asked:
        return True
    return any(pattern_of(violation.field) in rule.reads for violation in case.found)


def _seen(case: Case, rule: Rule) -> str | None:
    if rule.seen is not None:
        text = rule.seen(case)
    elif len(rule.fields) == 1:
        text = value_of(case, rule.fields[0])
    else:
        text = ", ".join(f"{field} {value_of(case, field) or ''}" for field in rule.fields)
    if text is None:
        return None
    if rule.name in case.unapplied:
        text = f"{text}; {case.unapplied[rule.name]}"
    for asked in _questions(case, rule):
        text = f"{text}; {VIEWS[type(case.asked[asked])]}: {_answer(case.answers.get(asked))}"
    return _bounded(text)


def _questions(case: Case, rule: Rule) -> list[str]:
    """Those of the rule that the chain was asked, as `asked` has them."""
    return [asked for asked in (rule.name, rule.name + AGAIN) if asked in case.asked]


def _bounded(text: str) -> str:
    """A stranger's text must not steer a terminal, nor fill an answer."""
    cut = text[:MAX_SEEN]
    if not (cut.isascii() and cut.isprintable()):
        cut = ascii(cut)[1:-1]
    return cut if len(cut) <= MAX_SEEN and len(text) <= MAX_SEEN else f"{cut[: MAX_SEEN - 3]}..."


def _answer(found: Answer | None) -> str:
    if found is None:
        return "could not be asked"
    if isinstance(found, bool):
        return "yes" if found else "no"
    return str(found) or "it would be carried out"


def _told(rule: Rule, stage: str, status: RuleStatus, seen: str, found: tuple[Violation, ...]) -> RuleOutcome:
    return RuleOutcome(
        rule=rule.name,
        stage=stage,
        kind=rule.kind,
        status=status,
        seen=seen,
        asks=rule.asks,
        mend=rule.mend,
        violations=found,
    )
