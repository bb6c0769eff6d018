"""Taking over what another system wrote into our collection: the seed's documents become records.

For each intent: of doubles the newest is inserted as a record under its intentId, then the old document is deleted;
the others go whole into an archive, then they are deleted. Nothing is deleted before it stands elsewhere, and only if
it is still as it was read, so that a run may be cut off after any step, and its repeat goes on.
"""

import asyncio
from collections.abc import Callable, Coroutine, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final

from services.common.clock import Clock, now
from services.store.migrating.stranger import Unreadable, adopted, age
from services.store.ports import Document, Insert, Program, Standing, Storage, Stranger, Strangers

PORTION: Final = 200
AT_ONCE: Final = 32
"""Intents adopted at the same time; each takes a few round trips."""
ROUNDS: Final = 5

OLDER: Final = "OLDER_DOUBLE"
"""Archived: another document of the same intent is newer."""
KNOWN: Final = "ID_TAKEN"
"""Archived: there is a record of this id that did not come from this document."""
CHANGED: Final = "CHANGED_WHILE_ADOPTED"
"""Archived: it was written to between being adopted and being deleted."""


@dataclass(slots=True)
class Adoption:
    """What became of them. `before` = adopted + archived + left, where nobody wrote meanwhile."""

    before: int = 0
    adopted: int = 0
    held: int = 0  # of those adopted: they wait for a person
    archived: int = 0
    left: dict[str, str] = field(default_factory=dict)  # why, by `_id`

    def as_json(self) -> dict[str, Any]:
        """For programs."""
        left = [{"where": where, "why": why} for where, why in self.left.items()]
        return {
            "before": self.before,
            "adopted": self.adopted,
            "held": self.held,
            "archived": self.archived,
            "left": left,
        }


async def adopt(
    storage: Storage, clock: Clock, *, principal: str, progress: Callable[[str, int], None], dry: bool = False
) -> Adoption:
    """All there are. `principal` empty: each one's user. `dry`: only say. Raises IntentError."""
    done = Adoption()
    strangers = storage.strangers
    if strangers is None:
        return done
    done.before = await strangers.count()
    if not done.before:
        return done
    seen = 0
    async for portion in strangers.portions(PORTION):
        adopting = _Adopting(storage, strangers, done, principal, now(clock), dry)
        groups = await adopting.groups(portion)
        for start in range(0, len(groups), AT_ONCE):
            await _all([adopting.group(group) for group in groups[start : start + AT_ONCE]])
        seen += len(portion)
        progress("documents of another system", seen)
    return done


@dataclass(slots=True)
class _Adopting:
    storage: Storage
    strangers: Strangers
    done: Adoption
    principal: str
    moment: datetime
    dry: bool

    async def groups(self, portion: Sequence[Stranger]) -> list[list[Stranger]]:
        """All documents of each intent that one in the portion is of, as they stand now."""
        for one in portion:
            if not isinstance(one.document.get("intentId"), str):
                self._leave(one, "intentId is missing or no text")
        ids = {one.document["intentId"] for one in portion if isinstance(one.document.get("intentId"), str)}
        by_intent: dict[str, list[Stranger]] = {}
        for one in await self.strangers.of(sorted(ids)):
            by_intent.setdefault(one.document["intentId"], []).append(one)
        if self.dry:
            # nothing is deleted, so that the same intent comes again with each of its doubles
            firsts = {str(one.key) for one in portion}
            return [group for group in by_intent.values() if min(str(one.key) for one in group) in firsts]
        return list(by_intent.values())

    async def group(self, group: Sequence[Stranger]) -> None:
        readable: list[tuple[Stranger, Document]] = []
        for one in group:
            try:
                age(one)
                readable.append((one, adopted(one, principal=self.principal, now=self.moment)))
            except Unreadable as error:
                self._leave(one, str(error))
        if not readable:
            return
        readable.sort(key=lambda each: age(each[0]), reverse=True)
        (newest, ours), *others = readable
        standing = (await self.storage.find([ours["_id"]])).get(ours["_id"])
        if standing is not None:
            for one, _ in readable:
                await self._known(one, standing)
            return
        for one, _ in others:
            await self._archive(one, OLDER)
        await self._take_over(newest, ours)

    async def _take_over(self, stranger: Stranger, ours: Document) -> None:
        if self.dry:
            self._count(ours)
        elif stranger.key == ours["_id"]:
            if await self.strangers.replace(stranger, ours):
                self._count(ours)
            else:
                self._leave(stranger, "it was written to meanwhile: run migrate again")
        else:
            standing = await self.storage.run(_inserting(ours))
            if standing is None:
                self._count(ours)
                await self._remove(stranger)
                return
            found = (await self.storage.find([ours["_id"]])).get(ours["_id"])
            if found is None:
                self._leave(stranger, "a document that cannot be read stands under its intentId as _id")
            else:
                await self._known(stranger, found)

    async def _known(self, stranger: Stranger, standing: Document) -> None:
        """There is a record: made of this very document by a run that was cut off, or another's."""
        source = standing.get("adopted") or {}
        if source.get("id") != stranger.key:
            await self._archive(stranger, KNOWN)
        elif source.get("digest") != stranger.digest:
            await self._archive(stranger, CHANGED)
        else:
            self._count(standing)
            await self._remove(stranger)

    async def _archive(self, stranger: Stranger, reason: str) -> None:
        self.done.archived += 1
        if not self.dry:
            await self.strangers.archive(stranger, reason, self.moment)
            await self._remove(stranger)

    async def _remove(self, stranger: Stranger) -> None:
        """Only as it was read: what was written meanwhile goes into the archive first."""
        if self.dry:
            return
        for _ in range(ROUNDS):
            if await self.strangers.remove(stranger):
                return
            again = await self.strangers.reread(stranger.key)
            if again is None:
                return
            await self.strangers.archive(again, CHANGED, self.moment)
            stranger = again
        self._leave(stranger, "it kept changing: run migrate again")

    def _count(self, ours: Document) -> None:
        self.done.adopted += 1
        self.done.held += bool(ours.get("held"))

    def _leave(self, stranger: Stranger, why: str) -> None:
        self.done.left[str(stranger.key)] = why


async def _all(jobs: Sequence[Coroutine[Any, Any, None]]) -> None:
    """Ends when all have; raises the first error."""
    for result in await asyncio.gather(*jobs, return_exceptions=True):
        if isinstance(result, BaseException):
            raise result


def _inserting(document: Document) -> Program[Standing | None]:
    answers: Sequence[Standing | None] = yield Insert([document])
    return answers[0]
