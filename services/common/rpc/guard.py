"""What surrounds every RPC handler, outermost first:

1. error mapping: whatever is raised becomes a typed Status; an unexpected exception becomes INTERNAL with a
   fixed text and an id, its stack stays in our log; AbortError and cancellation pass.
2. tracing: a server span, child of the caller's `traceparent`.
3. metrics: count, duration and calls in flight by service and method.
4. shedding: above the bound RESOURCE_EXHAUSTED OVERLOADED with a delay; health and reflection are exempt,
   streams have a bound of their own.
5. deadline: a unary call whose client set none gets the default; it is kept for outgoing calls.
6. decoding: bytes that are no message of the type are MALFORMED_REQUEST, too many are PAYLOAD_TOO_LARGE.
7. the interceptors given to `serve`, first one outermost; then the servicer.

Handlers are wrapped once, when they are registered: a stock interceptor is run, and wraps anew, on every call.
"""

import asyncio
import logging
import secrets
import time
from collections.abc import Awaitable, Callable, Sequence
from contextlib import aclosing
from dataclasses import dataclass, field
from typing import Any, Final, NamedTuple, TypeAlias, cast

import grpc
from google.protobuf.message import DecodeError
from opentelemetry.trace import Span, SpanContext

from services.common.errors import IntentError, Reason, not_implemented
from services.common.observe import Observe, logs, metrics, trace
from services.common.rpc import deadline
from services.common.rpc.errors import DETAILS_KEY, code_of, from_rpc_error, to_status

logger = logging.getLogger(__name__)

Context: TypeAlias = "grpc.aio.ServicerContext[Any, Any]"
Handler: TypeAlias = "grpc.RpcMethodHandler[Any, Any]"

SHED_DELAY: Final = 0.5
"""Seconds told to a caller that was shed."""
_FAULTS: Final = frozenset({Reason.INTERNAL, Reason.CORRUPT_RECORD})


class CallDetails(NamedTuple):
    """What an interceptor is told of the call, as `grpc.HandlerCallDetails`."""

    method: str
    invocation_metadata: Any


class Meters:
    """A method's metrics, children cached."""

    __slots__ = ("_codes", "_duration", "_requests", "in_flight", "method", "service")

    def __init__(self, observe: Observe, method: str) -> None:
        _, self.service, self.method = method.split("/")
        names = ("service", "method")
        self._requests = metrics.counter(
            observe.registry, "rpc_server_requests_total", "Calls answered, by gRPC code", (*names, "code")
        )
        self._duration = metrics.histogram(
            observe.registry, "rpc_server_duration_seconds", "Time from a call's arrival to its answer", names
        )(self.service, self.method)
        self.in_flight = metrics.gauge(observe.registry, "rpc_server_in_flight", "Calls being served", names)(
            self.service, self.method
        )

    def done(self, code: str, started: float) -> None:
        """Count an answered call."""
        self.in_flight.dec()
        self._duration.observe(time.perf_counter() - started)
        self._requests(self.service, self.method, code).inc()


@dataclass(slots=True)
class _Pool:
    limit: int
    count: int = 0


@dataclass(slots=True, kw_only=True)
class _Call:
    """One call on its way through the layers."""

    method: str
    span: Span
    meters: Meters | None
    pool: _Pool
    started: float
    admitted: bool = False
    code: str = "OK"


@dataclass(slots=True, kw_only=True)
class Guard:
    """Wraps the handlers of one server. Times in seconds."""

    observe: Observe
    default_deadline: float
    max_message_bytes: int
    max_concurrent_rpcs: int
    max_concurrent_streams: int
    interceptors: Sequence[grpc.aio.ServerInterceptor] = ()
    draining: bool = False
    _unary: _Pool = field(init=False)
    _stream: _Pool = field(init=False)
    _streams: set[asyncio.Task[Any]] = field(init=False, default_factory=set)
    _ended: set[asyncio.Task[Any]] = field(init=False, default_factory=set)

    def __post_init__(self) -> None:
        self._unary = _Pool(self.max_concurrent_rpcs)
        self._stream = _Pool(self.max_concurrent_streams)

    @property
    def streams(self) -> int:
        """Streams open now, watchers of health included."""
        return len(self._streams)

    def end_streams(self) -> None:
        """End every stream with UNAVAILABLE DRAINING: a watcher resumes elsewhere from its cursor."""
        self.draining = True
        self._ended |= self._streams
        for task in self._ended:
            task.cancel()

    def wrap(self, method: str, handler: Handler, *, exempt: bool = False) -> Handler:
        """The handler to register for `method` ("/package.Service/Name"); `exempt`: layers 3, 4 and 7 left out."""
        meters = None if exempt else Meters(self.observe, method)
        decode = self._decoder(handler.request_deserializer)
        match handler.request_streaming, handler.response_streaming:
            case False, False:
                return grpc.unary_unary_rpc_method_handler(self._wrap_unary(method, handler, meters, decode))
            case False, True:
                behaviour = self._wrap_stream(method, handler, meters, decode)
                return grpc.unary_stream_rpc_method_handler(behaviour, None, handler.response_serializer)
            case True, False:
                behaviour = self._wrap_stream(method, handler, meters, None)
                return grpc.stream_unary_rpc_method_handler(behaviour, decode, handler.response_serializer)
            case _:
                behaviour = self._wrap_stream(method, handler, meters, None)
                return grpc.stream_stream_rpc_method_handler(behaviour, decode, handler.response_serializer)

    def unknown(self, method: str) -> Handler:
        """A handler for a method nobody registered: UNIMPLEMENTED with our details, whatever the call's shape."""
        shown = "".join(character for character in method[:120] if character.isprintable())

        async def refuse(_: Any, context: Context) -> None:
            await abort(context, IntentError(Reason.NOT_IMPLEMENTED, f"There is no method {shown}."))

        return grpc.stream_stream_rpc_method_handler(refuse)

    def _wrap_unary(
        self,
        method: str,
        handler: Handler,
        meters: Meters | None,
        decode: Callable[[bytes], Any],
    ) -> Callable[[bytes, Context], Awaitable[bytes]]:
        encode = handler.response_serializer or _same

        async def unary(raw: bytes, context: Context) -> bytes:
            call = self._enter(method, context, meters, self._unary)
            timer: asyncio.Timeout | None = None
            try:
                self._admit(call)
                request = decode(raw)
                found: Any = handler
                if self.interceptors and meters is not None:
                    found = await self._intercepted(method, handler, context)
                behaviour = found.unary_unary
                # None where the client set no deadline, whatever the stubs say
                left = cast("float | None", context.time_remaining())
                if left is not None:
                    if left <= 0:
                        raise _too_late(left)
                    deadline.begin(left)
                    return cast(bytes, encode(await behaviour(request, context)))
                deadline.begin(self.default_deadline)
                timer = asyncio.timeout(self.default_deadline)
                async with timer:
                    response = await behaviour(request, context)
                return cast(bytes, encode(response))
            except asyncio.CancelledError as error:
                await _cancelled(call, context, error)
                raise
            except Exception as error:
                if timer is not None and timer.expired() and isinstance(error, TimeoutError):
                    error = _too_late(self.default_deadline)
                await _answer(call, context, error)
                raise
            finally:
                self._leave(call)

        return unary

    def _wrap_stream(
        self,
        method: str,
        handler: Handler,
        meters: Meters | None,
        decode: Callable[[bytes], Any] | None,
    ) -> Callable[[Any, Context], Awaitable[Any]]:
        kind = f"{'stream' if handler.request_streaming else 'unary'}_"
        kind += "stream" if handler.response_streaming else "unary"

        async def stream(incoming: Any, context: Context) -> Any:
            call = self._enter(method, context, meters, self._stream)
            task = asyncio.current_task()
            assert task is not None
            self._streams.add(task)
            try:
                if self.draining:
                    raise _draining()
                self._admit(call)
                request = incoming if decode is None else decode(incoming)
                found: Any = handler
                if self.interceptors and meters is not None:
                    found = await self._intercepted(method, handler, context)
                deadline.begin(context.time_remaining())
                outcome = getattr(found, kind)(request, context)
                if not hasattr(outcome, "__aiter__"):
                    return await outcome
                async with aclosing(outcome) as responses:
                    async for response in responses:
                        await context.write(response)
            except asyncio.CancelledError as error:
                if task in self._ended:
                    task.uncancel()
                    await _answer(call, context, _draining())
                await _cancelled(call, context, error)
                raise
            except Exception as error:
                await _answer(call, context, error)
                raise
            finally:
                self._streams.discard(task)
                self._ended.discard(task)
                self._leave(call)

        return stream

    def _enter(self, method: str, context: Context, meters: Meters | None, pool: _Pool) -> _Call:
        span = trace.start(
            method[1:],
            kind=trace.SERVER,
            parent=_parent(context),
            attributes={"service": self.observe.service},
        )
        trace.use(span)
        if meters is not None:
            meters.in_flight.inc()
        return _Call(method=method, span=span, meters=meters, pool=pool, started=time.perf_counter())

    def _admit(self, call: _Call) -> None:
        if call.meters is None:
            return
        if call.pool.count >= call.pool.limit:
            raise IntentError(
                Reason.OVERLOADED, "The service has no room for this call right now.", retry_after=SHED_DELAY
            )
        call.pool.count += 1
        call.admitted = True

    def _leave(self, call: _Call) -> None:
        if call.admitted:
            call.pool.count -= 1
        if call.meters is not None:
            call.meters.done(call.code, call.started)
        call.span.end()

    def _decoder(self, deserializer: Callable[[bytes], Any] | None) -> Callable[[bytes], Any]:
        parse, limit = deserializer or _same, self.max_message_bytes

        def decode(raw: bytes) -> Any:
            if len(raw) > limit:
                raise IntentError(
                    Reason.PAYLOAD_TOO_LARGE,
                    f"The message has {len(raw)} bytes; at most {limit} are taken.",
                    metadata={"max_bytes": str(limit)},
                )
            try:
                return parse(raw)
            except (DecodeError, ValueError):
                raise IntentError(
                    Reason.MALFORMED_REQUEST, "The request is not a message of this method's type."
                ) from None

        return decode

    async def _intercepted(self, method: str, handler: Handler, context: Context) -> Handler:
        async def follow(index: int, details: Any) -> Any:
            if index == len(self.interceptors):
                return handler
            return await self.interceptors[index].intercept_service(
                lambda given: follow(index + 1, given), details
            )

        found = await follow(0, CallDetails(method, context.invocation_metadata()))
        if found is None:
            raise not_implemented(method[1:])
        return cast(Handler, found)


async def abort(context: Context, error: IntentError) -> None:
    """Answer with the typed status; raises AbortError."""
    status = to_status(error)
    await context.abort(code_of(error), status.message, ((DETAILS_KEY, status.SerializeToString()),))


async def _answer(call: _Call, context: Context, error: BaseException) -> None:
    """Record and send what `error` means. Raises AbortError; returns only for an AbortError that passes."""
    if isinstance(error, grpc.aio.AbortError):
        call.code = context.code().name if isinstance(context.code(), grpc.StatusCode) else "UNKNOWN"
        trace.fail(call.span, call.code)
        return
    typed = _typed(error, call.method)
    call.code = typed.status
    trace.fail(call.span, typed.reason)
    await abort(context, typed)


async def _cancelled(call: _Call, context: Context, error: asyncio.CancelledError) -> None:
    """Record a call that ended from outside; one that merely awaited something cancelled is a failure of ours.

    gRPC would send nothing for the latter, and its caller wait for the deadline.
    """
    task = asyncio.current_task()
    if task is not None and task.cancelling() == 0 and not context.cancelled():
        await _answer(call, context, error)
    call.code = "DEADLINE_EXCEEDED" if deadline.remaining() == 0 else "CANCELLED"


def _typed(error: BaseException, method: str) -> IntentError:
    if isinstance(error, IntentError):
        if error.reason in _FAULTS and error.__cause__ is not None:
            logs.event(logger, logging.ERROR, "rpc.failed", method=method, exc_info=error)
        else:
            logs.event(
                logger, logging.DEBUG, "rpc.refused", method=method, reason=error.reason, why=error.message
            )
        return error
    if isinstance(error, grpc.aio.AioRpcError):
        return from_rpc_error(error)
    if isinstance(error, NotImplementedError):
        return not_implemented(method[1:])
    error_id = secrets.token_hex(6)
    logs.event(logger, logging.ERROR, "rpc.failed", method=method, error_id=error_id, exc_info=error)
    return IntentError(
        Reason.INTERNAL,
        f"The service failed on this call; its log has the cause under id {error_id}.",
        metadata={"error_id": error_id},
    )


def _parent(context: Context) -> SpanContext | None:
    for key, value in context.invocation_metadata() or ():
        if key == "traceparent":
            return trace.context_from(value if isinstance(value, str) else None)
    return None


def _too_late(seconds: float) -> IntentError:
    of = f" of {seconds:g} s" if seconds > 0 else ""
    return IntentError(Reason.DEADLINE_EXCEEDED, f"The call took longer than its deadline{of}.")


def _draining() -> IntentError:
    return IntentError(
        Reason.DRAINING, "The service is shutting down; resume at another replica.", retry_after=0.1
    )


def _same(value: Any) -> Any:
    return value
