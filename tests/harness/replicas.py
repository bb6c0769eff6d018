"""Two replicas of each service on one Redis, one MongoDB-protocol server and one devnet.

Everybody knows both of each by a target that lists them, as a headless Service does by name.
"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from services.cli.cluster import ports
from services.cli.cluster.cluster import HOST, Cluster
from services.cli.cluster.process import Process
from tests.harness import shapes
from tests.harness.shapes import Shape

REPLICATED: Final = ports.GRPC
DRAIN_WAIT_MS: Final = 500
_TARGETS: Final = {
    "cache": ("store",),
    "notifier": ("store",),
    "validator": ("cache",),
    "processor": ("store", "validator"),
    "edge": ("validator", "cache", "store", "notifier"),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Replicas:
    """`shape` reaches all of them; `processes[name]` are the two of a service, `http` the edges' URLs, `metrics`
    where each counts."""

    shape: Shape
    processes: dict[str, tuple[Process, Process]]
    http: tuple[str, str]
    metrics: dict[str, tuple[str, str]]

    async def calls(self, name: str, which: int) -> float:
        """Calls this replica has answered in this life."""
        async with self.shape.session.get(self.metrics[name][which]) as response:
            text = await response.text()
        lines = [line for line in text.splitlines() if line.startswith("rpc_server_requests_total{")]
        return sum(float(line.split()[-1]) for line in lines)


@asynccontextmanager
async def replicas(folder: Path) -> AsyncIterator[Replicas]:
    """All of them started; stopped when left. Skips where a server is missing."""
    first_ports = ports.free()
    second_ports = ports.free()
    while set(first_ports.values()) & set(second_ports.values()):
        second_ports = ports.free()
    both = {name: f"ipv4:{HOST}:{first_ports[name]},{HOST}:{second_ports[name]}" for name in REPLICATED}
    targets = {
        name: {f"{other.upper()}_TARGET": both[other] for other in others}
        for name, others in _TARGETS.items()
    }
    async with AsyncExitStack() as stack:
        first = shapes.make_cluster(
            folder / "a", wanted=first_ports, env={"DRAIN_WAIT_MS": str(DRAIN_WAIT_MS)}, service_env=targets
        )
        stack.push_async_callback(first.stop)
        # a second of everything but what they stand on
        second = Cluster(
            folder / "b",
            ports=second_ports,
            redis_url=first.redis_url,
            mongodb_url=first.database_url,
            env=first.env,
            service_env=targets
            | {
                "cache": targets["cache"] | {"CHAIN_URL": first.chain_url},
                "processor": targets["processor"]
                | {
                    "CHAIN_URL": first.chain_url,
                    "SIGNER_KEY_FILE": str(first.key_file),
                },
            },
        )
        stack.push_async_callback(second.stop)
        await first.start()
        await asyncio.gather(*(second.processes[name].start() for name in REPLICATED))
        shape = await stack.enter_async_context(
            shapes.processes(first, target=both["edge"], store=both["store"])
        )
        yield Replicas(
            shape=shape,
            processes={name: (first.processes[name], second.processes[name]) for name in REPLICATED},
            http=(first.http_url, second.http_url),
            metrics={
                name: (f"{first.admin_url(name)}/metrics", f"{second.admin_url(name)}/metrics")
                for name in REPLICATED
            },
        )
