"""P13: what nobody ends is found, and the one right thing is done, by the processor or by a person through it."""

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from services.common.clock import now
from services.common.domain.intent import IntentRecord
from services.common.domain.lifecycle import Status
from services.common.domain.outcomes import LeaseRef
from services.common.domain.plainjson import plain_to_json
from services.common.errors import IntentError, Reason
from services.processor.alerts import Webhook
from services.processor.app import Assembled
from services.processor.operating import Acted, Operator
from services.processor.stuck import Finding
from tests.harness.wait import eventually
from tests.unit.processor.support import Gate, Stage, stage
from tests.unit.store.raw import raw
from tests.unit.store.support import sqlite_url

WHO: dict[str, str] = {"by": "ada", "reason": "the drill"}


class Told:
    """A webhook at its port."""

    def __init__(self) -> None:
        self.notices: list[dict[str, Any]] = []

    async def post(self, body: bytes) -> None:
        self.notices.append(json.loads(body))


@pytest.fixture
async def play(tmp_path: Path) -> AsyncIterator[Stage]:
    async with stage(tmp_path) as made:
        yield made


@asynccontextmanager
async def looking(
    play: Stage, *, key: int = 1, webhook: Webhook | None = None, **settings: Any
) -> AsyncIterator[Assembled]:
    """A processor that looks for what is overdue when it is told to; the work itself finds nothing by polling."""
    gate = Gate()
    async with play.assembled(gate, key=key, webhook=webhook, poll_ms=10_000_000, **settings) as made:
        await eventually(lambda: "chain.access_key" in gate.calls)
        yield made


async def left_by_the_dead(play: Stage) -> IntentRecord:
    """Its bytes are stored and were never sent; who stored them is dead and its lease lasts for hours."""
    (intent_id,) = await play.accept()
    gate = Gate(on="chain.broadcast")
    async with play.processor(gate, lease_ms=36_000_000):
        await eventually(lambda: gate.dead)
    play.clock.advance(seconds=700)
    return await play.record(intent_id)


async def resting(play: Stage, *, verified: bool = False) -> str:
    """Given back until hours ahead, and past its deadline meanwhile."""
    (intent_id,) = await play.accept()
    if verified:
        play.chain.verify_by_wallet(plain_to_json((await play.record(intent_id)).intent))
    (record,) = await play.store.claim("someone", limit=1, lease_ms=60_000)
    assert record.lease is not None
    later = now(play.clock) + timedelta(hours=9)
    await play.store.release([LeaseRef(intent_id=intent_id, fence=record.lease.fence, next_action_at=later)])
    play.clock.advance(seconds=700)
    return intent_id


async def set_back(play: Stage) -> str:
    """Verified by a final receipt, and the contract does not know it any more."""
    (intent_id,) = await play.accept()
    play.chain.solver_fails = 2
    gate = Gate(on="store.transition", after=True)
    async with play.processor(gate, lease_ms=1_000):
        await eventually(lambda: gate.dead)
    play.chain.kept.clear()
    play.clock.advance(seconds=5)
    (record,) = await play.store.claim("someone", limit=1, lease_ms=60_000)
    assert record.status is Status.VERIFIED and record.lease is not None
    later = now(play.clock) + timedelta(hours=9)
    await play.store.release([LeaseRef(intent_id=intent_id, fence=record.lease.fence, next_action_at=later)])
    play.clock.advance(seconds=700)
    return intent_id


def metric(made: Assembled, finding: Finding) -> float | None:
    return made.resolver.observe.registry.get_sample_value("intents_stuck", {"finding": finding.value})


# --- by itself ---


async def test_p13_bytes_that_a_dead_owner_never_sent_are_sent_unchanged(play: Stage) -> None:
    record = await left_by_the_dead(play)
    (tx,) = record.transactions
    async with looking(play) as made:
        counted = await made.resolver.round()
        assert counted == {Finding.REBROADCAST: 1} and metric(made, Finding.REBROADCAST) == 1
    assert play.chain.sent == [tx.signed_bytes]
    play.chain.produce()
    assert play.chain.effects == {("verify_signed_intent", record.intent_id): 1}
    # whose bytes they are follows them, when the lease of the dead is over
    play.clock.advance(hours=11)
    async with play.processor(key=1):
        (ended,) = await play.ended(record.intent_id)
    assert len({one.hash for one in ended.transactions if one.purpose == "verify"}) == 1


async def test_p13_what_the_chain_has_done_is_adopted(play: Stage) -> None:
    intent_id = await resting(play, verified=True)
    play.chain.kept[intent_id] |= {"status": "completed", "solver_account": "other.near"}
    async with looking(play) as made:
        assert await made.resolver.round() == {Finding.ADOPT: 1}
        (record,) = await play.ended(intent_id)
    assert record.status is Status.COMPLETED
    assert record.execution_details is not None and record.execution_details.solver_id == "other.near"
    assert play.chain.sent == []


async def test_p13_what_is_over_fails_with_evidence(play: Stage) -> None:
    intent_id = await resting(play)
    async with looking(play) as made:
        assert await made.resolver.round() == {Finding.FAIL: 1}
        (record,) = await play.ended(intent_id)
    assert record.status is Status.FAILED and record.error_details is not None
    assert record.error_details.reason == "EXPIRED" and "block_height" in record.error_details.evidence


async def test_p13_what_no_program_may_decide_is_handed_to_a_person_once(play: Stage) -> None:
    intent_id = await set_back(play)
    before, told = await play.record(intent_id), Told()
    async with looking(play, webhook=told) as made:
        for _ in range(3):
            assert await made.resolver.round() == {Finding.PERSON: 1}
        assert metric(made, Finding.PERSON) == 1
        await eventually(lambda: told.notices)
    assert await play.record(intent_id) == before
    ((audited),) = await play.store.settlements([intent_id])
    assert audited is not None
    (entry,) = audited.entries
    assert (entry.by, entry.act) == ("processor", "note") and "does not know it" in entry.reason
    assert json.loads(entry.evidence)["chain"]["status"] == "unknown"
    (notice,) = told.notices
    assert (notice["reason"], notice["intentId"], notice["message"]) == ("STUCK", intent_id, entry.reason)


async def test_p13_what_was_written_past_the_store_is_handed_to_a_person(play: Stage, tmp_path: Path) -> None:
    intent_id = await resting(play)
    with raw(sqlite_url(tmp_path)) as behind:
        behind.change(intent_id, lambda document: document.update(status="completed"))
    async with looking(play) as made:
        assert await made.resolver.round() == {Finding.PERSON: 1}
        (report,) = await made.operator.look([intent_id])
    assert report is not None and "intents admin resolve" in report.diagnosis.why
    assert (await play.record(intent_id)).status is Status.PENDING


async def test_p04_p13_a_chain_that_cannot_be_asked_ends_nothing(play: Stage) -> None:
    left = await left_by_the_dead(play)
    told = Told()
    async with looking(play, webhook=told, stuck_person_ms=90_000) as made:
        play.chain.away = 10**9
        assert await made.resolver.round() == {Finding.WAIT: 1}
        await eventually(lambda: told.notices)
        (acted,) = await made.operator.fail([left.intent_id], **WHO)
        assert not acted.done
    assert (await play.record(left.intent_id)).status is Status.PENDING
    assert "cannot be asked" in told.notices[0]["message"]


async def test_p13_what_is_overdue_for_a_moment_is_left_to_its_way(play: Stage) -> None:
    await resting(play)
    async with looking(play, stuck_after_ms=1_000_000) as made:
        assert await made.resolver.round() == {}


async def test_p13_it_looks_by_itself(play: Stage) -> None:
    intent_id = await resting(play)
    async with play.processor(key=1, poll_ms=10_000_000, stuck_every_ms=1_000):
        (record,) = await play.ended(intent_id)
    assert record.status is Status.FAILED


# --- by operators ---


async def refused(operator: Operator, intent_id: str) -> Acted:
    (acted,) = await operator.fail([intent_id], **WHO)
    assert not acted.done and acted.now is not None and not acted.now.sight.record.terminal
    assert acted.now.entries == (), "what was refused is no act"
    return acted


async def test_p04_p13_nobody_fails_what_signed_bytes_may_still_do(play: Stage) -> None:
    record = await left_by_the_dead(play)
    (tx,) = record.transactions
    async with looking(play) as made:
        acted = await refused(made.operator, record.intent_id)
    assert acted.reason == "NOT_CANCELLABLE"
    assert (
        tx.hash in acted.what and f"nonce {tx.nonce}" in acted.what and "the node says unknown" in acted.what
    )


@pytest.mark.parametrize("status", ["verified", "executing", "completed"])
async def test_p04_p13_nobody_fails_what_the_contract_holds(play: Stage, status: str) -> None:
    intent_id = await resting(play, verified=True)
    if status == "verified":
        play.clock.advance(seconds=-650)
    play.chain.kept[intent_id]["status"] = status
    async with looking(play) as made:
        acted = await refused(made.operator, intent_id)
    assert acted.reason == "NOT_CANCELLABLE" and f"holds it {status}" in acted.what


async def test_p13_a_person_ends_what_cannot_get_on_chain_and_it_is_kept(play: Stage) -> None:
    intent_id = await set_back(play)
    async with looking(play) as made:
        (acted,) = await made.operator.fail([intent_id], **WHO)
    assert acted.done and acted.now is not None
    record = await play.record(intent_id)
    assert record.status is Status.FAILED and record.error_details is not None
    assert (record.error_details.reason, record.error_details.message) == ("RESOLVED", "the drill")
    assert record.history[-1].actor == "operator:ada"
    (entry,) = acted.now.entries
    assert (entry.by, entry.act, entry.reason) == ("operator:ada", "fail", "the drill")
    assert json.loads(entry.evidence)["chain"]["status"] == "unknown"


async def test_p13_a_person_resolves_and_who_why_and_what_was_seen_is_kept(play: Stage) -> None:
    record = await left_by_the_dead(play)
    async with looking(play) as made:
        (acted,) = await made.operator.resolve([record.intent_id], **WHO)
        assert acted.done and "the same bytes were sent again" in acted.what and acted.now is not None
        (entry,) = acted.now.entries
        assert (entry.by, entry.act, entry.reason) == ("operator:ada", "note", "the drill")
        assert json.loads(entry.evidence)["transactions"][0]["node"] == "unknown"
        assert now(play.clock) - entry.at < timedelta(minutes=1)
    assert play.chain.sent == [record.transactions[0].signed_bytes]


async def test_p13_a_person_has_it_looked_at_again(play: Stage) -> None:
    intent_id = await resting(play)
    async with looking(play) as made:
        (acted, unknown) = await made.operator.retry([intent_id, "none"], **WHO)
        assert acted.done and not unknown.done and unknown.reason == "INTENT_NOT_FOUND"
        (record,) = await play.ended(intent_id)
        ((audited),) = await play.store.settlements([intent_id])
    assert record.status is Status.FAILED and audited is not None
    assert [(entry.by, entry.act) for entry in audited.entries] == [("operator:ada", "wake")]


async def test_p13_what_is_under_way_here_is_looked_at_anew_under_a_fresh_fence(play: Stage) -> None:
    (intent_id,) = await play.accept()
    play.chain.lose = 10**9
    async with play.assembled() as made:
        await eventually(lambda: play.chain.sent)
        fence = (await play.record(intent_id)).lease
        (acted,) = await made.operator.retry([intent_id], **WHO)
        assert acted.done and "looks at it again now" in acted.what

        async def anew() -> bool:
            lease = (await play.record(intent_id)).lease
            return lease is not None and fence is not None and lease.fence > fence.fence

        await eventually(anew)
        play.chain.lose = 0
        (record,) = await play.ended(intent_id)
    assert record.status is Status.COMPLETED
    assert play.chain.effects == {("verify_signed_intent", intent_id): 1, ("solve_intent", intent_id): 1}
    assert len(play.chain.included) == 2


async def test_p13_an_act_without_who_or_why_is_none(play: Stage) -> None:
    intent_id = await resting(play)
    async with looking(play) as made:
        for act in (made.operator.retry, made.operator.resolve, made.operator.fail):
            for by, reason in (("", "why"), ("ada", ""), ("ada", " "), ("a" * 65, "why"), ("ada", "a\nb")):
                with pytest.raises(IntentError) as wrong:
                    await act([intent_id], by=by, reason=reason)
                assert wrong.value.reason is Reason.INVALID_FIELD
            with pytest.raises(IntentError) as many:
                await act(["i"] * 201, **WHO)
            assert many.value.reason is Reason.BATCH_SIZE
    ((audited),) = await play.store.settlements([intent_id])
    assert audited is not None and audited.entries == ()


async def test_p13_the_list_says_what_is_to_be_done_with_each(play: Stage) -> None:
    left = await left_by_the_dead(play)
    async with looking(play) as made:
        (reports, token) = await made.operator.page(page_size=10, page_token="")
    (report,) = reports
    assert (report.sight.record.intent_id, report.diagnosis.finding, token) == (
        left.intent_id,
        Finding.REBROADCAST,
        "",
    )
    facts = json.loads(report.diagnosis.evidence)
    assert (facts["cause"], facts["status"], facts["overdueSeconds"] >= 99) == (
        "past_deadline",
        "pending",
        True,
    )
