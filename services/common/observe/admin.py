"""The admin port: /metrics for Prometheus, /healthz for liveness, /readyz for whoever routes traffic."""

from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final

from aiohttp import web
from prometheus_client import CollectorRegistry
from prometheus_client.exposition import choose_encoder


@dataclass(frozen=True, slots=True)
class Admin:
    """A running admin server."""

    host: str
    port: int

    @property
    def address(self) -> str:
        """host:port, the port as bound."""
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"


NO_NOTES: Final[Mapping[str, str]] = MappingProxyType({})


def add_routes(
    app: web.Application,
    registry: CollectorRegistry,
    ready: Callable[[], bool],
    notes: Mapping[str, str] = NO_NOTES,
) -> None:
    """The three routes, for a service that shows them on a port it has anyway. `notes` follow /readyz's first line,
    a line each: what is amiss while the service goes on."""

    async def metrics(request: web.Request) -> web.Response:
        encode, content_type = choose_encoder(request.headers.get("Accept", ""))
        return web.Response(body=encode(registry), headers={"Content-Type": content_type})

    async def healthz(_: web.Request) -> web.Response:
        return web.Response(text="ok\n")

    async def readyz(_: web.Request) -> web.Response:
        well = ready()
        lines = ["ready" if well else "not ready", *(f"{name}: {text}" for name, text in notes.items())]
        return web.Response(text="\n".join(lines) + "\n", status=200 if well else 503)

    app.router.add_get("/metrics", metrics)
    app.router.add_get("/healthz", healthz)
    app.router.add_get("/readyz", readyz)


@asynccontextmanager
async def serve_admin(
    host: str,
    port: int,
    registry: CollectorRegistry,
    ready: Callable[[], bool],
    notes: Mapping[str, str] = NO_NOTES,
) -> AsyncIterator[Admin]:
    """Serve until left. Port 0 takes a free one. Raises OSError when the port is taken."""
    app = web.Application()
    add_routes(app, registry, ready, notes)
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=1.0)
    await runner.setup()
    try:
        await web.TCPSite(runner, host, port).start()
        yield Admin(host, int(runner.addresses[0][1]))
    finally:
        await runner.cleanup()
