"""JSON-RPC 2.0 over HTTP POST `/`."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import orjson
from aiohttp import web

from services.devnet.rpc.errors import RpcError, parse_error
from services.devnet.rpc.handler import Rpc


def _answer(request_id: object, *, result: object = None, error: RpcError | None = None) -> web.Response:
    body: dict[str, Any] = {"jsonrpc": "2.0", "id": request_id}
    if error is None:
        body["result"] = result
    else:
        body["error"] = error.body()
    status = 200 if error is None else error.http_status
    return web.Response(body=orjson.dumps(body), status=status, content_type="application/json")


def _request(body: bytes) -> tuple[object, str, object]:
    """(id, method, params). Raises RpcError. orjson bounds the nesting and takes UTF-8 only."""
    try:
        request = orjson.loads(body)
    except orjson.JSONDecodeError as error:
        raise parse_error(f"not JSON: {error.msg}") from None
    if not isinstance(request, dict):
        raise parse_error("a request is one JSON object; batches are not taken")
    method, request_id = request.get("method"), request.get("id")
    if request.get("jsonrpc") != "2.0" or not isinstance(method, str):
        raise parse_error('a request has "jsonrpc": "2.0" and a "method"')
    if not isinstance(request_id, str | int | float | None):
        raise parse_error("id is a string, a number or null")
    return request_id, method, request.get("params")


class Server:
    """Answers until left; open requests get `grace` seconds."""

    def __init__(self, rpc: Rpc) -> None:
        self._rpc = rpc

    async def post(self, request: web.Request) -> web.StreamResponse:
        request_id: object = None
        try:
            body = await request.read()
            request_id, method, params = _request(body)
            return _answer(request_id, result=await self._rpc.handle(method, params))
        except RpcError as error:
            return _answer(request_id, error=error)
        except web.HTTPRequestEntityTooLarge:
            large = parse_error("the body is larger than this node takes")
            large.http_status = 413
            return _answer(None, error=large)
        except (ConnectionRefusedError, ConnectionResetError):
            # A fault asked for: the caller sees its connection die.
            if request.transport is not None:
                request.transport.abort()
            raise asyncio.CancelledError from None


@asynccontextmanager
async def serve(rpc: Rpc, host: str, port: int, *, max_body: int, grace: float) -> AsyncIterator[int]:
    """Yields the port as bound. Raises OSError if it is taken."""
    app = web.Application(client_max_size=max_body)
    app.router.add_post("/", Server(rpc).post)
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=grace)
    await runner.setup()
    try:
        await web.TCPSite(runner, host, port).start()
        yield int(runner.addresses[0][1])
    finally:
        await runner.cleanup()
