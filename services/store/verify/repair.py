"""Setting right what can only be meant one way; each a compare-and-set on what was judged by."""

from collections.abc import Mapping, Sequence
from typing import Any

from services.store.document import event_document
from services.store.model import partition_of
from services.store.ports import (
    Append,
    Document,
    Program,
    Refile,
    Reservation,
    Reserve,
    Storage,
    Update,
    Write,
)
from services.store.verify.log import LogWalk
from services.store.verify.record import Change, Difference, Hold, Refiling, Retelling

_JUDGED_BY = (
    "version",
    "status",
    "versionStatus",
    "chainRevision",
    "lease.owner",
    "lease.fence",
    "nextActionAt",
    "outbox",
    "schemaVersion",
)


class Repairer:
    """Applies remedies; `walk` knows the holes in the log."""

    def __init__(self, storage: Storage, walk: LogWalk) -> None:
        self._storage = storage
        self._walk = walk

    async def apply(self, document: Document, difference: Difference) -> bool:
        """True if this changed something."""
        match difference.remedy:
            case Change(change):
                return await self._storage.run(_changing(document, change))
            case Hold(kind, reservation):
                return await self._storage.run(_holding(kind, reservation))
            case Refiling():
                await self._storage.run(_refiling(document["_id"]))
                return True
            case Retelling() as retelling:
                return await self._retell(document, retelling)
            case None:
                return False

    async def _retell(self, document: Document, missing: Retelling) -> bool:
        """Into a hole of the log that fits, else into the outbox if nothing later was told."""
        partition = partition_of(document["_id"], self._storage.meta.partitions)
        for hole, sequence in self._walk.holes:
            if not _between(hole, sequence, partition, missing):
                continue
            event = event_document(document, missing.version, partition, sequence)
            if await self._storage.run(_appending(event)):
                self._walk.fill(partition, sequence, event)
                return True
        if not _next_to_tell(document, missing):
            return False
        outbox = document["outbox"]
        entries = [*outbox, {"version": missing.version, "sequence": 0}]
        entries.sort(key=lambda entry: int(entry["version"]))
        return await self._storage.run(_changing(document, {"outbox": entries}))


def can_retell(walk: LogWalk, partition: int, document: Document, missing: Retelling) -> bool:
    """Whether there is a place for this version, in the log or in the outbox."""
    return _next_to_tell(document, missing) or any(
        _between(hole, sequence, partition, missing) for hole, sequence in walk.holes
    )


def _between(hole: int, sequence: int, partition: int, missing: Retelling) -> bool:
    return hole == partition and missing.after < sequence and not 0 < missing.before <= sequence


def _next_to_tell(document: Document, missing: Retelling) -> bool:
    """Nothing later is in the log or about to be: only the oldest entry may have a number."""
    outbox = document["outbox"]
    return not missing.before and (not outbox or outbox[0]["sequence"] == 0)


def _changing(document: Document, change: Mapping[str, Any]) -> Program[bool]:
    where = {path: _at(document, path) for path in {*_JUDGED_BY, *change}}
    answers: Sequence[Document | None] = yield Update([Write(document["_id"], where, change)])
    return answers[0] is not None


def _holding(kind: str, reservation: Reservation) -> Program[bool]:
    held: Sequence[Reservation] = yield Reserve(kind, [reservation])
    return held[0] == reservation


def _refiling(intent_id: str) -> Program[None]:
    yield Refile([intent_id])


def _appending(event: Document) -> Program[bool]:
    inserted: Sequence[bool] = yield Append([event])
    return inserted[0]


def _at(document: Document, path: str) -> Any:
    found: Any = document
    for name in path.split("."):
        found = found.get(name) if isinstance(found, dict) else None
    return found
