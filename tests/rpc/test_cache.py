"""The cache as others meet it: real gRPC, a real Redis server, fakes only where store and chain would be."""

import dataclasses
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta
from pathlib import Path

import pytest

from intents.cache.v1 import cache_service_pb2 as pb
from intents.cache.v1.cache_service_pb2_grpc import CacheServiceStub, add_CacheServiceServicer_to_server
from services.cache.app import SERVICE, open_cache
from services.cache.config import CacheRules, CacheSettings
from services.cache.servicer import CacheServicer
from services.common.clock import SystemClock, now_ms
from services.common.config import load
from services.common.domain.lifecycle import Status
from services.common.domain.outcomes import StatusAnswer, StatusQuery
from services.common.domain.views import (
    BalanceOf,
    CurrentSalt,
    IsKept,
    IsNonceUsed,
    IsRegistered,
    Simulation,
    ViewAnswer,
)
from services.common.errors import IntentError, Reason
from services.common.observe import Observe
from services.common.rpc.call import call
from services.common.rpc.channel import Channel, open_channel
from services.common.rpc.clients.cache import GrpcCache
from services.common.rpc.server import serve
from tests.harness import servers
from tests.harness.signing import Wallet, to_domain
from tests.unit.cache.fakes import Chain, Store, status


class World:
    """A served cache, a client of it, and what is below."""

    def __init__(self, store: Store, chain: Chain, observe: Observe, channel: Channel) -> None:
        self.store = store
        self.chain = chain
        self.observe = observe
        self.channel = channel
        self.cache = GrpcCache(channel, SystemClock())  # type: ignore[arg-type]

    async def seen(self, intent_id: str, **query: object) -> tuple[int, str]:
        (answer,) = await self.cache.get_statuses([StatusQuery(intent_id=intent_id, **query)])  # type: ignore[arg-type]
        assert isinstance(answer, StatusAnswer), answer
        return answer.status.version, answer.level


@asynccontextmanager
async def serving(
    redis_url: str | None, *, store: Store | None = None, memory_entries: int = 1_000
) -> AsyncIterator[World]:
    clock = SystemClock()
    store = store or Store(clock)  # type: ignore[arg-type]
    chain, observe = Chain(), Observe(service="cache")
    settings = CacheSettings(
        port=0,
        admin_port=0,
        redis_url=redis_url,
        redis_pause_ms=20,
        redis_timeout_ms=500,
        memory_entries=memory_entries,
    )
    async with (
        open_cache(settings, store=store, chain=chain, clock=clock, observe=observe) as cache,
        serve(
            settings,
            service_names=[SERVICE],
            register=lambda server: add_CacheServiceServicer_to_server(CacheServicer(cache, clock), server),
            observe=observe,
        ) as server,
        open_channel(server.address, settings=settings) as channel,
    ):
        await server.ready()
        yield World(store, chain, observe, channel)  # type: ignore[arg-type]


async def test_everything_goes_over_the_wire_and_back(redis_url: str) -> None:
    async with serving(redis_url) as world:
        world.store.write("stored", 2)
        world.chain.statuses["on-chain"] = "executing"
        answers = await world.cache.get_statuses(
            [StatusQuery(intent_id=one) for one in ("stored", "on-chain", "nowhere", "bad id")]
        )
        stored, chained, nowhere, bad = answers
        assert isinstance(stored, StatusAnswer)
        assert (stored.status, stored.level) == (status("stored", 2), "store")
        assert stored.age(now_ms(SystemClock())) < timedelta(minutes=2)
        assert isinstance(chained, StatusAnswer)
        assert (chained.status.status, chained.status.version, chained.level) == (
            Status.EXECUTING,
            0,
            "chain",
        )
        assert nowhere is None
        assert isinstance(bad, IntentError)
        assert bad.reason is Reason.INVALID_ID
        await world.cache.put_statuses([status("primed", 1)])
        assert await world.seen("primed") == (1, "memory")
        await world.cache.invalidate(["primed"])
        world.store.write("primed", 2)
        assert await world.seen("primed") == (2, "store")
        whole = to_domain(Wallet().sign_plain(Wallet().fields(deadline="2030-01-01T00:00:00.5Z")))
        signed, kept = whole.signed_data, whole.intent
        assert signed is not None and kept is not None
        trial, tried = Simulation(signed), Simulation(dataclasses.replace(signed, signature="ed25519:1"))
        held, there = BalanceOf("a.near", "nep141:b.near"), IsRegistered("b.near", "a.near")
        world.chain.truths = {held: 2**128 - 1, there: True, trial: "", tried: "no", IsKept(kept): True}
        asked = [
            CurrentSalt(),
            IsNonceUsed("a.near", b"n" * 32),
            held,
            there,
            IsRegistered("c.near", "a.near"),
            trial,
            tried,
            IsKept(kept),
            IsKept(dataclasses.replace(kept, max_slippage_bps=None)),
        ]
        answers = await world.cache.views(asked)
        expected = (b"salt", False, 2**128 - 1, True, False, "", "no", True, False)
        assert answers == [ViewAnswer(value=value, block_height=7) for value in expected]
        kinds = [type(one.value) for one in answers if isinstance(one, ViewAnswer)]
        assert kinds == [bytes, bool, int, bool, bool, str, str, bool, bool]


async def test_a_stale_answer_is_asked_for_and_marked_over_the_wire() -> None:
    async with serving(None) as world:
        world.store.write("a", 2)
        assert await world.seen("a") == (2, "store")
        world.store.away = True
        strict, stale = await world.cache.get_statuses(
            [
                StatusQuery(intent_id="a", max_age=timedelta(0)),
                StatusQuery(intent_id="a", max_age=timedelta(0), allow_stale=True),
            ]
        )
        assert isinstance(strict, IntentError)
        assert strict.reason is Reason.DEPENDENCY_UNAVAILABLE
        assert isinstance(stale, StatusAnswer)
        assert (stale.status, stale.level, stale.stale) == (status("a", 2), "memory", True)


@pytest.mark.parametrize("size", [0, 1001])
async def test_batches_out_of_bounds_are_typed_refusals(size: int) -> None:
    async with serving(None) as world:
        with pytest.raises(IntentError) as refused:
            await world.cache.get_statuses([StatusQuery(intent_id="a")] * size)
        assert refused.value.reason is Reason.BATCH_SIZE


async def test_p10_unknown_values_in_a_message_are_typed_refusals() -> None:
    async with serving(None) as world:
        stub = CacheServiceStub(world.channel)  # type: ignore[arg-type]
        odd = pb.PutStatusesRequest(statuses=[pb.CachedStatus(intent_id="a", version=1)])
        odd.statuses[0].status = 42  # type: ignore[assignment]
        for attempt in (
            call(stub.PutStatuses, odd),
            call(stub.GetChainViews, pb.GetChainViewsRequest(views=[pb.ChainView()])),
        ):
            with pytest.raises(IntentError) as refused:
                await attempt
            assert refused.value.reason is Reason.INVALID_FIELD
        assert await world.cache.get_statuses([StatusQuery(intent_id="a")]) == [None]


async def test_p07_reads_go_on_when_redis_is_killed_and_when_it_is_back(tmp_path: Path) -> None:
    lacking = servers.missing("valkey")
    if lacking:
        pytest.skip(f"missing: {lacking}")
    server = servers.valkey(tmp_path).start()
    try:
        async with serving(server.url) as world:
            world.store.write("a", 2)
            assert await world.seen("a") == (2, "store")
            server.kill9()
            world.store.write("a", 3)
            assert await world.seen("a", min_version=3) == (3, "store")
            for number in range(20):
                world.store.write(f"n{number}")
                assert await world.seen(f"n{number}") == (1, "store")
                await world.cache.put_statuses([status(f"p{number}", 1)])
                assert await world.seen(f"p{number}") == (1, "memory")
            assert world.observe.registry.get_sample_value("cache_redis_up") == 0
            server.start()
            for number in range(1000):
                world.store.write(f"back{number}")
                assert await world.seen(f"back{number}") == (1, "store")
                if world.observe.registry.get_sample_value("cache_redis_up") == 1:
                    break
            assert world.observe.registry.get_sample_value("cache_redis_up") == 1
            assert await world.seen("a", min_version=3) == (3, "memory")
    finally:
        server.kill9()


@pytest.mark.parametrize(
    "url", ["redis://:s3cret/x@host:6379", "http://:s3cret@host/", "redis://u:s3cret@host:port/0"]
)
def test_a_bad_redis_url_is_one_line_without_its_password(
    url: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as ended:
        load(CacheSettings, prog="cache", env={"REDIS_URL": url}, argv=[])
    complaint = capsys.readouterr().err
    assert ended.value.code == 2
    assert complaint.startswith("cache: REDIS_URL: ")
    assert complaint.count("\n") == 1
    assert "s3cret" not in complaint
    assert "s3cret" not in repr(CacheRules(redis_url=url))
