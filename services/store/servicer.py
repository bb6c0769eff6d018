"""The RPCs: decode, call, encode."""

from collections.abc import AsyncIterator
from typing import Any

import grpc

from intents.store.v1 import store_service_pb2 as pb
from intents.store.v1 import store_service_pb2_grpc as rpc
from services.common.convert.intents import new_from_proto, record_to_proto
from services.common.convert.keys import (
    key_answer_to_proto,
    key_ref_from_proto,
    nonce_request_from_proto,
    nonces_to_proto,
    pool_key_from_proto,
)
from services.common.convert.places import place_answer_to_proto, place_from_proto
from services.common.convert.settling import audited_to_proto, settled_to_proto, settlement_from_proto
from services.common.convert.statistics import query_from_proto, statistics_to_proto
from services.common.convert.writes import (
    created_to_proto,
    key_from_proto,
    lease_from_proto,
    overdue_to_proto,
    transition_from_proto,
    tx_record_from_proto,
    write_to_proto,
)
from services.store import convert
from services.store.log import DEFAULT_LIMIT
from services.store.service import Store

Context = grpc.aio.ServicerContext[Any, Any]


class StoreServicer(rpc.StoreServiceServicer):
    """intents.store.v1.StoreService."""

    def __init__(self, store: Store) -> None:
        self._store = store

    async def CreateIntents(
        self, request: pb.CreateIntentsRequest, context: Context
    ) -> pb.CreateIntentsResponse:
        outcomes = await self._store.create([new_from_proto(new) for new in request.intents])
        return pb.CreateIntentsResponse(outcomes=[created_to_proto(outcome) for outcome in outcomes])

    async def GetIntents(self, request: pb.GetIntentsRequest, context: Context) -> pb.GetIntentsResponse:
        return convert.answers_to_proto(await self._store.get([key_from_proto(key) for key in request.keys]))

    async def ListIntents(self, request: pb.ListIntentsRequest, context: Context) -> pb.ListIntentsResponse:
        return convert.page_to_proto(await self._store.list(convert.query_from_proto(request)))

    async def TransitionIntents(
        self, request: pb.TransitionIntentsRequest, context: Context
    ) -> pb.TransitionIntentsResponse:
        outcomes = await self._store.transition([transition_from_proto(move) for move in request.transitions])
        return pb.TransitionIntentsResponse(outcomes=[write_to_proto(outcome) for outcome in outcomes])

    async def RecordTransactions(
        self, request: pb.RecordTransactionsRequest, context: Context
    ) -> pb.RecordTransactionsResponse:
        outcomes = await self._store.record_transactions(
            [tx_record_from_proto(one) for one in request.records]
        )
        return pb.RecordTransactionsResponse(outcomes=[write_to_proto(outcome) for outcome in outcomes])

    async def ClaimIntents(
        self, request: pb.ClaimIntentsRequest, context: Context
    ) -> pb.ClaimIntentsResponse:
        records = await self._store.claim(
            request.owner, limit=request.limit, lease_ms=request.lease_ms, reclaim=request.reclaim
        )
        return pb.ClaimIntentsResponse(records=[record_to_proto(record) for record in records])

    async def RenewLeases(self, request: pb.RenewLeasesRequest, context: Context) -> pb.RenewLeasesResponse:
        leases = [lease_from_proto(lease) for lease in request.leases]
        return pb.RenewLeasesResponse(held=await self._store.renew(leases, lease_ms=request.lease_ms))

    async def ReleaseIntents(
        self, request: pb.ReleaseIntentsRequest, context: Context
    ) -> pb.ReleaseIntentsResponse:
        leases = [lease_from_proto(lease) for lease in request.leases]
        return pb.ReleaseIntentsResponse(held=await self._store.release(leases))

    async def HandOverIntents(
        self, request: pb.HandOverIntentsRequest, context: Context
    ) -> pb.HandOverIntentsResponse:
        leases = [lease_from_proto(lease) for lease in request.leases]
        held = await self._store.hand_over(leases, to_owner=request.to_owner, lease_ms=request.lease_ms)
        return pb.HandOverIntentsResponse(held=held)

    async def ListEvents(self, request: pb.ListEventsRequest, context: Context) -> pb.ListEventsResponse:
        page = await self._store.list_events(
            request.cursor, limit=request.limit or DEFAULT_LIMIT, tail=request.tail
        )
        return convert.events_to_proto(page)

    async def WatchEvents(
        self, request: pb.WatchEventsRequest, context: Context
    ) -> AsyncIterator[pb.WatchEventsResponse]:
        async for page in self._store.watch_events(request.cursor, tail=request.tail):
            yield convert.watched_to_proto(page)

    async def GetStatistics(
        self, request: pb.GetStatisticsRequest, context: Context
    ) -> pb.GetStatisticsResponse:
        return statistics_to_proto(await self._store.statistics(query_from_proto(request)))

    async def ListOverdue(self, request: pb.ListOverdueRequest, context: Context) -> pb.ListOverdueResponse:
        page = await self._store.overdue(page_size=request.page_size, page_token=request.page_token)
        return overdue_to_proto(page)

    async def SettleIntents(
        self, request: pb.SettleIntentsRequest, context: Context
    ) -> pb.SettleIntentsResponse:
        outcomes = await self._store.settle([settlement_from_proto(one) for one in request.settlements])
        return pb.SettleIntentsResponse(outcomes=[settled_to_proto(outcome) for outcome in outcomes])

    async def ListSettlements(
        self, request: pb.ListSettlementsRequest, context: Context
    ) -> pb.ListSettlementsResponse:
        found = await self._store.settlements(request.intent_ids)
        return pb.ListSettlementsResponse(
            answers=[
                pb.ListedSettlements(audited=None if one is None else audited_to_proto(one)) for one in found
            ]
        )

    async def LeaseKey(self, request: pb.LeaseKeyRequest, context: Context) -> pb.LeaseKeyResponse:
        answer = await self._store.lease_key(
            [pool_key_from_proto(key) for key in request.keys],
            holder=request.holder,
            session=request.session,
            lease_ms=request.lease_ms,
            reclaim=request.reclaim,
        )
        return key_answer_to_proto(answer)

    async def RenewKeys(self, request: pb.RenewKeysRequest, context: Context) -> pb.RenewKeysResponse:
        held = [key_ref_from_proto(ref) for ref in request.keys]
        return pb.RenewKeysResponse(held=await self._store.renew_keys(held, lease_ms=request.lease_ms))

    async def ReleaseKeys(self, request: pb.ReleaseKeysRequest, context: Context) -> pb.ReleaseKeysResponse:
        held = [key_ref_from_proto(ref) for ref in request.keys]
        return pb.ReleaseKeysResponse(held=await self._store.release_keys(held))

    async def ReserveNonces(
        self, request: pb.ReserveNoncesRequest, context: Context
    ) -> pb.ReserveNoncesResponse:
        asked = [nonce_request_from_proto(one) for one in request.requests]
        ranges = await self._store.reserve_nonces(asked)
        return pb.ReserveNoncesResponse(ranges=[nonces_to_proto(one) for one in ranges])

    async def KeepPlace(self, request: pb.KeepPlaceRequest, context: Context) -> pb.KeepPlaceResponse:
        answer = await self._store.keep_place(
            request.name,
            holder=request.holder,
            session=request.session,
            lease_ms=request.lease_ms,
            place=place_from_proto(request.place) if request.HasField("place") else None,
        )
        return place_answer_to_proto(answer)
