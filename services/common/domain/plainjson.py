"""A plain intent as JSON shows it: seed's names, percent, RFC 3339."""

import re
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, Final

from services.common.domain.intent import REQUIRED_FIELDS, PlainIntent
from services.common.domain.strictjson import Number

OPTIONAL_FIELDS: Final = ("min_output_amount", "max_slippage", "deadline")
PLAIN_FIELDS: Final = (*REQUIRED_FIELDS, *OPTIONAL_FIELDS)

_SLIPPAGE: Final = re.compile(r"(0|[1-9][0-9]{0,8})(?:\.([0-9]{1,2}))?")
_RFC3339: Final = re.compile(
    r"(\d{4}-\d{2}-\d{2})[Tt]((?:[01]\d|2[0-3]):\d{2}:\d{2})(?:\.(\d{1,9}))?([Zz]|[+-](?:[01]\d|2[0-3]):[0-5]\d)",
    re.ASCII,
)
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
MAX_DEADLINE_NS: Final = 253_402_300_799 * 10**9
"""The last second of the year 9999; later instants have no RFC 3339 form."""


def missing(value: object) -> bool:
    """JavaScript's `!value` for what JSON can hold: absent, null, empty, false or 0."""
    return value is None or value == "" or value is False or (_is_number(value) and _is_zero(value))


def slippage_bps(value: object) -> int:
    """Percent as a JSON number with at most 2 decimals -> basis points. Raises ValueError saying why."""
    if not _is_number(value):
        raise ValueError("must be a number, in percent")
    match = _SLIPPAGE.fullmatch(str(value))
    if match is None:
        raise ValueError("must be a plain number of percent with at most 2 decimals")
    return int(match[1]) * 100 + int((match[2] or "").ljust(2, "0"))


def slippage_percent(bps: int) -> int | float:
    """Basis points -> percent, an int where it is whole."""
    return bps // 100 if bps % 100 == 0 else bps / 100


def deadline_ns(value: object) -> int:
    """RFC 3339 with an offset, or integer nanoseconds -> Unix nanoseconds. Raises ValueError saying why."""
    if isinstance(value, int) and not isinstance(value, bool):
        result = value
    elif isinstance(value, str) and not isinstance(value, Number):
        match = _RFC3339.fullmatch(value)
        if match is None:
            raise ValueError("must be RFC 3339 with an offset and at most 9 decimals, or integer nanoseconds")
        day, clock, fraction, offset = match.groups()
        try:
            moment = datetime.fromisoformat(f"{day}T{clock}{'+00:00' if offset in 'Zz' else offset}")
        except ValueError:
            raise ValueError("is not a date and time that exists") from None
        since = moment - _EPOCH
        result = (since.days * 86_400 + since.seconds) * 10**9 + int((fraction or "").ljust(9, "0"))
    else:
        raise ValueError("must be an RFC 3339 string or integer nanoseconds")
    if not 0 <= result <= MAX_DEADLINE_NS:
        raise ValueError("lies outside the years 1970 to 9999")
    return result


def rfc3339(ns: int) -> str:
    """Unix nanoseconds -> RFC 3339 in UTC; decimals only where needed, then all nine."""
    moment = datetime.fromtimestamp(ns // 10**9, UTC).strftime("%Y-%m-%dT%H:%M:%S")
    fraction = ns % 10**9
    return f"{moment}.{fraction:09d}Z" if fraction else f"{moment}Z"


def plain_to_json(intent: PlainIntent) -> dict[str, Any]:
    """The seed's fields; optional ones only where present."""
    shown: dict[str, Any] = {name: getattr(intent, name) for name in REQUIRED_FIELDS}
    if intent.min_output_amount is not None:
        shown["min_output_amount"] = intent.min_output_amount
    if intent.max_slippage_bps is not None:
        shown["max_slippage"] = slippage_percent(intent.max_slippage_bps)
    if intent.deadline_ns is not None:
        shown["deadline"] = rfc3339(intent.deadline_ns)
    return shown


def same_intent(kept: Mapping[str, Any], ours: PlainIntent) -> bool:
    """Whether the contract keeps our very intent. As in the contract, a body may leave its deadline out."""
    try:
        minimum, slippage = kept.get("min_output_amount"), kept.get("max_slippage")
        theirs = (
            kept.get("id"), kept.get("user_account"), kept.get("action"), kept.get("input_token"),
            str(kept.get("input_amount")), kept.get("output_token"), None if minimum is None else str(minimum),
            None if slippage is None else slippage_bps(slippage),
        )  # fmt: skip
        held = kept.get("deadline")
        if held is None and kept.get("deadline_ns") is not None:
            held = int(str(kept["deadline_ns"]))
        same_time = ours.deadline_ns is None or (held is not None and deadline_ns(held) == ours.deadline_ns)
    except ValueError:
        return False
    mine = (
        ours.id, ours.user_account, ours.action, ours.input_token,
        ours.input_amount, ours.output_token, ours.min_output_amount, ours.max_slippage_bps,
    )  # fmt: skip
    return theirs == mine and same_time


def _is_number(value: object) -> bool:
    return (isinstance(value, int) and not isinstance(value, bool)) or isinstance(value, Number)


def _is_zero(value: object) -> bool:
    return (
        value == 0 if isinstance(value, int) else re.fullmatch(r"-?0(\.0+)?([eE].*)?", str(value)) is not None
    )
