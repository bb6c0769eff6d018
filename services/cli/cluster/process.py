"""A child process that can be started, killed and started again, always on the same port."""

import asyncio
import atexit
import contextlib
import os
import signal
import subprocess
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from pathlib import Path
from typing import Final

START_TIMEOUT: Final = 60.0
STOP_TIMEOUT: Final = 15.0
"""Seconds a process gets to end after SIGTERM before it is killed."""

_PAUSE: Final = 0.03

Probe = Callable[[], Awaitable[bool]]
"""Whether the process answers; OSError counts as not yet."""


class ProcessError(Exception):
    """A process did not come up, or ended by itself; the message says why and where its log is."""


class Process:
    """`address` is host:port, the same over every start; `log` holds what all its lives printed.

    It runs in a session of its own, so that a terminal's Ctrl-C reaches it only through us, and is killed at the
    latest when this interpreter ends.
    """

    def __init__(
        self,
        *,
        name: str,
        argv: Sequence[str],
        address: str,
        env: Mapping[str, str],
        folder: Path,
        ready: Probe,
        ready_file: Path | None = None,
        start_timeout: float = START_TIMEOUT,
    ) -> None:
        self.name = name
        self.address = address
        self.log = folder / "logs" / f"{name}.log"
        self._argv = [str(part) for part in argv]
        self._env = dict(env)
        self._ready = ready
        self._ready_file = ready_file
        self._start_timeout = start_timeout
        self._child: subprocess.Popen[bytes] | None = None

    @property
    def running(self) -> bool:
        return self._child is not None and self._child.poll() is None

    @property
    def pid(self) -> int:
        """Of the running process. Raises ProcessError if there is none."""
        if self._child is None or self._child.poll() is not None:
            raise ProcessError(f"{self.name} does not run")
        return self._child.pid

    @property
    def exit_code(self) -> int | None:
        """Of the last life; None while it runs or before the first. A negative one is the signal that ended it."""
        return None if self._child is None else self._child.poll()

    async def start(self) -> None:
        """Returns once it answers. Starting a running one changes nothing. Raises ProcessError."""
        if self.running:
            return
        self.spawn()
        await self.wait_ready()

    def spawn(self) -> None:
        """Starts it without waiting for an answer."""
        if self._ready_file is not None:
            # what a killed life left behind says nothing about this one
            self._ready_file.unlink(missing_ok=True)
            self._ready_file.parent.mkdir(parents=True, exist_ok=True)
        self.log.parent.mkdir(parents=True, exist_ok=True)
        with self.log.open("ab") as log:
            self._child = subprocess.Popen(
                self._argv,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                env=self._env,
                start_new_session=True,
            )
        atexit.register(self._end_at_exit)

    async def wait_ready(self) -> None:
        """Until it answers. Raises ProcessError if it ends first or takes too long; it is killed then."""
        until = time.monotonic() + self._start_timeout
        try:
            while True:
                if not self.running:
                    raise ProcessError(f"{self.name} ended with code {self.exit_code}{self._last_words()}")
                try:
                    if await self._ready():
                        return
                except OSError:
                    pass
                if time.monotonic() > until:
                    raise ProcessError(
                        f"{self.name} did not answer within {self._start_timeout:g} s; see {self.log}"
                    )
                await asyncio.sleep(_PAUSE)
        except BaseException:
            await self.kill9()
            raise

    async def stop(self, timeout: float = STOP_TIMEOUT) -> int | None:
        """SIGTERM, SIGKILL if that is not heeded in time; the exit code."""
        if self.running:
            self.signal(signal.SIGTERM)
            await self._gone(timeout)
        await self.kill9()
        return self.exit_code

    async def kill9(self) -> None:
        """SIGKILL to the process and its children, and gone when this returns."""
        if self._child is None:
            return
        if self.running:
            os.killpg(self._child.pid, signal.SIGKILL)
            await self._gone(STOP_TIMEOUT)
        atexit.unregister(self._end_at_exit)

    async def restart(self) -> None:
        """Stop if it runs, then start again on the same port with the same data."""
        await self.stop()
        await self.start()

    def signal(self, number: signal.Signals) -> None:
        """Send a signal, SIGSTOP and SIGCONT for one. Raises ProcessError if it does not run."""
        os.kill(self.pid, number)

    async def _gone(self, timeout: float) -> None:
        if self._child is not None:
            with contextlib.suppress(subprocess.TimeoutExpired):
                await asyncio.to_thread(self._child.wait, timeout)

    def _last_words(self) -> str:
        try:
            lines = self.log.read_text(encoding="utf-8", errors="replace").strip().splitlines()
        except OSError:
            lines = []
        said = f": {lines[-1][:300]}" if lines else ""
        return f"{said} (log: {self.log})"

    def _end_at_exit(self) -> None:
        if self.running and self._child is not None:
            os.killpg(self._child.pid, signal.SIGKILL)
            self._child.wait()
