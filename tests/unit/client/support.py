"""An edge whose answers tests own, on a real port."""

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import grpc
from google.rpc import error_details_pb2, status_pb2
from grpc_status import rpc_status

from intents.v1 import intent_service_pb2 as pb
from intents.v1 import types_pb2 as types
from intents.v1.intent_service_pb2_grpc import IntentServiceServicer, add_IntentServiceServicer_to_server
from intents_client import Client, connect

METHODS = tuple(pb.DESCRIPTOR.services_by_name["IntentService"].methods_by_name)


class Script:
    """Each method's handler by name; every call's metadata and time left are kept."""

    def __init__(self, **handlers: Callable[[Any, Any], Any]) -> None:
        self.handlers = handlers
        self.calls: list[tuple[str, Any, dict[str, str], float | None]] = []

    def count(self, name: str) -> int:
        return sum(1 for call in self.calls if call[0] == name)

    def servicer(self) -> IntentServiceServicer:
        def unary(name: str) -> Any:
            async def answer(_: Any, request: Any, context: Any) -> Any:
                self._note(name, request, context)
                return await self.handlers[name](request, context)

            return answer

        async def watch(_: Any, request: Any, context: Any) -> AsyncIterator[Any]:
            self._note("WatchIntents", request, context)
            async for message in self.handlers["WatchIntents"](request, context):
                yield message

        members = {name: unary(name) for name in METHODS if name != "WatchIntents"}
        return type("Scripted", (IntentServiceServicer,), {**members, "WatchIntents": watch})()

    def _note(self, name: str, request: Any, context: Any) -> None:
        metadata = {key: str(value) for key, value in context.invocation_metadata()}
        self.calls.append((name, request, metadata, context.time_remaining()))


@asynccontextmanager
async def serving(script: Script) -> AsyncIterator[str]:
    """The address of a server that follows the script."""
    server = grpc.aio.server()
    add_IntentServiceServicer_to_server(script.servicer(), server)
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    try:
        yield f"127.0.0.1:{port}"
    finally:
        await server.stop(None)


@asynccontextmanager
async def edge(script: Script, **settings: Any) -> AsyncIterator[Client]:
    """A client of such a server."""
    async with serving(script) as target, connect(target, **settings) as client:
        yield client


def status_of(code: grpc.StatusCode, reason: str, message: str, *details: Any) -> status_pb2.Status:
    status = status_pb2.Status(code=code.value[0], message=message)
    for detail in (error_details_pb2.ErrorInfo(reason=reason, domain="intents"), *details):
        status.details.add().Pack(detail)
    return status


async def refuse(context: Any, code: grpc.StatusCode, reason: str, message: str, *details: Any) -> None:
    """End the call as the suite does."""
    made = rpc_status.to_status(status_of(code, reason, message, *details))
    await context.abort(made.code, made.details, made.trailing_metadata)


def event(
    intent_id: str, version: int, status: "types.IntentStatus.ValueType" = types.INTENT_STATUS_PENDING
) -> pb.WatchIntentsResponse:
    """A watch message; its cursor tells its place."""
    return pb.WatchIntentsResponse(
        cursor=f"{intent_id}@{version}",
        event=types.IntentEvent(intent_id=intent_id, version=version, status=status),
    )
