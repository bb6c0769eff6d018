"""The suite in the shapes that tests drive: embedded in this process, or seven processes with their servers.

A `Shape` is what a client knows of it, and beside it what a test looks into: the store, the chain, devnet's counts.
"""

import asyncio
import os
from collections.abc import AsyncIterator, Coroutine, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from services.cli.cluster import ports
from services.cli.cluster.cluster import Cluster
from services.common.chain.near.chain import NearChain
from services.common.chain.near.transport import open_http
from services.common.clock import SystemClock
from services.common.config import ServiceSettings, load
from services.common.rpc.channel import open_channel
from services.common.rpc.clients.store import GrpcStore
from services.embedded.app import Embedded
from services.embedded.app import build as build_embedded
from services.embedded.config import EmbeddedSettings
from tests.harness import checker, servers
from tests.harness.wait import eventually

ROOT = Path(__file__).resolve().parent.parent.parent
MANY = 1_000_000
"""Submissions per address: the limit is not what these tests are about."""
VERIFIER = "verifier.near"
OTLP = "otlp"
"""The name of that port among a cluster's."""


@dataclass(slots=True, kw_only=True)
class Shape:
    """`target` is the edge's gRPC address, `http` and `chain_url` URLs, `metrics_url` the edge's metrics."""

    name: str
    target: str
    http: str
    chain_url: str
    metrics_url: str
    store: Any
    chain: NearChain
    session: aiohttp.ClientSession
    cluster: Cluster | None = None
    embedded: Embedded | None = None
    otlp_port: int = 0
    """Where the processes send spans of traces their callers sample: start a receiver there."""

    async def devnet(self, method: str, **params: Any) -> Any:
        """A JSON-RPC call of devnet's own, `devnet_counts` for one."""
        body = {"jsonrpc": "2.0", "id": 1, "method": method, "params": params}
        async with self.session.post(self.chain_url, json=body) as response:
            answer = await response.json()
        assert "result" in answer, answer
        return answer["result"]

    async def watchers(self, kind: str) -> float:
        """Watches the edge holds open now, by its own count."""
        async with self.session.get(self.metrics_url) as response:
            text = await response.text()
        wanted = f'edge_watchers{{kind="{kind}"}} '
        return next((float(line.split()[-1]) for line in text.splitlines() if line.startswith(wanted)), 0.0)

    async def truths(self, ids: list[str]) -> checker.Truths:
        """What store, log and chain say about `ids` now."""
        return await checker.read(
            ids, store=self.store, chain=self.chain, counts=await self.devnet("devnet_counts")
        )

    async def agree(self, ids: list[str], timeout: float = 20.0) -> checker.Truths:
        """Store, event log and chain agree on each intent and its end; AssertionError with every difference."""
        latest: list[checker.Truths] = []

        async def none() -> bool:
            truths = await self.truths(ids)
            latest[:] = [truths]
            found = checker.differences(ids, truths)
            assert not found, "\n".join(found[:20])
            return True

        await eventually(none, timeout)
        return latest[0]


@asynccontextmanager
async def embedded(folder: Path, **settings: Any) -> AsyncIterator[Shape]:
    """Everything in this process; `settings` are fields of EmbeddedSettings."""
    env = {
        "DATA_DIR": str(folder / "data"),
        "PORT": "0",
        "ADMIN_PORT": "0",
        "HTTP_PORT": "0",
        "DEVNET_PORT": "0",
    }
    env |= {"RATE_LIMIT_MAX": str(MANY)} | {name.upper(): str(value) for name, value in settings.items()}
    loaded = load(EmbeddedSettings, prog="embedded", env=env, argv=[])
    async with aiohttp.ClientSession() as session, build_embedded(loaded, SystemClock()) as app:
        await app.ready()
        chain_url = f"http://{app.devnet.http}"
        async with open_http(chain_url) as transport:
            assert app.rpc is not None and app.admin is not None
            yield Shape(
                name="embedded",
                target=app.rpc.address,
                http=f"http://{app.http}",
                chain_url=chain_url,
                metrics_url=f"http://{app.admin.address}/metrics",
                store=app.store,
                chain=NearChain(transport, VERIFIER),
                session=session,
                embedded=app,
            )


@asynccontextmanager
async def processes(cluster: Cluster, *, target: str = "", store: str = "") -> AsyncIterator[Shape]:
    """A client's view of a cluster; whatever of it does not run is started first. `target` and `store` name
    the edge and the store where there is more than one of each."""
    if not all(process.running for process in cluster.processes.values()):
        await cluster.start()
    settings = load(ServiceSettings, prog="test", env={"PORT": "0", "ADMIN_PORT": "0"}, argv=[])
    store = store or f"127.0.0.1:{cluster.ports['store']}"
    async with (
        aiohttp.ClientSession() as session,
        open_channel(store, settings=settings) as channel,
        open_http(cluster.chain_url) as transport,
    ):
        yield Shape(
            name="processes",
            target=target or cluster.target,
            http=cluster.http_url,
            chain_url=cluster.chain_url,
            metrics_url=f"{cluster.admin_url('edge')}/metrics",
            store=GrpcStore(channel),
            chain=NearChain(transport, VERIFIER),
            session=session,
            cluster=cluster,
            otlp_port=cluster.ports.get(OTLP, 0),
        )


_shared: list[Cluster] = []


def shared_cluster(config: pytest.Config, folders: pytest.TempPathFactory) -> Cluster:
    """The cluster of this test process, on a Valkey and a MongoDB-protocol server of its own (real ones where
    REDIS_URL and MONGODB_URL name them). Started once, stopped when the tests end; skips if a server is missing."""
    if not _shared:
        made = make_cluster(folders.mktemp("cluster"))
        _aside(made.start())
        _shared.append(made)
        config.add_cleanup(lambda: _aside(made.stop()))
    return _shared[0]


def make_cluster(
    folder: Path,
    *,
    env: Mapping[str, str] | None = None,
    wanted: Mapping[str, int] | None = None,
    service_env: Mapping[str, Mapping[str, str]] | None = None,
) -> Cluster:
    """A cluster not started yet, on ports nobody uses or those `wanted`."""
    from tests.conftest import MONGODB_URL, REDIS_URL

    lacking = [] if REDIS_URL else [servers.missing("valkey")]
    if not MONGODB_URL and servers.missing("mongo-java"):
        lacking.append(servers.missing("secantus") and f"{servers.missing('mongo-java')}, or SecantusDB")
    if any(lacking):
        pytest.skip(f"missing: {', '.join(filter(None, lacking))}")
    mongodb_url = MONGODB_URL
    if not mongodb_url and not servers.missing("mongo-java"):
        # nobody kills the database here, and on disk it is half as fast
        mongodb_url = servers.mongo_java(folder / "mongo-java", on_disk=False).start().url
    if mongodb_url:
        mongodb_url = servers.mongo_database_url(mongodb_url, f"intents_{os.urandom(6).hex()}")
    taken = dict(wanted or ports.free()) | {OTLP: servers.free_port()}
    paths = os.pathsep.join(str(ROOT / part) for part in (".", "gen/python", "clients/python/src"))
    return Cluster(
        folder,
        ports=taken,
        redis_url=REDIS_URL or None,
        mongodb_url=mongodb_url or None,
        env={
            "RATE_LIMIT_MAX": str(MANY),
            "PYTHONPATH": paths,
            # only what a caller samples is recorded: one test looks at traces, the others need none
            "OTLP_ENDPOINT": f"http://127.0.0.1:{taken[OTLP]}",
            "TRACE_SAMPLE_RATIO": "0",
            **(env or {}),
        },
        service_env=service_env,
    )


def need_fast_database(what: str) -> None:
    """Skips where SecantusDB would have to carry a load: it is complete rather than fast."""
    from tests.conftest import MONGODB_URL

    if not MONGODB_URL and (lacking := servers.missing("mongo-java")):
        pytest.skip(f"missing: {lacking} (SecantusDB is too slow for {what})")


def _aside(work: Coroutine[Any, Any, Any]) -> Any:
    """Run to its end in a thread with a loop of its own: the caller may be inside pytest's."""
    with ThreadPoolExecutor(1) as pool:
        return pool.submit(asyncio.run, work).result()
