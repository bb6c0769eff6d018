"""A receiver of webhooks on loopback: keeps what it was sent, and answers as it is told."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

from aiohttp import web


@dataclass
class Receiver:
    """`statuses` are answered in turn, then 204. `hold` set: no answer until it is released. `elsewhere` counts
    requests that came by a redirect."""

    url: str = ""
    got: list[dict[str, Any]] = field(default_factory=list)
    headers: list[dict[str, str]] = field(default_factory=list)
    statuses: list[int] = field(default_factory=list)
    hold: asyncio.Event | None = None
    begun: int = 0
    elsewhere: int = 0

    async def take(self, request: web.Request) -> web.Response:
        self.begun += 1
        raw = await request.read()
        if self.hold is not None:
            await self.hold.wait()
        self.got.append(json.loads(raw))
        self.headers.append(dict(request.headers))
        status = self.statuses.pop(0) if self.statuses else 204
        return web.Response(status=status, headers={"Location": "/elsewhere"} if 300 <= status < 400 else {})

    async def away(self, _: web.Request) -> web.Response:
        self.elsewhere += 1
        return web.Response(status=204)


@asynccontextmanager
async def receiving() -> AsyncIterator[Receiver]:
    """Listens on a free port of loopback."""
    receiver = Receiver()
    app = web.Application()
    app.router.add_post("/hook/{rest:.*}", receiver.take)
    app.router.add_route("*", "/elsewhere", receiver.away)
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    host, port = runner.addresses[0][:2]
    receiver.url = f"http://{host}:{port}/hook/s3cr3t-path"
    try:
        yield receiver
    finally:
        if receiver.hold is not None:
            receiver.hold.set()
        await runner.cleanup()
