"""Values of the edge; no I/O."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from services.common.domain.intent import ID_PATTERN
from services.common.errors import IntentError, Reason, Violation

ANONYMOUS: Final = "anonymous"
"""Principal of every caller where no tokens are configured."""

MAX_PAGE: Final = 200
DEFAULT_PAGE: Final = 50


@dataclass(frozen=True, slots=True, kw_only=True)
class Caller:
    """Who calls. `address` is the client's, canonical; `token` True if the principal proved itself by one."""

    principal: str = ANONYMOUS
    address: str = ""
    token: bool = False

    @property
    def subject(self) -> str:
        """Whose rate limit counts: the principal's if it has a token, else the address's."""
        return f"principal:{self.principal}" if self.token else self.address or "unknown"


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """What one request may hold; `rate_window` in seconds."""

    max_batch: int = 100
    max_body_bytes: int = 65_536
    max_watch: int = 1_000
    rate_max: int = 20
    rate_window: float = 900.0


def invalid(field: str, why: str, *, reason: Reason = Reason.INVALID_FIELD) -> IntentError:
    """A refusal that names one field."""
    message = f"{field} {why}"
    return IntentError(reason, message, [Violation(field=field, reason=reason, message=message)])


def check_id(value: str, field: str = "intent_id") -> str:
    """`value` if it has the form of an id. Raises INVALID_ID naming `field`; the value is not repeated."""
    if ID_PATTERN.fullmatch(value) is None:
        raise invalid(field, "must be 1 to 128 characters of A-Za-z0-9._:@-", reason=Reason.INVALID_ID)
    return value


def check_request_id(value: str) -> str:
    """`value` if it is empty or has the form of a request id. Raises INVALID_FIELD."""
    if value and ID_PATTERN.fullmatch(value) is None:
        raise invalid("request_id", "must be up to 128 characters of A-Za-z0-9._:@-")
    return value


def check_filter(value: str, field: str, limit: int = 128) -> str:
    """A filter's text. Raises INVALID_FIELD if too long or not printable ASCII."""
    if len(value) > limit or not value.isascii() or (value and not value.isprintable()):
        raise invalid(field, f"must be at most {limit} printable ASCII characters")
    return value


def page_size(asked: int) -> int:
    """1 to 200; 0 means 50. Raises INVALID_FIELD."""
    if not 0 <= asked <= MAX_PAGE:
        raise invalid("page_size", f"must be 1 to {MAX_PAGE}; 0 means {DEFAULT_PAGE}")
    return asked or DEFAULT_PAGE


def check_batch(items: Sequence[object], field: str, limit: int) -> None:
    """Raises BATCH_SIZE unless 1 to `limit` items are there."""
    if not 1 <= len(items) <= limit:
        message = f"{field} must hold 1 to {limit} items, not {len(items)}"
        raise IntentError(
            Reason.BATCH_SIZE, message,
            [Violation(field=field, reason=Reason.BATCH_SIZE, message=message)],
            metadata={"max_batch": str(limit)},
        )  # fmt: skip


def not_found(intent_id: str) -> IntentError:
    """For what is not there and for what is another's: the two must not be told apart."""
    return IntentError(
        Reason.INTENT_NOT_FOUND,
        "There is no intent of yours with this id.",
        metadata={"intent_id": intent_id},
    )
