"""A document that another system wrote into our collection, as the record it becomes.

It is read as it was meant: dates as dates, numbers of seconds or milliseconds, or ISO 8601; amounts as text or whole
numbers. What cannot be meant one way only is not guessed at.
"""

import math
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Any, Final

from services.common.clock import from_ns, to_ns
from services.common.domain.intent import ID_PATTERN, PlainIntent, Submission
from services.common.domain.lifecycle import TERMINAL, Status
from services.common.domain.signing import content_hash
from services.common.errors import IntentError
from services.store.document import ADOPTED, SCHEMA, derived, move_entry, record_of
from services.store.model import MAX_PRINCIPAL
from services.store.ports import Document, Stranger

UNSIGNED: Final = "UNSIGNED"
"""Reason of being held: nothing says that the user wants it, so nothing is done for it until a person decides."""
ACTOR: Final = "migrate"
MAX_TEXT: Final = 1024
_MILLISECONDS_FROM: Final = 10**11
"""A number of time from here on is of milliseconds (1973), below of seconds (until 5138)."""
_REQUIRED: Final = ("userId", "action", "input_token", "input_amount", "output_token")
_KNOWN: Final = {
    "_id", "intentId", *_REQUIRED, "min_output_amount", "max_slippage", "status", "createdAt", "updatedAt",
    "expiresAt", "executionDetails", "errorDetails",
}  # fmt: skip


class Unreadable(Exception):
    """Why a document cannot become a record; a sentence for people."""


def adopted(stranger: Stranger, *, principal: str, now: datetime) -> Document:
    """The record: version 1 with the status as found, history and event of reason ADOPTED. One that has not ended is
    held. `principal` empty: its user. Raises Unreadable."""
    found = stranger.document
    intent_id = found.get("intentId")
    if not isinstance(intent_id, str) or ID_PATTERN.fullmatch(intent_id) is None:
        raise Unreadable("intentId is not 1 to 128 characters of A-Za-z0-9._:@-")
    if found.get("status") not in set(Status):
        raise Unreadable(f"status {_shown(found.get('status'))} is none of {', '.join(Status)}")
    status = Status(found["status"])
    created, updated, expires = _times(stranger)
    fields: Document = {
        "_id": intent_id,
        "intentId": intent_id,
        **{name: _text(found, name) for name in _REQUIRED if name != "input_amount"},
        "input_amount": _amount(found, "input_amount"),
    }
    if found.get("min_output_amount") is not None:
        fields["min_output_amount"] = _amount(found, "min_output_amount")
    if found.get("max_slippage") is not None:
        fields["max_slippage"] = _percent(found["max_slippage"])
    principal = principal or fields["userId"]
    if len(principal) > MAX_PRINCIPAL:
        raise Unreadable(f"userId is longer than the {MAX_PRINCIPAL} characters of a principal")
    execution, error = _execution(found.get("executionDetails")), found.get("errorDetails")
    entry = move_entry(
        version=1, status=status, at=updated, actor=ACTOR, reason=ADOPTED, execution=execution, error=error
    )
    fields |= {name: entry[name] for name in ("executionDetails", "errorDetails") if name in entry}
    fields |= {
        "schemaVersion": SCHEMA, "status": status.value, "createdAt": created, "updatedAt": updated,
        "expiresAt": expires, "version": 1, "versionStatus": status.value, "principal": principal,
        "contentHash": _content(fields), "requestId": "", "nonceKey": None, "deadlineNs": None, "signedData": None,
        "chainTransactions": [], "chainRevision": 0, "history": [entry], "outbox": [{"version": 1, "sequence": 0}],
        "lease": {"owner": "", "fence": 0, "expiresAt": None}, "nextActionAt": None, "traceparent": "",
        "adopted": {"id": stranger.key, "digest": stranger.digest, "at": now, "others": _others(found)},
    }  # fmt: skip
    if status not in TERMINAL:
        fields["held"] = {"reason": UNSIGNED, "since": now}
    try:
        record_of(fields)
    except IntentError:
        raise Unreadable("executionDetails or errorDetails are of an unknown form") from None
    return fields | derived(fields)


def age(stranger: Stranger) -> tuple[datetime, datetime, str]:
    """Of doubles the greatest is the newest. Raises Unreadable."""
    created, updated, _ = _times(stranger)
    return updated, created, str(stranger.key)


def _content(fields: Document) -> str:
    slippage = fields.get("max_slippage")
    return content_hash(
        Submission(
            intent=PlainIntent(
                id=fields["_id"],
                user_account=fields["userId"],
                action=fields["action"],
                input_token=fields["input_token"],
                input_amount=fields["input_amount"],
                output_token=fields["output_token"],
                min_output_amount=fields.get("min_output_amount"),
                max_slippage_bps=None if slippage is None else round(slippage * 100),
            )
        )
    )


def _others(found: Document) -> Document:
    """Fields that have no place in a record: kept, never read."""
    return {name: value for name, value in found.items() if name not in _KNOWN}


def _times(stranger: Stranger) -> tuple[datetime, datetime, datetime]:
    """createdAt, updatedAt, expiresAt; one that is missing is as near as it can be known."""
    found = stranger.document
    created, updated = _time(found, "createdAt"), _time(found, "updatedAt")
    created = created or stranger.began or updated
    if created is None:
        raise Unreadable("createdAt is missing")
    updated = updated or created
    return created, updated, _time(found, "expiresAt") or updated


def _time(found: Document, name: str) -> datetime | None:
    value = found.get(name)
    if value is None:
        return None
    try:
        if isinstance(value, str):
            moment = datetime.fromisoformat(value)
            return from_ns(to_ns(moment if moment.tzinfo else moment.replace(tzinfo=UTC)))
        if isinstance(value, datetime):
            return from_ns(to_ns(value))
        number = _number(value)
        seconds = number / 1000 if number >= _MILLISECONDS_FROM else number
        if seconds < 0:
            raise ValueError("before 1970")
        return from_ns(round(seconds * 1000) * 1_000_000)
    except (ValueError, TypeError, OverflowError, ArithmeticError):
        raise Unreadable(f"{name} {_shown(value)} is no time") from None


def _text(found: Document, name: str) -> str:
    value = found.get(name)
    if not isinstance(value, str) or not 1 <= len(value) <= MAX_TEXT or "\0" in value:
        raise Unreadable(f"{name} {_shown(value)} is not 1 to {MAX_TEXT} characters")
    return value


def _amount(found: Document, name: str) -> str:
    value = found.get(name)
    if isinstance(value, str):
        return _text(found, name)
    return _whole(value, name)


def _percent(value: Any) -> float:
    try:
        number = _number(value)
        percent = int(number) if number == int(number) else number
        if not 0 <= percent <= 100 or abs(percent * 100 - round(percent * 100)) > 1e-6:
            raise ValueError("not of basis points")
    except (ValueError, TypeError, OverflowError, ArithmeticError):
        raise Unreadable(
            f"max_slippage {_shown(value)} is not 0 to 100 percent in whole basis points"
        ) from None
    return percent


def _execution(found: Any) -> Document | None:
    """As we write it; None where it says nothing, as an empty list that a schema put there."""
    if not isinstance(found, dict):
        if found is not None:
            raise Unreadable("executionDetails are of an unknown form")
        return None
    said: dict[str, Callable[[Any], Any]] = {
        "solverId": _word, "transactions": _transactions, "gasUsed": _units, "totalCost": _units,
    }  # fmt: skip
    execution = {name: read(found.get(name)) for name, read in said.items()}
    if execution == {"solverId": "", "transactions": [], "gasUsed": "0", "totalCost": "0"}:
        return None
    return execution


def _transactions(found: Any) -> list[Document]:
    if found is None:
        return []
    if not isinstance(found, list) or not all(isinstance(one, Mapping) for one in found):
        raise Unreadable("executionDetails.transactions are of an unknown form")
    return [{name: _word(one.get(name)) for name in ("hash", "chain", "status")} for one in found]


def _word(value: Any) -> str:
    if value is not None and not isinstance(value, str):
        raise Unreadable(f"executionDetails hold {_shown(value)} where text is expected")
    return value or ""


def _units(value: Any) -> str:
    return _whole(value, "gasUsed or totalCost") if value not in (None, "") else "0"


def _whole(value: Any, name: str) -> str:
    try:
        number = (
            int(value) if isinstance(value, str | int) and not isinstance(value, bool) else _number(value)
        )
        if number != int(number) or number < 0 or (isinstance(number, float) and number >= 2**53):
            raise ValueError("not exact")
        return str(int(number))
    except (ValueError, TypeError, OverflowError, ArithmeticError):
        raise Unreadable(f"{name} {_shown(value)} is no whole number") from None


def _number(value: Any) -> Any:
    """A finite number. Raises ValueError, TypeError, ArithmeticError."""
    if isinstance(value, str):
        value = float(value)
    if hasattr(value, "to_decimal"):  # a driver's own decimal
        value = value.to_decimal()
    if isinstance(value, bool) or not math.isfinite(value):
        raise ValueError("no number")
    return value


def _shown(value: Any) -> str:
    return repr(value)[:60]
