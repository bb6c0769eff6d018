"""An edge on free ports over fakes, and small helpers to speak to it."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import aiohttp
import grpc

from intents.v1 import intent_service_pb2 as pb
from intents.v1.intent_service_pb2_grpc import IntentServiceStub
from services.common.clock import SystemClock
from services.common.domain.intent import PlainIntent, Submission
from services.common.errors import IntentError
from services.common.observe import Observe
from services.common.rpc.errors import from_rpc_error
from services.common.rpc.runtime import App
from services.edge.app import open_edge
from services.edge.config import Settings
from services.edge.ports import Ports
from tests.unit.edge.fakes import World

TOKENS = {"alice": "alice-token-0123456789", "bob": "bob-token-0123456789ab"}


class ManualClock:
    """Stands still until `pass_` is called."""

    def __init__(self) -> None:
        self.seconds = 1_000.0

    def pass_(self, seconds: float) -> None:
        self.seconds += seconds

    def now_ns(self) -> int:
        return round((1_700_000_000 + self.seconds) * 10**9)

    def monotonic(self) -> float:
        return self.seconds

    async def sleep(self, seconds: float) -> None:
        await asyncio.sleep(0)


def plain(intent_id: str = "abc", **changes: Any) -> PlainIntent:
    fields: dict[str, Any] = {
        "user_account": "alice.near",
        "action": "swap",
        "input_token": "USDC",
        "input_amount": "100",
        "output_token": "NEAR",
    }
    return PlainIntent(id=intent_id, **(fields | changes))


def submission(intent_id: str = "abc", request_id: str = "", **changes: Any) -> Submission:
    return Submission(intent=plain(intent_id, **changes), request_id=request_id)


def body(intent_id: str = "abc", **changes: Any) -> dict[str, Any]:
    fields: dict[str, Any] = {
        "id": intent_id,
        "user_account": "alice.near",
        "action": "swap",
        "input_token": "USDC",
        "input_amount": "100",
        "output_token": "NEAR",
    }
    return fields | changes


def message(intent_id: str = "abc", request_id: str = "", **changes: Any) -> pb.Submission:
    found = pb.Submission(request_id=request_id)
    for name, value in body(intent_id, **changes).items():
        setattr(found.intent, name, value)
    return found


@dataclass
class Running:
    app: App
    stub: IntentServiceStub
    http: aiohttp.ClientSession
    url: str
    target: str

    async def submit(self, intent_id: str, **changes: Any) -> pb.Receipt:
        answer = await self.stub.SubmitIntent(
            pb.SubmitIntentRequest(submission=message(intent_id, **changes))
        )
        return answer.receipt


@asynccontextmanager
async def running(
    world: World | None = None, *, ports: Ports | None = None, **settings: Any
) -> AsyncIterator[Running]:
    """An edge that is ready, with a client of each kind."""
    given = {
        "port": 0,
        "http_port": 0,
        "admin_port": 0,
        "drain_grace_ms": 500,
        "rate_limit_max": 10_000,
    } | settings
    ports = ports or (world or World(SystemClock())).ports
    async with open_edge(
        Settings(**given), SystemClock(), ports=ports, observe=Observe(service="edge")
    ) as app:
        await app.ready()
        assert app.rpc is not None and app.http is not None
        async with (
            grpc.aio.insecure_channel(app.rpc.address) as channel,
            aiohttp.ClientSession(base_url=f"http://{app.http}") as http,
        ):
            yield Running(app, IntentServiceStub(channel), http, f"http://{app.http}", app.rpc.address)


def bearer(principal: str) -> tuple[tuple[str, str], ...]:
    return (("authorization", f"Bearer {TOKENS[principal]}"),)


async def refusal(call: Any) -> IntentError:
    """The typed error a gRPC call ends with."""
    try:
        await call
    except grpc.aio.AioRpcError as error:
        return from_rpc_error(error)
    raise AssertionError("the call was accepted")


async def collect(
    call: Any, enough: Callable[[list[pb.WatchIntentsResponse]], bool]
) -> list[pb.WatchIntentsResponse]:
    """Messages of a watch until there are enough; heartbeats are left out."""
    found: list[pb.WatchIntentsResponse] = []
    async with asyncio.timeout(10):
        while not enough(found):
            one = await call.read()
            assert one is not grpc.aio.EOF, "the watch ended without saying why"
            if one.WhichOneof("message") != "heartbeat":
                found.append(one)
    return found


def versions(messages: list[pb.WatchIntentsResponse]) -> list[tuple[str, int, int]]:
    """(id, first, last) of each message."""
    found = []
    for one in messages:
        if one.WhichOneof("message") == "event":
            found.append((one.event.intent_id, one.event.version, one.event.version))
        else:
            latest = one.snapshot.latest
            found.append((latest.intent_id, one.snapshot.from_version, latest.version))
    return found
