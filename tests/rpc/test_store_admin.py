"""`python -m services.store admin …` as operators run it: what it says, and its exit codes."""

import asyncio
import json
import os
import sys
from datetime import timedelta
from pathlib import Path

import pytest

from tests.unit.store.raw import raw
from tests.unit.store.support import START, created, opened, sqlite_url


async def admin(url: str, *arguments: str, **env: str) -> tuple[int, str, str]:
    """(exit code, stdout, stderr) of `intents admin`."""
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "services.store", "admin", *arguments,
        stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path), "INTENTS_PROG": "intents admin",
             "DATABASE_URL": url, "PARTITIONS": "4"} | env,
    )  # fmt: skip
    out, err = await process.communicate()
    assert process.returncode is not None
    return process.returncode, out.decode(), err.decode()


async def test_verify_says_what_it_found_and_repairs_it(tmp_path: Path) -> None:
    url = sqlite_url(tmp_path)
    async with opened(url) as made:
        await created(made.store, "i-1")
    well, wrong = await asyncio.gather(admin(url, "verify"), admin(url, "verify", "--limit", "x"))
    assert well[0] == 0 and well[2] == ""
    assert (
        "1 intents, 1 events" in well[1] and "holds up to cursor " in well[1] and "nothing found" in well[1]
    )
    assert wrong[0] == 2 and len(wrong[2].splitlines()) == 1
    with raw(url) as behind:
        behind.change("i-1", lambda document: document.update(nextActionAt=None))
    people, programs = await asyncio.gather(admin(url, "verify"), admin(url, "verify", "--json"))
    assert people[0] == programs[0] == 1
    assert people[1].splitlines()[1].split()[:3] == ["schedule", "i-1", "--repair"]
    told = json.loads(programs[1])
    assert (told["found"], told["repaired"], told["counts"]) == (1, 0, {"schedule": 1})
    assert [(one["kind"], one["where"], one["repair"]) for one in told["findings"]] == [
        ("schedule", "i-1", "possible")
    ]
    code, said, _ = await admin(url, "verify", "--repair")
    assert code == 0 and "1 found (1 schedule), 1 repaired" in said


@pytest.mark.parametrize(
    "arguments", [("verify",), ("overdue",), ("resolve", "i-1"), ("new-identity",), ("migrate", "--dry-run")]
)
async def test_a_mistyped_path_is_no_healthy_empty_store(tmp_path: Path, arguments: tuple[str, ...]) -> None:
    code, out, error = await admin(f"sqlite:///{tmp_path}/typed-wrong.db", *arguments)
    assert (code, out, len(error.splitlines())) == (2, "", 1)
    assert "there is no database at" in error and "typed-wrong.db" in error
    assert list(tmp_path.iterdir()) == []


async def test_overdue_lists_what_nobody_ends(tmp_path: Path) -> None:
    url = sqlite_url(tmp_path)
    async with opened(url) as made:
        pass
    code, said, _ = await admin(url, "overdue")
    assert (code, said.strip()) == (0, "no intent is overdue")
    async with opened(url) as made:
        made.clock.moment = START - timedelta(days=2000)
        for n in range(3):
            await created(made.store, f"i-{n}", expires_at=made.clock.moment + timedelta(hours=n + 1))
    people, programs, wrong = await asyncio.gather(
        admin(url, "overdue", "--limit", "2"), admin(url, "overdue", "--json"), admin(url, "overdue", "x")
    )
    assert (people[0], programs[0], wrong[0]) == (1, 1, 2)
    lines = people[1].splitlines()
    assert [line.split()[:2] for line in lines[1:3]] == [["i-0", "past_deadline"], ["i-1", "past_deadline"]]
    assert "more" in lines[-1]
    told = json.loads(programs[1])
    assert [one["intentId"] for one in told["overdue"]] == ["i-0", "i-1", "i-2"] and told["more"] is False
    assert {one["cause"] for one in told["overdue"]} == {"past_deadline"}
