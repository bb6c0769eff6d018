"""Violations, and how a verdict came about."""

from typing import Final

from intents.v1 import types_pb2 as pb
from services.common.domain.explanation import Explanation, Kind, RuleOutcome, RuleStatus, SignedContent
from services.common.errors import Reason, Violation

_KINDS: Final = {Kind.PROTOCOL: pb.RULE_KIND_PROTOCOL, Kind.POLICY: pb.RULE_KIND_POLICY}
_KIND_OF: Final = {number: kind for kind, number in _KINDS.items()}
_STATUSES: Final = {
    RuleStatus.PASSED: pb.RULE_STATUS_PASSED,
    RuleStatus.FAILED: pb.RULE_STATUS_FAILED,
    RuleStatus.NOT_REACHED: pb.RULE_STATUS_NOT_REACHED,
    RuleStatus.UNAVAILABLE: pb.RULE_STATUS_UNAVAILABLE,
}
_STATUS_OF: Final = {number: status for status, number in _STATUSES.items()}


def violation_to_proto(violation: Violation) -> pb.Violation:
    return pb.Violation(field=violation.field, reason=violation.reason, message=violation.message)


def violation_from_proto(message: pb.Violation) -> Violation:
    reason = Reason(message.reason) if message.reason in Reason.__members__ else Reason.INTERNAL
    return Violation(field=message.field, reason=reason, message=message.message)


def explanation_to_proto(explanation: Explanation) -> pb.Explanation:
    signed = explanation.signed
    return pb.Explanation(
        rules=map(_outcome_to_proto, explanation.rules),
        signed=None
        if signed is None
        else pb.SignedContent(
            text=signed.text, text_bytes=signed.text_bytes, data=signed.data, data_bytes=signed.data_bytes
        ),
    )


def explanation_from_proto(message: pb.Explanation) -> Explanation:
    signed = message.signed
    return Explanation(
        rules=tuple(map(_outcome_from_proto, message.rules)),
        signed=SignedContent(
            text=signed.text, text_bytes=signed.text_bytes, data=signed.data, data_bytes=signed.data_bytes
        )
        if message.HasField("signed")
        else None,
    )


def _outcome_to_proto(one: RuleOutcome) -> pb.RuleOutcome:
    return pb.RuleOutcome(
        rule=one.rule,
        stage=one.stage,
        kind=_KINDS[one.kind],
        status=_STATUSES[one.status],
        seen=one.seen,
        asks=one.asks,
        mend=one.mend,
        violations=map(violation_to_proto, one.violations),
    )


def _outcome_from_proto(message: pb.RuleOutcome) -> RuleOutcome:
    """What a later version may add to the enums is taken as what decides nothing: ours, and not reached."""
    return RuleOutcome(
        rule=message.rule,
        stage=message.stage,
        kind=_KIND_OF.get(message.kind, Kind.POLICY),
        status=_STATUS_OF.get(message.status, RuleStatus.NOT_REACHED),
        seen=message.seen,
        asks=message.asks,
        mend=message.mend,
        violations=tuple(map(violation_from_proto, message.violations)),
    )
