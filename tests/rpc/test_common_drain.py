"""The order of an ending: health off, wait, streams sent away, running calls ended, then closed."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import grpc
import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc

from services.common.config import ServiceSettings
from services.common.errors import IntentError, Reason
from services.common.rpc.call import call, stream
from services.common.rpc.channel import open_channel
from tests.harness import toy
from tests.harness.wait import eventually


class Held:
    """A unary method that ends when told."""

    def __init__(self) -> None:
        self.entered = asyncio.Event()
        self.release = asyncio.Event()

    async def __call__(self, _: bytes, __: Any) -> bytes:
        self.entered.set()
        await self.release.wait()
        return b"done"


async def echo(request: bytes, _: Any) -> bytes:
    return request


async def test_p12_health_turns_off_while_calls_are_still_taken() -> None:
    async with toy.serving({"Echo": echo}, drain_wait_ms=400) as running:
        before = [await running.health(), await running.health(toy.NAME)]
        draining = asyncio.create_task(running.server.drain())
        assert await eventually(lambda: running.server.is_ready is False)
        during = [await running.health(), await running.health(toy.NAME)]
        answered = await call(running.plain.unary_unary(f"/{toy.NAME}/Echo"), b"late")
        assert not draining.done()
        await draining
        with pytest.raises(IntentError) as after:
            await call(running.method("Echo"), b"x", timeout=0.3)
    assert before == ["SERVING"] * 2 and during == ["NOT_SERVING"] * 2 and answered == b"late"
    assert after.value.reason in {Reason.DEPENDENCY_UNAVAILABLE, Reason.DEADLINE_EXCEEDED}


async def test_health_is_off_until_ready() -> None:
    async with toy.serving({"Echo": echo}) as running:
        servicer = running.server
        assert servicer.is_ready
        unknown = health_pb2_grpc.HealthStub(running.plain)
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await unknown.Check(health_pb2.HealthCheckRequest(service="nobody"))
    assert caught.value.code() is grpc.StatusCode.NOT_FOUND


async def test_a_running_call_ends_within_the_grace() -> None:
    held = Held()
    async with toy.serving({"Hold": held.__call__}) as running:
        answer = asyncio.create_task(call(running.method("Hold"), b""))
        await held.entered.wait()
        draining = asyncio.create_task(running.server.drain())
        await eventually(lambda: not running.server.is_ready)
        held.release.set()
        await draining
        assert await answer == b"done"


async def test_a_call_that_outstays_the_grace_is_cut() -> None:
    held = Held()
    async with toy.serving({"Hold": held.__call__}, drain_grace_ms=50) as running:
        answer = asyncio.create_task(call(running.method("Hold"), b""))
        await held.entered.wait()
        async with asyncio.timeout(30):
            await running.server.drain()
        with pytest.raises(IntentError) as caught:
            await answer
    assert caught.value.status == "UNAVAILABLE"


async def test_streams_are_sent_away_and_do_not_hold_up_the_drain() -> None:
    cleaned = asyncio.Event()

    async def watch(_: bytes, __: Any) -> AsyncIterator[bytes]:
        try:
            yield b"first"
            await asyncio.Event().wait()
        finally:
            cleaned.set()

    async with toy.serving({"Watch": toy.responses(watch)}, drain_grace_ms=20_000) as running:
        health = health_pb2_grpc.HealthStub(running.plain).Watch(health_pb2.HealthCheckRequest())
        serving = await health.read()
        async with asyncio.timeout(10):
            with pytest.raises(IntentError) as caught:
                async with stream(running.plain.unary_stream(f"/{toy.NAME}/Watch"), b"") as opened:
                    assert await opened.read() == b"first"
                    await running.server.drain()
                    await opened.read()
        assert (await health.read()).status == health_pb2.HealthCheckResponse.NOT_SERVING
        health.cancel()
    assert serving.status == health_pb2.HealthCheckResponse.SERVING
    assert caught.value.reason is Reason.DRAINING and cleaned.is_set()


async def test_draining_twice_is_draining_once() -> None:
    async with toy.serving({"Echo": echo}) as running:
        await running.server.drain()
        await running.server.drain()
        assert running.server.is_ready is False


async def test_p12_draining_one_of_two_under_load_fails_no_call() -> None:
    async with toy.serving({"Echo": echo}, drain_wait_ms=300) as one, toy.serving({"Echo": echo}) as two:
        target = f"ipv4:{one.server.address},{two.server.address}"
        async with open_channel(target, settings=ServiceSettings()) as channel:
            method = channel.unary_unary(f"/{toy.NAME}/Echo")
            stop = asyncio.Event()

            async def keep_calling() -> int:
                calls = 0
                while not stop.is_set():
                    calls += await call(method, b"x") == b"x"
                return calls

            callers = [asyncio.create_task(keep_calling()) for _ in range(8)]
            labels = {"service": toy.NAME, "method": "Echo", "code": "OK"}
            for running in (one, two):
                await eventually(
                    lambda running=running: running.sample("rpc_server_requests_total", **labels) > 20
                )
            await one.server.drain()
            seen = two.sample("rpc_server_requests_total", **labels)
            await eventually(lambda: two.sample("rpc_server_requests_total", **labels) > seen + 50)
            stop.set()
            calls = sum(await asyncio.gather(*callers))
        answered = sum(running.sample("rpc_server_requests_total", **labels) for running in (one, two))
    assert calls == answered
