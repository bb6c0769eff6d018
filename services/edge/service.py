"""The edge's use cases, in domain types; every transport calls these and nothing else."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from services.common.clock import Clock, now_ms
from services.common.domain.intent import ErrorDetails, IntentRecord, Receipt, Submission
from services.common.domain.lifecycle import Status
from services.common.domain.outcomes import (
    AlreadyThere,
    Applied,
    CachedStatus,
    Conflict,
    IntentPage,
    ListQuery,
    Refused,
    Rules,
    StatusAnswer,
    StatusQuery,
    Transition,
    Verdict,
)
from services.common.domain.statistics import Period, Statistics, StatisticsQuery
from services.common.errors import IntentError, Reason, unavailable
from services.common.observe import trace
from services.edge.limits.in_flight import InFlight
from services.edge.limits.port import RateLimiter
from services.edge.model import (
    Caller,
    Limits,
    check_batch,
    check_filter,
    check_id,
    check_request_id,
    not_found,
    page_size,
)
from services.edge.observe import Vocabulary
from services.edge.ports import Ports
from services.edge.submit import Background, Outcome, Submitter
from services.edge.watch.hub import Hub

RATE_LIMITED_MESSAGE = "Too many intents submitted, please try again later"
"""The seed's words."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Info:
    """What a client needs to know to sign."""

    rules: Rules
    limits: Limits
    version: str


class Edge:
    """Deny by default: every use case takes a Caller and shows it its own intents only.

    Errors are IntentErrors; DEPENDENCY_UNAVAILABLE may come from any of them.
    """

    def __init__(
        self,
        ports: Ports,
        clock: Clock,
        *,
        limiter: RateLimiter,
        limits: Limits,
        hub: Hub,
        seen: Vocabulary,
        default_lifetime: timedelta,
        version: str,
        in_flight: InFlight | None = None,
    ) -> None:
        self.hub = hub
        self.limits = limits
        self._ports = ports
        self._clock = clock
        self._limiter = limiter
        self.version = version
        self._background = Background(seen)
        self._submitter = Submitter(
            ports,
            clock,
            seen,
            default_lifetime=default_lifetime,
            background=self._background,
            in_flight=in_flight or InFlight(ports.store, clock),
        )

    def now_ms(self) -> int:
        """This edge's clock, for telling ages."""
        return now_ms(self._clock)

    async def admit(self, caller: Caller, count: int = 1) -> None:
        """Counts `count` submissions against the caller, before anything of them is looked at.

        Every transport calls it once per request. Raises RATE_LIMITED and counts none if they don't fit.
        """
        wait = await self._limiter.take(caller.subject, count)
        if wait is not None:
            raise IntentError(
                Reason.RATE_LIMITED,
                RATE_LIMITED_MESSAGE,
                metadata={
                    "subject": caller.subject,
                    "limit": str(self.limits.rate_max),
                    "window_seconds": f"{self.limits.rate_window:g}",
                },
                retry_after=wait,
            )

    async def submit(self, caller: Caller, submission: Submission) -> Receipt:
        """Durable when it returns. Raises the refusal."""
        (outcome,) = await self._submitter.submit(caller, [submission])
        if isinstance(outcome, IntentError):
            raise outcome
        return outcome

    async def submit_many(self, caller: Caller, items: Sequence[Submission | IntentError]) -> list[Outcome]:
        """An outcome for each. Raises BATCH_SIZE, and what befalls all of them."""
        self.check_batch(items, "submissions")
        return await self._submitter.submit(caller, items)

    def check_batch(self, items: Sequence[object], field: str) -> None:
        """Raises BATCH_SIZE."""
        check_batch(items, field, self.limits.max_batch)

    async def validate(
        self, caller: Caller, submission: Submission, *, full: bool = False, explain: bool = False
    ) -> Verdict:
        """Whether it would be accepted now; stores nothing and counts against no limit. `full` looks at the stages
        after the first that refuses too, `explain` says what became of each rule."""
        check_request_id(submission.request_id)
        (verdict,) = await self._ports.validator.validate([submission], full=full, explain=explain)
        if verdict.unavailable:
            raise unavailable(verdict.unavailable)
        return verdict

    async def get(self, caller: Caller, intent_id: str) -> IntentRecord:
        """The caller's own record. Raises INVALID_ID, INTENT_NOT_FOUND."""
        check_id(intent_id)
        (record,) = await self._ports.store.get([intent_id])
        if record is None or record.principal != caller.principal:
            raise not_found(intent_id)
        return record

    async def batch_get(self, caller: Caller, intent_ids: Sequence[str]) -> list[IntentRecord | IntentError]:
        """An outcome for each. Raises BATCH_SIZE."""
        self.check_batch(intent_ids, "intent_ids")
        outcomes: list[IntentRecord | IntentError] = []
        for intent_id in intent_ids:
            try:
                outcomes.append(not_found(check_id(intent_id, "intent_ids")))
            except IntentError as error:
                outcomes.append(error)
        asked = [
            index
            for index, error in enumerate(outcomes)
            if isinstance(error, IntentError) and error.reason is Reason.INTENT_NOT_FOUND
        ]
        if asked:
            records = await self._ports.store.get([intent_ids[index] for index in asked])
            for index, record in zip(asked, records, strict=True):
                if record is not None and record.principal == caller.principal:
                    outcomes[index] = record
        return outcomes

    async def status(
        self,
        caller: Caller,
        intent_id: str,
        *,
        min_version: int = 0,
        max_age: timedelta | None = None,
        allow_stale: bool = False,
    ) -> StatusAnswer:
        """From the cache; from the store where the cache is away. Raises STALE_VERSION below `min_version`.

        With `allow_stale` what the cache remembers counts where everything below it is away."""
        check_id(intent_id)
        query = StatusQuery(
            intent_id=intent_id, min_version=min_version, max_age=max_age, allow_stale=allow_stale
        )
        try:
            (answer,) = await self._ports.cache.get_statuses([query])
        except IntentError as error:
            if error.reason is not Reason.DEPENDENCY_UNAVAILABLE:
                raise
            answer = error
        if answer is None:
            raise not_found(intent_id)
        if isinstance(answer, IntentError):
            if answer.reason is not Reason.DEPENDENCY_UNAVAILABLE:
                raise answer
            answer = None
        if answer is None or not answer.status.principal:
            # the cache is away, or only the chain knew it and cannot say whose it is: the record can
            record = await self.get(caller, intent_id)
            answer = StatusAnswer(status=cached(record), level="store", read_at_ms=now_ms(self._clock))
        if answer.status.principal != caller.principal:
            raise not_found(intent_id)
        if answer.status.version < min_version:
            raise IntentError(
                Reason.STALE_VERSION,
                f"The intent is at version {answer.status.version}; version {min_version} has not happened yet.",
                metadata={"version": str(answer.status.version)},
            )
        return answer

    async def list(
        self,
        caller: Caller,
        *,
        user_id: str = "",
        status: Status | None = None,
        action: str = "",
        token: str = "",
        solver_id: str = "",
        transaction_hash: str = "",
        created_since: datetime | None = None,
        created_until: datetime | None = None,
        size: int = 0,
        page_token: str = "",
    ) -> IntentPage:
        """The caller's, newest first; a page may be short before the last. Raises INVALID_FIELD, PAGE_TOKEN_INVALID."""
        return await self._ports.store.list(
            ListQuery(
                principal=caller.principal,
                user_id=check_filter(user_id, "user_account"),
                status=status,
                action=check_filter(action, "action"),
                token=check_filter(token, "token"),
                solver_id=check_filter(solver_id, "solver_id"),
                transaction_hash=check_filter(transaction_hash, "transaction_hash"),
                created_since=created_since,
                created_until=created_until,
                page_size=page_size(size),
                page_token=check_filter(page_token, "page_token", 2_048),
            )
        )

    async def cancel(self, caller: Caller, intent_id: str, request_id: str = "") -> IntentRecord:
        """The record, failed with CANCELLED; the same again for a repeat. Raises NOT_CANCELLABLE afterwards."""
        check_request_id(request_id)
        record = await self.get(caller, intent_id)
        # a second look, should something else (a claim, a verification) have come between
        for _ in range(2):
            if is_cancelled(record):
                return record
            if record.status is not Status.PENDING or record.transactions:
                raise _not_cancellable(record)
            (outcome,) = await self._ports.store.transition([_cancellation(record, caller)])
            match outcome:
                case Applied(record):
                    self._submitter.tell([intent_id], [cached(record)])
                    return record
                case AlreadyThere(record) | Conflict(record):
                    continue
                case Refused(error):
                    raise error
        if is_cancelled(record):
            return record
        raise _not_cancellable(record)

    async def statistics(
        self,
        caller: Caller,
        user_id: str = "",
        *,
        period: Period | None = None,
        since: datetime | None = None,
        until: datetime | None = None,
    ) -> Statistics:
        """Counts over the caller's intents, and what happened from since to until; solvers over everybody's."""
        return await self._ports.store.statistics(
            StatisticsQuery(
                principal=caller.principal,
                user_id=check_filter(user_id, "user_account"),
                period=period,
                since=since,
                until=until,
            )
        )

    async def info(self, caller: Caller) -> Info:
        """What one needs to know to sign; the same for every caller."""
        return Info(rules=await self._ports.validator.rules(), limits=self.limits, version=self.version)

    async def aclose(self) -> None:
        """Wait for what runs beside callers."""
        await self._background.aclose()


def cached(record: IntentRecord) -> CachedStatus:
    """What the cache keeps of a record."""
    return CachedStatus(
        intent_id=record.intent_id, status=record.status, version=record.version, principal=record.principal
    )


def is_cancelled(record: IntentRecord) -> bool:
    """Ended by a cancellation."""
    failure = record.error_details
    return record.status is Status.FAILED and failure is not None and failure.reason == Reason.CANCELLED


def _cancellation(record: IntentRecord, caller: Caller) -> Transition:
    return Transition(
        intent_id=record.intent_id,
        seen_version=record.version,
        seen_status=record.status,
        to=Status.FAILED,
        actor="user",
        reason=str(Reason.CANCELLED),
        error_details=ErrorDetails(
            reason=str(Reason.CANCELLED), message="Cancelled by the caller before anything was signed."
        ),
        traceparent=trace.current_traceparent(),
    )


def _not_cancellable(record: IntentRecord) -> IntentError:
    why = "something is signed for it already" if record.transactions else f"it is {record.status}"
    return IntentError(
        Reason.NOT_CANCELLABLE, f"The intent can no longer be cancelled: {why}.",
        metadata={"intent_id": record.intent_id, "status": str(record.status), "version": str(record.version)},
    )  # fmt: skip
