"""What the notifier needs of others."""

from collections.abc import AsyncIterator
from typing import Protocol

from services.common.domain.outcomes import EventPage


class Events(Protocol):
    """As `common.ports.EventLog`, followed live."""

    def watch_events(self, cursor: str = "", *, tail: bool = False) -> AsyncIterator[EventPage]:
        """The first page at once, then whatever comes. Raises CURSOR_INVALID, CURSOR_EXPIRED and what befalls
        the connection."""
        ...
