"""The rules of one stored document, without looking anywhere else."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from services.common.domain.intent import METHOD_SUBMIT, IntentRecord
from services.common.domain.lifecycle import TERMINAL, legal
from services.common.domain.outcomes import RequestIdentity
from services.common.domain.signing import content_hash
from services.common.errors import IntentError
from services.store.document import ADOPTED, SCHEMA, derived, record_of
from services.store.model import nonce_key, request_key
from services.store.ports import Document, Reservation
from services.store.verify.findings import Kind

_UNFIT: Final = (KeyError, ValueError, TypeError, AttributeError, IndexError)


@dataclass(frozen=True, slots=True)
class Change:
    """Set these paths, if the record is still as it was read."""

    set: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Hold:
    """Reserve, in "requests" or "nonces"."""

    kind: str
    reservation: Reservation


@dataclass(frozen=True, slots=True)
class Refiling:
    """Make the columns beside the document anew."""


@dataclass(frozen=True, slots=True)
class Retelling:
    """Put these versions into the log or the outbox; `after` and `before`: their neighbours' sequences, 0 for none."""

    version: int
    after: int
    before: int


Remedy = Change | Hold | Refiling | Retelling


@dataclass(frozen=True, slots=True)
class Difference:
    """What is wrong with one intent, and what would set it right, where only one thing can."""

    kind: Kind
    message: str
    remedy: Remedy | None = None


def differences(document: Document, now: datetime) -> Iterator[Difference]:
    """In the order of Kind. One that cannot be read is not looked at further."""
    newest = document.get("schemaVersion", 1)
    if not isinstance(newest, int) or newest > SCHEMA:
        yield Difference(Kind.NEWER_SCHEMA, f"schemaVersion is {newest!r}, this version knows up to {SCHEMA}")
        return
    try:
        record = record_of(document)
        found = [
            *_written_past(document),
            *_history(document, record),
            *_content(document, record),
            *_schedule(document, record, now),
            *_derived(document),
            *_outbox(document),
        ]
    except IntentError as error:
        yield Difference(Kind.UNREADABLE, error.message)
        return
    except _UNFIT as error:
        yield Difference(Kind.UNREADABLE, f"a field of ours is missing or of another kind: {error!r}"[:200])
        return
    yield from found


def reservations(document: Document) -> list[tuple[Kind, str, Reservation]]:
    """What must be held for it: (finding if not, "requests" or "nonces", reservation)."""
    held: list[tuple[Kind, str, Reservation]] = []
    intent_id, content = document["_id"], document["contentHash"]
    if document.get("requestId"):
        identity = RequestIdentity(
            principal=document["principal"], method=METHOD_SUBMIT, request_id=document["requestId"]
        )
        held.append((Kind.REQUEST, "requests", Reservation(request_key(identity), intent_id, content)))
    if document.get("nonceKey") is not None:
        held.append((Kind.NONCE, "nonces", Reservation(document["nonceKey"], intent_id, content)))
    return held


def _written_past(document: Document) -> Iterator[Difference]:
    status, ours, last = document["status"], document["versionStatus"], document["history"][-1]
    settle = "settle it with `intents admin resolve`"
    if status != ours:
        yield Difference(
            Kind.WRITTEN_PAST,
            f"status {status!r} was written past the store, whose record is {ours!r}; {settle}",
        )
        return
    odd = [
        name
        for name, told in (("errorDetails", last.get("errorDetails")), ("updatedAt", last["occurredAt"]))
        if document.get(name) != told
    ]
    if odd:
        yield Difference(Kind.WRITTEN_PAST, f"{' and '.join(odd)} are not what the last move wrote; {settle}")


def _history(document: Document, record: IntentRecord) -> Iterator[Difference]:
    history = document["history"]
    numbers = [entry["version"] for entry in history]
    if document["version"] != len(history) or numbers != list(range(1, len(history) + 1)):
        told = f"{numbers[:8]}{'…' if len(numbers) > 8 else ''}"
        yield Difference(Kind.HISTORY, f"version is {document['version']!r}, the history has {told}")
    if not record.history:
        return
    if document["versionStatus"] != record.history[-1].status:
        yield Difference(
            Kind.HISTORY,
            f"versionStatus is {record.status}, the last move went to {record.history[-1].status}",
        )
    if record.history[0].reason != ADOPTED and (
        record.history[0].status != "pending" or record.created_at != record.history[0].occurred_at
    ):
        yield Difference(Kind.HISTORY, "the first move is not the creation as pending at createdAt")
    for before, after in zip(record.history, record.history[1:], strict=False):
        if not legal(before.status, after.status):
            yield Difference(
                Kind.HISTORY, f"version {after.version} went from {before.status} to {after.status}"
            )
        if after.occurred_at < before.occurred_at:
            yield Difference(Kind.HISTORY, f"version {after.version} happened before the one before it")


def _content(document: Document, record: IntentRecord) -> Iterator[Difference]:
    if content_hash(record.submission) != document["contentHash"]:
        yield Difference(Kind.CONTENT, "contentHash is not that of the stored fields or message")
    if nonce_key(record.submission) != document.get("nonceKey"):
        yield Difference(Kind.CONTENT, "nonceKey is not that of the stored signature")


def _schedule(document: Document, record: IntentRecord, now: datetime) -> Iterator[Difference]:
    lease, due, held = document["lease"], document["nextActionAt"], bool(document.get("held"))
    if not isinstance(lease["fence"], int) or bool(lease["owner"]) != (lease["expiresAt"] is not None):
        yield Difference(Kind.SCHEDULE, "the lease has an owner without an end, or an end without an owner")
    if record.status in TERMINAL:
        if due is not None or lease["owner"] or held:
            change = Change({"nextActionAt": None, "lease.owner": "", "lease.expiresAt": None, "held": False})
            yield Difference(Kind.SCHEDULE, "it has ended and is yet scheduled, leased or held", change)
    elif held and due is not None:
        yield Difference(
            Kind.SCHEDULE, "it is held for a person and yet scheduled", Change({"nextActionAt": None})
        )
    elif due is None and not held:
        yield Difference(
            Kind.SCHEDULE, "it has not ended and nobody will take it up", Change({"nextActionAt": now})
        )


def _derived(document: Document) -> Iterator[Difference]:
    if document.get("schemaVersion", 1) < SCHEMA:
        return
    ours = derived(document)
    odd = sorted(name for name, value in ours.items() if document.get(name, ...) != value)
    if odd:
        yield Difference(Kind.DERIVED, f"{', '.join(odd)} do not follow from the record", Change(ours))


def _outbox(document: Document) -> Iterator[Difference]:
    outbox: Sequence[Mapping[str, int]] = document["outbox"]
    versions = [entry["version"] for entry in outbox]
    newest = list(range(document["version"] - len(outbox) + 1, document["version"] + 1))
    if versions != newest or (versions and versions[0] < 1):
        yield Difference(
            Kind.OUTBOX, f"the outbox holds versions {versions[:8]}, the newest are {newest[:8]}"
        )
    if any(entry["sequence"] != 0 for entry in outbox[1:]):
        yield Difference(Kind.OUTBOX, "an outbox entry is numbered that is not the oldest")
