"""Where events go before they are dropped: files of JSON Lines, compressed, with their checksums beside them.

One file holds a run of a partition without a gap: `STORE-PARTITION-FIRST-LAST.jsonl.gz`, a line an event, in MongoDB's
relaxed Extended JSON, as it stood in the log. `….sha256` beside it is what `sha256sum -c` reads.
"""

import asyncio
import gzip
import hashlib
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Final, Protocol

from bson import json_util

from services.store.durable import SUM, sum_line, sync_folder, write_durably
from services.store.ports import CannotOpen, Document

SUFFIX: Final = ".jsonl.gz"
LEVEL: Final = 6
"""Of compression: an event takes about 40 bytes."""


class Archive(Protocol):
    """Where to."""

    async def put(self, partition: int, events: Sequence[Document]) -> str:
        """Keep these events of a partition, in order, for good when it returns; says where. Raises OSError,
        ArchiveRefused."""
        ...


class ArchiveRefused(Exception):
    """The place is taken by something else; the message is one line for people."""


class Nowhere:
    """For those who asked for none."""

    async def put(self, partition: int, events: Sequence[Document]) -> str:
        return "nowhere"


class Folder:
    """Files in a folder; stores and their replicas may share it."""

    def __init__(self, folder: Path, store_id: str) -> None:
        self._folder = folder
        self._store_id = store_id

    def open(self) -> None:
        """Make it. Raises CannotOpen."""
        try:
            if not self._folder.is_dir():
                self._folder.mkdir(parents=True, exist_ok=True)
                sync_folder(self._folder.parent)
            if not os.access(self._folder, os.W_OK | os.X_OK):
                raise PermissionError("it cannot be written to")
        except OSError as error:
            raise CannotOpen(f"EVENTS_ARCHIVE_DIR: {self._folder} cannot be used: {error}") from None

    async def put(self, partition: int, events: Sequence[Document]) -> str:
        return await asyncio.to_thread(self._put, partition, events)

    def _put(self, partition: int, events: Sequence[Document]) -> str:
        first, last = int(events[0]["sequence"]), int(events[-1]["sequence"])
        target = self._folder / f"{self._store_id}-{partition:05d}-{first:019d}-{last:019d}{SUFFIX}"
        text = b"".join(_line(event) for event in events)
        if target.exists() and not _holds(target, text):
            raise ArchiveRefused(
                f"{target} is there and holds other events: was the database restored without `intents admin "
                "new-identity`? Move the file away; until then nothing of this partition is dropped"
            )
        data = gzip.compress(text, LEVEL, mtime=0)
        # the checksum first: a file that has its name has its checksum too
        write_durably(
            target.with_name(target.name + SUM), sum_line(hashlib.sha256(data).hexdigest(), target.name)
        )
        write_durably(target, data)
        sync_folder(self._folder)
        return target.name


def _line(event: Document) -> bytes:
    return (
        json_util.dumps(event, json_options=json_util.RELAXED_JSON_OPTIONS, sort_keys=True) + "\n"
    ).encode()


def _holds(target: Path, text: bytes) -> bool:
    try:
        return gzip.decompress(target.read_bytes()) == text
    except (OSError, EOFError):
        return False
