"""The notifier over real gRPC: feeds resumed across restarts, drains told, broken commands answered."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import grpc
import pytest

from intents.notifier.v1 import notifier_service_pb2 as pb
from intents.notifier.v1.notifier_service_pb2_grpc import (
    NotifierServiceStub,
    add_NotifierServiceServicer_to_server,
)
from services.common.clock import SystemClock
from services.common.domain.feed import Subscribe
from services.common.errors import IntentError, Reason
from services.common.observe import Observe
from services.common.rpc.call import stream
from services.common.rpc.channel import open_channel
from services.common.rpc.clients.notifier import GrpcNotifier
from services.common.rpc.server import RunningServer, serve
from services.notifier.app import SERVICE, open_notifier
from services.notifier.config import NotifierSettings
from services.notifier.servicer import NotifierServicer
from tests.harness.wait import eventually
from tests.unit.notifier.fakes import Edge, Log


@asynccontextmanager
async def served(log: Log) -> AsyncIterator[tuple[RunningServer, grpc.aio.Channel]]:
    settings = NotifierSettings(port=0, admin_port=0, position_ms=20)
    observe = Observe(service="notifier")
    async with (
        open_notifier(settings, log, SystemClock(), observe) as notifier,
        serve(
            settings,
            service_names=[SERVICE],
            register=lambda server: add_NotifierServiceServicer_to_server(NotifierServicer(notifier), server),
            observe=observe,
        ) as server,
        open_channel(server.address, settings=settings) as channel,
    ):
        await server.ready()
        yield server, channel


async def test_two_edges_are_told_the_same_over_the_wire() -> None:
    log = Log()
    edges = [Edge(Subscribe(sequence=0, intent_ids=("a",))) for _ in range(2)]
    async with served(log) as (_, channel):
        notifier = GrpcNotifier(channel)
        async with edges[0].following(notifier), edges[1].following(notifier):
            await eventually(lambda: all(edge.acknowledged == [0] for edge in edges))
            edges[0].say(Subscribe(sequence=7, principals=("bob",)))
            await eventually(lambda: 7 in edges[0].acknowledged)
            await notifier.wake(["a"])
            await log.write("a")
            await log.write("b", "bob")
            await eventually(lambda: len(edges[0].told) == 2 and len(edges[1].told) == 1)
    assert sorted(edges[0].told) == [("a", 1), ("b", 1)]
    assert edges[1].told == [("a", 1)]


async def test_p05_a_feed_is_taken_up_at_the_next_notifier_by_its_cursor() -> None:
    log = Log()
    edge = Edge(Subscribe(sequence=0, intent_ids=("a",)))
    for life in range(3):
        async with served(log) as (server, channel):
            following = asyncio.create_task(edge.follow(GrpcNotifier(channel)))
            await eventually(lambda life=life: edge.acknowledged == [0] * (life + 1))
            await log.write("a")
            await eventually(lambda life=life: len(edge.of("a")) == 2 * life + 1)
            await asyncio.wait_for(server.drain(), 10)
            await asyncio.wait_for(following, 10)
            assert edge.ended is not None
            assert edge.ended.reason is Reason.DRAINING
        await log.write("a")
    async with served(log) as (_, channel), edge.following(GrpcNotifier(channel)):
        await eventually(lambda: len(edge.of("a")) == 6)
    assert edge.of("a") == [1, 2, 3, 4, 5, 6]


@pytest.mark.parametrize(
    "request_",
    [pb.FeedRequest(), pb.FeedRequest(subscribe=pb.FeedSubscribe(sequence=1))],
    ids=["empty", "not open"],
)
async def test_p10_a_feed_that_begins_wrongly_is_refused(request_: pb.FeedRequest) -> None:
    async def requests() -> AsyncIterator[pb.FeedRequest]:
        yield request_

    async with served(Log()) as (_, channel):
        with pytest.raises(IntentError) as refused:
            async with stream(NotifierServiceStub(channel).Feed, requests()) as opened:
                await asyncio.wait_for(opened.read(), 5)
    assert refused.value.status == "INVALID_ARGUMENT"


async def test_an_edge_that_vanishes_leaves_nothing_behind() -> None:
    log, edge = Log(), Edge(Subscribe(sequence=0, intent_ids=("a",)))
    async with served(log) as (_, channel):
        idle = log.watchers
        async with edge.following(GrpcNotifier(channel)):
            await eventually(lambda: edge.acknowledged == [0])
        await eventually(lambda: log.watchers <= max(idle, 1))
    await eventually(lambda: log.watchers == 0)
    assert edge.told == []
