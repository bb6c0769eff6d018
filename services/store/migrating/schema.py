"""The database's schema: a bookkeeping document that says from which version of the store on it may be served.

Within one schema documents of the one before it are read as well, and a store of the one before reads ours: what a
schema adds are fields that older code leaves alone. So two versions run side by side while one replaces the other;
when the newer is everywhere, `migrate` raises the schema, and older stores do not start any more. A database without
the document is of schema 1, or new.
"""

from collections.abc import Callable, Sequence
from typing import Final

from services.store.document import SCHEMA
from services.store.ports import CannotOpen, Document, Keep, Kept, Program, Storage

KEY: Final = "schema"
FIRST: Final = 1
"""Of a database that does not say: stores of schema 1 wrote no such document."""


async def check(storage: Storage) -> None:
    """Whether this version may serve this database, which is ours from now on if it is new.

    Raises CannotOpen, IntentError DEPENDENCY_UNAVAILABLE.
    """
    standing = await storage.run(_reading())
    if standing is None:
        if not await storage.scans.intents("", 1):
            # whoever was faster wrote the same, or is newer and refuses the next start
            await storage.run(_keeping({"_id": KEY, "revision": 0, "version": SCHEMA}))
        return
    if not FIRST <= _version(standing) <= SCHEMA:
        raise CannotOpen(
            f"DATABASE_URL: this database is of schema {standing.get('version')}, this version of the store knows "
            f"{FIRST} to {SCHEMA}: start the version that migrated it, or a newer one; nothing was changed"
        )


async def current(storage: Storage) -> int:
    """The database's."""
    standing = await storage.run(_reading())
    return FIRST if standing is None else _version(standing)


async def raise_to_ours(storage: Storage) -> int:
    """From now on no older store starts. Answers the schema before."""
    before = await current(storage)
    await _change(storage, lambda one: {**one, "version": max(_version(one), SCHEMA)})
    return before


async def position(storage: Storage) -> str:
    """`_id` up to which a migration to our schema went that did not end; "" for the start."""
    standing = await storage.run(_reading())
    renewing = None if standing is None else standing.get("renewing")
    if not isinstance(renewing, dict) or renewing.get("schema") != SCHEMA:
        return ""
    return str(renewing.get("after") or "")


async def keep_position(storage: Storage, after: str) -> None:
    """For the next one if this one is cut off; "" when all is done."""
    renewing = {"schema": SCHEMA, "after": after} if after else None
    await _change(storage, lambda one: {**one, "renewing": renewing})


async def _change(storage: Storage, change: Callable[[Document], Document]) -> None:
    while True:
        standing = await storage.run(_reading())
        before: Document = {"_id": KEY, "revision": 0, "version": FIRST} if standing is None else standing
        after = change(before)
        if after == before or await storage.run(_keeping(after)):
            return


def _version(standing: Document) -> int:
    version = standing.get("version")
    return version if isinstance(version, int) else 0


def _reading() -> Program[Document | None]:
    found: dict[str, Document] = yield Kept("meta", [KEY])
    return found.get(KEY)


def _keeping(document: Document) -> Program[bool]:
    kept: Sequence[bool] = yield Keep("meta", [document])
    return kept[0]
