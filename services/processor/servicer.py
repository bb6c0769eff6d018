"""The RPCs: what operators ask."""

from typing import Any

import grpc

from intents.processor.v1 import processor_service_pb2 as pb
from intents.processor.v1 import processor_service_pb2_grpc as rpc
from services.common.errors import not_implemented
from services.processor.convert import stuck_to_proto
from services.processor.worker import Worker

Context = grpc.aio.ServicerContext[Any, Any]


class ProcessorServicer(rpc.ProcessorServiceServicer):
    """intents.processor.v1.ProcessorService."""

    def __init__(self, worker: Worker) -> None:
        self._worker = worker

    async def GetWork(self, request: pb.GetWorkRequest, context: Context) -> pb.GetWorkResponse:
        worker = self._worker
        return pb.GetWorkResponse(
            owner=worker.owner,
            claimed=worker.claimed,
            signer_id=worker.signer.account_id,
            public_key=worker.signer.public_key,
        )

    async def ListStuckIntents(
        self, request: pb.ListStuckIntentsRequest, context: Context
    ) -> pb.ListStuckIntentsResponse:
        page = await self._worker.store.overdue(page_size=request.page_size, page_token=request.page_token)
        return stuck_to_proto(page)

    async def RetryIntents(
        self, request: pb.RetryIntentsRequest, context: Context
    ) -> pb.RetryIntentsResponse:
        raise not_implemented("RetryIntents")
