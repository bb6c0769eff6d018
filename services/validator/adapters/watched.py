"""A small file that people change while the process runs: looked at from time to time, read again when it changed."""

import asyncio
import hashlib
import logging
import os
import stat
from collections.abc import Callable
from pathlib import Path
from typing import Final, Generic, Protocol, TypeVar

from services.common.clock import Clock
from services.common.observe import logs

logger: Final = logging.getLogger(__name__)

UNSETTLED_NS: Final = 2 * 10**9
"""A file younger than this is read again at the next look: two writes may carry one and the same time stamp."""

T = TypeVar("T")
V = TypeVar("V", contravariant=True)
Stamp = tuple[int, int, int, int]


class Told(Protocol[V]):
    """Who is told what came of a look."""

    def taken(self, value: V) -> None:
        """What the file says now is in force."""
        ...

    def refused(self, why: str) -> None:
        """The file cannot be used and what was in force stays so; told once for each reason."""
        ...

    def settled(self) -> None:
        """The file says again what is in force."""
        ...


class FileRefusedError(ValueError):
    """The file cannot be used; the message says why, in one line, beginning with its path."""


class WatchedFile(Generic[T]):
    """Looks at device, inode, size and time of change of the file that `path` leads to, so that a symlink put in
    another's place (as Kubernetes does with a ConfigMap) is seen; reads on a difference, and parses on another content.

    `parse` raises ValueError with a line for people. It runs in a thread, as reading does.
    """

    def __init__(
        self, path: Path, parse: Callable[[bytes], T], *, max_bytes: int, clock: Clock, told: Told[T]
    ) -> None:
        self._path = path
        self._parse = parse
        self._max = max_bytes
        self._clock = clock
        self._told = told
        self._stamp: Stamp | None = None
        self._in_force = b""
        self._fault = ""

    async def first(self) -> T:
        """The value at the start, which nobody is told of. Raises FileRefusedError."""
        stamp, data = await asyncio.to_thread(self._read, None)
        value = await asyncio.to_thread(self._parsed, data)
        self._stamp = stamp
        self._in_force = _digest(data)
        return value

    async def run(self, every: float) -> None:
        """Looks every so many seconds until cancelled."""
        while True:
            await self._clock.sleep(every)
            await self.look()

    async def look(self) -> None:
        """One look. Never raises: whatever is wrong, what is in force stays so."""
        known, self._stamp = self._stamp, None  # what cannot be read now is read whole once it can
        try:
            stamp, data = await asyncio.to_thread(self._read, known)
            self._stamp = stamp
            if data is None:
                return
            digest = _digest(data)
            if digest == self._in_force:
                if self._fault:
                    self._fault = ""
                    self._told.settled()
                return
            value = await asyncio.to_thread(self._parsed, data)
        except FileRefusedError as error:
            self._refuse(str(error))
        except Exception as error:
            # a watch that ends would miss every change from then on
            logs.event(logger, logging.ERROR, "file.look_failed", path=str(self._path), exc_info=error)
            self._refuse(f"{self._path}: cannot be looked at ({type(error).__name__})")
        else:
            self._in_force, self._fault = digest, ""
            self._told.taken(value)

    def _refuse(self, why: str) -> None:
        if why != self._fault:
            self._fault = why
            self._told.refused(why)

    def _parsed(self, data: bytes | None) -> T:
        assert data is not None
        try:
            return self._parse(data)
        except ValueError as error:
            raise FileRefusedError(f"{self._path}: {error}") from None

    def _read(self, known: Stamp | None) -> tuple[Stamp, bytes | None]:
        """Stamp and bytes; None in their place where the stamp is the known one and old enough to be trusted."""
        try:
            # a pipe in the file's place would hold up whoever opens it
            number = os.open(self._path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
        except OSError as error:
            raise FileRefusedError(f"{self._path}: {error.strerror}") from None
        try:
            status = os.fstat(number)
            if not stat.S_ISREG(status.st_mode):
                raise FileRefusedError(f"{self._path}: not a file")
            stamp = (status.st_dev, status.st_ino, status.st_size, status.st_mtime_ns)
            if stamp == known and self._clock.now_ns() - status.st_mtime_ns > UNSETTLED_NS:
                return stamp, None
            with open(number, "rb", closefd=False) as file:
                data = file.read(self._max + 1)
        except OSError as error:
            raise FileRefusedError(f"{self._path}: {error.strerror}") from None
        finally:
            os.close(number)
        if len(data) > self._max:
            raise FileRefusedError(f"{self._path}: holds more than {self._max} bytes")
        return stamp, data


def _digest(data: bytes | None) -> bytes:
    return hashlib.sha256(data or b"").digest()
