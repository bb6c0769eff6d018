"""proto <-> domain, for what only the processor is asked."""

from intents.processor.v1 import processor_service_pb2 as pb
from services.common.convert.intents import intent_to_proto
from services.common.convert.times import timestamp
from services.processor.operating import Acted, Report


def stuck_to_proto(report: Report) -> pb.StuckIntent:
    sight, diagnosis = report.sight, report.diagnosis
    return pb.StuckIntent(
        intent=intent_to_proto(sight.record),
        evidence=diagnosis.evidence,
        cause="" if sight.cause is None else sight.cause.value,
        since=None if sight.since is None else timestamp(sight.since),
        finding=diagnosis.finding.value,
        why=diagnosis.why,
    )


def report_to_proto(report: Report | None) -> pb.Diagnosis:
    if report is None:
        return pb.Diagnosis()
    answer = report.answer
    return pb.Diagnosis(
        stuck=stuck_to_proto(report),
        audit=[
            pb.AuditEntry(
                at=timestamp(one.at), by=one.by, act=one.act, reason=one.reason, evidence=one.evidence
            )
            for one in report.entries
        ],
        may_not_fail=report.may_not_fail,
        error="" if answer is None else answer.error,
        details="" if answer is None else answer.details or "",
    )


def acted_to_proto(acted: Acted) -> pb.ActedIntent:
    return pb.ActedIntent(
        intent_id=acted.intent_id,
        done=acted.done,
        what=acted.what,
        reason=acted.reason,
        now=None if acted.now is None else report_to_proto(acted.now),
    )
