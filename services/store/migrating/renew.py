"""Records of older schemas brought up to ours, portion by portion, while stores serve.

Fields of ours are added, nothing is taken away: stores of the schema before read the records all the same. Each
record is set by a compare-and-set on what the fields follow from, so that a move at the same time is never undone:
it makes this write miss, and the record is looked at again.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Final

from services.common.errors import IntentError
from services.store.document import SCHEMA, derived, is_stranger, record_of
from services.store.migrating import schema
from services.store.ports import Document, Program, Refile, Storage, Update, Write

PORTION: Final = 500
ROUNDS: Final = 20
"""Looks at records that keep changing, before they are left for the next run."""
JUDGED_BY: Final = ("version", "versionStatus", "chainRevision", "schemaVersion", "expiresAt")
_UNFIT: Final = (KeyError, ValueError, TypeError, AttributeError)

Progress = Callable[[str, int], None]
"""What is being read, and how many of it were."""


@dataclass(slots=True)
class Renewed:
    """What was found and done. `left`: why records stayed as they were, by id, the first of them."""

    resumed_after: str = ""
    looked_at: int = 0
    renewed: int = 0
    refiled: int = 0
    newer: int = 0
    failed: int = 0
    left: dict[str, str] = field(default_factory=dict)

    def leave(self, intent_id: str, why: str, *, most: int = 100) -> None:
        """Counts it."""
        self.failed += 1
        if len(self.left) < most:
            self.left[intent_id] = why


async def renew(storage: Storage, progress: Progress) -> Renewed:
    """All records after the position an earlier run was cut off at, else all. Raises IntentError."""
    after = await schema.position(storage)
    done = Renewed(resumed_after=after)
    while documents := await storage.scans.intents(after, PORTION):
        await _portion(storage, documents, done)
        after = documents[-1]["_id"]
        done.looked_at += len(documents)
        progress("records", done.looked_at)
        await schema.keep_position(storage, after)
    await schema.keep_position(storage, "")
    return done


async def _portion(storage: Storage, documents: Sequence[Document], done: Renewed) -> None:
    readable = [one["_id"] for one in documents if _readable(one)]
    for _ in range(ROUNDS):
        writes = [write for one in documents if (write := renewal(one, done)) is not None]
        if not writes:
            break
        answers = await storage.run(_updating(writes))
        missed = [write.intent_id for write, after in zip(writes, answers, strict=True) if after is None]
        done.renewed += len(writes) - len(missed)
        documents = list((await storage.find(missed)).values())
    else:
        for one in documents:
            done.leave(one["_id"], "it kept changing: run migrate again")
    misfiled = await storage.scans.misfiled(readable)
    if misfiled:
        await storage.run(_refiling(misfiled))
        done.refiled += len(misfiled)


def renewal(document: Document, done: Renewed) -> Write | None:
    """What brings a record up to our schema, or sets right what an older store left behind; None if nothing has to."""
    if is_stranger(document):
        return None
    known = document.get("schemaVersion", 1)
    if isinstance(known, int) and known > SCHEMA:
        done.newer += 1
        return None
    try:
        ours = derived(document)
    except _UNFIT as error:
        done.leave(document["_id"], f"it cannot be read: {error!r}"[:200])
        return None
    if known == SCHEMA and all(document.get(name, ...) == value for name, value in ours.items()):
        return None
    where = {name: document.get(name) for name in JUDGED_BY}
    return Write(document["_id"], where, {**ours, "schemaVersion": SCHEMA})


def _readable(document: Document) -> bool:
    try:
        return record_of(document).intent_id == document["_id"] and "nextActionAt" in document
    except IntentError:
        return False


def _updating(writes: Sequence[Write]) -> Program[Sequence[Document | None]]:
    answers: Sequence[Document | None] = yield Update(writes)
    return answers


def _refiling(intent_ids: Sequence[str]) -> Program[None]:
    yield Refile(intent_ids)
