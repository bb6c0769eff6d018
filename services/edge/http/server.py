"""The HTTP server of one edge."""

import asyncio
import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any, Final

from aiohttp import web
from aiohttp.web_protocol import RequestHandler
from prometheus_client import CollectorRegistry

from services.common.errors import IntentError, Reason
from services.common.observe import logs
from services.common.observe.admin import add_routes
from services.common.rpc.server import CannotListen
from services.edge.http.context import Shared, refuse
from services.edge.http.middleware import Surround, unexpected
from services.edge.http.routes import Routes
from services.edge.http.sockets import Sockets

logger = logging.getLogger(__name__)

MAX_LINE: Final = 65_536
"""Longest request line and header taken, so that an id of 10 kB gets an answer that names it."""
HEAD_WAIT: Final = 10.0
"""Seconds a connection may take to send a request's line and headers; a body has the call's deadline."""
END_WAIT: Final = 2.0
"""Seconds open requests get at the end."""


@dataclass(slots=True, kw_only=True)
class HttpServer:
    """Listening; `drain` ends what runs."""

    host: str
    port: int
    sockets: Sockets
    runner: web.AppRunner

    @property
    def address(self) -> str:
        """host:port, the port as bound."""
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"

    async def drain(self) -> None:
        """No new connections; socket.io clients are sent away, open requests end. Once; idempotent."""
        for site in list(self.runner.sites):
            await site.stop()
        await self.sockets.aclose()


@asynccontextmanager
async def serve_http(
    shared: Shared, registry: CollectorRegistry, *, host: str, port: int
) -> AsyncIterator[HttpServer]:
    """Serve until left. Port 0 takes a free one. Raises CannotListen."""
    sockets = Sockets(shared)
    surround = Surround(shared, sockets.crowded)
    app = web.Application(middlewares=[surround.middleware()], client_max_size=shared.max_body_bytes)
    Routes(shared).add_to(app)
    add_routes(app, registry, shared.ready)
    sockets.attach(app)
    runner = _Runner(
        app,
        access_log=None,
        shutdown_timeout=END_WAIT,
        max_line_size=MAX_LINE,
        max_field_size=MAX_LINE,
    )
    await runner.setup()
    try:
        try:
            await web.TCPSite(runner, host, port).start()
        except OSError as error:
            raise CannotListen(
                f"cannot listen on {host}:{port}: another program has the port, or the address is not this "
                "machine's; choose others with HTTP_HOST and HTTP_PORT"
            ) from error
        bound = int(runner.addresses[0][1])
        yield HttpServer(host=host, port=bound, sockets=sockets, runner=runner)
    finally:
        await sockets.aclose()
        await runner.cleanup()


class _Protocol(RequestHandler):
    """Answers what is no HTTP as it answers everything: with a typed problem. Closes on who never ends a head."""

    __slots__ = ("_waiting",)

    _waiting: asyncio.TimerHandle | None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        super().connection_made(transport)
        self._waiting = None
        self._wait()

    def data_received(self, data: bytes) -> None:
        super().data_received(data)
        self._wait()

    def connection_lost(self, exc: BaseException | None) -> None:
        super().connection_lost(exc)
        self._stop_waiting()

    def _wait(self) -> None:
        if self._messages or self._current_request is not None:
            self._stop_waiting()
        elif self._waiting is None and self.transport is not None:
            self._waiting = self._loop.call_later(HEAD_WAIT, self.transport.close)

    def _stop_waiting(self) -> None:
        if self._waiting is not None:
            self._waiting.cancel()
            self._waiting = None

    def handle_error(
        self,
        request: web.BaseRequest,
        status: int = 500,
        exc: BaseException | None = None,
        message: str | None = None,
    ) -> web.StreamResponse:
        if request.writer.output_size > 0:
            raise ConnectionError("the answer was on its way already")
        if status < 500:
            logs.event(logger, logging.DEBUG, "http.unreadable", why=type(exc).__name__)
            error = IntentError(Reason.MALFORMED_REQUEST, "These bytes are no HTTP request.")
        else:
            error = unexpected(exc or RuntimeError(message or "unknown"), "none")
        response = refuse(error)
        response.force_close()
        return response


class _Server(web.Server):
    def __call__(self) -> RequestHandler:
        return _Protocol(self, loop=self._loop, **self._kwargs)


class _Runner(web.AppRunner):
    async def _make_server(self) -> web.Server:
        # aiohttp has no hook for what it answers to bytes it cannot parse
        made: Any = await super()._make_server()
        made.__class__ = _Server
        return made  # type: ignore[no-any-return]
