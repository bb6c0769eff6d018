"""`intents cluster` as a person runs it: up, an intent to its end, Ctrl-C, nothing left."""

import asyncio
import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from services.cli.cluster.ports import SERVICES
from tests.harness.servers import missing
from tests.harness.wait import eventually

pytestmark = [pytest.mark.timeout(120), pytest.mark.xdist_group("cluster")]

FIELDS = ["--action=swap", "--input-token=USDC", "--input-amount=1000000", "--output-token=NEAR"]


@contextmanager
def cluster(folder: Path) -> Iterator["subprocess.Popen[str]"]:
    """The command in a process of its own, with what it prints in `out`."""
    if lacking := missing("valkey"):
        pytest.skip(f"missing: {lacking}")
    argv = ["cluster", "--sqlite", "--port-base=0", f"--dir={folder}", f"--ready-file={folder / 'up.json'}"]
    environment = {
        name: value for name, value in os.environ.items() if name not in ("REDIS_URL", "MONGODB_URL")
    }
    with (folder / "out").open("w") as out, (folder / "err").open("w") as err:
        process = subprocess.Popen(
            [sys.executable, "-m", "services.cli.main", *argv],
            stdout=out,
            stderr=err,
            text=True,
            env=environment,
        )
        try:
            yield process
        finally:
            process.terminate()
            process.wait(30)


async def addresses(process: "subprocess.Popen[str]", folder: Path) -> dict[str, str]:
    """Once all answer."""

    def up() -> Any:
        if process.poll() is not None:
            pytest.fail(f"ended with {process.returncode}: {(folder / 'err').read_text()}")
        return json.loads((folder / "up.json").read_text())

    found: dict[str, str] = await eventually(up, timeout=60)
    return found


async def intents(*argv: str) -> tuple[int, str, str]:
    done = await asyncio.to_thread(
        subprocess.run, [sys.executable, "-m", "services.cli.main", *argv], capture_output=True, text=True
    )
    return done.returncode, done.stdout, done.stderr


async def test_a_cluster_serves_until_ctrl_c(tmp_path: Path) -> None:
    with cluster(tmp_path) as process:
        up = await addresses(process, tmp_path)
        assert {*SERVICES, "http", "redis", "logs"} <= up.keys()
        target, key = f"--target={up['edge']}", str(tmp_path / "key.json")
        assert (await intents("keygen", "--out", key))[0] == 0
        code, out, err = await intents(
            "submit", "--id=one", *FIELDS, "--key", key, "--wait", "--timeout=40s", target
        )
        assert (code, err) == (0, ""), out + err
        words = [line.split()[2] for line in out.splitlines()[:4]]
        assert words == ["pending", "verified", "executing", "completed"]
        assert (await intents("get", "two", target))[0] == 4
        process.send_signal(signal.SIGINT)
        assert await asyncio.to_thread(process.wait, 40) == 0
    assert (tmp_path / "err").read_text() == ""
    stopped = [line.split()[2] for line in (tmp_path / "out").read_text().splitlines() if "stopped" in line]
    assert set(stopped) == {*SERVICES, "redis"}
    assert set(stopped[:2]) == {"edge", "processor"}
    assert stopped[-1] == "redis"
    assert not (tmp_path / "up.json").exists()
    for name in SERVICES:
        assert '"stopped"' in (tmp_path / "logs" / f"{name}.log").read_text(), name
