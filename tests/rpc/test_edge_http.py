"""The edge over HTTP: routes, answers, problems, the document that describes them."""

import asyncio
import json
from typing import Any

import aiohttp
import pytest

from services.common.clock import SystemClock
from services.common.domain.intent import ErrorDetails
from services.common.domain.lifecycle import Status
from services.common.errors import Reason
from services.edge.http.routes import TABLE
from tests.harness.standards import StandardWallet
from tests.harness.wait import eventually
from tests.unit.edge.fakes import World, explains, refuses
from tests.unit.edge.support import Running, body, running


@pytest.fixture
def world() -> World:
    return World(SystemClock())


async def read(response: aiohttp.ClientResponse) -> tuple[int, dict[str, Any]]:
    return response.status, json.loads(await response.read())


async def get(edge: Running, path: str, **more: Any) -> tuple[int, dict[str, Any]]:
    async with edge.http.get(path, **more) as response:
        return await read(response)


async def post(edge: Running, path: str, json_body: Any = None, **more: Any) -> tuple[int, dict[str, Any]]:
    if json_body is not None:
        more["json"] = json_body
    async with edge.http.post(path, **more) as response:
        return await read(response)


async def test_submit_answers_202_with_location_and_a_repeat_the_same(world: World) -> None:
    async with running(world) as edge:
        async with edge.http.post(
            "/api/intents", json=body("a:b@c"), headers={"X-Request-Id": "mine"}
        ) as response:
            first = await response.read()
            assert (response.status, response.headers["Location"]) == (202, "/api/intents/a%3Ab%40c")
            assert response.headers["X-Request-Id"] == "mine"
            location = response.headers["Location"]
        await world.store.run_through("a:b@c")
        async with edge.http.post("/api/intents", json=body("a:b@c")) as response:
            assert (response.status, await response.read()) == (202, first)
        answer = json.loads(first)
        assert answer == {
            "intentId": "a:b@c",
            "status": "pending",
            "version": 1,
            "createdAt": answer["createdAt"],
        }
        async with edge.http.get(edge.url + "/api/intents/a%3Ab%40c") as response:
            assert response.status == 200 and location
            record = await response.json()
    assert (record["intentId"], record["userId"], record["input_token"]) == ("a:b@c", "alice.near", "USDC")
    assert record["status"] == "completed" and record["createdAt"] == answer["createdAt"]


async def test_a_record_has_the_seeds_names(world: World) -> None:
    async with running(world) as edge:
        await post(
            edge,
            "/api/intents",
            body(min_output_amount="95", max_slippage=0.5, deadline="2100-01-01T00:00:00Z"),
        )
        await world.store.move("abc", Status.FAILED, error=ErrorDetails(reason="EXPIRED", message="too late"))
        _, record = await get(edge, "/api/intents/abc")
    assert {
        key: record[key] for key in ("min_output_amount", "max_slippage", "deadline", "errorDetails")
    } == {
        "min_output_amount": "95",
        "max_slippage": 0.5,
        "deadline": "2100-01-01T00:00:00Z",
        "errorDetails": {"reason": "EXPIRED", "message": "too late", "evidence": ""},
    }


async def test_refusals_are_problems_with_errors_and_details(world: World) -> None:
    async with running(world) as edge:
        world.validator.verdict = refuses(Reason.INVALID_SIGNATURE)
        status, problem = await post(edge, "/api/intents", body())
        _, verdict = await post(edge, "/api/intents/validate", body())
        _, shape = await post(edge, "/api/intents/validate", body(input_amount=5))
        world.validator.verdict = None
        _, valid = await post(edge, "/api/intents/validate", body())
    assert status == 400 and problem["reason"] == "INVALID_SIGNATURE"
    details = [{"field": "signed_data", "reason": "INVALID_SIGNATURE", "message": "signed_data is wrong"}]
    assert problem["errors"] == ["signed_data is wrong"] and problem["details"] == details
    assert verdict == {"valid": False, "errors": ["signed_data is wrong"], "details": details}
    assert shape["valid"] is False and shape["details"][0]["field"] == "input_amount"
    assert valid == {"valid": True}
    assert not world.store.records


async def test_a_signed_message_on_its_own_is_judged_and_not_taken(world: World) -> None:
    data = StandardWallet("erc191", "http").sign_text("{}")
    async with running(world) as edge:
        _, verdict = await post(edge, "/api/intents/validate", {"signed_data": data})
        status, problem = await post(edge, "/api/intents", {"signed_data": data, "request_id": "r"})
        # any field of an intent, also one without a value, makes it an intent with a signature
        world.validator.verdict = refuses(Reason.MISSING_FIELD, "id")
        named, plain = await post(edge, "/api/intents", {"signed_data": data, "id": None})
    assert verdict == {"valid": True}
    assert (status, problem["reason"]) == (501, "NOT_IMPLEMENTED")
    assert (named, plain["reason"]) == (400, "MISSING_FIELD")
    assert not world.store.records


async def test_lists_statuses_counts_and_cancels(world: World) -> None:
    async with running(world) as edge:
        for number in range(3):
            await post(edge, "/api/intents", body(f"i{number}"))
        _, page = await get(edge, "/api/intents?pageSize=2&status=pending&action=swap&user=alice.near")
        _, rest = await get(edge, f"/api/intents?pageToken={page['nextPageToken']}")
        _, status = await get(edge, "/api/intents/i0/status?minVersion=1&maxAgeMs=1000")
        stale, why = await get(edge, "/api/intents/i0/status?minVersion=7")
        _, cancelled = await post(edge, "/api/intents/i0/cancel")
        _, again = await post(edge, "/api/intents/i0/cancel", {"request_id": "x"})
        _, counts = await get(edge, "/api/statistics")
        _, info = await get(edge, "/api/info")
    assert [one["intentId"] for one in page["intents"]] == ["i2", "i1"]
    assert [one["intentId"] for one in rest["intents"]] == ["i0"] and rest["nextPageToken"] == ""
    assert (status["status"], status["version"]) == ("pending", 1)
    assert (stale, why["reason"]) == (409, "STALE_VERSION")
    assert cancelled == again and cancelled["errorDetails"]["reason"] == "CANCELLED"
    assert counts["statuses"] == {"pending": 2, "verified": 0, "executing": 0, "completed": 0, "failed": 1}
    assert info["network"] == "localnet" and info["limits"]["maxBatch"] == 100
    assert (info["unknownTokens"], info["registry"]) == (["nep141"], "0123456789ab")
    bounds = {"minAmount": "1", "maxAmount": str(2**128 - 1), "pairs": ["NEAR"], "paused": True}
    assert info["tokens"] == [
        {"id": "USDC", "symbol": "USDC", "decimals": 6, **bounds},
        {"id": "NEAR", "symbol": "NEAR", "decimals": 24},
    ]


async def test_routes_methods_and_health(world: World) -> None:
    async with running(world) as edge:
        unknown = await get(edge, "/api/nothing")
        async with edge.http.delete("/api/intents") as response:
            allow, method = response.headers["Allow"], await read(response)
        async with edge.http.get("/healthz") as health, edge.http.get("/readyz") as ready:
            assert (health.status, ready.status) == (200, 200)
        async with edge.http.get("/metrics") as metrics:
            text = await metrics.text()
        await edge.app.rpc.drain()  # type: ignore[union-attr]
        async with edge.http.get("/readyz") as ready:
            assert ready.status == 503
    assert (unknown[0], unknown[1]["reason"]) == (404, "NOT_FOUND_ROUTE")
    assert (method[0], method[1]["reason"], allow) == (405, "METHOD_NOT_ALLOWED", "GET, HEAD, POST")
    assert 'http_server_requests_total{method="GET",route="unknown",status="404"} 1.0' in text


async def test_an_unexpected_failure_shows_nothing_of_itself(world: World) -> None:
    def explode(_: Any) -> Any:
        raise RuntimeError("secret at /srv/somewhere")

    world.validator.verdict = explode
    async with running(world) as edge:
        status, problem = await post(edge, "/api/intents", body())
        alive, _ = await get(edge, "/api/info")
    assert (status, problem["reason"], alive) == (500, "INTERNAL", 200)
    assert "secret" not in json.dumps(problem) and "Traceback" not in json.dumps(problem)


async def test_validating_explains_and_goes_on_if_asked(world: World) -> None:
    world.validator.verdict = explains
    path = "/api/intents/validate"
    async with running(world) as edge:
        _, verdict = await post(edge, f"{path}?full=true&explain=true", body())
        await post(edge, f"{path}?full=false", body())
        for name, query in (("full", "full=1"), ("explain", "explain="), ("fully", "fully=true")):
            status, problem = await post(edge, f"{path}?{query}", body())
            assert (status, problem["reason"], problem["details"][0]["field"]) == (400, "INVALID_FIELD", name)
    assert world.validator.asked == [(True, True), (False, False)]
    violation = {"field": "network", "reason": "WRONG_NETWORK", "message": "not ours"}
    assert verdict["details"] == [violation]
    assert verdict["explanation"]["rules"][0] == {
        "rule": "network",
        "stage": "security",
        "kind": "protocol",
        "status": "failed",
        "seen": "'mainnet'",
        "asks": "The message was signed for our network.",
        "mend": "Sign again.",
        "violations": [violation],
    }
    assert verdict["explanation"]["signed"] == {
        "text": "{}\x1b",
        "textBytes": 9000,
        "hex": "0102",
        "bytes": 2,
    }


async def test_the_document_matches_the_routes_and_their_answers(world: World) -> None:
    async with running(world) as edge:
        _, document = await get(edge, "/openapi.json")
        served = {(path, method.lower()) for method, path, _ in TABLE}
        served |= {(path, "get") for path in ("/metrics", "/healthz", "/readyz")}
        described = {(path, method) for path, item in document["paths"].items() for method in item}
        assert served == described
        await post(edge, "/api/intents", body())
        answers = {
            "Page": (await get(edge, "/api/intents"))[1],
            "Intent": (await get(edge, "/api/intents/abc"))[1],
            "IntentStatus": (await get(edge, "/api/intents/abc/status"))[1],
            "Statistics": (await get(edge, "/api/statistics"))[1],
            "PeriodStatistics": (await get(edge, "/api/statistics?period=day"))[1]["periods"][0],
            "SolverStatistics": (await get(edge, "/api/statistics"))[1]["solvers"][0],
            "Info": (await get(edge, "/api/info"))[1],
            "Receipt": (await post(edge, "/api/intents", body()))[1],
            "Problem": (await get(edge, "/api/intents/none"))[1],
            "Verdict": (await post(edge, "/api/intents/validate", body()))[1],
        }
        world.validator.verdict = explains
        _, answers["Verdict"] = await post(edge, "/api/intents/validate?explain=true", body())
        answers["Explanation"] = answers["Verdict"]["explanation"]
        answers["RuleOutcome"] = answers["Explanation"]["rules"][0]
        answers["SignedContent"] = answers["Explanation"]["signed"]
    for name, answer in answers.items():
        schema = document["components"]["schemas"][name]
        assert set(schema["required"]) <= answer.keys() <= schema["properties"].keys(), name


async def test_statistics_of_a_time(world: World) -> None:
    async with running(world) as edge:
        asked = "/api/statistics?period=hour&since=2026-11-23T12:00:00Z&until=2026-11-24T00:00:00%2B01:00"
        _, found = await get(edge, asked)
        bad = {
            name: (await get(edge, f"/api/statistics?{name}={value}"))[1]
            for name, value in (("period", "week"), ("since", "yesterday"), ("until", "1"), ("user", "a%0A"))
        }
    assert found["totals"] == found["periods"][0]
    assert found["totals"] | {"solvers": []} == {
        "start": "2026-11-23T12:00:00.000Z",
        "end": "2026-11-23T23:00:00.000Z",
        "created": 0,
        "completed": 3,
        "failed": 1,
        "completionRate": 0.75,
        "volumes": [{"token": "USDC", "intents": 3, "amount": str(2**70)}, {"token": "other", "intents": 1}],
        "times": {"completed": {"count": 3, "p50": 1.5, "p90": 2.0, "p99": 2.5}},
        "gasUsed": "7",
        "totalCost": str(10**24),
        "failures": [{"reason": "EXPIRED", "count": 1}],
        "solvers": [],
    }
    for name, problem in bad.items():
        assert (problem["reason"], problem["details"][0]["field"]) == ("INVALID_FIELD", name)


async def sse(edge: Running, path: str, count: int, **headers: str) -> list[tuple[str, dict[str, Any]]]:
    """(cursor, data) of the first `count` events."""
    found: list[tuple[str, dict[str, Any]]] = []
    async with asyncio.timeout(10), edge.http.get(path, headers=headers) as response:
        assert response.content_type == "text/event-stream"
        cursor = ""
        async for line in response.content:
            if line.startswith(b"id: "):
                cursor = line[4:].strip().decode()
            elif line.startswith(b"data: "):
                found.append((cursor, json.loads(line[6:])))
            if len(found) == count:
                break
    return found


async def test_p05_events_come_once_in_order_and_resume_by_last_event_id(world: World) -> None:
    async with running(world) as edge:
        watching = asyncio.create_task(sse(edge, "/api/intents/abc/events", 4))
        await eventually(lambda: any("abc" in one.intent_ids for one in world.notifier.subscribed()))
        await post(edge, "/api/intents", body())
        await world.store.run_through("abc")
        live = await watching
        resumed = await sse(edge, "/api/intents/abc/events", 2, **{"Last-Event-ID": live[1][0]})
        ((_, latest),) = await sse(edge, "/api/intents/abc/events", 1)
        wrong, problem = await get(edge, "/api/intents/abc/events", headers={"Last-Event-ID": "nonsense"})
    assert [(data["status"], data["version"]) for _, data in live] == [
        ("pending", 1),
        ("verified", 2),
        ("executing", 3),
        ("completed", 4),
    ]
    assert [data["version"] for _, data in resumed] == [3, 4]
    assert latest["status"] == "completed" and latest["versions"] == [1, 2, 3, 4]
    assert isinstance(latest["timestamp"], int) and latest["details"]["version"] == 4
    assert (wrong, problem["reason"]) == (400, "CURSOR_INVALID")


async def test_a_drain_ends_event_streams_with_a_problem(world: World) -> None:
    async with running(world) as edge, edge.http.get("/api/intents/abc/events") as response:
        assert (await response.content.readuntil(b"heartbeat\n\n")).endswith(b": heartbeat\n\n")
        draining = asyncio.create_task(edge.app.drain())
        rest = await response.content.read()
        await draining
    assert b"event: problem" in rest and b"DRAINING" in rest


async def test_origins_are_named_by_setting_only(world: World) -> None:
    async with running(world, cors_origins=("https://app.example",)) as edge:
        async with edge.http.get("/api/info", headers={"Origin": "https://app.example"}) as allowed:
            assert allowed.headers["Access-Control-Allow-Origin"] == "https://app.example"
        async with edge.http.get("/api/info", headers={"Origin": "https://evil.example"}) as other:
            assert "Access-Control-Allow-Origin" not in other.headers
        preflight = {"Origin": "https://app.example", "Access-Control-Request-Method": "POST"}
        async with edge.http.options("/api/intents", headers=preflight) as response:
            assert response.status == 204 and "POST" in response.headers["Access-Control-Allow-Methods"]


async def test_p11_overload_is_shed_with_a_delay_while_health_answers(world: World) -> None:
    async with running(world, max_concurrent_rpcs=1) as edge:
        world.store.gate.clear()
        busy = asyncio.create_task(post(edge, "/api/intents", body()))
        await eventually(lambda: world.store.creates)
        async with edge.http.get("/api/info") as shed, edge.http.get("/healthz") as health:
            assert (shed.status, health.status) == (503, 200) and shed.headers["Retry-After"] == "1"
            assert (await shed.json(content_type=None))["reason"] == "OVERLOADED"
        world.store.gate.set()
        assert (await busy)[0] == 202
        assert (await get(edge, "/api/info"))[0] == 200


async def test_a_call_ends_with_its_deadline(world: World) -> None:
    async with running(world, default_deadline_ms=100) as edge:
        world.store.gate.clear()
        status, problem = await post(edge, "/api/intents", body())
        world.store.gate.set()
    assert (status, problem["reason"]) == (504, "DEADLINE_EXCEEDED")
