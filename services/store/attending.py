"""Acts of the processor's resolver and of operators through it. Each leaves an entry in `resolutions`, as those of
`resolving.py` do, under one compare-and-set on all it was judged by.

Failing follows the same rule as there: never while signed bytes of the intent may get on chain (P4), and no word more
changes that here.
"""

import json
from collections.abc import Sequence
from datetime import datetime
from typing import Final

from services.common.domain.intent import ErrorDetails
from services.common.domain.lifecycle import TERMINAL, Status
from services.common.domain.settling import (
    BY_OPERATOR,
    MAX_BY,
    MAX_EVIDENCE,
    MAX_REASON,
    Act,
    Audited,
    AuditEntry,
    Settlement,
)
from services.common.errors import IntentError, Reason
from services.store.document import ENDED, UNFIT, corrupt, error_to, is_stranger, move_entry, record_of
from services.store.ports import Document, Find, Program, Update, Write
from services.store.resolving import RESOLVED, may_still_land

ATTEMPTS: Final = 10
SHOWN: Final = 20
"""Entries shown of an intent, the newest."""

Judged = Write | Audited | IntentError


def attending(asked: Settlement, now: datetime) -> Program[Audited | IntentError]:
    """The intent after the act, or why it was not done."""
    for _ in range(ATTEMPTS):
        found: dict[str, Document] = yield Find([asked.intent_id])
        judged = judge(found.get(asked.intent_id), asked, now)
        if not isinstance(judged, Write):
            return judged
        answers: Sequence[Document | None] = yield Update([judged])
        if answers[0] is not None:
            return audited(answers[0])
    return IntentError(Reason.STALE_VERSION, "It keeps changing: look at it and try again.")


def judge(document: Document | None, asked: Settlement, now: datetime) -> Judged:
    """The write that does it, the intent where nothing is to be written, or why not."""
    if document is None or is_stranger(document):
        return IntentError(Reason.INTENT_NOT_FOUND, "There is no such intent.")
    try:
        shown = audited(document)
        match asked.act:
            case Act.NOTE:
                return shown if _said_already(document, asked) else _write(document, asked, now, {})
            case Act.WAKE:
                return _wake(document, asked, now, shown)
            case Act.FAIL:
                return _fail(document, asked, now)
    except UNFIT:
        return corrupt(document)
    except IntentError as error:
        return error


def audited(document: Document) -> Audited:
    """Raises IntentError CORRUPT_RECORD."""
    return Audited(record=record_of(document), entries=entries_of(document))


def entries_of(document: Document) -> tuple[AuditEntry, ...]:
    """The newest SHOWN, oldest first; what somebody else wrote there is passed over."""
    kept = document.get("resolutions")
    found = [
        AuditEntry(
            at=one["at"],
            by=str(one.get("by") or ""),
            act=str(one.get("choice") or ""),
            reason=str(one.get("reason") or ""),
            evidence=str(one.get("evidence") or ""),
        )
        for one in (kept if isinstance(kept, list) else ())
        if isinstance(one, dict) and isinstance(one.get("at"), datetime)
    ]
    return tuple(found[-SHOWN:])


def check_settlement(asked: Settlement) -> IntentError | None:
    """Why it is no act that could be kept."""
    if not 1 <= len(asked.by) <= len(BY_OPERATOR) + MAX_BY or not asked.by.isprintable():
        return IntentError(
            Reason.INVALID_FIELD, "by: who acts is to be said, in up to 64 printable characters."
        )
    if not 1 <= len(asked.reason.strip()) <= MAX_REASON or not asked.reason.isprintable():
        return IntentError(
            Reason.INVALID_FIELD, f"reason: why is to be said, in up to {MAX_REASON} printable characters."
        )
    if len(asked.evidence) > MAX_EVIDENCE:
        return IntentError(Reason.INVALID_FIELD, f"evidence: at most {MAX_EVIDENCE} characters are kept.")
    return None


def _said_already(document: Document, asked: Settlement) -> bool:
    """What the processor finds again at each look is one entry; what a person does is one each time."""
    if asked.by.startswith(BY_OPERATOR):
        return False
    said = {(one.by, one.act, one.reason) for one in entries_of(document)}
    return (asked.by, asked.act.value, asked.reason) in said


def _wake(document: Document, asked: Settlement, now: datetime, shown: Audited) -> Judged:
    _require_open(document)
    if document.get("held"):
        raise IntentError(
            Reason.ILLEGAL_MOVE, "It is held for a person: settle it with `intents admin resolve ID`."
        )
    due = document.get("nextActionAt")
    # who holds it is at work on it, and its lease's end is when others may
    change = {} if document["lease"]["owner"] or (due is not None and due <= now) else {"nextActionAt": now}
    if not _said_already(document, asked):
        return _write(document, asked, now, change)
    return Write(document["_id"], _judged_by(document), change) if change else shown


def _fail(document: Document, asked: Settlement, now: datetime) -> Write:
    _require_open(document)
    if document["status"] != document["versionStatus"]:
        raise IntentError(
            Reason.FOREIGN_WRITE,
            "Its status was written past the store: settle it with `intents admin resolve ID`.",
        )
    if document["version"] != asked.seen_version:
        raise IntentError(
            Reason.STALE_VERSION, "It has moved since it was looked at: look again.",
            metadata={"version": str(document["version"])},
        )  # fmt: skip
    if why := may_still_land(document, Status.FAILED):
        raise IntentError(Reason.NOT_CANCELLABLE, f"It is not ended as failed: {why}.")
    last = document["history"][-1]
    version, at = document["version"] + 1, max(now, last["occurredAt"])
    evidence = json.dumps({"by": asked.by, "seen": asked.evidence})
    error = error_to(ErrorDetails(reason=RESOLVED, message=asked.reason, evidence=evidence))
    failed = Status.FAILED.value
    change: Document = {
        "status": failed, "versionStatus": failed, "version": version, "updatedAt": at, "errorDetails": error,
        **ENDED, "nextActionAt": None, "lease.owner": "", "lease.expiresAt": None, "held": None,
    }  # fmt: skip
    entry = move_entry(
        version=version,
        status=Status.FAILED,
        at=at,
        actor=asked.by,
        reason=RESOLVED,
        traceparent=document.get("traceparent") or "",
        execution=document.get("executionDetails"),
        error=error,
    )
    push = {"history": entry, "outbox": {"version": version, "sequence": 0}}
    return _write(document, asked, now, change, push)


def _require_open(document: Document) -> None:
    if document["versionStatus"] in TERMINAL:
        raise IntentError(Reason.ILLEGAL_MOVE, f"It has ended: it is {document['versionStatus']}.")


def _write(
    document: Document, asked: Settlement, now: datetime, change: Document, push: Document | None = None
) -> Write:
    was = {name: document.get(name) for name in ("status", "errorDetails", "updatedAt", "held")}
    noted = {
        "at": now, "by": asked.by, "reason": asked.reason, "choice": asked.act.value, "forced": False,
        "evidence": asked.evidence, "was": was,
    }  # fmt: skip
    return Write(document["_id"], _judged_by(document), change, {"resolutions": noted, **(push or {})})


def _judged_by(document: Document) -> Document:
    names = ("version", "status", "versionStatus", "chainRevision", "updatedAt", "errorDetails", "held")
    judged: Document = {name: document.get(name) for name in names}
    lease = document["lease"]
    return judged | {"lease.fence": lease["fence"], "lease.owner": lease["owner"]}
