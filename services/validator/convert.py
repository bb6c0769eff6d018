"""proto <-> domain of what only the validator speaks."""

from collections.abc import Sequence

from intents.validator.v1 import validator_service_pb2 as pb
from services.common.convert.answers import verdict_to_proto
from services.common.convert.intents import submission_from_proto
from services.common.convert.tokens import token_to_proto
from services.common.domain.outcomes import Rules, Verdict
from services.common.errors import IntentError
from services.validator.service import Item


def items_from_proto(request: pb.ValidateIntentsRequest) -> list[Item]:
    """One that has no domain form is refused alone, by the verdict in its place."""
    return [_item(item) for item in request.items]


def _item(item: pb.ValidateIntentsItem) -> Item:
    try:
        return submission_from_proto(item.submission), item.stored
    except IntentError as error:
        return Verdict(valid=False, failed_stage="structure", violations=tuple(error.violations))


def verdicts_to_proto(verdicts: Sequence[Verdict]) -> pb.ValidateIntentsResponse:
    return pb.ValidateIntentsResponse(verdicts=map(verdict_to_proto, verdicts))


def rules_to_proto(rules: Rules) -> pb.GetRulesResponse:
    return pb.GetRulesResponse(
        network=rules.network,
        verifying_contract=rules.verifying_contract,
        standards=rules.standards,
        actions=rules.actions,
        tokens=map(token_to_proto, rules.tokens),
        signature_required=rules.signature_required,
        max_lifetime_ms=round(rules.max_lifetime.total_seconds() * 1000),
        min_lifetime_ms=round(rules.min_lifetime.total_seconds() * 1000),
        unknown_tokens=rules.unknown_tokens,
        registry=rules.registry,
    )
