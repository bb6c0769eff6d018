"""Settling by a person what the store does not decide: a write past it, and what is held.

Each is one compare-and-set on all it was judged by, so that what happens at the same time is judged again. A change of
status is a move like any other, with history and event; every settlement leaves what it met in `resolutions`.
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any, Final

from services.common.domain.intent import ErrorDetails
from services.common.domain.lifecycle import NEXT, TERMINAL, Status, legal
from services.store.document import ENDED, error_to, is_stranger, move_entry, record_of
from services.store.ports import Document, Find, Program, Update, Write

ATTEMPTS: Final = 10
RESOLVED: Final = "RESOLVED"
"""Reason of a move that a person made."""
SIGNED: Final = "signed"
SUCCESS: Final = "success"


class Choice(StrEnum):
    """What a person may choose."""

    TO_OURS = "to-ours"
    ACCEPT = "accept"
    FAIL = "fail"
    RELEASE = "release"


@dataclass(frozen=True, slots=True, kw_only=True)
class Resolution:
    """`by` and `reason` are kept. `status`: with ACCEPT. `force`: though signed bytes may still land."""

    choice: Choice
    by: str
    reason: str
    status: Status | None = None
    force: bool = False


@dataclass(frozen=True, slots=True)
class Unsettled:
    """Nothing was changed; `why` is for people."""

    why: str


def resolving(intent_id: str, resolution: Resolution, now: datetime) -> Program[Document | Unsettled]:
    """The document after it, or why not."""
    for _ in range(ATTEMPTS):
        found: dict[str, Document] = yield Find([intent_id])
        judged = settle(found.get(intent_id), resolution, now)
        if isinstance(judged, Unsettled):
            return judged
        answers: Sequence[Document | None] = yield Update([judged])
        if answers[0] is not None:
            return answers[0]
    return Unsettled("it keeps changing: look at it and try again")


def settle(document: Document | None, resolution: Resolution, now: datetime) -> Write | Unsettled:
    """Raises IntentError CORRUPT_RECORD."""
    if document is None or is_stranger(document):
        return Unsettled("there is no such intent")
    record_of(document)
    match resolution.choice:
        case Choice.TO_OURS:
            return _to_ours(document, resolution, now)
        case Choice.RELEASE:
            return _release(document, resolution, now)
        case Choice.FAIL:
            if not (written_past(document) or document.get("held")):
                return Unsettled(
                    "nobody wrote past the store and it is not held: it takes its course, or its user cancels it"
                )
            return _move(document, Status.FAILED, resolution, now)
        case Choice.ACCEPT:
            return _accept(document, resolution, now)


def written_past(document: Document) -> bool:
    """Whether its status is not what the store moved it to."""
    return bool(document["status"] != document["versionStatus"])


def touched(document: Document) -> list[str]:
    """Fields that are not as the last move wrote them."""
    last = document["history"][-1]
    told = {
        "status": document["versionStatus"], "errorDetails": last.get("errorDetails"),
        "updatedAt": last["occurredAt"],
    }  # fmt: skip
    return [name for name, value in told.items() if document.get(name) != value]


def may_still_land(document: Document, to: Status) -> str:
    """Why it is not known that nothing of it can have, or has had, its effect on chain; "" if it is."""
    open_ = [one["hash"] for one in document["chainTransactions"] if one["status"] == SIGNED]
    if open_:
        return f"signed bytes of it may still get on chain: {', '.join(open_)}"
    if to is not Status.FAILED:
        return ""
    solved = [
        one["hash"]
        for one in document["chainTransactions"]
        if one["purpose"] == "solve" and one["status"] == SUCCESS
    ]
    if solved:
        return f"it was solved on chain: {', '.join(solved)}"
    if document.get("held") and document["versionStatus"] == Status.EXECUTING:
        return "another system began to execute it and may have brought it on chain"
    return ""


def choices(document: Document) -> list[str]:
    """What can be chosen now, as options of the command."""
    ours = Status(document["versionStatus"])
    can: list[str] = []
    if touched(document):
        can.append("--to-ours")
    if document.get("held"):
        can += [f"--accept {one}" for one in Status if one in NEXT[ours]]
    elif written_past(document) and document["status"] in [*NEXT[ours]]:
        can.append(f"--accept {document['status']}")
    if (document.get("held") or written_past(document)) and Status.FAILED in NEXT[ours]:
        can.append("--fail")
    if document.get("held") and document.get("signedData") is not None:
        can.append("--release")
    return can


def _to_ours(document: Document, resolution: Resolution, now: datetime) -> Write | Unsettled:
    if not touched(document):
        return Unsettled("nobody wrote past the store: its fields are as the last move wrote them")
    last = document["history"][-1]
    change = {
        "status": document["versionStatus"], "errorDetails": last.get("errorDetails"),
        "updatedAt": last["occurredAt"],
    }  # fmt: skip
    return Write(document["_id"], _as_judged(document), change, _noted(document, resolution, now))


def _release(document: Document, resolution: Resolution, now: datetime) -> Write | Unsettled:
    if not document.get("held"):
        return Unsettled("it is not held")
    if document.get("signedData") is None:
        return Unsettled(
            "it carries no signature of its user: nothing may be done for it; --fail it, or --accept"
        )
    change = {"held": None, "nextActionAt": now}
    return Write(document["_id"], _as_judged(document), change, _noted(document, resolution, now))


def _accept(document: Document, resolution: Resolution, now: datetime) -> Write | Unsettled:
    to = resolution.status
    if to is None:
        return Unsettled("accept which status?")
    if written_past(document):
        if document["status"] != to:
            return Unsettled(f"its status is {document['status']!r} now, not {to}")
    elif not document.get("held"):
        return Unsettled("nobody wrote another status past the store and it is not held")
    return _move(document, to, resolution, now)


def _move(document: Document, to: Status, resolution: Resolution, now: datetime) -> Write | Unsettled:
    ours, last = Status(document["versionStatus"]), document["history"][-1]
    if not legal(ours, to):
        return Unsettled(f"an intent does not go from {ours} to {to}; --to-ours restores {ours}")
    if to in TERMINAL and not resolution.force and (why := may_still_land(document, to)):
        return Unsettled(f"{why}; if you know better, repeat it with --force")
    version, at = document["version"] + 1, max(now, last["occurredAt"])
    error: Any = None
    if to is Status.FAILED:
        error = document.get("errorDetails") if resolution.choice is Choice.ACCEPT else None
        error = error if error is not None else _why(resolution)
    change = {
        "status": to.value, "versionStatus": to.value, "version": version, "updatedAt": at,
    }  # fmt: skip
    if document.get("errorDetails") != error:
        change["errorDetails"] = error
    if to in TERMINAL:
        change |= {**ENDED, "nextActionAt": None, "lease.owner": "", "lease.expiresAt": None, "held": None}
    entry = move_entry(
        version=version,
        status=to,
        at=at,
        actor=f"operator:{resolution.by}",
        reason=RESOLVED,
        traceparent=document.get("traceparent") or "",
        execution=document.get("executionDetails"),
        error=error,
    )
    push = {"history": entry, "outbox": {"version": version, "sequence": 0}}
    return Write(document["_id"], _as_judged(document), change, push | _noted(document, resolution, now))


def _why(resolution: Resolution) -> Document:
    evidence = json.dumps({"by": resolution.by, "forced": resolution.force})
    return error_to(ErrorDetails(reason=RESOLVED, message=resolution.reason, evidence=evidence))


def _as_judged(document: Document) -> Document:
    names = ("version", "status", "versionStatus", "chainRevision", "updatedAt", "errorDetails", "held")
    return {name: document.get(name) for name in names}


def _noted(document: Document, resolution: Resolution, now: datetime) -> Document:
    was = {name: document.get(name) for name in ("status", "errorDetails", "updatedAt", "held")}
    return {
        "resolutions": {
            "at": now, "by": resolution.by, "reason": resolution.reason, "choice": resolution.choice.value,
            "forced": resolution.force, "was": was,
        }
    }  # fmt: skip
