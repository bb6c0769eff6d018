"""Validator over gRPC."""

from collections.abc import Sequence
from datetime import timedelta

import grpc

from intents.validator.v1 import validator_service_pb2 as pb
from intents.validator.v1.validator_service_pb2_grpc import ValidatorServiceStub
from services.common.convert.answers import verdict_from_proto
from services.common.convert.intents import submission_to_proto
from services.common.convert.tokens import token_from_proto
from services.common.domain.intent import Submission
from services.common.domain.outcomes import Rules, Verdict
from services.common.rpc.call import call


class GrpcValidator:
    """Satisfies `common.ports.Validator`."""

    def __init__(self, channel: grpc.aio.Channel) -> None:
        self._stub = ValidatorServiceStub(channel)

    async def validate(
        self,
        submissions: Sequence[Submission],
        *,
        stored: bool = False,
        full: bool = False,
        explain: bool = False,
    ) -> Sequence[Verdict]:
        items = [
            pb.ValidateIntentsItem(submission=submission_to_proto(submission), stored=stored)
            for submission in submissions
        ]
        response = await call(
            self._stub.ValidateIntents, pb.ValidateIntentsRequest(items=items, full=full, explain=explain)
        )
        return [verdict_from_proto(verdict) for verdict in response.verdicts]

    async def rules(self) -> Rules:
        found = await call(self._stub.GetRules, pb.GetRulesRequest())
        return Rules(
            network=found.network,
            verifying_contract=found.verifying_contract,
            standards=tuple(found.standards),
            actions=tuple(found.actions),
            tokens=tuple(map(token_from_proto, found.tokens)),
            signature_required=found.signature_required,
            max_lifetime=timedelta(milliseconds=found.max_lifetime_ms),
            min_lifetime=timedelta(milliseconds=found.min_lifetime_ms),
            unknown_tokens=tuple(found.unknown_tokens),
            registry=found.registry,
        )
