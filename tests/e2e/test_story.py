"""One story in both shapes: submitted by gRPC, HTTP and the CLI, watched by everybody, told the same to all."""

import json
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio

from intents_client import (
    AlreadyExists,
    Client,
    FailedPrecondition,
    InvalidArgument,
    connect,
    intent_to_json,
)
from tests.harness import watchers
from tests.harness.shapes import Shape
from tests.harness.signing import Wallet, to_proto
from tests.harness.wait import eventually
from tests.harness.watchers import WAY, Seen, cli

TIME = 40.0
CANCELLED = [(1, "pending"), (2, "failed")]


@pytest_asyncio.fixture
async def client(shape: Shape) -> AsyncIterator[Client]:
    async with connect(shape.target, deadline=15) as opened:
        yield opened


async def everybody(stack: AsyncExitStack, shape: Shape, client: Client, ids: list[str]) -> list[Seen]:
    """A watcher of each kind on all of `ids`, each subscribed before this returns."""
    before = await shape.watchers("grpc")
    found = [await stack.enter_async_context(watchers.grpc_watch(client, ids))]
    found.append(await stack.enter_async_context(watchers.sse_watch(shape.session, lambda: shape.http, ids)))
    found.append(await stack.enter_async_context(watchers.socket_watch(shape.http, ids)))

    async def both_there() -> bool:
        return await shape.watchers("grpc") >= before + 2

    found.append(await stack.enter_async_context(watchers.cli_watch(shape.target, ids, both_there)))
    return found


async def post(shape: Shape, body: dict[str, Any], path: str = "") -> tuple[int, dict[str, Any]]:
    async with shape.session.post(f"{shape.http}/api/intents{path}", json=body) as response:
        return response.status, await response.json(content_type=None)


async def get(shape: Shape, path: str) -> dict[str, Any]:
    async with shape.session.get(f"{shape.http}/api/intents/{path}") as response:
        assert response.status == 200, await response.text()
        found: dict[str, Any] = await response.json()
        return found


@pytest.mark.timeout(120)
async def test_p05_the_same_versions_in_the_same_order_everywhere(
    shape: Shape, client: Client, tmp_path: Path
) -> None:
    if watchers.missing_node():
        pytest.skip(f"missing: {watchers.missing_node()}")
    wallet = Wallet()
    by_grpc, by_http, by_cli, cancelled = (wallet.sign_plain(wallet.fields()) for _ in range(4))
    bodies = [by_grpc, by_http, by_cli]
    ids = [body["id"] for body in bodies]
    async with AsyncExitStack() as stack:
        # nobody knows any of these ids yet
        seen = await everybody(stack, shape, client, [*ids, cancelled["id"]])

        receipt = await client.submit(to_proto(by_grpc))
        status, answer = await post(shape, by_http)
        file = tmp_path / "intent.json"
        file.write_text(json.dumps(by_cli))
        told = await cli("submit", str(file), target=shape.target)
        assert (receipt.intent_id, receipt.version, status) == (ids[0], 1, 202)
        assert [answer[name] for name in ("intentId", "status", "version")] == [ids[1], "pending", 1]
        assert [told[name] for name in ("intentId", "status", "version")] == [ids[2], "pending", 1]

        await eventually(lambda: all(one.ended(ids) for one in seen), TIME)

        # the chain answers slowly now: there is time to cancel before anything is signed
        await shape.devnet("devnet_faults", delay_ms=1200, delay_next=1_000)
        try:
            await client.submit(to_proto(cancelled))
            ended = intent_to_json(await client.cancel(cancelled["id"]))
        finally:
            await shape.devnet("devnet_faults", delay_ms=0, delay_next=0)
        assert (ended["status"], ended["version"]) == ("failed", 2)
        assert ended["errorDetails"]["reason"] == "CANCELLED"
        await eventually(lambda: all(one.ended([cancelled["id"]]) for one in seen), TIME)

        for one in seen:
            assert {name: one.told[name] for name in ids} == dict.fromkeys(ids, WAY), one.name
            assert one.told[cancelled["id"]] == CANCELLED, one.name
            assert one.faults == []
    await shape.agree([*ids, cancelled["id"]])

    for body in bodies:
        records = [
            intent_to_json(await client.get(body["id"])),
            await get(shape, body["id"]),
            await cli("get", body["id"], target=shape.target),
        ]
        assert records[0] == records[1] == records[2]
        assert records[0]["executionDetails"]["solverId"] == "solver.near"
        assert [tx["status"] for tx in records[0]["executionDetails"]["transactions"]] == ["success"] * 2
        assert int(records[0]["executionDetails"]["gasUsed"]) > 10**12


@pytest.mark.timeout(120)
async def test_p08_repeats_get_the_first_answer_whoever_asks(
    shape: Shape, client: Client, tmp_path: Path
) -> None:
    wallet = Wallet()
    request_id = f"request-{wallet.account_id[:12]}"
    body = wallet.sign_plain(wallet.fields(), request_id=request_id)
    status, first = await post(shape, body)
    assert status == 202
    await client.wait(body["id"], timeout=TIME)

    # by now its nonce is used: the verdict alone would refuse it
    file = tmp_path / "intent.json"
    file.write_text(json.dumps(body))
    receipt = await client.submit(to_proto(body))
    assert await post(shape, body) == (202, first)
    assert await cli("submit", str(file), target=shape.target) == first
    assert receipt.created_at.ToJsonString().rstrip("0Z") == first["createdAt"].rstrip("0Z")
    without = {name: value for name, value in body.items() if name != "request_id"}
    assert await post(shape, without) == (202, first)

    other = wallet.sign_plain(wallet.fields(id=body["id"], input_amount="5"))
    with pytest.raises(AlreadyExists) as refused:
        await client.submit(to_proto(other))
    assert refused.value.reason == "ID_TAKEN"
    reused = wallet.sign_plain(wallet.fields(), request_id=request_id)
    status, problem = await post(shape, reused)
    assert (status, problem["reason"]) == (409, "REQUEST_REUSED")
    assert (await get(shape, body["id"]))["version"] == 4
    await shape.agree([body["id"]])


@pytest.mark.timeout(120)
async def test_p10_a_refusal_is_the_same_everywhere_and_leaves_nothing(
    shape: Shape, client: Client, tmp_path: Path
) -> None:
    wallet, stranger = Wallet(), Wallet()
    short = {
        name: value for name, value in wallet.sign_plain().items() if name not in ("action", "output_token")
    }
    foreign = wallet.sign_plain()
    foreign["signed_data"] = stranger.sign_plain(wallet.fields(id=foreign["id"]))["signed_data"]
    altered = {**wallet.sign_plain(), "input_amount": "999"}
    for body, reasons in (
        (short, ["MISSING_FIELD", "MISSING_FIELD"]),
        (foreign, None),
        (altered, None),
    ):
        with pytest.raises(InvalidArgument) as by_grpc:
            await client.submit(to_proto(body))
        file = tmp_path / "intent.json"
        file.write_text(json.dumps(body))
        status, by_http = await post(shape, body)
        by_cli = (await cli("submit", str(file), target=shape.target, expect=1))["error"]
        told = [(one.field, one.reason, one.message) for one in by_grpc.value.violations]
        for answer in (by_http, by_cli):
            details = [(one["field"], one["reason"], one["message"]) for one in answer["details"]]
            assert details == told and answer["reason"] == by_grpc.value.reason
            assert answer["errors"] == [message for _, _, message in told]
        assert status == 400 and told
        if reasons is not None:
            assert [reason for _, reason, _ in told] == reasons
            assert by_http["errors"] == [
                "Missing required field: action",
                "Missing required field: output_token",
            ]
    truths = await shape.truths([short["id"], foreign["id"], altered["id"]])
    assert truths.records == {} and all(one.status is None for one in truths.chain.values())


@pytest.mark.timeout(120)
async def test_p04_what_is_signed_cannot_be_cancelled_and_goes_on(shape: Shape, client: Client) -> None:
    wallet = Wallet()
    body = wallet.sign_plain()
    await shape.devnet("devnet_faults", stall=1)
    try:
        await client.submit(to_proto(body))

        async def signed() -> bool:
            return bool((await shape.truths([body["id"]])).records[body["id"]].transactions)

        await eventually(signed, TIME)
        with pytest.raises(FailedPrecondition) as refused:
            await client.cancel(body["id"])
        assert refused.value.reason == "NOT_CANCELLABLE"
    finally:
        await shape.devnet("devnet_faults", stall=0)
    assert intent_to_json(await client.wait(body["id"], timeout=TIME))["status"] == "completed"
    await shape.agree([body["id"]])
