"""What `migrate` does, in order."""

from dataclasses import dataclass
from typing import Any

from services.common.clock import Clock
from services.store.document import SCHEMA
from services.store.migrating import schema
from services.store.migrating.adopt import Adoption, adopt
from services.store.migrating.renew import Progress, Renewed, renew
from services.store.ports import Storage


@dataclass(frozen=True, slots=True, kw_only=True)
class Migrated:
    """What was done. `before`: the database's schema until then."""

    store_id: str
    partitions: int
    before: int
    adoption: Adoption
    renewed: Renewed

    @property
    def left(self) -> int:
        """Records a person has to look at."""
        return self.renewed.failed + len(self.adoption.left)

    def as_json(self) -> dict[str, Any]:
        """For programs."""
        renewed = self.renewed
        return {
            "store": self.store_id,
            "schema": SCHEMA,
            "schemaBefore": self.before,
            "adoption": self.adoption.as_json(),
            "records": renewed.looked_at,
            "renewed": renewed.renewed,
            "refiled": renewed.refiled,
            "newer": renewed.newer,
            "left": [{"where": where, "why": why} for where, why in renewed.left.items()],
        }


async def migrate(storage: Storage, clock: Clock, *, principal: str = "", progress: Progress) -> Migrated:
    """`principal`: whose intents those of another system become; empty: each one's user's.

    May be cut off anywhere and run again, by several at once, while stores serve. Raises IntentError.

    The schema is raised first: a store of the one before that would write behind what was renewed does not start.
    """
    before = await schema.raise_to_ours(storage)
    adoption = await adopt(storage, clock, principal=principal, progress=progress)
    renewed = await renew(storage, progress)
    return Migrated(
        store_id=storage.meta.store_id,
        partitions=storage.meta.partitions,
        before=before,
        adoption=adoption,
        renewed=renewed,
    )
