"""A case's way through the table: briskly, for a verdict, or thoroughly, for more than the first failing stage."""

from collections.abc import Iterable

from services.common.domain.explanation import Explanation, RuleOutcome
from services.common.domain.views import ChainView
from services.validator.explain import outcome, signed_content, unreached
from services.validator.model import AGAIN, Case, Reach, pattern_of
from services.validator.prepare import prepare
from services.validator.rules.rule import SECURITY, Rule, Table, View


class Brisk:
    """Stops after the first stage that finds something."""

    def __init__(self, table: Table) -> None:
        self._table = table

    def plain(self, case: Case) -> bool:
        """The stages that need nothing but the intent. False if it is refused there."""
        for stage, check in self._table.plain:
            check(case)
            if case.found:
                case.failed_stage = stage
                return False
        return True

    def wanted(self, case: Case) -> dict[str, ChainView]:
        """What the chain must be asked, by rule. Nothing for a key that signed nothing; of an intent that needs no
        signature what is no matter of its message."""
        asked: dict[str, ChainView] = {}
        unsigned = case.signed is None and not case.book.signature_required
        if unsigned or (case.proven and case.reach is Reach.MESSAGE):
            for rule, view in self._asking(case):
                wanted = view(case)
                if wanted is not None:
                    asked[rule.name] = wanted
        return asked

    def doubted(self, case: Case) -> dict[str, ChainView]:
        """What the chain must be asked once more, by rule and AGAIN, now that its first answers are there."""
        asked: dict[str, ChainView] = {}
        for rule, again in self._table.doubting:
            if rule.name in case.asked and (view := again(case)) is not None:
                asked[rule.name + AGAIN] = view
        return asked

    def secure(self, case: Case) -> None:
        """The last stage, on a case that is prepared and has the chain's answers."""
        self._table.security[case.reach](case)
        if case.found:
            case.failed_stage = SECURITY

    def explanation(self, case: Case) -> Explanation | None:
        """None unless asked for."""
        return None

    def _asking(self, case: Case) -> Iterable[tuple[Rule, View]]:
        return self._table.asking[case.reach]


class Thorough(Brisk):
    """With `full` it goes on after a stage that refused, leaving alone what speaks of the fields refused there; with
    `explain` it notes what becomes of each rule."""

    def __init__(self, table: Table, *, full: bool, explain: bool) -> None:
        super().__init__(table)
        self._full = full
        self._explain = explain

    def plain(self, case: Case) -> bool:
        for stage in self._table.stages:
            if stage != SECURITY:
                self._stage(case, stage)
        return self._full or not case.failed_stage

    def secure(self, case: Case) -> None:
        self._stage(case, SECURITY)

    def explanation(self, case: Case) -> Explanation | None:
        if not self._explain:
            return None
        if case.reach is Reach.INTENT:
            prepare(case)  # what was signed is shown also to whom an earlier stage refused
        told = case.outcomes
        if len(told) < sum(map(len, self._table.stages.values())):
            rules = self._table.stages.get(SECURITY, ())
            told = (*told, *(unreached(SECURITY, rule) for rule in rules))
        return Explanation(rules=told, signed=signed_content(case))

    def _stage(self, case: Case, stage: str) -> None:
        rules = self._table.stages.get(stage, ())
        told: list[RuleOutcome] = []
        for rule in rules:
            ran = self._fits(case, rule)
            before = len(case.found)
            if ran:
                rule.check(case)
            if self._explain:
                told.append(outcome(case, stage, rule, case.found[before:], ran=ran))
        case.outcomes = (*case.outcomes, *told)
        if case.found:
            case.failed_stage = case.failed_stage or stage
            case.blocked = frozenset(pattern_of(violation.field) for violation in case.found)

    def _asking(self, case: Case) -> Iterable[tuple[Rule, View]]:
        return [(rule, view) for rule, view in super()._asking(case) if self._fits(case, rule)]

    def _fits(self, case: Case, rule: Rule) -> bool:
        reached = self._full or not case.failed_stage
        return reached and rule.needs <= case.reach and case.blocked.isdisjoint(rule.reads)
