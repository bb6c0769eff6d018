"""Requests and responses of the cache's RPCs; their items are converted in `common.convert`."""

from collections.abc import Sequence

from intents.cache.v1 import cache_service_pb2 as pb
from services.common.convert.answers import (
    answer_to_proto,
    cached_from_proto,
    query_from_proto,
    view_answer_to_proto,
    view_from_proto,
)
from services.common.domain.outcomes import CachedStatus, StatusAnswer, StatusQuery
from services.common.domain.views import ChainView, ViewAnswer
from services.common.errors import IntentError


def queries(request: pb.GetStatusesRequest) -> list[StatusQuery]:
    return [query_from_proto(query) for query in request.queries]


def statuses_to_proto(
    asked: Sequence[StatusQuery], answers: Sequence[StatusAnswer | IntentError | None], now_ms: int
) -> pb.GetStatusesResponse:
    return pb.GetStatusesResponse(
        answers=[
            answer_to_proto(query.intent_id, answer, now_ms)
            for query, answer in zip(asked, answers, strict=True)
        ]
    )


def statuses(request: pb.PutStatusesRequest) -> list[CachedStatus]:
    """Raises INVALID_FIELD for an unknown status."""
    return [cached_from_proto(status) for status in request.statuses]


def views(request: pb.GetChainViewsRequest) -> list[ChainView]:
    """Raises INVALID_FIELD for an item without a view."""
    return [view_from_proto(view) for view in request.views]


def views_to_proto(answers: Sequence[ViewAnswer | IntentError]) -> pb.GetChainViewsResponse:
    return pb.GetChainViewsResponse(answers=[view_answer_to_proto(answer) for answer in answers])
