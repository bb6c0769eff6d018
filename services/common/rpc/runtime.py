"""The life of a service's process: settings, logs, start, ready, signal, drain, exit.

Exit codes: 0 after an orderly end, 1 when it could not start or not end in time, 2 for a bad
setting, or for what a setting names and another start would not find better.
"""

import asyncio
import errno
import inspect
import json
import logging
import os
import signal
import sys
import threading
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, NoReturn, Protocol, TypeVar

import grpc

from services.common.clock import Clock, SystemClock
from services.common.config import ServiceSettings, SettingError, load
from services.common.errors import IntentError
from services.common.observe import Observe, logs, trace
from services.common.observe.admin import Admin, serve_admin
from services.common.rpc.server import RunningServer, serve

logger = logging.getLogger(__name__)

EXIT_SLACK: Final = 5.0
"""Seconds beyond DRAIN_WAIT + DRAIN_GRACE to flush and close."""

S = TypeVar("S", bound=ServiceSettings)


class Running(Protocol):
    """What `build` yields. Optional further attributes: `admin: Admin | None`, `http: str | None` (host:port)."""

    @property
    def rpc(self) -> RunningServer | None:
        """The gRPC server, if the service has one."""
        ...

    async def ready(self) -> None:
        """Everything is up: begin to answer SERVING."""
        ...

    async def drain(self) -> None:
        """Stop taking work, end what runs; returns within DRAIN_WAIT + DRAIN_GRACE."""
        ...


Build = Callable[[S, Clock], AbstractAsyncContextManager[Any]]


@dataclass(slots=True, kw_only=True)
class App:
    """A `Running` for a service that is a gRPC server and an admin port, with hooks around both."""

    rpc: RunningServer | None
    admin: Admin | None
    http: str | None = None
    on_ready: Callable[[], Awaitable[None]] | None = None
    on_drain: Callable[[], Awaitable[None]] | None = None
    """Runs beside the server's own drain: background work is told to end."""

    async def ready(self) -> None:
        """Hook first, then SERVING."""
        if self.on_ready is not None:
            await self.on_ready()
        if self.rpc is not None:
            await self.rpc.ready()

    async def drain(self) -> None:
        """The server and the hook at the same time."""
        steps = [self.rpc.drain()] if self.rpc is not None else []
        if self.on_drain is not None:
            await asyncio.gather(*steps, self.on_drain())
        else:
            await asyncio.gather(*steps)


@asynccontextmanager
async def serve_app(
    settings: ServiceSettings,
    *,
    service_names: Sequence[str],
    register: Callable[[grpc.aio.Server], None],
    interceptors: Sequence[grpc.aio.ServerInterceptor] = (),
    observe: Observe,
) -> AsyncIterator[App]:
    """gRPC server and admin port together: what most services' `build` ends with."""
    async with (
        serve(
            settings,
            service_names=service_names,
            register=register,
            interceptors=interceptors,
            observe=observe,
        ) as rpc,
        serve_admin(
            settings.admin_host, settings.admin_port, observe.registry, lambda: rpc.is_ready, observe.notes
        ) as admin,
    ):
        yield App(rpc=rpc, admin=admin)


def addresses(app: Any) -> dict[str, Any]:
    """{grpc, http, admin} as bound, those that exist."""
    rpc, admin, http = app.rpc, getattr(app, "admin", None), getattr(app, "http", None)
    found = {
        "grpc": rpc.address if rpc is not None else None,
        "http": http,
        "admin": admin.address if admin is not None else None,
    }
    return {name: address for name, address in found.items() if address}


def main(
    prog: str,
    settings_cls: type[S],
    build: Build[S],
    *,
    env: Mapping[str, str] | None = None,
    argv: Sequence[str] | None = None,
) -> NoReturn:
    """Run the service `prog` until SIGTERM or SIGINT; ends the process with its exit code."""
    settings = load(settings_cls, prog=prog, env=env, argv=argv)
    # gRPC's own lines are no JSON and say what ours say
    os.environ.setdefault("GRPC_VERBOSITY", "NONE")
    logs.configure(settings.log_format, settings.log_level, prog, settings.service_instance)
    trace.configure(
        prog, settings.service_instance, endpoint=settings.otlp_endpoint, ratio=settings.trace_sample_ratio
    )
    with asyncio.Runner(loop_factory=loop_factory()) as runner:
        code = runner.run(_until_signalled(prog, settings, build))
    trace.shutdown()
    raise SystemExit(code)


async def _until_signalled(prog: str, settings: S, build: Build[S]) -> int:
    loop = asyncio.get_running_loop()
    stop, ready = asyncio.Event(), asyncio.Event()
    life = asyncio.ensure_future(run(prog, settings, build, SystemClock(), stop, ready))
    watchdog: threading.Timer | None = None

    def stopped(number: int) -> None:
        nonlocal watchdog
        if stop.is_set():
            logs.event(logger, logging.ERROR, "stopped twice: leaving at once")
            os._exit(1)
        logs.event(logger, logging.INFO, "stopping", signal=signal.Signals(number).name)
        watchdog = _watchdog(settings)
        stop.set()
        if not ready.is_set():
            life.cancel()

    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stopped, number)
    try:
        return await life
    except asyncio.CancelledError:
        logs.event(logger, logging.INFO, "stopped before it was ready")
        return 0
    finally:
        if watchdog is not None:
            watchdog.cancel()


async def run(
    prog: str,
    settings: S,
    build: Build[S],
    clock: Clock,
    stop: asyncio.Event,
    ready: asyncio.Event | None = None,
) -> int:
    """Start, serve until `stop`, drain; the exit code. `ready` is set when the service takes work."""
    ready = asyncio.Event() if ready is None else ready
    # one left by a process that was killed would send whoever waits for it to an address of the past
    _remove(settings.ready_file)
    try:
        async with build(settings, clock) as app:
            await _maybe(app.ready())
            ready.set()
            where = addresses(app)
            logs.event(logger, logging.INFO, "listening", **where)
            _write_ready(settings.ready_file, where)
            await stop.wait()
            _remove(settings.ready_file)
            await _maybe(app.drain())
    except SettingError as error:
        print(f"{prog}: {one_line(error)}", file=sys.stderr)
        return 2
    except Exception as error:
        if ready.is_set():
            logs.event(logger, logging.ERROR, "failed", exc_info=error)
        else:
            print(f"{prog}: cannot start: {one_line(error)}", file=sys.stderr)
            logs.event(logger, logging.DEBUG, "start.failed", exc_info=error)
        return 1
    logs.event(logger, logging.INFO, "stopped")
    return 0


def one_line(error: BaseException) -> str:
    """What went wrong in one line, for whoever started the process; no credentials of an URL."""
    if isinstance(error, BaseExceptionGroup) and error.exceptions:
        return one_line(error.exceptions[0])
    text = error.message if isinstance(error, IntentError) else str(error)
    if isinstance(error, OSError) and error.strerror:
        text = str(error).partition("] ")[2] or str(error)
        if error.filename:
            text = f"{os.fsdecode(error.filename)}: {error.strerror}"
    if isinstance(error, OSError) and error.errno == errno.EADDRINUSE:
        text += "; end the program that has it, or choose another port by its setting, see --help"
    shown = logs.scrub(" ".join(text.split()))[:500]
    return shown or type(error).__name__


def _watchdog(settings: ServiceSettings) -> threading.Timer:
    limit = (settings.drain_wait_ms + settings.drain_grace_ms) / 1000 + EXIT_SLACK

    def overdue() -> None:
        logs.event(logger, logging.ERROR, "drain overdue: leaving", limit_s=limit)
        sys.stderr.flush()
        os._exit(1)

    # a thread, so that a blocked loop cannot hold the process either
    timer = threading.Timer(limit, overdue)
    timer.daemon = True
    timer.start()
    return timer


async def _maybe(result: Any) -> None:
    if inspect.isawaitable(result):
        await result


def _write_ready(path: Path | None, where: Mapping[str, str]) -> None:
    """In one step: whoever waits for the file never reads half of it."""
    if path is None:
        return
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(f".{path.name}.{os.getpid()}")
    part.write_text(json.dumps(where) + "\n", encoding="utf-8")
    part.replace(path)


def _remove(path: Path | None) -> None:
    if path is not None:
        path.unlink(missing_ok=True)


def loop_factory() -> Callable[[], asyncio.AbstractEventLoop] | None:
    try:
        import uvloop
    except ImportError:
        return None
    return uvloop.new_event_loop
