"""`intents admin stuck|retry|resolve|fail`: what is asked of a processor, what people and programs see, exit codes."""

import json
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import grpc
import pytest

from intents.processor.v1 import processor_service_pb2 as pb
from intents.processor.v1 import processor_service_pb2_grpc as rpc
from intents.v1 import types_pb2 as types
from services.cli.commands.operate import ours
from services.common.convert.times import timestamp
from services.common.errors import IntentError, Reason
from services.common.rpc.guard import abort
from tests.unit.cli.conftest import Terminal

EVIDENCE = {"status": "pending", "transactions": [{"hash": "H1", "nonce": 7, "node": "unknown"}]}


def stuck(
    intent_id: str = "i-1", *, status: int = types.INTENT_STATUS_PENDING, cause: str = "past_deadline"
) -> pb.StuckIntent:
    return pb.StuckIntent(
        intent=types.Intent(intent_id=intent_id, status=status, version=1),  # type: ignore[arg-type]
        cause=cause,
        since=timestamp(datetime.now(UTC)),
        finding="rebroadcast",
        why="The node does not know signed bytes H1.",
        evidence=json.dumps(EVIDENCE),
    )


def diagnosis(one: pb.StuckIntent, **more: Any) -> pb.Diagnosis:
    entry = pb.AuditEntry(
        at=timestamp(datetime(2026, 11, 30, tzinfo=UTC)), by="operator:ada", act="note", reason="drill"
    )
    return pb.Diagnosis(stuck=one, audit=[entry], **more)


class Processor(rpc.ProcessorServiceServicer):
    """Answers as it is told; `looks` are the answers of DiagnoseIntents in turn, the last one stays."""

    def __init__(self) -> None:
        self.asked: list[Any] = []
        self.tokens: list[str] = []
        self.listed: list[pb.StuckIntent] = []
        self.looks = [diagnosis(stuck(), may_not_fail="Signed bytes of it may still get on chain: H1.")]
        self.acted = pb.ActedIntent(intent_id="i-1", done=True, what="the same bytes were sent again")
        self.refusal: IntentError | None = None

    async def _heard(self, request: Any, context: Any) -> None:
        self.asked.append(request)
        self.tokens += [value for key, value in context.invocation_metadata() if key == "authorization"]
        if self.refusal is not None:
            await abort(context, self.refusal)

    async def ListStuckIntents(self, request: Any, context: Any) -> pb.ListStuckIntentsResponse:
        await self._heard(request, context)
        return pb.ListStuckIntentsResponse(intents=self.listed)

    async def DiagnoseIntents(self, request: Any, context: Any) -> pb.DiagnoseIntentsResponse:
        await self._heard(request, context)
        look = self.looks[0] if len(self.looks) == 1 else self.looks.pop(0)
        return pb.DiagnoseIntentsResponse(answers=[look])

    async def RetryIntents(self, request: Any, context: Any) -> pb.RetryIntentsResponse:
        await self._heard(request, context)
        return pb.RetryIntentsResponse(acted=[self.acted])

    async def ResolveIntents(self, request: Any, context: Any) -> pb.ResolveIntentsResponse:
        await self._heard(request, context)
        return pb.ResolveIntentsResponse(acted=[self.acted])

    async def FailIntents(self, request: Any, context: Any) -> pb.FailIntentsResponse:
        await self._heard(request, context)
        return pb.FailIntentsResponse(acted=[self.acted])


@pytest.fixture
async def processor(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Processor]:
    made, server = Processor(), grpc.aio.server()
    rpc.add_ProcessorServiceServicer_to_server(made, server)
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    monkeypatch.setenv("INTENTS_PROCESSOR", f"127.0.0.1:{port}")
    yield made
    await server.stop(None)


async def test_the_list_says_what_is_stuck_and_what_is_to_be_done(
    terminal: Terminal, processor: Processor
) -> None:
    assert await terminal.run("admin", "stuck") == (0, "no intent is stuck\n", "")
    processor.listed = [stuck()]
    code, out, err = await terminal.run("admin", "stuck")
    assert (code, err) == (1, "")
    assert all(
        word in out
        for word in ("i-1", "past_deadline", "pending", "rebroadcast", "does not know signed bytes")
    )
    code, out, _ = await terminal.run("admin", "stuck", "--json")
    (one,) = json.loads(out)["stuck"]
    assert (code, one["intentId"], one["finding"], one["evidence"]) == (1, "i-1", "rebroadcast", EVIDENCE)


async def test_one_is_explained_with_its_evidence_and_what_was_done(
    terminal: Terminal, processor: Processor
) -> None:
    code, out, _ = await terminal.run("admin", "stuck", "i-1")
    assert code == 1
    for said in (
        "no: Signed bytes of it may still",
        "hash H1, nonce 7, node unknown",
        "operator:ada note: drill",
    ):
        assert said in out
    code, out, _ = await terminal.run("admin", "stuck", "i-1", "--json")
    assert json.loads(out)["intents"][0]["audit"][0]["by"] == "operator:ada"
    processor.looks = [pb.Diagnosis()]
    assert (await terminal.run("admin", "stuck", "none"))[:2] == (4, "none: there is no such intent\n")


async def test_resolve_waits_for_the_end(terminal: Terminal, processor: Processor) -> None:
    ended = diagnosis(stuck(status=types.INTENT_STATUS_FAILED, cause=""))
    processor.acted.now.CopyFrom(processor.looks[0])
    processor.looks += [ended]
    code, out, err = await terminal.run("admin", "resolve", "i-1", "--reason", "drill", "--by", "ada")
    assert (code, err) == (0, "")
    assert "the same bytes were sent again" in out and "it is failed now" in out
    first = processor.asked[0]
    assert (list(first.intent_ids), first.by, first.reason) == (["i-1"], "ada", "drill")


async def test_resolve_that_did_not_end_it_says_so(terminal: Terminal, processor: Processor) -> None:
    processor.acted.now.CopyFrom(processor.looks[0])
    code, out, _ = await terminal.run("admin", "resolve", "i-1", "--reason", "drill", "--wait", "1ms")
    assert code == 1 and "it is pending now" in out


async def test_fail_shows_why_it_is_refused(terminal: Terminal, processor: Processor) -> None:
    why = "Signed bytes of it may still get on chain: H1."
    processor.acted = pb.ActedIntent(intent_id="i-1", done=False, what=why, reason="NOT_CANCELLABLE")
    code, out, _ = await terminal.run("admin", "fail", "i-1", "--reason", "drill")
    assert code == 1 and out == f"i-1: nothing was changed: {why}\n"


@pytest.mark.parametrize("verb", ["retry", "fail"])
async def test_an_act_without_a_reason_is_not_even_asked(
    terminal: Terminal, processor: Processor, verb: str
) -> None:
    code, _, err = await terminal.run("admin", verb, "i-1")
    assert code == 2 and "--reason" in err and err.count("\n") == 1
    assert processor.asked == []
    assert (await terminal.run("admin", verb, "i-1", "--reason", "drill"))[0] == 0


async def test_the_token_comes_from_a_file(terminal: Terminal, processor: Processor, tmp_path: Path) -> None:
    file = tmp_path / "token"
    file.write_text("operator-token\n")
    await terminal.run("admin", "stuck", "--admin-token-file", str(file))
    assert processor.tokens == ["Bearer operator-token"]
    code, _, err = await terminal.run("admin", "stuck", "--admin-token-file", str(tmp_path / "none"))
    assert code == 2 and err.count("\n") == 1


async def test_a_refusal_and_an_absence_are_one_sentence(terminal: Terminal, processor: Processor) -> None:
    processor.refusal = IntentError(Reason.UNAUTHENTICATED, "The operator's token is needed.")
    code, _, err = await terminal.run("admin", "stuck")
    assert code == 6 and "--admin-token-file" in err and err.count("\n") == 1
    code, _, err = await terminal.run("admin", "stuck", "--processor", "127.0.0.1:1", "--deadline", "1s")
    assert code == 3 and "127.0.0.1:1" in err and err.count("\n") == 1
    code, out, err = await terminal.run("admin", "stuck", "--json")
    assert (code, out, json.loads(err)["error"]["reason"]) == (6, "", "UNAUTHENTICATED")


def test_what_a_choice_settles_stays_with_the_store() -> None:
    reason = ["resolve", "i", "--reason", "x"]
    for mine in (["stuck"], ["retry", "i"], ["fail", "i"], reason, ["resolve", "i", "--reason=x"]):
        assert ours(mine), mine
    for choice in ("--fail", "--accept=failed", "--to-ours", "--release"):
        assert not ours([*reason, choice]), choice
    for theirs in ([], ["--help"], ["overdue"], ["resolve", "i"], ["resolve", "--help"]):
        assert not ours(theirs), theirs
