"""Who may call, and how often: over gRPC and HTTP alike."""

import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import grpc
import pytest
from google.rpc import error_details_pb2, status_pb2

from intents.v1 import intent_service_pb2 as pb
from services.common.clock import SystemClock
from services.common.domain.lifecycle import Status
from services.common.errors import Reason
from services.common.rpc.errors import DETAILS_KEY
from services.edge.auth import hash_token
from tests.unit.edge.fakes import World, refuses
from tests.unit.edge.support import TOKENS, Running, bearer, body, message, refusal, running

SEEDS_WORDS = "Too many intents submitted, please try again later"
METHODS = [method.name for method in pb.DESCRIPTOR.services_by_name["IntentService"].methods]
ROUTES = [
    ("POST", "/api/intents"),
    ("GET", "/api/intents"),
    ("POST", "/api/intents/validate"),
    ("GET", "/api/intents/abc"),
    ("GET", "/api/intents/abc/status"),
    ("GET", "/api/intents/abc/events"),
    ("POST", "/api/intents/abc/cancel"),
    ("GET", "/api/statistics"),
    ("GET", "/api/info"),
]


@pytest.fixture
def world() -> World:
    return World(SystemClock())


@pytest.fixture
def tokens(tmp_path: Path) -> Path:
    file = tmp_path / "tokens.json"
    file.write_text("\n".join(json.dumps({name: hash_token(token)}) for name, token in TOKENS.items()))
    return file


@pytest.fixture
async def guarded(world: World, tokens: Path) -> AsyncIterator[Running]:
    async with running(world, tokens_file=tokens, rate_limit_max=20) as edge:
        yield edge


def first(edge: Running, method: str, request: Any, **more: Any) -> Any:
    """The call, or its first message."""
    call = getattr(edge.stub, method)(request, **more)
    return call.read() if isinstance(call, grpc.aio.UnaryStreamCall) else call


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("given", [None, "Bearer wrong-token-00000000", "Basic YTpi", "Bearer "])
async def test_p09_every_rpc_denies_who_has_no_token(
    guarded: Running, world: World, method: str, given: str
) -> None:
    request = getattr(pb, f"{method}Request")()
    metadata = (("authorization", given),) if given else ()
    assert (
        await refusal(first(guarded, method, request, metadata=metadata))
    ).reason is Reason.UNAUTHENTICATED
    assert not world.validator.calls and not world.store.reads


@pytest.mark.parametrize(("method", "path"), ROUTES)
async def test_p09_every_route_denies_who_has_no_token(guarded: Running, method: str, path: str) -> None:
    async with guarded.http.request(method, path, json=body()) as response:
        assert response.status == 401 and response.headers["WWW-Authenticate"] == "Bearer"
        assert (await response.json(content_type=None))["reason"] == "UNAUTHENTICATED"


async def test_p09_another_principal_sees_nothing(guarded: Running, world: World) -> None:
    alice, bob = bearer("alice"), bearer("bob")
    submit = pb.SubmitIntentRequest(submission=message("abc"))
    await guarded.stub.SubmitIntent(submit, metadata=alice)
    for method, request in (
        ("GetIntent", pb.GetIntentRequest(intent_id="abc")),
        ("GetIntentStatus", pb.GetIntentStatusRequest(intent_id="abc")),
        ("CancelIntent", pb.CancelIntentRequest(intent_id="abc")),
    ):
        theirs = await refusal(first(guarded, method, request, metadata=bob))
        request.intent_id = "xyz"
        nobodys = await refusal(first(guarded, method, request, metadata=bob))
        assert theirs.reason is nobodys.reason is Reason.INTENT_NOT_FOUND
        assert theirs.message == nobodys.message
    known = await refusal(first(guarded, "SubmitIntent", submit, metadata=bob))
    world.validator.verdict = refuses(Reason.NONCE_USED)
    used = await refusal(first(guarded, "SubmitIntent", submit, metadata=bob))
    assert known.reason is used.reason is Reason.ALREADY_EXISTS
    assert "pending" not in str(known.metadata) and not used.metadata
    listed = await guarded.stub.ListIntents(pb.ListIntentsRequest(), metadata=bob)
    counts = await guarded.stub.GetStatistics(pb.GetStatisticsRequest(), metadata=bob)
    batch = await guarded.stub.BatchGetIntents(pb.BatchGetIntentsRequest(intent_ids=["abc"]), metadata=bob)
    assert not listed.intents and counts.total == 0 and batch.outcomes[0].HasField("error")
    watching = guarded.stub.WatchIntents(pb.WatchIntentsRequest(intent_ids=["abc"]), metadata=bob)
    assert (await watching.read()).WhichOneof("message") == "heartbeat"
    watching.cancel()


async def test_p09_a_status_only_the_chain_knows_is_nobodys(world: World) -> None:
    async with running(world) as edge:
        world.cache.chain_only["foreign"] = Status.COMPLETED
        error = await refusal(edge.stub.GetIntentStatus(pb.GetIntentStatusRequest(intent_id="foreign")))
    assert error.reason is Reason.INTENT_NOT_FOUND


async def test_http_and_grpc_count_together_per_address(world: World) -> None:
    world.validator.verdict = refuses(Reason.INVALID_SIGNATURE)
    async with running(world, rate_limit_max=20) as edge:
        for _ in range(10):
            # every attempt let through counts, valid or not, readable or not
            async with edge.http.post(
                "/api/intents", data=b"{", headers={"Content-Type": "application/json"}
            ) as read:
                assert read.status == 400
            assert (await refusal(edge.submit("abc"))).reason is Reason.INVALID_SIGNATURE
        async with edge.http.post("/api/intents", json=body()) as response:
            problem = await response.json(content_type=None)
            assert response.status == 429 and problem["detail"] == SEEDS_WORDS
            assert problem["errors"] == [SEEDS_WORDS] and problem["reason"] == "RATE_LIMITED"
            assert 890 <= int(response.headers["Retry-After"]) <= 900
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await edge.submit("abc")
        async with edge.http.get("/api/intents") as free:
            assert free.status == 200
    assert caught.value.code() is grpc.StatusCode.RESOURCE_EXHAUSTED and caught.value.details() == SEEDS_WORDS
    status = status_pb2.Status.FromString(dict(caught.value.trailing_metadata() or ())[DETAILS_KEY])  # type: ignore
    retry = error_details_pb2.RetryInfo()
    assert any(detail.Unpack(retry) for detail in status.details) and 600 <= retry.retry_delay.seconds <= 900


async def test_a_batch_counts_each_and_is_refused_whole(world: World) -> None:
    async with running(world, rate_limit_max=20) as edge:
        fifteen = pb.SubmitIntentsRequest(submissions=[message(f"a{number}") for number in range(15)])
        await edge.stub.SubmitIntents(fifteen)
        six = pb.SubmitIntentsRequest(submissions=[message(f"b{number}") for number in range(6)])
        assert (await refusal(edge.stub.SubmitIntents(six))).reason is Reason.RATE_LIMITED
        del six.submissions[5]
        assert len((await edge.stub.SubmitIntents(six)).outcomes) == 5
        assert (await refusal(edge.submit("c"))).reason is Reason.RATE_LIMITED
    assert len(world.store.records) == 20


async def test_a_principal_with_a_token_has_a_limit_of_its_own(guarded: Running) -> None:
    for number in range(20):
        request = pb.SubmitIntentRequest(submission=message(f"i{number}"))
        await guarded.stub.SubmitIntent(request, metadata=bearer("alice"))
    request = pb.SubmitIntentRequest(submission=message("more"))
    full = await refusal(guarded.stub.SubmitIntent(request, metadata=bearer("alice")))
    assert full.reason is Reason.RATE_LIMITED and full.metadata["subject"] == "principal:alice"
    assert (await guarded.stub.SubmitIntent(request, metadata=bearer("bob"))).receipt.intent_id == "more"


@pytest.mark.parametrize(("trusted", "let_through"), [((), 1), (("127.0.0.0/8",), 3)])
async def test_forwarding_headers_count_only_from_configured_proxies(
    world: World, trusted: tuple[str, ...], let_through: int
) -> None:
    async with running(world, rate_limit_max=1, trusted_proxies=trusted) as edge:
        accepted = 0
        for number, client in enumerate(("9.9.9.1", "9.9.9.2", "6.6.6.6, 9.9.9.3", "5.5.5.5, 9.9.9.3")):
            headers = {"X-Forwarded-For": client}
            async with edge.http.post("/api/intents", json=body(f"i{number}"), headers=headers) as response:
                accepted += response.status == 202
            metadata = (("x-forwarded-for", client),)
            again = pb.SubmitIntentRequest(submission=message(f"g{number}"))
            assert (
                await refusal(edge.stub.SubmitIntent(again, metadata=metadata))
            ).reason is Reason.RATE_LIMITED
    assert accepted == let_through


async def test_replicas_share_the_limit_through_redis(world: World, redis_url: str) -> None:
    async with (
        running(world, redis_url=redis_url, rate_limit_max=2) as one,
        running(world, redis_url=redis_url, rate_limit_max=2) as two,
    ):
        await one.submit("a")
        await two.submit("b")
        assert (await refusal(one.submit("c"))).reason is Reason.RATE_LIMITED


async def test_p07_submission_goes_on_without_redis_and_without_a_cache(world: World) -> None:
    world.cache.down = world.notifier.down = True
    async with running(world, redis_url="redis://127.0.0.1:1/0", rate_limit_max=2) as edge:
        await edge.submit("a")
        status = await edge.stub.GetIntentStatus(pb.GetIntentStatusRequest(intent_id="a"))
        await edge.submit("b")
        assert (await refusal(edge.submit("c"))).reason is Reason.RATE_LIMITED
    assert (status.status, status.level) == (1, "store")
