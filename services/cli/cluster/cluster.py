"""All seven services as processes, with the servers they stand on.

What is known of a service here are its module and the names of its settings; nothing of it is imported.
"""

import asyncio
import json
import os
import subprocess
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from types import TracebackType
from typing import Final, Self

from services.cli.cluster import ports as port_map
from services.cli.cluster import servers
from services.cli.cluster.process import Process, ProcessError

HOST: Final = "127.0.0.1"

STAGES: Final = (
    ("redis", "mongodb"),
    ("devnet", "store"),
    ("cache", "notifier"),
    ("validator",),
    ("processor", "edge"),
)
"""What must answer before the next is started; stopped in reverse."""

# settings that would make two services fight over one thing; everything else of the caller's environment is passed on
_OURS: Final = frozenset(
    {
        "ADMIN_HOST",
        "ADMIN_PORT",
        "GRPC_VERBOSITY",
        "HOST",
        "HTTP_HOST",
        "HTTP_PORT",
        "PORT",
        "READY_FILE",
        "SERVICE_INSTANCE",
    }
)

Progress = Callable[[str], None]
"""Told in a few words what happens."""


class Cluster:
    """`processes` by name: the seven services, and `redis` and `mongodb` where they are ours.

    Each has `start`, `stop`, `kill9`, `restart`, `address`, `log`. All ports are fixed when this is made. `env`
    goes to every service, `service_env[name]` to one; both come over what is set here. `folder` keeps data, logs
    and the relayer's keys, and may be used again.
    """

    def __init__(
        self,
        folder: Path,
        *,
        ports: Mapping[str, int] | None = None,
        redis_url: str | None = None,
        mongodb_url: str | None = None,
        sqlite: bool = False,
        env: Mapping[str, str] | None = None,
        service_env: Mapping[str, Mapping[str, str]] | None = None,
        python: str = sys.executable,
    ) -> None:
        """Raises servers.NoServer where a server is neither given nor found."""
        self.folder = folder.absolute()
        self.ports = dict(port_map.free() if ports is None else ports)
        self._python = python
        self._base = {name: value for name, value in os.environ.items() if name not in _OURS}
        self.env = dict(env or {})
        self._service_env = service_env or {}
        redis = servers.redis(redis_url, port=self.ports["redis"], folder=self.folder, env=self._base)
        if sqlite:
            mongodb = servers.Server(url=f"sqlite:///{self.folder / 'store.db'}")
        else:
            mongodb = servers.mongodb(
                mongodb_url, port=self.ports["mongodb"], folder=self.folder, env=self._base
            )
        self.redis_url, self.database_url = redis.url, mongodb.url
        self.key_file = self.folder / "relayer-keys.json"
        self.processes: dict[str, Process] = {}
        if redis.process is not None:
            self.processes["redis"] = redis.process
        if mongodb.process is not None:
            self.processes["mongodb"] = mongodb.process
        self.settings = self._settings()
        """What each service is told, by name; `env` and `service_env` come over it."""
        for name, settings in self.settings.items():
            self.processes[name] = self._service(name, settings)

    @property
    def target(self) -> str:
        """The edge's gRPC address."""
        return f"{HOST}:{self.ports['edge']}"

    @property
    def http_url(self) -> str:
        """The edge's HTTP address."""
        return f"http://{HOST}:{self.ports['http']}"

    @property
    def chain_url(self) -> str:
        """The devnet's JSON-RPC."""
        return f"http://{HOST}:{self.ports['devnet']}"

    def admin_url(self, name: str) -> str:
        """A service's /metrics, /healthz and /readyz are below this."""
        return f"http://{HOST}:{self.ports[f'{name}.admin']}"

    @property
    def addresses(self) -> dict[str, str]:
        """Everything that listens, by name."""
        found = {name: process.address for name, process in self.processes.items()}
        return {**found, "http": f"{HOST}:{self.ports['http']}"}

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.stop()

    async def start(self, progress: Progress | None = None) -> None:
        """Returns when all answer. Raises ProcessError, with everything stopped again."""
        self.folder.mkdir(parents=True, exist_ok=True)
        try:
            await self._make_keys()
            for stage in STAGES:
                await asyncio.gather(
                    *(self._start(name, progress) for name in stage if name in self.processes)
                )
        except BaseException:
            await self.stop()
            raise

    async def stop(self, progress: Progress | None = None) -> None:
        """In reverse order, each with time to drain."""
        for stage in reversed(STAGES):
            await asyncio.gather(*(self._stop(name, progress) for name in stage if name in self.processes))

    def dead(self) -> list[Process]:
        """Those that ended by themselves."""
        return [process for process in self.processes.values() if process.exit_code is not None]

    async def _start(self, name: str, progress: Progress | None) -> None:
        process = self.processes[name]
        await process.start()
        if progress is not None:
            progress(f"{name} answers at {process.address}")

    async def _stop(self, name: str, progress: Progress | None) -> None:
        process = self.processes[name]
        if not process.running:
            return
        await process.stop()
        if progress is not None:
            progress(f"{name} stopped")

    async def _make_keys(self) -> None:
        """The relayer's keys, which the devnet's genesis registers; written by the devnet itself."""
        argv = [self._python, "-m", "services.devnet", "keys", str(self.key_file)]
        done = await asyncio.to_thread(
            subprocess.run,
            argv,
            env=self._environment("devnet", {}),
            capture_output=True,
            text=True,
            check=False,
        )
        if done.returncode != 0:
            raise ProcessError(f"the relayer's keys cannot be made: {done.stderr.strip()[:300]}")

    def _settings(self) -> dict[str, dict[str, str]]:
        target = {name: f"{HOST}:{self.ports[name]}" for name in port_map.GRPC}
        return {
            "devnet": {"STATE_FILE": str(self.folder / "devnet.db")},
            "store": {"DATABASE_URL": self.database_url},
            "cache": {
                "STORE_TARGET": target["store"],
                "CHAIN_URL": self.chain_url,
                "REDIS_URL": self.redis_url,
            },
            "notifier": {"STORE_TARGET": target["store"]},
            "validator": {"CACHE_TARGET": target["cache"]},
            "processor": {
                "STORE_TARGET": target["store"],
                "VALIDATOR_TARGET": target["validator"],
                "CHAIN_URL": self.chain_url,
                "SIGNER_KEY_FILE": str(self.key_file),
            },
            "edge": {
                "VALIDATOR_TARGET": target["validator"],
                "CACHE_TARGET": target["cache"],
                "STORE_TARGET": target["store"],
                "NOTIFIER_TARGET": target["notifier"],
                "REDIS_URL": self.redis_url,
                "HTTP_HOST": HOST,
                "HTTP_PORT": str(self.ports["http"]),
            },
        }

    def _environment(self, name: str, settings: Mapping[str, str]) -> dict[str, str]:
        return {**self._base, **settings, **self.env, **self._service_env.get(name, {})}

    def _service(self, name: str, settings: Mapping[str, str]) -> Process:
        ready_file = self.folder / "ready" / f"{name}.json"
        common = {
            "HOST": HOST,
            "PORT": str(self.ports[name]),
            "ADMIN_HOST": HOST,
            "ADMIN_PORT": str(self.ports[f"{name}.admin"]),
            "READY_FILE": str(ready_file),
            "LOG_FORMAT": "json",
            "PYTHONUNBUFFERED": "1",
        }

        async def ready() -> bool:
            # written in one step when the service serves
            return bool(json.loads(ready_file.read_text(encoding="utf-8")))

        return Process(
            name=name,
            argv=[self._python, "-m", f"services.{name}"],
            address=f"{HOST}:{self.ports[name]}",
            env=self._environment(name, {**common, **settings}),
            folder=self.folder,
            ready=ready,
            ready_file=ready_file,
        )
