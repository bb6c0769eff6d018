"""intents.v1.IntentService: decode, call, encode. Every method begins with who calls."""

from collections.abc import AsyncIterator, Sequence
from contextlib import aclosing
from typing import Any, cast

import grpc

from intents.v1 import intent_service_pb2 as pb
from intents.v1.intent_service_pb2_grpc import IntentServiceServicer
from services.common.clock import Clock
from services.common.convert.intents import filter_from_proto, intent_to_proto, receipt_to_proto
from services.common.convert.statistics import moment_of, period_from_proto
from services.edge import convert
from services.edge.auth import Authenticator
from services.edge.limits.address import Network, client_address, grpc_peer
from services.edge.model import Caller
from services.edge.service import Edge
from services.edge.watch.stream import watch

Context = grpc.aio.ServicerContext[Any, Any]


class EdgeServicer(IntentServiceServicer):
    """Satisfies the generated servicer; errors are mapped by the server's guard."""

    def __init__(
        self, edge: Edge, authenticator: Authenticator, clock: Clock, *, trusted: Sequence[Network] = ()
    ) -> None:
        self._edge = edge
        self._authenticator = authenticator
        self._clock = clock
        self._trusted = trusted

    def _caller(self, context: Context) -> Caller:
        """Raises UNAUTHENTICATED."""
        authorization, forwarded = None, []
        for key, value in context.invocation_metadata() or ():
            if key == "authorization":
                authorization = str(value)
            elif key == "x-forwarded-for":
                forwarded.append(str(value))
        return self._authenticator.caller(
            authorization, client_address(grpc_peer(context.peer()), forwarded, self._trusted)
        )

    async def SubmitIntent(
        self, request: pb.SubmitIntentRequest, context: Context
    ) -> pb.SubmitIntentResponse:
        caller = self._caller(context)
        await self._edge.admit(caller)
        submission = convert.submission(request.submission, self._edge.limits.max_body_bytes)
        receipt = await self._edge.submit(caller, submission)
        return pb.SubmitIntentResponse(receipt=receipt_to_proto(receipt))

    async def SubmitIntents(
        self, request: pb.SubmitIntentsRequest, context: Context
    ) -> pb.SubmitIntentsResponse:
        caller = self._caller(context)
        self._edge.check_batch(request.submissions, "submissions")
        await self._edge.admit(caller, len(request.submissions))
        items = convert.submissions(request.submissions, self._edge.limits.max_body_bytes)
        outcomes = await self._edge.submit_many(caller, items)
        return pb.SubmitIntentsResponse(outcomes=[convert.submit_outcome(outcome) for outcome in outcomes])

    async def ValidateIntent(
        self, request: pb.ValidateIntentRequest, context: Context
    ) -> pb.ValidateIntentResponse:
        caller = self._caller(context)
        submission = convert.submission(request.submission, self._edge.limits.max_body_bytes)
        verdict = await self._edge.validate(caller, submission, full=request.full, explain=request.explain)
        return convert.verdict(verdict)

    async def GetIntent(self, request: pb.GetIntentRequest, context: Context) -> pb.GetIntentResponse:
        record = await self._edge.get(self._caller(context), request.intent_id)
        return pb.GetIntentResponse(intent=intent_to_proto(record))

    async def BatchGetIntents(
        self, request: pb.BatchGetIntentsRequest, context: Context
    ) -> pb.BatchGetIntentsResponse:
        outcomes = await self._edge.batch_get(self._caller(context), request.intent_ids)
        return pb.BatchGetIntentsResponse(outcomes=[convert.get_outcome(outcome) for outcome in outcomes])

    async def GetIntentStatus(
        self, request: pb.GetIntentStatusRequest, context: Context
    ) -> pb.GetIntentStatusResponse:
        answer = await self._edge.status(
            self._caller(context),
            request.intent_id,
            min_version=request.min_version,
            max_age=convert.max_age(request),
            allow_stale=request.allow_stale,
        )
        return convert.status(answer, self._edge.now_ms())

    async def ListIntents(self, request: pb.ListIntentsRequest, context: Context) -> pb.ListIntentsResponse:
        page = await self._edge.list(
            self._caller(context),
            user_id=request.user_account,
            status=filter_from_proto(request.status),
            action=request.action,
            token=request.token,
            solver_id=request.solver_id,
            transaction_hash=request.transaction_hash,
            created_since=moment_of(request, "created_since"),
            created_until=moment_of(request, "created_until"),
            size=request.page_size,
            page_token=request.page_token,
        )
        return convert.page(page)

    async def CancelIntent(
        self, request: pb.CancelIntentRequest, context: Context
    ) -> pb.CancelIntentResponse:
        record = await self._edge.cancel(self._caller(context), request.intent_id, request.request_id)
        return pb.CancelIntentResponse(intent=intent_to_proto(record))

    async def WatchIntents(
        self, request: pb.WatchIntentsRequest, context: Context
    ) -> AsyncIterator[pb.WatchIntentsResponse]:
        caller = self._caller(context)
        messages = watch(self._edge.hub, caller, request.intent_ids, request.cursor, kind="grpc")
        async with aclosing(cast(Any, messages)):
            async for message in messages:
                yield convert.told(message, self._clock)

    async def GetStatistics(
        self, request: pb.GetStatisticsRequest, context: Context
    ) -> pb.GetStatisticsResponse:
        found = await self._edge.statistics(
            self._caller(context),
            request.user_account,
            period=period_from_proto(request.period),
            since=moment_of(request, "since"),
            until=moment_of(request, "until"),
        )
        return convert.statistics(found)

    async def GetInfo(self, request: pb.GetInfoRequest, context: Context) -> pb.GetInfoResponse:
        return convert.info(await self._edge.info(self._caller(context)))
