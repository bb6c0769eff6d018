"""Bad input, whole list, on both transports: a typed error that names field and reason; nothing stored."""

import asyncio
import json
from collections.abc import AsyncIterator, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import quote

import grpc
import pytest
import yarl

from intents.v1 import intent_service_pb2 as pb
from services.common.clock import SystemClock
from services.common.domain.views import ChainView, HasPublicKey, ViewAnswer
from services.common.errors import IntentError, Reason
from services.edge.http import server
from services.edge.ports import Ports
from services.validator.config import ValidatorSettings
from services.validator.service import Validator
from tests.harness.signing import Wallet, to_proto
from tests.unit.edge.fakes import World
from tests.unit.edge.support import Running, body, message, refusal, running

MINE, OTHER = Wallet("mine"), Wallet("other")


class Chain:
    """Knows no keys and no used nonces."""

    async def views(self, asked: Sequence[ChainView]) -> Sequence[ViewAnswer | IntentError]:
        return [ViewAnswer(value=isinstance(view, HasPublicKey), block_height=1) for view in asked]


@pytest.fixture
def world() -> World:
    return World(SystemClock())


@pytest.fixture
async def edge(world: World) -> AsyncIterator[Running]:
    validator = Validator(ValidatorSettings().rule_book(), Chain(), SystemClock())
    ports = Ports(validator=validator, store=world.store, cache=world.cache, notifier=world.notifier)
    async with running(ports=ports) as found:
        yield found
        assert not world.store.records, "something was stored"
        async with found.http.get("/healthz") as alive:
            assert alive.status == 200


def tampered(**changes: Any) -> dict[str, Any]:
    """A signed body with fields changed afterwards."""
    return MINE.sign_plain() | changes


def signed(**changes: Any) -> dict[str, Any]:
    """A body signed with these fields."""
    return MINE.sign_plain(MINE.fields(**changes))


def _another_signature() -> dict[str, Any]:
    found = MINE.sign_plain()
    found["signed_data"]["signature"] = OTHER.sign_plain()["signed_data"]["signature"]
    return found


def _another_message() -> dict[str, Any]:
    found = MINE.sign_plain()
    found["signed_data"] = MINE.sign_plain()["signed_data"]
    return found


def _another_signer() -> dict[str, Any]:
    return OTHER.sign_plain(MINE.fields())


def _flipped() -> dict[str, Any]:
    found = MINE.sign_plain()
    signature = found["signed_data"]["signature"]
    found["signed_data"]["signature"] = signature[:-1] + ("2" if signature[-1] != "2" else "3")
    return found


def _expired() -> dict[str, Any]:
    return MINE.sign_plain(deadline=datetime.now(UTC) - timedelta(minutes=1))


def _without(name: str) -> dict[str, Any]:
    return {key: value for key, value in signed().items() if key != name}


CASES: dict[str, tuple[Any, str, str]] = {
    "wrong signature": (_flipped, "signed_data", "INVALID_SIGNATURE"),
    "another's signature": (_another_signature, "signed_data", "INVALID_SIGNATURE"),
    "another's key": (_another_signer, "signed_data", "SIGNER_MISMATCH"),
    "another message's signature": (_another_message, "", "FIELD_MISMATCH"),
    "no signature": (lambda: _without("signed_data"), "signed_data", "SIGNATURE_REQUIRED"),
    "expired": (_expired, "deadline", "DEADLINE_EXPIRED"),
    "amount changed": (lambda: tampered(input_amount="7"), "input_amount", "FIELD_MISMATCH"),
    "amount 1e5": (lambda: tampered(input_amount="1e5"), "input_amount", "INVALID_AMOUNT"),
    "amount -1": (lambda: tampered(input_amount="-1"), "input_amount", "INVALID_AMOUNT"),
    "amount 007": (lambda: tampered(input_amount="007"), "input_amount", "INVALID_AMOUNT"),
    "amount 1.0": (lambda: tampered(input_amount="1.0"), "input_amount", "INVALID_AMOUNT"),
    "amount ' 1'": (lambda: tampered(input_amount=" 1"), "input_amount", "INVALID_AMOUNT"),
    "amount 2^128": (lambda: tampered(input_amount=str(2**128)), "input_amount", "AMOUNT_OUT_OF_RANGE"),
    "amount empty": (lambda: tampered(input_amount=""), "input_amount", "MISSING_FIELD"),
    "no user": (lambda: _without("user_account"), "user_account", "MISSING_FIELD"),
    "unknown token": (lambda: tampered(output_token="INVALID"), "output_token", "UNKNOWN_TOKEN"),
    "unknown action": (lambda: tampered(action="steal"), "action", "UNSUPPORTED_ACTION"),
    "id of 10 kB": (lambda: tampered(id="x" * 10_240), "id", "INVALID_ID"),
    "id with a newline": (lambda: tampered(id="a\nb"), "id", "INVALID_ID"),
    "id with braces": (lambda: tampered(id="{a}"), "id", "INVALID_ID"),
    "id with NUL": (lambda: tampered(id="a\0b"), "id", "INVALID_ID"),
}


@pytest.mark.parametrize("name", CASES)
async def test_p10_a_bad_intent_is_refused_alike_over_grpc_and_http(edge: Running, name: str) -> None:
    make, field, reason = CASES[name]
    given = make()
    over_grpc = await refusal(edge.stub.SubmitIntent(pb.SubmitIntentRequest(submission=to_proto(given))))
    async with edge.http.post("/api/intents", json=given) as response:
        problem = await response.json(content_type=None)
        assert (response.status, response.content_type) == (400, "application/problem+json")
    async with edge.http.post("/api/intents/validate", json=given) as response:
        verdict = await response.json()
    assert over_grpc.reason == problem["reason"] == reason
    assert [one.field for one in over_grpc.violations] == [one["field"] for one in problem["details"]]
    assert field == "" or any(one["field"].startswith(field) for one in problem["details"])
    assert problem["errors"] == [one.message for one in over_grpc.violations]
    assert verdict == {"valid": False, "errors": problem["errors"], "details": problem["details"]}
    assert "Traceback" not in json.dumps(problem)


JSON = {"Content-Type": "application/json"}
RAW: dict[str, tuple[bytes, dict[str, str], int, str]] = {
    "no JSON": (b"{", JSON, 400, "MALFORMED_REQUEST"),
    "empty": (b"", JSON, 400, "MALFORMED_REQUEST"),
    "not UTF-8": (b'{"id":"\xff"}', JSON, 400, "MALFORMED_REQUEST"),
    "BOM": (b'\xef\xbb\xbf{"id":"a"}', JSON, 400, "MALFORMED_REQUEST"),
    "duplicate keys": (b'{"id":"a","id":"b"}', JSON, 400, "MALFORMED_REQUEST"),
    "NaN": (b'{"max_slippage":NaN}', JSON, 400, "MALFORMED_REQUEST"),
    "lone surrogate": (b'{"id":"\\ud800"}', JSON, 400, "MALFORMED_REQUEST"),
    "deep": (b"[" * 10_000, JSON, 400, "MALFORMED_REQUEST"),
    "a list": (b"[]", JSON, 400, "MALFORMED_REQUEST"),
    "unknown key": (b'{"admin":true}', JSON, 400, "INVALID_FIELD"),
    "amount a number": (b'{"input_amount":5}', JSON, 400, "INVALID_FIELD"),
    "bad base64": (
        b'{"signed_data":{"standard":"nep413","payload":{"message":"m","nonce":"!!","recipient":"r"},"signature":"s"}}',
        JSON, 400, "INVALID_FIELD",
    ),
    "another type": (b"id=a", {"Content-Type": "text/plain"}, 415, "UNSUPPORTED_MEDIA_TYPE"),
    "no type": (b"{}", {"Content-Type": ""}, 415, "UNSUPPORTED_MEDIA_TYPE"),
    "over the limit": (b'{"id":"' + b"a" * 65_536 + b'"}', JSON, 413, "PAYLOAD_TOO_LARGE"),
}  # fmt: skip


@pytest.mark.parametrize("path", ["/api/intents", "/api/intents/validate"])
@pytest.mark.parametrize("name", RAW)
async def test_p10_a_body_that_cannot_be_read_is_refused(edge: Running, name: str, path: str) -> None:
    data, headers, status, reason = RAW[name]
    async with edge.http.post(path, data=data, headers=headers) as response:
        answer = await response.json(content_type=None)
    if path.endswith("validate") and reason == "INVALID_FIELD":
        assert response.status == 200 and answer["valid"] is False
        assert answer["details"][0]["reason"] == reason and answer["details"][0]["field"]
        return
    assert (response.status, answer["reason"]) == (status, reason)
    assert reason != "INVALID_FIELD" or answer["details"][0]["field"]


async def test_p10_a_body_without_length_is_cut_at_the_limit(edge: Running) -> None:
    async def endless() -> AsyncIterator[bytes]:
        for _ in range(100):
            yield b" " * 4_096

    async with edge.http.post("/api/intents", data=endless(), headers=JSON) as response:
        assert (await response.json(content_type=None))["reason"] == "PAYLOAD_TOO_LARGE"


@pytest.mark.parametrize("intent_id", ["x" * 10_240, "a\nb", "{a}", "a\0b", "a b", "ä", "%", "../../etc"])
async def test_p10_bad_ids_are_named_wherever_an_id_goes(edge: Running, intent_id: str) -> None:
    calls = (
        ("GetIntent", pb.GetIntentRequest(intent_id=intent_id)),
        ("GetIntentStatus", pb.GetIntentStatusRequest(intent_id=intent_id)),
        ("CancelIntent", pb.CancelIntentRequest(intent_id=intent_id)),
    )
    for method, request in calls:
        error = await refusal(getattr(edge.stub, method)(request))
        assert error.reason is Reason.INVALID_ID and error.violations[0].field == "intent_id"
    watch = await refusal(edge.stub.WatchIntents(pb.WatchIntentsRequest(intent_ids=[intent_id])).read())
    assert watch.reason is Reason.INVALID_ID and watch.violations[0].field == "intent_ids"
    batch = await edge.stub.BatchGetIntents(pb.BatchGetIntentsRequest(intent_ids=[intent_id]))
    assert batch.outcomes[0].error.code == grpc.StatusCode.INVALID_ARGUMENT.value[0]
    for suffix in ("", "/status", "/events"):
        url = yarl.URL(f"{edge.url}/api/intents/{quote(intent_id, safe='')}{suffix}", encoded=True)
        async with edge.http.get(url) as response:
            assert (response.status, (await response.json(content_type=None))["reason"]) == (
                400,
                "INVALID_ID",
            )


async def test_p10_batches_of_no_or_too_many_items_are_refused(edge: Running) -> None:
    for count in (0, 101):
        many = pb.SubmitIntentsRequest(submissions=[message(f"i{number}") for number in range(count)])
        submitted = await refusal(edge.stub.SubmitIntents(many))
        read = await refusal(edge.stub.BatchGetIntents(pb.BatchGetIntentsRequest(intent_ids=["a"] * count)))
        assert submitted.reason is read.reason is Reason.BATCH_SIZE
        assert (submitted.violations[0].field, read.violations[0].field) == ("submissions", "intent_ids")


async def test_p10_unknown_enums_and_odd_numbers_are_named(edge: Running) -> None:
    unknown = pb.ListIntentsRequest()
    unknown.status = 99  # type: ignore[assignment]
    cases: list[tuple[str, Any, str]] = [
        ("ListIntents", unknown, "status"),
        ("ListIntents", pb.ListIntentsRequest(page_size=201), "page_size"),
        ("ListIntents", pb.ListIntentsRequest(action="a\nb"), "action"),
        ("ListIntents", pb.ListIntentsRequest(user_account="x" * 500), "user_account"),
        ("ListIntents", pb.ListIntentsRequest(token="a\0b"), "token"),
        ("ListIntents", pb.ListIntentsRequest(solver_id="x" * 129), "solver_id"),
        ("ListIntents", pb.ListIntentsRequest(transaction_hash="é"), "transaction_hash"),
        ("ListIntents", pb.ListIntentsRequest(created_since={"seconds": 1 << 60}), "created_since"),
        ("ListIntents", pb.ListIntentsRequest(created_until={"nanos": -1}), "created_until"),
        ("GetIntentStatus", pb.GetIntentStatusRequest(intent_id="a", max_age={"seconds": -1}), "max_age"),
        ("CancelIntent", pb.CancelIntentRequest(intent_id="a", request_id="a b"), "request_id"),
        ("SubmitIntent", pb.SubmitIntentRequest(submission=message(request_id="{}")), "request_id"),
    ]
    for method, request, field in cases:
        error = await refusal(getattr(edge.stub, method)(request))
        assert error.reason is Reason.INVALID_FIELD and error.violations[0].field == field
    for query in ("status=done", "pageSize=-1", "pageSize=1e3", "pageSize=9999", "nope=1", "user=a&user=b"):
        async with edge.http.get(f"/api/intents?{query}") as response:
            answer = await response.json(content_type=None)
            assert (response.status, answer["reason"]) == (400, "INVALID_FIELD") and answer["details"][0][
                "field"
            ]
    async with edge.http.get("/api/intents?pageToken=zzz") as response:
        assert (await response.json(content_type=None))["reason"] == "PAGE_TOKEN_INVALID"


async def test_p10_what_is_too_large_for_a_submission_is_refused_over_grpc(edge: Running) -> None:
    large = message()
    large.signed_data.text = "x" * 70_000
    single = await refusal(edge.stub.SubmitIntent(pb.SubmitIntentRequest(submission=large)))
    assert single.reason is Reason.PAYLOAD_TOO_LARGE
    huge = pb.SubmitIntentsRequest(submissions=[large] * 30)
    assert (await refusal(edge.stub.SubmitIntents(huge))).reason is Reason.PAYLOAD_TOO_LARGE


JUNK = [
    b"\x16\x03\x01\x02\x00garbage\r\n\r\n",
    b"\0" * 500 + b"\r\n\r\n",
    b"GET /\xff HTTP/9.9\r\n\r\n",
    b"POST /api/intents HTTP/1.1\r\nHost: a\r\nContent-Length: -5\r\n\r\n",
    b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
]


@pytest.mark.parametrize("junk", JUNK)
async def test_p10_bytes_that_are_no_http_get_a_typed_problem(edge: Running, junk: bytes) -> None:
    host, _, port = edge.url.removeprefix("http://").partition(":")
    reader, writer = await asyncio.open_connection(host, int(port))
    writer.write(junk)
    await writer.drain()
    answer = await asyncio.wait_for(reader.read(), 5)
    writer.close()
    head, _, rest = answer.partition(b"\r\n\r\n")
    assert b" 400 " in head.splitlines()[0] and b"application/problem+json" in head
    assert json.loads(rest)["reason"] == "MALFORMED_REQUEST" and b"Traceback" not in answer


async def test_p10_an_empty_submission_names_every_missing_field(edge: Running) -> None:
    expected = [f"Missing required field: {name}" for name in body() if name != "x"]
    error = await refusal(edge.stub.SubmitIntent(pb.SubmitIntentRequest()))
    async with edge.http.post("/api/intents", json={}) as response:
        problem = await response.json(content_type=None)
    assert [one.message for one in error.violations] == problem["errors"] == expected


async def test_p10_what_is_wrong_with_a_parameter_names_the_parameter(edge: Running) -> None:
    for path, name in (
        ("/api/intents?user=%00", "user"),
        ("/api/intents?pageSize=201", "pageSize"),
        (f"/api/intents?token={'x' * 200}", "token"),
        ("/api/intents?solver=%0A", "solver"),
        (f"/api/intents?hash={'x' * 200}", "hash"),
        ("/api/intents?since=yesterday", "since"),
        ("/api/intents?until=2026-11-26T00:00:00", "until"),
        (f"/api/intents?pageToken={'x' * 3_000}", "pageToken"),
        ("/api/statistics?user=%FF", "user"),
    ):
        async with edge.http.get(yarl.URL(edge.url + path, encoded=True)) as response:
            answer = await response.json(content_type=None)
        assert (response.status, answer["details"][0]["field"]) == (400, name)
        assert answer["detail"].startswith(f"{name} must be")
    for wrong in (0, False, [], {}):
        async with edge.http.post("/api/intents/abc/cancel", json={"request_id": wrong}) as response:
            answer = await response.json(content_type=None)
        assert (response.status, answer["details"][0]["field"]) == (400, "request_id")


async def test_p10_headers_that_cannot_be_met_are_typed_or_passed_over(edge: Running) -> None:
    async with edge.http.get("/api/info", headers={"Expect": "miracles"}) as response:
        assert response.status == 200
    async with edge.http.post("/api/intents", json={}, expect100=True) as response:
        assert (await response.json(content_type=None))["reason"] == "MISSING_FIELD"
    for coding in ("br", "zstd", "miracles", "gzip, gzip"):
        async with edge.http.post(
            "/api/intents", data=b"{}", headers=JSON | {"Content-Encoding": coding}
        ) as response:
            answer = await response.json(content_type=None)
        assert response.status in (400, 415)
        assert answer["reason"] in ("UNSUPPORTED_MEDIA_TYPE", "MALFORMED_REQUEST")


FRAMES: list[list[str]] = [
    ["junk"],
    ["40junk"],
    ["40", "42{"],
    ["40", "42[]"],
    ["40", "42[5]"],
    ["40", '451-["x",{"_placeholder":true,"num":0}]', "junk"],
    ["40", '45999-["x"]'],
    ["40", '42["subscribe-intent",' + "[" * 5_000 + "]" * 5_000 + "]"],
    ["40", '42["subscribe-intent"]', '42["unsubscribe-intent",[1]]', '42["nope",1]'],
    ["x" * 200_000],
]


async def test_p10_frames_that_are_no_socket_io_leave_no_trace(
    edge: Running, capfd: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture
) -> None:
    url = f"{edge.url}/socket.io/?EIO=4&transport=websocket"
    for frames in FRAMES:
        async with edge.http.ws_connect(url) as socket:
            await socket.receive(5)
            for frame in frames:
                await socket.send_str(frame)
    async with edge.http.ws_connect(url) as socket:
        await socket.receive(5)
        await socket.send_str("40")
        await socket.receive(5)
        await socket.send_str('421["subscribe-intent",{"a":1}]')
        answers = [await socket.receive_str(timeout=5) for _ in range(2)]
    assert all("INVALID_ID" in answer and "intentId" in answer for answer in answers)
    assert "Traceback" not in capfd.readouterr().err
    assert not [record for record in caplog.records if record.exc_info]


@pytest.mark.parametrize("head", [b"", b"GET /api/in", b"GET /api/info HTTP/1.1\r\nHost: a\r\nX"])
async def test_p10_who_never_ends_a_head_is_sent_away(
    edge: Running, monkeypatch: pytest.MonkeyPatch, head: bytes
) -> None:
    monkeypatch.setattr(server, "HEAD_WAIT", 0.05)
    host, _, port = edge.url.removeprefix("http://").partition(":")
    reader, writer = await asyncio.open_connection(host, int(port))
    whole = b"GET /api/info HTTP/1.1\r\nHost: a\r\n\r\n"
    if head:
        # one whole request first: a connection is not trusted for what it once did
        writer.write(whole)
        assert b" 200 " in await reader.readline()
    writer.write(head)
    async with asyncio.timeout(5):
        while await reader.read(4_096):
            pass
    writer.close()


async def test_a_connection_that_is_used_stays(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(server, "HEAD_WAIT", 0.05)
    async with running(heartbeat_ms=100) as edge, edge.http.get("/api/intents/abc/events") as events:
        async with asyncio.timeout(5):
            for _ in range(3):
                await events.content.readuntil(b": heartbeat\n\n")
        assert not events.content.at_eof()
