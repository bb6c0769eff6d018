"""JSON-RPC 2.0 over HTTP POST `/`, whole blocks by GET `/v0/…` as neardata servers give them.

`/node/<name>` is another node on the same chain, known to faults by its name.
"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any, Final

import orjson
from aiohttp import web

from services.devnet.rpc.errors import RpcError, parse_error
from services.devnet.rpc.handler import GarbledAnswer, Rpc


def _answer(request_id: object, *, result: object = None, error: RpcError | None = None) -> web.Response:
    body: dict[str, Any] = {"jsonrpc": "2.0", "id": request_id}
    if error is None:
        body["result"] = result
    else:
        body["error"] = error.body()
    status = 200 if error is None else error.http_status
    return web.Response(body=orjson.dumps(body), status=status, content_type="application/json")


def _json(body: object, status: int) -> web.Response:
    return web.Response(body=orjson.dumps(body), status=status, content_type="application/json")


def _garbled(request_id: object, spoilt: GarbledAnswer) -> web.Response:
    whole = orjson.dumps({"jsonrpc": "2.0", "id": request_id, "result": spoilt.result})
    match spoilt.how:
        case "cut":
            body = whole[: len(whole) // 2]
        case "text":
            body = b"<html><body>upstream is having a moment</body></html>"
        case "empty":
            body = b""
        case "list":
            body = b"[" + whole + b"]"
        case "other_id":
            body = orjson.dumps({"jsonrpc": "2.0", "id": "another", "result": spoilt.result})
        case "no_result":
            body = orjson.dumps({"jsonrpc": "2.0", "id": request_id})
        case _:
            body = whole[:-1] + b',"more":"' + b"x" * HUGE + b'"}'
    kind = "text/html" if spoilt.how == "text" else "application/json"
    return web.Response(body=body, status=spoilt.status, content_type=kind)


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


HUGE: Final = 32 << 20
"""Bytes by which an answer grows that a fault makes huge."""
NODE: Final = "{node:[a-z0-9-]{1,32}}"


class Server:
    """Answers until left; open requests get `grace` seconds."""

    def __init__(self, rpc: Rpc) -> None:
        self._rpc = rpc

    async def post(self, request: web.Request) -> web.StreamResponse:
        request_id: object = None
        try:
            body = await request.read()
            request_id, method, params = _request(body)
            node = request.match_info.get("node", "")
            return _answer(request_id, result=await self._rpc.handle(method, params, node))
        except GarbledAnswer as spoilt:
            return _garbled(request_id, spoilt)
        except RpcError as error:
            return _answer(request_id, error=error)
        except web.HTTPRequestEntityTooLarge:
            large = parse_error("the body is larger than this node takes")
            large.http_status = 413
            return _answer(None, error=large)
        except (ConnectionRefusedError, ConnectionResetError):
            return self._cut(request)

    async def block(self, request: web.Request) -> web.StreamResponse:
        """A whole block; `block_opt` may be one that is not final."""
        finality = "optimistic" if request.match_info["kind"] == "block_opt" else "final"
        try:
            found = await self._rpc.block(
                int(request.match_info["height"]), finality, request.match_info.get("node", "")
            )
        except RpcError as error:
            return _json(error.body(), error.http_status)
        except GarbledAnswer as spoilt:
            return _garbled(None, spoilt)
        except (ConnectionRefusedError, ConnectionResetError):
            return self._cut(request)
        return _json(found, 200)

    async def last(self, request: web.Request) -> web.StreamResponse:
        """302 to the newest block of that finality."""
        finality, node = request.match_info["finality"], request.match_info.get("node", "")
        height = self._rpc.newest(finality, node)
        kind = "block_opt" if finality == "optimistic" else "block"
        base = f"/node/{node}" if node else ""
        return web.Response(status=302, headers={"Location": f"{base}/v0/{kind}/{height}"})

    def _cut(self, request: web.Request) -> web.StreamResponse:
        """A fault asked for: the caller sees its connection die."""
        if request.transport is not None:
            request.transport.abort()
        raise asyncio.CancelledError from None


@asynccontextmanager
async def serve(rpc: Rpc, host: str, port: int, *, max_body: int, grace: float) -> AsyncIterator[int]:
    """Yields the port as bound. Raises OSError if it is taken."""
    app = web.Application(client_max_size=max_body)
    server = Server(rpc)
    app.router.add_post("/", server.post)
    app.router.add_post(f"/node/{NODE}", server.post)
    for base in ("", f"/node/{NODE}"):
        app.router.add_get(f"{base}/v0/{{kind:block|block_opt}}/{{height:[0-9]{{1,18}}}}", server.block)
        app.router.add_get(f"{base}/v0/last_block/{{finality:final|optimistic}}", server.last)
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=grace)
    await runner.setup()
    try:
        await web.TCPSite(runner, host, port).start()
        yield int(runner.addresses[0][1])
    finally:
        await runner.cleanup()
