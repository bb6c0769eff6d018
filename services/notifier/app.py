"""The only wiring of the notifier."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Final

from intents.notifier.v1.notifier_service_pb2_grpc import add_NotifierServiceServicer_to_server
from services.common.clock import Clock
from services.common.observe import Observe
from services.common.rpc.channel import open_channel
from services.common.rpc.clients.store import GrpcStore
from services.common.rpc.runtime import App, serve_app
from services.notifier.config import FeedSettings, NotifierSettings
from services.notifier.observe import Vocabulary
from services.notifier.ports import Events
from services.notifier.service import Notifier
from services.notifier.servicer import NotifierServicer

SERVICE: Final = "intents.notifier.v1.NotifierService"


@asynccontextmanager
async def open_notifier(
    settings: FeedSettings, log: Events, clock: Clock, observe: Observe
) -> AsyncIterator[Notifier]:
    """The notifier itself; what the embedded shape calls directly."""
    notifier = Notifier(settings, log, clock, Vocabulary(observe))
    try:
        yield notifier
    finally:
        await notifier.close()


@asynccontextmanager
async def build(settings: NotifierSettings, clock: Clock) -> AsyncIterator[App]:
    """A notifier that listens."""
    observe = Observe(service="notifier")
    async with (
        open_channel(settings.store_target, settings=settings, observe=observe) as channel,
        open_notifier(settings, GrpcStore(channel), clock, observe) as notifier,
    ):
        servicer = NotifierServicer(notifier)
        async with serve_app(
            settings,
            service_names=[SERVICE],
            register=lambda server: add_NotifierServiceServicer_to_server(servicer, server),
            observe=observe,
        ) as app:
            app.on_drain = notifier.close
            yield app
