"""The life of an intent after acceptance.

One turn looks at a record and takes it one step on: what is signed and open is followed first, then the
validator and the contract say what comes next (model.NEXT). Everything a turn needs is in the record, so a
new process takes up where a killed one left off.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final, TypeVar

from services.common.chain.port import ChainIntent, FunctionCall
from services.common.clock import Clock, now
from services.common.domain.intent import ErrorDetails, IntentRecord, SignedTransaction, Submission
from services.common.domain.lifecycle import Status
from services.common.domain.outcomes import (
    AlreadyThere,
    Applied,
    Conflict,
    Refused,
    TransactionRecord,
    Transition,
    Verdict,
    WriteOutcome,
)
from services.common.domain.plainjson import plain_to_json
from services.common.domain.signedjson import signed_to_json
from services.common.errors import IntentError, Reason
from services.common.observe import logs, trace
from services.common.rpc.coalesce import Coalescer
from services.processor.failures import Failures
from services.processor.follow import Follower
from services.processor.funds import Funds
from services.processor.lane import AWAY, Lane, LostIntent, Order
from services.processor.model import (
    AFTER,
    FAILURE,
    SOLVE,
    VERIFY,
    Decision,
    Do,
    answered_true,
    basis,
    decide,
    details,
    gas_for,
    height_of,
    merged,
    open_transactions,
    refusal,
    too_many_attempts,
)
from services.processor.observe import Vocabulary
from services.processor.pace import Pace
from services.processor.ports import Solvers

ACTOR: Final = "processor"
SHORT_WAIT: Final = 0.5
LONG_WAIT: Final = 15.0
AWAY_WAIT: Final = 5.0
FOREIGN_WAIT: Final = 60.0
"""Seconds."""
MANY_FAILURES: Final = 10

W = TypeVar("W")


@dataclass(frozen=True, slots=True)
class Pause:
    """Nothing to do before `seconds` have passed; the lease is given back."""

    seconds: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Batches:
    """Calls gathered into batches."""

    validate: Coalescer[Submission, Verdict]
    look: Coalescer[str, ChainIntent]
    move: Coalescer[Transition, WriteOutcome]
    record: Coalescer[TransactionRecord, WriteOutcome]

    async def aclose(self) -> None:
        """Whoever waits gets DRAINING."""
        for batch in (self.validate, self.look, self.move, self.record):
            await batch.aclose()


@dataclass(slots=True, kw_only=True)
class IntentProcessor:
    """`solve_attempts` bounds attempts whose receipts failed outright."""

    batches: Batches
    lane: Lane
    follower: Follower
    solvers: Solvers
    clock: Clock
    observe: Vocabulary
    failures: Failures
    funds: Funds
    verifier_id: str
    solve_attempts: int

    async def process(self, record: IntentRecord) -> datetime | None:
        """Takes a claimed intent as far as it goes: None once it has ended, else when to look again.

        Raises LostIntent. Anything unforeseen is logged, and the intent comes up again later.
        """
        token = logs.intent_id.set(record.intent_id)
        try:
            with trace.span("processor.process", kind=trace.CONSUMER, parent=record.traceparent):
                return await self._run(record)
        except LostIntent:
            raise
        except Exception as error:
            self.failures.unexpected(record.intent_id, error)
            return self._later(FOREIGN_WAIT / 4)
        finally:
            logs.intent_id.reset(token)

    async def _run(self, record: IntentRecord) -> datetime | None:
        pace = Pace()
        while not record.terminal:
            try:
                with trace.span(f"processor.{record.status}"):
                    step = await self._turn(record)
            except IntentError as error:
                if error.reason not in AWAY:
                    raise
                due = pace.next()
                self.observe.waits(str(record.status), error, due)
                if not open_transactions(record):
                    # each look costs the store two writes: many that wait must not take turns at full speed
                    return self._later(max(due, min(self._wait(record), AWAY_WAIT)))
                await self.clock.sleep(due)
                continue
            if isinstance(step, Pause):
                return self._later(step.seconds)
            record = step
        return None

    async def _turn(self, record: IntentRecord) -> IntentRecord | Pause:
        signed = open_transactions(record)
        if signed:
            return await self._settle(record, signed)
        if record.foreign_write:
            self.observe.foreign_write(record)
            return Pause(FOREIGN_WAIT)
        if (
            record.status is Status.VERIFIED
            and not self.funds.low
            and answered_true(record, VERIFY)
            and now(self.clock) < record.expires_at
        ):
            return await self._sign_solve(record)
        seen = await self.batches.look(record.intent_id)
        decision = decide(record, seen)
        return await self._act(record, decision, seen)

    # --- what a decision means ---

    async def _act(self, record: IntentRecord, decision: Decision, seen: ChainIntent) -> IntentRecord | Pause:
        match decision.do:
            case Do.SIGN if self.funds.low:
                return Pause(LONG_WAIT)
            case Do.SIGN if record.status is Status.PENDING:
                return await self._validate_and_verify(record, seen)
            case Do.SIGN:
                over = too_many_attempts(record, self.solve_attempts)
                if over is not None:
                    return await self._fail(record, over)
                return await self._sign_solve(record, seen)
            case Do.ADVANCE:
                return await self._move(record, AFTER[record.status], "CHAIN_STATUS")
            case Do.COMPLETE:
                solver = str((seen.kept or {}).get("solver_account") or "")
                return await self._move(record, Status.COMPLETED, "SOLVED_ON_CHAIN", solver_id=solver)
            case Do.FAIL if decision.error is not None:
                return await self._fail(record, decision.error)
            case _:
                return Pause(self._wait(record))

    async def _validate_and_verify(self, record: IntentRecord, seen: ChainIntent) -> IntentRecord | Pause:
        """The validator looks once more before gas is spent."""
        verdict = await self.batches.validate(record.submission)
        if verdict.unavailable:
            return Pause(SHORT_WAIT)
        if not verdict.valid:
            return await self.handle_validation_error(record, verdict)
        assert record.signed_data is not None, "without a signature the table waits"
        call = FunctionCall(
            receiver_id=self.verifier_id, method="verify_signed_intent", gas=gas_for(record, VERIFY),
            args={"intent": plain_to_json(record.intent), "signed": signed_to_json(record.signed_data)},
        )  # fmt: skip
        order = Order(
            call=call,
            purpose=VERIFY,
            basis=basis(record, VERIFY, seen),
            write=lambda tx: TransactionRecord(
                intent_id=record.intent_id, seen_version=record.version, seen_status=record.status,
                fence=_fence(record), transactions=(tx,),
            ),
        )  # fmt: skip
        return await self._sign(record, order)

    async def _sign_solve(self, record: IntentRecord, seen: ChainIntent | None = None) -> IntentRecord:
        """From verified the bytes and the move are one update; further attempts stay within executing. Without a view
        the final answer to our own verification stands for it."""
        solver = self.solvers.choose(record)
        call = FunctionCall(
            receiver_id=self.verifier_id, method="verify_and_solve", gas=gas_for(record, SOLVE),
            args={"intent": plain_to_json(record.intent), "solver_account": solver},
        )  # fmt: skip
        traceparent = trace.current_traceparent()

        def write(tx: SignedTransaction) -> Transition | TransactionRecord:
            if record.status is Status.VERIFIED:
                return self._transition(
                    merged(record, tx),
                    Status.EXECUTING,
                    "SOLVE_SIGNED",
                    transactions=(tx,),
                    traceparent=traceparent,
                )
            return TransactionRecord(
                intent_id=record.intent_id, seen_version=record.version, seen_status=record.status,
                fence=_fence(record), transactions=(tx,),
            )  # fmt: skip

        why = basis(record, SOLVE, seen)
        return await self._sign(
            record, Order(call=call, purpose=SOLVE, write=write, solver_id=solver, basis=why)
        )

    async def _sign(self, record: IntentRecord, order: Order) -> IntentRecord:
        after, tx = await self.lane.sign(order)
        _require_held(record, after)
        if after.version != record.version:
            self.observe.moved(after)
        return await self._settle(after, [tx])

    # --- what was signed ---

    async def _settle(self, record: IntentRecord, signed: list[SignedTransaction]) -> IntentRecord:
        """The record with the ends of what was open. An end that also ends the state goes with the move."""
        ended = [await self.follower.follow(record.intent_id, tx) for tx in signed]
        for tx in ended:
            self.solvers.ended(tx)
        after = merged(record, *ended)
        if not record.foreign_write:
            moved = await self._move_on(after, tuple(ended))
            if moved is not None:
                return moved
        recorded = await self._record(record, tuple(ended))
        failures = sum(tx.status == FAILURE for tx in recorded.transactions)
        if failures and not record.foreign_write:
            # the contract refused a call and yet waits for the intent: the next try costs gas too
            await self.clock.sleep(between_tries(failures))
        return recorded

    async def _move_on(
        self, record: IntentRecord, ended: tuple[SignedTransaction, ...]
    ) -> IntentRecord | None:
        """The move that the end of `ended` brings, in one update with it; None where it brings none."""
        if record.status is Status.PENDING and answered_true(record, VERIFY):
            return await self._move(record, Status.VERIFIED, "VERIFIED_ON_CHAIN", transactions=ended)
        if record.status is Status.EXECUTING:
            solve = answered_true(record, SOLVE)
            if solve is not None:
                return await self._move(
                    record, Status.COMPLETED, "SOLVED_ON_CHAIN", solver_id=solve.solver_id, transactions=ended
                )
        try:
            seen = await self.batches.look(record.intent_id)
        except IntentError:
            return None
        if any(height_of(tx) > seen.block_height for tx in ended):
            return None  # a node behind the one that told us the end
        return await self.track_execution(record, seen, ended)

    async def track_execution(
        self, record: IntentRecord, seen: ChainIntent, ended: tuple[SignedTransaction, ...]
    ) -> IntentRecord | None:
        """Completed or failed by the contract's word; None where another attempt is due."""
        decision = decide(record, seen)
        if decision.do is Do.COMPLETE:
            solver = str((seen.kept or {}).get("solver_account") or "")
            return await self._move(
                record, Status.COMPLETED, "SOLVED_ON_CHAIN", solver_id=solver, transactions=ended
            )
        if decision.do is Do.FAIL and decision.error is not None:
            return await self._fail(record, decision.error, transactions=ended)
        return None

    # --- errors, each in its one place ---

    async def handle_validation_error(self, record: IntentRecord, verdict: Verdict) -> IntentRecord:
        """A refusal of our own: it requires that nothing was ever signed, else it goes under our fence."""
        error = refusal(verdict)
        self.observe.refused(record, error)
        return await self._move(record, Status.FAILED, error.reason, error=error)

    async def handle_verification_error(
        self, record: IntentRecord, error: ErrorDetails, transactions: tuple[SignedTransaction, ...] = ()
    ) -> IntentRecord:
        """The contract does not take it, by a final receipt or by what it keeps."""
        self.observe.verification_failed(record, error)
        return await self._move(record, Status.FAILED, error.reason, error=error, transactions=transactions)

    async def _fail(
        self, record: IntentRecord, error: ErrorDetails, transactions: tuple[SignedTransaction, ...] = ()
    ) -> IntentRecord:
        if record.status is Status.PENDING:
            return await self.handle_verification_error(record, error, transactions)
        self.observe.execution_failed(record, error)
        return await self._move(record, Status.FAILED, error.reason, error=error, transactions=transactions)

    # --- writes ---

    def _transition(
        self,
        record: IntentRecord,
        to: Status,
        reason: str,
        *,
        error: ErrorDetails | None = None,
        transactions: tuple[SignedTransaction, ...] = (),
        solver_id: str = "",
        traceparent: str = "",
    ) -> Transition:
        refusing = to is Status.FAILED and not record.transactions
        return Transition(
            intent_id=record.intent_id, seen_version=record.version, seen_status=record.status, to=to, actor=ACTOR,
            fence=None if refusing else _fence(record), reason=reason, transactions=transactions,
            execution_details=details(record, solver_id) if record.transactions or solver_id else None,
            error_details=error, traceparent=traceparent or trace.current_traceparent(),
        )  # fmt: skip

    async def _move(
        self,
        record: IntentRecord,
        to: Status,
        reason: str,
        *,
        error: ErrorDetails | None = None,
        transactions: tuple[SignedTransaction, ...] = (),
        solver_id: str = "",
    ) -> IntentRecord:
        move = self._transition(
            record, to, reason, error=error, transactions=transactions, solver_id=solver_id
        )
        after = await self._written(record, self.batches.move, move)
        self.observe.moved(after)
        return after

    async def _record(
        self, record: IntentRecord, transactions: tuple[SignedTransaction, ...]
    ) -> IntentRecord:
        write = TransactionRecord(
            intent_id=record.intent_id, seen_version=record.version, seen_status=record.status,
            fence=_fence(record), transactions=transactions,
        )  # fmt: skip
        return await self._written(record, self.batches.record, write)

    async def _written(
        self, record: IntentRecord, batch: Coalescer[W, WriteOutcome], write: W
    ) -> IntentRecord:
        """The record after a write. The same write goes out until the store says what became of it."""
        pace = Pace()
        while True:
            try:
                outcome = await batch(write)
            except IntentError as error:
                if error.reason not in AWAY:
                    raise
                due = pace.next()
                self.observe.waits("writing", error, due)
                await self.clock.sleep(due)
                continue
            match outcome:
                case Applied(after) | AlreadyThere(after):
                    _require_held(record, after)
                    return after
                case Conflict():
                    raise LostIntent
                case Refused(refused) if refused.reason in (Reason.FOREIGN_WRITE, Reason.NOT_CANCELLABLE):
                    raise LostIntent
                case Refused(refused):
                    raise refused

    # --- time ---

    def _later(self, seconds: float) -> datetime:
        return now(self.clock) + timedelta(seconds=seconds)

    def _wait(self, record: IntentRecord) -> float:
        """The longer it has waited, the more rarely it is looked at."""
        age = (now(self.clock) - record.updated_at).total_seconds()
        return min(max(age / 10, SHORT_WAIT), LONG_WAIT)


def between_tries(failures: int) -> float:
    """Seconds before the next try after so many failed receipts of an intent; a contract that is paused for hours must
    not cost gas all the time."""
    if failures > MANY_FAILURES:
        return FOREIGN_WAIT
    return float(min(SHORT_WAIT * 2**failures, LONG_WAIT))


def _fence(record: IntentRecord) -> int:
    if record.lease is None:
        raise LostIntent
    return record.lease.fence


def _require_held(before: IntentRecord, after: IntentRecord) -> None:
    """What stands is ours to go on with, unless it has ended. Raises LostIntent."""
    if not after.terminal and (after.lease is None or after.lease.fence != _fence(before)):
        raise LostIntent
