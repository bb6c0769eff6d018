"""The wiring of the edge."""

import logging
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from datetime import timedelta
from importlib.metadata import PackageNotFoundError, version
from typing import Final

import grpc

from intents.v1 import intent_service_pb2 as pb
from intents.v1.intent_service_pb2_grpc import add_IntentServiceServicer_to_server
from services.common.clock import Clock
from services.common.config import SettingError
from services.common.observe import Observe, logs
from services.common.redis.link import open_redis
from services.common.rpc.channel import open_channel
from services.common.rpc.clients.cache import GrpcCache
from services.common.rpc.clients.notifier import GrpcNotifier
from services.common.rpc.clients.store import GrpcStore
from services.common.rpc.clients.validator import GrpcValidator
from services.common.rpc.runtime import App, serve_app
from services.edge.adapters.coalesced import Coalesced
from services.edge.auth import Authenticator, TokensFileError, read_tokens
from services.edge.config import EdgeRules, Settings, is_loopback
from services.edge.http.context import Shared
from services.edge.http.server import serve_http
from services.edge.limits.address import networks
from services.edge.limits.fallback import FallbackRateLimiter
from services.edge.limits.in_flight import InFlight
from services.edge.limits.memory import MemoryRateLimiter
from services.edge.limits.port import RateLimiter
from services.edge.limits.redis import RedisRateLimiter
from services.edge.observe import Vocabulary
from services.edge.ports import Ports
from services.edge.service import Edge
from services.edge.servicer import EdgeServicer
from services.edge.watch.hub import Hub, WatchLimits

logger = logging.getLogger(__name__)

SERVICE: Final = pb.DESCRIPTOR.services_by_name["IntentService"].full_name


@asynccontextmanager
async def build(settings: Settings, clock: Clock) -> AsyncIterator[App]:
    """An edge over the services that its settings name. Raises SettingError, CannotListen."""
    observe = Observe(service="edge")
    async with AsyncExitStack() as stack:
        ports = await _remote(stack, settings, clock, observe)
        yield await stack.enter_async_context(open_edge(settings, clock, ports=ports, observe=observe))


@asynccontextmanager
async def open_edge(
    settings: EdgeRules, clock: Clock, *, ports: Ports, observe: Observe
) -> AsyncIterator[App]:
    """gRPC, HTTP and admin servers over `ports`, listening; what the embedded shape calls with local objects.
    Raises SettingError, CannotListen."""
    seen = Vocabulary(observe)
    authenticator = Authenticator(_tokens(settings))
    _warn(settings, authenticator)
    trusted = networks(settings.trusted_proxies)
    async with AsyncExitStack() as stack:
        coalesced = Coalesced(ports)
        stack.push_async_callback(coalesced.aclose)
        limiter = _limiter(settings, clock, seen)
        stack.push_async_callback(limiter.aclose)
        hub = Hub(
            coalesced.ports.notifier,
            coalesced.ports.store,
            clock,
            edge_id=settings.service_instance,
            limits=WatchLimits(
                max_ids=settings.max_watch_ids,
                max_watchers=settings.max_watchers,
                queue=settings.watch_queue,
                heartbeat=settings.heartbeat_ms / 1000,
            ),
            seen=seen,
        )
        edge = Edge(
            coalesced.ports,
            clock,
            limiter=limiter,
            limits=settings.limits(),
            hub=hub,
            seen=seen,
            default_lifetime=timedelta(seconds=settings.default_lifetime),
            version=_version(),
            in_flight=InFlight(
                coalesced.ports.store,
                clock,
                per_user=settings.max_in_flight_per_user,
                per_token=settings.max_in_flight_per_token,
                trust=settings.in_flight_trust_ms / 1000,
            ),
        )
        stack.push_async_callback(edge.aclose)
        servicer = EdgeServicer(edge, authenticator, clock, trusted=trusted)

        def register(server: grpc.aio.Server) -> None:
            add_IntentServiceServicer_to_server(servicer, server)

        app = await stack.enter_async_context(
            serve_app(settings, service_names=[SERVICE], register=register, observe=observe)
        )
        rpc = app.rpc
        shared = Shared(
            edge=edge,
            authenticator=authenticator,
            seen=seen,
            trusted=trusted,
            deadline=settings.default_deadline_ms / 1000,
            max_requests=settings.max_concurrent_rpcs,
            max_body_bytes=settings.max_body_bytes,
            origins=settings.cors_origins,
            ready=lambda: rpc is not None and rpc.is_ready,
        )
        http = await stack.enter_async_context(
            serve_http(
                shared,
                observe.registry,
                host=settings.http_host,
                port=settings.http_port,
            )
        )
        await stack.enter_async_context(hub.running())

        async def drain() -> None:
            if settings.drain_wait_ms:
                await clock.sleep(settings.drain_wait_ms / 1000)
            hub.close()
            await http.drain()

        app.http = http.address
        app.on_drain = drain
        yield app


async def _remote(stack: AsyncExitStack, settings: Settings, clock: Clock, observe: Observe) -> Ports:
    async def channel(target: str) -> grpc.aio.Channel:
        return await stack.enter_async_context(open_channel(target, settings=settings, observe=observe))

    return Ports(
        validator=GrpcValidator(await channel(settings.validator_target)),
        store=GrpcStore(await channel(settings.store_target)),
        cache=GrpcCache(await channel(settings.cache_target), clock),
        notifier=GrpcNotifier(await channel(settings.notifier_target)),
    )


def _tokens(settings: EdgeRules) -> dict[str, str]:
    try:
        return read_tokens(settings.tokens_file) if settings.tokens_file else {}
    except TokensFileError as error:
        raise SettingError(f"TOKENS_FILE: {error}") from None


def _limiter(settings: EdgeRules, clock: Clock, seen: Vocabulary) -> RateLimiter:
    maximum, window = settings.rate_limit_max, settings.rate_limit_window_ms / 1000
    local = MemoryRateLimiter(clock, maximum=maximum, window=window)
    # not tried again: this replica's own count is quicker
    timeout = settings.redis_timeout_ms / 1000
    link = open_redis(settings, timeout=timeout, retries=0)
    if link is None:
        return local
    shared = RedisRateLimiter(link, maximum=maximum, window=window, timeout=timeout)
    return FallbackRateLimiter(shared, local, clock, seen)


def _warn(settings: EdgeRules, authenticator: Authenticator) -> None:
    exposed = [host for host in (settings.host, settings.http_host) if not is_loopback(host)]
    if exposed and not authenticator.required:
        logs.event(
            logger,
            logging.WARNING,
            "insecure: anyone who reaches this address may call",
            hosts=",".join(exposed),
        )


def _version() -> str:
    try:
        return version("intent-suite")
    except PackageNotFoundError:
        return "0"
