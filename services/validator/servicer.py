"""The RPCs: decode, call, encode."""

from typing import Any

import grpc

from intents.validator.v1 import validator_service_pb2 as pb
from intents.validator.v1 import validator_service_pb2_grpc as rpc
from services.validator import convert
from services.validator.service import Validator

Context = grpc.aio.ServicerContext[Any, Any]


class ValidatorServicer(rpc.ValidatorServiceServicer):
    """intents.validator.v1.ValidatorService."""

    def __init__(self, service: Validator) -> None:
        self._service = service

    async def ValidateIntents(
        self, request: pb.ValidateIntentsRequest, context: Context
    ) -> pb.ValidateIntentsResponse:
        verdicts = await self._service.judge(
            convert.items_from_proto(request), full=request.full, explain=request.explain
        )
        return convert.verdicts_to_proto(verdicts)

    async def GetRules(self, request: pb.GetRulesRequest, context: Context) -> pb.GetRulesResponse:
        return convert.rules_to_proto(await self._service.rules())
