"""Watchers: each follows the whole log by cursor, takes it up again after every loss, and notes what it was told."""

import asyncio
import random
from contextlib import aclosing
from dataclasses import dataclass, field
from typing import Final

from services.common.errors import IntentError
from services.common.ports import EventLog
from tests.harness.watchers import Seen
from tests.soak.account import EXCUSED

AGAIN: Final = 0.05
LEAVES: Final = 3.0
"""Seconds after which one that comes and goes has left at the latest."""


@dataclass(slots=True, kw_only=True)
class Watcher:
    """`leaves` makes it one that ends its watch by itself now and then and comes back with its cursor."""

    log: EventLog
    seen: Seen
    chance: random.Random
    leaves: bool = False
    cursor: str = ""
    events: int = 0
    resumed: int = 0
    found: list[str] = field(default_factory=list)

    async def follow(self) -> None:
        """Until cancelled."""
        while True:
            try:
                async with asyncio.timeout(self.chance.uniform(0.1, LEAVES) if self.leaves else None):
                    await self._watch()
            except TimeoutError:
                pass
            except IntentError as error:
                if error.status not in EXCUSED:
                    self.found.append(f"{self.seen.name}: its watch ended with {error}")
                await asyncio.sleep(AGAIN)
            self.resumed += 1

    async def _watch(self) -> None:
        async with aclosing(self.log.watch_events(self.cursor)) as pages:  # type: ignore[type-var]
            async for page in pages:
                for event in page.events:
                    self.seen.take(event.intent_id, event.version, event.status.value)
                self.events += len(page.events)
                # no await between the two: whoever leaves here has both or neither
                self.cursor = page.cursor
