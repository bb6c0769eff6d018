"""Values of a body: texts, instants, and what is said of one that cannot be sent."""

import re
from collections.abc import Collection, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from google.protobuf.timestamp_pb2 import Timestamp

_RFC3339: Final = re.compile(
    r"(\d{4}-\d\d-\d\d)[Tt]((?:[01]\d|2[0-3]):\d\d:\d\d)(?:\.(\d{1,9}))?([Zz]|[+-](?:[01]\d|2[0-3]):[0-5]\d)",
    re.ASCII,
)
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
LAST_NS: Final = 253_402_300_799 * 10**9
"""The last second of the year 9999."""


class BodyError(ValueError):
    """A body cannot be sent; `field` names the field, the message says what it must be."""

    def __init__(self, field: str, why: str) -> None:
        super().__init__(f"{field} {why}")
        self.field = field
        self.why = why


def rfc3339(moment: datetime) -> str:
    """UTC with milliseconds, `2026-11-23T12:00:00.000Z`."""
    return moment.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def deadline_ns(value: object) -> int:
    """RFC 3339 with an offset, or integer nanoseconds -> Unix nanoseconds. Raises BodyError."""
    if isinstance(value, int) and not isinstance(value, bool):
        found = value
    else:
        match = _RFC3339.fullmatch(value) if isinstance(value, str) else None
        if match is None:
            raise BodyError(
                "deadline", "must be RFC 3339 with an offset and at most 9 decimals, or integer nanoseconds"
            )
        day, clock, fraction, offset = match.groups()
        try:
            moment = datetime.fromisoformat(f"{day}T{clock}{'+00:00' if offset in 'Zz' else offset}")
        except ValueError:
            raise BodyError("deadline", "is not a date and time that exists") from None
        found = (moment - _EPOCH) // timedelta(seconds=1) * 10**9 + int((fraction or "").ljust(9, "0"))
    if not 0 <= found <= LAST_NS:
        raise BodyError("deadline", "lies outside the years 1970 to 9999")
    return found


def only(value: Mapping[str, Any], allowed: Collection[str], where: str, what: str) -> None:
    """Raises BodyError for a field that `what` has not; `where` stands before its name."""
    for name in value:
        if name not in allowed:
            raise BodyError(f"{where}{str(name)[:64]}", f"is not a field of {what}")


def text(body: Mapping[str, Any], name: str, where: str = "") -> str:
    """The string under `name`, empty where there is none. Raises BodyError."""
    value = body.get(name)
    if value is None:
        return ""
    if not isinstance(value, str):
        raise BodyError(where + name, "must be a string")
    try:
        value.encode()
    except UnicodeEncodeError:
        raise BodyError(where + name, "holds a lone surrogate") from None
    return value


def timestamp(ns: int) -> Timestamp:
    """Unix nanoseconds -> Timestamp, exactly."""
    return Timestamp(seconds=ns // 10**9, nanos=ns % 10**9)
