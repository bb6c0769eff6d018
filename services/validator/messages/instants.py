"""Instants as the contract reads them: RFC 3339 by the `time` crate 0.3.54, which near/intents' Timestamp parses with.

It is laxer than plain intents are: any one byte may stand between date and time, decimals beyond the ninth are cut off,
and a leap second that ends a month in UTC is the nanosecond before it.
"""

import re
from datetime import UTC, datetime, timedelta
from typing import Final

_RFC3339: Final = re.compile(
    r"(\d{4})-(\d{2})-(\d{2})[\x00-\x7f](\d{2}):(\d{2}):(\d{2})(?:\.(\d+))?(?:[Zz]|([+-])(\d{2}):(\d{2}))",
    re.ASCII | re.DOTALL,
)
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_CYCLE: Final = 400
_CYCLE_SECONDS: Final = 146_097 * 86_400
"""The Gregorian calendar repeats after 400 years; datetime lacks the year 0 and what offsets make of the first day."""
_LAST: Final = 253_402_300_799
"""The last second of the year 9999, in Unix seconds: later ones end the contract's call."""


def instant_ns(text: str) -> int:
    """Unix nanoseconds; negative before 1970. Raises ValueError saying why."""
    match = _RFC3339.fullmatch(text)
    if match is None:
        raise ValueError("must be RFC 3339 with an offset")
    year, month, day, hour, minute, second = (int(match[index]) for index in range(1, 7))
    nanoseconds = int((match[7] or "")[:9].ljust(9, "0"))
    leap = second == 60
    if leap:
        second, nanoseconds = 59, 999_999_999
    try:
        shifted = year + _CYCLE if year < _CYCLE else year
        moment = datetime(shifted, month, day, hour, minute, second, tzinfo=UTC)
        seconds = (moment - _EPOCH) // timedelta(seconds=1) - _offset(match)
    except ValueError:
        raise ValueError("is not a date and time that exists") from None
    if leap and not _ends_month(seconds):
        raise ValueError("is a leap second where there can be none")
    if year < _CYCLE:
        seconds -= _CYCLE_SECONDS
    if seconds > _LAST:
        raise ValueError("lies after the year 9999")
    return seconds * 10**9 + nanoseconds


def _offset(match: re.Match[str]) -> int:
    if match[8] is None:
        return 0
    hours, minutes = int(match[9]), int(match[10])
    if hours > 23 or minutes > 59:
        raise ValueError("no such offset")
    seconds = hours * 3600 + minutes * 60
    return seconds if match[8] == "+" else -seconds


def _ends_month(seconds: int) -> bool:
    # of the second after it, which is the first of a month if this one ends one; years repeat, so far ones come nearer
    after = _EPOCH + timedelta(seconds=(seconds + 1) % _CYCLE_SECONDS)
    return (after.day, after.hour, after.minute, after.second) == (1, 0, 0, 0)
