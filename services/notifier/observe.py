"""What the notifier shows of itself."""

import logging
from typing import Final

from services.common.errors import IntentError
from services.common.observe import Observe, logs, metrics

logger: Final = logging.getLogger(__name__)


class Vocabulary:
    """Its events and metrics."""

    def __init__(self, observe: Observe) -> None:
        self._feeds = metrics.gauge(observe.registry, "notifier_feeds", "Feeds open, one for each edge", ())
        self._events = metrics.counter(
            observe.registry, "notifier_events_total", "Events sent, counted once for each feed", ()
        )
        self._wakes = metrics.counter(
            observe.registry, "notifier_wakes_total", "Hints that something was written", ()
        )

    def opened(self, edge_id: str, *, resumed: bool, reset: bool) -> None:
        """A feed holds."""
        self._feeds().inc()
        logs.event(logger, logging.INFO, "feed.opened", edge=edge_id, resumed=resumed, reset=reset)

    def closed(self, edge_id: str) -> None:
        """A feed ended, whoever ended it."""
        self._feeds().dec()
        logs.event(logger, logging.INFO, "feed.closed", edge=edge_id)

    def sent(self, count: int) -> None:
        """Events went down a feed."""
        self._events().inc(count)

    def woken(self) -> None:
        """Somebody wrote."""
        self._wakes().inc()

    def log_lost(self, edge_id: str, error: IntentError) -> None:
        """The event log cannot be followed right now; the feed waits and takes it up where it was."""
        logs.event(logger, logging.WARNING, "feed.log_lost", edge=edge_id, reason=str(error.reason))
