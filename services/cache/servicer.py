"""The RPCs: decode, call, encode."""

from typing import Any

import grpc

from intents.cache.v1 import cache_service_pb2 as pb
from intents.cache.v1 import cache_service_pb2_grpc as rpc
from services.cache import convert
from services.common.clock import Clock, now_ms
from services.common.ports import Cache

Context = grpc.aio.ServicerContext[Any, Any]


class CacheServicer(rpc.CacheServiceServicer):
    """intents.cache.v1.CacheService."""

    def __init__(self, service: Cache, clock: Clock) -> None:
        self._service = service
        self._clock = clock

    async def GetStatuses(self, request: pb.GetStatusesRequest, context: Context) -> pb.GetStatusesResponse:
        asked = convert.queries(request)
        answers = await self._service.get_statuses(asked)
        return convert.statuses_to_proto(asked, answers, now_ms(self._clock))

    async def PutStatuses(self, request: pb.PutStatusesRequest, context: Context) -> pb.PutStatusesResponse:
        await self._service.put_statuses(convert.statuses(request))
        return pb.PutStatusesResponse()

    async def InvalidateStatuses(
        self, request: pb.InvalidateStatusesRequest, context: Context
    ) -> pb.InvalidateStatusesResponse:
        await self._service.invalidate(list(request.intent_ids))
        return pb.InvalidateStatusesResponse()

    async def GetChainViews(
        self, request: pb.GetChainViewsRequest, context: Context
    ) -> pb.GetChainViewsResponse:
        return convert.views_to_proto(await self._service.views(convert.views(request)))
