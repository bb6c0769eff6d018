"""grpcio-testing for async servicers.

grpcio-testing calls a servicer's method synchronously: an async one gives it a coroutine that nobody awaits,
the call ends OK, and a test passes falsely. The bridge hands grpcio-testing synchronous methods which run
the async ones on the test's own loop, behind the same guard as in production, and waits for the true end.
Methods whose requests are streamed are for real servers on port 0.
"""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from types import SimpleNamespace
from typing import Any

import grpc
import grpc_testing
from google.protobuf.descriptor import MethodDescriptor, ServiceDescriptor
from google.protobuf.message_factory import GetMessageClass
from google.rpc import status_pb2

from services.common.errors import IntentError
from services.common.observe import Observe
from services.common.rpc.errors import DETAILS_KEY, from_status
from services.common.rpc.guard import Guard

Metadata = Sequence[tuple[str, str | bytes]]
PATIENCE = 30.0
"""Seconds before a method that never ends fails its test."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """How a call ended. `responses` of a unary call that ended OK holds one."""

    responses: list[Any]
    code: grpc.StatusCode
    details: str
    trailing_metadata: Metadata

    @property
    def response(self) -> Any:
        """The one response of a call that ended OK."""
        assert self.code is grpc.StatusCode.OK, f"{self.code.name}: {self.details}"
        (only,) = self.responses
        return only

    @property
    def error(self) -> IntentError:
        """The typed error of a call that did not end OK."""
        assert self.code is not grpc.StatusCode.OK, "the call ended OK"
        raw = dict(self.trailing_metadata)[DETAILS_KEY]
        assert isinstance(raw, bytes)
        return from_status(status_pb2.Status.FromString(raw))


class Bridge:
    """Calls the methods of one async `servicer` of the service `descriptor` through grpcio-testing."""

    def __init__(
        self, descriptor: ServiceDescriptor, servicer: Any, *, default_deadline: float = 5.0
    ) -> None:
        self._methods = descriptor.methods_by_name
        self._loop = asyncio.get_running_loop()
        guard = Guard(
            observe=Observe(service="test"),
            default_deadline=default_deadline,
            max_message_bytes=1 << 20,
            max_concurrent_rpcs=100,
            max_concurrent_streams=100,
        )
        methods = {
            method.name: self._synchronous(guard, method, getattr(servicer, method.name))
            for method in descriptor.methods
            if not method.client_streaming and hasattr(servicer, method.name)
        }
        time = grpc_testing.strict_real_time()
        self._server = grpc_testing.server_from_dictionary({descriptor: SimpleNamespace(**methods)}, time)

    async def unary(
        self, name: str, request: Any, *, metadata: Metadata = (), timeout: float | None = None
    ) -> Answer:
        """Call a unary method; `timeout` in seconds."""
        rpc = self._server.invoke_unary_unary(self._methods[name], metadata, request, timeout)
        response, trailing, code, details = await asyncio.to_thread(rpc.termination)
        responses = [response] if code is grpc.StatusCode.OK else []
        return Answer(responses=responses, code=code, details=details, trailing_metadata=trailing)

    async def stream(
        self, name: str, request: Any, *, metadata: Metadata = (), timeout: float | None = None
    ) -> Answer:
        """Call a method that streams responses and ends by itself."""
        rpc = self._server.invoke_unary_stream(self._methods[name], metadata, request, timeout)
        trailing, code, details = await asyncio.to_thread(rpc.termination)
        return Answer(responses=_taken(rpc), code=code, details=details, trailing_metadata=trailing)

    def _synchronous(
        self, guard: Guard, method: MethodDescriptor, behaviour: Any
    ) -> Callable[[Any, Any], Any]:
        answer_type: Any = GetMessageClass(method.output_type)
        request_type: Any = GetMessageClass(method.input_type)
        path = f"/{method.containing_service.full_name}/{method.name}"
        codec = (request_type.FromString, answer_type.SerializeToString)

        if method.server_streaming:
            streaming: Any = guard.wrap(path, grpc.unary_stream_rpc_method_handler(behaviour, *codec))

            def responses(request: Any, context: Any) -> Any:
                bridged = _Context(context)
                self._run(streaming.unary_stream(request.SerializeToString(), bridged))
                return iter(bridged.written)

            return responses

        unary: Any = guard.wrap(path, grpc.unary_unary_rpc_method_handler(behaviour, *codec))

        def response(request: Any, context: Any) -> Any:
            raw = self._run(unary.unary_unary(request.SerializeToString(), _Context(context)))
            return None if raw is None else answer_type.FromString(raw)

        return response

    def _run(self, ending: Awaitable[Any]) -> Any:
        """In grpcio-testing's thread: the result of `ending` on the test's loop, None for an abort."""

        async def to_the_end() -> Any:
            try:
                return await ending
            except grpc.aio.AbortError:
                return None

        return asyncio.run_coroutine_threadsafe(to_the_end(), self._loop).result(PATIENCE)


class _Context:
    """An async servicer's context over grpcio-testing's synchronous one."""

    def __init__(self, inner: Any) -> None:
        self._inner = inner
        self._code: grpc.StatusCode | None = None
        self.written: list[Any] = []

    async def abort(self, code: grpc.StatusCode, details: str = "", trailing_metadata: Metadata = ()) -> None:
        # grpcio-testing's own abort drops the trailing metadata
        self.set_code(code)
        self._inner.set_details(details)
        if trailing_metadata:
            self._inner.set_trailing_metadata(trailing_metadata)
        raise grpc.aio.AbortError

    async def write(self, message: Any) -> None:
        self.written.append(message)

    async def send_initial_metadata(self, initial_metadata: Metadata) -> None:
        self._inner.send_initial_metadata(initial_metadata)

    def invocation_metadata(self) -> Any:
        return self._inner.invocation_metadata()

    def time_remaining(self) -> float | None:
        left: float | None = self._inner.time_remaining()
        return left

    def peer(self) -> str:
        return "ipv4:127.0.0.1:1"

    def code(self) -> grpc.StatusCode | None:
        return self._code

    def set_code(self, code: grpc.StatusCode) -> None:
        self._code = code
        self._inner.set_code(code)

    def set_details(self, details: str) -> None:
        self._inner.set_details(details)

    def set_trailing_metadata(self, trailing_metadata: Metadata) -> None:
        self._inner.set_trailing_metadata(trailing_metadata)

    def cancelled(self) -> bool:
        return not self._inner.is_active()


def _taken(rpc: Any) -> list[Any]:
    taken = []
    while True:
        try:
            taken.append(rpc.take_response())
        except ValueError:
            return taken
