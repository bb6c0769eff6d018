"""Verdicts: four stages in order, later ones only if the earlier pass."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Final

from services.common.clock import Clock, from_ns
from services.common.domain.intent import Submission
from services.common.domain.outcomes import Rules, Verdict
from services.common.domain.views import BalanceOf, ChainView, CurrentSalt, Simulation
from services.common.errors import IntentError, Reason
from services.common.ports import ChainViews
from services.validator.explain import unread
from services.validator.messages.reading import read
from services.validator.messages.rules import TABLE as MESSAGES
from services.validator.model import (
    AGAIN,
    MAX_BATCH,
    MAX_EXPLAINED,
    MAX_TOLD,
    VIEWS,
    Answer,
    Case,
    RuleBook,
    plain_of,
)
from services.validator.observe import Vocabulary
from services.validator.ports import NO_PRICES, Prices
from services.validator.prepare import prepare
from services.validator.registry import Registry
from services.validator.rules import TABLE
from services.validator.rules.rule import Table
from services.validator.signatures import check_all
from services.validator.walk import Brisk, Thorough

UNAVAILABLE = "chain views"
"""What a verdict names when the contract's views could not be had: neither valid nor refused."""

Walks = tuple[Brisk, Brisk]
"""Through the rules for plain intents, and through those for signed messages on their own."""

MAX_AT_ONCE: Final = 4_096
"""Intents judged at once: about half a second of one core's work, which is longer than a caller should wait unseen."""

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
        messages: Table = MESSAGES,
        most_at_once: int = MAX_AT_ONCE,
    ) -> None:
        self._tables = table, messages
        self._brisk = Brisk(table), Brisk(messages)
        self.book = book
        self._chain = chain
        self._clock = clock
        self._vocabulary = vocabulary
        self.prices: Prices = NO_PRICES
        self._most_at_once = most_at_once
        self._at_once = 0

    async def validate(
        self,
        submissions: Sequence[Submission],
        *,
        stored: bool = False,
        full: bool = False,
        explain: bool = False,
    ) -> Sequence[Verdict]:
        """A verdict for each, in order; one view call for all of them, two where a nonce
        would be refused. Raises BATCH_SIZE above 256, or above
        32 with `explain`."""
        items = [(submission, stored) for submission in submissions]
        return await self.judge(items, full=full, explain=explain)

    async def rules(self) -> Rules:
        """What is accepted."""
        return self.book.rules

    def adopt(self, registry: Registry) -> None:
        """Go by `registry` from the next call on; calls under way end by the one they began with."""
        self.book = replace(self.book, registry=registry)

    async def judge(
        self, items: Sequence[Item], *, full: bool = False, explain: bool = False
    ) -> Sequence[Verdict]:
        """As `validate`, with `stored` for each item; verdicts stay as they are. Raises OVERLOADED where so many are
        judged already that this call's would only wait."""
        most = MAX_EXPLAINED if explain else MAX_BATCH
        if not 1 <= len(items) <= most:
            raise IntentError(Reason.BATCH_SIZE, f"A call holds 1 to {most} intents, not {len(items)}.")
        if self._at_once and self._at_once + len(items) > self._most_at_once:
            raise IntentError(
                Reason.OVERLOADED, "Too many intents are being judged; try again shortly.", retry_after=0.5
            )
        self._at_once += len(items)
        try:
            return await self._judge(items, full=full, explain=explain)
        finally:
            self._at_once -= len(items)

    async def _judge(self, items: Sequence[Item], *, full: bool, explain: bool) -> Sequence[Verdict]:
        walks = self._brisk
        if full or explain:
            plain, messages = self._tables
            walks = (
                Thorough(plain, full=full, explain=explain),
                Thorough(messages, full=full, explain=explain),
            )
        now_ns = self._clock.now_ns()
        begun = [item if isinstance(item, Verdict) else self._begun(item, now_ns, walks) for item in items]
        secure = [one for one in begun if not isinstance(one, Verdict) and one[1].plain(one[0])]
        if secure:
            await self._secure(secure)
        made = [
            self._unread(one, explain) if isinstance(one, Verdict) else self._conclude(*one) for one in begun
        ]
        if self._vocabulary is not None:
            for verdict in made:
                self._vocabulary.judged(verdict)
            for case, _ in secure:
                for rule in case.unapplied:
                    self._vocabulary.not_applied(rule)
        return made

    def _begun(self, item: tuple[Submission, bool], now_ns: int, walks: Walks) -> tuple[Case, Brisk]:
        submission, stored = item
        intent, reading = plain_of(submission), None
        if submission.intent is None and submission.signed_data is not None:
            reading = read(submission.signed_data, self.book.messages)
            if reading.payload is not None:
                intent = replace(intent, user_account=reading.payload.signer_id)
        case = Case(
            intent=intent,
            signed=submission.signed_data,
            book=self.book,
            now_ns=now_ns,
            stored=stored,
            prices=self.prices,
            reading=reading,
        )
        plain, messages = walks
        return case, plain if reading is None else messages

    async def _secure(self, cases: Sequence[tuple[Case, Brisk]]) -> None:
        for case, _ in cases:
            prepare(case)
        await check_all([case for case, _ in cases if case.provable])
        views: dict[ChainView, None] = {}
        for case, walk in cases:
            case.asked = walk.wanted(case)
            views.update(dict.fromkeys(case.asked.values()))
        answers = await self._ask(views)
        for case, _ in cases:
            case.answers = {rule: answers.get(view) for rule, view in case.asked.items()}
        await self._ask_again(cases)
        for case, walk in cases:
            walk.secure(case)

    async def _ask_again(self, cases: Sequence[tuple[Case, Brisk]]) -> None:
        """Where an answer leaves a doubt; seldom, so that most calls ask the chain once."""
        doubts = [(case, asked) for case, walk in cases if (asked := walk.doubted(case))]
        if not doubts:
            return
        answers = await self._ask({view: None for _, asked in doubts for view in asked.values()})
        for case, asked in doubts:
            case.asked = {**case.asked, **asked}
            case.answers = {**case.answers, **{rule: answers.get(view) for rule, view in asked.items()}}

    async def _ask(self, views: Mapping[ChainView, None]) -> dict[ChainView, Answer]:
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
        found: dict[ChainView, Answer] = {}
        for view, answer in zip(asked, answers, strict=True):
            if isinstance(answer, IntentError):
                if self._vocabulary is not None:
                    self._vocabulary.views_unavailable(answer)
            elif isinstance(answer.value, _KINDS.get(type(view), bool)):
                found[view] = answer.value
        return found

    def _conclude(self, case: Case, walk: Brisk) -> Verdict:
        explanation = walk.explanation(case)
        if case.found:
            return Verdict(
                valid=False,
                failed_stage=case.failed_stage,
                violations=tuple(case.found[:MAX_TOLD]),
                explanation=explanation,
            )
        if None in case.answers.values():
            for rule in [rule for rule, answer in case.answers.items() if answer is None]:
                if case.stored or VIEWS[type(case.asked[rule])] not in case.book.accept_without:
                    return Verdict(valid=False, unavailable=UNAVAILABLE, explanation=explanation)
                case.leave(rule.removesuffix(AGAIN), "could not be asked")
        until = case.deadline_ns
        if until is None:
            until = case.now_ns + case.book.default_lifetime_ns
        return Verdict(valid=True, expires_at=from_ns(until), explanation=explanation)

    def _unread(self, verdict: Verdict, explain: bool) -> Verdict:
        return replace(verdict, explanation=unread(self._tables[0])) if explain else verdict


_KINDS: Final[Mapping[type, type]] = {BalanceOf: int, CurrentSalt: bytes, Simulation: str}
"""What a view is answered by; any other a bool. An answer of another kind is none."""
