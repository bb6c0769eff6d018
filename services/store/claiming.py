"""Claiming: a lease with a fence that grows with every claim.

While an intent is leased its nextActionAt is the lease's end, so that one range over nextActionAt finds what
is due and what its owner let lapse.
"""

import logging
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Final

from services.common.domain.intent import IntentRecord
from services.common.domain.outcomes import LeaseRef
from services.common.errors import IntentError
from services.common.observe import logs
from services.store.document import record_of
from services.store.ports import Document, Due, Find, OwnedBy, Program, Update, Write

logger = logging.getLogger(__name__)

ROUNDS: Final = 4
"""Looks for more where other claimants were faster."""


def claiming(
    owner: str, limit: int, lease: timedelta, reclaim: bool, now: datetime
) -> Program[list[IntentRecord]]:
    """Up to `limit`, most overdue first."""
    claimed: list[IntentRecord] = []
    tried: set[str] = set()
    if reclaim:
        owned: Sequence[Document] = yield OwnedBy(owner, limit)
        yield from _take(owned, owner, now + lease, claimed, tried)
    for _ in range(ROUNDS):
        room = limit - len(claimed)
        if room <= 0:
            break
        due: Sequence[Document] = yield Due(now, room)
        fresh = [document for document in due if document["_id"] not in tried]
        if not fresh:
            break
        yield from _take(fresh, owner, now + lease, claimed, tried)
    return claimed


def _take(
    documents: Sequence[Document], owner: str, until: datetime, claimed: list[IntentRecord], tried: set[str]
) -> Program[None]:
    if not documents:
        return
    tried.update(document["_id"] for document in documents)
    writes = [
        Write(
            document["_id"],
            {
                "lease.fence": document["lease"]["fence"],
                "lease.owner": document["lease"]["owner"],
                "nextActionAt": document["nextActionAt"],
            },
            {
                "lease.owner": owner,
                "lease.fence": document["lease"]["fence"] + 1,
                "lease.expiresAt": until,
                "nextActionAt": until,
            },
        )
        for document in documents
    ]
    answers: Sequence[Document | None] = yield Update(writes)
    for document in answers:
        if document is None:
            continue
        try:
            claimed.append(record_of(document))
        except IntentError as error:
            # one that cannot be read must not hold up all others; it comes again when this lease lapses
            logs.event(
                logger, logging.ERROR, "store.unreadable", intent_id=document["_id"], why=str(error.reason)
            )


def renewing(leases: Sequence[LeaseRef], until: datetime) -> Program[list[bool]]:
    """True where still held."""
    documents: dict[str, Document] = yield Find([lease.intent_id for lease in leases])
    held: list[bool] = []
    writes: list[Write] = []
    for lease in leases:
        document = documents.get(lease.intent_id)
        held.append(document is not None and _held(document, lease))
        if document is not None and held[-1]:
            change = {"lease.expiresAt": until, "nextActionAt": until}
            writes.append(Write(lease.intent_id, _mine(document), change))
    return (yield from _answered(held, writes))


def releasing(leases: Sequence[LeaseRef], now: datetime) -> Program[list[bool]]:
    """True where given back, now or before."""
    documents: dict[str, Document] = yield Find([lease.intent_id for lease in leases])
    held: list[bool] = []
    writes: list[Write] = []
    given_back: list[bool] = []
    for lease in leases:
        document = documents.get(lease.intent_id)
        held.append(document is not None and _held(document, lease))
        given_back.append(
            document is not None
            and not document["lease"]["owner"]
            and document["lease"]["fence"] == lease.fence
        )
        if document is not None and held[-1]:
            change = {"lease.owner": "", "lease.expiresAt": None, "nextActionAt": lease.next_action_at or now}
            writes.append(Write(lease.intent_id, _mine(document), change))
    released = yield from _answered(held, writes)
    return [now_free or was_free for now_free, was_free in zip(released, given_back, strict=True)]


def _answered(held: Sequence[bool], writes: Sequence[Write]) -> Program[list[bool]]:
    if not writes:
        return list(held)
    answers: Sequence[Document | None] = yield Update(writes)
    remaining = iter(answers)
    return [was and next(remaining) is not None for was in held]


def _held(document: Document, lease: LeaseRef) -> bool:
    return bool(document["lease"]["owner"]) and document["lease"]["fence"] == lease.fence


def _mine(document: Document) -> dict[str, object]:
    return {"lease.fence": document["lease"]["fence"], "lease.owner": document["lease"]["owner"]}
