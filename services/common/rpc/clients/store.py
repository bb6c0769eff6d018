"""Store over gRPC."""

from collections.abc import AsyncIterator, Sequence

import grpc

from intents.store.v1 import store_service_pb2 as pb
from intents.store.v1.store_service_pb2_grpc import StoreServiceStub
from services.common.convert.intents import (
    events_from_proto,
    new_to_proto,
    record_from_proto,
    status_to_proto,
)
from services.common.convert.keys import (
    key_answer_from_proto,
    key_ref_to_proto,
    nonce_request_to_proto,
    nonces_from_proto,
    pool_key_to_proto,
)
from services.common.convert.places import place_answer_from_proto, place_to_proto
from services.common.convert.settling import audited_from_proto, settled_from_proto, settlement_to_proto
from services.common.convert.statistics import query_to_proto, statistics_from_proto
from services.common.convert.times import timestamp
from services.common.convert.writes import (
    created_from_proto,
    key_to_proto,
    lease_to_proto,
    overdue_from_proto,
    transition_to_proto,
    tx_record_to_proto,
    write_from_proto,
)
from services.common.domain.intent import IntentRecord, NewIntent
from services.common.domain.keys import KeyAnswer, KeyRef, NonceRequest, Nonces, PoolKey
from services.common.domain.outcomes import (
    Accepted,
    EventPage,
    IntentKey,
    IntentPage,
    LeaseRef,
    ListQuery,
    OverduePage,
    TransactionRecord,
    Transition,
    WriteOutcome,
)
from services.common.domain.places import Place, PlaceAnswer
from services.common.domain.settling import Audited, Settlement
from services.common.domain.statistics import Statistics, StatisticsQuery
from services.common.errors import IntentError
from services.common.rpc.call import call, stream


class GrpcStore:
    """Satisfies `common.ports.Store`."""

    def __init__(self, channel: grpc.aio.Channel) -> None:
        self._stub = StoreServiceStub(channel)

    async def create(self, intents: Sequence[NewIntent]) -> Sequence[Accepted | IntentError]:
        request = pb.CreateIntentsRequest(intents=[new_to_proto(new) for new in intents])
        response = await call(self._stub.CreateIntents, request)
        return [created_from_proto(outcome) for outcome in response.outcomes]

    async def get(self, keys: Sequence[IntentKey]) -> Sequence[IntentRecord | None]:
        response = await call(
            self._stub.GetIntents, pb.GetIntentsRequest(keys=[key_to_proto(key) for key in keys])
        )
        return [
            record_from_proto(answer.record) if answer.HasField("record") else None
            for answer in response.answers
        ]

    async def list(self, query: ListQuery) -> IntentPage:
        request = pb.ListIntentsRequest(
            principal=query.principal,
            user_id=query.user_id,
            action=query.action,
            page_size=query.page_size,
            page_token=query.page_token,
            token=query.token,
            solver_id=query.solver_id,
            transaction_hash=query.transaction_hash,
            created_since=None if query.created_since is None else timestamp(query.created_since),
            created_until=None if query.created_until is None else timestamp(query.created_until),
        )
        if query.status is not None:
            request.status = status_to_proto(query.status)
        response = await call(self._stub.ListIntents, request)
        return IntentPage(
            records=tuple(record_from_proto(record) for record in response.records),
            next_page_token=response.next_page_token,
        )

    async def statistics(self, query: StatisticsQuery) -> Statistics:
        return statistics_from_proto(await call(self._stub.GetStatistics, query_to_proto(query)))

    async def overdue(self, *, page_size: int = 50, page_token: str = "") -> OverduePage:
        request = pb.ListOverdueRequest(page_size=page_size, page_token=page_token)
        return overdue_from_proto(await call(self._stub.ListOverdue, request))

    async def transition(self, moves: Sequence[Transition]) -> Sequence[WriteOutcome]:
        request = pb.TransitionIntentsRequest(transitions=[transition_to_proto(move) for move in moves])
        response = await call(self._stub.TransitionIntents, request)
        return [write_from_proto(outcome) for outcome in response.outcomes]

    async def record_transactions(self, records: Sequence[TransactionRecord]) -> Sequence[WriteOutcome]:
        request = pb.RecordTransactionsRequest(records=[tx_record_to_proto(record) for record in records])
        response = await call(self._stub.RecordTransactions, request)
        return [write_from_proto(outcome) for outcome in response.outcomes]

    async def claim(
        self, owner: str, *, limit: int, lease_ms: int, reclaim: bool = False
    ) -> Sequence[IntentRecord]:
        request = pb.ClaimIntentsRequest(owner=owner, limit=limit, lease_ms=lease_ms, reclaim=reclaim)
        response = await call(self._stub.ClaimIntents, request)
        return [record_from_proto(record) for record in response.records]

    async def renew(self, leases: Sequence[LeaseRef], *, lease_ms: int) -> Sequence[bool]:
        request = pb.RenewLeasesRequest(leases=[lease_to_proto(lease) for lease in leases], lease_ms=lease_ms)
        return list((await call(self._stub.RenewLeases, request)).held)

    async def release(self, leases: Sequence[LeaseRef]) -> Sequence[bool]:
        request = pb.ReleaseIntentsRequest(leases=[lease_to_proto(lease) for lease in leases])
        return list((await call(self._stub.ReleaseIntents, request)).held)

    async def hand_over(self, leases: Sequence[LeaseRef], *, to_owner: str, lease_ms: int) -> Sequence[bool]:
        request = pb.HandOverIntentsRequest(
            leases=[lease_to_proto(lease) for lease in leases], to_owner=to_owner, lease_ms=lease_ms
        )
        return list((await call(self._stub.HandOverIntents, request)).held)

    async def settle(self, asked: Sequence[Settlement]) -> Sequence[Audited | IntentError]:
        request = pb.SettleIntentsRequest(settlements=[settlement_to_proto(one) for one in asked])
        response = await call(self._stub.SettleIntents, request)
        return [settled_from_proto(outcome) for outcome in response.outcomes]

    async def settlements(self, intent_ids: Sequence[str]) -> Sequence[Audited | None]:
        request = pb.ListSettlementsRequest(intent_ids=intent_ids)
        response = await call(self._stub.ListSettlements, request)
        return [
            audited_from_proto(answer.audited) if answer.HasField("audited") else None
            for answer in response.answers
        ]

    async def lease_key(
        self, keys: Sequence[PoolKey], *, holder: str, session: str, lease_ms: int, reclaim: bool = False
    ) -> KeyAnswer:
        request = pb.LeaseKeyRequest(
            keys=[pool_key_to_proto(key) for key in keys],
            holder=holder,
            session=session,
            lease_ms=lease_ms,
            reclaim=reclaim,
        )
        return key_answer_from_proto(await call(self._stub.LeaseKey, request))

    async def renew_keys(self, held: Sequence[KeyRef], *, lease_ms: int) -> Sequence[bool]:
        request = pb.RenewKeysRequest(keys=[key_ref_to_proto(ref) for ref in held], lease_ms=lease_ms)
        return list((await call(self._stub.RenewKeys, request)).held)

    async def release_keys(self, held: Sequence[KeyRef]) -> Sequence[bool]:
        request = pb.ReleaseKeysRequest(keys=[key_ref_to_proto(ref) for ref in held])
        return list((await call(self._stub.ReleaseKeys, request)).held)

    async def reserve_nonces(self, asked: Sequence[NonceRequest]) -> Sequence[Nonces | None]:
        request = pb.ReserveNoncesRequest(requests=[nonce_request_to_proto(one) for one in asked])
        response = await call(self._stub.ReserveNonces, request)
        return [nonces_from_proto(one) for one in response.ranges]

    async def keep_place(
        self, name: str, *, holder: str, session: str, lease_ms: int, place: Place | None = None
    ) -> PlaceAnswer:
        request = pb.KeepPlaceRequest(
            name=name, holder=holder, session=session, lease_ms=lease_ms, place=place_to_proto(place)
        )
        return place_answer_from_proto(await call(self._stub.KeepPlace, request))

    async def list_events(self, cursor: str = "", *, limit: int = 500, tail: bool = False) -> EventPage:
        request = pb.ListEventsRequest(cursor=cursor, limit=limit, tail=tail)
        response = await call(self._stub.ListEvents, request)
        return EventPage(
            events=events_from_proto(response.events), cursor=response.cursor, at_end=response.at_end
        )

    async def watch_events(self, cursor: str = "", *, tail: bool = False) -> AsyncIterator[EventPage]:
        async with stream(self._stub.WatchEvents, pb.WatchEventsRequest(cursor=cursor, tail=tail)) as opened:
            async for page in opened:
                yield EventPage(events=events_from_proto(page.events), cursor=page.cursor)
