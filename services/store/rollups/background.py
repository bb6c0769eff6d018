"""Folding beside the store's calls: soon after something happened, in steps with pauses between."""

import logging
from typing import Final

from services.common.clock import Clock
from services.common.errors import IntentError
from services.common.observe import logs
from services.store.rollups.fold import BATCH, Folder

logger = logging.getLogger(__name__)

QUIET_ROUNDS: Final = 10
"""Rounds without news after which it looks all the same: another replica may have died before it folded."""
TOLD_EVERY: Final = 100 * BATCH
"""Events between lines about how far a store is that has much to fold."""


class Folding:
    """The background task of one process. `every` is seconds between rounds."""

    def __init__(self, folder: Folder, clock: Clock, *, every: float) -> None:
        self._folder = folder
        self._clock = clock
        self._every = every
        self._quiet = QUIET_ROUNDS

    def wake(self) -> None:
        """There may be events."""
        self._quiet = QUIET_ROUNDS

    async def run(self) -> None:
        """Until cancelled."""
        while True:
            await self._clock.sleep(self._every)
            self._quiet += 1
            if self._quiet <= QUIET_ROUNDS:
                continue
            self._quiet = 0
            try:
                await self._round()
            except IntentError as error:
                self.wake()
                logs.event(logger, logging.WARNING, "store.fold_waits", reason=str(error.reason))
            except Exception as error:
                logs.event(logger, logging.ERROR, "store.fold_failed", exc_info=error)

    async def _round(self) -> None:
        """As long as there is much, at most half of the time is spent with it."""
        folded = told = 0
        while True:
            began = self._clock.monotonic()
            events = await self._folder.step()
            folded += events
            if folded - told >= TOLD_EVERY or (told and not events):
                told = folded
                logs.event(logger, logging.INFO, "store.folding", events=folded, done=not events)
            if not events:
                return
            await self._clock.sleep(self._clock.monotonic() - began)
