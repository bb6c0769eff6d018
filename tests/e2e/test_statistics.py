"""What happened to a user's intents, told alike over gRPC, HTTP and by the command line."""

import asyncio
import csv
import io
import json

import pytest

from intents_client import connect
from intents_client.shown import statistics_to_json
from services.cli.main import main
from tests.harness.shapes import Shape
from tests.harness.signing import Wallet, to_proto
from tests.harness.wait import eventually


async def test_statistics_and_history_of_a_user(shape: Shape, capsys: pytest.CaptureFixture[str]) -> None:
    wallet = Wallet()
    async with connect(shape.target) as client:
        done = wallet.sign_plain(wallet.fields(input_amount="100000700"))
        await client.submit(to_proto(done))
        assert (await client.wait(done["id"], timeout=20)).version == 4

        async def counted() -> bool:
            # a relay may be a moment behind the last move
            found = await client.statistics(user_account=wallet.account_id)
            return {one.count for one in found.statuses if one.status == 4} == {1}

        await eventually(counted, 20)
        over_grpc = statistics_to_json(await client.statistics(user_account=wallet.account_id, period="hour"))
    totals, (hour, *more) = over_grpc["totals"], over_grpc["periods"]
    assert (totals["created"], totals["completed"], totals["failed"]) == (1, 1, 0)
    assert totals["volumes"] == [{"token": done["input_token"], "intents": 1, "amount": "100000700"}]
    assert set(totals["times"]) == {"verified", "executing", "completed"}
    assert int(totals["gasUsed"]) > 0 and int(totals["totalCost"]) > 0
    assert hour["created"] == 1 and sum(one["completed"] for one in (hour, *more)) == 1
    asked = {"user": wallet.account_id, "period": "hour"}
    async with shape.session.get(f"{shape.http}/api/statistics", params=asked) as response:
        over_http = await response.json()
    asked["since"] = "2020-01-01T00:00:00Z"
    async with shape.session.get(f"{shape.http}/api/statistics", params=asked) as response:
        problem = await response.json(content_type=None)
    assert (response.status, problem["reason"], problem["details"][0]["field"]) == (
        400,
        "INVALID_FIELD",
        "since",
    )
    for one in (over_grpc, over_http):
        one["totals"].pop("end")
        one.pop("solvers"), one.pop("total")  # everybody's move on meanwhile
    assert over_http == over_grpc

    async def told(*argv: str) -> str:
        capsys.readouterr()
        assert await asyncio.to_thread(main, [*argv, "--target", shape.target]) == 0
        return capsys.readouterr().out

    lines = await told("stats", "--user", wallet.account_id, "--since", "1d", "--by", "day", "--csv")
    assert sum(int(row["completed"]) for row in csv.DictReader(io.StringIO(lines))) == 1
    assert "100000700" in await told("stats", "--user", wallet.account_id)
    (row,) = csv.DictReader(io.StringIO(await told("history", wallet.account_id, "--csv")))
    assert (row["id"], row["status"], row["input"]) == (
        done["id"],
        "completed",
        f"100000700 {done['input_token']}",
    )
    assert row["solver"] and ":success" in row["transactions"]
    (intent,) = json.loads(await told("history", wallet.account_id, "--json"))["intents"]
    assert intent["intentId"] == done["id"]
