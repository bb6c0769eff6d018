"""P2, at most one effect: a processor killed at any call of any port, and the next one to take over."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pytest

from services.common.domain.lifecycle import Status
from services.common.domain.outcomes import Transition, WriteOutcome
from tests.harness.wait import eventually
from tests.unit.processor.support import Gate, Stage, stage

STEPS = 24
"""Calls of a processor that takes one intent to its end are fewer: see the test of this number."""


async def killed(play: Stage, intent_id: str, gate: Gate) -> None:
    """A processor works until it is killed, or until the intent has ended."""

    async def over() -> bool:
        return gate.dead or (await play.record(intent_id)).terminal

    async with play.processor(gate):
        await eventually(over)


def exactly_once(play: Stage, intent_id: str) -> None:
    assert play.chain.effects == {("verify_signed_intent", intent_id): 1, ("solve_intent", intent_id): 1}
    assert len(play.chain.included) == 2, "a second transaction was signed where the first was good"


async def test_the_steps_cover_the_whole_way(tmp_path: Path) -> None:
    gate = Gate()
    async with stage(tmp_path) as play:
        (intent_id,) = await play.accept()
        await killed(play, intent_id, gate)
    last = max(index for index, call in enumerate(gate.calls) if call == "store.transition")
    assert last < STEPS, gate.calls


@pytest.mark.parametrize("after", [False, True], ids=["before", "after"])
@pytest.mark.parametrize("at", range(STEPS))
async def test_p02_killed_at_any_call_an_intent_has_one_effect(tmp_path: Path, at: int, after: bool) -> None:
    async with stage(tmp_path) as play:
        (intent_id,) = await play.accept()
        await killed(play, intent_id, Gate(at=at, after=after))
        async with play.processor():
            (record,) = await play.ended(intent_id)
        assert record.status is Status.COMPLETED
        assert [event.status for event in record.history] == ["pending", "verified", "executing", "completed"]
        exactly_once(play, intent_id)


@pytest.mark.parametrize("at", range(4, STEPS, 2))
async def test_p02_killed_with_the_node_whose_pool_is_lost(tmp_path: Path, at: int) -> None:
    async with stage(tmp_path) as play:
        (intent_id,) = await play.accept()
        await killed(play, intent_id, Gate(at=at, after=True))
        play.chain.pool.clear()
        async with play.processor():
            (record,) = await play.ended(intent_id)
        assert record.status is Status.COMPLETED
        exactly_once(play, intent_id)


@pytest.mark.parametrize("at", range(0, STEPS, 3))
async def test_p02_another_replica_takes_over_when_the_lease_has_run_out(tmp_path: Path, at: int) -> None:
    async with stage(tmp_path) as play:
        (intent_id,) = await play.accept()
        await killed(play, intent_id, Gate(at=at, after=True))
        play.clock.advance(seconds=31)
        async with play.processor(key=1):
            (record,) = await play.ended(intent_id)
        assert record.status is Status.COMPLETED
        exactly_once(play, intent_id)


async def test_p02_the_same_bytes_go_out_again_after_a_crash(tmp_path: Path) -> None:
    """Stored, never sent: what the next process sends is what was stored."""
    async with stage(tmp_path) as play:
        (intent_id,) = await play.accept()
        await killed(play, intent_id, Gate(on="chain.broadcast"))
        (stored,) = [tx.signed_bytes for tx in (await play.record(intent_id)).transactions]
        assert play.chain.sent == []
        async with play.processor():
            await play.ended(intent_id)
        assert play.chain.sent[0] == stored
        exactly_once(play, intent_id)


async def test_p02_bytes_are_stored_before_they_are_sent(tmp_path: Path) -> None:
    async with stage(tmp_path) as play:
        seen: list[bool] = []
        broadcast = play.chain.broadcast

        async def checked(signed_bytes: bytes) -> object:
            record = await play.record(intent_id)
            seen.append(signed_bytes in {tx.signed_bytes for tx in record.transactions})
            return await broadcast(signed_bytes)

        play.chain.broadcast = checked  # type: ignore[method-assign, assignment]
        (intent_id,) = await play.accept()
        async with play.processor():
            await play.ended(intent_id)
        assert seen == [True, True]


async def test_p02_two_processors_at_once_give_one_effect_each(tmp_path: Path) -> None:
    async with stage(tmp_path) as play:
        ids = await play.accept(40)
        async with play.processor(claim_limit=7), play.processor(key=1, claim_limit=7):
            records = await play.ended(*ids)
        assert {record.status for record in records} == {Status.COMPLETED}
        assert set(play.chain.effects.values()) == {1} and len(play.chain.included) == 80


async def test_p02_a_processor_that_lost_its_lease_writes_nothing(tmp_path: Path) -> None:
    """Its lease taken over in the middle, it drops the intent and leaves the other's writes alone."""
    async with stage(tmp_path) as play:
        (intent_id,) = await play.accept()
        name = await play.chain.network()
        gate = Gate()

        async def known() -> str:
            return name

        play.chain.network = known  # type: ignore[method-assign]
        play.chain.away = 10**9
        async with play.processor(gate) as worker:
            await eventually(lambda: "chain.access_key" in gate.calls)
            play.clock.advance(seconds=40)
            taken = await play.store.claim("thief", limit=10, lease_ms=3_600_000)
            fences = [record.lease.fence for record in taken if record.lease is not None]
            play.chain.away = 0
            await eventually(lambda: "store.record_transactions" in gate.calls and not worker.claimed)
            record = await play.record(intent_id)
        assert record.lease is not None and [record.lease.fence] == fences
        assert (record.status, record.transactions, play.chain.sent) == (Status.PENDING, (), [])


async def test_p02_a_move_another_made_first_is_not_ours_to_go_on_from(tmp_path: Path) -> None:
    """The same move by the new holder of the lease: our late one is a repeat, and what follows is theirs."""
    async with stage(tmp_path) as play:
        (intent_id,) = await play.accept()
        real = play.store.transition

        async def overtaken(moves: Sequence[Transition]) -> Sequence[WriteOutcome]:
            play.store.transition = real  # type: ignore[method-assign]
            play.clock.advance(seconds=40)
            (theirs,) = await play.store.claim("thief", limit=1, lease_ms=3_600_000)
            assert theirs.lease is not None
            await real([replace(move, fence=theirs.lease.fence) for move in moves])
            return await real(moves)

        play.store.transition = overtaken  # type: ignore[method-assign]
        gate = Gate()
        async with play.processor(gate) as worker:
            await eventually(lambda: "store.transition" in gate.calls and not worker.claimed)
            record = await play.record(intent_id)
        assert (record.status, len(record.transactions), len(play.chain.sent)) == (Status.VERIFIED, 1, 1)
        assert record.lease is not None and record.lease.owner == "thief"
