"""What roll-ups should hold, added up from the records, in a file while verifying: millions need no memory.

About 300 bytes a roll-up in the folder for temporary files.
"""

import json
import sqlite3
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final

from services.store.document import event_document
from services.store.ports import Document
from services.store.rollups.moves import facts_of, move_of
from services.store.rollups.tally import Tally, tally_of

_AT_HAND: Final = 20_000
"""Tallies in memory."""
_CHUNK: Final = 500


class ExpectedFile:
    """Tallies by the roll-up's `_id`."""

    def __init__(self, path: Path) -> None:
        self._connection = sqlite3.connect(path, isolation_level=None)
        self._connection.executescript(
            "PRAGMA journal_mode = OFF; PRAGMA synchronous = OFF; PRAGMA cache_size = -32768;"
            "CREATE TABLE expected (key TEXT PRIMARY KEY, tally TEXT NOT NULL) WITHOUT ROWID;"
        )
        self._at_hand: dict[str, Tally] = {}

    def close(self) -> None:
        self._connection.close()

    def add(self, tallies: Mapping[str, Tally]) -> None:
        """Count these too."""
        for key, tally in tallies.items():
            held = self._at_hand.get(key)
            if held is None:
                self._at_hand[key] = tally
            else:
                held.merge(tally)
        if len(self._at_hand) > _AT_HAND:
            self.store()

    def store(self) -> None:
        """Everything into the file; before reading."""
        self._connection.execute("BEGIN")
        keys = list(self._at_hand)
        for start in range(0, len(keys), _CHUNK):
            for key, tally in self.of(keys[start : start + _CHUNK]).items():
                self._at_hand[key].merge(tally)
        rows = [(key, _text(tally)) for key, tally in self._at_hand.items()]
        self._connection.executemany("INSERT OR REPLACE INTO expected VALUES (?, ?)", rows)
        self._connection.execute("COMMIT")
        self._at_hand = {}

    def of(self, keys: Sequence[str]) -> dict[str, Tally]:
        """Those in the file."""
        sql = f"SELECT key, tally FROM expected WHERE key IN ({','.join('?' * len(keys))})"  # noqa: S608
        return {key: _tally(text) for key, text in self._connection.execute(sql, keys)}

    def keys(self, portion: int) -> Iterator[list[str]]:
        """In portions, ascending."""
        last = ""
        while True:
            sql = "SELECT key FROM expected WHERE key > ? ORDER BY key LIMIT ?"
            part = [row[0] for row in self._connection.execute(sql, [last, portion])]
            if not part:
                return
            yield part
            last = part[-1]


@contextmanager
def expected_file() -> Iterator[ExpectedFile]:
    """An empty one, gone when left."""
    with TemporaryDirectory(prefix="store-verify-") as folder:
        expected = ExpectedFile(Path(folder) / "expected.db")
        try:
            yield expected
        finally:
            expected.close()


def contributions(
    document: Document, partition: int, places: Sequence[tuple[int, int]]
) -> Mapping[str, Tally]:
    """What the events (version, sequence) of a record count, by roll-up."""
    facts = facts_of(document)
    found: dict[str, Tally] = {}
    for version, sequence in places:
        if not 1 <= version <= len(document["history"]):
            continue
        move = move_of(event_document(document, version, partition, sequence), facts)
        for key in move.counted_in():
            found.setdefault(key, Tally()).add(move)
    return found


def _text(tally: Tally) -> str:
    return json.dumps(tally.to_document(), default=lambda moment: moment.isoformat())


def _tally(text: str) -> Tally:
    document = json.loads(text)
    if "first" in document:
        document["first"] = datetime.fromisoformat(document["first"])
    return tally_of(document)
