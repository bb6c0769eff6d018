"""proto <-> domain, for what only the store is asked; the rest is in services.common.convert."""

from collections.abc import Iterable

from intents.store.v1 import store_service_pb2 as pb
from services.common.convert.intents import event_to_proto, filter_from_proto, record_to_proto
from services.common.convert.statistics import moment_of
from services.common.domain.intent import IntentRecord
from services.common.domain.outcomes import EventPage, IntentPage, ListQuery


def query_from_proto(request: pb.ListIntentsRequest) -> ListQuery:
    return ListQuery(
        principal=request.principal,
        user_id=request.user_id,
        status=filter_from_proto(request.status),
        action=request.action,
        page_size=request.page_size,
        page_token=request.page_token,
        token=request.token,
        solver_id=request.solver_id,
        transaction_hash=request.transaction_hash,
        created_since=moment_of(request, "created_since"),
        created_until=moment_of(request, "created_until"),
    )


def page_to_proto(page: IntentPage) -> pb.ListIntentsResponse:
    return pb.ListIntentsResponse(
        records=[record_to_proto(record) for record in page.records], next_page_token=page.next_page_token
    )


def answers_to_proto(records: Iterable[IntentRecord | None]) -> pb.GetIntentsResponse:
    return pb.GetIntentsResponse(
        answers=[
            pb.GetIntentsAnswer(record=None if record is None else record_to_proto(record))
            for record in records
        ]
    )


def events_to_proto(page: EventPage) -> pb.ListEventsResponse:
    return pb.ListEventsResponse(
        events=[event_to_proto(event) for event in page.events], cursor=page.cursor, at_end=page.at_end
    )


def watched_to_proto(page: EventPage) -> pb.WatchEventsResponse:
    return pb.WatchEventsResponse(events=[event_to_proto(event) for event in page.events], cursor=page.cursor)
