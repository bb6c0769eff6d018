"""The only wiring of the validator."""

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Final

from intents.validator.v1.validator_service_pb2_grpc import add_ValidatorServiceServicer_to_server
from services.common.clock import Clock
from services.common.observe import Observe
from services.common.ports import ChainViews
from services.common.rpc.channel import open_channel
from services.common.rpc.clients.cache import GrpcCache
from services.common.rpc.runtime import App, serve_app
from services.validator.adapters.bounded import BoundedViews
from services.validator.config import RuleSettings, ValidatorSettings
from services.validator.files import watching
from services.validator.observe import Vocabulary
from services.validator.service import Validator
from services.validator.servicer import ValidatorServicer

SERVICE: Final = "intents.validator.v1.ValidatorService"


@asynccontextmanager
async def open_validator(
    settings: RuleSettings, views: ChainViews, clock: Clock, observe: Observe
) -> AsyncIterator[Validator]:
    """A validator whose files are watched; what the embedded shape calls with a local cache. Raises SettingError."""
    vocabulary = Vocabulary(observe)
    service = Validator(
        settings.rule_book(), views, clock, vocabulary, most_at_once=settings.max_intents_at_once
    )
    async with watching(settings, service, clock, vocabulary):
        yield service


@asynccontextmanager
async def build(settings: ValidatorSettings, clock: Clock) -> AsyncIterator[App]:
    """A validator that listens, its chain views taken from the cache. Raises SettingError."""
    observe = Observe(service="validator")
    async with AsyncExitStack() as stack:
        channel = await stack.enter_async_context(
            open_channel(settings.cache_target, settings=settings, observe=observe)
        )
        views = BoundedViews(GrpcCache(channel, clock), settings.cache_timeout_ms / 1000)
        service = await stack.enter_async_context(open_validator(settings, views, clock, observe))
        servicer = ValidatorServicer(service)
        yield await stack.enter_async_context(
            serve_app(
                settings,
                service_names=[SERVICE],
                register=lambda server: add_ValidatorServiceServicer_to_server(servicer, server),
                observe=observe,
            )
        )
