"""One catalogue of reasons. Every refusal anywhere in the suite carries exactly one of these.

`STATUS` maps a reason to its canonical gRPC code name and `HTTP_STATUS` to the HTTP answer; both are
complete by test. Nothing here imports grpc: the domain speaks reasons, `common.rpc.errors` speaks codes.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Final

DOMAIN: Final = "intents"
"""`ErrorInfo.domain` of every error of this suite."""


class Reason(StrEnum):
    """Stable, machine-readable causes; part of the public contract, never renamed."""

    # the request cannot be read
    MALFORMED_REQUEST = "MALFORMED_REQUEST"
    INVALID_FIELD = "INVALID_FIELD"
    PAYLOAD_TOO_LARGE = "PAYLOAD_TOO_LARGE"
    BATCH_SIZE = "BATCH_SIZE"
    NOT_FOUND_ROUTE = "NOT_FOUND_ROUTE"
    METHOD_NOT_ALLOWED = "METHOD_NOT_ALLOWED"
    UNSUPPORTED_MEDIA_TYPE = "UNSUPPORTED_MEDIA_TYPE"
    # stage: structure
    MISSING_FIELD = "MISSING_FIELD"
    INVALID_ID = "INVALID_ID"
    INVALID_ACCOUNT = "INVALID_ACCOUNT"
    UNSUPPORTED_ACTION = "UNSUPPORTED_ACTION"
    ACCOUNT_NOT_ALLOWED = "ACCOUNT_NOT_ALLOWED"
    # stage: tokens
    UNKNOWN_TOKEN = "UNKNOWN_TOKEN"
    SAME_TOKEN = "SAME_TOKEN"
    TOKEN_NOT_ALLOWED = "TOKEN_NOT_ALLOWED"
    TOKEN_PAUSED = "TOKEN_PAUSED"
    PAIR_NOT_ALLOWED = "PAIR_NOT_ALLOWED"
    # stage: amounts
    INVALID_AMOUNT = "INVALID_AMOUNT"
    AMOUNT_OUT_OF_RANGE = "AMOUNT_OUT_OF_RANGE"
    INVALID_SLIPPAGE = "INVALID_SLIPPAGE"
    MIN_OUTPUT_TOO_HIGH = "MIN_OUTPUT_TOO_HIGH"
    MIN_OUTPUT_TOO_LOW = "MIN_OUTPUT_TOO_LOW"
    # stage: security
    SIGNATURE_REQUIRED = "SIGNATURE_REQUIRED"
    UNSUPPORTED_STANDARD = "UNSUPPORTED_STANDARD"
    INVALID_SIGNATURE = "INVALID_SIGNATURE"
    INVALID_MESSAGE = "INVALID_MESSAGE"
    WRONG_RECIPIENT = "WRONG_RECIPIENT"
    WRONG_NETWORK = "WRONG_NETWORK"
    FIELD_MISMATCH = "FIELD_MISMATCH"
    DEADLINE_EXPIRED = "DEADLINE_EXPIRED"
    DEADLINE_TOO_FAR = "DEADLINE_TOO_FAR"
    DEADLINE_TOO_NEAR = "DEADLINE_TOO_NEAR"
    INVALID_DEADLINE = "INVALID_DEADLINE"
    SIGNER_MISMATCH = "SIGNER_MISMATCH"
    INVALID_NONCE = "INVALID_NONCE"
    NONCE_USED = "NONCE_USED"
    INSUFFICIENT_BALANCE = "INSUFFICIENT_BALANCE"
    NOT_REGISTERED = "NOT_REGISTERED"
    SIMULATION_FAILED = "SIMULATION_FAILED"
    # the record
    INTENT_NOT_FOUND = "INTENT_NOT_FOUND"
    ALREADY_EXISTS = "ALREADY_EXISTS"
    ID_TAKEN = "ID_TAKEN"
    NONCE_HELD = "NONCE_HELD"
    REQUEST_REUSED = "REQUEST_REUSED"
    STALE_VERSION = "STALE_VERSION"
    STALE_FENCE = "STALE_FENCE"
    ILLEGAL_MOVE = "ILLEGAL_MOVE"
    FOREIGN_WRITE = "FOREIGN_WRITE"
    NOT_CANCELLABLE = "NOT_CANCELLABLE"
    CURSOR_INVALID = "CURSOR_INVALID"
    CURSOR_EXPIRED = "CURSOR_EXPIRED"
    PAGE_TOKEN_INVALID = "PAGE_TOKEN_INVALID"
    # why an intent failed (errorDetails.reason)
    CANCELLED = "CANCELLED"
    EXPIRED = "EXPIRED"
    VERIFICATION_FAILED = "VERIFICATION_FAILED"
    EXECUTION_FAILED = "EXECUTION_FAILED"
    SOLVER_FAILED = "SOLVER_FAILED"
    # who may call, how often
    UNAUTHENTICATED = "UNAUTHENTICATED"
    PERMISSION_DENIED = "PERMISSION_DENIED"
    RATE_LIMITED = "RATE_LIMITED"
    IN_FLIGHT_LIMIT = "IN_FLIGHT_LIMIT"
    OVERLOADED = "OVERLOADED"
    WATCH_LIMIT = "WATCH_LIMIT"
    # the machinery
    DEADLINE_EXCEEDED = "DEADLINE_EXCEEDED"
    DEPENDENCY_UNAVAILABLE = "DEPENDENCY_UNAVAILABLE"
    DRAINING = "DRAINING"
    NOT_IMPLEMENTED = "NOT_IMPLEMENTED"
    CORRUPT_RECORD = "CORRUPT_RECORD"
    INTERNAL = "INTERNAL"


_INVALID = (
    Reason.MALFORMED_REQUEST, Reason.INVALID_FIELD, Reason.BATCH_SIZE, Reason.PAYLOAD_TOO_LARGE,
    Reason.UNSUPPORTED_MEDIA_TYPE, Reason.MISSING_FIELD, Reason.INVALID_ID, Reason.INVALID_ACCOUNT,
    Reason.UNSUPPORTED_ACTION, Reason.UNKNOWN_TOKEN, Reason.SAME_TOKEN, Reason.TOKEN_NOT_ALLOWED,
    Reason.PAIR_NOT_ALLOWED, Reason.INVALID_AMOUNT, Reason.AMOUNT_OUT_OF_RANGE, Reason.INVALID_SLIPPAGE,
    Reason.MIN_OUTPUT_TOO_HIGH, Reason.MIN_OUTPUT_TOO_LOW, Reason.SIGNATURE_REQUIRED,
    Reason.UNSUPPORTED_STANDARD, Reason.INVALID_SIGNATURE, Reason.INVALID_MESSAGE,
    Reason.WRONG_RECIPIENT, Reason.WRONG_NETWORK, Reason.FIELD_MISMATCH, Reason.DEADLINE_EXPIRED,
    Reason.DEADLINE_TOO_FAR, Reason.DEADLINE_TOO_NEAR, Reason.INVALID_DEADLINE, Reason.SIGNER_MISMATCH,
    Reason.INVALID_NONCE, Reason.NONCE_USED, Reason.CURSOR_INVALID, Reason.PAGE_TOKEN_INVALID,
)  # fmt: skip
_PRECONDITION = (
    Reason.TOKEN_PAUSED, Reason.INSUFFICIENT_BALANCE, Reason.NOT_REGISTERED, Reason.SIMULATION_FAILED,
    Reason.NONCE_HELD, Reason.ILLEGAL_MOVE, Reason.FOREIGN_WRITE, Reason.NOT_CANCELLABLE, Reason.CANCELLED,
    Reason.EXPIRED, Reason.VERIFICATION_FAILED, Reason.EXECUTION_FAILED, Reason.SOLVER_FAILED,
)  # fmt: skip

STATUS: Final[Mapping[Reason, str]] = {
    **dict.fromkeys(_INVALID, "INVALID_ARGUMENT"),
    **dict.fromkeys(_PRECONDITION, "FAILED_PRECONDITION"),
    Reason.NOT_FOUND_ROUTE: "NOT_FOUND",
    Reason.METHOD_NOT_ALLOWED: "UNIMPLEMENTED",
    Reason.INTENT_NOT_FOUND: "NOT_FOUND",
    Reason.ALREADY_EXISTS: "ALREADY_EXISTS",
    Reason.ID_TAKEN: "ALREADY_EXISTS",
    Reason.REQUEST_REUSED: "ALREADY_EXISTS",
    Reason.STALE_VERSION: "ABORTED",
    Reason.STALE_FENCE: "ABORTED",
    Reason.CURSOR_EXPIRED: "OUT_OF_RANGE",
    Reason.UNAUTHENTICATED: "UNAUTHENTICATED",
    Reason.ACCOUNT_NOT_ALLOWED: "PERMISSION_DENIED",
    Reason.PERMISSION_DENIED: "PERMISSION_DENIED",
    Reason.RATE_LIMITED: "RESOURCE_EXHAUSTED",
    Reason.IN_FLIGHT_LIMIT: "RESOURCE_EXHAUSTED",
    Reason.OVERLOADED: "RESOURCE_EXHAUSTED",
    Reason.WATCH_LIMIT: "RESOURCE_EXHAUSTED",
    Reason.DEADLINE_EXCEEDED: "DEADLINE_EXCEEDED",
    Reason.DEPENDENCY_UNAVAILABLE: "UNAVAILABLE",
    Reason.DRAINING: "UNAVAILABLE",
    Reason.NOT_IMPLEMENTED: "UNIMPLEMENTED",
    Reason.CORRUPT_RECORD: "DATA_LOSS",
    Reason.INTERNAL: "INTERNAL",
}
"""Reason -> canonical gRPC status name."""

_HTTP_OF_STATUS: Final[Mapping[str, int]] = {
    "INVALID_ARGUMENT": 400, "FAILED_PRECONDITION": 409, "NOT_FOUND": 404, "ALREADY_EXISTS": 409,
    "ABORTED": 409, "OUT_OF_RANGE": 410, "UNAUTHENTICATED": 401, "PERMISSION_DENIED": 403,
    "RESOURCE_EXHAUSTED": 429, "DEADLINE_EXCEEDED": 504, "UNAVAILABLE": 503, "UNIMPLEMENTED": 501,
    "DATA_LOSS": 500, "INTERNAL": 500,
}  # fmt: skip

HTTP_STATUS: Final[Mapping[Reason, int]] = {
    **{reason: _HTTP_OF_STATUS[status] for reason, status in STATUS.items()},
    Reason.METHOD_NOT_ALLOWED: 405,
    Reason.PAYLOAD_TOO_LARGE: 413,
    Reason.UNSUPPORTED_MEDIA_TYPE: 415,
    Reason.OVERLOADED: 503,
}
"""Reason -> HTTP status of the problem+json answer."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Violation:
    """One thing wrong with one field. `field` is the seed's name; `message` is for people."""

    field: str
    reason: Reason
    message: str


@dataclass(eq=False)
class IntentError(Exception):
    """A typed refusal. `message` is safe to show to the caller; it never holds a secret or a trace.

    `violations` are listed in the order found, `metadata` values are short strings, `retry_after` is
    seconds and set only where waiting helps.
    """

    reason: Reason
    message: str
    violations: Sequence[Violation] = ()
    metadata: Mapping[str, str] = field(default_factory=dict)
    retry_after: float | None = None

    def __str__(self) -> str:
        return f"{self.reason}: {self.message}"

    @property
    def status(self) -> str:
        """Canonical gRPC status name."""
        return STATUS[self.reason]


def unavailable(what: str, *, retry_after: float | None = 1.0) -> IntentError:
    """The stated answer when a dependency is away. `what` names it for people ("store", "Redis")."""
    return IntentError(
        Reason.DEPENDENCY_UNAVAILABLE, f"The {what} cannot be reached right now; try again.",
        metadata={"dependency": what}, retry_after=retry_after,
    )  # fmt: skip


def too_late(what: str) -> IntentError:
    """When a dependency took longer than the call's deadline: nobody knows what it did."""
    return IntentError(
        Reason.DEADLINE_EXCEEDED,
        f"The {what} did not answer before the call's deadline; what it was asked to do may have been done.",
        metadata={"dependency": what},
    )


def not_implemented(what: str) -> IntentError:
    """For a call whose contract stands but whose room is not built yet; docs/promises.md has its row."""
    return IntentError(Reason.NOT_IMPLEMENTED, f"{what} is not available in this version.")
