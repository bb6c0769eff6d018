"""The only wiring of the store."""

import asyncio
import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from services.common.clock import Clock
from services.common.errors import IntentError
from services.common.observe import Observe, logs
from services.store.adapters.sqlite import SqliteStorage
from services.store.config import StoreSettings
from services.store.observe import StoreMeters
from services.store.ports import Storage
from services.store.service import Store

logger = logging.getLogger(__name__)


@asynccontextmanager
async def open_storage(settings: StoreSettings) -> AsyncIterator[Storage]:
    """The backend that DATABASE_URL names, its collections and indexes made. Raises CannotOpen."""
    storage = SqliteStorage(Path(settings.database_url.removeprefix("sqlite:///")))
    try:
        await storage.open(settings.partitions)
        yield storage
    finally:
        await storage.close()


@asynccontextmanager
async def open_store(settings: StoreSettings, clock: Clock, observe: Observe) -> AsyncIterator[Store]:
    """The store itself, with its background work; what the embedded shape calls directly."""
    async with open_storage(settings) as storage:
        meters = StoreMeters(observe, settings.actions)
        store = Store(storage, clock, meters, event_poll=settings.event_poll_ms / 1000)
        refreshing = asyncio.create_task(_refresh(store, meters, clock, settings.metrics_refresh_ms / 1000))
        try:
            yield store
        finally:
            refreshing.cancel()
            await asyncio.gather(refreshing, return_exceptions=True)
            await store.close()


async def _refresh(store: Store, meters: StoreMeters, clock: Clock, every: float) -> None:
    while True:
        try:
            meters.refreshed(await store.statistics())
        except IntentError as error:
            logs.event(logger, logging.WARNING, "store.metrics_stale", reason=str(error.reason))
        await clock.sleep(every)
