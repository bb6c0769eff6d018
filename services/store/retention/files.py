"""Archived files read again: is each whole, and is a run of events missing between them?"""

import gzip
import re
import zlib
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from bson import json_util

from services.store.durable import differs
from services.store.ports import Document
from services.store.retention.archive import SUFFIX

_NAME: Final = re.compile(r"([0-9a-f]{16})-(\d{5})-(\d{19})-(\d{19})" + re.escape(SUFFIX))
_OPTIONS: Final = json_util.RELAXED_JSON_OPTIONS.with_options(tz_aware=True)
LONGEST_LINE: Final = 1 << 20


class Damaged(Exception):
    """What is wrong with a file, in one line."""


@dataclass(frozen=True, slots=True, order=True)
class ArchivedRun:
    """What a file's name says it holds."""

    store_id: str
    partition: int
    first: int
    last: int
    path: Path


def found(paths: Iterable[Path]) -> list[Path]:
    """The archived files among these and in these folders. Raises OSError for one that is not there."""
    files: set[Path] = set()
    for path in paths:
        if path.is_dir():
            files.update(one for one in path.iterdir() if one.name.endswith(SUFFIX))
        else:
            path.stat()
            files.add(path)
    return sorted(files)


def named(path: Path) -> ArchivedRun:
    """By its name. Raises Damaged."""
    match = _NAME.fullmatch(path.name)
    if match is None:
        raise Damaged(f"its name is not STORE-PARTITION-FIRST-LAST{SUFFIX}")
    store_id, *numbers = match.groups()
    partition, first, last = map(int, numbers)
    return ArchivedRun(store_id, partition, first, last, path)


def events(run: ArchivedRun) -> Iterator[Document]:
    """One by one, each in its place. Raises Damaged, OSError."""
    expected = run.first
    try:
        with gzip.open(run.path, "rb") as lines:
            while line := lines.readline(LONGEST_LINE):
                event: Document = json_util.loads(line, json_options=_OPTIONS)
                if (event["partition"], event["sequence"]) != (run.partition, expected):
                    raise Damaged(f"sequence {expected} is expected, {event['sequence']} is there")
                expected += 1
                yield event
    except (EOFError, zlib.error, gzip.BadGzipFile, ValueError, KeyError, TypeError) as error:
        raise Damaged(f"it cannot be read at sequence {expected}: {error!r}"[:200]) from None
    if expected != run.last + 1:
        raise Damaged(f"it ends before sequence {expected}")


def check(path: Path) -> ArchivedRun:
    """Its checksum, its name, every line. Raises Damaged, OSError."""
    run = named(path)
    if (why := differs(path)) is not None:
        raise Damaged(why)
    for _ in events(run):
        pass
    return run


def missing(runs: Sequence[ArchivedRun]) -> Iterator[str]:
    """Sequences between the files of a store's partition that are in none of them."""
    reached: dict[tuple[str, int], int] = {}
    for run in sorted(runs):
        key = run.store_id, run.partition
        last = reached.get(key)
        if last is not None and run.first > last + 1:
            yield f"store {run.store_id}, partition {run.partition}: {last + 1} to {run.first - 1} are in no file"
        reached[key] = max(run.last, last or 0)
