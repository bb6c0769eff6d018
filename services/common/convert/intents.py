"""Submissions, records, events: public messages and what the store keeps."""

from collections.abc import Iterable

from intents.store.v1 import store_service_pb2 as store_pb
from intents.v1 import intent_service_pb2 as pb
from intents.v1 import types_pb2 as types_pb
from services.common.convert.signed import signed_from_proto, signed_to_proto
from services.common.convert.times import moment, ns_stamp, stamp_ns, timestamp
from services.common.domain.intent import (
    ChainTransaction,
    ErrorDetails,
    ExecutionDetails,
    IntentEvent,
    IntentRecord,
    Lease,
    NewIntent,
    PlainIntent,
    Receipt,
    SignedTransaction,
    Submission,
)
from services.common.domain.lifecycle import Status
from services.common.encoding import b58encode
from services.common.errors import IntentError, Reason, Violation

_TO_PROTO = {
    Status.PENDING: types_pb.INTENT_STATUS_PENDING,
    Status.VERIFIED: types_pb.INTENT_STATUS_VERIFIED,
    Status.EXECUTING: types_pb.INTENT_STATUS_EXECUTING,
    Status.COMPLETED: types_pb.INTENT_STATUS_COMPLETED,
    Status.FAILED: types_pb.INTENT_STATUS_FAILED,
}
_FROM_PROTO = {number: status for status, number in _TO_PROTO.items()}


def status_to_proto(status: Status) -> "types_pb.IntentStatus.ValueType":
    """The enum number."""
    return _TO_PROTO[status]


def status_from_proto(number: int, field: str = "status") -> Status:
    """Raises INVALID_FIELD for UNSPECIFIED and for numbers this version does not know."""
    status = _FROM_PROTO.get(number)  # type: ignore[call-overload]
    if status is None:
        message = f"{field} has no status number {number}; 1 to 5 are known"
        raise IntentError(
            Reason.INVALID_FIELD,
            message,
            [Violation(field=field, reason=Reason.INVALID_FIELD, message=message)],
        )
    found: Status = status
    return found


def filter_from_proto(number: int, field: str = "status") -> Status | None:
    """UNSPECIFIED means no filter."""
    return None if number == 0 else status_from_proto(number, field)


def plain_to_proto(intent: PlainIntent) -> types_pb.PlainIntent:
    return types_pb.PlainIntent(
        id=intent.id,
        user_account=intent.user_account,
        action=intent.action,
        input_token=intent.input_token,
        input_amount=intent.input_amount,
        output_token=intent.output_token,
        min_output_amount=intent.min_output_amount,
        max_slippage_bps=intent.max_slippage_bps,
        deadline=None if intent.deadline_ns is None else ns_stamp(intent.deadline_ns),
    )


def plain_from_proto(message: types_pb.PlainIntent) -> PlainIntent:
    return PlainIntent(
        id=message.id,
        user_account=message.user_account,
        action=message.action,
        input_token=message.input_token,
        input_amount=message.input_amount,
        output_token=message.output_token,
        min_output_amount=message.min_output_amount if message.HasField("min_output_amount") else None,
        max_slippage_bps=message.max_slippage_bps if message.HasField("max_slippage_bps") else None,
        deadline_ns=stamp_ns(message.deadline, "deadline") if message.HasField("deadline") else None,
    )


def submission_to_proto(submission: Submission) -> pb.Submission:
    return pb.Submission(
        request_id=submission.request_id,
        intent=None if submission.intent is None else plain_to_proto(submission.intent),
        signed_data=None if submission.signed_data is None else signed_to_proto(submission.signed_data),
    )


def submission_from_proto(message: pb.Submission) -> Submission:
    """Absent parts become None. Raises INVALID_FIELD for a deadline no date can hold."""
    return Submission(
        request_id=message.request_id,
        intent=plain_from_proto(message.intent) if message.HasField("intent") else None,
        signed_data=signed_from_proto(message.signed_data) if message.HasField("signed_data") else None,
    )


def new_to_proto(new: NewIntent) -> store_pb.NewIntent:
    return store_pb.NewIntent(
        principal=new.principal,
        method=new.method,
        submission=submission_to_proto(new.submission),
        expires_at=timestamp(new.expires_at),
        traceparent=new.traceparent,
    )


def new_from_proto(message: store_pb.NewIntent) -> NewIntent:
    return NewIntent(
        principal=message.principal,
        method=message.method,
        submission=submission_from_proto(message.submission),
        expires_at=moment(message.expires_at),
        traceparent=message.traceparent,
    )


def receipt_to_proto(receipt: Receipt) -> pb.Receipt:
    return pb.Receipt(
        intent_id=receipt.intent_id,
        status=_TO_PROTO[receipt.status],
        version=receipt.version,
        created_at=timestamp(receipt.created_at),
    )


def receipt_from_proto(message: pb.Receipt) -> Receipt:
    return Receipt(
        intent_id=message.intent_id,
        created_at=moment(message.created_at),
        status=status_from_proto(message.status),
        version=message.version,
    )


def execution_to_proto(details: ExecutionDetails) -> types_pb.ExecutionDetails:
    return types_pb.ExecutionDetails(
        solver_id=details.solver_id,
        transactions=[
            types_pb.ChainTransaction(hash=tx.hash, chain=tx.chain, status=tx.status)
            for tx in details.transactions
        ],
        gas_used=str(details.gas_used),
        total_cost=str(details.total_cost),
    )


def execution_from_proto(message: types_pb.ExecutionDetails) -> ExecutionDetails:
    return ExecutionDetails(
        solver_id=message.solver_id,
        transactions=tuple(
            ChainTransaction(hash=tx.hash, chain=tx.chain, status=tx.status) for tx in message.transactions
        ),
        gas_used=int(message.gas_used or 0),
        total_cost=int(message.total_cost or 0),
    )


def failure_to_proto(details: ErrorDetails) -> types_pb.ErrorDetails:
    return types_pb.ErrorDetails(reason=details.reason, message=details.message, evidence=details.evidence)


def failure_from_proto(message: types_pb.ErrorDetails) -> ErrorDetails:
    return ErrorDetails(reason=message.reason, message=message.message, evidence=message.evidence)


def event_to_proto(event: IntentEvent) -> types_pb.IntentEvent:
    details, failure = event.execution_details, event.error_details
    return types_pb.IntentEvent(
        intent_id=event.intent_id,
        user_id=event.user_id,
        version=event.version,
        status=_TO_PROTO[event.status],
        occurred_at=timestamp(event.occurred_at),
        reason=event.reason,
        execution_details=None if details is None else execution_to_proto(details),
        error_details=None if failure is None else failure_to_proto(failure),
        traceparent=event.traceparent,
        actor=event.actor,
        principal=event.principal,
    )


def event_from_proto(message: types_pb.IntentEvent) -> IntentEvent:
    return IntentEvent(
        intent_id=message.intent_id,
        user_id=message.user_id,
        version=message.version,
        status=status_from_proto(message.status),
        occurred_at=moment(message.occurred_at),
        reason=message.reason,
        execution_details=(
            execution_from_proto(message.execution_details) if message.HasField("execution_details") else None
        ),
        error_details=failure_from_proto(message.error_details)
        if message.HasField("error_details")
        else None,
        traceparent=message.traceparent,
        actor=message.actor,
        principal=message.principal,
    )


def events_from_proto(messages: Iterable[types_pb.IntentEvent]) -> tuple[IntentEvent, ...]:
    return tuple(event_from_proto(message) for message in messages)


def transaction_to_proto(tx: SignedTransaction) -> store_pb.SignedTransaction:
    return store_pb.SignedTransaction(
        purpose=tx.purpose,
        hash=tx.hash,
        signed_bytes=tx.signed_bytes,
        signer_id=tx.signer_id,
        public_key=tx.public_key,
        nonce=tx.nonce,
        block_hash=tx.block_hash,
        block_height=tx.block_height,
        chain=tx.chain,
        status=tx.status,
        gas_used=str(tx.gas_used),
        total_cost=str(tx.total_cost),
        evidence=tx.evidence,
        solver_id=tx.solver_id,
    )


def transaction_from_proto(message: store_pb.SignedTransaction) -> SignedTransaction:
    return SignedTransaction(
        purpose=message.purpose,
        hash=message.hash,
        signed_bytes=message.signed_bytes,
        signer_id=message.signer_id,
        public_key=message.public_key,
        nonce=message.nonce,
        block_hash=message.block_hash,
        block_height=message.block_height,
        chain=message.chain,
        status=message.status,
        gas_used=int(message.gas_used or 0),
        total_cost=int(message.total_cost or 0),
        evidence=message.evidence,
        solver_id=message.solver_id,
    )


def intent_to_proto(record: IntentRecord) -> types_pb.Intent:
    """What the public sees of a record."""
    details, failure = record.execution_details, record.error_details
    return types_pb.Intent(
        intent_id=record.intent_id,
        user_id=record.user_id,
        intent=plain_to_proto(record.intent),
        status=_TO_PROTO[record.status],
        version=record.version,
        created_at=timestamp(record.created_at),
        updated_at=timestamp(record.updated_at),
        expires_at=timestamp(record.expires_at),
        execution_details=None if details is None else execution_to_proto(details),
        error_details=None if failure is None else failure_to_proto(failure),
        intent_hash="" if record.signed_data is None else intent_hash(record.content_hash),
    )


def intent_hash(content: str) -> str:
    """Hex digest -> the base58 the field shows."""
    return b58encode(bytes.fromhex(content))


def record_to_proto(record: IntentRecord) -> store_pb.IntentRecord:
    lease = record.lease
    return store_pb.IntentRecord(
        intent=intent_to_proto(record),
        principal=record.principal,
        content_hash=record.content_hash,
        signed_data=None if record.signed_data is None else signed_to_proto(record.signed_data),
        transactions=[transaction_to_proto(tx) for tx in record.transactions],
        history=[event_to_proto(event) for event in record.history],
        lease=(
            None
            if lease is None
            else store_pb.Lease(owner=lease.owner, fence=lease.fence, expires_at=timestamp(lease.expires_at))
        ),
        next_action_at=None if record.next_action_at is None else timestamp(record.next_action_at),
        traceparent=record.traceparent,
        foreign_write=record.foreign_write,
        request_id=record.request_id,
    )


def record_from_proto(message: store_pb.IntentRecord) -> IntentRecord:
    shown = message.intent
    return IntentRecord(
        intent_id=shown.intent_id,
        user_id=shown.user_id,
        intent=plain_from_proto(shown.intent),
        status=status_from_proto(shown.status),
        version=shown.version,
        created_at=moment(shown.created_at),
        updated_at=moment(shown.updated_at),
        expires_at=moment(shown.expires_at),
        principal=message.principal,
        content_hash=message.content_hash,
        request_id=message.request_id,
        signed_data=signed_from_proto(message.signed_data) if message.HasField("signed_data") else None,
        execution_details=(
            execution_from_proto(shown.execution_details) if shown.HasField("execution_details") else None
        ),
        error_details=failure_from_proto(shown.error_details) if shown.HasField("error_details") else None,
        transactions=tuple(transaction_from_proto(tx) for tx in message.transactions),
        history=events_from_proto(message.history),
        lease=(
            Lease(
                owner=message.lease.owner,
                fence=message.lease.fence,
                expires_at=moment(message.lease.expires_at),
            )
            if message.HasField("lease")
            else None
        ),
        next_action_at=moment(message.next_action_at) if message.HasField("next_action_at") else None,
        traceparent=message.traceparent,
        foreign_write=message.foreign_write,
    )
