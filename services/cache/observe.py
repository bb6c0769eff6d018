"""The cache's vocabulary: what it counts, what it logs, what it notes of itself on /readyz."""

import logging
from typing import Final

from prometheus_client import CollectorRegistry

from services.common.observe import logs, metrics

logger = logging.getLogger(__name__)

EVENT_LOG: Final = "cache.event_log"
"""The note that is there while the event log is not followed."""


class Meters:
    """Counters and gauges of one cache, children cached."""

    def __init__(self, registry: CollectorRegistry, notes: dict[str, str] | None = None) -> None:
        self._answers = metrics.counter(
            registry, "cache_answers_total", "Statuses answered, by the level that knew", ("level",)
        )
        self._views = metrics.counter(
            registry, "cache_view_answers_total", "Chain views answered, from memory or the chain", ("level",)
        )
        self._loads = metrics.counter(
            registry, "cache_loads_total", "Batches read from a level below memory", ("level",)
        )
        self._failures = metrics.counter(
            registry, "cache_redis_failures_total", "Calls to Redis without an answer"
        )()
        self._corrupt = metrics.counter(
            registry, "cache_redis_corrupt_total", "Values in Redis that could not be read, by why", ("why",)
        )
        self._events = metrics.counter(registry, "cache_events_total", "Events taken from the log")()
        self._redis_up = metrics.gauge(
            registry, "cache_redis_up", "1 while Redis answers, 0 while it is left alone"
        )()
        self._tail_up = metrics.gauge(
            registry, "cache_tail_up", "1 while the event log is followed, 0 while memory is trusted less"
        )()
        self._entries = metrics.gauge(registry, "cache_memory_entries", "Statuses held in memory")()
        self._bytes = metrics.gauge(
            registry, "cache_memory_bytes", "What the statuses held in memory take, as estimated"
        )()
        self._view_entries = metrics.gauge(registry, "cache_view_entries", "Chain views held in memory")()
        self._view_bytes = metrics.gauge(
            registry, "cache_view_bytes", "What the chain views held in memory take, as estimated"
        )()
        self._notes = {} if notes is None else notes
        self._notes[EVENT_LOG] = "not followed yet; memory is trusted less"
        self._redis_was_up = True
        self._redis_refuses = False
        self._told: set[str] = set()
        self._tail_was_up: bool | None = None

    def answered(self, level: str, count: int = 1) -> None:
        """`level`: memory, redis, store, chain, stale, none or error."""
        self._answers(level).inc(count)

    def viewed(self, level: str, count: int) -> None:
        self._views(level).inc(count)

    def loaded(self, level: str) -> None:
        self._loads(level).inc()

    def corrupt(self, why: str) -> None:
        """`why`: size, json, schema, status or version. Logged once each: there may be as many as keys."""
        self._corrupt(why).inc()
        if why not in self._told:
            self._told.add(why)
            logs.event(logger, logging.WARNING, "cache.redis_corrupt", why=why)

    def redis_answered(self) -> None:
        self._redis_up.set(1)
        if not self._redis_was_up:
            self._redis_was_up = True
            logs.event(logger, logging.INFO, "cache.redis_back")

    def redis_failed(self, why: str, *, closed: bool) -> None:
        self._failures.inc()
        if not closed:
            self._redis_up.set(0)
            if self._redis_was_up:
                self._redis_was_up = False
                logs.event(logger, logging.WARNING, "cache.redis_away", why=why)

    def redis_wrote(self) -> None:
        self._redis_refuses = False

    def redis_refused(self, why: str) -> None:
        """A write that did not arrive; logged for the first after one that did."""
        self._failures.inc()
        if not self._redis_refuses:
            self._redis_refuses = True
            logs.event(logger, logging.WARNING, "cache.redis_refuses", why=why)

    def tail(self, up: bool, why: str = "") -> None:
        self._tail_up.set(1 if up else 0)
        if up:
            self._notes.pop(EVENT_LOG, None)
        else:
            self._notes[EVENT_LOG] = f"not followed ({why}); memory is trusted less"
        if up is not self._tail_was_up:
            level = logging.INFO if up else logging.WARNING
            logs.event(logger, level, "cache.tail_up" if up else "cache.tail_down", why=why)
            self._tail_was_up = up

    def events(self, count: int) -> None:
        self._events.inc(count)

    def memory(self, entries: int, size: int) -> None:
        """What memory holds now; `size` in bytes."""
        self._entries.set(entries)
        self._bytes.set(size)

    def views(self, entries: int, size: int) -> None:
        """What is held of the chain now; `size` in bytes."""
        self._view_entries.set(entries)
        self._view_bytes.set(size)

    def load_failed(self, level: str, error: Exception) -> None:
        """A level failed in a way it should not."""
        logs.event(logger, logging.ERROR, "cache.load_failed", level=level, exc_info=error)
