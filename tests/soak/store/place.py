"""The processes of a run: the store, and the database server it stands on where it has one."""

import asyncio
import json
import os
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Protocol

from services.cli.cluster import ports
from services.cli.cluster.process import Process
from tests.harness import servers
from tests.harness.servers import ServerProcess
from tests.harness.shapes import ROOT

DATABASES: Final = {"sqlite": "a file of SQLite", "mongo-java": "mongo-java-server on a file of H2"}
SOUND: Final = "services.store"
PLANTED: Final = "tests.soak.planted"
HOST: Final = "127.0.0.1"


class Victim(Protocol):
    """What is killed and started again."""

    @property
    def running(self) -> bool: ...

    async def kill9(self) -> None:
        """Gone when this returns."""
        ...

    async def start(self) -> None:
        """Answers when this returns."""
        ...


@dataclass(frozen=True, slots=True)
class Server:
    """A database server as a `Victim`."""

    process: ServerProcess

    @property
    def running(self) -> bool:
        return self.process.running

    async def kill9(self) -> None:
        await asyncio.to_thread(self.process.kill9)

    async def start(self) -> None:
        await asyncio.to_thread(self.process.start)


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """`target` is the store's gRPC address; `environment` what its process was given."""

    store: Process
    server: Server | None
    target: str
    environment: dict[str, str]


@asynccontextmanager
async def opened(folder: Path, *, database: str, module: str) -> AsyncIterator[Place]:
    """Everything answers; stopped when left. `database` is one of DATABASES, `module` what runs as
    the store."""
    taken = ports.free()
    server = None
    if database == "sqlite":
        url = f"sqlite:///{folder.absolute() / 'store.db'}"
    else:
        server = Server(servers.mongo_java(folder / "mongo-java", port=taken["mongodb"]))
        url = servers.mongo_database_url(server.process.url, "intents")
    ready_file = folder / "ready.json"
    environment = {
        **os.environ,
        "PYTHONPATH": os.pathsep.join(str(ROOT / part) for part in (".", "gen/python", "clients/python/src")),
        "PYTHONUNBUFFERED": "1",
        "DATABASE_URL": url,
        "HOST": HOST,
        "PORT": str(taken["store"]),
        "ADMIN_PORT": str(taken["store.admin"]),
        "READY_FILE": str(ready_file),
        "LOG_FORMAT": "json",
    }

    async def ready() -> bool:
        return bool(json.loads(ready_file.read_text(encoding="utf-8")))

    target = f"{HOST}:{taken['store']}"
    store = Process(
        name="store",
        argv=[sys.executable, "-m", module],
        address=target,
        env=environment,
        folder=folder,
        ready=ready,
        ready_file=ready_file,
    )
    try:
        if server is not None:
            await server.start()
        await store.start()
        yield Place(store=store, server=server, target=target, environment=environment)
    finally:
        await store.stop()
        if server is not None:
            await server.kill9()
