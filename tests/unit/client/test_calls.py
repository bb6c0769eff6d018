"""The client against a real server: deadlines, retries, what goes along, what is raised."""

import asyncio
from contextlib import aclosing
from datetime import datetime, timedelta, timezone
from typing import Any

import grpc
import pytest
from google.rpc import error_details_pb2
from opentelemetry.trace import NonRecordingSpan, SpanContext, TraceFlags, use_span

from intents.v1 import intent_service_pb2 as pb
from intents.v1 import types_pb2 as types
from intents_client import (
    DeadlineExceeded,
    IntentsError,
    InvalidArgument,
    NotFound,
    RateLimited,
    Unavailable,
    connect,
    event_of,
)
from intents_client.errors import BY_STATUS
from tests.unit.client.support import Script, edge, event, refuse, status_of

INFO = pb.GetInfoResponse(network="localnet", verifying_contract="verifier.near")


async def info(request: Any, context: Any) -> pb.GetInfoResponse:
    return INFO


async def test_a_call_carries_token_trace_and_default_deadline() -> None:
    script = Script(GetInfo=info)
    async with edge(script, token="secret", deadline=3.0) as client:
        span = NonRecordingSpan(SpanContext(0xA, 0xB, is_remote=False, trace_flags=TraceFlags(1)))
        with use_span(span):
            assert await client.info() == INFO
        assert await client.stub.GetInfo(pb.GetInfoRequest(), timeout=60) == INFO
    (_, _, metadata, left), (_, _, untraced, longer) = script.calls
    assert metadata["authorization"] == "Bearer secret"
    assert metadata["traceparent"] == f"00-{0xA:032x}-{0xB:016x}-01"
    assert left is not None and longer is not None and 0 < left < 20 < longer
    assert "traceparent" not in untraced


async def test_without_a_token_nothing_is_said_of_one() -> None:
    script = Script(GetInfo=info)
    async with edge(script) as client:
        await client.info()
    assert "authorization" not in script.calls[0][2]


async def test_unavailable_is_retried_until_it_works() -> None:
    async def third_time(request: Any, context: Any) -> pb.GetInfoResponse:
        if script.count("GetInfo") < 3:
            await refuse(context, grpc.StatusCode.UNAVAILABLE, "DRAINING", "going")
        return INFO

    script = Script(GetInfo=third_time)
    async with edge(script) as client:
        assert await client.info() == INFO
    assert script.count("GetInfo") == 3


@pytest.mark.parametrize("code", [code for code in grpc.StatusCode if code.name not in ("OK", "UNAVAILABLE")])
async def test_nothing_else_is_retried_and_each_status_has_its_class(code: grpc.StatusCode) -> None:
    async def fail(request: Any, context: Any) -> None:
        await refuse(context, code, "SOME_REASON", "for people")

    script = Script(GetIntent=fail)
    async with edge(script) as client:
        with pytest.raises(IntentsError) as caught:
            await client.get("a")
    assert script.count("GetIntent") == 1
    assert (caught.value.reason, caught.value.message, caught.value.status) == (
        "SOME_REASON",
        "for people",
        code.name,
    )
    assert type(caught.value) is BY_STATUS.get(code.name, IntentsError)


def test_every_grpc_status_but_unknown_has_a_class() -> None:
    assert {code.name for code in grpc.StatusCode} - BY_STATUS.keys() == {"OK", "UNKNOWN"}


async def test_details_become_fields_of_the_exception() -> None:
    async def refused(request: Any, context: Any) -> None:
        bad = error_details_pb2.BadRequest()
        bad.field_violations.add(field="input_amount", reason="INVALID_AMOUNT", description="no number")
        retry = error_details_pb2.RetryInfo()
        retry.retry_delay.FromMilliseconds(1500)
        await refuse(context, grpc.StatusCode.INVALID_ARGUMENT, "INVALID_AMOUNT", "no", bad, retry)

    async with edge(Script(SubmitIntent=refused)) as client:
        with pytest.raises(InvalidArgument) as caught:
            await client.submit(pb.Submission())
    (violation,) = caught.value.violations
    assert (violation.field, violation.reason, violation.message) == (
        "input_amount",
        "INVALID_AMOUNT",
        "no number",
    )
    assert caught.value.retry_after == 1.5


async def test_an_error_without_details_keeps_the_servers_words() -> None:
    async def fail(request: Any, context: Any) -> None:
        await context.abort(grpc.StatusCode.NOT_FOUND, "nothing here")

    async with edge(Script(GetIntent=fail)) as client:
        with pytest.raises(NotFound) as caught:
            await client.get("a")
    assert (caught.value.reason, caught.value.message) == ("", "nothing here")


async def test_a_server_that_never_answers_ends_at_the_deadline() -> None:
    async def never(request: Any, context: Any) -> None:
        await asyncio.Event().wait()

    async with edge(Script(GetInfo=never), deadline=0.2) as client:
        async with asyncio.timeout(30):
            with pytest.raises(DeadlineExceeded):
                await client.info()


async def test_nobody_there_is_unavailable() -> None:
    async with connect("127.0.0.1:1", deadline=5) as client:
        with pytest.raises(Unavailable):
            await client.info()


async def test_a_batch_has_an_outcome_for_each() -> None:
    async def some(request: Any, context: Any) -> pb.SubmitIntentsResponse:
        error = status_of(grpc.StatusCode.RESOURCE_EXHAUSTED, "RATE_LIMITED", "later")
        return pb.SubmitIntentsResponse(
            outcomes=[
                pb.SubmitOutcome(receipt=pb.Receipt(intent_id="a", version=1)),
                pb.SubmitOutcome(error=error),
            ]
        )

    async with edge(Script(SubmitIntents=some)) as client:
        first, second = await client.submit_many([pb.Submission(), pb.Submission()])
    assert isinstance(first, pb.Receipt) and first.intent_id == "a"
    assert isinstance(second, RateLimited) and second.reason == "RATE_LIMITED"


async def test_listing_follows_the_pages() -> None:
    async def page(request: Any, context: Any) -> pb.ListIntentsResponse:
        start = int(request.page_token or 0)
        intents = [types.Intent(intent_id=f"{request.action}{n}") for n in range(start, start + 2)]
        return pb.ListIntentsResponse(intents=intents, next_page_token="" if start else "2")

    async with edge(Script(ListIntents=page)) as client:
        found = [intent.intent_id async for intent in client.list_all(action="swap")]
    assert found == ["swap0", "swap1", "swap2", "swap3"]


async def test_listing_goes_on_over_pages_that_hold_little() -> None:
    asked: list[Any] = []

    async def page(request: Any, context: Any) -> pb.ListIntentsResponse:
        asked.append(request)
        found = {"": ([], "1"), "1": (["a"], "2"), "2": ([], "3"), "3": (["b"], "")}
        ids, after = found[request.page_token]
        return pb.ListIntentsResponse(
            intents=[types.Intent(intent_id=one) for one in ids], next_page_token=after
        )

    since = datetime(2026, 11, 26, 13, tzinfo=timezone(timedelta(hours=1)))
    filters: dict[str, Any] = {"token": "USDC", "solver_id": "s", "transaction_hash": "h"}
    async with edge(Script(ListIntents=page)) as client:
        intents = client.list_all(**filters, created_since=since, created_until=since + timedelta(hours=1))
        found = [intent.intent_id async for intent in intents]
    assert found == ["a", "b"]
    for request in asked:
        assert {name: getattr(request, name) for name in filters} == filters
        assert request.created_since.ToJsonString() == "2026-11-26T12:00:00Z"
        assert request.created_until.ToJsonString() == "2026-11-26T13:00:00Z"


async def test_a_watch_goes_on_where_the_connection_was_lost() -> None:
    async def cut(request: Any, context: Any) -> Any:
        if not request.cursor:
            yield event("a", 1)
            yield event("a", 2)
            await refuse(context, grpc.StatusCode.UNAVAILABLE, "DRAINING", "going")
        yield event("a", int(request.cursor.split("@")[1]) + 1)
        await asyncio.Event().wait()

    script = Script(WatchIntents=cut)
    seen: list[int] = []
    async with edge(script) as client, aclosing(client.watch(["a"])) as messages:
        async for message in messages:
            found = event_of(message)
            assert found is not None
            seen.append(found.version)
            if found.version == 3:
                break
    assert seen == [1, 2, 3]
    assert [request.cursor for _, request, _, _ in script.calls] == ["", "a@2"]
    assert [list(request.intent_ids) for _, request, _, _ in script.calls] == [["a"], ["a"]]


async def test_a_watch_gives_up_when_its_patience_ends_and_on_any_other_error() -> None:
    async with connect("127.0.0.1:1") as client:
        with pytest.raises(Unavailable):
            async for _ in client.watch(["a"], patience=0):
                raise AssertionError("nobody is there")

    async def expired(request: Any, context: Any) -> Any:
        await refuse(context, grpc.StatusCode.OUT_OF_RANGE, "CURSOR_EXPIRED", "too old")
        yield event("a", 1)

    script = Script(WatchIntents=expired)
    async with edge(script) as client:
        with pytest.raises(BY_STATUS["OUT_OF_RANGE"]) as caught:
            async for _ in client.watch(["a"], cursor="old"):
                raise AssertionError("nothing comes")
    assert (caught.value.reason, script.count("WatchIntents")) == ("CURSOR_EXPIRED", 1)


async def test_waiting_for_the_end_of_an_intent() -> None:
    async def life(request: Any, context: Any) -> Any:
        yield pb.WatchIntentsResponse(cursor="h", heartbeat=pb.Heartbeat())
        yield event("a", 3, types.INTENT_STATUS_EXECUTING)
        yield event("a", 4, types.INTENT_STATUS_COMPLETED)
        await asyncio.Event().wait()

    async def record(request: Any, context: Any) -> pb.GetIntentResponse:
        return pb.GetIntentResponse(intent=types.Intent(intent_id=request.intent_id, version=4))

    async with edge(Script(WatchIntents=life, GetIntent=record)) as client:
        assert (await client.wait("a", timeout=5)).version == 4


async def test_p10_a_message_too_large_for_grpc_itself_is_no_rate_limit() -> None:
    async with edge(Script(GetInfo=info)) as client:
        with pytest.raises(InvalidArgument) as refused:
            await client.submit(pb.Submission(request_id="x" * (5 << 20)))
    assert refused.value.reason == "PAYLOAD_TOO_LARGE"
