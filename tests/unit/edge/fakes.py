"""Fakes at the edge's ports: a store with its event log, a notifier that tails it, a cache, a scripted validator."""

import asyncio
import dataclasses
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta

from services.common.clock import Clock, now, now_ms
from services.common.domain.explanation import Explanation, Kind, RuleOutcome, RuleStatus, SignedContent
from services.common.domain.intent import (
    ErrorDetails,
    IntentEvent,
    IntentRecord,
    NewIntent,
    SignedTransaction,
    Submission,
)
from services.common.domain.lifecycle import NEXT, Status
from services.common.domain.outcomes import (
    Accepted,
    AlreadyThere,
    Applied,
    CachedStatus,
    Conflict,
    EventPage,
    IntentKey,
    IntentPage,
    ListQuery,
    Refused,
    Rules,
    StatusAnswer,
    StatusQuery,
    TokenInfo,
    Transition,
    Verdict,
    WriteOutcome,
)
from services.common.domain.signing import content_hash
from services.common.domain.statistics import (
    PeriodStatistics,
    SolverStatistics,
    Statistics,
    StatisticsQuery,
    TimeToStatus,
    TokenVolume,
)
from services.common.errors import IntentError, Reason, Violation, unavailable
from services.edge.ports import Ports
from tests.unit.edge.fake_notifier import FakeNotifier

RULES = Rules(
    network="localnet",
    verifying_contract="verifier.near",
    standards=("nep413", "raw_ed25519"),
    actions=("swap", "transfer"),
    tokens=(
        TokenInfo(
            id="USDC",
            symbol="USDC",
            decimals=6,
            min_amount=1,
            max_amount=2**128 - 1,
            pairs=("NEAR",),
            paused=True,
        ),
        TokenInfo(id="NEAR", symbol="NEAR", decimals=24),
    ),
    signature_required=True,
    max_lifetime=timedelta(days=30),
    unknown_tokens=("nep141",),
    registry="0123456789ab",
)


class FakeValidator:
    """Finds everything valid, or says what `verdict` says."""

    def __init__(self) -> None:
        self.verdict: Callable[[Submission], Verdict] | None = None
        self.calls: list[int] = []
        self.asked: list[tuple[bool, bool]] = []
        self.down = False

    async def validate(
        self, submissions: Sequence[Submission], *, full: bool = False, explain: bool = False
    ) -> Sequence[Verdict]:
        self.asked.append((full, explain))
        self.calls.append(len(submissions))
        if self.down:
            raise unavailable("validator")
        if self.verdict is not None:
            return [self.verdict(one) for one in submissions]
        return [Verdict(valid=True, expires_at=datetime(2100, 1, 1, tzinfo=UTC))] * len(submissions)

    async def rules(self) -> Rules:
        return RULES


EXPLAINED = Explanation(
    rules=(
        RuleOutcome(
            rule="network", stage="security", kind=Kind.PROTOCOL, status=RuleStatus.FAILED, seen="'mainnet'",
            asks="The message was signed for our network.", mend="Sign again.",
            violations=(Violation(field="network", reason=Reason.WRONG_NETWORK, message="not ours"),),
        ),
        RuleOutcome(
            rule="deadline-near", stage="security", kind=Kind.POLICY, status=RuleStatus.PASSED, seen="absent",
            asks="It is near.", mend="Bring it nearer.",
        ),
    ),
    signed=SignedContent(text="{}\x1b", text_bytes=9_000, data=b"\1\2", data_bytes=2),
)  # fmt: skip
"""An explanation with one rule that failed and one that passed."""


def explains(submission: Submission) -> Verdict:
    """A validator's mind: refused, and told why."""
    violations = EXPLAINED.rules[0].violations
    return Verdict(valid=False, failed_stage="security", violations=violations, explanation=EXPLAINED)


def refuses(reason: Reason, field: str = "signed_data") -> Callable[[Submission], Verdict]:
    """A validator's mind: everything is wrong in this one way."""
    violation = Violation(field=field, reason=reason, message=f"{field} is wrong")
    return lambda _: Verdict(valid=False, failed_stage="security", violations=(violation,))


class FakeStore:
    """In memory, with the semantics of the real one as far as an edge can see them."""

    def __init__(self, clock: Clock) -> None:
        self.queries: list[ListQuery] = []
        self._clock = clock
        self.records: dict[str, IntentRecord] = {}
        self.requests: dict[tuple[str, str, str], tuple[str, str]] = {}
        self.log: list[IntentEvent] = []
        self.grown = asyncio.Condition()
        self.creates: list[int] = []
        self.gate = asyncio.Event()
        self.gate.set()
        self.reads = 0
        self.down = False
        self.floor = 0

    def now_ms(self) -> int:
        return now_ms(self._clock)

    def _up(self) -> None:
        if self.down:
            raise unavailable("store")

    async def create(self, intents: Sequence[NewIntent]) -> Sequence[Accepted | IntentError]:
        self._up()
        self.creates.append(len(intents))
        await self.gate.wait()
        return [await self._create(one) for one in intents]

    async def _create(self, new: NewIntent) -> Accepted | IntentError:
        intent, digest = new.submission.intent, content_hash(new.submission)
        assert intent is not None
        identity = (new.principal, new.method, new.submission.request_id)
        if new.submission.request_id and self.requests.get(identity, (intent.id, digest)) != (
            intent.id,
            digest,
        ):
            return IntentError(Reason.REQUEST_REUSED, "This request id was used for another intent.")
        known = self.records.get(intent.id)
        if known is not None:
            if known.principal != new.principal:
                return IntentError(Reason.ALREADY_EXISTS, "Another caller's.")
            if known.content_hash != digest:
                return IntentError(Reason.ID_TAKEN, "The id is another intent's.")
            return Accepted(receipt=known.receipt, created=False)
        if new.submission.request_id:
            self.requests[identity] = (intent.id, digest)
        at = now(self._clock)
        self.records[intent.id] = IntentRecord(
            intent_id=intent.id,
            user_id=intent.user_account,
            intent=intent,
            status=Status.PENDING,
            version=1,
            created_at=at,
            updated_at=at,
            expires_at=new.expires_at,
            principal=new.principal,
            content_hash=digest,
            request_id=new.submission.request_id,
            signed_data=new.submission.signed_data,
        )
        await self._event(intent.id)
        return Accepted(receipt=self.records[intent.id].receipt, created=True)

    async def _event(self, intent_id: str, reason: str = "", *, silent: bool = False) -> None:
        record = self.records[intent_id]
        event = IntentEvent(
            intent_id=intent_id,
            user_id=record.user_id,
            version=record.version,
            status=record.status,
            occurred_at=record.updated_at,
            reason=reason,
            execution_details=record.execution_details,
            error_details=record.error_details,
            actor="test",
            principal=record.principal,
        )
        self.records[intent_id] = dataclasses.replace(record, history=(*record.history, event))
        if silent:
            return
        async with self.grown:
            self.log.append(event)
            self.grown.notify_all()

    async def move(
        self, intent_id: str, to: Status, *, error: ErrorDetails | None = None, silent: bool = False
    ) -> None:
        """What a processor does. `silent`: the event is lost on its way to the log."""
        record = self.records[intent_id]
        assert to in NEXT[record.status]
        self.records[intent_id] = dataclasses.replace(
            record, status=to, version=record.version + 1, updated_at=now(self._clock), error_details=error
        )
        await self._event(intent_id, error.reason if error else "", silent=silent)

    async def run_through(self, intent_id: str) -> None:
        """verified, executing, completed."""
        for status in (Status.VERIFIED, Status.EXECUTING, Status.COMPLETED):
            await self.move(intent_id, status)

    def sign(self, intent_id: str, transaction: SignedTransaction) -> None:
        """Signed bytes are stored."""
        self.records[intent_id] = dataclasses.replace(self.records[intent_id], transactions=(transaction,))

    async def get(self, keys: Sequence[IntentKey]) -> Sequence[IntentRecord | None]:
        self._up()
        self.reads += 1
        found = []
        for key in keys:
            if not isinstance(key, str):
                key = self.requests.get((key.principal, key.method, key.request_id), ("", ""))[0]
            found.append(self.records.get(key))
        return found

    async def list(self, query: ListQuery) -> IntentPage:
        self._up()
        self.queries.append(query)
        matching = [
            record
            for record in reversed(self.records.values())
            if query.principal in ("", record.principal)
            and query.user_id in ("", record.user_id)
            and query.status in (None, record.status)
            and query.action in ("", record.intent.action)
            and query.token in ("", record.intent.input_token, record.intent.output_token)
            and (query.created_since is None or record.created_at >= query.created_since)
            and (query.created_until is None or record.created_at < query.created_until)
        ]
        if query.page_token and not query.page_token.isdigit():
            raise IntentError(Reason.PAGE_TOKEN_INVALID, "page_token is not one of ours")
        start = int(query.page_token or 0)
        end = start + query.page_size
        return IntentPage(
            records=tuple(matching[start:end]), next_page_token=str(end) if end < len(matching) else ""
        )

    async def statistics(self, query: StatisticsQuery) -> Statistics:
        self._up()
        mine = [
            one
            for one in self.records.values()
            if one.principal == query.principal and query.user_id in ("", one.user_id)
        ]
        solver = SolverStatistics(
            solver_id="solver.near", success_rate=0.5, avg_execution_time=1.25, executions=8
        )
        totals = PeriodStatistics(
            start=query.since or datetime(2026, 11, 23, tzinfo=UTC),
            end=query.until or datetime(2026, 11, 24, tzinfo=UTC), created=len(mine), completed=3, failed=1,
            volumes=(
                TokenVolume(token="USDC", intents=3, amount=2**70),
                TokenVolume(token="other", intents=1, amount=None),
            ),
            times=(TimeToStatus(status=Status.COMPLETED, count=3, p50=1.5, p90=2.0, p99=2.5),),
            gas_used=7, total_cost=10**24, failures=(("EXPIRED", 1),), solvers=(solver,),
        )  # fmt: skip
        return Statistics(
            counts={status: sum(one.status is status for one in mine) for status in Status},
            solvers=(solver,),
            totals=totals,
            periods=() if query.period is None else (totals,),
        )

    async def transition(self, moves: Sequence[Transition]) -> Sequence[WriteOutcome]:
        self._up()
        return [await self._transition(one) for one in moves]

    async def _transition(self, asked: Transition) -> WriteOutcome:
        record = self.records[asked.intent_id]
        if record.status is asked.to:
            return AlreadyThere(record)
        if (record.version, record.status) != (asked.seen_version, asked.seen_status):
            return Conflict(record)
        if asked.fence is None and record.transactions:
            return Refused(IntentError(Reason.NOT_CANCELLABLE, "Something is signed."))
        await self.move(asked.intent_id, asked.to, error=asked.error_details)
        return Applied(self.records[asked.intent_id])

    async def list_events(self, cursor: str = "", *, limit: int = 500, tail: bool = False) -> EventPage:
        self._up()
        start = len(self.log) if tail else int(cursor or 0)
        if start < self.floor:
            raise IntentError(Reason.CURSOR_EXPIRED, "The cursor is older than what is kept.")
        events = tuple(self.log[start : start + limit])
        end = start + len(events)
        return EventPage(events=events, cursor=str(end), at_end=end == len(self.log))


class FakeCache:
    """Memory over the store."""

    def __init__(self, store: FakeStore) -> None:
        self._store = store
        self.kept: dict[str, CachedStatus] = {}
        self.calls: list[int] = []
        self.puts: list[int] = []
        self.down = False
        self.chain_only: dict[str, Status] = {}

    async def get_statuses(
        self, queries: Sequence[StatusQuery]
    ) -> Sequence[StatusAnswer | IntentError | None]:
        self.calls.append(len(queries))
        if self.down:
            raise unavailable("cache")
        return [await self._one(query) for query in queries]

    async def _one(self, query: StatusQuery) -> StatusAnswer | None:
        kept = self.kept.get(query.intent_id)
        if kept is not None and kept.version >= query.min_version:
            return StatusAnswer(status=kept, level="memory", read_at_ms=self._store.now_ms() - 5)
        if query.cached_only:
            return None
        (record,) = await self._store.get([query.intent_id])
        if record is not None:
            status = CachedStatus(
                intent_id=record.intent_id,
                status=record.status,
                version=record.version,
                principal=record.principal,
            )
            return StatusAnswer(status=status, level="store", read_at_ms=self._store.now_ms())
        if query.intent_id in self.chain_only:
            status = CachedStatus(
                intent_id=query.intent_id, status=self.chain_only[query.intent_id], version=0, principal=""
            )
            return StatusAnswer(status=status, level="chain", read_at_ms=self._store.now_ms())
        return None

    async def put_statuses(self, statuses: Sequence[CachedStatus]) -> None:
        self.puts.append(len(statuses))
        if self.down:
            raise unavailable("cache")
        for status in statuses:
            if status.version >= self.kept.get(status.intent_id, status).version:
                self.kept[status.intent_id] = status


class World:
    """Everything around an edge."""

    def __init__(self, clock: Clock) -> None:
        self.validator = FakeValidator()
        self.store = FakeStore(clock)
        self.cache = FakeCache(self.store)
        self.notifier = FakeNotifier(self.store)

    @property
    def ports(self) -> Ports:
        return Ports(validator=self.validator, store=self.store, cache=self.cache, notifier=self.notifier)
