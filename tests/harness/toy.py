"""A service of bytes for tests of the RPC runtime: methods are plain functions, no proto is needed."""

from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from typing import Any

import grpc
from grpc_health.v1 import health_pb2, health_pb2_grpc

from services.common.config import ServiceSettings
from services.common.observe import Observe
from services.common.rpc.channel import open_channel
from services.common.rpc.server import RunningServer, serve

NAME = "toy.v1.Toy"

unary = grpc.unary_unary_rpc_method_handler
responses = grpc.unary_stream_rpc_method_handler
requests = grpc.stream_unary_rpc_method_handler
both = grpc.stream_stream_rpc_method_handler


def register(methods: Mapping[str, Any]) -> Callable[[grpc.aio.Server], None]:
    """What `serve` takes; values are handlers made with the functions above, or async functions (unary)."""
    handlers = {
        name: method if isinstance(method, grpc.RpcMethodHandler) else unary(method)
        for name, method in methods.items()
    }

    def add(server: grpc.aio.Server) -> None:
        server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler(NAME, handlers),))

    return add


class Toy:
    """A running server and a channel to it."""

    def __init__(self, server: RunningServer, channel: Any, plain: Any, observe: Observe) -> None:
        self.server = server
        self.channel = channel
        self.plain = plain
        """A channel as a stranger's: no retries, no deadline, no watching of health."""
        self.observe = observe

    def method(self, name: str, kind: str = "unary_unary") -> Any:
        """The multicallable of a method."""
        return getattr(self.channel, kind)(f"/{NAME}/{name}", None, None)

    async def health(self, service: str = "") -> str:
        """SERVING or NOT_SERVING."""
        stub = health_pb2_grpc.HealthStub(self.plain)
        answer = await stub.Check(health_pb2.HealthCheckRequest(service=service))
        return health_pb2.HealthCheckResponse.ServingStatus.Name(answer.status)

    def sample(self, name: str, **labels: str) -> float:
        """A metric's value, 0 where it is not there."""
        return self.observe.registry.get_sample_value(name, labels) or 0.0


@asynccontextmanager
async def serving(
    methods: Mapping[str, Any], *, interceptors: Any = (), **settings: Any
) -> AsyncIterator[Toy]:
    """A ready server with these methods, on a free port, with `settings` over the defaults."""
    made = ServiceSettings(**{"drain_grace_ms": 2_000, **settings})
    observe = Observe(service="toy")
    async with serve(
        made, service_names=[NAME], register=register(methods), interceptors=interceptors, observe=observe
    ) as server:
        await server.ready()
        async with (
            open_channel(server.address, settings=made, observe=observe) as channel,
            grpc.aio.insecure_channel(server.address) as plain,
        ):
            yield Toy(server, channel, plain, observe)
