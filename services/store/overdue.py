"""What nobody ends (P13): listed cause by cause, each by a range of its own index, and counted for the metrics.

- PAST_DEADLINE: not ended after its deadline. By openUntil.
- NO_OWNER: its next action is due for longer than the grace, or its lease lapsed that long ago, and nobody took it up.
  By nextActionAt.
- FOREIGN_WRITE: its status is not the one of the store's last move. By the two statuses, then creation.
- HELD: it waits for a person. By since when.

An intent is listed under the first that applies. What an earlier cause has told already is passed over, PASSED of them
at most for a page: it may hold fewer than asked for, or none, and still have a next one. Records of schema 1 have no
openUntil before `intents admin migrate`: past their deadline they show as without an owner, when their next action is
due.
"""

import base64
import binascii
import json
import logging
import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from services.common.clock import from_ns, to_ns
from services.common.domain.intent import IntentRecord
from services.common.domain.outcomes import Overdue, OverdueCause, OverduePage
from services.common.errors import IntentError, Reason
from services.common.observe import logs
from services.store.document import held_since, record_of
from services.store.overdue_range import OverdueKey, OverdueRange
from services.store.ports import Document, Storage

logger = logging.getLogger(__name__)

PASSED: Final = 1_000
"""Most records passed over for a page."""
COUNTED: Final = 1_000
"""Most records of a cause that are counted."""
MAX_EVIDENCE: Final = 1_024
_AT_ONCE: Final = 64
_CAUSES: Final = tuple(OverdueCause)
_MAX_TOKEN: Final = 16_384
_EVER: Final = datetime(9999, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Overstaying:
    """`count`: COUNTED means as many or more. `oldest`: for how long the one that overstays longest does."""

    count: int
    oldest: timedelta


def cause_of(document: Document, now: datetime, grace: timedelta) -> OverdueCause | None:
    """The first that applies."""
    until, due = (_time(document.get(name)) for name in ("openUntil", "nextActionAt"))
    if until is not None and until < now:
        return OverdueCause.PAST_DEADLINE
    if due is not None and due < now - grace:
        return OverdueCause.NO_OWNER
    if document.get("status") != document.get("versionStatus"):
        return OverdueCause.FOREIGN_WRITE
    return OverdueCause.HELD if held_since(document) is not None else None


def since(document: Document, cause: OverdueCause) -> datetime:
    """When it should have been over or worked on; when it was last written, or held."""
    match cause:
        case OverdueCause.PAST_DEADLINE:
            found = document.get("openUntil")
        case OverdueCause.NO_OWNER:
            found = document.get("nextActionAt")
        case OverdueCause.HELD:
            found = held_since(document)
        case _:
            found = document.get("updatedAt")
    return _time(found) or document["createdAt"]


def _time(value: Any) -> datetime | None:
    # who writes past the store may write anything
    return value if isinstance(value, datetime) else None


def key_of(document: Document, cause: OverdueCause) -> OverdueKey:
    """Its place in the cause's range."""
    if cause is OverdueCause.FOREIGN_WRITE:
        return OverdueKey(
            document["createdAt"], document["_id"], document["versionStatus"], document["status"]
        )
    return OverdueKey(since(document, cause), document["_id"])


async def page(storage: Storage, now: datetime, grace: timedelta, *, size: int, token: str) -> OverduePage:
    """Raises PAGE_TOKEN_INVALID."""
    cause, after = decode_token(token)
    found: list[Overdue] = []
    looks = size + 1 + PASSED
    while True:
        asked = OverdueRange(cause, _before(cause, now, grace), after, min(looks, max(size + 1, _AT_ONCE)))
        documents = await storage.overdue(asked)
        for document in documents:
            if cause_of(document, now, grace) is cause and (one := _overdue(document, cause)) is not None:
                if len(found) == size:
                    return OverduePage(overdue=tuple(found), next_page_token=encode_token(cause, after))
                found.append(one)
            after = key_of(document, cause)
        looks -= len(documents)
        if len(documents) == asked.limit:
            if looks <= 0:
                return OverduePage(overdue=tuple(found), next_page_token=encode_token(cause, after))
            continue
        place = _CAUSES.index(cause) + 1
        if place == len(_CAUSES):
            return OverduePage(overdue=tuple(found))
        cause, after = _CAUSES[place], None


async def counted(storage: Storage, now: datetime, grace: timedelta) -> dict[OverdueCause, Overstaying]:
    """Of every cause, of the first COUNTED of its range."""
    counts: dict[OverdueCause, Overstaying] = {}
    for cause in _CAUSES:
        asked = OverdueRange(cause, _before(cause, now, grace), None, COUNTED, brief=True)
        mine = [one for one in await storage.overdue(asked) if cause_of(one, now, grace) is cause]
        oldest = max((now - since(one, cause) for one in mine), default=timedelta(0))
        counts[cause] = Overstaying(len(mine), max(oldest, timedelta(0)))
    return counts


def _before(cause: OverdueCause, now: datetime, grace: timedelta) -> datetime:
    match cause:
        case OverdueCause.PAST_DEADLINE:
            return now
        case OverdueCause.NO_OWNER:
            return now - grace
        case _:
            return _EVER


def _overdue(document: Document, cause: OverdueCause) -> Overdue | None:
    try:
        record = record_of(document)
    except IntentError as error:
        # `verify` tells of it
        logs.event(
            logger, logging.ERROR, "store.unreadable", intent_id=document["_id"], why=str(error.reason)
        )
        return None
    return Overdue(
        record=record,
        cause=cause,
        since=since(document, cause),
        last_evidence=_evidence(document, record)[:MAX_EVIDENCE],
    )


def _evidence(document: Document, record: IntentRecord) -> str:
    """What is known of where it stands, the newest last."""
    last = record.history[-1]
    parts = [last.reason]
    parts += [
        f"{one.purpose} {one.hash} {one.status} {one.evidence}".strip() for one in record.transactions[-1:]
    ]
    if record.foreign_write:
        parts.append(f"status {document['status']!r} was written past the store over {record.status.value!r}")
    if held_since(document) is not None:
        parts.append(str(document["held"].get("reason") or ""))
    return "; ".join(part for part in parts if part)


def encode_token(cause: OverdueCause, after: OverdueKey | None) -> str:
    """Opaque text for "in this cause, after this key"."""
    place: list[Any] = [_CAUSES.index(cause)]
    if after is not None:
        place += [to_ns(after.at) // 1_000_000, after.intent_id, after.ours, after.status]
    raw = json.dumps(place, separators=(",", ":")).encode()
    return base64.urlsafe_b64encode(raw + zlib.crc32(raw).to_bytes(4, "big")).decode().rstrip("=")


def decode_token(token: str) -> tuple[OverdueCause, OverdueKey | None]:
    """Raises IntentError PAGE_TOKEN_INVALID for one that no store gave."""
    if not token:
        return _CAUSES[0], None
    try:
        if len(token) > _MAX_TOKEN:
            raise ValueError("long")
        whole = base64.b64decode(token + "=" * (-len(token) % 4), altchars=b"-_", validate=True)
        raw, check = whole[:-4], whole[-4:]
        if zlib.crc32(raw).to_bytes(4, "big") != check:
            raise ValueError("cut short or changed")
        return _place(json.loads(raw))
    except (binascii.Error, ValueError, TypeError, IndexError, OverflowError, RecursionError):
        raise IntentError(
            Reason.PAGE_TOKEN_INVALID, "The page token is not of a list of overdue intents."
        ) from None


def _place(said: Sequence[Any]) -> tuple[OverdueCause, OverdueKey | None]:
    number, *key = said
    if type(number) is not int or not 0 <= number < len(_CAUSES):
        raise ValueError("no cause")
    if not key:
        return _CAUSES[number], None
    at, *texts = key
    if type(at) is not int or len(texts) != 3 or not all(type(one) is str for one in texts):
        raise TypeError("no key")
    return _CAUSES[number], OverdueKey(from_ns(at * 1_000_000), *texts)
