"""The notifier's use cases."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import aclosing

from services.common.clock import Clock
from services.common.domain.feed import FeedCommand, FeedMessage, Open
from services.common.errors import IntentError, Reason
from services.notifier.config import FeedSettings
from services.notifier.feed import Feed
from services.notifier.observe import Vocabulary
from services.notifier.ports import Events


class Notifier:
    """Satisfies `common.ports.Notifier`."""

    def __init__(self, settings: FeedSettings, log: Events, clock: Clock, seen: Vocabulary) -> None:
        self._settings = settings
        self._log = log
        self._clock = clock
        self._seen = seen
        self._closing = asyncio.Event()
        self._open = 0

    async def feed(self, commands: AsyncIterator[FeedCommand]) -> AsyncIterator[FeedMessage]:
        """See `common.ports.Notifier`. Raises OVERLOADED above MAX_FEEDS, MALFORMED_REQUEST without an Open."""
        if self._closing.is_set():
            raise IntentError(Reason.DRAINING, "This notifier is going away; take the feed up at another.")
        opened = await anext(commands, None)
        if opened is None:
            return
        if not isinstance(opened, Open):
            raise IntentError(Reason.MALFORMED_REQUEST, "A feed is opened by its first message.")
        if self._open >= self._settings.max_feeds:
            raise IntentError(
                Reason.OVERLOADED,
                f"{self._open} feeds are open already; take another notifier.",
                retry_after=1.0,
            )
        feed = Feed(
            opened,
            self._log,
            self._clock,
            self._seen,
            position_every=self._settings.position_ms / 1000,
            limit=self._settings.max_subscriptions,
            closing=self._closing,
        )
        self._open += 1
        try:
            async with aclosing(feed.messages(commands)) as messages:
                async for message in messages:
                    yield message
        finally:
            self._open -= 1

    async def wake(self, intent_ids: Sequence[str]) -> None:
        """Counted; every feed follows the store's live log, which is woken by the write itself."""
        self._seen.woken()

    async def close(self) -> None:
        """Ends every feed with DRAINING."""
        self._closing.set()
