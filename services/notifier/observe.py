"""The notifier's vocabulary: what it counts and what it logs."""

import logging

from prometheus_client import CollectorRegistry

from services.common.observe import logs, metrics

logger = logging.getLogger(__name__)


class Meters:
    """Counters and gauges of one notifier, children cached."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self._feeds = metrics.gauge(registry, "notifier_feeds", "Feeds served now")()
        self._ended = metrics.counter(
            registry, "notifier_feeds_ended_total", "Feeds ended by this side, by reason", ("reason",)
        )
        self._events = metrics.counter(registry, "notifier_events_total", "Events taken from the log")()
        self._sent = metrics.counter(
            registry, "notifier_deliveries_total", "Events given to feeds, each feed counted"
        )()
        self._resets = metrics.counter(
            registry, "notifier_resets_total", "Feeds told to start over, their cursor being too old"
        )()
        self._tail_up = metrics.gauge(registry, "notifier_tail_up", "1 while the event log is followed")()
        self._tail_was_up: bool | None = None

    def opened(self, edge_id: str, feeds: int, *, resumed: bool) -> None:
        self._feeds.set(feeds)
        logs.event(logger, logging.INFO, "notifier.feed_opened", edge=edge_id[:128], resumed=resumed)

    def closed(self, edge_id: str, feeds: int, reason: str) -> None:
        self._feeds.set(feeds)
        if reason:
            self._ended(reason).inc()
        logs.event(logger, logging.INFO, "notifier.feed_closed", edge=edge_id[:128], reason=reason)

    def reset(self) -> None:
        self._resets.inc()

    def events(self, count: int) -> None:
        self._events.inc(count)

    def sent(self, count: int) -> None:
        self._sent.inc(count)

    def tail(self, up: bool, why: str = "") -> None:
        self._tail_up.set(1 if up else 0)
        if up is not self._tail_was_up:
            level = logging.INFO if up else logging.WARNING
            logs.event(logger, level, "notifier.tail_up" if up else "notifier.tail_down", why=why)
            self._tail_was_up = up

    def commands_failed(self, error: Exception) -> None:
        """An edge's side of a feed broke off."""
        logs.event(logger, logging.WARNING, "notifier.commands_failed", error=type(error).__name__)

    def tail_failed(self, error: Exception) -> None:
        """The log failed in a way it should not."""
        logs.event(logger, logging.ERROR, "notifier.tail_failed", exc_info=error)
