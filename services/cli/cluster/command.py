"""`intents cluster`: the whole suite as processes, until Ctrl-C."""

import argparse
import asyncio
import contextlib
import json
import os
import signal
import time
from collections.abc import Callable, Sequence
from pathlib import Path

from services.cli import exits, options, output
from services.cli.cluster import ports
from services.cli.cluster.cluster import Cluster
from services.cli.cluster.process import Process, ProcessError
from services.cli.cluster.servers import NoServer
from services.cli.exits import Failure


def add(commands: options.Commands) -> None:
    """Its options; settings of the services come from the environment and are passed on."""
    cluster = commands.add_parser(
        "cluster",
        help="start all seven services with a Redis and a MongoDB-protocol server, until Ctrl-C",
        description="Every setting of a service that is in the environment is passed on, RATE_LIMIT_MAX for one.",
    )
    cluster.add_argument(
        "--dir", type=Path, default=Path("run/cluster"), help="keeps data and logs (default run/cluster)"
    )
    cluster.add_argument(
        "--redis-url",
        default=os.environ.get("REDIS_URL"),
        help="a Redis that runs (REDIS_URL; default: start one)",
    )
    cluster.add_argument(
        "--mongodb-url",
        default=os.environ.get("MONGODB_URL"),
        help="a MongoDB that runs, with a database (MONGODB_URL; default: start one)",
    )
    cluster.add_argument(
        "--sqlite", action="store_true", help="keep the store in SQLite, without any MongoDB"
    )
    cluster.add_argument(
        "--port-base",
        type=int,
        help="first of the ports to take; 0 takes free ones (default: each service's own)",
    )
    cluster.add_argument("--ready-file", type=Path, help="JSON with every address, written when all answer")
    options.add_json(cluster)
    cluster.set_defaults(run=run_cluster)


async def run_cluster(args: argparse.Namespace) -> int:
    """Runs until a signal, or until a process ends by itself."""
    cluster = _cluster(args)
    started = time.monotonic()

    def progress(text: str) -> None:
        if not args.json:
            print(f"{time.monotonic() - started:7.1f} s  {text}", flush=True)

    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, stop.set)
    try:
        starting = asyncio.ensure_future(cluster.start(progress))
        stopping = asyncio.ensure_future(stop.wait())
        await asyncio.wait({starting, stopping}, return_when=asyncio.FIRST_COMPLETED)
        if not starting.done():
            starting.cancel()
            await asyncio.gather(starting, return_exceptions=True)
            return exits.INTERRUPTED
        await starting
        _announce(cluster, args)
        return await watch(cluster.dead, stop)
    except ProcessError as error:
        raise Failure(exits.REFUSED, str(error)) from None
    finally:
        if args.ready_file is not None:
            with contextlib.suppress(OSError):
                args.ready_file.unlink(missing_ok=True)
        await cluster.stop(progress)


def _cluster(args: argparse.Namespace) -> Cluster:
    if args.port_base is None:
        wanted: dict[str, int] = dict(ports.DEFAULTS)
        # a server that runs already keeps its port; ours takes another
        spare = ports.free()
        for name in ("redis", "mongodb"):
            if not ports.available(wanted[name]):
                wanted[name] = spare[name]
    elif args.port_base == 0:
        wanted = ports.free()
    elif 1024 <= args.port_base <= 65_535 - len(ports.NAMES):
        wanted = ports.from_base(args.port_base)
    else:
        raise Failure(exits.USAGE, f"--port-base must be 0, or 1024 to {65_535 - len(ports.NAMES)}")
    taken = [f"{port} ({name})" for name, port in wanted.items() if not ports.available(port)]
    if taken:
        raise Failure(
            exits.USAGE, f"taken by another program: port {', '.join(taken)}; choose others with --port-base"
        )
    try:
        return Cluster(
            args.dir,
            ports=wanted,
            redis_url=args.redis_url,
            mongodb_url=args.mongodb_url,
            sqlite=args.sqlite,
        )
    except NoServer as error:
        raise Failure(exits.USAGE, str(error)) from None


def _announce(cluster: Cluster, args: argparse.Namespace) -> None:
    shown = {**cluster.addresses, "logs": str(cluster.folder / "logs")}
    if args.ready_file is not None:
        args.ready_file.parent.mkdir(parents=True, exist_ok=True)
        part = args.ready_file.with_name(f".{args.ready_file.name}.{os.getpid()}")
        part.write_text(json.dumps(shown) + "\n", encoding="utf-8")
        part.replace(args.ready_file)
    if args.json:
        output.emit_json(shown, lines=True)
        return
    print()
    output.pairs(
        {"gRPC": cluster.target, "HTTP": cluster.http_url, "chain": cluster.chain_url, "logs": shown["logs"]}
    )
    print(f"\ntry: intents --help, intents info --target {cluster.target}; Ctrl-C stops all", flush=True)


async def watch(dead: Callable[[], Sequence[Process]], stop: asyncio.Event) -> int:
    """Until `stop`. Raises ProcessError when a process ends by itself."""
    while not stop.is_set():
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(0.5):
                await stop.wait()
        if stop.is_set():
            break
        for process in dead():
            raise ProcessError(f"{process.name} ended with code {process.exit_code}; see {process.log}")
    return exits.OK
