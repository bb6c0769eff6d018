"""Timestamps and durations."""

from datetime import UTC, datetime, timedelta

from google.protobuf.duration_pb2 import Duration
from google.protobuf.timestamp_pb2 import Timestamp

from services.common.errors import IntentError, Reason, Violation

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def timestamp(moment: datetime) -> Timestamp:
    """Aware datetime -> Timestamp."""
    since = moment - _EPOCH
    return Timestamp(seconds=since.days * 86_400 + since.seconds, nanos=since.microseconds * 1000)


def moment(stamp: Timestamp) -> datetime:
    """Timestamp -> aware UTC datetime (microseconds; the rest is floored). Raises INVALID_FIELD for no date."""
    try:
        if not 0 <= (nanos := stamp.nanos) < 10**9:
            raise ValueError(nanos)
        return _EPOCH + timedelta(0, stamp.seconds, nanos // 1000)
    except (ValueError, OverflowError, OSError):
        raise IntentError(Reason.INVALID_FIELD, "A timestamp lies outside the years 1 to 9999.") from None


def stamp_ns(stamp: Timestamp, field: str) -> int:
    """A client's Timestamp -> Unix nanoseconds. Raises INVALID_FIELD outside 1970-9999 or with bad nanos."""
    if not (0 <= stamp.seconds <= 253_402_300_799 and 0 <= stamp.nanos < 10**9):
        message = f"{field} lies outside the years 1970 to 9999"
        raise IntentError(
            Reason.INVALID_FIELD,
            message,
            [Violation(field=field, reason=Reason.INVALID_FIELD, message=message)],
        )
    return stamp.seconds * 10**9 + stamp.nanos


def ns_stamp(ns: int) -> Timestamp:
    """Unix nanoseconds -> Timestamp, exactly."""
    return Timestamp(seconds=ns // 10**9, nanos=ns % 10**9)


def duration(span: timedelta) -> Duration:
    """timedelta -> Duration."""
    result = Duration()
    result.FromTimedelta(span)
    return result


def span(value: Duration) -> timedelta:
    """Duration -> timedelta (microseconds)."""
    return timedelta(seconds=value.seconds, microseconds=value.nanos // 1000)
