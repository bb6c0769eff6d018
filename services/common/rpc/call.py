"""Outgoing calls whose failures are IntentErrors."""

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any, TypeVar

import grpc

from services.common.rpc.errors import from_rpc_error

Response = TypeVar("Response")


async def call(
    method: Callable[..., Awaitable[Response]], request: Any, *, timeout: float | None = None
) -> Response:
    """Await the unary `method` of a stub; `timeout` in seconds can only shorten what is left. Raises IntentError."""
    try:
        return await method(request, timeout=timeout)
    except grpc.aio.AioRpcError as error:
        raise from_rpc_error(error) from None


@asynccontextmanager
async def stream(
    method: Callable[..., Any], requests: Any = None, *, timeout: float | None = None
) -> AsyncIterator[Any]:
    """The open call of a streaming `method`, always cancelled on leaving: a dropped one is never collected.

    `requests` is the one request, an async iterable of them, or None to write them through the call. A
    gRPC error in the body, also while iterating, leaves as IntentError.
    """
    opened = method(timeout=timeout) if requests is None else method(requests, timeout=timeout)
    try:
        yield opened
    except grpc.aio.AioRpcError as error:
        raise from_rpc_error(error) from None
    finally:
        opened.cancel()
