"""The only wiring of the validator."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Final

from intents.validator.v1.validator_service_pb2_grpc import add_ValidatorServiceServicer_to_server
from services.common.clock import Clock
from services.common.observe import Observe
from services.common.rpc.channel import open_channel
from services.common.rpc.clients.cache import GrpcCache
from services.common.rpc.runtime import App, serve_app
from services.validator.adapters.bounded import BoundedViews
from services.validator.config import ValidatorSettings
from services.validator.observe import Vocabulary
from services.validator.service import Validator
from services.validator.servicer import ValidatorServicer

SERVICE: Final = "intents.validator.v1.ValidatorService"


@asynccontextmanager
async def build(settings: ValidatorSettings, clock: Clock) -> AsyncIterator[App]:
    """A validator that listens, its chain views taken from the cache."""
    observe = Observe(service="validator")
    async with open_channel(settings.cache_target, settings=settings, observe=observe) as channel:
        views = BoundedViews(GrpcCache(channel), settings.cache_timeout_ms / 1000)
        service = Validator(settings.rule_book(), views, clock, Vocabulary(observe))
        servicer = ValidatorServicer(service)
        async with serve_app(
            settings,
            service_names=[SERVICE],
            register=lambda server: add_ValidatorServiceServicer_to_server(servicer, server),
            observe=observe,
        ) as app:
            yield app
