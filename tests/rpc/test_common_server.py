"""The guard around every handler, seen through real servers and channels."""

import asyncio
import logging
from collections.abc import AsyncIterator
from typing import Any

import grpc
import pytest
from google.protobuf.wrappers_pb2 import StringValue
from google.rpc import error_details_pb2, status_pb2
from grpc_reflection.v1alpha import reflection_pb2, reflection_pb2_grpc

from services.common.errors import IntentError, Reason, Violation
from services.common.rpc import deadline
from services.common.rpc.call import call, stream
from services.common.rpc.errors import DETAILS_KEY
from tests.harness import toy
from tests.harness.wait import eventually

SECRET = "password=hunter2 at /etc/keys"


async def explode(_: bytes, __: Any) -> bytes:
    raise RuntimeError(SECRET)


async def echo(request: bytes, _: Any) -> bytes:
    return request


async def fail(multicallable: Any, request: Any = b"") -> grpc.aio.AioRpcError:
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await multicallable(request)
    return caught.value


def details_of(error: grpc.aio.AioRpcError) -> status_pb2.Status:
    found = dict(error.trailing_metadata())[DETAILS_KEY]
    return status_pb2.Status.FromString(found)


async def test_a_secret_in_an_exception_never_leaves(caplog: pytest.LogCaptureFixture) -> None:
    async def explode_later(_: bytes, __: Any) -> AsyncIterator[bytes]:
        yield b"one"
        raise RuntimeError(SECRET)

    async with toy.serving({"Explode": explode, "Later": toy.responses(explode_later)}) as running:
        with caplog.at_level(logging.ERROR):
            unary = await fail(running.method("Explode"))
            with pytest.raises(grpc.aio.AioRpcError) as streamed:
                async for _ in running.method("Later", "unary_stream")(b""):
                    pass
    for error in (unary, streamed.value):
        status = details_of(error)
        assert error.code() is grpc.StatusCode.INTERNAL
        assert "hunter2" not in f"{error!r} {error.trailing_metadata()} {status}"
        info = error_details_pb2.ErrorInfo.FromString(status.details[0].value)
        assert (info.reason, info.domain) == ("INTERNAL", "intents")
        assert any(info.metadata["error_id"] in str(vars(record)) for record in caplog.records)
    assert sum(record.exc_info is not None for record in caplog.records) == 2


async def test_a_typed_refusal_arrives_whole() -> None:
    async def refuse(_: bytes, __: Any) -> bytes:
        violation = Violation(field="amount", reason=Reason.INVALID_AMOUNT, message="not a number")
        raise IntentError(Reason.INVALID_AMOUNT, "no", (violation,), {"stage": "amounts"}, 2.5)

    async with toy.serving({"Refuse": refuse}) as running:
        with pytest.raises(IntentError) as caught:
            await call(running.method("Refuse"), b"")
        # counted when the handler is through, which the caller may be before
        await eventually(
            lambda: (
                running.sample(
                    "rpc_server_requests_total", service=toy.NAME, method="Refuse", code="INVALID_ARGUMENT"
                )
                == 1
            )
        )
    error = caught.value
    assert (error.reason, error.message, error.retry_after) == (Reason.INVALID_AMOUNT, "no", 2.5)
    assert error.violations == (
        Violation(field="amount", reason=Reason.INVALID_AMOUNT, message="not a number"),
    )
    assert error.metadata == {"stage": "amounts"}


async def test_an_abort_of_the_servicer_passes() -> None:
    async def refuse(_: bytes, context: Any) -> None:
        await context.abort(grpc.StatusCode.ABORTED, "mine")

    async with toy.serving({"Refuse": refuse}) as running:
        error = await fail(running.method("Refuse"))
        # counted when the handler is through, which the caller may be before
        await eventually(
            lambda: (
                running.sample("rpc_server_requests_total", service=toy.NAME, method="Refuse", code="ABORTED")
                == 1
            )
        )
    assert (error.code(), error.details()) == (grpc.StatusCode.ABORTED, "mine")


async def test_bytes_that_are_no_message_are_malformed() -> None:
    async def shout(request: StringValue, _: Any) -> StringValue:
        return StringValue(value=request.value.upper())

    async def shout_all(incoming: AsyncIterator[StringValue], _: Any) -> AsyncIterator[StringValue]:
        async for request in incoming:
            yield StringValue(value=request.value.upper())

    codec = (StringValue.FromString, StringValue.SerializeToString)
    methods = {"Shout": toy.unary(shout, *codec), "All": toy.both(shout_all, *codec)}
    async with toy.serving(methods) as running:
        good = await running.method("Shout")(StringValue(value="a").SerializeToString())
        bad = await fail(running.method("Shout"), b"\x0a\xff")
        wrong_text = await fail(running.method("Shout"), b"\x0a\x02\xff\xfe")
        with pytest.raises(IntentError) as streamed:
            async with stream(running.method("All", "stream_stream")) as opened:
                await opened.write(StringValue(value="b").SerializeToString())
                first = await opened.read()
                await opened.write(b"\x0a\xff")
                await opened.read()
    assert StringValue.FromString(good).value == "A"
    assert StringValue.FromString(first).value == "B"
    assert bad.code() is wrong_text.code() is grpc.StatusCode.INVALID_ARGUMENT
    assert streamed.value.reason is Reason.MALFORMED_REQUEST


async def test_an_unknown_method_and_service_are_typed() -> None:
    async with toy.serving({"Echo": echo}) as running:
        reasons = []
        for path in (f"/{toy.NAME}/Nope", "/other.v1.Other/Echo", "/", "/a/b/c"):
            with pytest.raises(IntentError) as caught:
                await call(running.channel.unary_unary(path, None, None), b"x")
            reasons.append(caught.value.reason)
    assert reasons == [Reason.NOT_IMPLEMENTED] * 4


async def test_a_message_over_the_limit_is_refused_with_the_limit() -> None:
    async with toy.serving({"Echo": echo}, max_message_bytes=2_000) as running:
        assert len(await call(running.method("Echo"), b"x" * 2_000)) == 2_000
        with pytest.raises(IntentError) as little:
            await call(running.method("Echo"), b"x" * 2_001)
        with pytest.raises(IntentError) as much:
            await call(running.plain.unary_unary(f"/{toy.NAME}/Echo"), b"x" * 100_000)
    assert (little.value.reason, little.value.metadata) == (Reason.PAYLOAD_TOO_LARGE, {"max_bytes": "2000"})
    assert much.value.reason is Reason.PAYLOAD_TOO_LARGE


async def test_overload_is_shed_while_health_answers() -> None:
    release, entered = asyncio.Event(), 0

    async def hold(_: bytes, __: Any) -> bytes:
        nonlocal entered
        entered += 1
        await release.wait()
        return b"done"

    async def watch(_: bytes, __: Any) -> AsyncIterator[bytes]:
        yield b"watching"

    methods = {"Hold": hold, "Watch": toy.responses(watch)}
    async with toy.serving(methods, max_concurrent_rpcs=2) as running:
        held = [asyncio.ensure_future(call(running.method("Hold"), b"")) for _ in range(2)]
        await eventually(lambda: entered == 2)
        with pytest.raises(IntentError) as shed:
            await call(running.method("Hold"), b"")
        healthy = await running.health()
        watched = [answer async for answer in running.method("Watch", "unary_stream")(b"")]
        in_flight = running.sample("rpc_server_in_flight", service=toy.NAME, method="Hold")
        release.set()
        answers = await asyncio.gather(*held)
        again = await call(running.method("Hold"), b"")
    assert shed.value.reason is Reason.OVERLOADED and shed.value.retry_after == 0.5
    assert healthy == "SERVING" and watched == [b"watching"] and in_flight == 2
    assert [*answers, again] == [b"done"] * 3


async def test_streams_have_a_bound_of_their_own() -> None:
    async def watch(_: bytes, __: Any) -> AsyncIterator[bytes]:
        yield b"watching"
        await asyncio.Event().wait()

    async with toy.serving(
        {"Watch": toy.responses(watch), "Echo": echo}, max_concurrent_streams=1
    ) as running:
        watching = running.method("Watch", "unary_stream")
        async with stream(watching, b"") as first:
            assert await first.read() == b"watching"
            with pytest.raises(IntentError) as shed:
                async with stream(watching, b"") as second:
                    await second.read()
            assert await call(running.method("Echo"), b"x") == b"x"
        name, labels = "rpc_server_in_flight", {"service": toy.NAME, "method": "Watch"}
        assert await eventually(lambda: running.sample(name, **labels) == 0)
    assert shed.value.reason is Reason.OVERLOADED


async def test_a_call_without_deadline_gets_the_default() -> None:
    ended = asyncio.Event()

    async def hang(_: bytes, __: Any) -> bytes:
        try:
            await asyncio.Event().wait()
        finally:
            ended.set()
        return b""

    async with toy.serving({"Hang": hang}, default_deadline_ms=50) as running:
        error = await fail(running.plain.unary_unary(f"/{toy.NAME}/Hang"))
    assert error.code() is grpc.StatusCode.DEADLINE_EXCEEDED
    assert "0.05 s" in (error.details() or "") and ended.is_set()


async def test_a_timeout_of_the_handlers_own_is_not_the_deadline() -> None:
    async def slow_dependency(_: bytes, __: Any) -> bytes:
        raise TimeoutError(SECRET)

    async with toy.serving({"Slow": slow_dependency}) as running:
        error = await fail(running.plain.unary_unary(f"/{toy.NAME}/Slow"))
    assert error.code() is grpc.StatusCode.INTERNAL and "hunter2" not in repr(error)


async def test_the_clients_deadline_cancels_the_handler() -> None:
    seen: list[float | None] = []
    ended = asyncio.Event()

    async def hang(_: bytes, __: Any) -> bytes:
        seen.append(deadline.remaining())
        try:
            await asyncio.Event().wait()
        finally:
            ended.set()
        return b""

    async with toy.serving({"Hang": hang}) as running:
        with pytest.raises(IntentError) as caught:
            await call(running.method("Hang"), b"", timeout=0.1)
        await asyncio.wait_for(ended.wait(), 5)
    assert caught.value.reason is Reason.DEADLINE_EXCEEDED
    assert seen[0] is not None and 0 < seen[0] <= 0.1


async def test_awaiting_something_cancelled_is_answered_at_once() -> None:
    async def careless(_: bytes, __: Any) -> bytes:
        lost: asyncio.Future[bytes] = asyncio.get_running_loop().create_future()
        lost.cancel()
        return await lost

    async def careless_stream(_: bytes, context: Any) -> AsyncIterator[bytes]:
        yield await careless(_, context)

    async with toy.serving({"Unary": careless, "Stream": toy.responses(careless_stream)}) as running:
        for method, kind in (("Unary", "unary_unary"), ("Stream", "unary_stream")):
            with pytest.raises(IntentError) as caught:
                async with asyncio.timeout(4), stream(running.method(method, kind), b"") as opened:
                    await (opened if kind == "unary_unary" else opened.read())
            assert caught.value.reason is Reason.INTERNAL


async def test_interceptors_run_inside_the_guard_first_one_outermost() -> None:
    order: list[str] = []

    class Named(grpc.aio.ServerInterceptor):
        def __init__(self, name: str) -> None:
            self.name = name

        async def intercept_service(self, continuation: Any, handler_call_details: Any) -> Any:
            order.append(self.name)
            if dict(handler_call_details.invocation_metadata).get("stop") == self.name:
                raise IntentError(Reason.UNAUTHENTICATED, "who are you?")
            return await continuation(handler_call_details)

    async with toy.serving({"Echo": echo}, interceptors=(Named("outer"), Named("inner"))) as running:
        assert await call(running.method("Echo"), b"x") == b"x"
        assert await running.health() == "SERVING"
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await running.method("Echo")(b"x", metadata=(("stop", "inner"),))
    assert order == ["outer", "inner", "outer", "inner"]
    assert caught.value.code() is grpc.StatusCode.UNAUTHENTICATED


async def test_all_four_shapes_pass() -> None:
    async def one_to_many(request: bytes, _: Any) -> AsyncIterator[bytes]:
        for number in request:
            yield bytes([number])

    async def written(request: bytes, context: Any) -> None:
        for number in request:
            await context.write(bytes([number]))

    async def many_to_one(incoming: AsyncIterator[bytes], _: Any) -> bytes:
        return b"".join([request async for request in incoming])

    async def many_to_many(incoming: AsyncIterator[bytes], _: Any) -> AsyncIterator[bytes]:
        async for request in incoming:
            yield request * 2

    methods = {
        "OneToMany": toy.responses(one_to_many), "Written": toy.responses(written),
        "ManyToOne": toy.requests(many_to_one), "ManyToMany": toy.both(many_to_many),
    }  # fmt: skip
    async with toy.serving(methods) as running:
        for name in ("OneToMany", "Written"):
            assert [part async for part in running.method(name, "unary_stream")(b"abc")] == [b"a", b"b", b"c"]
        assert await running.method("ManyToOne", "stream_unary")([b"a", b"b"]) == b"ab"
        assert [part async for part in running.method("ManyToMany", "stream_stream")([b"a"])] == [b"aa"]


async def test_reflection_lists_the_services() -> None:
    async with toy.serving({"Echo": echo}) as running:
        stub = reflection_pb2_grpc.ServerReflectionStub(running.channel)
        asked = [reflection_pb2.ServerReflectionRequest(list_services="")]
        answers = [answer async for answer in stub.ServerReflectionInfo(asked)]
    names = {service.name for service in answers[0].list_services_response.service}
    assert {toy.NAME, "grpc.health.v1.Health"} <= names


async def test_a_port_taken_is_an_error() -> None:
    async with toy.serving({"Echo": echo}) as running:
        with pytest.raises(OSError, match=r"cannot listen on 127\.0\.0\.1"):
            async with toy.serving({"Echo": echo}, port=running.server.port):
                pass
