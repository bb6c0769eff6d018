"""The processes of a bench: started, found by their ready files, their CPU time read, stopped in turn."""

import json
import os
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final

from bench.frame import BenchError

START_TIMEOUT: Final = 60.0
STOP_TIMEOUT: Final = 20.0
SETTLE_TIMEOUT: Final = 20.0
TICKS: Final = os.sysconf("SC_CLK_TCK")
KEPT: Final = ("PATH", "HOME", "TMPDIR", "LANG", "PYTHONPATH", "VIRTUAL_ENV")
"""Of the caller's environment; the rest could be somebody's settings."""


class Fleet:
    """Service processes on free ports; logs, ready files and databases in `folder`."""

    def __init__(self, folder: Path, profile: Path | None = None) -> None:
        self._folder = folder
        self._profile = profile
        self._running: dict[str, subprocess.Popen[bytes]] = {}
        self._addresses: dict[str, str] = {}
        self._admin: dict[str, str] = {}
        if profile is not None:
            profile.mkdir(parents=True, exist_ok=True)

    def start(self, name: str, command: Sequence[str], settings: Mapping[str, str | int]) -> str:
        """host:port of `python -m <command>` once it is ready."""
        ready = self._folder / f"{name}.ready"
        common = {
            "HOST": "127.0.0.1",
            "PORT": 0,
            "ADMIN_PORT": 0,
            "READY_FILE": ready,
            "LOG_LEVEL": "warning",
        }
        environment = {key: os.environ[key] for key in KEPT if key in os.environ}
        environment |= {key: str(value) for key, value in {**common, **settings}.items()}
        profiled = (
            [] if self._profile is None else ["-m", "cProfile", "-o", str(self._profile / f"{name}.prof")]
        )
        with open(self._folder / f"{name}.log", "wb") as log:
            process = subprocess.Popen(
                [sys.executable, *profiled, "-m", *command], env=environment, stdout=log, stderr=log
            )
        self._running[name] = process
        until = time.monotonic() + START_TIMEOUT
        while not ready.exists():
            if process.poll() is not None or time.monotonic() > until:
                raise BenchError(f"{name} did not start: {self._log(name)}")
            time.sleep(0.02)
        found = json.loads(ready.read_text("utf-8"))
        self._addresses[name] = found.get("grpc") or found["http"]
        self._admin[name] = found.get("admin", "")
        return self._addresses[name]

    def cpu(self, prefix: str = "") -> dict[str, float]:
        """CPU seconds so far of the processes whose name begins with `prefix`, by the rest of the name."""
        return {
            name.removeprefix(prefix).strip("-") or name: cpu_seconds(process.pid)
            for name, process in self._running.items()
            if name.startswith(prefix)
        }

    def admin(self, name: str) -> str:
        """host:port of a process's /metrics."""
        return self._admin[name]

    def end(self, name: str) -> None:
        """SIGTERM to one, and gone when this returns."""
        process = self._running.pop(name)
        process.terminate()
        try:
            process.wait(STOP_TIMEOUT)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
        (self._folder / f"{name}.ready").unlink(missing_ok=True)

    def settle(self) -> None:
        """Until work left over from a measurement is done: nobody but the next side may be charged for it."""
        until, before = time.monotonic() + SETTLE_TIMEOUT, sum(self.cpu().values())
        while time.monotonic() < until:
            time.sleep(0.25)
            now = sum(self.cpu().values())
            if now - before <= 0.05:
                return
            before = now
        raise BenchError("the services do not come to rest between measurements")

    def stop(self) -> None:
        """SIGTERM to all, the last started first; those that do not end are killed."""
        for process in reversed(self._running.values()):
            process.terminate()
        until = time.monotonic() + STOP_TIMEOUT
        for process in self._running.values():
            try:
                process.wait(max(0.1, until - time.monotonic()))
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()

    def _log(self, name: str) -> str:
        return (self._folder / f"{name}.log").read_text("utf-8", "replace")[
            -2_000:
        ].strip() or "it said nothing"


def cpu_seconds(pid: int) -> float:
    """User and system time of a process, its threads included."""
    fields = Path(f"/proc/{pid}/stat").read_text("ascii").rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / TICKS
