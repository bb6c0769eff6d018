"""How commands end when something is wrong: one sentence, a stated exit code, never a traceback."""

import asyncio
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import grpc
import pytest
from google.rpc import error_details_pb2

from services.cli.exits import MEANING
from tests.harness.wait import eventually
from tests.unit.cli.support import FIELDS, Terminal, answering
from tests.unit.client.support import Script, event, refuse, serving


@pytest.mark.parametrize(
    ("code", "reason", "exit_code", "hint"),
    [
        ("NOT_FOUND", "INTENT_NOT_FOUND", 4, "said"),
        ("RESOURCE_EXHAUSTED", "RATE_LIMITED", 5, "try again in 3 s"),
        ("UNAUTHENTICATED", "UNAUTHENTICATED", 6, "--token-file"),
        ("PERMISSION_DENIED", "PERMISSION_DENIED", 6, "said"),
        ("FAILED_PRECONDITION", "NOT_CANCELLABLE", 1, "said"),
        ("DEADLINE_EXCEEDED", "DEADLINE_EXCEEDED", 3, "--deadline"),
        ("INTERNAL", "INTERNAL", 1, "said"),
    ],
)
async def test_each_failure_has_its_exit_code_and_one_sentence(
    terminal: Terminal, code: str, reason: str, exit_code: int, hint: str
) -> None:
    async def fail(request: Any, context: Any) -> None:
        retry = error_details_pb2.RetryInfo()
        retry.retry_delay.FromMilliseconds(2500)
        await refuse(context, grpc.StatusCode[code], reason, "What was said.", retry)

    async with terminal.at(Script(GetIntent=fail)):
        left, out, err = await terminal.run("get", "a")
    assert (left, out, err.count("\n")) == (exit_code, "", 1)
    assert hint in err
    assert "Traceback" not in err


async def test_nobody_there_says_how_to_start_one(terminal: Terminal) -> None:
    code, out, err = await terminal.run("info", "--deadline=3s")
    assert (code, out, err.count("\n")) == (3, "", 1)
    assert "127.0.0.1:1" in err and "intents cluster" in err


async def test_the_token_comes_from_a_file_only(terminal: Terminal, tmp_path: Path) -> None:
    path = tmp_path / "token"
    path.write_text("s3cret\n")
    script = answering()
    async with terminal.at(script):
        assert (await terminal.run("info", "--token-file", str(path)))[0] == 0
        assert script.calls[0][2]["authorization"] == "Bearer s3cret"
        for content in ("", "two\nlines", "ü"):
            path.write_text(content)
            code, _, err = await terminal.run("info", "--token-file", str(path))
            assert (code, err.count("\n")) == (2, 1)
        code, _, err = await terminal.run("info", "--token-file", str(tmp_path / "none"))
        assert code == 2 and "none" in err
        assert (await terminal.run("info", "--token=s3cret"))[0] == 2


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("", "not JSON"),
        ("[]", "one JSON object"),
        ('{"id": "a", "id": "b"}', "duplicate key"),
        ('{"id": "a", "amount": "1"}', "amount"),
        ('{"id": 7}', "id must be a string"),
        ('{"id": "a", "max_slippage": 0.125}', "max_slippage"),
        ('{"id": "a", "max_slippage": NaN}', "NaN"),
        ('{"id": "a", "deadline": "noon"}', "deadline"),
        ('{"id": "a", "signed_data": {"standard": "nep413", "payload": {"nonce": "!"}}}', "nonce"),
        ("\ufeff{}", "byte order mark"),
        ("[" * 1000, "nested"),
    ],
)
async def test_p10_input_that_cannot_be_sent_is_never_sent(terminal: Terminal, text: str, says: str) -> None:
    script = answering()
    async with terminal.at(script):
        for command in ("submit", "validate"):
            code, out, err = await terminal.run(command, "-", stdin=text)
            assert (code, out) == (2, "")
            assert says in err
            assert "Traceback" not in err
    assert script.calls == []


@pytest.mark.parametrize(
    "argv",
    [
        [],
        ["fly"],
        ["get"],
        ["get", "a", "--deadline=soon"],
        ["list", "--status=gone"],
        ["submit"],
        ["submit", "/does/not/exist"],
        ["sign", *FIELDS],
        ["sign", *FIELDS, "--key=/does/not/exist"],
        ["cluster", "--port-base=70000"],
    ],
)
async def test_wrong_arguments_end_with_2_and_one_sentence(terminal: Terminal, argv: list[str]) -> None:
    code, out, err = await terminal.run(*argv)
    assert (code, out, err.count("\n")) == (2, "", 1)
    assert err.startswith("intents: ")


async def test_help_lists_every_exit_code(terminal: Terminal) -> None:
    code, out, _ = await terminal.run("--help")
    assert code == 0
    for number, meaning in MEANING.items():
        assert f"{number} " in out and meaning in out


@pytest.mark.parametrize("argument", ["--help", "-h"])
async def test_help_of_admin_is_the_stores(argument: str) -> None:
    argv = [sys.executable, "-m", "services.cli.main", "admin", argument]
    done = await asyncio.to_thread(subprocess.run, argv, capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.startswith("usage: intents admin ") and "verify" in done.stdout
    assert "stuck, retry, resolve ID --reason, fail" in " ".join(done.stdout.split())


async def test_ctrl_c_ends_a_watch_without_a_word(tmp_path: Path) -> None:
    async def life(request: Any, context: Any) -> Any:
        yield event("a", 1)
        await asyncio.Event().wait()

    async with serving(Script(WatchIntents=life)) as target:
        with (tmp_path / "out").open("w") as out, (tmp_path / "err").open("w") as err:
            argv = [sys.executable, "-m", "services.cli.main", "watch", "a", f"--target={target}"]
            process = subprocess.Popen(argv, stdout=out, stderr=err)
        await eventually(lambda: "pending" in (tmp_path / "out").read_text())
        process.send_signal(signal.SIGINT)
        assert await asyncio.to_thread(process.wait, 20) == 130
    assert (tmp_path / "err").read_text() == ""


async def test_a_reader_that_has_seen_enough_is_no_error(tmp_path: Path) -> None:
    reading, writing = os.pipe()
    os.close(reading)
    async with serving(answering()) as target:
        argv = [sys.executable, "-m", "services.cli.main", "info", f"--target={target}"]
        process = subprocess.Popen(argv, stdout=writing, stderr=subprocess.PIPE)
        os.close(writing)
        _, err = await asyncio.to_thread(process.communicate)
    assert (process.returncode, err) == (0, b"")
