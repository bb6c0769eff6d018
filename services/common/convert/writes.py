"""What the store is asked and answers: creations, moves, transactions, leases, what is overdue."""

from typing import Final

from intents.store.v1 import store_service_pb2 as store_pb
from services.common.convert.intents import (
    execution_from_proto,
    execution_to_proto,
    failure_from_proto,
    failure_to_proto,
    receipt_from_proto,
    receipt_to_proto,
    record_from_proto,
    record_to_proto,
    status_from_proto,
    status_to_proto,
    transaction_from_proto,
    transaction_to_proto,
)
from services.common.convert.times import moment, timestamp
from services.common.domain.outcomes import (
    Accepted,
    AlreadyThere,
    Applied,
    Conflict,
    IntentKey,
    LeaseRef,
    Overdue,
    OverdueCause,
    OverduePage,
    Refused,
    RequestIdentity,
    TransactionRecord,
    Transition,
    WriteOutcome,
)
from services.common.errors import IntentError, Reason
from services.common.rpc.errors import from_status, to_status


def created_to_proto(outcome: Accepted | IntentError) -> store_pb.CreateOutcome:
    if isinstance(outcome, IntentError):
        return store_pb.CreateOutcome(error=to_status(outcome))
    return store_pb.CreateOutcome(
        accepted=store_pb.Accepted(receipt=receipt_to_proto(outcome.receipt), created=outcome.created)
    )


def created_from_proto(message: store_pb.CreateOutcome) -> Accepted | IntentError:
    if message.WhichOneof("outcome") == "accepted":
        return Accepted(
            receipt=receipt_from_proto(message.accepted.receipt), created=message.accepted.created
        )
    return from_status(message.error)


def key_to_proto(key: IntentKey) -> store_pb.IntentKey:
    if isinstance(key, str):
        return store_pb.IntentKey(intent_id=key)
    return store_pb.IntentKey(
        request=store_pb.RequestIdentity(
            principal=key.principal, method=key.method, request_id=key.request_id
        )
    )


def key_from_proto(message: store_pb.IntentKey) -> IntentKey:
    if message.WhichOneof("key") == "request":
        request = message.request
        return RequestIdentity(
            principal=request.principal, method=request.method, request_id=request.request_id
        )
    return message.intent_id


def transition_to_proto(move: Transition) -> store_pb.Transition:
    details, failure = move.execution_details, move.error_details
    return store_pb.Transition(
        intent_id=move.intent_id,
        seen_version=move.seen_version,
        seen_status=status_to_proto(move.seen_status),
        to=status_to_proto(move.to),
        fence=move.fence,
        reason=move.reason,
        actor=move.actor,
        transactions=[transaction_to_proto(tx) for tx in move.transactions],
        execution_details=None if details is None else execution_to_proto(details),
        error_details=None if failure is None else failure_to_proto(failure),
        traceparent=move.traceparent,
    )


def transition_from_proto(message: store_pb.Transition) -> Transition:
    """Raises INVALID_FIELD for statuses nobody knows."""
    return Transition(
        intent_id=message.intent_id,
        seen_version=message.seen_version,
        seen_status=status_from_proto(message.seen_status, "seen_status"),
        to=status_from_proto(message.to, "to"),
        actor=message.actor,
        fence=message.fence if message.HasField("fence") else None,
        reason=message.reason,
        transactions=tuple(transaction_from_proto(tx) for tx in message.transactions),
        execution_details=(
            execution_from_proto(message.execution_details) if message.HasField("execution_details") else None
        ),
        error_details=failure_from_proto(message.error_details)
        if message.HasField("error_details")
        else None,
        traceparent=message.traceparent,
    )


def tx_record_to_proto(record: TransactionRecord) -> store_pb.TransactionRecord:
    return store_pb.TransactionRecord(
        intent_id=record.intent_id,
        seen_version=record.seen_version,
        seen_status=status_to_proto(record.seen_status),
        fence=record.fence,
        transactions=[transaction_to_proto(tx) for tx in record.transactions],
    )


def tx_record_from_proto(message: store_pb.TransactionRecord) -> TransactionRecord:
    return TransactionRecord(
        intent_id=message.intent_id,
        seen_version=message.seen_version,
        seen_status=status_from_proto(message.seen_status, "seen_status"),
        fence=message.fence,
        transactions=tuple(transaction_from_proto(tx) for tx in message.transactions),
    )


def write_to_proto(outcome: WriteOutcome) -> store_pb.WriteOutcome:
    match outcome:
        case Applied(record):
            return store_pb.WriteOutcome(applied=store_pb.WriteApplied(record=record_to_proto(record)))
        case AlreadyThere(record):
            return store_pb.WriteOutcome(
                already_there=store_pb.WriteAlreadyThere(record=record_to_proto(record))
            )
        case Conflict(record):
            return store_pb.WriteOutcome(conflict=store_pb.WriteConflict(record=record_to_proto(record)))
        case Refused(error):
            return store_pb.WriteOutcome(refused=to_status(error))


def write_from_proto(message: store_pb.WriteOutcome) -> WriteOutcome:
    match message.WhichOneof("outcome"):
        case "applied":
            return Applied(record_from_proto(message.applied.record))
        case "already_there":
            return AlreadyThere(record_from_proto(message.already_there.record))
        case "conflict":
            return Conflict(record_from_proto(message.conflict.record))
        case "refused":
            return Refused(from_status(message.refused))
        case None:
            return Refused(IntentError(Reason.INTERNAL, "The store sent no outcome."))


def lease_to_proto(lease: LeaseRef) -> store_pb.LeaseRef:
    at = lease.next_action_at
    return store_pb.LeaseRef(
        intent_id=lease.intent_id, fence=lease.fence, next_action_at=None if at is None else timestamp(at)
    )


def lease_from_proto(message: store_pb.LeaseRef) -> LeaseRef:
    return LeaseRef(
        intent_id=message.intent_id,
        fence=message.fence,
        next_action_at=moment(message.next_action_at) if message.HasField("next_action_at") else None,
    )


_CAUSES: Final = {
    OverdueCause.PAST_DEADLINE: store_pb.OVERDUE_CAUSE_PAST_DEADLINE,
    OverdueCause.NO_OWNER: store_pb.OVERDUE_CAUSE_NO_OWNER,
    OverdueCause.FOREIGN_WRITE: store_pb.OVERDUE_CAUSE_FOREIGN_WRITE,
    OverdueCause.HELD: store_pb.OVERDUE_CAUSE_HELD,
}
_CAUSE_OF: Final = {number: cause for cause, number in _CAUSES.items()}


def overdue_to_proto(page: OverduePage) -> store_pb.ListOverdueResponse:
    return store_pb.ListOverdueResponse(
        records=[record_to_proto(one.record) for one in page.overdue],
        causes=[
            store_pb.Overdue(
                cause=_CAUSES[one.cause], since=timestamp(one.since), last_evidence=one.last_evidence
            )
            for one in page.overdue
        ],
        next_page_token=page.next_page_token,
    )


def overdue_from_proto(message: store_pb.ListOverdueResponse) -> OverduePage:
    return OverduePage(
        overdue=tuple(
            Overdue(
                record=record_from_proto(record),
                cause=_CAUSE_OF[why.cause],
                since=moment(why.since),
                last_evidence=why.last_evidence,
            )
            for record, why in zip(message.records, message.causes, strict=True)
        ),
        next_page_token=message.next_page_token,
    )
