"""An SQLite file that is full, locked, read-only, broken, or none: one clear line, and nothing half written."""

import asyncio
import json
import os
import shutil
import sqlite3
import stat
import sys
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import pytest

from services.common.domain.outcomes import Accepted, ListQuery
from services.common.errors import IntentError, Reason
from services.common.rpc.deadline import deadline_scope
from services.store.ports import CannotOpen
from services.store.verify.findings import Kind
from services.store.verify.run import verify
from tests.unit.store.support import (
    all_events,
    claimed,
    created,
    failure,
    moved,
    new,
    opened,
    opened_storage,
    record,
    sound,
    sqlite_url,
)

ANSWERED = {Reason.DEPENDENCY_UNAVAILABLE, Reason.CORRUPT_RECORD}


async def attempt(call: Any) -> Any:
    """The answer, or the typed error; anything else is a failure of the test."""
    try:
        return await asyncio.wait_for(call, 20)
    except IntentError as error:
        return error


def reason(answer: Any) -> Reason | None:
    return answer.reason if isinstance(answer, IntentError) else None


async def why_not(url: str, **changes: Any) -> str:
    with pytest.raises(CannotOpen) as refused:
        async with opened_storage(url, **changes):
            pass
    text = str(refused.value)
    assert text.startswith("DATABASE_URL: ") and "\n" not in text
    return text


@contextmanager
def locked(path: Path) -> Iterator[None]:
    """As by another process that writes."""
    with closing(sqlite3.connect(path, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        yield
        other.execute("ROLLBACK")


async def test_what_is_no_database_is_said_and_left_as_it_is(tmp_path: Path) -> None:
    text, folder = tmp_path / "text", tmp_path / "folder"
    text.write_bytes(b"No database at all, but somebody's text. " * 200)
    folder.mkdir()
    assert "file is not a database" in await why_not(f"sqlite:///{text}")
    assert text.read_bytes().startswith(b"No database at all")
    assert str(folder) in await why_not(f"sqlite:///{folder}")
    assert str(text) in await why_not(f"sqlite:///{text / 'below-a-file'}")
    assert "write-ahead log" in await why_not("sqlite:///:memory:")
    other = tmp_path / "other.db"
    with closing(sqlite3.connect(other)) as somebodys:
        somebodys.execute("CREATE TABLE intents (id, mine)")
    assert "cannot be used" in await why_not(f"sqlite:///{other}")


async def test_a_file_that_another_process_has_locked(tmp_path: Path) -> None:
    url = sqlite_url(tmp_path)
    path = tmp_path / "store.db"
    async with opened(url, database_timeout_ms=100) as bench:
        await created(bench.store, "before")
        with locked(path):
            assert reason(await attempt(bench.store.create([new("meanwhile")]))) in ANSWERED
            # whoever writes keeps nobody from reading
            assert (await record(bench.store, "before")).version == 1
            assert "locked" in await why_not(url, database_timeout_ms=100)
        await created(bench.store, "meanwhile")
    assert await sound(url)


async def test_p04_a_caller_waits_for_a_locked_file_no_longer_than_its_deadline(tmp_path: Path) -> None:
    async with opened(sqlite_url(tmp_path), database_timeout_ms=600_000) as bench:
        with locked(tmp_path / "store.db"):
            with deadline_scope(0.2):
                first = [attempt(bench.store.create([new(f"first-{number}")])) for number in range(4)]
                answers = await asyncio.gather(*first)
            with deadline_scope(0.2):
                # behind those: not begun when its caller leaves, so it is not done
                answers.append(await attempt(bench.store.create([new("second")])))
        assert {reason(one) for one in answers} == {Reason.DEADLINE_EXCEEDED}
        await created(bench.store, "last")
        assert await bench.store.get(["second"]) == [None]
        outcomes = [
            outcome for number in range(4) for outcome in await bench.store.create([new(f"first-{number}")])
        ]
        assert all(isinstance(one, Accepted) for one in outcomes)
    assert await sound(sqlite_url(tmp_path))


async def test_p01_a_database_that_is_full_takes_nothing_by_half(tmp_path: Path) -> None:
    """Many at once run into the end of the space; what was acknowledged is there, the rest is not, and it goes on."""
    url = sqlite_url(tmp_path)
    async with opened(url) as bench:
        storage: Any = bench.store._storage
        await created(bench.store, "before")

        def most(pages: int) -> Any:
            return storage._writer.run(
                lambda connection: connection.execute(f"PRAGMA max_page_count={pages}").fetchone()
            )

        (used,) = await storage._writer.run(lambda c: c.execute("PRAGMA page_count").fetchone())
        await most(used + 40)
        names = [f"i-{number}" for number in range(160)]
        answers: list[Any] = []
        for start in range(0, len(names), 16):
            wave = names[start : start + 16]
            answers += await asyncio.gather(*(attempt(bench.store.create([new(name)])) for name in wave))
        accepted = [name for name, one in zip(names, answers, strict=True) if reason(one) is None]
        refused = [name for name, one in zip(names, answers, strict=True) if reason(one) is not None]
        assert accepted and refused
        assert {reason(one) for one in answers} <= {None, Reason.DEPENDENCY_UNAVAILABLE}
        # reading goes on, and tells exactly what was acknowledged
        assert all(one is not None for one in await bench.store.get(accepted))
        assert await bench.store.get(refused) == [None] * len(refused)
        assert len(await all_events(bench.store)) == len(accepted) + 1
        await most(1 << 30)
        for name in refused:
            await created(bench.store, name)
    assert await sound(url)


_FILLING = """
import asyncio, json, resource, sys
from services.common.errors import IntentError
from tests.unit.store.support import all_events, created, new, opened, sound

async def main(url):
    async with opened(url) as bench:
        await created(bench.store, "before")
        _, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
        resource.setrlimit(resource.RLIMIT_FSIZE, (400_000, hard))
        accepted, refused = ["before"], []
        for number in range(400):
            try:
                await bench.store.create([new(f"i-{number}")])
                accepted.append(f"i-{number}")
            except IntentError as error:
                refused.append([f"i-{number}", str(error.reason)])
                if len(refused) == 5:
                    break
        during = await bench.store.get(accepted + [name for name, _ in refused])
        resource.setrlimit(resource.RLIMIT_FSIZE, (hard, hard))
        for name, _ in refused:
            await created(bench.store, name)
        events = len(await all_events(bench.store))
    print(json.dumps({
        "accepted": len(accepted), "refused": refused, "events": events,
        "during": [one is not None for one in during], "sound": await sound(url),
    }))

asyncio.run(main(sys.argv[1]))
"""


async def child(script: str, *arguments: str) -> dict[str, Any]:
    """What a Python of its own printed last."""
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-c", script, *arguments,
        stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
    )  # fmt: skip
    out, err = await asyncio.wait_for(process.communicate(), 50)
    assert process.returncode == 0, err.decode()[-2000:]
    found: dict[str, Any] = json.loads(out.splitlines()[-1])
    return found


async def test_p01_a_disk_that_is_full_takes_nothing_by_half(tmp_path: Path) -> None:
    """The system refuses to let the files grow (RLIMIT_FSIZE); when they may again, the store goes on by itself."""
    told = await child(_FILLING, sqlite_url(tmp_path))
    assert told["accepted"] > 1 and {why for _, why in told["refused"]} == {"DEPENDENCY_UNAVAILABLE"}
    assert told["during"] == [True] * told["accepted"] + [False] * len(told["refused"])
    assert told["events"] == told["accepted"] + len(told["refused"])
    assert told["sound"]


_READING_ONLY = """
import asyncio, json, os, sys
from services.store.ports import CannotOpen
from services.store.verify.findings import Kind
from services.store.verify.run import verify
from tests.unit.store.support import opened_storage

async def main(url):
    # root may write whatever the mode says
    if os.getuid() == 0:
        os.setgid(65534)
        os.setuid(65534)
    try:
        async with opened_storage(url):
            said = ""
    except CannotOpen as error:
        said = str(error)
    print(json.dumps({"said": said}))

asyncio.run(main(sys.argv[1]))
"""


async def test_a_file_that_may_only_be_read(tmp_path: Path) -> None:
    url = sqlite_url(tmp_path)
    async with opened(url) as bench:
        await created(bench.store)
    before = (tmp_path / "store.db").read_bytes()
    (tmp_path / "store.db").chmod(stat.S_IRUSR | stat.S_IRGRP | stat.S_IROTH)
    tmp_path.chmod(0o555)
    for folder in tmp_path.parents:  # the child is nobody: it must get there
        if folder.stat().st_uid == os.getuid() and not folder.stat().st_mode & stat.S_IXOTH:
            folder.chmod(0o755)
    try:
        told = await child(_READING_ONLY, url)
    finally:
        tmp_path.chmod(0o755)
    assert "readonly" in told["said"] or "unable to open" in told["said"]
    assert (tmp_path / "store.db").read_bytes() == before


async def test_a_broken_page_is_a_typed_answer_wherever_it_is(tmp_path: Path) -> None:
    """Each page of the file in turn is overwritten; every call is answered rightly or with a typed error."""
    whole = tmp_path / "whole"
    whole.mkdir()
    names = [f"i-{number}" for number in range(12)]
    async with opened(sqlite_url(whole)) as bench:
        for name in names:
            await created(bench.store, name, request_id=f"r-{name}")
        await moved(bench.store, failure(await record(bench.store, "i-1")))
        right = await bench.store.get(names)
    with closing(sqlite3.connect(whole / "store.db")) as connection:
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        (pages,), (size,) = (
            connection.execute(f"PRAGMA {what}").fetchone() for what in ("page_count", "page_size")
        )
    assert pages > 20
    seen: set[Any] = set()
    for page in range(pages):
        copy = tmp_path / f"{page}"
        shutil.copytree(whole, copy)
        with (copy / "store.db").open("r+b") as file:
            file.seek(page * size)
            file.write(b"\xa5" * size)
        try:
            async with opened(sqlite_url(copy), metrics_refresh_ms=600_000) as bench:
                for name, one in zip(names, right, strict=True):
                    answer = await attempt(bench.store.get([name]))
                    seen.add(reason(answer))
                    assert isinstance(answer, IntentError) or answer in ([one], [None]), (page, answer)
                for call in (
                    bench.store.list(ListQuery(page_size=50)),
                    bench.store.list(ListQuery(user_id="alice.near", page_size=5)),
                    bench.store.claim("p", limit=5, lease_ms=1_000),
                    bench.store.create([new("one-more", request_id="r")]),
                    bench.store.transition([failure(right[0])]),
                    bench.store.list_events(),
                ):
                    seen.add(reason(await attempt(call)))
        except CannotOpen:
            seen.add(CannotOpen)
        shutil.rmtree(copy)
    assert seen - ANSWERED <= {None, CannotOpen}, seen
    assert {None, CannotOpen, Reason.DEPENDENCY_UNAVAILABLE} <= seen


async def test_a_document_that_cannot_be_read_holds_up_no_other(tmp_path: Path) -> None:
    url = sqlite_url(tmp_path)
    async with opened(url) as bench:
        await created(bench.store, "i-1")
        await created(bench.store, "i-2")
        with closing(sqlite3.connect(tmp_path / "store.db", isolation_level=None)) as behind:
            behind.execute("UPDATE intents SET document = substr(document, 1, 100) WHERE id = 'i-1'")
        assert reason(await attempt(bench.store.get(["i-1"]))) is Reason.CORRUPT_RECORD
        assert (await record(bench.store, "i-2")).version == 1
        assert (await claimed(bench.store, limit=1)).intent_id == "i-2"
        async with opened_storage(url) as storage:
            found = await verify(storage, bench.clock, progress=lambda what, count: None)
        assert {one.where for one in found.findings.kept if one.kind is Kind.UNREADABLE} == {"i-1"}


@pytest.mark.parametrize("how", ["text", "locked"])
async def test_a_service_that_cannot_open_its_file_says_so_in_a_line_and_ends_with_2(
    how: str, tmp_path: Path
) -> None:
    path = tmp_path / "store.db"
    if how == "text":
        path.write_bytes(b"somebody's text " * 100)
    else:
        async with opened(sqlite_url(tmp_path)):
            pass
    with locked(path) if how == "locked" else closing(path.open()):
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "services.store",
            stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE,
            env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path), "DATABASE_URL": sqlite_url(tmp_path),
                 "PORT": "0", "ADMIN_PORT": "0", "DATABASE_TIMEOUT_MS": "50"},
        )  # fmt: skip
        out, err = await asyncio.wait_for(process.communicate(), 50)
    assert (process.returncode, out) == (2, b"")
    why = "file is not a database" if how == "text" else "database is locked"
    # the log may have said more
    *_, line = err.decode().splitlines()
    assert line == f"store: DATABASE_URL: {path} cannot be used: {why}"
