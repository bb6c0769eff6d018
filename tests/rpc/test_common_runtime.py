"""The life of a process: ready file, one clear line for a bad start, an orderly end on SIGTERM."""

import asyncio
import json
import os
import signal
import socket
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import aiohttp
import pytest

from services.common.config import ServiceSettings
from services.common.rpc.call import call
from services.common.rpc.channel import open_channel
from tests.harness import toy
from tests.harness.wait import eventually

COMMAND = (sys.executable, "-m", "tests.harness.toy_main")


class Process:
    """A started toy service and what it wrote."""

    def __init__(self, process: asyncio.subprocess.Process, ready_file: Path) -> None:
        self.process = process
        self.ready_file = ready_file

    async def where(self) -> dict[str, str]:
        """Its addresses, once it is ready."""
        await eventually(self.ready_file.exists, 20)
        found: dict[str, str] = json.loads(self.ready_file.read_text())
        return found

    async def end(self) -> tuple[int, str, str]:
        """Exit code, stdout, stderr."""
        out, err = await asyncio.wait_for(self.process.communicate(), 20)
        assert self.process.returncode is not None
        return self.process.returncode, out.decode(), err.decode()


@asynccontextmanager
async def started(tmp_path: Path, *args: str, **env: str) -> AsyncIterator[Process]:
    ready_file = tmp_path / "run" / "ready.json"
    process = await asyncio.create_subprocess_exec(
        *COMMAND, *args, env={**os.environ, "LOG_FORMAT": "json", "READY_FILE": str(ready_file), **env},
        stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE,
    )  # fmt: skip
    try:
        yield Process(process, ready_file)
    finally:
        if process.returncode is None:
            process.kill()
            await process.communicate()


async def test_a_process_is_ready_serves_and_ends_on_sigterm(tmp_path: Path) -> None:
    async with started(tmp_path, DRAIN_WAIT_MS="300") as running:
        where = await running.where()
        async with (
            open_channel(where["grpc"], settings=ServiceSettings()) as channel,
            aiohttp.ClientSession() as http,
        ):
            readyz = f"http://{where['admin']}/readyz"
            async with http.get(readyz) as answer:
                before = answer.status
            held = asyncio.create_task(call(channel.unary_unary(f"/{toy.NAME}/Hold"), b"0.6"))
            assert await eventually(lambda: in_flight(http, where["admin"]))
            running.process.send_signal(signal.SIGTERM)

            async def draining() -> bool:
                async with http.get(readyz) as answer:
                    return answer.status == 503

            assert await eventually(draining)
            assert await held == b"0.6"
        code, out, err = await running.end()
    events = [json.loads(line) for line in err.splitlines()]
    assert (before, code, out) == (200, 0, "")
    assert [event["event"] for event in events] == ["listening", "stopping", "rpc.stopped", "stopped"]
    assert events[0]["grpc"] == where["grpc"] and events[0]["service"] == "toy"
    assert not running.ready_file.exists()


async def in_flight(http: aiohttp.ClientSession, admin: str) -> bool:
    async with http.get(f"http://{admin}/metrics") as answer:
        return 'rpc_server_in_flight{method="Hold",service="toy.v1.Toy"} 1.0' in await answer.text()


@pytest.mark.parametrize(
    ("env", "line"),
    [
        ({"BROKEN": "start"}, "toy: cannot start: The store cannot be reached right now; try again."),
        ({"BROKEN": "crash"}, "toy: cannot start: mongodb://root:[redacted]@db/ is no good second line"),
    ],
)
async def test_a_failed_start_is_one_line(tmp_path: Path, env: dict[str, str], line: str) -> None:
    async with started(tmp_path, **env) as running:
        assert await running.end() == (1, "", line + "\n")


@pytest.mark.parametrize("setting", ["PORT", "ADMIN_PORT"])
async def test_a_port_taken_is_one_line(tmp_path: Path, setting: str) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        async with started(tmp_path, **{setting: str(port)}) as running:
            code, out, err = await running.end()
    assert (code, out, err.count("\n")) == (1, "", 1)
    assert err.startswith("toy: cannot start: ") and str(port) in err


async def test_a_bad_setting_is_one_line_and_exit_2(tmp_path: Path) -> None:
    async with started(tmp_path, PORT="http") as running:
        port = await running.end()
    async with started(tmp_path, "--port=1") as running:
        argument = await running.end()
    assert port == (2, "", "toy: PORT: 'http' is not a whole number; expected: 0 to 65535 (port)\n")
    assert argument[0] == 2 and "unknown argument '--port=1'" in argument[2]


async def test_help_shows_every_setting(tmp_path: Path) -> None:
    async with started(tmp_path, "--help", TOKEN="s3cret") as running:
        code, out, err = await running.end()
    assert (code, err) == (0, "") and "s3cret" not in out
    assert {"LOG_FORMAT", "DRAIN_GRACE_MS", "TOKEN"} <= {line.split()[0] for line in out.splitlines() if line}


async def test_a_signal_before_it_is_ready_ends_it(tmp_path: Path) -> None:
    stale = tmp_path / "run" / "ready.json"
    stale.parent.mkdir()
    stale.write_text("{}")
    async with started(tmp_path, BROKEN="slow") as running:
        assert running.process.stdout is not None
        assert await asyncio.wait_for(running.process.stdout.readline(), 20) == b"starting\n"
        running.process.send_signal(signal.SIGTERM)
        code, _, err = await running.end()
    assert code == 0 and "stopped before it was ready" in err and not stale.exists()


async def test_a_drain_that_hangs_ends_with_exit_1(tmp_path: Path) -> None:
    async with started(tmp_path, BROKEN="drain", DRAIN_GRACE_MS="0") as running:
        await running.where()
        running.process.send_signal(signal.SIGTERM)
        code, _, err = await running.end()
    assert code == 1 and "drain overdue" in err
