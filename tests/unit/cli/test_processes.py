"""Child processes: started, killed, started again on the same port; ports fixed before anything starts."""

import asyncio
import importlib
import json
import os
import signal
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from services.cli.cluster import ports, servers
from services.cli.cluster.cluster import STAGES, Cluster
from services.cli.cluster.command import watch
from services.cli.cluster.process import Process, ProcessError
from services.common.config import ServiceSettings, settings_of
from tests.harness.servers import missing
from tests.harness.wait import eventually

ECHO = """
import json, os, signal, socket, sys
signal.signal(signal.SIGTERM, signal.SIG_IGN if len(sys.argv) > 3 else lambda *_: sys.exit(7))
listener = socket.create_server(("127.0.0.1", int(sys.argv[1])))
print("up", os.getpid(), flush=True)
with open(sys.argv[2] + ".part", "w") as part:
    part.write(json.dumps({"pid": os.getpid()}))
os.replace(part.name, sys.argv[2])  # whoever waits for it finds all of it
while True:
    connection, _ = listener.accept()
    connection.close()
"""


def child(folder: Path, *, code: str = ECHO, deaf: bool = False, start_timeout: float = 20.0) -> Process:
    (port,) = [port for name, port in ports.free().items() if name == "edge"]
    ready_file = folder / "ready.json"

    async def ready() -> bool:
        return bool(json.loads(ready_file.read_text()))

    return Process(
        name="echo",
        argv=[sys.executable, "-c", code, str(port), str(ready_file), *(["deaf"] if deaf else [])],
        address=f"127.0.0.1:{port}",
        env=dict(os.environ),
        folder=folder,
        ready=ready,
        ready_file=ready_file,
        start_timeout=start_timeout,
    )


def connects(process: Process) -> bool:
    host, port = process.address.split(":")
    try:
        socket.create_connection((host, int(port)), timeout=1).close()
    except OSError:
        return False
    return True


async def test_a_killed_process_comes_back_on_its_port(tmp_path: Path) -> None:
    process = child(tmp_path)
    await process.start()
    first = process.pid
    assert connects(process)
    await process.start()
    assert process.pid == first
    await process.kill9()
    assert (process.running, process.exit_code, connects(process)) == (False, -signal.SIGKILL, False)
    with pytest.raises(ProcessError, match="does not run"):
        _ = process.pid
    await process.start()
    assert process.pid != first
    assert connects(process)
    await process.restart()
    assert await process.stop() == 7
    assert process.log.read_text().count("up") == 3


async def test_one_that_does_not_heed_sigterm_is_killed(tmp_path: Path) -> None:
    process = child(tmp_path, deaf=True)
    await process.start()
    assert await process.stop(timeout=0.2) == -signal.SIGKILL


async def test_one_that_ends_at_once_says_its_last_words(tmp_path: Path) -> None:
    process = child(tmp_path, code="print('no such thing'); raise SystemExit(3)")
    with pytest.raises(ProcessError, match=r"ended with code 3: no such thing \(log: "):
        await process.start()


async def test_one_that_never_answers_is_killed(tmp_path: Path) -> None:
    process = child(tmp_path, code="import time; time.sleep(60)", start_timeout=0.3)
    with pytest.raises(ProcessError, match=r"did not answer within 0\.3 s"):
        await process.start()
    assert not process.running


async def test_a_ready_file_of_an_earlier_life_does_not_count(tmp_path: Path) -> None:
    process = child(tmp_path, code="raise SystemExit(3)")
    (tmp_path / "ready.json").write_text("{}")
    (tmp_path / "ready.json").write_text('{"pid": 1}')
    with pytest.raises(ProcessError):
        await process.start()


async def test_a_process_that_ends_by_itself_is_named(tmp_path: Path) -> None:
    process = child(tmp_path)
    await process.start()

    def dead() -> list[Process]:
        return [process] if process.exit_code is not None else []

    watching = asyncio.create_task(watch(dead, asyncio.Event()))
    os.kill(process.pid, signal.SIGKILL)
    with pytest.raises(ProcessError, match="echo ended with code -9; see "):
        await watching
    stop = asyncio.Event()
    stop.set()
    assert await watch(dead, stop) == 0


async def test_children_do_not_outlive_the_interpreter(tmp_path: Path) -> None:
    code = f"""
import asyncio, os, sys
sys.path[:0] = {sys.path!r}
from pathlib import Path
from tests.unit.cli.test_processes import child
async def main():
    process = child(Path({str(tmp_path)!r}))
    await process.start()
    print(process.pid)
asyncio.run(main())
"""
    done = await asyncio.to_thread(
        subprocess.run, [sys.executable, "-c", code], capture_output=True, text=True, check=True
    )
    pid = int(done.stdout)

    def gone() -> bool:
        try:
            os.kill(pid, 0)
        except ProcessLookupError:
            return True
        return Path(f"/proc/{pid}/stat").exists() and " Z " in Path(f"/proc/{pid}/stat").read_text()

    assert await eventually(gone)


def test_ports_are_all_different_and_follow_the_base() -> None:
    free = ports.free()
    assert free.keys() == set(ports.NAMES) == ports.DEFAULTS.keys()
    assert len(set(free.values())) == len(free)
    assert max(free.values()) < 32_768
    assert list(ports.from_base(20_000).values()) == list(range(20_000, 20_000 + len(ports.NAMES)))


@pytest.mark.parametrize("name", ports.SERVICES)
def test_what_a_service_is_told_are_settings_it_has(name: str) -> None:
    config = importlib.import_module(f"services.{name}.config")
    own = [kind for kind in vars(config).values() if getattr(kind, "__module__", "") == config.__name__]
    kinds = [kind for kind in own if isinstance(kind, type) and issubclass(kind, ServiceSettings)]
    settings = max(kinds, key=lambda kind: len(kind.__mro__))  # what others are made of comes before it
    specs = {spec.name: spec for spec in settings_of(settings)}
    assert specs["PORT"].default == ports.DEFAULTS[name]
    assert specs["ADMIN_PORT"].default == ports.DEFAULTS[f"{name}.admin"]
    told = Cluster(Path("x"), redis_url="redis://x", mongodb_url="mongodb://x/y").settings[name]
    assert told.keys() <= specs.keys()
    assert {spec.name for spec in specs.values() if spec.required} <= told.keys()
    assert {spec for spec in specs if spec.endswith("_TARGET")} <= told.keys()


def test_given_servers_are_not_started(tmp_path: Path) -> None:
    cluster = Cluster(tmp_path, redis_url="redis://r/0", mongodb_url="mongodb://m/d")
    assert set(cluster.processes) == set(ports.SERVICES)
    assert cluster.settings["store"]["DATABASE_URL"] == "mongodb://m/d"
    assert cluster.settings["edge"]["REDIS_URL"] == "redis://r/0"
    assert {name for stage in STAGES for name in stage} == {*ports.SERVICES, "redis", "mongodb"}
    lite = Cluster(tmp_path, redis_url="redis://r/0", sqlite=True)
    assert lite.settings["store"]["DATABASE_URL"] == f"sqlite:///{tmp_path / 'store.db'}"


def test_without_any_server_one_is_told_what_to_do(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.chdir(tmp_path)
    with pytest.raises(servers.NoServer, match="--mongodb-url"):
        Cluster(tmp_path, redis_url="redis://r/0")


async def test_a_redis_is_found_started_and_stopped(tmp_path: Path) -> None:
    if lacking := missing("valkey"):
        pytest.skip(f"missing: {lacking}")
    port = ports.free()["redis"]
    server = servers.redis(None, port=port, folder=tmp_path, env=dict(os.environ))
    assert server.process is not None
    await server.process.start()
    try:
        assert connects(server.process)
    finally:
        assert await server.process.stop() == 0
    assert server.url == f"redis://127.0.0.1:{port}/0"
