"""What the cache needs beside the ports that services share."""

from collections.abc import Sequence
from typing import Protocol

from services.cache.model import Entry


class SharedUnavailable(Exception):
    """The shared level did not answer; the text names the kind of failure, never an address or a password."""


class SharedLevel(Protocol):
    """A level that several caches have in common. Every call may raise SharedUnavailable."""

    async def get(self, intent_ids: Sequence[str]) -> Sequence[Entry | None]:
        """In the order asked; None where absent or unreadable."""
        ...

    async def put(self, entries: Sequence[Entry]) -> None:
        """Each by compare-and-set: kept only if `model.newest` prefers it to what stands."""
        ...

    async def forget(self, intent_ids: Sequence[str]) -> None:
        """Absent afterwards."""
        ...

    async def close(self) -> None:
        """Gives its connections back; never raises."""
        ...
