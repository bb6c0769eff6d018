"""The bridge tells the truth where plain grpcio-testing passes falsely."""

import asyncio
import warnings
from collections.abc import AsyncIterator
from typing import Any

import grpc
import grpc_testing
import pytest
from grpc_health.v1 import health_pb2

from services.common.errors import IntentError, Reason
from services.common.rpc import deadline
from tests.harness.grpc_testing_bridge import Bridge

DESCRIPTOR = health_pb2.DESCRIPTOR.services_by_name["Health"]
SERVING = health_pb2.HealthCheckResponse.SERVING


class Servicer:
    """Answers by the name asked for; an async servicer like all of ours."""

    async def Check(self, request: Any, context: Any) -> Any:
        await asyncio.sleep(0)
        match request.service:
            case "typed":
                raise IntentError(Reason.INTENT_NOT_FOUND, "none", metadata={"id": "abc"})
            case "crash":
                raise RuntimeError("hunter2")
            case "abort":
                await context.abort(grpc.StatusCode.ABORTED, "mine")
            case "hang":
                await asyncio.Event().wait()
            case "who":
                assert dict(context.invocation_metadata())["who"] == "me"
                assert deadline.remaining() is not None
        return health_pb2.HealthCheckResponse(status=SERVING)

    async def Watch(self, request: Any, _: Any) -> AsyncIterator[Any]:
        yield health_pb2.HealthCheckResponse(status=SERVING)
        yield health_pb2.HealthCheckResponse()
        if request.service:
            raise IntentError(Reason.CURSOR_EXPIRED, "too old")


def asked(service: str) -> health_pb2.HealthCheckRequest:
    return health_pb2.HealthCheckRequest(service=service)


@pytest.mark.filterwarnings("ignore:coroutine:RuntimeWarning")
def test_plain_grpcio_testing_passes_falsely() -> None:
    server = grpc_testing.server_from_dictionary({DESCRIPTOR: Servicer()}, grpc_testing.strict_real_time())
    rpc = server.invoke_unary_unary(DESCRIPTOR.methods_by_name["Check"], (), asked("crash"), None)
    response, _, code, _ = rpc.termination()
    assert code is grpc.StatusCode.OK and asyncio.iscoroutine(response)
    with warnings.catch_warnings():
        response.close()


async def test_the_real_answer_comes_through() -> None:
    answer = await Bridge(DESCRIPTOR, Servicer()).unary("Check", asked("who"), metadata=(("who", "me"),))
    assert answer.response.status == SERVING


async def test_the_real_abort_comes_through() -> None:
    bridge = Bridge(DESCRIPTOR, Servicer())
    typed = await bridge.unary("Check", asked("typed"))
    plain = await bridge.unary("Check", asked("abort"))
    assert typed.code is grpc.StatusCode.NOT_FOUND and typed.responses == []
    assert (typed.error.reason, typed.error.metadata) == (Reason.INTENT_NOT_FOUND, {"id": "abc"})
    assert (plain.code, plain.details) == (grpc.StatusCode.ABORTED, "mine")
    with pytest.raises(AssertionError, match="NOT_FOUND: none"):
        _ = typed.response


async def test_a_crash_is_internal_and_keeps_its_text(caplog: pytest.LogCaptureFixture) -> None:
    answer = await Bridge(DESCRIPTOR, Servicer()).unary("Check", asked("crash"))
    assert answer.error.reason is Reason.INTERNAL and "hunter2" not in f"{answer}"
    assert "hunter2" in caplog.text


async def test_a_call_that_hangs_ends_at_its_deadline() -> None:
    answer = await Bridge(DESCRIPTOR, Servicer(), default_deadline=0.05).unary("Check", asked("hang"))
    assert answer.error.reason is Reason.DEADLINE_EXCEEDED


async def test_a_stream_gives_all_its_responses_and_its_end() -> None:
    bridge = Bridge(DESCRIPTOR, Servicer())
    good = await bridge.stream("Watch", asked(""))
    cut = await bridge.stream("Watch", asked("old"))
    assert [response.status for response in good.responses] == [
        SERVING,
        0,
    ] and good.code is grpc.StatusCode.OK
    assert len(cut.responses) == 2 and cut.error.reason is Reason.CURSOR_EXPIRED
