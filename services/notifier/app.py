"""The only wiring of the notifier."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Final

from intents.notifier.v1.notifier_service_pb2_grpc import add_NotifierServiceServicer_to_server
from services.common.clock import Clock
from services.common.observe import Observe
from services.common.ports import EventLog
from services.common.rpc.channel import open_channel
from services.common.rpc.clients.store import GrpcStore
from services.common.rpc.runtime import App, serve_app
from services.notifier.config import NotifierRules, NotifierSettings
from services.notifier.observe import Meters
from services.notifier.service import Notifier
from services.notifier.servicer import NotifierServicer

SERVICE: Final = "intents.notifier.v1.NotifierService"


@asynccontextmanager
async def open_notifier(rules: NotifierRules, *, log: EventLog, observe: Observe) -> AsyncIterator[Notifier]:
    """A notifier over `log`, following it until left."""
    notifier = Notifier(log, limits=rules.limits(), meters=Meters(observe.registry))
    async with notifier.run():
        yield notifier


@asynccontextmanager
async def build(settings: NotifierSettings, clock: Clock) -> AsyncIterator[App]:
    """A notifier that listens."""
    observe = Observe(service="notifier")
    async with (
        open_channel(settings.store_target, settings=settings, observe=observe) as channel,
        open_notifier(settings, log=GrpcStore(channel), observe=observe) as notifier,
    ):
        servicer = NotifierServicer(notifier)
        async with serve_app(
            settings,
            service_names=[SERVICE],
            register=lambda server: add_NotifierServiceServicer_to_server(servicer, server),
            observe=observe,
        ) as app:
            # feeds are ended by the server's own drain, after DRAIN_WAIT: until then edges may still use them
            yield app
