"""Public proto <-> domain; no rules but shape."""

from collections.abc import Sequence
from datetime import timedelta

from google.protobuf.duration_pb2 import Duration

from intents.v1 import intent_service_pb2 as pb
from intents.v1 import types_pb2 as types_pb
from services.common.clock import Clock
from services.common.convert.explanations import explanation_to_proto, violation_to_proto
from services.common.convert.intents import (
    event_to_proto,
    intent_to_proto,
    receipt_to_proto,
    status_to_proto,
    submission_from_proto,
)
from services.common.convert.statistics import counts_to_proto, period_to_proto, solvers_to_proto
from services.common.convert.times import duration
from services.common.convert.tokens import token_to_proto
from services.common.domain.intent import IntentEvent, IntentRecord, Receipt, Submission
from services.common.domain.outcomes import (
    IntentPage,
    StatusAnswer,
    Verdict,
)
from services.common.domain.statistics import Statistics
from services.common.errors import IntentError, Reason
from services.common.rpc.errors import to_status
from services.edge.model import invalid
from services.edge.service import Info
from services.edge.watch.stream import Told


def submission(message: pb.Submission, max_bytes: int) -> Submission:
    """Raises PAYLOAD_TOO_LARGE, INVALID_FIELD."""
    size = message.ByteSize()
    if size > max_bytes:
        raise IntentError(
            Reason.PAYLOAD_TOO_LARGE, f"The submission has {size} bytes; at most {max_bytes} are taken.",
            metadata={"max_bytes": str(max_bytes)},
        )  # fmt: skip
    return submission_from_proto(message)


def submissions(messages: Sequence[pb.Submission], max_bytes: int) -> list[Submission | IntentError]:
    """What cannot be read has its error in its place."""
    found: list[Submission | IntentError] = []
    for message in messages:
        try:
            found.append(submission(message, max_bytes))
        except IntentError as error:
            found.append(error)
    return found


def submit_outcome(outcome: Receipt | IntentError) -> pb.SubmitOutcome:
    if isinstance(outcome, IntentError):
        return pb.SubmitOutcome(error=to_status(outcome))
    return pb.SubmitOutcome(receipt=receipt_to_proto(outcome))


def get_outcome(outcome: IntentRecord | IntentError) -> pb.GetOutcome:
    if isinstance(outcome, IntentError):
        return pb.GetOutcome(error=to_status(outcome))
    return pb.GetOutcome(intent=intent_to_proto(outcome))


def verdict(found: Verdict) -> pb.ValidateIntentResponse:
    return pb.ValidateIntentResponse(
        valid=found.valid,
        errors=[violation.message for violation in found.violations],
        details=[violation_to_proto(violation) for violation in found.violations],
        explanation=None if found.explanation is None else explanation_to_proto(found.explanation),
    )


def max_age(request: pb.GetIntentStatusRequest) -> timedelta | None:
    """Raises INVALID_FIELD for a negative or malformed duration."""
    if not request.HasField("max_age"):
        return None
    return positive(request.max_age, "max_age")


def positive(value: Duration, field: str) -> timedelta:
    """Raises INVALID_FIELD outside 0 to 10 years."""
    if not (0 <= value.seconds <= 315_576_000 and 0 <= value.nanos < 1_000_000_000):
        raise invalid(field, "must be 0 to 10 years")
    return timedelta(seconds=value.seconds, microseconds=value.nanos // 1000)


def status(answer: StatusAnswer, now_ms: int) -> pb.GetIntentStatusResponse:
    return pb.GetIntentStatusResponse(
        intent_id=answer.status.intent_id,
        status=status_to_proto(answer.status.status),
        version=answer.status.version,
        level=answer.level,
        age=duration(answer.age(now_ms)),
        stale=answer.stale,
    )


def page(found: IntentPage) -> pb.ListIntentsResponse:
    return pb.ListIntentsResponse(
        intents=[intent_to_proto(record) for record in found.records], next_page_token=found.next_page_token
    )


def statistics(found: Statistics) -> pb.GetStatisticsResponse:
    return pb.GetStatisticsResponse(
        statuses=counts_to_proto(found),
        total=found.total,
        solvers=solvers_to_proto(found.solvers),
        totals=None if found.totals is None else period_to_proto(found.totals),
        periods=[period_to_proto(one) for one in found.periods],
    )


def info(found: Info) -> pb.GetInfoResponse:
    rules, limits = found.rules, found.limits
    return pb.GetInfoResponse(
        network=rules.network,
        verifying_contract=rules.verifying_contract,
        standards=rules.standards,
        actions=rules.actions,
        tokens=map(token_to_proto, rules.tokens),
        limits=pb.Limits(
            max_batch=limits.max_batch,
            max_request_bytes=limits.max_body_bytes,
            max_watch=limits.max_watch,
            max_lifetime=duration(rules.max_lifetime),
            min_lifetime=duration(rules.min_lifetime),
            rate_limit_max=limits.rate_max,
            rate_limit_window=duration(timedelta(seconds=limits.rate_window)),
        ),
        version=found.version,
        signature_required=rules.signature_required,
        unknown_tokens=rules.unknown_tokens,
        registry=rules.registry,
    )


def public_event(event: IntentEvent) -> types_pb.IntentEvent:
    """What the public sees of an event: all but whose it is."""
    message = event_to_proto(event)
    message.ClearField("principal")
    return message


def told(message: Told, clock: Clock) -> pb.WatchIntentsResponse:
    """One message of a watch; the event inside is made once for all who watch."""
    response = pb.WatchIntentsResponse(cursor=message.cursor)
    if message.moved is None:
        response.heartbeat.sent_at.FromNanoseconds(clock.now_ns())
    elif message.conflated:
        response.snapshot.latest.CopyFrom(message.moved.form(public_event))
        response.snapshot.from_version = message.first
    else:
        response.event.CopyFrom(message.moved.form(public_event))
    return response
