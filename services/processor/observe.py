"""What the processor shows of itself."""

import logging
from collections.abc import Sequence
from typing import Final

from services.common.clock import Clock, SystemClock
from services.common.domain.intent import ErrorDetails, IntentRecord, SignedTransaction
from services.common.domain.keys import KeyState
from services.common.domain.lifecycle import Status
from services.common.errors import IntentError
from services.common.observe import Observe, logs, metrics
from services.common.observe.seldom import Seldom

logger: Final = logging.getLogger(__name__)

SAID_EVERY: Final = 2.0
"""Seconds between two lines about the same outage; metrics count each."""
BATCHES: Final = (1, 2, 5, 10, 20, 50, 100, 200)


class Vocabulary:
    """Its events and metrics. Labels: the two purposes, the four ends of a transaction, the lifecycle's words,
    reasons of the catalogue."""

    def __init__(self, observe: Observe, clock: Clock | None = None) -> None:
        registry = observe.registry
        self._notes = observe.notes
        # thousands in flight meet the same outage at once
        self._seldom = Seldom(clock or SystemClock(), SAID_EVERY)
        self._standing_by = False
        self.in_flight = metrics.gauge(
            registry, "processor_intents_in_flight", "Intents under this replica's lease"
        )()
        self._moves = metrics.counter(
            registry, "processor_moves_total", "Moves made, by status reached", ("status",)
        )
        self._failures = metrics.counter(
            registry, "processor_failures_total", "Intents failed, by reason", ("reason",)
        )
        self._transactions = metrics.counter(
            registry, "processor_transactions_total", "Transactions by purpose and what became of them",
            ("purpose", "result"),
        )  # fmt: skip
        self._resent = metrics.counter(
            registry, "processor_rebroadcasts_total", "Same bytes sent again after a doubt", ("purpose",)
        )
        self._batch = metrics.histogram(
            registry,
            "processor_signing_batch_size",
            "Transactions signed and stored together",
            buckets=BATCHES,
        )()
        self._unexpected = metrics.counter(
            registry,
            "processor_unexpected_errors_total",
            "Errors nobody foresaw; each is logged with its stack",
        )()
        self._waits = metrics.counter(
            registry, "processor_dependency_waits_total", "Pauses because a dependency was away", ("reason",)
        )
        self._lost = metrics.counter(
            registry, "processor_leases_lost_total", "Intents another processor took over"
        )()
        self._standby = metrics.gauge(
            registry, "processor_standing_by", "1 while this replica has no access key and signs nothing"
        )()
        self._keys = metrics.counter(
            registry,
            "processor_keys_total",
            "What became of access keys: leased, taken_over, lost",
            ("event",),
        )
        self._nonces = metrics.counter(
            registry, "processor_nonces_reserved_total", "Nonces the store gave this replica"
        )()

    def moved(self, record: IntentRecord) -> None:
        """A move is durable."""
        self._moves(str(record.status)).inc()
        level = logging.INFO if record.terminal else logging.DEBUG
        logs.event(logger, level, "intent.moved", status=str(record.status), version=record.version)

    def signed(self, transactions: list[SignedTransaction]) -> None:
        """Bytes are durable and about to be sent."""
        self._batch.observe(len(transactions))
        for tx in transactions:
            self._transactions(tx.purpose, "signed").inc()

    def ended(self, tx: SignedTransaction) -> None:
        """What became of a transaction is known."""
        self._transactions(tx.purpose, tx.status).inc()
        logs.event(
            logger, logging.DEBUG, "transaction.ended",
            hash=tx.hash, purpose=tx.purpose, status=tx.status, gas_used=tx.gas_used,
        )  # fmt: skip

    def resent(self, tx: SignedTransaction) -> None:
        """The node did not know a transaction: the same bytes go out again."""
        self._resent(tx.purpose).inc()
        left_out = self._seldom.due(f"resent {tx.purpose}")
        if left_out is None:
            return
        logs.event(
            logger, logging.INFO, "transaction.resent",
            hash=tx.hash, purpose=tx.purpose, nonce=tx.nonce, left_out=left_out,
        )  # fmt: skip

    def refused(self, record: IntentRecord, error: ErrorDetails) -> None:
        """The validator says no now."""
        self._failures(error.reason).inc()
        logs.event(
            logger, logging.WARNING, "Intent validation failed",
            intentId=record.intent_id, error=error.message, reason=error.reason,
        )  # fmt: skip

    def verification_failed(self, record: IntentRecord, error: ErrorDetails) -> None:
        """The seed's text."""
        self._failures(error.reason).inc()
        logs.event(
            logger, logging.ERROR, "Intent verification failed",
            intentId=record.intent_id, error=error.message, reason=error.reason,
        )  # fmt: skip

    def execution_failed(self, record: IntentRecord, error: ErrorDetails) -> None:
        """Verified, and yet not to be executed."""
        self._failures(error.reason).inc()
        logs.event(
            logger, logging.ERROR, "Intent execution failed",
            intentId=record.intent_id, error=error.message, reason=error.reason,
        )  # fmt: skip

    def unexpected(self, intent_id: str, error: BaseException) -> None:
        """The seed's text and its logError: a stack in the log and a metric to alarm on."""
        self._unexpected.inc()
        logs.event(
            logger, logging.CRITICAL, "Unexpected error processing intent",
            intentId=intent_id, error_type=type(error).__name__, exc_info=error,
        )  # fmt: skip

    def waits(self, what: str, error: IntentError, seconds: float) -> None:
        """A dependency is away; nothing ends because of it."""
        self._waits(str(error.reason)).inc()
        left_out = self._seldom.due(f"{what} {error.reason} {error.message[:200]}")
        if left_out is None:
            return
        logs.event(
            logger, logging.WARNING, "dependency.away",
            during=what, reason=str(error.reason), detail=error.message, retry_s=round(seconds, 3),
            left_out=left_out,
        )  # fmt: skip

    def foreign_write(self, record: IntentRecord) -> None:
        """Somebody wrote past the store: nothing is signed or moved until an operator settles it."""
        status: Status = record.status
        logs.event(
            logger, logging.ERROR, "intent.foreign_write", intentId=record.intent_id, status=str(status)
        )

    def lost(self, intent_id: str) -> None:
        """Another holds the lease now."""
        self._lost.inc()
        logs.event(logger, logging.INFO, "lease.lost", intentId=intent_id)

    def key_leased(self, lease: KeyState, *, taken_from: str) -> None:
        """This replica signs. `taken_from`: who let the lease run out, or the run of this replica before."""
        self._standing_by = False
        self._standby.set(0)
        self._notes.pop("key", None)
        self._keys("taken_over" if taken_from else "leased").inc()
        logs.event(
            logger, logging.INFO, "key.leased", account=lease.key.account_id, public_key=lease.key.public_key,
            fence=lease.fence, taken_from=taken_from,
        )  # fmt: skip

    def key_lost(self, public_key: str, why: str) -> None:
        """Nothing more is signed with it; its intents go back."""
        self._keys("lost").inc()
        logs.event(logger, logging.WARNING, "key.lost", public_key=public_key, why=why)

    def stands_by(self, states: Sequence[KeyState]) -> None:
        """No key is free: said once in the log, and in /readyz as long as it lasts."""
        who = ", ".join(f"{state.key.public_key} by {state.holder}" for state in states[:8])
        self._notes["key"] = f"standing by: each of {len(states)} access keys is held ({who})"
        self._standby.set(1)
        if not self._standing_by:
            self._standing_by = True
            logs.event(logger, logging.WARNING, "key.standing_by", keys=len(states), held=who)

    def nonces_reserved(self, count: int) -> None:
        self._nonces.inc(count)
