"""The seed's socket.io events, through an unmodified client."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
import socketio

from services.common.clock import SystemClock
from services.common.domain.lifecycle import Status
from services.edge.auth import hash_token
from tests.harness.wait import eventually
from tests.unit.edge.fakes import World
from tests.unit.edge.support import TOKENS, Running, running


@pytest.fixture
def world() -> World:
    return World(SystemClock())


class Client:
    """What a page of the seed's would do."""

    def __init__(self, inner: Any) -> None:
        self.inner = inner
        self.updates: list[dict[str, Any]] = []
        self.errors: list[dict[str, Any]] = []
        inner.on("intent-update", self.updates.append)
        inner.on("intent-error", self.errors.append)

    def seen(self, intent_id: str) -> list[str]:
        return [update["status"] for update in self.updates if update["intentId"] == intent_id]

    async def subscribe(self, *args: Any) -> Any:
        """Returns when the server has acknowledged it."""
        return await self.inner.call("subscribe-intent", args[0] if args else None, timeout=5)


@asynccontextmanager
async def connected(edge: Running, **more: Any) -> AsyncIterator[Client]:
    inner = socketio.AsyncClient(reconnection=False)
    client = Client(inner)
    await inner.connect(edge.url, **more)
    try:
        yield client
    finally:
        await inner.disconnect()


@pytest.mark.parametrize("transports", [None, ["polling"], ["websocket"]])
async def test_p05_updates_arrive_once_in_order(world: World, transports: list[str] | None) -> None:
    async with running(world) as edge, connected(edge, transports=transports) as client:
        assert await client.subscribe("abc") is None
        await edge.submit("abc")
        await world.store.run_through("abc")
        await eventually(lambda: len(client.updates) == 4)
        # by itself a polling client would wait for its open request to time out
        await edge.app.drain()
        await eventually(lambda: not client.inner.connected)
    assert client.seen("abc") == ["pending", "verified", "executing", "completed"]
    first = client.updates[0]
    assert first.keys() == {"intentId", "status", "details", "timestamp"}
    assert isinstance(first["timestamp"], int) and first["details"]["version"] == 1


async def test_p05_subscribing_gives_the_latest_state_once_then_what_follows(world: World) -> None:
    async with running(world) as edge, connected(edge) as early, connected(edge) as late:
        await edge.submit("abc")
        await early.subscribe("abc")
        await world.store.move("abc", Status.VERIFIED)
        await eventually(lambda: early.seen("abc") == ["pending", "verified"])
        await late.subscribe("abc")
        await late.subscribe("abc")
        await world.store.move("abc", Status.EXECUTING)
        await eventually(lambda: late.seen("abc") == ["verified", "executing"])
        await early.inner.emit("unsubscribe-intent", "abc")
        await eventually(lambda: early.seen("abc") == ["pending", "verified", "executing"])
        await early.subscribe("other")
        await world.store.move("abc", Status.COMPLETED)
        await eventually(lambda: late.seen("abc") == ["verified", "executing", "completed"])
    assert early.seen("abc") == ["pending", "verified", "executing"]


async def test_the_last_to_leave_ends_the_watch(world: World) -> None:
    async with running(world) as edge:
        async with connected(edge) as client:
            await client.subscribe("abc")
            assert "abc" in world.notifier.subscribed()[-1].intent_ids
        await eventually(lambda: any(type(one).__name__ == "Unsubscribe" for one in world.notifier.commands))
        async with edge.http.get("/metrics") as response:
            assert 'edge_watchers{kind="socket.io"} 0.0' in await response.text()


@pytest.mark.parametrize("bad", ["", "a\nb", "x" * 10_000, "{}", "nul\0", None, 5, {"id": "abc"}, ["abc"]])
async def test_p10_bad_ids_are_answered_and_the_connection_lives(world: World, bad: Any) -> None:
    async with running(world) as edge, connected(edge) as client:
        answer = await client.subscribe(bad)
        assert answer["reason"] == "INVALID_ID" and answer["details"][0]["field"] == "intentId"
        await client.inner.emit("unsubscribe-intent", bad)
        await client.inner.emit("no-such-event", bad)
        assert await client.subscribe("abc") is None
        await edge.submit("abc")
        await eventually(lambda: client.seen("abc") == ["pending"])
        assert [one["reason"] for one in client.errors] == ["INVALID_ID"]


async def test_p10_bytes_that_are_no_packets_harm_nobody_else(world: World) -> None:
    async with running(world) as edge, connected(edge) as client:
        await client.subscribe("abc")
        async with edge.http.get("/socket.io/?EIO=4&transport=polling") as opened:
            sid = json.loads((await opened.text())[1:])["sid"]
        path = f"/socket.io/?EIO=4&transport=polling&sid={sid}"
        for packet in (
            "40",
            "42[",
            '42["subscribe-intent"]',
            "4999999",
            "xyz",
            "42" + "[" * 5_000,
            "\0" * 100,
        ):
            async with edge.http.post(path, data=packet) as response:
                assert response.status in (200, 400)
        async with edge.http.get("/socket.io/?EIO=3&transport=nothing") as refused:
            assert refused.status == 400
        await edge.submit("abc")
        await eventually(lambda: client.seen("abc") == ["pending"])


async def test_p09_tokens_keep_principals_apart(world: World, tmp_path: Path) -> None:
    file = tmp_path / "tokens.json"
    file.write_text(json.dumps({name: hash_token(token) for name, token in TOKENS.items()}))
    async with running(world, tokens_file=file) as edge:
        with pytest.raises(socketio.exceptions.ConnectionError):
            await socketio.AsyncClient(reconnection=False).connect(
                edge.url, auth={"token": "wrong-token-000000"}
            )
        async with (
            connected(edge, auth={"token": TOKENS["alice"]}) as alice,
            connected(edge, headers={"Authorization": f"Bearer {TOKENS['bob']}"}) as bob,
        ):
            await alice.subscribe("abc")
            await bob.subscribe("abc")
            headers = {"Authorization": f"Bearer {TOKENS['alice']}"}
            intent = {"id": "abc", "user_account": "a.near", "action": "swap", "input_token": "USDC"}
            intent |= {"input_amount": "1", "output_token": "NEAR"}
            async with edge.http.post("/api/intents", json=intent, headers=headers) as response:
                assert response.status == 202
            await world.store.run_through("abc")
            await eventually(lambda: len(alice.updates) == 4)
            assert bob.updates == []


async def test_a_drain_sends_clients_away(world: World) -> None:
    async with running(world) as edge, connected(edge) as client:
        await client.subscribe("abc")
        gone = asyncio.create_task(client.inner.wait())
        await edge.app.drain()
        await asyncio.wait_for(gone, 5)
        assert not client.inner.connected


async def test_p11_connections_are_limited_whether_or_not_they_say_who_they_are(world: World) -> None:
    async with running(world, max_watchers=2) as edge:
        path = "/socket.io/?EIO=4&transport=polling"
        async with edge.http.get(path) as one, edge.http.get(path) as two, edge.http.get(path) as three:
            assert [one.status, two.status, three.status] == [200, 200, 503]
            assert (await three.json(content_type=None))["reason"] == "OVERLOADED"
