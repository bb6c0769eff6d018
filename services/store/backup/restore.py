"""A backup put where no store is, as a store of its own: whoever followed the one it was made of starts over.

The log of a restored store gives sequences out again that the lost one had given to other events. Under the same
identity a watcher's cursor would be taken for one of this log, and pass over what is new in it.
"""

import errno
import os
import shutil
from pathlib import Path
from typing import Final

from services.store.adapters.sqlite import SqliteStorage
from services.store.backup.copy import BackupRefused, damage
from services.store.durable import differs, sync_file, sync_folder
from services.store.migrating import schema
from services.store.ports import Meta

_BESIDE: Final = ("", "-wal", "-shm", "-journal")
_NO_LINKS: Final = (errno.EPERM, errno.EOPNOTSUPP, errno.ENOSYS)
"""Of file systems that know one name a file."""


async def restore(source: Path, target: Path, partitions: int) -> Meta:
    """The store at `target`, which is whole and synced when this returns. Raises BackupRefused, CannotOpen (its
    schema, its partitions), OSError."""
    _check_empty(target)
    if not source.is_file():
        raise BackupRefused(f"there is no backup at {source}")
    if (why := differs(source)) is not None:
        raise BackupRefused(f"{source} is not as it was written: {why}")
    if (why := damage(source)) is not None:
        raise BackupRefused(f"{source} is damaged: {why}")
    target.parent.mkdir(parents=True, exist_ok=True)
    part = target.with_name(target.name + ".part")
    try:
        with source.open("rb") as reading, part.open("xb") as writing:
            shutil.copyfileobj(reading, writing, 1 << 20)
    except FileExistsError:
        raise BackupRefused(f"{part} is there: another restore is under way, or one was cut off; remove it "
                            "if none is") from None  # fmt: skip
    try:
        meta = await _renew(part, partitions)
        if any(part.with_name(part.name + suffix).exists() for suffix in _BESIDE[1:]):
            raise BackupRefused(f"{part} is open elsewhere: nothing was restored")
        sync_file(part)
        _name(part, target)
    finally:
        for suffix in _BESIDE:
            part.with_name(part.name + suffix).unlink(missing_ok=True)
    sync_folder(target.parent)
    return meta


def _check_empty(target: Path) -> None:
    for path in (target.with_name(target.name + suffix) for suffix in _BESIDE):
        if os.path.lexists(path):
            raise _taken(path)


def _name(part: Path, target: Path) -> None:
    """Unlike a rename, a link never takes the place of a store that was made there meanwhile."""
    try:
        os.link(part, target)
    except FileExistsError:
        raise _taken(target) from None
    except OSError as error:
        if error.errno not in _NO_LINKS:
            raise
        os.replace(part, target)


def _taken(path: Path) -> BackupRefused:
    return BackupRefused(
        f"DATABASE_URL: {path} is there: restore into an empty place only; nothing was changed"
    )


async def _renew(part: Path, partitions: int) -> Meta:
    """A new identity, if this version may serve it at all."""
    storage = SqliteStorage(part)
    try:
        await storage.open(partitions)
        await schema.check(storage)
        await storage.renew_identity()
    finally:
        # closing takes what is in the log into the file
        await storage.close()
    return storage.meta
