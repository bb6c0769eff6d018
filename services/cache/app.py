"""The only wiring of the cache."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Final

from intents.cache.v1.cache_service_pb2_grpc import add_CacheServiceServicer_to_server
from services.cache.adapters.redis import RedisLevel
from services.cache.config import CacheRules, CacheSettings
from services.cache.model import Breaker
from services.cache.observe import Meters
from services.cache.service import Cache, ChainSource, StoreSource
from services.cache.servicer import CacheServicer
from services.cache.shared import Guarded
from services.common.chain.near.connect import open_near
from services.common.clock import Clock
from services.common.observe import Observe
from services.common.redis.link import open_redis
from services.common.rpc.channel import open_channel
from services.common.rpc.clients.store import GrpcStore
from services.common.rpc.runtime import App, serve_app

SERVICE: Final = "intents.cache.v1.CacheService"
LONGEST_PAUSE: Final = 5.0


@asynccontextmanager
async def open_cache(
    rules: CacheRules, *, store: StoreSource, chain: ChainSource | None, clock: Clock, observe: Observe
) -> AsyncIterator[Cache]:
    """A cache over `store` and `chain`, following the event log until left. Without `rules.redis_url` memory only."""
    meters = Meters(observe.registry, observe.notes)
    shared = _shared(rules, clock, meters)
    cache = Cache(
        shared=shared,
        store=store,
        chain=chain,
        trust=rules.trust(),
        view_trust=rules.view_trust(),
        limits=rules.limits(),
        clock=clock,
        meters=meters,
    )
    async with cache.run():
        if shared is not None:
            await shared.warm()
        yield cache


@asynccontextmanager
async def build(settings: CacheSettings, clock: Clock) -> AsyncIterator[App]:
    """A cache that listens."""
    observe = Observe(service="cache")
    async with (
        open_channel(settings.store_target, settings=settings, observe=observe) as channel,
        open_near(
            settings.chain_url, settings.verifier_id, clock=clock, chain_id=settings.chain_id, observe=observe
        ) as chain,
        open_cache(
            settings,
            store=GrpcStore(channel),
            chain=chain,
            clock=clock,
            observe=observe,
        ) as cache,
    ):
        servicer = CacheServicer(cache, clock)
        async with serve_app(
            settings,
            service_names=[SERVICE],
            register=lambda server: add_CacheServiceServicer_to_server(servicer, server),
            observe=observe,
        ) as app:
            yield app


def _shared(rules: CacheRules, clock: Clock, meters: Meters) -> Guarded | None:
    give_up = rules.redis_give_up_ms / 1000
    link = open_redis(rules, timeout=give_up)
    if link is None:
        return None
    breaker = Breaker(
        clock.monotonic,
        failures=rules.redis_failures,
        first=rules.redis_pause_ms / 1000,
        longest=LONGEST_PAUSE,
    )
    return Guarded(
        RedisLevel(link, expire_seconds=rules.redis_expire_s, corrupt=meters.corrupt),
        breaker,
        wait=rules.redis_timeout_ms / 1000,
        give_up=give_up,
        clock=clock,
        meters=meters,
    )
