"""Stand-ins for what is not measured: the chain behind the cache, the notifier, and an edge that only answers.

The chain is answered in the cache's own process: devnet is a simulation in Python, and a real node is another
machine's work. The notifier takes wake-ups and holds the edge's feed. Both sides get the same.
"""

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from typing import Any, Final

import grpc
from google.protobuf.message import Message

from intents.cache.v1.cache_service_pb2_grpc import add_CacheServiceServicer_to_server
from intents.notifier.v1 import notifier_service_pb2 as notifier_pb
from intents.notifier.v1.notifier_service_pb2_grpc import (
    NotifierServiceServicer,
    add_NotifierServiceServicer_to_server,
)
from intents.v1 import intent_service_pb2 as pb
from intents.v1 import types_pb2 as types
from services.cache.app import open_cache
from services.cache.config import CacheSettings
from services.cache.servicer import CacheServicer
from services.common.chain.port import ChainIntent
from services.common.clock import Clock
from services.common.config import ServiceSettings
from services.common.domain.views import ChainView, CurrentSalt, IsNonceUsed, ViewAnswer
from services.common.errors import IntentError
from services.common.observe import Observe
from services.common.rpc.channel import open_channel
from services.common.rpc.clients.store import GrpcStore
from services.common.rpc.runtime import App, serve_app

Context = grpc.aio.ServicerContext[Any, Any]

EDGE: Final = "intents.v1.IntentService"
CACHE: Final = "intents.cache.v1.CacheService"
NOTIFIER: Final = "intents.notifier.v1.NotifierService"


class QuietChain:
    """A chain at rest: no nonce was used, every key is registered, no intent is known."""

    async def views(self, asked: Sequence[ChainView]) -> Sequence[ViewAnswer | IntentError]:
        return [ViewAnswer(value=_truth(view), block_height=1) for view in asked]

    async def intents(self, intent_ids: Sequence[str]) -> Sequence[ChainIntent | IntentError]:
        return [ChainIntent(status=None, kept=None, block_height=1, block_timestamp_ns=1) for _ in intent_ids]


def _truth(view: ChainView) -> bool | bytes:
    match view:
        case IsNonceUsed():
            return False
        case CurrentSalt():
            return bytes(4)
        case _:
            return True


@asynccontextmanager
async def build_cache(settings: CacheSettings, clock: Clock) -> AsyncIterator[App]:
    """The cache as `services.cache.app` builds it, over a quiet chain."""
    observe = Observe(service="cache")
    async with (
        open_channel(settings.store_target, settings=settings, observe=observe) as channel,
        open_cache(
            settings, store=GrpcStore(channel), chain=QuietChain(), clock=clock, observe=observe
        ) as cache,
        serve_app(
            settings,
            service_names=[CACHE],
            register=lambda server: add_CacheServiceServicer_to_server(CacheServicer(cache, clock), server),
            observe=observe,
        ) as app,
    ):
        yield app


class QuietNotifier(NotifierServiceServicer):
    """Takes wake-ups, and tells its feeds where they stand but no event."""

    async def Feed(
        self, request_iterator: AsyncIterator[notifier_pb.FeedRequest], context: Context
    ) -> AsyncIterator[notifier_pb.FeedResponse]:
        async for request in request_iterator:
            kind = request.WhichOneof("command")
            response = notifier_pb.FeedResponse(cursor="bench")
            if kind == "open":
                response.subscribed.SetInParent()
            elif kind == "subscribe":
                response.subscribed.sequence = request.subscribe.sequence
            else:
                response.position.SetInParent()
            yield response

    async def Wake(self, request: notifier_pb.WakeRequest, context: Context) -> notifier_pb.WakeResponse:
        return notifier_pb.WakeResponse()


@asynccontextmanager
async def build_notifier(settings: ServiceSettings, clock: Clock) -> AsyncIterator[App]:
    """A notifier of nothing."""
    async with serve_app(
        settings,
        service_names=[NOTIFIER],
        register=lambda server: add_NotifierServiceServicer_to_server(QuietNotifier(), server),
        observe=Observe(service="notifier"),
    ) as app:
        yield app


class BareEdge:
    """Of the public service only the submissions: each gets a receipt at once, nothing is done."""

    async def SubmitIntent(
        self, request: pb.SubmitIntentRequest, context: Context
    ) -> pb.SubmitIntentResponse:
        return pb.SubmitIntentResponse(receipt=_receipt(request.submission))

    async def SubmitIntents(
        self, request: pb.SubmitIntentsRequest, context: Context
    ) -> pb.SubmitIntentsResponse:
        return pb.SubmitIntentsResponse(
            outcomes=[pb.SubmitOutcome(receipt=_receipt(one)) for one in request.submissions]
        )


def _receipt(submission: pb.Submission) -> pb.Receipt:
    receipt = pb.Receipt(intent_id=submission.intent.id, status=types.INTENT_STATUS_PENDING, version=1)
    receipt.created_at.GetCurrentTime()
    return receipt


def _handler(behaviour: Callable[..., Any], request: Any) -> Any:
    return grpc.unary_unary_rpc_method_handler(behaviour, request.FromString, _encode)


def _encode(response: Message) -> bytes:
    return response.SerializeToString()


class _Bare:
    """The least of a `runtime.Running`."""

    rpc = None

    def __init__(self, server: grpc.aio.Server, http: str) -> None:
        self._server = server
        self.http = http

    async def ready(self) -> None:
        pass

    async def drain(self) -> None:
        await self._server.stop(1)


@asynccontextmanager
async def build_bare(settings: ServiceSettings, clock: Clock) -> AsyncIterator[_Bare]:
    """grpc.aio alone: no guard, no metrics, no checks."""
    server = grpc.aio.server()
    bare = BareEdge()
    methods = {
        "SubmitIntent": _handler(bare.SubmitIntent, pb.SubmitIntentRequest),
        "SubmitIntents": _handler(bare.SubmitIntents, pb.SubmitIntentsRequest),
    }
    server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler(EDGE, methods),))
    port = server.add_insecure_port(f"{settings.host}:{settings.port}")
    await server.start()
    try:
        yield _Bare(server, f"{settings.host}:{port}")
    finally:
        await asyncio.shield(server.stop(None))
