"""The store's vocabulary: the seed's five metrics, under its names, and a count of what came in."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Final

from services.common.domain.intent import IntentRecord
from services.common.domain.outcomes import (
    Accepted,
    OverdueCause,
)
from services.common.domain.statistics import Statistics
from services.common.errors import IntentError
from services.common.observe import Observe, metrics
from services.store.overdue import Overstaying

OTHER: Final = "other"
TERA: Final = 1_000_000_000_000
PROCESSING_BUCKETS: Final = (0.1, 0.5, 1, 5, 10, 30, 60)
GAS_BUCKETS: Final = tuple(tera * TERA for tera in (1, 5, 10, 50, 100, 500, 1000))
"""Gas units. One step beyond the seed's: contracts may burn up to 1 PGas since nearcore 2.11."""
MAX_SOLVER_LABELS: Final = 100


class StoreMeters:
    """Labels are bounded: an action outside `actions` counts as "other", the busiest 100 solvers are shown."""

    def __init__(self, observe: Observe, actions: Iterable[str]) -> None:
        registry = observe.registry
        self._actions = frozenset(actions)
        self._by_status = metrics.gauge(
            registry, "intents_by_status", "Number of intents by status", ["status"]
        )
        self._processing = metrics.histogram(
            registry,
            "intent_processing_time_seconds",
            "Time taken to process intents",
            ["action"],
            buckets=PROCESSING_BUCKETS,
        )
        self._gas = metrics.histogram(
            registry, "intent_gas_used", "Gas used for intent execution", ["action"], buckets=GAS_BUCKETS
        )
        self._success = metrics.gauge(
            registry, "solver_success_rate", "Success rate of each solver", ["solver_id"]
        )
        self._execution = metrics.gauge(
            registry, "solver_execution_time_seconds", "Average execution time per solver", ["solver_id"]
        )
        self._behind = metrics.gauge(
            registry, "store_rollups_behind_events", "Events that statistics do not have yet"
        )
        self._created = metrics.counter(
            registry, "store_creations_total", "Creations answered, by outcome", ["outcome"]
        )
        self._overdue = metrics.gauge(
            registry,
            "intents_overdue",
            "Intents that nobody ends, by cause; 1000 means as many or more",
            ["cause"],
        )
        self._oldest = metrics.gauge(
            registry,
            "intents_overdue_oldest_seconds",
            "For how long the one that is overdue longest is",
            ["cause"],
        )

    def created(self, answers: Sequence[Accepted | IntentError]) -> None:
        """Count new, repeated and refused creations."""
        for answer in answers:
            if isinstance(answer, Accepted):
                self._created("created" if answer.created else "repeated").inc()
            else:
                self._created("refused").inc()

    def ended(self, record: IntentRecord) -> None:
        """Observe an intent that reached its end now."""
        action = record.intent.action if record.intent.action in self._actions else OTHER
        self._processing(action).observe((record.updated_at - record.created_at).total_seconds())
        if record.execution_details is not None and record.execution_details.gas_used > 0:
            self._gas(action).observe(record.execution_details.gas_used)

    def refreshed(self, statistics: Statistics, behind: int) -> None:
        """Show what the store holds now; `behind` events are not in it yet."""
        self._behind().set(behind)
        for status, count in statistics.counts.items():
            self._by_status(status.value).set(count)
        for solver in statistics.solvers[:MAX_SOLVER_LABELS]:
            self._success(solver.solver_id).set(solver.success_rate)
            self._execution(solver.solver_id).set(solver.avg_execution_time)

    def overstaying(self, counts: Mapping[OverdueCause, Overstaying]) -> None:
        """Show what is overdue now."""
        for cause, one in counts.items():
            self._overdue(cause.value).set(one.count)
            self._oldest(cause.value).set(one.oldest.total_seconds())


class RetentionMeters:
    """What was dropped from the event log, and how far back it goes."""

    def __init__(self, observe: Observe) -> None:
        registry = observe.registry
        self._dropped = metrics.counter(
            registry, "store_events_dropped_total", "Events that retention dropped", []
        )
        self._failures = metrics.counter(
            registry, "store_retention_failures_total", "Passes of retention that were given up", []
        )
        self._oldest = metrics.gauge(
            registry, "store_events_oldest_seconds", "Age of the oldest event kept, at the last pass", []
        )

    def dropped(self, events: int) -> None:
        """So many more."""
        self._dropped().inc(events)

    def failed(self) -> None:
        """A pass ended early; the next one goes on."""
        self._failures().inc()

    def oldest(self, seconds: float) -> None:
        """As it is after a pass."""
        self._oldest().set(seconds)
