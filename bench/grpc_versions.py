"""Which grpcio: the same echo, unary and batched, under several versions in turns.

usage: python bench/grpc_versions.py [--rounds N] [--seconds S] [--base VERSION] [VERSION=PROTOBUF ...]

Each version gets a venv of its own in a temporary folder, with the protobuf that it asks for. A round measures every
version once, in an order that turns; what counts is the median over the rounds of the ratio to the base within the
round. Compared is the CPU time that both processes spend on a call: on a busy machine it wanders less than the clock.
"""

import argparse
import asyncio
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

VERSIONS = ("1.78.2=6.33.6", "1.80.1=6.33.6", "1.82.3=7.35.1", "1.85.1=7.35.1")
BATCH = 100
CALLERS = 16


def messages() -> tuple[Any, Any]:
    """Item and Batch, made at run time: generated code would be bound to one version."""
    from google.protobuf import descriptor_pb2, descriptor_pool, message_factory

    file = descriptor_pb2.FileDescriptorProto(name="bench/echo.proto", package="bench", syntax="proto3")
    item = file.message_type.add(name="Item")
    for number, name in enumerate(("id", "user_account", "action", "input_amount"), start=1):
        item.field.add(name=name, number=number, type=9, label=1)
    items = file.message_type.add(name="Batch").field.add(name="items", number=1, type=11, label=3)
    items.type_name = ".bench.Item"
    pool = descriptor_pool.DescriptorPool()
    pool.Add(file)
    named = [pool.FindMessageTypeByName(f"bench.{name}") for name in ("Item", "Batch")]
    return message_factory.GetMessageClass(named[0]), message_factory.GetMessageClass(named[1])


async def serve() -> None:
    import grpc

    async def echo(request: Any, context: Any) -> Any:
        return request

    async def spent(request: bytes, context: Any) -> bytes:
        return repr(time.process_time()).encode()

    def handler(kind: Any) -> Any:
        return grpc.unary_unary_rpc_method_handler(echo, kind.FromString, kind.SerializeToString)

    item, batch = messages()
    methods = {
        "One": handler(item),
        "Many": handler(batch),
        "Spent": grpc.unary_unary_rpc_method_handler(spent),
    }
    server = grpc.aio.server()
    server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler("bench.Echo", methods),))
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    print(port, flush=True)
    await server.wait_for_termination()


async def call(port: int, seconds: float) -> dict[str, float]:
    """CPU microseconds of both sides and wall-clock microseconds, for a unary call and for an item of a batch."""
    import grpc

    item, batch = messages()
    one = item(id="4f6c2a", user_account="alice.near", action="swap", input_amount="100000000")
    many = batch(items=[one] * BATCH)
    async with grpc.aio.insecure_channel(f"127.0.0.1:{port}") as channel:
        spent: Any = channel.unary_unary("/bench.Echo/Spent")

        async def measure(method: str, kind: Any, request: Any, units: int) -> tuple[float, float]:
            stub = channel.unary_unary(f"/bench.Echo/{method}", kind.SerializeToString, kind.FromString)
            done = 0

            async def caller(until: float) -> None:
                nonlocal done
                while time.perf_counter() < until:
                    await stub(request, timeout=10)
                    done += units

            await asyncio.gather(*(caller(time.perf_counter() + 0.2) for _ in range(CALLERS)))
            done = 0
            cpu, began = time.process_time() + float(await spent(b"")), time.perf_counter()
            await asyncio.gather(*(caller(began + seconds) for _ in range(CALLERS)))
            wall = time.perf_counter() - began
            cpu = time.process_time() + float(await spent(b"")) - cpu
            return cpu / done * 1e6, wall / done * 1e6

        unary = await measure("One", item, one, 1)
        batched = await measure("Many", batch, many, BATCH)
    return {"unary": unary[0], "batched": batched[0], "unary_wall": unary[1], "batched_wall": batched[1]}


def make_venvs(folder: Path, versions: dict[str, str]) -> dict[str, Path]:
    uv = Path(sys.executable).with_name("uv")
    pythons = {}
    for version, protobuf in versions.items():
        venv = folder / version
        subprocess.run([uv, "venv", "--quiet", "--python", sys.executable, venv], check=True)
        pythons[version] = venv / "bin" / "python"
        wanted = [f"grpcio=={version}", f"protobuf=={protobuf}"]
        subprocess.run([uv, "pip", "install", "--quiet", "--python", pythons[version], *wanted], check=True)
    return pythons


def measure(python: Path, seconds: float) -> dict[str, float]:
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    with subprocess.Popen(
        [python, __file__, "--serve"], stdout=subprocess.PIPE, text=True, env=environment
    ) as server:
        try:
            assert server.stdout is not None
            port = server.stdout.readline().strip()
            command: list[str | Path] = [python, __file__, "--call", port, "--seconds", str(seconds)]
            done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True, env=environment)
        finally:
            server.kill()
    measured: dict[str, float] = json.loads(done.stdout)
    return measured


def compare(versions: dict[str, str], base: str, rounds: int, seconds: float) -> None:
    kept: dict[str, list[dict[str, float]]] = {version: [] for version in versions}
    with tempfile.TemporaryDirectory() as folder:
        pythons = make_venvs(Path(folder), versions)
        order = list(versions)
        for number in range(rounds):
            order.append(order.pop(0))
            for version in order:
                kept[version].append(measure(pythons[version], seconds))
            print(f"round {number + 1} of {rounds} done", file=sys.stderr)
    print(
        "| grpcio | protobuf | unary, µs CPU | per item of 100, µs CPU | CPU unary | CPU item | clock unary |"
    )
    print("|---|---|---|---|---|---|---|")
    for version, protobuf in versions.items():
        pairs = list(zip(kept[version], kept[base], strict=True))
        ratio = {key: statistics.median(mine[key] / its[key] for mine, its in pairs) for key in pairs[0][0]}
        unary = statistics.median(mine["unary"] for mine in kept[version])
        item = statistics.median(mine["batched"] for mine in kept[version])
        ratios = f"{ratio['unary']:.2f} | {ratio['batched']:.2f} | {ratio['unary_wall']:.2f}"
        print(f"| {version} | {protobuf} | {unary:.0f} | {item:.1f} | {ratios} |")


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("versions", nargs="*", default=VERSIONS, metavar="VERSION=PROTOBUF")
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--seconds", type=float, default=1.5, help="each of the two measurements")
    parser.add_argument("--base", default="1.80.1")
    parser.add_argument("--serve", action="store_true", help=argparse.SUPPRESS)
    parser.add_argument("--call", type=int, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.serve:
        asyncio.run(serve())
    elif options.call:
        print(json.dumps(asyncio.run(call(options.call, options.seconds))))
    else:
        versions = dict(pair.split("=") for pair in options.versions)
        compare(versions, options.base, options.rounds, options.seconds)


if __name__ == "__main__":
    main()
