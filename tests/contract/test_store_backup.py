"""A copy of an SQLite store: of one moment, whole or not there, and put back as a store that nobody has cursors of."""

import errno
import hashlib
import sqlite3
from itertools import count
from pathlib import Path
from typing import Any

import pytest
from bson import decode, encode

from services.common.errors import IntentError, Reason
from services.store.backup import restore as restoring
from services.store.backup.copy import BackupRefused, Copied, back_up
from services.store.backup.restore import restore
from services.store.document import SCHEMA
from services.store.model import decode_cursor
from services.store.ports import CannotOpen, Meta
from tests.unit.store.retaining import Cut, nothing_wrong, written
from tests.unit.store.support import Crash, HandClock, all_events, created, opened, opened_storage

PARTITIONS = 4


def url_of(path: Path) -> str:
    return f"sqlite:///{path}"


async def filled(folder: Path) -> Path:
    path = folder / "store.db"
    await written(url_of(path), HandClock(), 10)
    return path


def copied(source: Path, target: Path) -> Copied:
    return back_up(source, target, lambda what, count: None)


def summed(path: Path) -> None:
    """A checksum that fits whatever is in the file now."""
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    path.with_name(path.name + ".sha256").write_text(f"{digest}  {path.name}\n")


async def test_p05_a_restored_store_is_the_copied_one_under_another_identity(tmp_path: Path) -> None:
    source, backup = await filled(tmp_path), tmp_path / "b" / "backup.db"
    backup.parent.mkdir()
    async with opened(url_of(source)) as made:
        before = await all_events(made.store)
        held = copied(source, backup)
        # what comes after it is not in it
        await created(made.store, "later")
        cursor = (await made.store.list_events(tail=True)).cursor
        old = made.store._storage.meta.store_id
        assert sum(decode_cursor(held.cursor, old, PARTITIONS)) == len(before) == 20
        assert held.intents == 10
    assert sorted(path.name for path in backup.parent.iterdir()) == ["backup.db", "backup.db.sha256"]
    place = tmp_path / "c" / "d" / "store.db"
    meta = await restore(backup, place, PARTITIONS)
    assert meta.store_id != old
    assert [path.name for path in place.parent.iterdir()] == ["store.db"]
    async with opened(url_of(place)) as made:
        assert made.store._storage.meta == meta
        assert await all_events(made.store) == before
        assert await made.store.get(["later"]) == [None]
        # the lost store's cursors: one that the restored log has not reached, and one that it has
        for given in (cursor, held.cursor):
            with pytest.raises(IntentError) as error:
                await made.store.list_events(given)
            assert error.value.reason is Reason.CURSOR_EXPIRED
        await created(made.store, "later")
    async with opened_storage(url_of(place)) as storage:
        await nothing_wrong(storage)


async def test_nothing_is_overwritten(tmp_path: Path) -> None:
    source, backup = await filled(tmp_path), tmp_path / "backup.db"
    for path in (backup, tmp_path / "backup.db.sha256", tmp_path / "backup.db.part"):
        path.write_bytes(b"mine")
        with pytest.raises(BackupRefused, match=path.name):
            copied(source, backup)
        assert path.read_bytes() == b"mine"
        path.unlink()
    copied(source, backup)
    place = tmp_path / "new.db"
    for path in (*(tmp_path / f"new.db{suffix}" for suffix in ("", "-wal", "-shm", "-journal", ".part")),):
        path.write_bytes(b"mine")
        with pytest.raises(BackupRefused, match=path.name):
            await restore(backup, place, PARTITIONS)
        assert path.read_bytes() == b"mine"
        path.unlink()
    dangling = tmp_path / "new.db"
    dangling.symlink_to(tmp_path / "nowhere.db")
    with pytest.raises(BackupRefused):
        await restore(backup, place, PARTITIONS)
    with pytest.raises(BackupRefused, match="no database"):
        copied(tmp_path / "absent.db", tmp_path / "other.db")
    (tmp_path / "text").write_text("no database at all, but a file that is long enough to be looked into")
    sqlite3.connect(tmp_path / "strange.db").execute("CREATE TABLE other (a)").connection.close()
    for name in ("text", "strange.db"):
        with pytest.raises(BackupRefused):
            copied(tmp_path / name, tmp_path / "other.db")
    assert not [path for path in tmp_path.iterdir() if path.name.startswith("other")]


async def test_p01_a_store_made_while_one_is_restored_there_stays(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    source, backup, place = await filled(tmp_path), tmp_path / "backup.db", tmp_path / "r" / "store.db"
    copied(source, backup)
    renew = restoring._renew

    async def meanwhile(part: Path, partitions: int) -> Meta:
        meta = await renew(part, partitions)
        async with opened(url_of(place)) as made:
            await created(made.store, "theirs")
        return meta

    monkeypatch.setattr(restoring, "_renew", meanwhile)
    with pytest.raises(BackupRefused, match=r"store\.db is there"):
        await restore(backup, place, PARTITIONS)
    assert [path.name for path in place.parent.iterdir()] == ["store.db"]
    async with opened(url_of(place)) as made:
        assert [one is not None for one in await made.store.get(["theirs"])] == [True]


async def test_a_file_system_without_links_takes_a_restored_store_too(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    source, backup, place = await filled(tmp_path), tmp_path / "backup.db", tmp_path / "r" / "store.db"
    copied(source, backup)

    def refused(*names: Path) -> None:
        raise OSError(errno.EPERM, "Operation not permitted")

    monkeypatch.setattr("os.link", refused)
    await restore(backup, place, PARTITIONS)
    assert [path.name for path in place.parent.iterdir()] == ["store.db"]


async def test_what_is_damaged_is_neither_backed_up_nor_restored(tmp_path: Path) -> None:
    source, backup, place = await filled(tmp_path), tmp_path / "backup.db", tmp_path / "r" / "store.db"
    copied(source, backup)
    whole = backup.read_bytes()
    middle = len(whole) // 2
    holed = whole[:middle] + b"\xff" * 4096 + whole[middle + 4096 :]
    for damaged, fits in (
        (holed, False),
        (whole[:-1], False),
        (holed, True),
        (whole[:middle], True),
        (b"", True),
    ):
        backup.write_bytes(damaged)
        if fits:
            summed(backup)
        with pytest.raises(BackupRefused, match="is damaged" if fits else "its checksum is not"):
            await restore(backup, place, PARTITIONS)
        assert not place.parent.exists()
    (tmp_path / "backup.db.sha256").unlink()
    backup.write_bytes(whole)
    with pytest.raises(BackupRefused, match="missing"):
        await restore(backup, place, PARTITIONS)
    torn = tmp_path / "torn.db"
    torn.write_bytes(holed)
    with pytest.raises(BackupRefused, match="no backup was written"):
        copied(torn, tmp_path / "other.db")
    assert not [path for path in tmp_path.iterdir() if path.name.startswith("other")]


async def test_a_backup_of_another_version_or_shape_is_refused(tmp_path: Path) -> None:
    source, backup, place = await filled(tmp_path), tmp_path / "backup.db", tmp_path / "r" / "store.db"
    copied(source, backup)
    with pytest.raises(CannotOpen, match="PARTITIONS"):
        await restore(backup, place, 8)
    connection = sqlite3.connect(backup, isolation_level=None)
    (stored,) = connection.execute("SELECT document FROM kept WHERE key = 'schema'").fetchone()
    newer = encode({**decode(stored), "version": SCHEMA + 1})
    connection.execute("UPDATE kept SET document = ? WHERE key = 'schema'", [newer])
    connection.close()
    summed(backup)
    with pytest.raises(CannotOpen, match=f"schema {SCHEMA + 1}"):
        await restore(backup, place, PARTITIONS)
    assert list(place.parent.iterdir()) == []


async def test_p01_a_backup_cut_off_anywhere_is_whole_or_not_there(tmp_path: Path) -> None:
    source = await filled(tmp_path)
    for at in count():
        backup = tmp_path / f"backup-{at}.db"
        cut = Cut(at)
        with pytest.MonkeyPatch.context() as patch:
            cut.disk(patch)
            try:
                copied(source, backup)
                ended = True
            except Crash:
                ended = False
        if ended:
            break
        if backup.exists():
            await restore(backup, tmp_path / f"restored-{at}.db", PARTITIONS)
    assert cut.steps == ["fsync", "fsync", "replace", "replace", "fsync"]


async def test_a_backup_that_is_stopped_leaves_nothing(tmp_path: Path) -> None:
    source = await filled(tmp_path)

    def stopped(what: str, count: int) -> None:
        raise InterruptedError

    with pytest.raises(InterruptedError):
        back_up(source, tmp_path / "backup.db", stopped)
    assert not [path for path in tmp_path.iterdir() if path.name.startswith("backup")]


async def test_p01_a_backup_is_of_one_moment(tmp_path: Path) -> None:
    """Between any two of its steps others commit; none of it is in the copy, nothing before is missing."""
    source, backup = await filled(tmp_path), tmp_path / "backup.db"
    other = sqlite3.connect(source, isolation_level=None)
    (before,) = other.execute("SELECT COUNT(*) FROM events").fetchone()
    passed = 0

    def commits(what: str, done: int) -> None:
        nonlocal passed
        passed += 1
        assert passed < 1_000, "it begins anew whenever somebody commits"
        row: Any = other.execute("SELECT document FROM events LIMIT 1").fetchone()
        sql = "INSERT INTO events VALUES (3, ?, ?)"
        other.executemany(sql, [(10_000 * passed + number, row[0]) for number in range(50)])

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("services.store.backup.copy.PAGES", 1)
        back_up(source, backup, commits)
    assert passed > 10
    (held,) = sqlite3.connect(backup).execute("SELECT COUNT(*) FROM events").fetchone()
    assert held == before
    other.close()
