"""Notifier over gRPC."""

from collections.abc import AsyncIterator, Sequence

import grpc

from intents.notifier.v1 import notifier_service_pb2 as pb
from intents.notifier.v1.notifier_service_pb2_grpc import NotifierServiceStub
from services.common.convert.answers import command_to_proto, feed_from_proto
from services.common.domain.feed import FeedCommand, FeedMessage
from services.common.rpc.call import call, stream


class GrpcNotifier:
    """Satisfies `common.ports.Notifier`."""

    def __init__(self, channel: grpc.aio.Channel) -> None:
        self._stub = NotifierServiceStub(channel)

    async def feed(self, commands: AsyncIterator[FeedCommand]) -> AsyncIterator[FeedMessage]:
        async def requests() -> AsyncIterator[pb.FeedRequest]:
            async for command in commands:
                yield command_to_proto(command)

        async with stream(self._stub.Feed, requests()) as opened:
            async for message in opened:
                yield feed_from_proto(message)

    async def wake(self, intent_ids: Sequence[str]) -> None:
        await call(self._stub.Wake, pb.WakeRequest(intent_ids=intent_ids))
