"""What a channel adds to a call: deadline, trace, retries, counts; and what a stream owes on leaving."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from itertools import pairwise
from typing import Any

import grpc
import pytest
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from services.common.errors import IntentError, Reason, unavailable
from services.common.observe import trace
from services.common.rpc import deadline
from services.common.rpc.call import call, stream
from tests.harness import toy
from tests.harness.wait import eventually

ROUNDING = 1.03
"""gRPC writes a timeout in three digits or so, rounded up."""


@pytest.fixture
def spans() -> Iterator[InMemorySpanExporter]:
    exporter = InMemorySpanExporter()
    trace.configure("test", "test-1", exporter=exporter)
    yield exporter
    trace.shutdown()


async def test_deadline_and_trace_pass_two_hops(spans: InMemorySpanExporter) -> None:
    seen: list[float | None] = []
    running: dict[str, toy.Toy] = {}

    async def last(request: bytes, context: Any) -> bytes:
        seen.append(deadline.remaining())
        return request

    async def middle(request: bytes, _: Any) -> bytes:
        seen.append(deadline.remaining())
        answer: bytes = await call(running["last"].method("Last"), request)
        return answer

    async def first(request: bytes, _: Any) -> bytes:
        answer: bytes = await call(running["middle"].method("Middle"), request)
        return answer

    async with (
        toy.serving({"Last": last}) as running["last"],
        toy.serving({"Middle": middle}) as running["middle"],
        toy.serving({"First": first}) as entry,
    ):
        with trace.span("client", kind=trace.CLIENT):
            assert await call(entry.method("First"), b"x", timeout=4) == b"x"
        client = running["last"].sample(
            "rpc_server_requests_total", service=toy.NAME, method="Last", code="OK"
        )
    assert client == 1
    assert len(seen) == 2 and all(left is not None and 0 < left < 4 * ROUNDING for left in seen)
    done = {span.name: span for span in spans.get_finished_spans()}
    chain = ["client", f"{toy.NAME}/First", f"{toy.NAME}/Middle", f"{toy.NAME}/Last"]
    assert len({done[name].context.trace_id for name in chain}) == 1
    for parent, child in pairwise(chain):
        assert done[child].parent is not None and done[child].parent.span_id == done[parent].context.span_id
    assert done[chain[1]].attributes is not None and done[chain[1]].attributes["service"] == "toy"


async def test_a_call_without_any_deadline_gets_the_default() -> None:
    seen: list[float | None] = []

    async def look(request: bytes, context: Any) -> bytes:
        seen.append(context.time_remaining())
        return request

    async with toy.serving({"Look": look}, default_deadline_ms=700) as running:
        await call(running.method("Look"), b"")
        with deadline.deadline_scope(0.2):
            await call(running.method("Look"), b"", timeout=5)
    assert [
        left is not None and left <= most * ROUNDING for left, most in zip(seen, (0.7, 0.2), strict=True)
    ] == [True, True]


async def test_nothing_is_sent_after_the_deadline() -> None:
    sent = 0

    async def count(request: bytes, _: Any) -> bytes:
        nonlocal sent
        sent += 1
        return request

    async with toy.serving({"Count": count}) as running:
        await call(running.method("Count"), b"")
        with deadline.deadline_scope(0.0), pytest.raises(IntentError) as caught:
            await call(running.method("Count"), b"")
    assert caught.value.reason is Reason.DEADLINE_EXCEEDED and sent == 1


@pytest.mark.parametrize("reason", [reason for reason in Reason if reason is not Reason.DRAINING])
async def test_only_unavailable_is_retried(reason: Reason) -> None:
    tries = 0

    async def refuse_twice(request: bytes, _: Any) -> bytes:
        nonlocal tries
        tries += 1
        if tries < 3:
            raise IntentError(reason, "not now")
        return request

    async with toy.serving({"Try": refuse_twice}) as running:
        if reason is Reason.DEPENDENCY_UNAVAILABLE:
            assert await call(running.method("Try"), b"x") == b"x"
        else:
            with pytest.raises(IntentError) as caught:
                await call(running.method("Try"), b"x")
            assert caught.value.reason is reason
    assert tries == (3 if reason is Reason.DEPENDENCY_UNAVAILABLE else 1)


async def test_retry_delay_of_the_server_does_not_hide_its_reason() -> None:
    async def away(_: bytes, __: Any) -> bytes:
        raise unavailable("store")

    async with toy.serving({"Away": away}) as running:
        with pytest.raises(IntentError) as caught:
            await call(running.method("Away"), b"x")
        in_flight = running.sample("rpc_client_in_flight", service=toy.NAME, method="Away")
        counted = running.sample(
            "rpc_client_requests_total", service=toy.NAME, method="Away", code="UNAVAILABLE"
        )
    assert (caught.value.reason, caught.value.metadata) == (
        Reason.DEPENDENCY_UNAVAILABLE,
        {"dependency": "store"},
    )
    assert (in_flight, counted) == (0, 1)


async def test_a_stream_left_early_is_cancelled_at_the_server() -> None:
    ended = asyncio.Event()

    async def endless(_: bytes, __: Any) -> AsyncIterator[bytes]:
        try:
            while True:
                yield b"tick"
                await asyncio.sleep(0.001)
        finally:
            ended.set()

    async with toy.serving({"Endless": toy.responses(endless)}) as running:
        async with stream(running.method("Endless", "unary_stream"), b"") as opened:
            async for tick in opened:
                assert tick == b"tick"
                break
        await asyncio.wait_for(ended.wait(), 5)
        name = "rpc_server_requests_total"
        labels = {"service": toy.NAME, "method": "Endless", "code": "CANCELLED"}
        assert await eventually(lambda: running.sample(name, **labels) == 1)


async def test_a_stream_has_no_default_deadline_but_an_inherited_one() -> None:
    async def look(_: bytes, context: Any) -> AsyncIterator[bytes]:
        yield b"none" if context.time_remaining() is None else b"some"

    async with toy.serving({"Look": toy.responses(look)}) as running:
        method = running.method("Look", "unary_stream")
        free = [part async for part in method(b"")]
        with deadline.deadline_scope(5):
            bound = [part async for part in method(b"")]
    assert (free, bound) == ([b"none"], [b"some"])


async def test_an_absent_server_is_a_dependency_away() -> None:
    async with toy.serving({}) as running:
        await running.server.close()
        with pytest.raises(IntentError) as caught:
            await call(running.method("Any"), b"", timeout=1.0)
    assert caught.value.reason in {Reason.DEPENDENCY_UNAVAILABLE, Reason.DEADLINE_EXCEEDED}


async def test_the_channel_is_a_channel() -> None:
    async with toy.serving({}) as running, running.channel as channel:
        await channel.channel_ready()
        assert channel.get_state() is grpc.ChannelConnectivity.READY
