"""The RPCs: decode, call, encode."""

from collections.abc import AsyncIterator
from typing import Any

import grpc

from intents.notifier.v1 import notifier_service_pb2 as pb
from intents.notifier.v1 import notifier_service_pb2_grpc as rpc
from services.common.convert.answers import command_from_proto, feed_to_proto
from services.common.domain.feed import FeedCommand
from services.notifier.service import Notifier

Context = grpc.aio.ServicerContext[Any, Any]


class NotifierServicer(rpc.NotifierServiceServicer):
    """intents.notifier.v1.NotifierService."""

    def __init__(self, service: Notifier) -> None:
        self._service = service

    async def Feed(
        self, request_iterator: AsyncIterator[pb.FeedRequest], context: Context
    ) -> AsyncIterator[pb.FeedResponse]:
        async def commands() -> AsyncIterator[FeedCommand]:
            async for request in request_iterator:
                yield command_from_proto(request)

        async for message in self._service.feed(commands()):
            yield feed_to_proto(message)

    async def Wake(self, request: pb.WakeRequest, context: Context) -> pb.WakeResponse:
        await self._service.wake(list(request.intent_ids))
        return pb.WakeResponse()
