"""Connections to a node: what it holds back keeps nothing else waiting."""

import asyncio
from typing import Any

from aiohttp import web

from services.common.chain.near.chain import WAIT_FINAL, NearChain
from services.common.chain.near.transport import open_http
from services.common.chain.port import BroadcastResult
from tests.harness.wait import eventually


class Still:
    """A node whose chain stands still: answers that wait until final are held, the rest is given at once."""

    def __init__(self) -> None:
        self.holds = 0

    async def answer(self, request: web.Request) -> web.Response:
        asked: dict[str, Any] = await request.json()
        if asked["method"] == "EXPERIMENTAL_tx_status" and asked["params"]["wait_until"] == "FINAL":
            self.holds += 1
            await asyncio.Event().wait()
        return web.json_response({"jsonrpc": "2.0", "id": asked["id"], "result": {}})


async def test_p13_answers_held_until_final_keep_no_broadcast_waiting() -> None:
    """More of them than connections: with the same ones for both, nothing was sent until the chain went on."""
    node, app = Still(), web.Application()
    app.router.add_post("/", node.answer)
    runner = web.AppRunner(app, shutdown_timeout=0.1)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    try:
        port = runner.addresses[0][1]
        async with open_http(f"http://127.0.0.1:{port}", held=2) as transport:
            chain = NearChain(transport, "verifier.near")
            waiting = [
                asyncio.create_task(chain.outcome(f"tx-{number}", "relayer.near", wait_final=True))
                for number in range(5)
            ]
            try:
                await eventually(lambda: node.holds == 2)
                sent = await asyncio.wait_for(chain.broadcast(b"bytes"), WAIT_FINAL / 2)
                assert sent.result is BroadcastResult.ACCEPTED
                assert node.holds == 2 and not any(one.done() for one in waiting)
            finally:
                for one in waiting:
                    one.cancel()
                await asyncio.gather(*waiting, return_exceptions=True)
    finally:
        await runner.cleanup()
