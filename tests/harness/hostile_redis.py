"""A Redis on loopback that behaves badly, in a way a test chooses, and well again when the test says so."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Final

Behaviour = Callable[["asyncio.StreamWriter"], Awaitable[None]]
"""What is answered; when it returns the next command is read."""

HANDSHAKE: Final = frozenset({b"CLIENT", b"SELECT", b"AUTH"})


async def silent(writer: asyncio.StreamWriter) -> None:
    """Never answers."""
    await asyncio.Event().wait()


async def closes(writer: asyncio.StreamWriter) -> None:
    """Hangs up."""
    writer.close()


def says(answer: bytes) -> Behaviour:
    """Always the same."""

    async def say(writer: asyncio.StreamWriter) -> None:
        writer.write(answer)
        await writer.drain()

    return say


def cut(answer: bytes) -> Behaviour:
    """A piece of an answer, then the end."""

    async def say(writer: asyncio.StreamWriter) -> None:
        writer.write(answer)
        await writer.drain()
        writer.close()

    return say


async def drips(writer: asyncio.StreamWriter) -> None:
    """An answer that could be one, byte by byte, and has no end."""
    for byte in b"*1\r\n$4096\r\n" + b"x" * 100_000:
        writer.write(bytes([byte]))
        await writer.drain()
        await asyncio.sleep(0.002)  # the pace is what is hostile


async def floods(writer: asyncio.StreamWriter) -> None:
    """One value of a terabyte."""
    writer.write(b"*1\r\n$1000000000000\r\n")
    while True:
        writer.write(b"x" * 65_536)
        await writer.drain()


@dataclass(slots=True)
class Hostile:
    """`at_once` is done on accepting, `behaviour` after each command of a connection that shook hands; without
    either it is an empty Redis."""

    port: int = 0
    behaviour: Behaviour | None = None
    at_once: Behaviour | None = None
    connections: int = 0
    commands: list[bytes] = field(default_factory=list)
    _serving: "set[asyncio.Task[None]]" = field(default_factory=set)

    @property
    def url(self) -> str:
        return f"redis://127.0.0.1:{self.port}/0"

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._serving.add(task)
        self.connections += 1
        try:
            # cancelled by `end`; a cancelled task would be told of by asyncio's streams
            with contextlib.suppress(OSError, asyncio.IncompleteReadError, asyncio.CancelledError):
                if self.at_once is not None:
                    await self.at_once(writer)
                while not writer.is_closing():
                    await self._answer(await _command(reader), writer)
        finally:
            self._serving.discard(task)
            writer.close()

    async def _answer(self, command: Sequence[bytes], writer: asyncio.StreamWriter) -> None:
        name = command[0].upper()
        if name in HANDSHAKE:
            writer.write(b"+OK\r\n")
            return
        self.commands.append(name)
        if self.behaviour is not None:
            await self.behaviour(writer)
        elif name in (b"EVALSHA", b"EVAL"):
            count = int(command[2])
            # as many nils as the script that reads would give; the one that writes looks at nothing
            writer.write(b"*%d\r\n" % count + b"$-1\r\n" * count)
        else:
            writer.write(b":0\r\n")

    async def end(self) -> None:
        for task in list(self._serving):
            task.cancel()
        await asyncio.gather(*self._serving, return_exceptions=True)


@asynccontextmanager
async def hostile(
    behaviour: Behaviour | None = None, *, at_once: Behaviour | None = None
) -> AsyncIterator[Hostile]:
    """Serves until left."""
    made = Hostile(behaviour=behaviour, at_once=at_once)
    server = await asyncio.start_server(made.serve, "127.0.0.1", 0)
    made.port = server.sockets[0].getsockname()[1]
    try:
        yield made
    finally:
        server.close()
        await made.end()


async def _command(reader: asyncio.StreamReader) -> list[bytes]:
    count = int((await reader.readuntil(b"\r\n"))[1:])
    parts = []
    for _ in range(count):
        size = int((await reader.readuntil(b"\r\n"))[1:])
        parts.append((await reader.readexactly(size + 2))[:-2])
    return parts
