"""One moment of an SQLite store, copied into one file while others write.

A read transaction is held throughout: the copy is the state of its beginning, whatever is committed meanwhile. The
database's log grows as long as it lasts, as no checkpoint can pass it.
"""

import os
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from services.store.adapters.sqlite_rows import newest
from services.store.durable import SUM, digest_of, sum_line, sync_file, sync_folder, write_durably
from services.store.model import encode_cursor

PAGES: Final = 2_000
"""Copied between two looks at whether to go on: 8 MB."""

Progress = Callable[[str, int], None]
"""What is being copied, and how much of it was; may raise to end it."""


class BackupRefused(Exception):
    """No backup, or no store out of it; nothing that was there is changed. The message is one line for people."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Copied:
    """What the file holds."""

    intents: int
    cursor: str
    digest: str


def back_up(source: Path, target: Path, progress: Progress) -> Copied:
    """Whole and synced when this returns, its checksum beside it. Raises BackupRefused, OSError."""
    if not source.is_file():
        raise BackupRefused(f"DATABASE_URL: there is no database at {source}")
    for path in (target, target.with_name(target.name + SUM)):
        if os.path.lexists(path):
            raise BackupRefused(f"{path} is there already: name a file that is not; nothing was overwritten")
    part = target.with_name(target.name + ".part")
    with _only_writer(part):
        try:
            intents, cursor = _copy(source, part, progress)
        except sqlite3.Error as error:
            raise BackupRefused(f"{source} cannot be copied: {error}; no backup was written") from error
        sync_file(part)
        digest = digest_of(part)
        # the checksum first: a file that has its name has its checksum too
        write_durably(target.with_name(target.name + SUM), sum_line(digest, target.name))
        os.replace(part, target)
    sync_folder(target.parent)
    return Copied(intents=intents, cursor=cursor, digest=digest)


def damage(path: Path) -> str | None:
    """What is wrong with a store's file that nobody writes to, as SQLite finds it; None if nothing."""
    connection = sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro&immutable=1", uri=True)
    try:
        found: str = connection.execute("PRAGMA integrity_check(1)").fetchone()[0]
        if not connection.execute("SELECT value FROM meta WHERE key = 'store_id'").fetchone():
            return "it is no store"
    except sqlite3.Error as error:
        return str(error)
    finally:
        connection.close()
    return None if found == "ok" else found


@contextmanager
def _only_writer(part: Path) -> Iterator[None]:
    """`part` is this process's alone, and gone at the end whatever happens."""
    try:
        part.touch(exist_ok=False)
    except FileExistsError:
        raise BackupRefused(
            f"{part} is there: another backup is under way, or one was cut off; remove it if none is"
        ) from None
    try:
        yield
    finally:
        part.unlink(missing_ok=True)


def _copy(source: Path, part: Path, progress: Progress) -> tuple[int, str]:
    reading = sqlite3.connect(source, isolation_level=None, timeout=5)
    writing = sqlite3.connect(part, isolation_level=None)
    try:
        reading.execute("PRAGMA query_only=ON")
        reading.execute("BEGIN")
        meta = dict(reading.execute("SELECT key, value FROM meta").fetchall())
        heads = [newest(reading, partition) for partition in range(int(meta["partitions"]))]
        (intents,) = reading.execute("SELECT COUNT(*) FROM intents").fetchone()
        reading.backup(
            writing,
            pages=PAGES,
            progress=lambda status, left, total: progress(f"of {total:,} pages", total - left),
        )
        # one file that stands for itself, without a log beside it
        writing.execute("PRAGMA journal_mode=DELETE")
    except KeyError:
        raise BackupRefused(f"DATABASE_URL: {source} is no store") from None
    finally:
        writing.close()
        reading.close()
    if (why := damage(part)) is not None:
        raise BackupRefused(f"{source} is damaged, and so was its copy: {why}; no backup was written")
    return intents, encode_cursor(meta["store_id"], heads)
