"""Ranges of intents that nobody ends, on MongoDB; each walks one index."""

from typing import Any, Final

from services.common.domain.lifecycle import Status
from services.common.domain.outcomes import OverdueCause
from services.store.adapters.mongo_driver import Collection
from services.store.overdue_range import OverdueKey, OverdueRange
from services.store.ports import Document

_FIELDS: Final = {
    OverdueCause.PAST_DEADLINE: "openUntil",
    OverdueCause.NO_OWNER: "nextActionAt",
    OverdueCause.HELD: "held.since",
}
_BRIEF: Final = dict.fromkeys(
    ("openUntil", "nextActionAt", "status", "versionStatus", "held", "createdAt", "updatedAt"), 1
)


async def overdue(intents: Collection, asked: OverdueRange) -> list[Document]:
    """As `services.store.ports.Storage.overdue` says."""
    if asked.cause is OverdueCause.FOREIGN_WRITE:
        return await _written_past(intents, asked)
    name = _FIELDS[asked.cause]
    # a comparison with a date finds dates only: what has ended, or is not held, is not looked at
    bound: Document = {"$lt": asked.before}
    where: Document = {name: bound}
    if asked.after is not None:
        at, intent_id = asked.after.at, asked.after.intent_id
        bound["$gte"] = at
        where["$or"] = [{name: {"$gt": at}}, {name: at, "_id": {"$gt": intent_id}}]
    return await _find(intents, where, [(name, 1), ("_id", 1)], asked, asked.limit)


async def _written_past(intents: Collection, asked: OverdueRange) -> list[Document]:
    """Status by status of our last move: the texts below it, then those above."""
    found: list[Document] = []
    after = asked.after
    order = [("status", 1), ("createdAt", 1), ("_id", 1)]
    for ours in sorted(one.value for one in Status):
        for bound in ({"$gte": "", "$lt": ours}, {"$gt": ours}):
            where: Document = {"versionStatus": ours, "status": bound}
            if after is not None and ours <= after.ours:
                if ours < after.ours or bound.get("$lt", after.status + "\0") <= after.status:
                    continue
                if "$lt" in bound or after.status > ours:
                    where |= _beyond(bound, after)
            found += await _find(intents, where, order, asked, asked.limit - len(found))
            if len(found) == asked.limit:
                return found
    return found


def _beyond(bound: Document, after: OverdueKey) -> Document:
    same = {"status": after.status}
    return {
        # the bound is said on its own, so that the index is entered there
        "status": {**{name: value for name, value in bound.items() if name == "$lt"}, "$gte": after.status},
        "$or": [
            {"status": {"$gt": after.status}},
            {**same, "createdAt": {"$gt": after.at}},
            {**same, "createdAt": after.at, "_id": {"$gt": after.intent_id}},
        ],
    }


async def _find(
    intents: Collection, where: Document, order: list[tuple[str, int]], asked: OverdueRange, limit: int
) -> list[Document]:
    fields: Any = _BRIEF if asked.brief else None
    return await intents.find(where, fields, sort=order, limit=limit).to_list(None)
