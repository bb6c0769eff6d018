"""A channel to one of our services: balanced, retried where that is safe, bounded in time.

The multicallables are wrapped rather than intercepted: a stock client interceptor costs a task per call.
Each unary call gets the least of its own timeout, the default and what is left of the call being served;
each call carries the current traceparent and is counted.
"""

import json
import time
from collections.abc import Callable, Iterable
from functools import partial
from typing import Any, Final, cast

import grpc

from services.common.config import ServiceSettings
from services.common.errors import IntentError, Reason
from services.common.observe import Observe, metrics, trace
from services.common.rpc import deadline
from services.common.rpc.server import HARD_FACTOR

RETRY_POLICY: Final = {
    "maxAttempts": 5,
    "initialBackoff": "0.05s",
    "maxBackoff": "1s",
    "backoffMultiplier": 2,
    "retryableStatusCodes": ["UNAVAILABLE"],
}
RETRY_THROTTLING: Final = {"maxTokens": 100, "tokenRatio": 0.1}
"""Retries stop while more than half of the tokens are spent: one failure costs one, one success gives 0.1."""

Metadata = Iterable[tuple[str, str | bytes]] | None


def open_channel(
    target: str, *, settings: ServiceSettings, observe: Observe | None = None
) -> grpc.aio.Channel:
    """A channel to `target` (host:port, `dns:///name:port`, `ipv4:a:1,b:2`); the caller closes it.

    A server that is NOT_SERVING gets no calls: without another one they fail as UNAVAILABLE after the retries.
    With `observe` its calls are counted as `rpc_client_*`. Failed calls raise AioRpcError; use
    `call.call` and `call.stream`, which raise IntentError.
    """
    channel = grpc.aio.insecure_channel(target, options=_options(settings))
    return cast(grpc.aio.Channel, Channel(channel, settings.default_deadline_ms / 1000, observe))


def _options(settings: ServiceSettings) -> list[tuple[str, Any]]:
    config = {
        "loadBalancingConfig": [{"round_robin": {}}],
        "methodConfig": [{"name": [{}], "retryPolicy": RETRY_POLICY}],
        "retryThrottling": RETRY_THROTTLING,
        # A stopping server cuts calls it has not taken up yet, as CANCELLED, which nobody may retry blindly. So
        # the channel watches health and is elsewhere by the time the server's DRAIN_WAIT is over.
        "healthCheckConfig": {"serviceName": ""},
    }
    largest = settings.max_message_bytes * HARD_FACTOR
    return [
        ("grpc.service_config", json.dumps(config)),
        ("grpc.enable_retries", 1),
        ("grpc.per_rpc_retry_buffer_size", largest),
        ("grpc.max_receive_message_length", largest),
        ("grpc.max_send_message_length", largest),
        ("grpc.keepalive_time_ms", settings.keepalive_ms),
        ("grpc.keepalive_timeout_ms", 10_000),
        # a replica that moved is found again quickly: names are asked anew, lost connections retried
        ("grpc.dns_min_time_between_resolutions_ms", 1_000),
        ("grpc.initial_reconnect_backoff_ms", 100),
        ("grpc.min_reconnect_backoff_ms", 100),
        # shorter than a drain: of two replicas restarted one after the other, the first is found before the second goes
        ("grpc.max_reconnect_backoff_ms", 400),
        ("grpc.use_local_subchannel_pool", 1),
    ]


class _Meters:
    __slots__ = ("_duration", "_method", "_requests", "_service", "in_flight")

    def __init__(self, observe: Observe, method: str) -> None:
        self._service, _, self._method = method.strip("/").rpartition("/")
        names = ("service", "method")
        self._requests = metrics.counter(
            observe.registry, "rpc_client_requests_total", "Calls made, by gRPC code", (*names, "code")
        )
        self._duration = metrics.histogram(
            observe.registry, "rpc_client_duration_seconds", "Time from a call's start to its end", names
        )(self._service, self._method)
        self.in_flight = metrics.gauge(observe.registry, "rpc_client_in_flight", "Calls under way", names)(
            self._service, self._method
        )

    def watch(self, call: Any) -> None:
        self.in_flight.inc()
        call.add_done_callback(partial(self._done, time.perf_counter()))

    def _done(self, started: float, call: Any) -> None:
        self.in_flight.dec()
        self._duration.observe(time.perf_counter() - started)
        # a finished call knows its status; asking for it is a coroutine that never waits
        code = call.code()
        try:
            code.send(None)
        except StopIteration as answer:
            self._requests(self._service, self._method, answer.value.name).inc()
        finally:
            code.close()


class Channel:
    """grpc.aio.Channel whose multicallables pass on deadline and trace."""

    def __init__(self, inner: grpc.aio.Channel, default_deadline: float, observe: Observe | None) -> None:
        self._inner = inner
        self._default = default_deadline
        self._observe = observe

    def unary_unary(self, method: str, *args: Any, **kwargs: Any) -> Any:
        return self._wrap(self._inner.unary_unary(method, *args, **kwargs), method, self._default)

    def unary_stream(self, method: str, *args: Any, **kwargs: Any) -> Any:
        return self._wrap(self._inner.unary_stream(method, *args, **kwargs), method, None)

    def stream_unary(self, method: str, *args: Any, **kwargs: Any) -> Any:
        return self._wrap(self._inner.stream_unary(method, *args, **kwargs), method, None)

    def stream_stream(self, method: str, *args: Any, **kwargs: Any) -> Any:
        return self._wrap(self._inner.stream_stream(method, *args, **kwargs), method, None)

    def _wrap(self, inner: Callable[..., Any], method: str, default: float | None) -> Callable[..., Any]:
        meters = None if self._observe is None else _Meters(self._observe, method)

        def start(
            *request: Any, timeout: float | None = None, metadata: Metadata = None, **kwargs: Any
        ) -> Any:
            bound = default if timeout is None else timeout
            left = deadline.remaining()
            if left is not None and (bound is None or left < bound):
                bound = left
            if bound is not None and bound <= 0:
                # gRPC would still send it: its timers are coarser than this
                raise IntentError(Reason.DEADLINE_EXCEEDED, "The deadline passed before the call was made.")
            traceparent = trace.current_traceparent()
            if traceparent:
                metadata = (*(metadata or ()), ("traceparent", traceparent))
            made = inner(*request, timeout=bound, metadata=metadata, **kwargs)
            if meters is not None:
                meters.watch(made)
            return made

        return start

    async def channel_ready(self) -> None:
        await self._inner.channel_ready()

    def get_state(self, try_to_connect: bool = False) -> grpc.ChannelConnectivity:
        return self._inner.get_state(try_to_connect)

    async def wait_for_state_change(self, last_observed_state: grpc.ChannelConnectivity) -> None:
        await self._inner.wait_for_state_change(last_observed_state)

    async def close(self, grace: float | None = None) -> None:
        await self._inner.close(grace)

    async def __aenter__(self) -> "Channel":
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._inner.close(None)
