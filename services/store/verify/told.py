"""What the log tells, kept in a file while verifying: a million intents need no memory for it.

About 100 bytes an event in the folder for temporary files, thrown away at the end.
"""

import hashlib
import json
import sqlite3
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Final, NamedTuple

from services.store.ports import Document

_CHUNK: Final = 500
_TABLES: Final = """
PRAGMA journal_mode = OFF;
PRAGMA synchronous = OFF;
PRAGMA cache_size = -32768;
CREATE TABLE told (intent TEXT NOT NULL, version INTEGER NOT NULL, partition INTEGER NOT NULL,
  sequence INTEGER NOT NULL, digest BLOB NOT NULL);
CREATE TABLE seen (intent TEXT PRIMARY KEY) WITHOUT ROWID;
CREATE TABLE again (intent TEXT PRIMARY KEY) WITHOUT ROWID;
"""


class Told(NamedTuple):
    """An event, by what it tells and where."""

    intent_id: str
    version: int
    partition: int
    sequence: int
    digest: bytes


class ToldFile:
    """Events by intent; intents seen; intents to look at again."""

    def __init__(self, path: Path) -> None:
        self._connection = sqlite3.connect(path, isolation_level=None)
        self._connection.executescript(_TABLES)
        self._indexed = False

    def close(self) -> None:
        self._connection.close()

    def add(self, events: Iterable[Told]) -> None:
        self._connection.execute("BEGIN")
        self._connection.executemany("INSERT INTO told VALUES (?, ?, ?, ?, ?)", events)
        self._connection.execute("COMMIT")

    def of(self, intent_ids: Sequence[str]) -> dict[str, list[Told]]:
        """Events of these intents, by version, then sequence."""
        if not self._indexed:
            # made once all is in: sorting is cheaper than keeping sorted
            self._connection.execute("CREATE INDEX told_intent ON told (intent, version, sequence)")
            self._indexed = True
        found: dict[str, list[Told]] = {intent_id: [] for intent_id in intent_ids}
        for start in range(0, len(intent_ids), _CHUNK):
            part = intent_ids[start : start + _CHUNK]
            marks = ",".join("?" * len(part))
            sql = f"SELECT * FROM told WHERE intent IN ({marks}) ORDER BY intent, version, sequence"  # noqa: S608
            for row in self._connection.execute(sql, part):
                found[row[0]].append(Told(*row))
        return found

    def saw(self, intent_ids: Iterable[str]) -> None:
        """These have records."""
        self._note("seen", intent_ids)

    def look_again(self, intent_ids: Iterable[str]) -> None:
        """These differ, or may."""
        self._note("again", intent_ids)

    def unseen(self) -> None:
        """Look again at those that the log tells of and whose record was not seen."""
        self.of([])
        self._connection.execute(
            "INSERT OR IGNORE INTO again SELECT DISTINCT intent FROM told WHERE intent NOT IN (SELECT intent FROM seen)"
        )

    def to_look_at(self, many: int) -> Iterator[list[str]]:
        """In portions, ascending."""
        last = ""
        while True:
            sql = "SELECT intent FROM again WHERE intent > ? ORDER BY intent LIMIT ?"
            part = [row[0] for row in self._connection.execute(sql, [last, many])]
            if not part:
                return
            yield part
            last = part[-1]

    def _note(self, table: str, intent_ids: Iterable[str]) -> None:
        self._connection.execute("BEGIN")
        self._connection.executemany(
            f"INSERT OR IGNORE INTO {table} VALUES (?)",  # noqa: S608 (one of two names above)
            [(one,) for one in intent_ids],
        )
        self._connection.execute("COMMIT")


@contextmanager
def told_file() -> Iterator[ToldFile]:
    """An empty one, gone when left."""
    with TemporaryDirectory(prefix="store-verify-") as folder:
        told = ToldFile(Path(folder) / "told.db")
        try:
            yield told
        finally:
            told.close()


def digest(event: Document) -> bytes:
    """What an event tells, without its place; the same whatever the order of its fields."""
    told = {name: value for name, value in event.items() if name not in ("_id", "partition", "sequence")}
    return hashlib.blake2b(
        json.dumps(told, sort_keys=True, default=_plain).encode("utf-8", "surrogatepass"), digest_size=12
    ).digest()


def _plain(value: Any) -> str:
    return value.isoformat() if isinstance(value, datetime) else repr(value)
