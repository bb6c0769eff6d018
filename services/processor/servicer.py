"""The RPCs: what operators ask."""

from typing import Any

import grpc

from intents.processor.v1 import processor_service_pb2 as pb
from intents.processor.v1 import processor_service_pb2_grpc as rpc
from services.processor import convert
from services.processor.operating import Operator
from services.processor.worker import Worker

Context = grpc.aio.ServicerContext[Any, Any]


class ProcessorServicer(rpc.ProcessorServiceServicer):
    """intents.processor.v1.ProcessorService."""

    def __init__(self, worker: Worker, operator: Operator) -> None:
        self._worker = worker
        self._operator = operator

    async def GetWork(self, request: pb.GetWorkRequest, context: Context) -> pb.GetWorkResponse:
        worker, held = self._worker, self._worker.keys.held
        return pb.GetWorkResponse(
            owner=worker.owner,
            claimed=worker.claimed,
            signer_id="" if held is None else held.signer.account_id,
            public_key="" if held is None else held.signer.public_key,
            key_fence=0 if held is None else held.ref.fence,
            standing_by=held is None,
        )

    async def ListStuckIntents(
        self, request: pb.ListStuckIntentsRequest, context: Context
    ) -> pb.ListStuckIntentsResponse:
        reports, token = await self._operator.page(page_size=request.page_size, page_token=request.page_token)
        return pb.ListStuckIntentsResponse(
            intents=[convert.stuck_to_proto(one) for one in reports], next_page_token=token
        )

    async def DiagnoseIntents(
        self, request: pb.DiagnoseIntentsRequest, context: Context
    ) -> pb.DiagnoseIntentsResponse:
        reports = await self._operator.look(request.intent_ids)
        return pb.DiagnoseIntentsResponse(answers=[convert.report_to_proto(one) for one in reports])

    async def RetryIntents(
        self, request: pb.RetryIntentsRequest, context: Context
    ) -> pb.RetryIntentsResponse:
        acted = await self._operator.retry(request.intent_ids, by=request.by, reason=request.reason)
        return pb.RetryIntentsResponse(
            scheduled=[one.done for one in acted], acted=[convert.acted_to_proto(one) for one in acted]
        )

    async def ResolveIntents(
        self, request: pb.ResolveIntentsRequest, context: Context
    ) -> pb.ResolveIntentsResponse:
        acted = await self._operator.resolve(request.intent_ids, by=request.by, reason=request.reason)
        return pb.ResolveIntentsResponse(acted=[convert.acted_to_proto(one) for one in acted])

    async def FailIntents(self, request: pb.FailIntentsRequest, context: Context) -> pb.FailIntentsResponse:
        acted = await self._operator.fail(request.intent_ids, by=request.by, reason=request.reason)
        return pb.FailIntentsResponse(acted=[convert.acted_to_proto(one) for one in acted])
