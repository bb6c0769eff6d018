"""Everybody who may watch an intent, each by its own means: gRPC, SSE, the npm socket.io client, `intents watch`.

Each notes what it was told, in order. The first three faults that matter (a version missing, doubled, out of order)
are noted as they happen, so that a test that asks later sees them.
"""

import asyncio
import json
import os
import shutil
import sys
from collections.abc import AsyncIterator, Callable, Iterable, Sequence
from contextlib import aclosing, asynccontextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import aiohttp

from intents_client import Client, event_of, status_word
from tests.harness.wait import eventually

ROOT = Path(__file__).resolve().parent.parent.parent
DRIVER = ROOT / "tests" / "harness" / "js" / "watch.mjs"
ENDS = ("completed", "failed")
WAY = [(1, "pending"), (2, "verified"), (3, "executing"), (4, "completed")]
"""What every watcher of an intent that goes well is told."""


@dataclass(slots=True)
class Seen:
    """What one watcher was told. `told` has (version, status) by intent, `faults` sentences."""

    name: str
    resumes: bool = True
    told: dict[str, list[tuple[int, str]]] = field(default_factory=dict)
    faults: list[str] = field(default_factory=list)
    subscribed: set[str] = field(default_factory=set)
    connects: int = 0
    task: "asyncio.Task[None] | None" = None

    def take(self, intent_id: str, version: int, status: str, first: int | None = None) -> None:
        """One message; it stands for the versions from `first` to `version`."""
        first = version if first is None else first
        told = self.told.setdefault(intent_id, [])
        last = told[-1][0] if told else 0
        if self.resumes and first != last + 1:
            self.faults.append(f"{self.name}: {intent_id} was told {first}..{version} after {last}")
        elif version < last:
            self.faults.append(f"{self.name}: {intent_id} went back from {last} to {version}")
        told.append((version, status))

    def holds(self, ids: Iterable[str]) -> bool:
        """Whether it is subscribed to each. Raises what ended the watcher itself."""
        self._alive()
        return self.subscribed >= set(ids)

    def _alive(self) -> None:
        if self.task is not None and self.task.done() and not self.task.cancelled():
            error = self.task.exception()
            if error is not None:
                raise RuntimeError(f"{self.name} ended") from error

    def ended(self, ids: Iterable[str]) -> bool:
        """Whether it has heard the end of each. Raises what ended the watcher itself."""
        self._alive()
        return all(any(status in ENDS for _, status in self.told.get(one, ())) for one in ids)

    def missing(self, ids: Iterable[str]) -> list[str]:
        """Those whose end it has not heard."""
        return [one for one in ids if not self.ended([one])]


@asynccontextmanager
async def _running(seen: Seen, work: Callable[[], Any]) -> AsyncIterator[Seen]:
    seen.task = asyncio.create_task(work(), name=seen.name)
    try:
        yield seen
    finally:
        seen.task.cancel()
        # what ended it earlier was raised by whoever asked whether it had heard
        with suppress(asyncio.CancelledError, Exception):
            await seen.task


@asynccontextmanager
async def grpc_watch(client: Client, ids: Sequence[str]) -> AsyncIterator[Seen]:
    """WatchIntents by the client package, which resumes by cursor; entered when the subscription holds."""
    seen = Seen("gRPC")

    async def work() -> None:
        async with aclosing(client.watch(ids, patience=60)) as messages:
            async for message in messages:
                seen.subscribed.update(ids)
                event = event_of(message)
                if event is not None:
                    conflated = message.WhichOneof("message") == "snapshot"
                    first = message.snapshot.from_version if conflated else event.version
                    seen.take(event.intent_id, event.version, status_word(event.status), first)

    async with _running(seen, work):
        await eventually(lambda: seen.holds(ids), 15)
        yield seen


@asynccontextmanager
async def sse_watch(
    session: aiohttp.ClientSession, http: Callable[[], str], ids: Sequence[str]
) -> AsyncIterator[Seen]:
    """One EventSource for each id, resuming with Last-Event-ID as a browser does; entered when all hold."""
    seen = Seen("SSE")

    async def follow(intent_id: str) -> None:
        cursor = ""
        while True:
            headers = {"Last-Event-ID": cursor} if cursor else {}
            url = f"{http()}/api/intents/{intent_id}/events"
            timeout = aiohttp.ClientTimeout(total=None, sock_connect=5, sock_read=30)
            try:
                async with session.get(url, headers=headers, timeout=timeout) as response:
                    if response.status == 200:
                        seen.connects += 1
                        async for fields in _events(response, lambda: seen.subscribed.add(intent_id)):
                            if fields.get("event") == "problem":
                                break
                            cursor = fields.get("id", cursor)
                            told = json.loads(fields["data"])
                            first = told.get("versions", [told["version"]])[0]
                            seen.take(intent_id, told["version"], told["status"], first)
                    elif response.status < 500:
                        raise AssertionError(f"SSE answers {response.status}: {await response.text()}")
            except (aiohttp.ClientError, TimeoutError, ConnectionError):
                pass
            await asyncio.sleep(0.05)  # what `retry:` is for a browser

    async def work() -> None:
        async with asyncio.TaskGroup() as group:
            for intent_id in ids:
                group.create_task(follow(intent_id))

    async with _running(seen, work):
        await eventually(lambda: seen.holds(ids), 15)
        yield seen


async def _events(
    response: aiohttp.ClientResponse, alive: Callable[[], None]
) -> AsyncIterator[dict[str, str]]:
    fields: dict[str, str] = {}
    async for raw in response.content:
        line = raw.decode().rstrip("\r\n")
        if line.startswith(":"):
            alive()
        elif line:
            name, _, value = line.partition(": ")
            fields[name] = value
        elif fields:
            if "data" in fields:
                alive()
                yield fields
            fields = {}


async def _lines(argv: Sequence[str], take: Callable[[dict[str, Any]], None]) -> None:
    child = await asyncio.create_subprocess_exec(
        *argv, stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE, cwd=ROOT, env=_environment()
    )
    try:
        assert child.stdout is not None
        async for line in child.stdout:
            take(json.loads(line))
        code = await child.wait()
        assert code == 0, f"{argv[0]} ended with code {code}"
    finally:
        if child.returncode is None:
            child.kill()
            await child.wait()
        child._transport.close()  # type: ignore[attr-defined]  # else it is left to the garbage collector


def _environment() -> dict[str, str]:
    paths = os.pathsep.join(str(ROOT / part) for part in (".", "gen/python", "clients/python/src"))
    return {**os.environ, "PYTHONPATH": paths}


def missing_node() -> str | None:
    """What is missing for the npm client, in words; None if nothing."""
    if shutil.which("node") is None:
        return "node"
    if not (DRIVER.parent / "node_modules" / "socket.io-client").exists():
        return "socket.io-client (npm and make setup)"
    return None


@asynccontextmanager
async def socket_watch(http: str, ids: Sequence[str]) -> AsyncIterator[Seen]:
    """The npm client. It has no cursor: after a reconnect it is told the latest state again."""
    seen = Seen("socket.io", resumes=False)

    def take(line: dict[str, Any]) -> None:
        match line["event"]:
            case "connect":
                seen.connects += 1
            case "subscribed":
                if line.get("problem"):
                    seen.faults.append(f"socket.io: {line['id']} was refused: {line['problem']}")
                seen.subscribed.add(line["id"])
            case "intent-update":
                update = line["update"]
                assert set(update) == {"intentId", "status", "details", "timestamp"}, update
                assert type(update["timestamp"]) is int and update["timestamp"] > 1_600_000_000_000, update
                seen.take(update["intentId"], update["details"]["version"], update["status"])
            case "intent-error":
                seen.faults.append(f"socket.io: {line['error']}")

    async with _running(seen, lambda: _lines(["node", str(DRIVER), http, *ids], take)):
        await eventually(lambda: seen.holds(ids), 20)
        yield seen


@asynccontextmanager
async def cli_watch(target: str, ids: Sequence[str], holds: Callable[[], Any]) -> AsyncIterator[Seen]:
    """`intents watch --json`. It prints nothing before something happens: `holds` tells that the watch is there."""
    seen = Seen("intents watch")

    def take(line: dict[str, Any]) -> None:
        seen.take(line["intentId"], line["version"], line["status"], line.get("fromVersion"))

    argv = [sys.executable, "-m", "services.cli.main", "watch", "--json", "--target", target, *ids]
    async with _running(seen, lambda: _lines(argv, take)):
        await eventually(holds, 20)
        yield seen


async def cli(*arguments: str, target: str, expect: int = 0) -> dict[str, Any]:
    """`intents … --json` as a process: what it printed, or with another exit code expected its error."""
    argv = [sys.executable, "-m", "services.cli.main", *arguments, "--json", "--target", target]
    child = await asyncio.create_subprocess_exec(
        *argv,
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
        cwd=ROOT,
        env=_environment(),
    )
    out, error = await child.communicate()
    assert child.returncode == expect, (
        f"exit code {child.returncode}, not {expect}\n{out!r}\n{error.decode()}"
    )
    assert b"Traceback" not in error, error.decode()
    told: dict[str, Any] = json.loads(out if expect == 0 else error)
    return told
