"""The RPCs: decode, call, encode."""

from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import aclosing
from typing import Any, cast

import grpc

from intents.notifier.v1 import notifier_service_pb2 as pb
from intents.notifier.v1 import notifier_service_pb2_grpc as rpc
from services.common.convert.answers import command_from_proto
from services.common.domain.feed import FeedCommand, FeedMessage
from services.common.ports import Notifier
from services.notifier.convert import Encoder

Context = grpc.aio.ServicerContext[Any, Any]


class NotifierServicer(rpc.NotifierServiceServicer):
    """intents.notifier.v1.NotifierService."""

    def __init__(self, service: Notifier) -> None:
        self._service = service
        self._encoder = Encoder()

    async def Feed(
        self, request_iterator: AsyncIterator[pb.FeedRequest], context: Context
    ) -> AsyncIterator[pb.FeedResponse]:
        feed = cast("AsyncGenerator[FeedMessage, None]", self._service.feed(_commands(request_iterator)))
        async with aclosing(feed) as messages:
            async for message in messages:
                yield self._encoder.response(message)

    async def Wake(self, request: pb.WakeRequest, context: Context) -> pb.WakeResponse:
        await self._service.wake(list(request.intent_ids))
        return pb.WakeResponse()


async def _commands(requests: AsyncIterator[pb.FeedRequest]) -> AsyncIterator[FeedCommand]:
    async for request in requests:
        yield command_from_proto(request)
