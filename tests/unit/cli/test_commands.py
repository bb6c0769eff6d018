"""Every command against a server whose answers tests own: what is shown, what is sent, how it ends."""

import asyncio
import json
import stat
from pathlib import Path
from typing import Any

import grpc
from google.rpc import error_details_pb2

from intents.v1 import intent_service_pb2 as pb
from intents.v1 import types_pb2 as types
from intents_client.shown import STATUSES
from services.common.clock import SystemClock
from services.common.convert.intents import submission_from_proto
from services.edge import convert
from services.validator.model import RuleBook
from services.validator.service import Validator
from tests.harness.signing import Wallet, to_domain
from tests.unit.cli.support import FIELDS, Terminal, answering
from tests.unit.client.support import Script, event, refuse
from tests.unit.edge.fakes import explains
from tests.unit.validator.support import FakeViews


def record(status: str = "completed", **changes: Any) -> types.Intent:
    made = types.Intent(
        intent_id="a",
        user_id="alice.near",
        intent=types.PlainIntent(
            id="a",
            action="swap",
            input_token="USDC",
            input_amount="100",
            output_token="NEAR",
            max_slippage_bps=50,
        ),
        status=STATUSES[status],
        version=4,
        **changes,
    )
    made.created_at.FromMilliseconds(1_764_000_000_123)
    return made


DONE = types.ExecutionDetails(
    solver_id="solver.near",
    transactions=[types.ChainTransaction(hash="Abc", chain="localnet", status="success")],
    gas_used="7",
    total_cost="8",
)


async def test_keygen_shows_no_secret_and_overwrites_nothing(terminal: Terminal, tmp_path: Path) -> None:
    path = tmp_path / "key.json"
    shown = await terminal.json("keygen", "--out", str(path))
    kept = json.loads(path.read_text())
    assert shown == {
        "account_id": kept["account_id"],
        "public_key": kept["public_key"],
        "file": str(path),
    }
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    code, out, err = await terminal.run("keygen", "--out", str(path))
    assert (code, out) == (2, "")
    assert err.count("\n") == 1 and "never overwritten" in err
    assert json.loads(path.read_text()) == kept


async def test_what_sign_prints_is_valid_and_can_be_submitted(terminal: Terminal, tmp_path: Path) -> None:
    key = str(tmp_path / "key.json")
    await terminal.run("keygen", "--out", key)
    script = answering(
        SubmitIntent=pb.SubmitIntentResponse(receipt=pb.Receipt(intent_id="a", status=1, version=1))
    )
    async with terminal.at(script):
        sign = ["sign", *FIELDS, "--max-slippage=0.5", "--key", key]
        code, signed, _ = await terminal.run(*sign)
        assert code == 0
        body = json.loads(signed)
        assert (body["max_slippage"], body["signed_data"]["payload"]["recipient"]) == (0.5, "verifier.near")
        shown = await terminal.json("submit", "-", "--request-id=r", stdin=signed)
    assert shown == {
        "intentId": "a",
        "status": "pending",
        "version": 1,
        "createdAt": "1970-01-01T00:00:00.000Z",
    }
    sent = script.calls[-1][1].submission
    assert (sent.request_id, sent.intent.max_slippage_bps) == ("r", 50)
    offline = ["--network=localnet", "--verifier=verifier.near", "--lifetime=1m"]
    terminal.target = "127.0.0.1:1"
    assert (await terminal.run(*sign, *offline))[0] == 0


async def test_submit_signs_when_a_key_is_named(terminal: Terminal, tmp_path: Path) -> None:
    key, intent = str(tmp_path / "key.json"), tmp_path / "intent.json"
    await terminal.run("keygen", "--out", key)
    intent.write_text(json.dumps(Wallet().fields(user_account=None, max_slippage=0.25)))
    script = answering(SubmitIntent=pb.SubmitIntentResponse(receipt=pb.Receipt(intent_id="a", status=1)))
    async with terminal.at(script):
        assert (await terminal.run("submit", str(intent), "--key", key, "--id=b"))[0] == 0
    sent = script.calls[-1][1].submission
    assert sent.intent.id == "b"
    checked = Validator(RuleBook(), FakeViews(), SystemClock())
    (verdict,) = await checked.validate([submission_from_proto(sent)])
    assert verdict.valid, verdict


async def test_submit_and_wait_shows_each_status_once_and_the_end(terminal: Terminal) -> None:
    async def life(request: Any, context: Any) -> Any:
        yield pb.WatchIntentsResponse(cursor="h", heartbeat=pb.Heartbeat())
        await accepted.wait()
        for version, status in enumerate(("pending", "verified", "executing", end), start=1):
            yield event("a", version, STATUSES[status])

    async def accept(request: Any, context: Any) -> pb.SubmitIntentResponse:
        accepted.set()
        return pb.SubmitIntentResponse(receipt=pb.Receipt(intent_id="a", status=1, version=1))

    async def ended(request: Any, context: Any) -> pb.GetIntentResponse:
        if end == "failed":
            details = types.ErrorDetails(reason="EXPIRED", message="too late")
            return pb.GetIntentResponse(intent=record("failed", error_details=details))
        return pb.GetIntentResponse(intent=record(execution_details=DONE))

    script = Script(WatchIntents=life, SubmitIntent=accept, GetIntent=ended)
    async with terminal.at(script):
        accepted, end = asyncio.Event(), "completed"
        code, out, err = await terminal.run("submit", *FIELDS, "--user-account=alice.near", "--wait")
        assert (code, err) == (0, "")
        words = [line.split()[2] for line in out.splitlines()[:4]]
        assert words == ["pending", "verified", "executing", "completed"]
        assert "solver.near" in out and "Abc" in out
        accepted, end = asyncio.Event(), "failed"
        code, out, err = await terminal.run("submit", *FIELDS, "--user-account=alice.near", "--wait")
        assert (code, err) == (1, "")
        assert out.splitlines()[-1] == "failed: too late (EXPIRED)"
        accepted, end = asyncio.Event(), "completed"
        done = await terminal.json("submit", *FIELDS, "--user-account=alice.near", "--wait")
        assert done["executionDetails"]["gasUsed"] == "7"


async def test_waiting_too_long_says_how_to_go_on(terminal: Terminal) -> None:
    async def silent(request: Any, context: Any) -> Any:
        yield event("a", 1)
        await asyncio.Event().wait()

    script = answering(
        SubmitIntent=pb.SubmitIntentResponse(receipt=pb.Receipt(intent_id="a", status=1, version=1))
    )
    script.handlers["WatchIntents"] = silent
    async with terminal.at(script):
        code, _, err = await terminal.run("submit", *FIELDS, "--wait", "--timeout=100ms")
    assert code == 3
    assert "intents watch a" in err


async def test_a_refusal_before_the_end_is_shown_not_waited_for(terminal: Terminal) -> None:
    async def refused(request: Any, context: Any) -> None:
        bad = error_details_pb2.BadRequest()
        bad.field_violations.add(
            field="input_amount", reason="INVALID_AMOUNT", description="input_amount must …"
        )
        await refuse(
            context, grpc.StatusCode.INVALID_ARGUMENT, "INVALID_AMOUNT", "The intent is not valid.", bad
        )

    async def silent(request: Any, context: Any) -> Any:
        await asyncio.Event().wait()
        yield event("a", 1)

    async with terminal.at(Script(SubmitIntent=refused, WatchIntents=silent)):
        code, out, err = await terminal.run("submit", *FIELDS, "--wait")
        assert (code, out) == (1, "")
        assert err.splitlines() == [
            "intents: The intent is not valid (INVALID_AMOUNT)",
            "  input_amount: input_amount must … (INVALID_AMOUNT)",
        ]
        code, out, err = await terminal.run("submit", *FIELDS, "--json")
    shown = json.loads(err)["error"]
    assert (code, out, shown["reason"]) == (1, "", "INVALID_AMOUNT")
    assert shown["details"][0]["field"] == "input_amount"


async def test_validate_lists_the_seeds_errors(terminal: Terminal) -> None:
    message = "Missing required field: user_account"
    details = [types.Violation(field="user_account", reason="MISSING_FIELD", message=message)]
    verdict = pb.ValidateIntentResponse(valid=False, errors=[message], details=details)
    async with terminal.at(answering(ValidateIntent=verdict)):
        code, out, _ = await terminal.run("validate", *FIELDS, "--json")
        assert code == 1
        assert json.loads(out) == {
            "valid": False,
            "errors": [message],
            "details": [{"field": "user_account", "reason": "MISSING_FIELD", "message": message}],
        }
        assert message in (await terminal.run("validate", *FIELDS))[1]
    async with terminal.at(answering(ValidateIntent=pb.ValidateIntentResponse(valid=True))):
        assert await terminal.run("validate", *FIELDS) == (0, "valid\n", "")
        assert await terminal.json("validate", *FIELDS) == {"valid": True}


async def test_validate_explains_every_rule_and_how_to_mend_what_failed(terminal: Terminal) -> None:
    script = answering(ValidateIntent=convert.verdict(explains(to_domain({}))))
    async with terminal.at(script):
        code, out, err = await terminal.run("validate", *FIELDS, "--explain", "--full")
        shown = json.loads((await terminal.run("validate", *FIELDS, "--explain", "--json"))[1])
    sent = [call[1] for call in script.calls if hasattr(call[1], "explain")]
    assert [(one.full, one.explain) for one in sent] == [(True, True), (False, True)]
    assert (code, err) == (1, "")
    lines = out.splitlines()
    assert lines[0].split() == ["RULE", "STAGE", "KIND", "OUTCOME", "SEEN"]
    assert lines[1].split() == ["network", "security", "protocol", "failed", "'mainnet'"]
    assert lines[2].split() == ["deadline-near", "security", "policy", "passed", "absent"]
    assert "  network: not ours (WRONG_NETWORK)" in lines and "  To mend it: Sign again." in lines
    assert "Bring it nearer" not in out
    assert "\x1b" not in out and "  {}\\x1b" in lines, "what a stranger signed does not steer the terminal"
    assert "Signed message, 9000 bytes, its beginning:" in lines and "  0102" in lines
    assert lines[-1] == "not valid"
    assert [one["rule"] for one in shown["explanation"]["rules"]] == ["network", "deadline-near"]


async def test_looking_at_intents(terminal: Terminal) -> None:
    intent = record(execution_details=DONE)
    status = pb.GetIntentStatusResponse(intent_id="a", status=2, version=2, level="redis", stale=True)
    status.age.FromMilliseconds(1500)
    counts = [pb.StatusCount(status=number, count=number) for number in STATUSES.values()]
    solver = pb.SolverStatistics(solver_id="solver.near", success_rate=0.5, avg_execution_time=2)
    script = answering(
        GetIntent=pb.GetIntentResponse(intent=intent),
        GetIntentStatus=status,
        ListIntents=pb.ListIntentsResponse(intents=[intent, intent]),
        CancelIntent=pb.CancelIntentResponse(intent=intent),
        GetStatistics=pb.GetStatisticsResponse(statuses=counts, total=15, solvers=[solver]),
    )
    async with terminal.at(script):
        shown = await terminal.json("get", "a")
        assert (shown["intentId"], shown["status"], shown["version"]) == ("a", "completed", 4)
        assert shown["executionDetails"]["transactions"] == [
            {"hash": "Abc", "chain": "localnet", "status": "success"}
        ]
        assert (shown["max_slippage"], shown["createdAt"]) == (0.5, "2025-11-24T16:00:00.123Z")
        assert await terminal.json("status", "a", "--min-version=2", "--allow-stale") == {
            "intentId": "a",
            "status": "verified",
            "version": 2,
            "level": "redis",
            "ageMs": 1500,
            "stale": True,
        }
        assert script.calls[-1][1].min_version == 2
        assert len((await terminal.json("list", "--limit=1", "--status=completed"))["intents"]) == 1
        assert script.calls[-1][1].status == STATUSES["completed"]
        await terminal.json(
            "list", "--token=USDC", "--solver=s", "--hash=h", "--since=2026-11-26T12:00:00Z", "--until=1m"
        )
        asked = script.calls[-1][1]
        assert (asked.token, asked.solver_id, asked.transaction_hash) == ("USDC", "s", "h")
        assert asked.created_since.ToJsonString() == "2026-11-26T12:00:00Z"
        assert asked.created_until.seconds > asked.created_since.seconds
        assert (await terminal.json("cancel", "a", "--request-id=r"))["intentId"] == "a"
        assert script.calls[-1][1].request_id == "r"
        stats = await terminal.json("stats")
        assert (list(stats["statuses"]), stats["total"]) == (list(STATUSES), 15)
        assert stats["solvers"] == [
            {"solverId": "solver.near", "successRate": 0.5, "avgExecutionTime": 2.0, "executions": 0}
        ]
        info = await terminal.json("info")
        assert (info["verifyingContract"], info["registry"]) == ("verifier.near", "abc")
        bounds = {"minAmount": "5", "pairs": ["NEAR"], "paused": True}
        assert info["tokens"] == [{"id": "USDC", "symbol": "USDC", "decimals": 6, **bounds}]
        for argv in (["get", "a"], ["status", "a"], ["list"], ["cancel", "a"], ["stats"], ["info"]):
            code, out, err = await terminal.run(*argv)
            assert (code, err) == (0, ""), argv
            assert out.strip(), argv


async def test_watching_until_the_end(terminal: Terminal) -> None:
    async def life(request: Any, context: Any) -> Any:
        latest = event("b", 3, STATUSES["executing"]).event
        yield pb.WatchIntentsResponse(cursor="s", snapshot=pb.Snapshot(latest=latest, from_version=1))
        yield event("a", 1, STATUSES["failed"])
        yield event("b", 4, STATUSES["completed"])
        await asyncio.Event().wait()

    script = Script(WatchIntents=life)
    async with terminal.at(script):
        code, out, err = await terminal.run("watch", "a", "b", "--cursor=c", "--until-end", "--json")
        assert (code, err) == (0, "")
        lines = [json.loads(line) for line in out.splitlines()]
        assert [(one["intentId"], one["status"], one["version"]) for one in lines] == [
            ("b", "executing", 3),
            ("a", "failed", 1),
            ("b", "completed", 4),
        ]
        assert (lines[0]["versions"], lines[0]["cursor"]) == ([1, 2, 3], "s")
        assert (list(script.calls[0][1].intent_ids), script.calls[0][1].cursor) == (["a", "b"], "c")
        _, out, _ = await terminal.run("watch", "a", "b", "--until-end")
    assert "versions 1 to 3" in out.splitlines()[0]
