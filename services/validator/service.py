"""Verdicts: four stages in order, later ones only if the earlier pass."""

from collections.abc import Mapping, Sequence
from dataclasses import replace

from services.common.clock import Clock, from_ns
from services.common.domain.intent import Submission
from services.common.domain.outcomes import Rules, Verdict
from services.common.domain.views import ChainView
from services.common.errors import IntentError, Reason, Violation
from services.common.ports import ChainViews
from services.validator.model import MAX_BATCH, Case, Reach, RuleBook, plain_of
from services.validator.observe import Vocabulary
from services.validator.ports import NO_PRICES, Prices
from services.validator.prepare import prepare
from services.validator.registry import Registry
from services.validator.rules import TABLE
from services.validator.rules.rule import SECURITY, Table
from services.validator.signatures import check_all

UNAVAILABLE = "chain views"
"""What a verdict names when the contract's views could not be had: neither valid nor refused."""

Item = tuple[Submission, bool] | Verdict
"""A submission and whether it is stored; or the verdict on one that could not even be read."""


class Validator:
    """Satisfies `services.common.ports.Validator`. Keeps nothing between calls but the book it goes by."""

    def __init__(
        self,
        book: RuleBook,
        chain: ChainViews,
        clock: Clock,
        vocabulary: Vocabulary | None = None,
        *,
        table: Table = TABLE,
    ) -> None:
        self._table = table
        self.book = book
        self._chain = chain
        self._clock = clock
        self._vocabulary = vocabulary
        self.prices: Prices = NO_PRICES

    async def validate(self, submissions: Sequence[Submission], *, stored: bool = False) -> Sequence[Verdict]:
        """A verdict for each, in order; one view call at most for all of them. Raises BATCH_SIZE above 256."""
        return await self.judge([(submission, stored) for submission in submissions])

    async def rules(self) -> Rules:
        """What is accepted."""
        return self.book.rules

    def adopt(self, registry: Registry) -> None:
        """Go by `registry` from the next call on; calls under way end by the one they began with."""
        self.book = replace(self.book, registry=registry)

    async def judge(self, items: Sequence[Item]) -> Sequence[Verdict]:
        """As `validate`, with `stored` for each item; verdicts stay as they are."""
        if not 1 <= len(items) <= MAX_BATCH:
            raise IntentError(Reason.BATCH_SIZE, f"A call holds 1 to {MAX_BATCH} intents, not {len(items)}.")
        now_ns = self._clock.now_ns()
        verdicts: list[Verdict | Case] = [
            item if isinstance(item, Verdict) else self._plain(*item, now_ns) for item in items
        ]
        cases = [case for case in verdicts if isinstance(case, Case)]
        if cases:
            await self._secure(cases)
        made = [self._conclude(one) if isinstance(one, Case) else one for one in verdicts]
        if self._vocabulary is not None:
            for verdict in made:
                self._vocabulary.judged(verdict)
            for case in cases:
                for rule in case.unapplied:
                    self._vocabulary.not_applied(rule)
        return made

    def _plain(self, submission: Submission, stored: bool, now_ns: int) -> Verdict | Case:
        if submission.intent is None and submission.signed_data is not None:
            return _refused("structure", [_BARE_MESSAGE])
        case = Case(
            intent=plain_of(submission),
            signed=submission.signed_data,
            book=self.book,
            now_ns=now_ns,
            stored=stored,
            prices=self.prices,
        )
        for stage, checks in self._table.plain:
            for check in checks:
                check(case)
            if case.found:
                return _refused(stage, case.found)
        return case

    async def _secure(self, cases: Sequence[Case]) -> None:
        for case in cases:
            prepare(case)
        await check_all([case for case in cases if case.key and case.signature])
        for case in cases:
            case.asked = self._wanted(case)
        answers = await self._ask({view: None for case in cases for view in case.asked.values()})
        for case in cases:
            case.answers = answers
            for check in self._table.security[case.reach]:
                check(case)

    def _wanted(self, case: Case) -> dict[str, ChainView]:
        """What the chain must be asked, by rule. Nothing for a key that signed nothing."""
        asked: dict[str, ChainView] = {}
        if case.proven and case.reach is Reach.MESSAGE:
            for rule in self._table.asking:
                view = rule.view(case) if rule.view is not None else None
                if view is not None:
                    asked[rule.name] = view
        return asked

    async def _ask(self, views: Mapping[ChainView, None]) -> dict[ChainView, bool]:
        """The answers that could be had. One that could not be is left out, and noticed in `_conclude`."""
        if not views:
            return {}
        asked = list(views)
        try:
            answers = await self._chain.views(asked)
        except IntentError as error:
            if self._vocabulary is not None:
                self._vocabulary.views_unavailable(error)
            return {}
        found: dict[ChainView, bool] = {}
        for view, answer in zip(asked, answers, strict=True):
            if isinstance(answer, IntentError):
                if self._vocabulary is not None:
                    self._vocabulary.views_unavailable(answer)
            else:
                found[view] = bool(answer.value)
        return found

    def _conclude(self, case: Case) -> Verdict:
        if case.found:
            return _refused(SECURITY, case.found)
        if any(view not in case.answers for view in case.asked.values()):
            return Verdict(valid=False, unavailable=UNAVAILABLE)
        until = case.deadline_ns
        if until is None:
            until = case.now_ns + case.book.default_lifetime_ns
        return Verdict(valid=True, expires_at=from_ns(until))


_BARE_MESSAGE = Violation(
    field="intent",
    reason=Reason.NOT_IMPLEMENTED,
    message="a signed message without its plain intent is not accepted in this version",
)


def _refused(stage: str, found: Sequence[Violation]) -> Verdict:
    return Verdict(valid=False, failed_stage=stage, violations=tuple(found))
