"""`migrate` and `resolve` as an operator runs them: what they say, how they end."""

import asyncio
import json
import os
import sys
from pathlib import Path
from typing import Final

import pytest
from bson.json_util import dumps

from services.common.domain.lifecycle import Status
from services.store.document import SCHEMA
from tests.contract.test_store_adoption import seeds
from tests.unit.store.older import Older
from tests.unit.store.raw import raw
from tests.unit.store.support import created, on, opened, opened_storage, record, sqlite_url

PARTITIONS: Final = "4"


async def admin(url: str, *arguments: str) -> tuple[int, str, str]:
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "services.store", "admin", *arguments,
        stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE,
        env=os.environ | {"DATABASE_URL": url, "PARTITIONS": PARTITIONS, "INTENTS_PROG": "intents admin"},
    )  # fmt: skip
    out, err = await process.communicate()
    assert process.returncode is not None
    return process.returncode, out.decode(), err.decode()


async def test_a_write_past_is_shown_and_settled(tmp_path: Path) -> None:
    url = sqlite_url(tmp_path)
    async with opened(url) as ours:
        await created(ours.store, "i-1")
        with raw(url) as behind:
            behind.change("i-1", lambda document: document.update(status="failed", errorDetails="no"))
        code, said, _ = await admin(url, "resolve", "i-1")
        assert code == 0
        assert "status failed, the store moved it to pending (version 1)" in said
        assert "you can choose: --to-ours, --accept failed, --fail" in said
        why = ("--reason", "seen on chain", "--by", "ada")
        refused = await admin(url, "resolve", "i-1", "--accept", "verified", *why)
        assert refused == (
            1, "", "intents admin resolve: i-1: nothing was changed: its status is 'failed' now, not verified\n",
        )  # fmt: skip
        settled = await admin(url, "resolve", "i-1", "--accept", "failed", *why)
        assert settled == (0, "i-1 is failed, version 2\n", "")
        one = await record(ours.store, "i-1")
        assert (one.status, one.history[-1].actor) == (Status.FAILED, "operator:ada")


@pytest.mark.parametrize(
    "arguments",
    [
        ("--to-ours",),
        ("--accept", "gone"),
        ("--to-ours", "--fail", "--reason", "x"),
        ("--fail", "--reason", "a\nb"),
    ],
)
async def test_what_cannot_be_meant_is_one_line_and_code_2(
    tmp_path: Path, arguments: tuple[str, ...]
) -> None:
    code, said, error = await admin(sqlite_url(tmp_path), "resolve", "i-1", *arguments)
    assert (code, said) == (2, "")
    assert error.startswith("intents admin resolve: ") and len(error.splitlines()) == 1
    assert not (tmp_path / "store.db").exists()


async def test_one_that_is_not_there(tmp_path: Path) -> None:
    url = sqlite_url(tmp_path)
    async with opened_storage(url):
        pass
    code, said, error = await admin(url, "resolve", "i-1")
    assert (code, said, error) == (1, "", "intents admin resolve: there is no intent i-1\n")


async def test_migrate_says_what_it_did(tmp_path: Path) -> None:
    url = sqlite_url(tmp_path)
    async with opened_storage(url) as storage:
        await created(on(Older(storage)), "i-1")
        await created(on(Older(storage)), "i-2")
        with raw(url) as behind:
            behind.change("i-2", lambda document: document.pop("input_token"))
    code, said, _ = await admin(url, "migrate", "--prepare")
    assert (code, said.endswith(f"with {PARTITIONS} partitions is ready\n")) == (0, True)
    code, said, _ = await admin(url, "migrate")
    assert code == 1
    assert f"with {PARTITIONS} partitions is of schema {SCHEMA}" in said
    assert "2 records looked at, 1 renewed" in said
    assert "left as it is: i-2: it cannot be read" in said
    code, said, _ = await admin(url, "migrate", "--json")
    told = json.loads(said)
    assert (code, told["schema"], told["records"], told["renewed"]) == (1, SCHEMA, 2, 0)
    assert [one["where"] for one in told["left"]] == ["i-2"]


async def test_import_says_what_it_did(tmp_path: Path) -> None:
    url = sqlite_url(tmp_path)
    file = tmp_path / "intents.jsonl"
    missing = await admin(url, "import", str(file))
    assert missing[:2] == (1, "") and "No such file" in missing[2] and len(missing[2].splitlines()) == 1
    assert not (tmp_path / "store.db").exists()
    file.write_text(f"{dumps(seeds('i-1'))}\n{{\n")
    code, said, _ = await admin(url, "import", str(file), "--principal", "workshop")
    assert code == 1
    assert said.splitlines() == [
        "2 documents: 1 imported (0 of them held for a person), 0 were there, 0 are older doubles, 1 left",
        "left: line 2: it is no document of extended JSON: it does not parse",
    ]
    async with opened(url) as ours:
        assert (await record(ours.store, "i-1")).principal == "workshop"
