"""IntentError <-> google.rpc.Status and -> problem+json.

A status carries exactly one ErrorInfo (reason, domain "intents", metadata), then BadRequest, RetryInfo and
QuotaFailure where they apply. gRPC begins to refuse metadata at 8 KiB and counts it base64-encoded, the
message percent-encoded beside it: so the status itself stays below `MAX_STATUS_BYTES`.
"""

from collections.abc import Mapping
from typing import Any, Final

import grpc
from google.protobuf.message import DecodeError
from google.rpc import error_details_pb2, status_pb2

from services.common.errors import DOMAIN, HTTP_STATUS, IntentError, Reason, Violation

MAX_STATUS_BYTES: Final = 4_800
DETAILS_KEY: Final = "grpc-status-details-bin"
_MESSAGE: Final = 480
_DESCRIPTION: Final = 240
_FIELD: Final = 120
_VALUE: Final = 200
_MAX_METADATA: Final = 12
_TYPE_URL: Final = "type.googleapis.com/"

_CODES: Final = {code.name: code for code in grpc.StatusCode}
_BY_NUMBER: Final = {code.value[0]: code for code in grpc.StatusCode}

_BARE: Final[Mapping[grpc.StatusCode, tuple[Reason, str]]] = {
    grpc.StatusCode.UNAVAILABLE: (
        Reason.DEPENDENCY_UNAVAILABLE,
        "The service cannot be reached right now; try again.",
    ),
    grpc.StatusCode.CANCELLED: (Reason.DEPENDENCY_UNAVAILABLE, "The service ended the call; try again."),
    grpc.StatusCode.DEADLINE_EXCEEDED: (Reason.DEADLINE_EXCEEDED, "The call took longer than its deadline."),
    grpc.StatusCode.RESOURCE_EXHAUSTED: (
        Reason.OVERLOADED,
        "The service has no room for this call right now.",
    ),
    grpc.StatusCode.UNIMPLEMENTED: (Reason.NOT_IMPLEMENTED, "The service does not know this method."),
    grpc.StatusCode.UNAUTHENTICATED: (Reason.UNAUTHENTICATED, "The service does not know the caller."),
    grpc.StatusCode.PERMISSION_DENIED: (Reason.PERMISSION_DENIED, "The caller may not do this."),
    grpc.StatusCode.INVALID_ARGUMENT: (Reason.MALFORMED_REQUEST, "The service could not read the request."),
}
"""What a gRPC error without our details means; its own text is not repeated, it may name hosts and paths."""


def code_of(error: IntentError) -> grpc.StatusCode:
    """The canonical gRPC code."""
    return _CODES[error.status]


def to_status(error: IntentError) -> status_pb2.Status:
    """A status below MAX_STATUS_BYTES. Violations that don't fit are counted in metadata `violations_omitted`."""
    message = _cut(error.message, _MESSAGE)
    status = status_pb2.Status(code=code_of(error).value[0], message=message)
    info = error_details_pb2.ErrorInfo(reason=str(error.reason), domain=DOMAIN)
    for key, value in list(error.metadata.items())[:_MAX_METADATA]:
        info.metadata[_cut(key, 60)] = _cut(value, _VALUE)
    tail: list[Any] = []
    if error.retry_after is not None:
        retry = error_details_pb2.RetryInfo()
        retry.retry_delay.FromMilliseconds(max(0, round(error.retry_after * 1000)))
        tail.append(retry)
    if error.reason is Reason.RATE_LIMITED:
        subject = _cut(error.metadata.get("subject", "caller"), _VALUE)
        tail.append(error_details_pb2.QuotaFailure(violations=[{"subject": subject, "description": message}]))
    bad = _bad_request(error, info, status.ByteSize() + sum(part.ByteSize() + 64 for part in tail))
    for part in [info, bad, *tail] if bad is not None else [info, *tail]:
        status.details.add().Pack(part)
    return status


def _bad_request(
    error: IntentError, info: error_details_pb2.ErrorInfo, used: int
) -> error_details_pb2.BadRequest | None:
    if not error.violations:
        return None
    bad = error_details_pb2.BadRequest()
    room = MAX_STATUS_BYTES - used - info.ByteSize() - 200
    for index, violation in enumerate(error.violations):
        made = error_details_pb2.BadRequest.FieldViolation(
            field=_cut(violation.field, _FIELD),
            description=_cut(violation.message, _DESCRIPTION),
            reason=str(violation.reason),
        )
        room -= made.ByteSize() + 4
        if room < 0:
            info.metadata["violations_omitted"] = str(len(error.violations) - index)
            break
        bad.field_violations.append(made)
    return bad


def from_status(status: status_pb2.Status) -> IntentError:
    """The error as it was raised; a status without our ErrorInfo, or with a reason not known here, by its code."""
    info: error_details_pb2.ErrorInfo | None = None
    violations: list[Violation] = []
    retry_after: float | None = None
    for detail in status.details:
        try:
            match detail.type_url.removeprefix(_TYPE_URL):
                case "google.rpc.ErrorInfo":
                    info = error_details_pb2.ErrorInfo.FromString(detail.value)
                case "google.rpc.BadRequest":
                    bad = error_details_pb2.BadRequest.FromString(detail.value)
                    violations = [
                        Violation(field=one.field, reason=_reason(one.reason, Reason.INVALID_FIELD),
                                  message=one.description)
                        for one in bad.field_violations
                    ]  # fmt: skip
                case "google.rpc.RetryInfo":
                    delay = error_details_pb2.RetryInfo.FromString(detail.value).retry_delay
                    retry_after = delay.seconds + delay.nanos / 1e9
        except DecodeError:
            continue
    bare, text = _bare(_BY_NUMBER.get(status.code, grpc.StatusCode.UNKNOWN))
    if info is None or info.domain != DOMAIN:
        return IntentError(bare, text, retry_after=retry_after)
    return IntentError(
        _reason(info.reason, bare),
        status.message or text,
        tuple(violations),
        dict(info.metadata),
        retry_after,
    )


def from_rpc_error(error: grpc.RpcError) -> IntentError:
    """The IntentError behind a failed outgoing call (`grpc.aio.AioRpcError`)."""
    if not isinstance(error, grpc.aio.AioRpcError):
        return IntentError(Reason.INTERNAL, "The call failed.")
    code = error.code()
    for key, value in error.trailing_metadata() or ():
        if key == DETAILS_KEY:
            try:
                status = status_pb2.Status.FromString(value)  # type: ignore[arg-type]
            except DecodeError:
                break
            if status.code == code.value[0]:
                return from_status(status)
    reason, text = _bare(code)
    if code is grpc.StatusCode.RESOURCE_EXHAUSTED and "larger than max" in (error.details() or ""):
        reason, text = Reason.PAYLOAD_TOO_LARGE, "The message is larger than the service takes."
    return IntentError(reason, text, retry_after=1.0 if code is grpc.StatusCode.UNAVAILABLE else None)


def problem(error: IntentError, trace_id: str | None = None) -> dict[str, Any]:
    """The body of an application/problem+json answer; `status` is its HTTP status, `retryAfter` whole seconds."""
    body: dict[str, Any] = {
        "type": f"urn:intents:error:{error.reason}",
        "title": str(error.reason).replace("_", " ").capitalize(),
        "status": HTTP_STATUS[error.reason],
        "detail": error.message,
        "reason": str(error.reason),
        "errors": [violation.message for violation in error.violations] or [error.message],
        "details": [
            {"field": violation.field, "reason": str(violation.reason), "message": violation.message}
            for violation in error.violations
        ],
    }
    if error.retry_after is not None:
        body["retryAfter"] = max(1, -int(-error.retry_after // 1))
    if trace_id:
        body["traceId"] = trace_id
    return body


def _bare(code: grpc.StatusCode) -> tuple[Reason, str]:
    return _BARE.get(code, (Reason.INTERNAL, "The service failed to answer."))


def _reason(text: str, otherwise: Reason) -> Reason:
    try:
        return Reason(text)
    except ValueError:
        return otherwise


def _cut(text: str, limit: int) -> str:
    """`text` in at most `limit` UTF-8 bytes; lone surrogates, which protobuf refuses, become '?'."""
    raw = text.encode("utf-8", "replace")
    if len(raw) <= limit:
        return raw.decode()
    return raw[: limit - 3].decode("utf-8", "ignore") + "…"
