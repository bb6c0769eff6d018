"""`intents admin backup`, `restore`, `new-identity` and `archive verify` as operators run them, on a store at work."""

import asyncio
import os
from pathlib import Path

from services.common.config import ServiceSettings
from services.common.rpc.channel import open_channel
from services.common.rpc.clients.store import GrpcStore
from tests.rpc.test_store_admin import admin
from tests.soak.store.place import SOUND
from tests.soak.store.place import opened as process
from tests.unit.store.retaining import retention, written
from tests.unit.store.support import HandClock, created, failure, new, opened, opened_storage

WRITERS = 16


async def test_p01_a_backup_under_writers_holds_all_that_was_acknowledged_before_it(tmp_path: Path) -> None:
    acknowledged: set[str] = set()
    enough, done = asyncio.Event(), asyncio.Event()
    backup, place = tmp_path / "backup.db", tmp_path / "elsewhere" / "store.db"

    async def write(store: GrpcStore, lane: int) -> None:
        number = 0
        while not done.is_set():
            name = f"{lane}-{number}"
            made = await created(store, name)
            if number % 2:
                await store.transition([failure(made)])
            acknowledged.add(name)
            number += 1
            if len(acknowledged) >= 300:
                enough.set()

    async with process(tmp_path, database="sqlite", module=SOUND) as running:
        url = running.environment["DATABASE_URL"]
        async with open_channel(running.target, settings=ServiceSettings(port=0, admin_port=0)) as channel:
            store = GrpcStore(channel)
            writers = [asyncio.create_task(write(store, lane)) for lane in range(WRITERS)]
            await enough.wait()
            before = set(acknowledged)
            code, said, complaint = await admin(url, "backup", str(backup))
            during = len(acknowledged) - len(before)
            done.set()
            await asyncio.gather(*writers)
            cursor = (await store.list_events(tail=True)).cursor
    assert (code, complaint) == (0, "")
    assert "intents, sha256 " in said and "holds up to cursor " in said
    assert during > 0
    elsewhere = {"DATABASE_URL": f"sqlite:///{place}", "PARTITIONS": "16"}
    code, said, complaint = await admin("", "restore", str(backup), **elsewhere)
    assert (code, complaint) == (0, ""), complaint
    assert "restored as store " in said
    code, said, complaint = await admin("", "verify", **elsewhere)
    assert code == 0 and "nothing found" in said, said
    async with opened(f"sqlite:///{place}", partitions=16) as made:
        found = {
            one.intent_id
            for start in range(0, len(before), 500)
            for one in await made.store.get(sorted(before)[start : start + 500])
            if one is not None
        }
        assert found == before
        resumed = await made.store.list_events(tail=True)
        assert resumed.cursor != cursor


async def test_what_cannot_be_done_is_one_line(tmp_path: Path) -> None:
    url, backup = f"sqlite:///{tmp_path / 'store.db'}", tmp_path / "backup.db"
    async with opened(url) as made:
        await made.store.create([new("i-1")])
    assert (await admin(url, "backup", str(backup)))[0] == 0
    (tmp_path / "empty").mkdir()
    again, taken, elsewhere, other, nobody, empty, absent = await asyncio.gather(
        admin(url, "backup", str(backup)),
        admin(url, "restore", str(backup)),
        admin("mongodb://localhost/x", "backup", str(tmp_path / "b")),
        admin("mongodb://localhost/x", "restore", str(backup)),
        admin(url, "backup", str(tmp_path / "no" / "such" / "folder")),
        admin(url, "archive", "verify", str(tmp_path / "empty")),
        admin(url, "import", str(tmp_path / "absent")),
    )
    answers = (again, taken, elsewhere, other, nobody, empty, absent)
    assert [one[0] for one in answers] == [1, 1, 2, 2, 1, 1, 1]
    for _, said, complaint in answers:
        assert "Errno" not in complaint
        assert said == "" and len(complaint.splitlines()) == 1, complaint
    assert "mongodump" in elsewhere[2] and "docs/operations.md" in other[2]
    assert "no archived files" in empty[2]
    assert absent[2].endswith(f"{tmp_path / 'absent'}: No such file or directory\n")
    assert "nothing was overwritten" in again[2] and "empty place only" in taken[2]


async def test_a_new_identity_sends_old_cursors_away(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path / 'store.db'}"
    async with opened(url) as made:
        await made.store.create([new("i-1")])
        before = made.store._storage.meta.store_id
    code, said, complaint = await admin(url, "new-identity")
    assert (code, complaint) == (0, "")
    async with opened_storage(url) as storage:
        assert said == f"store {before} is store {storage.meta.store_id} from now on\n"


async def test_an_archive_is_checked(tmp_path: Path) -> None:
    url, clock, folder = f"sqlite:///{tmp_path / 'store.db'}", HandClock(), tmp_path / "archive"
    for _ in range(3):
        await written(url, clock, 20)
        clock.advance(hours=2)
        async with opened_storage(url) as storage:
            await retention(storage, folder, clock=clock).once()
    files = sorted(path for path in folder.iterdir() if path.suffix == ".gz")
    assert len(files) == 12
    well = await admin(url, "archive", "verify", str(folder))
    assert well == (0, "12 files with 116 events are whole, 0 findings\n", "")
    os.truncate(files[0], 40)
    files[4].unlink()
    files[4].with_name(files[4].name + ".sha256").unlink()
    code, said, _ = await admin(url, "archive", "verify", str(folder))
    assert code == 1
    assert f"{files[0]}" in said and "checksum" in said and "are in no file" in said
    code, _, complaint = await admin(url, "archive", "verify", str(tmp_path / "absent"))
    assert code == 1 and len(complaint.splitlines()) == 1
