"""`python -m tests.harness.toy_main`: the toy service as a process of its own."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

from services.common.clock import Clock
from services.common.config import ServiceSettings, setting
from services.common.errors import unavailable
from services.common.observe import Observe
from services.common.rpc import runtime
from tests.harness import toy


@dataclass(frozen=True, kw_only=True)
class Settings(ServiceSettings):
    """What goes wrong, on request."""

    broken: str = setting("", help="What breaks", choices=("", "start", "crash", "drain", "slow"))
    token: str | None = setting(None, secret=True, help="A secret")


async def hold(request: bytes, _: Any) -> bytes:
    await asyncio.sleep(float(request))
    return request


@asynccontextmanager
async def build(settings: Settings, clock: Clock) -> AsyncIterator[runtime.App]:
    if settings.broken == "start":
        raise unavailable("store")
    if settings.broken == "crash":
        raise ValueError("mongodb://root:hunter2@db/ is no good\nsecond line")
    if settings.broken == "slow":
        print("starting", flush=True)
        await asyncio.Event().wait()
    observe = Observe(service="toy")
    async with runtime.serve_app(
        settings, service_names=[toy.NAME], register=toy.register({"Hold": hold}), observe=observe
    ) as app:
        if settings.broken == "drain":
            app.on_drain = asyncio.Event().wait  # type: ignore[assignment]
        yield app


if __name__ == "__main__":
    runtime.main("toy", Settings, build)
