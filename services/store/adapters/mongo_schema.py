"""Collections and indexes of the store on MongoDB."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from services.store.adapters.mongo_driver import Collection

RESERVED: Final = ("requests", "nonces")
KEPT: Final = ("meta", "rollups", "keys")
"""Collections of bookkeeping documents: `services.store.ports.Keep`."""

INTENT_INDEXES: Final[Sequence[Sequence[tuple[str, int]]]] = (
    # the seed's three
    (("status", 1), ("createdAt", 1)),
    (("userId", 1), ("status", 1)),
    (("executionDetails.transactions.hash", 1),),
    # what is ours
    (("intentId", 1),),
    (("nextActionAt", 1), ("_id", 1)),
    (("openUser", 1), ("nextActionAt", 1)),
    (("openUntil", 1), ("_id", 1)),
    (("versionStatus", 1), ("status", 1), ("createdAt", 1), ("_id", 1)),
    (("lease.owner", 1),),
    (("outbox.version", 1),),
    (("principal", 1), ("createdAt", -1), ("_id", -1)),
    (("createdAt", -1), ("_id", -1)),
    (("userId", 1), ("createdAt", -1), ("_id", -1)),
    (("userId", 1), ("status", 1), ("createdAt", -1), ("_id", -1)),
    (("principal", 1), ("status", 1), ("createdAt", -1), ("_id", -1)),
    (("status", 1), ("createdAt", -1), ("_id", -1)),
    (("action", 1), ("createdAt", -1), ("_id", -1)),
    (("principal", 1), ("tokens", 1), ("createdAt", -1), ("_id", -1)),
    (("principal", 1), ("executionDetails.solverId", 1), ("createdAt", -1), ("_id", -1)),
)

SPARSE_INDEXES: Final[Sequence[Sequence[tuple[str, int]]]] = ((("held.since", 1),),)
"""Of those only that have the field."""


@dataclass(frozen=True, slots=True)
class Collections:
    """All of a store's, with its write and read concerns."""

    intents: Collection
    archive: Collection
    events: Collection
    solvers: Collection
    reserved: Mapping[str, Collection]
    kept: Mapping[str, Collection]
