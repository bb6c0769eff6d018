"""The only wiring of the store."""

import asyncio
import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta
from pathlib import Path
from typing import Final

from intents.store.v1.store_service_pb2_grpc import add_StoreServiceServicer_to_server
from services.common.clock import Clock
from services.common.domain.statistics import StatisticsQuery
from services.common.errors import IntentError
from services.common.observe import Observe, logs
from services.common.rpc.runtime import App, serve_app
from services.store.adapters.mongo import MongoStorage
from services.store.adapters.sqlite import SqliteStorage
from services.store.config import StoreSettings
from services.store.migrating import schema
from services.store.observe import RetentionMeters, StoreMeters
from services.store.ports import CannotOpen, Storage
from services.store.relay import Relay
from services.store.retention.archive import Archive, Folder, Nowhere
from services.store.retention.run import Policy, Retention
from services.store.service import Store
from services.store.servicer import StoreServicer

logger = logging.getLogger(__name__)

SERVICE: Final = "intents.store.v1.StoreService"
NONE: Final = "none"
"""EVENTS_ARCHIVE_DIR of those who keep no archive."""


@asynccontextmanager
async def open_storage(settings: StoreSettings, *, there: bool = False) -> AsyncIterator[Storage]:
    """The backend that DATABASE_URL names, its collections and indexes made; `there`: a file that is missing is not
    made, for those who look at a store and would take an empty one for a sound one.

    Raises CannotOpen where another start would meet the same, IntentError where the database is away.
    """
    url, path = settings.database_url, settings.sqlite_path
    storage: SqliteStorage | MongoStorage
    if path is not None:
        if there and not path.is_file():
            raise CannotOpen(f"DATABASE_URL: there is no database at {path}; nothing was made")
        storage = SqliteStorage(path, lock_ms=settings.database_timeout_ms)
    else:
        storage = MongoStorage(
            url,
            select_timeout_ms=settings.database_select_timeout_ms,
            timeout_ms=settings.database_timeout_ms,
            pool_size=settings.database_pool_size,
            driver=settings.database_driver,
        )
    try:
        try:
            await storage.open(settings.partitions)
            await schema.check(storage)
        except IntentError as error:
            raise _not_now(path, error) from error
        yield storage
    finally:
        await storage.close()


def _not_now(path: Path | None, error: IntentError) -> Exception:
    """Why there is no store, in one line."""
    if path is not None:
        return CannotOpen(f"DATABASE_URL: {path} cannot be used: {error.__cause__ or error.message}")
    return IntentError(
        error.reason,
        "DATABASE_URL: this database does not answer, or not as one that can be used; start it, or correct the "
        "address or options",
    )


@asynccontextmanager
async def open_store(settings: StoreSettings, clock: Clock, observe: Observe) -> AsyncIterator[Store]:
    """The store itself, with its background work; what the embedded shape calls directly."""
    async with open_storage(settings) as storage:
        meters = StoreMeters(observe, settings.actions)
        store = Store(
            storage,
            clock,
            meters,
            event_poll=settings.event_poll_ms / 1000,
            fold_every=settings.rollup_interval_ms / 1000,
            overdue_grace=settings.overdue_grace_ms / 1000,
        )
        async with (
            _relaying(storage, clock, settings.relay_poll_ms / 1000),
            _dropping(storage, clock, settings, observe),
        ):
            background = [
                asyncio.create_task(_refresh(store, meters, clock, settings.metrics_refresh_ms / 1000)),
                asyncio.create_task(store.keep_folding()),
            ]
            try:
                yield store
            finally:
                for task in background:
                    task.cancel()
                await asyncio.gather(*background, return_exceptions=True)
                await store.close()


@asynccontextmanager
async def _relaying(storage: Storage, clock: Clock, poll: float) -> AsyncIterator[None]:
    outbox = storage.outbox
    if outbox is None:
        yield
        return
    relay = Relay(
        outbox, clock, partitions=storage.meta.partitions, poll=poll, on_events=lambda: storage.on_events()
    )
    outbox.on_written = relay.submit
    relay.start()
    try:
        yield
    finally:
        await relay.close()


@asynccontextmanager
async def _dropping(
    storage: Storage, clock: Clock, settings: StoreSettings, observe: Observe
) -> AsyncIterator[None]:
    if not settings.drops_events:
        yield
        return
    archive: Archive = Nowhere()
    if settings.events_archive_dir != NONE:
        archive = folder = Folder(Path(settings.events_archive_dir), storage.meta.store_id)
        folder.open()
    hours = settings.events_keep_hours
    policy = Policy(keep=timedelta(hours=hours) if hours else None, count=settings.events_keep_count)
    retention = Retention(storage, clock, policy, archive, RetentionMeters(observe))
    passing = asyncio.create_task(retention.run(settings.events_retention_ms / 1000))
    try:
        yield
    finally:
        passing.cancel()
        await asyncio.gather(passing, return_exceptions=True)


async def _refresh(store: Store, meters: StoreMeters, clock: Clock, every: float) -> None:
    while True:
        try:
            meters.overstaying(await store.overstaying())
            meters.refreshed(await store.statistics(StatisticsQuery()), await store.events_not_counted())
        except IntentError as error:
            logs.event(logger, logging.WARNING, "store.metrics_stale", reason=str(error.reason))
        except Exception as error:
            logs.event(logger, logging.ERROR, "store.metrics_failed", exc_info=error)
        await clock.sleep(every)


@asynccontextmanager
async def build(settings: StoreSettings, clock: Clock) -> AsyncIterator[App]:
    """A store that listens."""
    observe = Observe(service="store")
    async with open_store(settings, clock, observe) as store:
        servicer = StoreServicer(store)
        async with serve_app(
            settings,
            service_names=[SERVICE],
            register=lambda server: add_StoreServiceServicer_to_server(servicer, server),
            observe=observe,
        ) as app:
            yield app
