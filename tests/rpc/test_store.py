"""The store as a server: real sockets, bad input, health, drain, metrics, and its command line."""

import asyncio
import os
import sys
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import aiohttp
import grpc
import pytest
from google.protobuf.timestamp_pb2 import Timestamp
from grpc_health.v1 import health_pb2, health_pb2_grpc

from intents.store.v1 import store_service_pb2 as pb
from intents.store.v1.store_service_pb2_grpc import StoreServiceStub
from services.common.domain.intent import PlainIntent
from services.common.domain.statistics import StatisticsQuery
from services.common.errors import IntentError, Reason
from services.common.observe import trace
from services.common.rpc.channel import open_channel
from services.common.rpc.errors import from_rpc_error
from services.store.app import SERVICE
from tests.harness.wait import eventually
from tests.unit.store.support import Bench, completed, created, failure, new, record, served, sqlite_url


@pytest.fixture
async def bench(tmp_path: Path) -> AsyncIterator[Bench]:
    async with served(sqlite_url(tmp_path), metrics_refresh_ms=100) as made:
        yield made


async def refusal(call: Any) -> IntentError:
    with pytest.raises(grpc.aio.AioRpcError) as error:
        await call
    return from_rpc_error(error.value)


async def test_bad_input_is_answered_with_field_and_reason(bench: Bench) -> None:
    async with open_channel(bench.app.rpc.address, settings=bench.settings) as channel:
        stub = StoreServiceStub(channel)
        far = Timestamp(seconds=2**62)
        submission = {"intent": {"id": "i", "deadline": far}}
        beyond = {"submission": {"intent": {"id": "i"}}, "expires_at": far}
        lease = {"intent_id": "i", "fence": 1, "next_action_at": far}
        cases = [
            (stub.CreateIntents(pb.CreateIntentsRequest()), Reason.BATCH_SIZE),
            (
                stub.CreateIntents(pb.CreateIntentsRequest(intents=[{"submission": submission}])),
                Reason.INVALID_FIELD,
            ),
            (stub.CreateIntents(pb.CreateIntentsRequest(intents=[beyond])), Reason.INVALID_FIELD),
            (stub.ReleaseIntents(pb.ReleaseIntentsRequest(leases=[lease])), Reason.INVALID_FIELD),
            (stub.GetIntents(pb.GetIntentsRequest()), Reason.BATCH_SIZE),
            (stub.ListIntents(pb.ListIntentsRequest(page_size=0)), Reason.BATCH_SIZE),
            (stub.ListIntents(pb.ListIntentsRequest(page_size=1, page_token="?")), Reason.PAGE_TOKEN_INVALID),
            (stub.ListIntents(pb.ListIntentsRequest(page_size=1, status=99)), Reason.INVALID_FIELD),  # type: ignore[arg-type]
            (stub.TransitionIntents(pb.TransitionIntentsRequest(transitions=[{}])), Reason.INVALID_FIELD),
            (stub.ClaimIntents(pb.ClaimIntentsRequest(limit=1, lease_ms=1)), Reason.INVALID_FIELD),
            (stub.ListEvents(pb.ListEventsRequest(cursor="zz")), Reason.CURSOR_INVALID),
            (stub.ListEvents(pb.ListEventsRequest(limit=1001)), Reason.BATCH_SIZE),
            (stub.ListOverdue(pb.ListOverdueRequest(page_size=201)), Reason.BATCH_SIZE),
            (
                stub.ListOverdue(pb.ListOverdueRequest(page_size=1, page_token="?")),
                Reason.PAGE_TOKEN_INVALID,
            ),
            (stub.HandOverIntents(pb.HandOverIntentsRequest(leases=[{}], lease_ms=1)), Reason.INVALID_FIELD),
        ]
        for call, reason in cases:
            error = await refusal(call)
            assert error.reason is reason, error
            assert "Traceback" not in error.message
    assert (await bench.store.statistics(StatisticsQuery())).total == 0


async def test_nothing_odd_is_stored(bench: Bench) -> None:
    odd = [
        new("", signed=False), new("x" * 129), new("a b"), new("a\n"), new("{a}"), new("ok", request_id="\0"),
        new("ok", principal=""), new("ok", principal="p" * 300),
    ]  # fmt: skip
    outcomes = await bench.store.create(odd)
    reasons = [one.reason for one in outcomes]
    assert reasons == [Reason.INVALID_ID] * 5 + [Reason.INVALID_FIELD] * 3
    assert (await bench.store.statistics(StatisticsQuery())).total == 0


async def test_health_and_drain(bench: Bench) -> None:
    async with grpc.aio.insecure_channel(bench.app.rpc.address) as channel:
        health = health_pb2_grpc.HealthStub(channel)
        answer = await health.Check(health_pb2.HealthCheckRequest(service=SERVICE))
        assert answer.status == health_pb2.HealthCheckResponse.SERVING
        pages = bench.store.watch_events()
        await anext(pages)
        waiting = asyncio.ensure_future(anext(pages))
        await asyncio.sleep(0)
        await bench.app.drain()
        with pytest.raises(IntentError) as error:
            await waiting
        assert error.value.reason is Reason.DRAINING


async def test_the_seeds_metrics_are_fed_from_the_store(bench: Bench) -> None:
    await completed(bench.store, "i-1")
    await created(bench.store, "i-2", action="exotic")
    await bench.store.transition([failure(await record(bench.store, "i-2"))])

    async def shown() -> str | None:
        async with (
            aiohttp.ClientSession() as session,
            session.get(f"http://{bench.app.admin.address}/metrics") as got,
        ):
            text = await got.text()
        # counted at intervals: a count taken between the two moves is not the last word
        counted = all(f'intents_by_status{{status="{one}"}} 1.0' in text for one in ("completed", "failed"))
        return text if counted else None

    text = await eventually(shown)
    assert text is not None
    for line in (
        "# HELP intents_by_status Number of intents by status",
        "store_rollups_behind_events 0.0",
        'intents_by_status{status="failed"} 1.0',
        'intents_by_status{status="pending"} 0.0',
        'intents_overdue{cause="past_deadline"} 0.0',
        'intents_overdue_oldest_seconds{cause="held"} 0.0',
        "# HELP intent_processing_time_seconds Time taken to process intents",
        'intent_processing_time_seconds_bucket{action="swap",le="60.0"} 1.0',
        'intent_processing_time_seconds_count{action="other"} 1.0',
        "# HELP intent_gas_used Gas used for intent execution",
        'intent_gas_used_bucket{action="swap",le="5e+12"} 0.0',
        'intent_gas_used_bucket{action="swap",le="1e+13"} 1.0',
        'intent_gas_used_bucket{action="swap",le="1e+15"} 1.0',
        "# HELP solver_success_rate Success rate of each solver",
        'solver_success_rate{solver_id="solver.near"} 1.0',
        "# HELP solver_execution_time_seconds Average execution time per solver",
        'solver_execution_time_seconds{solver_id="solver.near"} 0.0',
    ):
        assert line in text, line
    buckets = [
        line
        for line in text.splitlines()
        if line.startswith('intent_processing_time_seconds_bucket{action="swap"')
    ]
    assert [line.split('le="')[1].split('"')[0] for line in buckets] == [
        "0.1", "0.5", "1.0", "5.0", "10.0", "30.0", "60.0", "+Inf",
    ]  # fmt: skip


async def test_a_thousand_go_in_one_batch(bench: Bench) -> None:
    batch = [new(f"i-{number}") for number in range(1000)]
    outcomes = await bench.store.create(batch)
    assert len(outcomes) == 1000
    found = await bench.store.get([f"i-{number}" for number in range(1000)])
    assert all(isinstance(one.intent, PlainIntent) for one in found)
    with pytest.raises(IntentError) as error:
        await bench.store.create([*batch, new("one-more")])
    assert error.value.reason is Reason.BATCH_SIZE


async def test_records_and_events_carry_the_submissions_trace(bench: Bench) -> None:
    with trace.span("test"):
        traceparent = trace.current_traceparent()
        made = await created(bench.store, traceparent=traceparent)
    assert made.traceparent == traceparent
    (event,) = (await bench.store.list_events()).events
    assert event.traceparent == traceparent


async def run(*arguments: str, **env: str) -> tuple[int, str, str]:
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "services.store", *arguments,
        stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path), "LOG_FORMAT": "json"} | env,
    )  # fmt: skip
    out, err = await process.communicate()
    assert process.returncode is not None
    return process.returncode, out.decode(), err.decode()


async def test_migrate_prepares_and_the_partitions_stay(tmp_path: Path) -> None:
    url = sqlite_url(tmp_path)
    code, said, _ = await run("migrate", DATABASE_URL=url, PARTITIONS="4")
    assert code == 0
    assert "4 partitions" in said
    other, start, bad = await asyncio.gather(
        run("migrate", DATABASE_URL=url, PARTITIONS="8"),
        run(DATABASE_URL=url, PARTITIONS="8", PORT="0", ADMIN_PORT="0"),
        run(DATABASE_URL="mysql://x"),
    )
    complaint = "PARTITIONS: this store was made with 4 partitions, not 8\n"
    assert other == (2, "", f"store migrate: {complaint}")
    assert start == (2, "", f"store: {complaint}")
    assert bad[0] == 2
    assert len(bad[2].splitlines()) == 1
