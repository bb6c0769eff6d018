"""A grpc.aio server with health, reflection, the guard around every handler, and an orderly end."""

import asyncio
import logging
from collections.abc import AsyncIterator, Callable, Iterable, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import Any, Final, TypeAlias, cast

import grpc
from grpc_health.v1 import health, health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha import reflection, reflection_pb2_grpc

from services.common.config import ServiceSettings
from services.common.observe import Observe, logs
from services.common.rpc.guard import Guard

logger = logging.getLogger(__name__)

HARD_FACTOR: Final = 4
"""Above this many times MAX_MESSAGE_BYTES gRPC itself refuses a message, without our details."""
NEWS: Final = 0.05
"""Least DRAIN_WAIT in seconds while streams are open: channels that watch health hear of it and go elsewhere."""
_SERVING: Final = health_pb2.HealthCheckResponse.SERVING
_NOT_SERVING: Final = health_pb2.HealthCheckResponse.NOT_SERVING

Handler: TypeAlias = "grpc.RpcMethodHandler[Any, Any]"


class CannotListen(OSError):
    """The address could not be bound."""


class _Registrar:
    """Stands in for the server while services register, so that every handler is wrapped exactly once."""

    def __init__(self, server: grpc.aio.Server, guard: Guard, *, exempt: bool = False) -> None:
        self._server = server
        self._guard = guard
        self._exempt = exempt

    def add_generic_rpc_handlers(self, generic_rpc_handlers: Iterable[grpc.GenericRpcHandler]) -> None:
        wrapped = tuple(_Wrapped(handler, self._guard, self._exempt) for handler in generic_rpc_handlers)
        self._server.add_generic_rpc_handlers(wrapped)

    def add_registered_method_handlers(
        self, service_name: str, method_handlers: Mapping[str, Handler]
    ) -> None:
        """Generated code calls it beside the generic one; grpc.aio needs only the latter."""


class _Wrapped(grpc.GenericRpcHandler):
    def __init__(self, inner: grpc.GenericRpcHandler, guard: Guard, exempt: bool) -> None:
        self._inner = inner
        self._guard = guard
        self._exempt = exempt
        self._known: dict[str, Handler] = {}

    def service(self, handler_call_details: grpc.HandlerCallDetails) -> "Handler | None":
        method = handler_call_details.method
        known = self._known.get(method)
        if known is None:
            handler = self._inner.service(handler_call_details)
            if handler is None:
                return None
            known = self._known[method] = self._guard.wrap(method, handler, exempt=self._exempt)
        return known


class _Unknown(grpc.GenericRpcHandler):
    def __init__(self, guard: Guard) -> None:
        self._guard = guard

    def service(self, handler_call_details: grpc.HandlerCallDetails) -> Handler:
        return self._guard.unknown(handler_call_details.method)


class RunningServer:
    """A server that listens; NOT_SERVING until `ready`."""

    def __init__(
        self,
        server: grpc.aio.Server,
        guard: Guard,
        servicer: "health.aio.HealthServicer",
        names: Sequence[str],
        settings: ServiceSettings,
        port: int,
    ) -> None:
        self._server = server
        self._guard = guard
        self._health = servicer
        self._names = names
        self._settings = settings
        self._ready = False
        self._drained = False
        self.host = settings.host
        self.port = port

    @property
    def address(self) -> str:
        """host:port, the port as bound."""
        return _join(self.host, self.port)

    @property
    def is_ready(self) -> bool:
        """SERVING: `ready` was called and no drain has begun. What /readyz shows."""
        return self._ready

    async def ready(self) -> None:
        """Turn health to SERVING for "" and every service name; without effect once draining."""
        if self._drained:
            return
        self._ready = True
        for name in self._names:
            await self._health.set(name, _SERVING)

    async def drain(self) -> None:
        """NOT_SERVING -> DRAIN_WAIT -> streams ended with DRAINING -> stop with DRAIN_GRACE. Once; idempotent."""
        if self._drained:
            return
        self._drained = True
        self._ready = False
        await self._health.enter_graceful_shutdown()
        await asyncio.sleep(max(self._settings.drain_wait_ms / 1000, NEWS if self._guard.streams else 0))
        stopping = asyncio.create_task(self._server.stop(self._settings.drain_grace_ms / 1000))
        # a turn for stop to close the door, so that a watcher sent away does not come back to this server
        await asyncio.sleep(0)
        self._guard.end_streams()
        await stopping
        logs.event(logger, logging.INFO, "rpc.stopped", address=self.address)

    async def close(self) -> None:
        """Stop at once; calls still running are cut."""
        self._drained = True
        self._ready = False
        await self._server.stop(None)


@asynccontextmanager
async def serve(
    settings: ServiceSettings,
    *,
    service_names: Sequence[str],
    register: Callable[[grpc.aio.Server], None],
    interceptors: Sequence[grpc.aio.ServerInterceptor] = (),
    observe: Observe,
) -> AsyncIterator[RunningServer]:
    """Listen on settings.host:port (0 takes a free one) until left.

    `service_names` are the full proto names for health and reflection; `register` adds the servicers;
    `interceptors` run inside the guard (see guard.py). Leaving without `drain` cuts running calls.
    Raises CannotListen.
    """
    server = grpc.aio.server(options=_options(settings))
    guard = Guard(
        observe=observe,
        default_deadline=settings.default_deadline_ms / 1000,
        max_message_bytes=settings.max_message_bytes,
        max_concurrent_rpcs=settings.max_concurrent_rpcs,
        max_concurrent_streams=settings.max_concurrent_streams,
        interceptors=interceptors,
    )
    servicer = health.aio.HealthServicer()
    names = ("", *service_names)
    for name in names:
        await servicer.set(name, _NOT_SERVING)
    exempt = cast(grpc.aio.Server, _Registrar(server, guard, exempt=True))
    health_pb2_grpc.add_HealthServicer_to_server(servicer, exempt)
    shown = (*service_names, health.SERVICE_NAME, reflection.SERVICE_NAME)
    reflection_pb2_grpc.add_ServerReflectionServicer_to_server(  # type: ignore[no-untyped-call]
        reflection.aio.ReflectionServicer(shown), exempt
    )
    register(cast(grpc.aio.Server, _Registrar(server, guard)))
    server.add_generic_rpc_handlers((_Unknown(guard),))
    try:
        port = server.add_insecure_port(_join(settings.host, settings.port))
    except RuntimeError:
        raise CannotListen(
            f"cannot listen on {_join(settings.host, settings.port)}: another program has the port, or the address "
            "is not this machine's; choose others with HOST and PORT"
        ) from None
    await server.start()
    running = RunningServer(server, guard, servicer, names, settings, port)
    try:
        yield running
    finally:
        await running.close()


def _options(settings: ServiceSettings) -> list[tuple[str, Any]]:
    options: list[tuple[str, Any]] = [
        # a port taken must be an error, not half of the traffic
        ("grpc.so_reuseport", 0),
        ("grpc.max_receive_message_length", settings.max_message_bytes * HARD_FACTOR),
        ("grpc.max_send_message_length", settings.max_message_bytes * HARD_FACTOR),
        ("grpc.keepalive_time_ms", settings.keepalive_ms),
        ("grpc.keepalive_timeout_ms", 10_000),
        ("grpc.keepalive_permit_without_calls", 1),
        ("grpc.http2.min_recv_ping_interval_without_data_ms", 5_000),
    ]
    if settings.max_connection_age_ms:
        options += [
            ("grpc.max_connection_age_ms", settings.max_connection_age_ms),
            ("grpc.max_connection_age_grace_ms", settings.max_connection_age_grace_ms),
        ]
    return options


def _join(host: str, port: int) -> str:
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
