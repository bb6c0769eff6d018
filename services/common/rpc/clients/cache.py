"""Cache over gRPC."""

from collections.abc import Sequence

import grpc

from intents.cache.v1 import cache_service_pb2 as pb
from intents.cache.v1.cache_service_pb2_grpc import CacheServiceStub
from services.common.clock import Clock, now_ms
from services.common.convert.answers import (
    answer_from_proto,
    cached_to_proto,
    query_to_proto,
    view_answer_from_proto,
    view_to_proto,
)
from services.common.domain.outcomes import CachedStatus, StatusAnswer, StatusQuery
from services.common.domain.views import ChainView, ViewAnswer
from services.common.errors import IntentError
from services.common.rpc.call import call


class GrpcCache:
    """Satisfies `common.ports.Cache`."""

    def __init__(self, channel: grpc.aio.Channel, clock: Clock) -> None:
        self._stub = CacheServiceStub(channel)
        self._clock = clock

    async def get_statuses(
        self, queries: Sequence[StatusQuery]
    ) -> Sequence[StatusAnswer | IntentError | None]:
        request = pb.GetStatusesRequest(queries=[query_to_proto(query) for query in queries])
        response = await call(self._stub.GetStatuses, request)
        arrived = now_ms(self._clock)
        return [answer_from_proto(answer, arrived) for answer in response.answers]

    async def put_statuses(self, statuses: Sequence[CachedStatus]) -> None:
        request = pb.PutStatusesRequest(statuses=[cached_to_proto(status) for status in statuses])
        await call(self._stub.PutStatuses, request)

    async def invalidate(self, intent_ids: Sequence[str]) -> None:
        await call(self._stub.InvalidateStatuses, pb.InvalidateStatusesRequest(intent_ids=intent_ids))

    async def views(self, asked: Sequence[ChainView]) -> Sequence[ViewAnswer | IntentError]:
        request = pb.GetChainViewsRequest(views=[view_to_proto(view) for view in asked])
        response = await call(self._stub.GetChainViews, request)
        return [view_answer_from_proto(answer) for answer in response.answers]
