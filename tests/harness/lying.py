"""A chain node that lies: a real HTTP server before a real node, which changes what the node answers."""

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

import aiohttp
from aiohttp import web

Json = dict[str, Any]
Twist = Callable[[Json, Json, Callable[[str, Any], Awaitable[Any]]], Awaitable[Json]]
"""(request, honest answer, a way to ask the honest node) -> what is answered."""


@asynccontextmanager
async def lying(honest: str, twist: Twist) -> AsyncIterator[str]:
    """URL of a node that answers as the one at `honest` does, changed by `twist`."""
    async with aiohttp.ClientSession() as session:

        async def honestly(body: Json) -> Json:
            async with session.post(honest, json=body) as response:
                answer: Json = await response.json()
            return answer

        async def ask(method: str, params: Any) -> Any:
            return (await honestly({"jsonrpc": "2.0", "id": 0, "method": method, "params": params}))["result"]

        async def post(request: web.Request) -> web.Response:
            body = await request.json()
            return web.json_response(await twist(body, await honestly(body), ask))

        app = web.Application()
        app.router.add_post("/", post)
        runner = web.AppRunner(app, access_log=None, shutdown_timeout=1.0)
        await runner.setup()
        try:
            await web.TCPSite(runner, "127.0.0.1", 0).start()
            yield f"http://127.0.0.1:{runner.addresses[0][1]}/"
        finally:
            await runner.cleanup()


async def of_blocks(request: Json, answer: Json, ask: Any) -> Json:
    """Claims a final block far ahead, of a hash nobody else knows, and that nothing was ever sent."""
    match request["method"]:
        case "block" if "header" in answer.get("result", {}):
            header = answer["result"]["header"]
            header |= {"height": header["height"] + 100_000, "hash": "1" * 43}
        case "query" if "block_height" in answer.get("result", {}):
            answer["result"] |= {"block_height": answer["result"]["block_height"] + 100_000, "result": []}
        case "EXPERIMENTAL_tx_status":
            answer = {**_empty(answer), "error": _error("UNKNOWN_TRANSACTION")}
    return answer


async def of_ends(request: Json, answer: Json, ask: Any) -> Json:
    """Knows the chain's blocks, and says that every transaction failed and every intent is completed."""
    params = request["params"]
    match request["method"]:
        case "EXPERIMENTAL_tx_status":
            final = await ask("block", {"finality": "final"})
            answer = {**_empty(answer), "result": failed(params["tx_hash"], final["header"]["hash"])}
        case "query" if "nonce" in answer.get("result", {}):
            answer["result"]["nonce"] += 7
        case "query" if params.get("method_name") == "get_intent_status":
            answer["result"]["result"] = list(b'"completed"')
    return answer


def failed(tx_hash: str, block_hash: str) -> Json:
    """A transaction that failed for good."""
    failure = {"Failure": {"ActionError": {"kind": {"FunctionCallError": {"ExecutionError": "a lie"}}}}}
    outcome = {
        "id": tx_hash,
        "block_hash": block_hash,
        "outcome": {"gas_burnt": 1, "tokens_burnt": "1", "receipt_ids": [], "logs": [], "status": failure},
    }
    return {
        "final_execution_status": "FINAL",
        "status": failure,
        "transaction_outcome": outcome,
        "receipts_outcome": [],
    }


def _empty(answer: Json) -> Json:
    return {"jsonrpc": "2.0", "id": answer["id"]}


def _error(cause: str) -> Json:
    return {"name": "HANDLER_ERROR", "cause": {"name": cause, "info": {}}, "code": -32000, "message": ""}
