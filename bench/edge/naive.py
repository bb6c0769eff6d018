"""The edge as one would write it first: the same use cases and servicer, each submission's calls made one by one.

What is left out is what the product's edge adds: coalescing concurrent callers into batches. Its stubs sit on plain
channels, without the product's own metrics, tracing and retries, which makes it cheaper, not dearer.
"""

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from datetime import timedelta
from typing import Final

import grpc

from intents.v1.intent_service_pb2_grpc import add_IntentServiceServicer_to_server
from services.common.clock import Clock
from services.common.observe import Observe
from services.common.rpc.clients.cache import GrpcCache
from services.common.rpc.clients.notifier import GrpcNotifier
from services.common.rpc.clients.store import GrpcStore
from services.common.rpc.clients.validator import GrpcValidator
from services.common.rpc.runtime import App, serve_app
from services.edge.auth import Authenticator
from services.edge.config import Settings
from services.edge.limits.memory import MemoryRateLimiter
from services.edge.observe import Vocabulary
from services.edge.ports import Ports
from services.edge.service import Edge
from services.edge.servicer import EdgeServicer
from services.edge.watch.hub import Hub, WatchLimits

EDGE: Final = "intents.v1.IntentService"


@asynccontextmanager
async def build(settings: Settings, clock: Clock) -> AsyncIterator[App]:
    """One call per hop per submission."""
    observe = Observe(service="edge")
    seen = Vocabulary(observe)
    async with AsyncExitStack() as stack:

        async def plain(target: str) -> grpc.aio.Channel:
            return await stack.enter_async_context(grpc.aio.insecure_channel(target))

        ports = Ports(
            validator=GrpcValidator(await plain(settings.validator_target)),
            store=GrpcStore(await plain(settings.store_target)),
            cache=GrpcCache(await plain(settings.cache_target), clock),
            notifier=GrpcNotifier(await plain(settings.notifier_target)),
        )
        hub = Hub(ports.notifier, ports.store, clock, edge_id="naive", limits=WatchLimits(), seen=seen)
        limits = settings.limits()
        limiter = MemoryRateLimiter(clock, maximum=limits.rate_max, window=limits.rate_window)
        edge = Edge(
            ports,
            clock,
            limiter=limiter,
            limits=limits,
            hub=hub,
            seen=seen,
            default_lifetime=timedelta(seconds=settings.default_lifetime),
            version="naive",
        )
        servicer = EdgeServicer(edge, Authenticator({}), clock)
        await stack.enter_async_context(hub.running())
        stack.push_async_callback(edge.aclose)
        app = await stack.enter_async_context(
            serve_app(
                settings,
                service_names=[EDGE],
                register=lambda server: add_IntentServiceServicer_to_server(servicer, server),
                observe=observe,
            )
        )
        yield app
