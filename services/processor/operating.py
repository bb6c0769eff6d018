"""What operators do with intents that nobody ends: look, retry, resolve, fail. Each act is written down first, with who
and why, so that none is done that is not kept."""

import logging
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Final, TypeAlias

from services.common.clock import now
from services.common.domain.outcomes import Overdue
from services.common.domain.settling import (
    BY_OPERATOR,
    MAX_BY,
    MAX_REASON,
    Act,
    Audited,
    AuditEntry,
    Settlement,
)
from services.common.errors import IntentError, Reason
from services.common.observe import logs
from services.processor.failures import Answer, Failures
from services.processor.resolver import Resolver
from services.processor.stuck import Diagnosis, Finding, Sight, diagnose, overdue_of, why_not_failed

logger: Final = logging.getLogger(__name__)

MAX_IDS: Final = 200

_One: TypeAlias = "Callable[[Report, str, str], Awaitable[str]]"


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """An intent as it stands. `may_not_fail` is empty where an operator may end it."""

    sight: Sight
    diagnosis: Diagnosis
    entries: tuple[AuditEntry, ...] = ()
    may_not_fail: str = ""
    answer: Answer | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Acted:
    """`done` False: refused for `reason`, nothing changed. `now` None: no such intent."""

    intent_id: str
    done: bool
    what: str
    reason: str = ""
    now: Report | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Operator:
    """Batches of up to MAX_IDS; one that is refused holds up no other."""

    resolver: Resolver
    failures: Failures

    async def page(self, *, page_size: int, page_token: str) -> tuple[list[Report], str]:
        """What is overdue, as the store lists it, and the token of the next page. Raises as `Store.overdue`."""
        page = await self.resolver.store.overdue(page_size=page_size, page_token=page_token)
        sights = await self.resolver.look([one.record for one in page.overdue], page.overdue)
        return [self._report(sight) for sight in sights], page.next_page_token

    async def look(self, intent_ids: Sequence[str]) -> list[Report | None]:
        """None where unknown. Raises BATCH_SIZE."""
        _check_ids(intent_ids)
        known = await self.resolver.store.settlements(intent_ids)
        moment, grace = now(self.resolver.clock), timedelta(seconds=self.resolver.patience.after)
        overdue = []
        for one in known:
            found = None if one is None else overdue_of(one.record, moment, grace)
            if one is not None and found is not None:
                overdue.append(Overdue(record=one.record, cause=found[0], since=found[1]))
        there = {one.record.intent_id: one for one in known if one is not None}
        sights = await self.resolver.look([one.record for one in there.values()], overdue)
        reports = {
            sight.record.intent_id: replace(
                self._report(sight), entries=there[sight.record.intent_id].entries
            )
            for sight in sights
        }
        return [reports.get(one) for one in intent_ids]

    async def retry(self, intent_ids: Sequence[str], *, by: str, reason: str) -> list[Acted]:
        """Has them looked at again at once."""
        return await self._each(intent_ids, "retry", by, reason, self._retry)

    async def resolve(self, intent_ids: Sequence[str], *, by: str, reason: str) -> list[Acted]:
        """Does the one right thing for each."""
        return await self._each(intent_ids, "resolve", by, reason, self._resolve)

    async def fail(self, intent_ids: Sequence[str], *, by: str, reason: str) -> list[Acted]:
        """Ends them as failed. Refused with NOT_CANCELLABLE while anything of one may get on chain, or did (P4)."""
        return await self._each(intent_ids, "fail", by, reason, self._fail)

    # --- one of each ---

    async def _retry(self, report: Report, by: str, reason: str) -> str:
        await self._keep(report, Act.WAKE, by, reason)
        return await self.resolver.take_up(report.sight.record)

    async def _resolve(self, report: Report, by: str, reason: str) -> str:
        due = report.diagnosis.finding in (Finding.ADOPT, Finding.FAIL, Finding.CONTINUE)
        await self._keep(report, Act.WAKE if due else Act.NOTE, by, reason)
        return await self.resolver.act(report.sight, report.diagnosis)

    async def _fail(self, report: Report, by: str, reason: str) -> str:
        if report.may_not_fail:
            raise IntentError(Reason.NOT_CANCELLABLE, report.may_not_fail)
        await self._keep(report, Act.FAIL, by, reason)
        return "it is ended as failed"

    async def _each(
        self, intent_ids: Sequence[str], act: str, by: str, reason: str, one: _One
    ) -> list[Acted]:
        _check_words(by, reason)
        acted = []
        for intent_id, report in zip(intent_ids, await self.look(intent_ids), strict=True):
            if report is None:
                acted.append(
                    Acted(
                        intent_id=intent_id, done=False, what="There is no such intent.",
                        reason=str(Reason.INTENT_NOT_FOUND),
                    )
                )  # fmt: skip
                continue
            try:
                what, refused = await one(report, by, reason), ""
            except IntentError as error:
                what, refused = error.message, str(error.reason)
            logs.event(
                logger, logging.WARNING, "admin.act",
                intentId=intent_id, act=act, by=by, why=reason, done=not refused, what=what,
            )  # fmt: skip
            (after,) = await self.look([intent_id])
            acted.append(Acted(intent_id=intent_id, done=not refused, what=what, reason=refused, now=after))
        return acted

    async def _keep(self, report: Report, act: Act, by: str, reason: str) -> Audited:
        record = report.sight.record
        settlement = Settlement(
            intent_id=record.intent_id, act=act, by=BY_OPERATOR + by, reason=reason,
            evidence=report.diagnosis.evidence, seen_version=record.version,
        )  # fmt: skip
        (answer,) = await self.resolver.store.settle([settlement])
        if isinstance(answer, IntentError):
            raise answer
        return answer

    def _report(self, sight: Sight) -> Report:
        return Report(
            sight=sight,
            diagnosis=diagnose(sight),
            may_not_fail=why_not_failed(sight),
            answer=self.failures.answer(sight.record),
        )


def _check_ids(intent_ids: Sequence[str]) -> None:
    if not 1 <= len(intent_ids) <= MAX_IDS:
        raise IntentError(
            Reason.BATCH_SIZE, f"1 to {MAX_IDS} intents are taken at once, not {len(intent_ids)}.",
            metadata={"max": str(MAX_IDS)},
        )  # fmt: skip


def _check_words(by: str, reason: str) -> None:
    for name, text, most in (("by", by, MAX_BY), ("reason", reason, MAX_REASON)):
        if not 1 <= len(text.strip()) <= most or not text.isprintable():
            raise IntentError(
                Reason.INVALID_FIELD, f"{name}: 1 to {most} printable characters are expected; they are kept."
            )
