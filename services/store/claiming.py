"""Claiming: a lease with a fence that grows with every claim.

While an intent is leased its nextActionAt is the lease's end, so that one range over nextActionAt finds what
is due and what its owner let lapse.

Fair between users: a claim that takes all that is due is fair by itself. One that cannot takes for each of up to
USERS users, in the order of their names from where this process's last claim ended, the most overdue intent, and
fills up by time, user by user in turn. So however much others have due, one of each user's due intents is claimed
within ceil(U / W) + 1 such claims of one process, W being the smaller of `limit` and USERS, U the users with something
due; on SQLite a claim looks past at most 512 users who have something open but nothing due. What a claim reads grows
with neither what is stored nor what is due.
"""

import logging
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Final

from services.common.domain.intent import IntentRecord
from services.common.domain.outcomes import LeaseRef
from services.common.errors import IntentError, Reason
from services.common.observe import logs
from services.store.document import UNFIT, record_of
from services.store.ports import Document, Due, DueOfUsers, Find, Heads, OwnedBy, Program, Update, Write

logger = logging.getLogger(__name__)

ROUNDS: Final = 4
"""Looks again where others were faster."""
USERS: Final = 32
"""Most users whose turn it is in one claim."""
HANDED: Final = "handed-over:"
"""What the lease's owner begins with while it waits for the one it was handed to; nobody claims under such a name."""


@dataclass(slots=True)
class Turns:
    """Whose turn it is: users above this one, by name. One for each process."""

    after: str = ""


@dataclass(slots=True)
class _Claim:
    owner: str
    until: datetime
    claimed: list[IntentRecord] = field(default_factory=list)
    tried: set[str] = field(default_factory=set)


def claiming(
    owner: str, limit: int, lease: timedelta, reclaim: bool, now: datetime, turns: Turns
) -> Program[list[IntentRecord]]:
    """Up to `limit`: what was handed to `owner`, then what is due, most overdue first."""
    claim = _Claim(owner, now + lease)
    if reclaim:
        owned: Sequence[Document] = yield OwnedBy(owner, limit)
        yield from _take(owned, claim)
    for number in range(ROUNDS):
        room = limit - len(claim.claimed)
        if room <= 0:
            break
        handed, due = yield Due(now, room, reserved_for=HANDED + owner if number == 0 else "")
        wanted = handed[:room]
        left = room - len(wanted)
        if len(due) == room and left > 0:
            due = yield from _fair(due, left, now, turns)
        ids = {one["_id"] for one in wanted} | claim.tried
        fresh = [*wanted, *(one for one in due if one["_id"] not in ids)][:room]
        if not fresh:
            break
        yield from _take(fresh, claim)
    return claim.claimed


def _fair(due: Sequence[Document], room: int, now: datetime, turns: Turns) -> Program[list[Document]]:
    """More may be due than `due`: `room` of it all, as the module says, most overdue first."""
    users = min(room, USERS)
    heads: Heads = yield DueOfUsers(now, turns.after, users)
    first = {one["_id"]: one for one in heads.documents}
    if not heads.upto and turns.after and len(first) < users:
        # the end of the names: on from the first
        heads = yield DueOfUsers(now, "", users - len(first))
        first |= {one["_id"]: one for one in heads.documents}
    turns.after = heads.upto
    served = Counter(one["userId"] for one in first.values())
    ranked: list[tuple[int, int, Document]] = []
    for place, one in enumerate(due):
        if one["_id"] not in first:
            ranked.append((served[one["userId"]], place, one))
            served[one["userId"]] += 1
    fill = [one for _, _, one in sorted(ranked, key=lambda each: each[:2])]
    chosen = [*first.values(), *fill][:room]
    return sorted(chosen, key=lambda one: (one["nextActionAt"], one["_id"]))


def _take(documents: Sequence[Document], claim: _Claim) -> Program[None]:
    if not documents:
        return
    claim.tried.update(document["_id"] for document in documents)
    writes: list[Write] = []
    for document in documents:
        try:
            where, change = _mine(document), _lease(document, claim.owner, claim.until)
        except UNFIT:
            # no lease can be taken of it, so it only goes out of the way for as long
            where, change = {}, {"nextActionAt": claim.until}
        writes.append(Write(document["_id"], where | {"nextActionAt": document["nextActionAt"]}, change))
    answers: Sequence[Document | None] = yield Update(writes)
    for after in answers:
        if after is None:
            continue
        try:
            claim.claimed.append(record_of(after))
        except IntentError as error:
            _broken(after, error.reason)


def _broken(document: Document, why: Reason) -> None:
    """One that somebody broke must not hold up all others; when its lease lapses it comes again. `verify` names it."""
    logs.event(logger, logging.ERROR, "store.unreadable", intent_id=document["_id"], why=str(why))


def renewing(leases: Sequence[LeaseRef], until: datetime) -> Program[list[bool]]:
    """True where still held."""

    def judge(lease: LeaseRef, document: Document) -> Write | bool:
        if not _held(document, lease):
            return False
        if document["lease"]["expiresAt"] == until:
            return True
        return Write(lease.intent_id, _mine(document), {"lease.expiresAt": until, "nextActionAt": until})

    return (yield from _settled(leases, judge))


def releasing(leases: Sequence[LeaseRef], now: datetime) -> Program[list[bool]]:
    """True where given back, now or before."""

    def judge(lease: LeaseRef, document: Document) -> Write | bool:
        if not _held(document, lease):
            stands = document["lease"]
            return not stands["owner"] and bool(stands["fence"] == lease.fence)
        change = {"lease.owner": "", "lease.expiresAt": None, "nextActionAt": lease.next_action_at or now}
        return Write(lease.intent_id, _mine(document), change)

    return (yield from _settled(leases, judge))


def handing_over(leases: Sequence[LeaseRef], to_owner: str, until: datetime) -> Program[list[bool]]:
    """True where handed to `to_owner`, now or before. The new fence ends what the one who held it may write."""
    waiting = HANDED + to_owner

    def judge(lease: LeaseRef, document: Document) -> Write | bool:
        if not _held(document, lease):
            stands = document["lease"]
            return bool(stands["owner"] == waiting and stands["fence"] == lease.fence + 1)
        return Write(lease.intent_id, _mine(document), _lease(document, waiting, until))

    return (yield from _settled(leases, judge))


def _settled(
    leases: Sequence[LeaseRef], judge: Callable[[LeaseRef, Document], Write | bool]
) -> Program[list[bool]]:
    """What `judge` says of each as it stands, or whether its write went through. A write that did not, or was written
    over at once by the holder's own next move, is judged again: the lease may be held all the same."""
    answers = [False] * len(leases)
    pending = list(range(len(leases)))
    for _ in range(ROUNDS):
        documents: dict[str, Document] = yield Find([leases[index].intent_id for index in pending])
        tried: list[int] = []
        writes: list[Write] = []
        for index in pending:
            document = documents.get(leases[index].intent_id)
            judged: Write | bool = False
            if document is not None:
                try:
                    judged = judge(leases[index], document)
                except UNFIT:
                    _broken(document, Reason.CORRUPT_RECORD)
            if isinstance(judged, Write):
                tried.append(index)
                writes.append(judged)
            else:
                answers[index] = judged
        if not writes:
            break
        written: Sequence[Document | None] = yield Update(writes)
        pending = []
        for index, after in zip(tried, written, strict=True):
            answers[index] = after is not None
            if after is None:
                pending.append(index)
        if not pending:
            break
    return answers


def _lease(document: Document, owner: str, until: datetime) -> dict[str, object]:
    """Under a fresh fence."""
    return {
        "lease.owner": owner,
        "lease.fence": document["lease"]["fence"] + 1,
        "lease.expiresAt": until,
        "nextActionAt": until,
    }


def _held(document: Document, lease: LeaseRef) -> bool:
    return bool(document["lease"]["owner"]) and document["lease"]["fence"] == lease.fence


def _mine(document: Document) -> dict[str, object]:
    return {"lease.fence": document["lease"]["fence"], "lease.owner": document["lease"]["owner"]}
