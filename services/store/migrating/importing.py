"""Another system's documents from a file, into any database: as adopting does, but the file stays as it is.

Read twice: first which of doubles is the newest, then the newest are inserted. What stands already is left alone, so
that a run that was cut off is repeated.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final

from services.common.clock import Clock, now
from services.store.migrating.stranger import Unreadable, adopted, age
from services.store.ports import Document, Insert, Program, Standing, Storage, Stranger

PORTION: Final = 200
MOST_LISTED: Final = 1000

Lines = Callable[[], Iterator[tuple[int, Stranger | str]]]
"""The file from its beginning."""


@dataclass(slots=True)
class Imported:
    """What became of the lines: lines = imported + there + doubles + failed."""

    lines: int = 0
    imported: int = 0
    held: int = 0  # of those imported
    there: int = 0  # by an earlier run
    doubles: int = 0  # older ones
    failed: int = 0
    left: dict[int, str] = field(default_factory=dict)  # why, by line, the first of them

    def leave(self, line: int, why: str) -> None:
        """Counts it."""
        self.failed += 1
        if len(self.left) < MOST_LISTED:
            self.left[line] = why

    def as_json(self) -> dict[str, Any]:
        """For programs."""
        return {
            "lines": self.lines,
            "imported": self.imported,
            "held": self.held,
            "there": self.there,
            "doubles": self.doubles,
            "failed": self.failed,
            "left": [{"line": line, "why": why} for line, why in self.left.items()],
        }


async def import_all(
    storage: Storage, clock: Clock, lines: Lines, *, principal: str, progress: Callable[[str, int], None]
) -> Imported:
    """About 300 bytes of memory an intent. Raises OSError, IntentError DEPENDENCY_UNAVAILABLE."""
    done, moment = Imported(), now(clock)
    newest = _newest(lines(), done, principal, moment)
    portion: list[tuple[int, Document]] = []
    for line, one in lines():
        if isinstance(one, Stranger) and line in newest:
            portion.append((line, adopted(one, principal=principal, now=moment)))
        if len(portion) == PORTION:
            await _insert(storage, portion, done)
            progress("documents", done.imported + done.there)
            portion = []
    await _insert(storage, portion, done)
    return done


def _newest(
    lines: Iterator[tuple[int, Stranger | str]], done: Imported, principal: str, moment: datetime
) -> set[int]:
    """The lines of each intent's newest document that can be read."""
    newest: dict[str, tuple[Any, int]] = {}
    for line, one in lines:
        done.lines += 1
        if isinstance(one, str):
            done.leave(line, one)
            continue
        try:
            record = adopted(one, principal=principal, now=moment)
        except Unreadable as error:
            done.leave(line, str(error))
            continue
        standing = newest.get(record["_id"])
        this = (age(one), line)
        done.doubles += standing is not None
        newest[record["_id"]] = this if standing is None else max(standing, this)
    return {line for _, line in newest.values()}


async def _insert(storage: Storage, portion: Sequence[tuple[int, Document]], done: Imported) -> None:
    if not portion:
        return
    answers = await storage.run(_inserting([document for _, document in portion]))
    there = [document["_id"] for (_, document), standing in zip(portion, answers, strict=True) if standing]
    standing = await storage.find(there) if there else {}
    for (line, document), answer in zip(portion, answers, strict=True):
        if answer is None:
            done.imported += 1
            done.held += bool(document.get("held"))
            continue
        source = standing.get(document["_id"], {}).get("adopted") or {}
        if source.get("digest") == document["adopted"]["digest"]:
            done.there += 1
        else:
            done.leave(line, f"{document['_id']}: there is another record of this id")


def _inserting(documents: Sequence[Document]) -> Program[Sequence[Standing | None]]:
    answers: Sequence[Standing | None] = yield Insert(documents)
    return answers
