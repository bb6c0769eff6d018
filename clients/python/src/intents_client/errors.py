"""Refusals and failures as exceptions: one class for each gRPC status, the reason inside."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import grpc
from google.protobuf.message import DecodeError
from google.rpc import error_details_pb2, status_pb2

_DETAILS: Final = "grpc-status-details-bin"
_PREFIX: Final = "type.googleapis.com/google.rpc."


@dataclass(frozen=True, slots=True, kw_only=True)
class Violation:
    """One thing wrong with one field; `reason` is of the suite's catalogue."""

    field: str
    reason: str
    message: str


class IntentsError(Exception):
    """A call failed.

    `reason` is the suite's stable cause ("" where the server gave none), `message` is for people, `status` the
    canonical gRPC status name, `violations` what is wrong with which field, in order, `retry_after` seconds to
    wait where waiting helps, `metadata` further facts.
    """

    status = "UNKNOWN"

    def __init__(
        self,
        reason: str,
        message: str,
        *,
        violations: Sequence[Violation] = (),
        retry_after: float | None = None,
        metadata: Mapping[str, str] | None = None,
        status: str = "",
    ) -> None:
        super().__init__(f"{reason}: {message}" if reason else message)
        self.reason = reason
        self.message = message
        self.violations = tuple(violations)
        self.retry_after = retry_after
        self.metadata = dict(metadata or {})
        self.status = status or type(self).status


class Cancelled(IntentsError):
    """The call was cancelled."""

    status = "CANCELLED"


class InvalidArgument(IntentsError):
    """What was sent is wrong, and stays so; `violations` says where."""

    status = "INVALID_ARGUMENT"


class DeadlineExceeded(IntentsError):
    """No answer in time. What was asked for may have happened: ask again with the same request_id."""

    status = "DEADLINE_EXCEEDED"


class NotFound(IntentsError):
    """There is no such intent, or it is not the caller's."""

    status = "NOT_FOUND"


class AlreadyExists(IntentsError):
    """The id, the message or the request_id is taken by something else."""

    status = "ALREADY_EXISTS"


class PermissionDenied(IntentsError):
    """The caller is known and may not do this."""

    status = "PERMISSION_DENIED"


class RateLimited(IntentsError):
    """Too much or too many; wait `retry_after` seconds."""

    status = "RESOURCE_EXHAUSTED"


class FailedPrecondition(IntentsError):
    """Not in the state the intent is in."""

    status = "FAILED_PRECONDITION"


class Aborted(IntentsError):
    """Something else changed it at the same time."""

    status = "ABORTED"


class OutOfRange(IntentsError):
    """A cursor is older than what is kept: watch anew without it."""

    status = "OUT_OF_RANGE"


class Unimplemented(IntentsError):
    """The server does not offer this."""

    status = "UNIMPLEMENTED"


class Internal(IntentsError):
    """The server failed; the message holds an id for its operator."""

    status = "INTERNAL"


class Unavailable(IntentsError):
    """The server cannot be reached or is not able to answer now; safe to try again."""

    status = "UNAVAILABLE"


class DataLoss(IntentsError):
    """A record cannot be read."""

    status = "DATA_LOSS"


class Unauthenticated(IntentsError):
    """The token is missing or not known."""

    status = "UNAUTHENTICATED"


BY_STATUS: Final[Mapping[str, type[IntentsError]]] = {
    kind.status: kind for kind in IntentsError.__subclasses__()
}
"""gRPC status name -> exception class; any other status is a plain IntentsError."""

_NAME_OF: Final = {code.value[0]: code.name for code in grpc.StatusCode}


def from_status(status: status_pb2.Status) -> IntentsError:
    """The exception of a google.rpc.Status, as batch outcomes carry it."""
    reason, metadata, violations, retry_after = "", {}, [], None
    for detail in status.details:
        try:
            match detail.type_url.removeprefix(_PREFIX):
                case "ErrorInfo":
                    info = error_details_pb2.ErrorInfo.FromString(detail.value)
                    reason, metadata = info.reason, dict(info.metadata)
                case "BadRequest":
                    bad = error_details_pb2.BadRequest.FromString(detail.value)
                    violations = [
                        Violation(field=one.field, reason=one.reason, message=one.description)
                        for one in bad.field_violations
                    ]
                case "RetryInfo":
                    delay = error_details_pb2.RetryInfo.FromString(detail.value).retry_delay
                    retry_after = delay.seconds + delay.nanos / 1e9
        except DecodeError:
            continue
    name = _NAME_OF.get(status.code, "UNKNOWN")
    return BY_STATUS.get(name, IntentsError)(
        reason,
        status.message,
        violations=violations,
        retry_after=retry_after,
        metadata=metadata,
        status=name,
    )


def from_rpc_error(error: grpc.aio.AioRpcError) -> IntentsError:
    """The exception of a failed call."""
    code = error.code()
    for key, value in error.trailing_metadata() or ():
        if key == _DETAILS and isinstance(value, bytes):
            try:
                status = status_pb2.Status.FromString(value)
            except DecodeError:
                break
            if status.code == code.value[0]:
                return from_status(status)
    said = error.details() or code.name
    if code is grpc.StatusCode.RESOURCE_EXHAUSTED and "larger than max" in said:
        # said by gRPC itself, before the service saw anything: waiting would not help
        return InvalidArgument("PAYLOAD_TOO_LARGE", "The message is larger than the server takes.")
    return BY_STATUS.get(code.name, IntentsError)("", said, status=code.name)
