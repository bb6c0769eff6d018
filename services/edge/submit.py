"""The way in: from a submission to a receipt (validate, recognise repeats, store; then tell cache and notifier)."""

import asyncio
import logging
from collections.abc import Coroutine, Sequence
from datetime import timedelta
from typing import Any, Final

from services.common.clock import Clock, now
from services.common.domain.intent import (
    ID_PATTERN,
    METHOD_SUBMIT,
    IntentRecord,
    NewIntent,
    Receipt,
    Submission,
)
from services.common.domain.lifecycle import Status
from services.common.domain.outcomes import (
    Accepted,
    CachedStatus,
    IntentKey,
    RequestIdentity,
    StatusQuery,
    Verdict,
)
from services.common.domain.signing import canonical_fields, content_hash, intent_digest
from services.common.encoding import b58encode
from services.common.errors import IntentError, Reason, unavailable
from services.common.observe import logs, trace
from services.edge.limits.in_flight import InFlight, Places
from services.edge.model import Caller, check_request_id
from services.edge.observe import Vocabulary
from services.edge.ports import Ports

logger = logging.getLogger(__name__)

SIDE_TIMEOUT: Final = 2.0
"""Seconds given to priming the cache and waking the notifier."""
MAX_SIDE_WORK: Final = 256
"""Such calls under way at once; above it they are left out, which costs speed only."""

Outcome = Receipt | IntentError


class Background:
    """Calls whose failure is not the caller's problem: bounded in number and time, logged, awaited at the end."""

    def __init__(self, seen: Vocabulary) -> None:
        self._seen = seen
        self._tasks: set[asyncio.Task[None]] = set()

    def start(self, what: str, work: Coroutine[Any, Any, Any]) -> None:
        """Run `work` beside the caller; `what` names it for logs and metrics."""
        if len(self._tasks) >= MAX_SIDE_WORK:
            work.close()
            self._seen.side_failures(what).inc()
            return
        task = asyncio.create_task(self._run(what, work))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _run(self, what: str, work: Coroutine[Any, Any, Any]) -> None:
        try:
            async with asyncio.timeout(SIDE_TIMEOUT):
                await work
        except (IntentError, TimeoutError) as error:
            self._seen.side_failures(what).inc()
            logs.event(logger, logging.WARNING, "side.failed", what=what, why=str(error))
        except Exception as error:
            self._seen.side_failures(what).inc()
            logs.event(logger, logging.ERROR, "side.failed", what=what, exc_info=error)

    async def aclose(self) -> None:
        """Wait for what runs; each ends within SIDE_TIMEOUT."""
        await asyncio.gather(*self._tasks, return_exceptions=True)


class Submitter:
    """One validate call and one create call, however many submissions come together."""

    def __init__(
        self,
        ports: Ports,
        clock: Clock,
        seen: Vocabulary,
        *,
        default_lifetime: timedelta,
        background: Background,
        in_flight: InFlight,
    ) -> None:
        self._ports = ports
        self._in_flight = in_flight
        self._clock = clock
        self._seen = seen
        self._default_lifetime = default_lifetime
        self._background = background

    async def submit(self, caller: Caller, items: Sequence[Submission | IntentError]) -> list[Outcome]:
        """An outcome for each, in order. An item that could not be read comes as its error and goes back as it."""
        outcomes: list[Outcome | None] = [_refusal(item) for item in items]
        open_ = [index for index, outcome in enumerate(outcomes) if outcome is None]
        submissions: dict[int, Submission] = {}
        for index in open_:
            item = items[index]
            assert isinstance(item, Submission)
            submissions[index] = item
        if submissions:
            for index, outcome in (await self._decide(caller, submissions)).items():
                outcomes[index] = outcome
        answered = [outcome for outcome in outcomes if outcome is not None]
        for outcome in answered:
            if isinstance(outcome, IntentError):
                self._seen.submissions(str(outcome.reason)).inc()
        return answered

    async def _decide(self, caller: Caller, submissions: dict[int, Submission]) -> dict[int, Outcome]:
        indexes = list(submissions)
        verdicts, known = await asyncio.gather(
            self._verdicts(list(submissions.values())), self._known(list(submissions.values()))
        )
        doubtful = {
            index
            for index, verdict, seen in zip(indexes, verdicts, known, strict=True)
            if seen or not verdict.valid
        }
        # nothing is counted for what is refused anyway, and a repeat needs no place
        places = await self._in_flight.take({
            index: submission for index, submission in submissions.items() if index not in doubtful
        })  # fmt: skip
        try:
            return await self._settle(
                caller, submissions, dict(zip(indexes, verdicts, strict=True)), doubtful, places
            )
        finally:
            places.close()

    async def _settle(
        self,
        caller: Caller,
        submissions: dict[int, Submission],
        verdicts: dict[int, Verdict],
        doubtful: set[int],
        places: Places,
    ) -> dict[int, Outcome]:
        outcomes: dict[int, Outcome] = {}
        doubtful = doubtful | places.refused.keys()
        found, unbound = await self._recognise(
            caller, {index: one for index, one in submissions.items() if index in doubtful}
        )
        new: dict[int, NewIntent] = {}
        for index, verdict in verdicts.items():
            recognised = found.get(index)
            if recognised is not None:
                outcomes[index] = recognised
                if isinstance(recognised, Receipt):
                    self._seen.submissions("repeated").inc()
            elif index not in unbound and not verdict.valid:
                outcomes[index] = refusal_of(verdict)
            elif index not in unbound and index in places.refused:
                outcomes[index] = places.refused[index]
            elif submissions[index].intent is None:
                outcomes[index] = _not_executed(submissions[index])
            else:
                known_until = unbound[index].expires_at if index in unbound else verdict.expires_at
                new[index] = NewIntent(
                    principal=caller.principal,
                    submission=submissions[index],
                    expires_at=known_until or now(self._clock) + self._default_lifetime,
                    traceparent=trace.current_traceparent(),
                )
        if new:
            places.stored = set(new)
            outcomes |= await self._create(caller, new, places)
        return outcomes

    async def _verdicts(self, submissions: Sequence[Submission]) -> Sequence[Verdict]:
        try:
            return await self._ports.validator.validate(submissions)
        except IntentError as error:
            if error.reason is not Reason.DEPENDENCY_UNAVAILABLE:
                raise
            # a repeat is recognised all the same
            return [Verdict(valid=False, unavailable="validator")] * len(submissions)

    async def _known(self, submissions: Sequence[Submission]) -> list[bool]:
        """What the cache has already; a hint only, so a failure is "no"."""
        ids = [_id(submission) for submission in submissions]
        asked = dict.fromkeys(intent_id for intent_id in ids if ID_PATTERN.fullmatch(intent_id))
        queries = [StatusQuery(intent_id=intent_id, cached_only=True) for intent_id in asked]
        try:
            answers = await self._ports.cache.get_statuses(queries) if queries else ()
        except IntentError as error:
            self._seen.side_failures("known").inc()
            logs.event(logger, logging.DEBUG, "side.failed", what="known", why=str(error))
            return [False] * len(submissions)
        known = {
            intent_id
            for intent_id, answer in zip(asked, answers, strict=True)
            if answer is not None and not isinstance(answer, IntentError)
        }
        return [intent_id in known for intent_id in ids]

    async def _recognise(
        self, caller: Caller, submissions: dict[int, Submission]
    ) -> tuple[dict[int, Outcome], dict[int, IntentRecord]]:
        """Repeats get their receipt, another principal's known message ALREADY_EXISTS; the rest is left out.

        Beside them repeats that come under a request id of their own: the store alone says what that id is
        bound to, and binds it.
        """
        keys: list[IntentKey] = []
        places: list[int] = []
        for index, submission in submissions.items():
            if ID_PATTERN.fullmatch(_id(submission)):
                keys.append(_id(submission))
                places.append(index)
            if submission.request_id:
                keys.append(
                    RequestIdentity(
                        principal=caller.principal, method=METHOD_SUBMIT, request_id=submission.request_id
                    )
                )
                places.append(index)
        outcomes: dict[int, Outcome] = {}
        unbound: dict[int, IntentRecord] = {}
        if not keys:
            return outcomes, unbound
        for key, index, record in zip(keys, places, await self._ports.store.get(keys), strict=True):
            if record is None or not same_content(record, submissions[index]):
                continue
            if record.principal == caller.principal:
                if submissions[index].request_id and not isinstance(key, RequestIdentity):
                    unbound[index] = record
                else:
                    outcomes[index] = record.receipt
                    unbound.pop(index, None)
            else:
                outcomes.setdefault(
                    index,
                    IntentError(
                        Reason.ALREADY_EXISTS, "This message was submitted before by another caller."
                    ),
                )
        return outcomes, unbound

    async def _create(self, caller: Caller, new: dict[int, NewIntent], places: Places) -> dict[int, Outcome]:
        answers = await self._ports.store.create(list(new.values()))
        outcomes: dict[int, Outcome] = {}
        fresh: list[str] = []
        for index, answer in zip(new, answers, strict=True):
            if not (isinstance(answer, Accepted) and answer.created):
                places.stored.discard(index)
            if isinstance(answer, Accepted):
                outcomes[index] = answer.receipt
                self._seen.submissions("accepted" if answer.created else "repeated").inc()
                if answer.created:
                    fresh.append(answer.receipt.intent_id)
            else:
                outcomes[index] = answer
        if fresh:
            self.tell(fresh, [
                CachedStatus(intent_id=intent_id, status=Status.PENDING, version=1, principal=caller.principal)
                for intent_id in fresh
            ])  # fmt: skip
        return outcomes

    def tell(self, intent_ids: Sequence[str], statuses: Sequence[CachedStatus]) -> None:
        """Primes the cache and wakes the notifier, beside the caller."""
        self._background.start("prime", self._ports.cache.put_statuses(statuses))
        self._background.start("wake", self._ports.notifier.wake(intent_ids))


def refusal_of(verdict: Verdict) -> IntentError:
    """What a caller is told of a verdict that is not valid."""
    if verdict.unavailable:
        return unavailable(verdict.unavailable)
    if not verdict.violations:
        return IntentError(Reason.INTERNAL, "The validator refused without saying why.")
    first = verdict.violations[0]
    return IntentError(
        first.reason,
        first.message,
        verdict.violations,
        {"stage": verdict.failed_stage} if verdict.failed_stage else {},
    )


def same_content(record: IntentRecord, submission: Submission) -> bool:
    """The same message and the same fields beside it; signature bytes and request ids are no part of it."""
    return (
        submission.intent is not None
        and record.content_hash == content_hash(submission)
        and (record.signed_data is None) == (submission.signed_data is None)
        and canonical_fields(record.intent) == canonical_fields(submission.intent)
    )


def _not_executed(submission: Submission) -> IntentError:
    """What a signed message on its own is told that the validator found nothing wrong with."""
    signed = submission.signed_data
    intent_hash = "" if signed is None else b58encode(intent_digest(signed))
    return IntentError(
        Reason.NOT_IMPLEMENTED,
        f"The signed message {intent_hash} is valid, but only plain intents are executed in this version: "
        "send the plain intent beside its signed message.",
        metadata={"intent_hash": intent_hash},
    )


def _refusal(item: Submission | IntentError) -> IntentError | None:
    if isinstance(item, IntentError):
        return item
    try:
        check_request_id(item.request_id)
    except IntentError as error:
        return error
    return None


def _id(submission: Submission) -> str:
    return submission.intent.id if submission.intent is not None else ""
