"""A plain intent as the Verifier reads it: the seed's fields, each in the one form that can be compared."""

import re
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from services.devnet.contracts.port import Panic
from services.devnet.contracts.strictjson import Number
from services.devnet.node.keys import is_account_id

FIELDS: Final = (
    "id", "user_account", "action", "input_token", "input_amount", "output_token",
    "min_output_amount", "max_slippage", "deadline",
)  # fmt: skip
REQUIRED: Final = FIELDS[:6]
U128: Final = 2**128
_LAST: Final = 253_402_300_799 * 10**9
"""Unix ns of the last whole second of the year 9999."""
_ID: Final = re.compile(r"[A-Za-z0-9._:@-]{1,128}")
_AMOUNT: Final = re.compile(r"0|[1-9][0-9]{0,38}")
_SLIPPAGE: Final = re.compile(r"(0|[1-9][0-9]{0,8})(?:\.([0-9]{1,2}))?")
_INTEGER: Final = re.compile(r"0|[1-9][0-9]{0,20}")
_RFC3339: Final = re.compile(
    r"(\d{4}-\d\d-\d\d)[Tt]((?:[01]\d|2[0-3]):\d\d:\d\d)(?:\.(\d{1,9}))?(?:[Zz]|([+-])([01]\d|2[0-3]):([0-5]\d))",
    re.ASCII,
)
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True, kw_only=True)
class Plain:
    """Amounts in smallest units, slippage in basis points, deadline in Unix ns; None where absent."""

    id: str
    user_account: str
    action: str
    input_token: str
    input_amount: int
    output_token: str
    min_output_amount: int | None
    max_slippage: int | None
    deadline: int | None
    shown: dict[str, Any]

    def same_as(self, other: "Plain") -> bool:
        """Equal in every field, deadlines apart."""
        return self._fields() == other._fields()

    def _fields(self) -> tuple[object, ...]:
        return (
            self.id, self.user_account, self.action, self.input_token, self.input_amount,
            self.output_token, self.min_output_amount, self.max_slippage,
        )  # fmt: skip


def instant(value: object, name: str) -> int:
    """RFC 3339 text with an offset, or an integer literal of ns -> Unix ns. Raises Panic."""
    if isinstance(value, Number):
        if not _INTEGER.fullmatch(value):
            raise Panic(f"{name}: not a whole number of nanoseconds")
        return _within(int(value), name)
    match = _RFC3339.fullmatch(value) if isinstance(value, str) else None
    if match is None:
        raise Panic(f"{name}: neither RFC 3339 with an offset nor nanoseconds")
    day, time, fraction, sign, hours, minutes = match.groups()
    try:
        moment = datetime.fromisoformat(f"{day}T{time}+00:00")
    except ValueError:
        raise Panic(f"{name}: no such time") from None
    since = moment - _EPOCH
    if sign is not None:
        offset = timedelta(hours=int(hours), minutes=int(minutes))
        since = since - offset if sign == "+" else since + offset
    seconds = since.days * 86_400 + since.seconds
    return _within(seconds * 1_000_000_000 + int((fraction or "").ljust(9, "0")), name)


def _within(ns: int, name: str) -> int:
    if 0 <= ns <= _LAST:
        return ns
    raise Panic(f"{name}: outside the years 1970 to 9999")


def string(body: dict[str, object], name: str) -> str:
    """A string, which may be empty. Raises Panic."""
    value = body.get(name)
    if type(value) is not str:
        raise Panic(f"{name}: missing or not a string")
    return value


def text(body: dict[str, object], name: str) -> str:
    """A non-empty string. Raises Panic."""
    value = body.get(name)
    if type(value) is not str or not value:
        raise Panic(f"{name}: missing or not a string")
    return value


def amount(body: dict[str, object], name: str) -> int:
    """A canonical decimal string below 2^128. Raises Panic."""
    value = body.get(name)
    if type(value) is not str or not _AMOUNT.fullmatch(value) or int(value) >= U128:
        raise Panic(f"{name}: not a canonical decimal string of a u128")
    return int(value)


def _slippage(value: object) -> int:
    """Basis points, as many as it says."""
    match = _SLIPPAGE.fullmatch(value) if isinstance(value, Number) else None
    if match is None:
        raise Panic("max_slippage: not a number from 0 to 100 with at most 2 decimals")
    return int(match[1]) * 100 + int((match[2] or "").ljust(2, "0"))


def check_types(body: dict[str, object]) -> None:
    """That its fields are known ones of their types. Raises Panic."""
    _only_known(body)
    for name in FIELDS[:7]:
        if body.get(name) is not None:
            string(body, name)
    if body.get("max_slippage") is not None:
        _slippage(body["max_slippage"])
    if body.get("deadline") is not None:
        instant(body["deadline"], "deadline")


def _only_known(body: dict[str, object]) -> None:
    unknown = sorted(set(body) - set(FIELDS))
    if unknown:
        raise Panic(f"intent: unknown field {unknown[0][:64]}")


def read(body: object) -> Plain:
    """The intent in `body`. Raises Panic naming the field."""
    if not isinstance(body, dict):
        raise Panic("intent: not an object")
    _only_known(body)
    intent_id, user = text(body, "id"), text(body, "user_account")
    if not _ID.fullmatch(intent_id):
        raise Panic("id: not 1 to 128 characters of A-Za-z0-9._:@-")
    if not is_account_id(user):
        raise Panic("user_account: not an account id")
    action, source, target = text(body, "action"), text(body, "input_token"), text(body, "output_token")
    units = amount(body, "input_amount")
    if units == 0:
        raise Panic("input_amount: must be more than 0")
    shown: dict[str, Any] = {name: body[name] for name in REQUIRED}
    least = slippage = deadline = None
    if body.get("min_output_amount") is not None:
        least = amount(body, "min_output_amount")
        shown["min_output_amount"] = str(least)
    if body.get("max_slippage") is not None:
        slippage = _slippage(body["max_slippage"])
        if slippage > 10_000:
            raise Panic("max_slippage: more than 100 percent")
        shown["max_slippage"] = slippage // 100 if slippage % 100 == 0 else slippage / 100
    if body.get("deadline") is not None:
        given = body["deadline"]
        deadline = instant(given, "deadline")
        shown["deadline"] = deadline if isinstance(given, Number) else given
    return Plain(
        id=intent_id, user_account=user, action=action, input_token=source, input_amount=units,
        output_token=target, min_output_amount=least, max_slippage=slippage, deadline=deadline, shown=shown,
    )  # fmt: skip
