"""The channel: balanced, retried where that is safe, bounded in time, its failures IntentsErrors."""

import json
from collections.abc import AsyncIterator, Callable
from typing import Any, Final

import grpc
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

from intents_client.errors import from_rpc_error

SERVICE_CONFIG: Final = {
    "loadBalancingConfig": [{"round_robin": {}}],
    "methodConfig": [
        {
            "name": [{}],
            "retryPolicy": {
                "maxAttempts": 5,
                "initialBackoff": "0.1s",
                "maxBackoff": "2s",
                "backoffMultiplier": 2,
                "retryableStatusCodes": ["UNAVAILABLE"],
            },
        }
    ],
    "retryThrottling": {"maxTokens": 100, "tokenRatio": 0.1},
    "healthCheckConfig": {"serviceName": ""},
}
"""Only UNAVAILABLE is retried: any other failure says something that a repeat would not change. A server that
says it is draining gets no new calls."""

MAX_ANSWER_BYTES: Final = 16 << 20
_PROPAGATOR: Final = TraceContextTextMapPropagator()


def open_channel(target: str, *, tls: grpc.ChannelCredentials | bool | None = None) -> grpc.aio.Channel:
    """A bare channel. `target` is host:port, `dns:///name:port` or `ipv4:a:1,b:2`; `tls` True trusts the
    system's authorities."""
    options: list[tuple[str, Any]] = [
        ("grpc.service_config", json.dumps(SERVICE_CONFIG)),
        ("grpc.enable_retries", 1),
        ("grpc.max_receive_message_length", MAX_ANSWER_BYTES),
        ("grpc.keepalive_time_ms", 30_000),
        ("grpc.keepalive_timeout_ms", 10_000),
        ("grpc.initial_reconnect_backoff_ms", 100),
        ("grpc.min_reconnect_backoff_ms", 100),
        ("grpc.max_reconnect_backoff_ms", 2_000),
        ("grpc.dns_min_time_between_resolutions_ms", 1_000),
        ("grpc.use_local_subchannel_pool", 1),
    ]
    if tls is None or tls is False:
        return grpc.aio.insecure_channel(target, options=options)
    credentials = grpc.ssl_channel_credentials() if tls is True else tls
    return grpc.aio.secure_channel(target, credentials, options=options)


class Calls:
    """What a generated stub takes for a channel. Unary calls without a timeout get `deadline` seconds."""

    def __init__(self, channel: grpc.aio.Channel, *, token: str | None, deadline: float) -> None:
        self._channel = channel
        self._deadline = deadline
        self._metadata = (("authorization", f"Bearer {token}"),) if token else ()

    def _context(self, metadata: Any) -> tuple[tuple[str, str | bytes], ...]:
        carrier: dict[str, str] = {}
        _PROPAGATOR.inject(carrier)
        return (*self._metadata, *carrier.items(), *(metadata or ()))

    def unary_unary(self, *args: Any, **kwargs: Any) -> Callable[..., Any]:
        method = self._channel.unary_unary(*args, **kwargs)

        async def call(
            request: Any, *, timeout: float | None = None, metadata: Any = None, **rest: Any
        ) -> Any:
            bound = self._deadline if timeout is None else timeout
            try:
                return await method(request, timeout=bound, metadata=self._context(metadata), **rest)
            except grpc.aio.AioRpcError as error:
                raise from_rpc_error(error) from None

        return call

    def unary_stream(self, *args: Any, **kwargs: Any) -> Callable[..., Any]:
        method = self._channel.unary_stream(*args, **kwargs)

        async def call(
            request: Any, *, timeout: float | None = None, metadata: Any = None, **rest: Any
        ) -> AsyncIterator[Any]:
            opened = method(request, timeout=timeout, metadata=self._context(metadata), **rest)
            try:
                async for message in opened:
                    yield message
            except grpc.aio.AioRpcError as error:
                raise from_rpc_error(error) from None
            finally:
                # a stream that is dropped and not cancelled is never collected
                opened.cancel()

        return call

    def stream_unary(self, *args: Any, **kwargs: Any) -> Callable[..., Any]:
        return self._channel.stream_unary(*args, **kwargs)

    def stream_stream(self, *args: Any, **kwargs: Any) -> Callable[..., Any]:
        return self._channel.stream_stream(*args, **kwargs)
