"""A page of a list on MongoDB: one index walked newest first, nothing sorted but what shares a transaction."""

from datetime import UTC, datetime
from typing import Any, Final

from services.common.domain.outcomes import ListQuery
from services.store.adapters.mongo_driver import Collection
from services.store.listing import Walk, walk_of
from services.store.model import PageKey
from services.store.ports import Document, PageRead

PATHS: Final = {
    "transaction_hash": "executionDetails.transactions.hash",
    "user_id": "userId",
    "solver_id": "executionDetails.solverId",
    "token": "tokens",
    "principal": "principal",
    "status": "status",
    "action": "action",
}
_NEWEST: Final = [("createdAt", -1), ("_id", -1)]
_OURS: Final[Document] = {
    "createdAt": {"$gte": datetime(1970, 1, 1, tzinfo=UTC), "$lt": datetime(9000, 1, 1, tzinfo=UTC)},
    "_id": {"$gt": ""},
}
"""Times and ids as records have them; another system's documents may have others."""


async def read_page(
    intents: Collection, query: ListQuery, after: PageKey | None, limit: int, most: int
) -> PageRead:
    """As Storage.page says. The index is named, as the server may know no better than to walk another."""
    walk = walk_of(query)
    # the seed's index of hashes knows no order: those of one transaction are few
    by_hash = "transaction_hash" in walk.by
    index = [(PATHS[name], 1) for name in walk.by] + ([] if by_hash else _NEWEST)
    where = _where(walk, after)
    end: PageKey | None = None
    if walk.rest and not by_hash:
        # how far: a walk of the index alone, which reads no document
        counted = await intents.find(
            {"$and": [where, _OURS]}, {"createdAt": 1}, sort=_NEWEST, skip=most - 1, limit=1, hint=index
        ).to_list(None)
        end = _key(counted[0]) if counted else None
    conditions = [where, {PATHS[name]: value for name, value in walk.rest.items()}]
    # another system's documents are no records before they are adopted
    conditions.append({"version": {"$gte": 1}})
    if end is not None:
        conditions.append(_beside(end, "$gt", "$gte"))
    found = await intents.find(
        {"$and": [one for one in conditions if one]}, sort=_NEWEST, limit=limit, hint=index
    ).to_list(None)
    return PageRead(found, end if len(found) < limit else None)


def _where(walk: Walk, after: PageKey | None) -> Document:
    where: Document = {PATHS[name]: value for name, value in walk.by.items()}
    range_: Document = {}
    if walk.since is not None:
        range_["$gte"] = walk.since
    if after is not None:
        # it lies before `until` already
        where |= _beside(after, "$lt", "$lt")
        range_ |= where["createdAt"]
    elif walk.until is not None:
        range_["$lt"] = walk.until
    if range_:
        where["createdAt"] = range_
    return where


def _beside(key: PageKey, beyond: str, same: str) -> Document:
    """On one side of a key. The bound is said on its own, so that the index is entered there."""
    return {
        "createdAt": {"$lte" if beyond == "$lt" else "$gte": key.created_at},
        "$or": [
            {"createdAt": {beyond: key.created_at}},
            {"createdAt": key.created_at, "_id": {same: key.intent_id}},
        ],
    }


def _key(found: dict[str, Any]) -> PageKey:
    intent_id: str = found["_id"]
    # another system's may be long: a piece of it lies right before it, nothing of ours between
    return PageKey(found["createdAt"], intent_id[:128] if intent_id.isascii() else intent_id[:32])
