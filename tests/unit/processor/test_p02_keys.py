"""A pool of access keys: one holder each, the surplus stands by, whoever had a key before can do no harm with it."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import pytest

from services.common.domain.intent import IntentRecord
from services.common.domain.keys import KeyRef, PoolKey
from services.common.domain.lifecycle import Status
from services.common.domain.outcomes import TransactionRecord, WriteOutcome
from services.common.errors import unavailable
from services.common.observe import Observe
from services.common.observe.metrics import new_registry
from services.processor.lane import RESERVED
from services.processor.worker import Worker
from tests.harness.wait import eventually
from tests.unit.processor.support import Gate, Stage, signer, stage


@pytest.fixture
async def play(tmp_path: Path) -> AsyncIterator[Stage]:
    async with stage(tmp_path) as made:
        yield made


def key_of(worker: Worker) -> str:
    held = worker.keys.held
    return "" if held is None else held.signer.public_key


def pooled(count: int) -> list[PoolKey]:
    return [PoolKey(chain_id="localnet", account_id="relayer.near", public_key=signer(n).public_key)
            for n in range(count)]  # fmt: skip


async def holders(play: Stage, count: int) -> list[str]:
    """Who holds each key of the pool; what is free is taken for a moment and given back."""
    found = []
    for key in pooled(count):
        answer = await play.store.lease_key([key], holder="onlooker", session="onlooker", lease_ms=1)
        if answer.lease is not None:
            await play.store.release_keys([KeyRef(key=key, fence=answer.lease.fence)])
        found.append(answer.states[0].holder)
    return found


def observed() -> Observe:
    return Observe(service="processor", registry=new_registry(process=False))


def standing_by(observe: Observe) -> bool:
    """As the metric and /readyz say, which must agree."""
    said = "key" in observe.notes
    assert said == (observe.registry.get_sample_value("processor_standing_by") == 1)
    return said


def once_each(play: Stage, records: Sequence[IntentRecord]) -> None:
    assert {record.status for record in records} == {Status.COMPLETED}
    assert set(play.chain.effects.values()) == {1}
    assert len(play.chain.included) == 2 * len(records)


async def test_replicas_over_one_pool_sign_with_keys_of_their_own(play: Stage) -> None:
    ids = await play.accept(20)
    async with (
        play.processor(pool=3, processor_owner="p-0", claim_limit=5) as one,
        play.processor(pool=3, processor_owner="p-1", claim_limit=5) as two,
    ):
        await eventually(lambda: key_of(one) and key_of(two))
        assert key_of(one) != key_of(two)
        records = await play.ended(*ids)
    once_each(play, records)
    used = [(tx.public_key, tx.nonce) for record in records for tx in record.transactions]
    assert len(set(used)) == len(used) == 40
    # given back at the end
    assert await holders(play, 3) == ["", "", ""]


async def test_the_surplus_replica_stands_by_says_so_and_takes_over(play: Stage) -> None:
    observe = observed()
    async with AsyncExitStack() as busy:
        first = await busy.enter_async_context(play.processor(pool=1, processor_owner="p-0"))
        await eventually(lambda: key_of(first))
        async with play.assembled(pool=1, processor_owner="p-1", observe=observe) as second:
            await eventually(lambda: standing_by(observe))
            said = observe.notes["key"]
            assert said.startswith("standing by: each of 1 access keys is held") and "by p-0" in said
            await play.ended(*await play.accept(3))
            assert not key_of(second.worker) and second.worker.claimed == 0
            await busy.aclose()
            records = await play.ended(*await play.accept(2))
            assert key_of(second.worker) and not standing_by(observe)
    assert {record.status for record in records} == {Status.COMPLETED}


async def test_a_key_whose_holder_died_is_taken_over_with_its_intents(play: Stage) -> None:
    """At once and under fresh fences: also those whose own leases had not run out yet."""
    gate = Gate(on="chain.broadcast")
    (intent_id,) = await play.accept()
    async with play.processor(gate, pool=1, processor_owner="p-0"):
        await eventually(lambda: gate.dead)
    before = await play.record(intent_id)
    (stored,) = before.transactions
    assert before.lease is not None and before.lease.owner == signer(0).public_key
    observe = observed()
    async with play.assembled(pool=1, processor_owner="p-1", observe=observe):
        # p-0 is dead and its lease holds: nobody may have the key yet
        await eventually(lambda: standing_by(observe))
        assert play.chain.sent == []
        play.clock.advance(seconds=31)
        (record,) = await play.ended(intent_id)
    once_each(play, [record])
    # the very bytes of the holder before went out, before anything new
    assert play.chain.sent[0] == stored.signed_bytes


async def test_restarted_a_replica_has_its_own_key_back_at_once(play: Stage) -> None:
    ids = await play.accept(2)
    gate = Gate(on="chain.broadcast", after=True)
    async with play.processor(gate, pool=2, processor_owner="p-1"):
        await eventually(lambda: gate.dead)
    async with play.processor(pool=2, processor_owner="p-1") as again:
        records = await play.ended(*ids)
        assert key_of(again) == signer(0).public_key and again.keys.held is not None
        assert again.keys.held.ref.fence == 2
    once_each(play, records)


async def test_p02_who_lost_its_key_signs_nothing_more_with_it(play: Stage) -> None:
    """Taken over by a thief while it works: what it had claimed goes back unsigned, and it goes on with another key."""
    async with play.processor(pool=2, processor_owner="p-0", lease_ms=3_000) as worker:
        await eventually(lambda: key_of(worker))
        lost = key_of(worker)
        play.clock.advance(seconds=4)
        answer = await play.store.lease_key(pooled(1), holder="thief", session="t", lease_ms=3_600_000)
        # its renewal may have been faster
        while answer.lease is None:
            play.clock.advance(seconds=4)
            answer = await play.store.lease_key(pooled(1), holder="thief", session="t", lease_ms=3_600_000)
        await eventually(lambda: key_of(worker) not in ("", lost))
        ids = await play.accept(5)
        records = await play.ended(*ids)
    once_each(play, records)
    assert {tx.public_key for record in records for tx in record.transactions} == {signer(1).public_key}


async def test_p02_one_that_slept_over_the_loss_of_its_key_shares_no_nonce(play: Stage) -> None:
    """Its clock stands still: by it the lease holds for ever, and no renewal is due. Its successor signs beside it."""
    how: dict[str, Any] = {"pool": 1, "lease_ms": 80_000_000, "claim_limit": 2, "max_in_flight": 4}
    async with play.processor(processor_owner="asleep", **how) as sleeper:
        await eventually(lambda: key_of(sleeper))
        play.clock.advance(hours=23)
        async with play.processor(processor_owner="awake", **how) as successor:
            await eventually(lambda: key_of(successor))
            assert key_of(sleeper) == key_of(successor)
            ids = await play.accept(40)
            records = await play.ended(*ids)
    assert {record.status for record in records} == {Status.COMPLETED}
    assert set(play.chain.effects.values()) == {1}
    nonces = [tx.nonce for record in records for tx in record.transactions]
    assert len(set(nonces)) == len(nonces)
    assert min(nonces) <= RESERVED < max(nonces), "only one of them signed: this test shows nothing"


async def test_p02_what_the_holder_before_still_writes_is_refused(play: Stage) -> None:
    """Bytes signed before the key was lost and stored after: the intent is under its successor's fence. The successor
    has the same name: started elsewhere because the first was thought dead."""
    (intent_id,) = await play.accept()
    held_back, go = asyncio.Event(), asyncio.Event()
    real = play.store.record_transactions
    outcomes: list[WriteOutcome] = []

    async def slow(records: Sequence[TransactionRecord]) -> Sequence[WriteOutcome]:
        if not held_back.is_set():
            held_back.set()
            await go.wait()
            outcomes.extend(await real(records))
            return outcomes
        return await real(records)

    play.store.record_transactions = slow  # type: ignore[method-assign]
    async with play.processor(pool=1, processor_owner="p-0", lease_ms=80_000_000) as first:
        await eventually(held_back.is_set)
        async with play.processor(pool=1, processor_owner="p-0", lease_ms=80_000_000) as second:
            await eventually(lambda: key_of(second))
            (record,) = await play.ended(intent_id)
            go.set()
            await eventually(lambda: outcomes)
        assert first.keys.held is not None
    assert type(outcomes[0]).__name__ == "Conflict"
    once_each(play, [record])
    assert len(record.transactions) == 2


async def test_nonces_reserved_and_not_used_are_a_gap_that_harms_nobody(play: Stage) -> None:
    ids = await play.accept(1)
    async with play.processor(pool=1, processor_owner="p-0"):
        (first,) = await play.ended(*ids)
    async with play.processor(pool=1, processor_owner="p-0"):
        (second,) = await play.ended(*await play.accept(1))
    assert [tx.nonce for tx in first.transactions] == [1, 2]
    assert [tx.nonce for tx in second.transactions] == [RESERVED + 1, RESERVED + 2]
    once_each(play, [first, second])


async def test_a_key_used_by_somebody_else_goes_on_above(play: Stage) -> None:
    """Nonces at or below what a final block says are dropped, reserved or not."""
    async with play.processor(pool=1) as worker:
        await eventually(lambda: key_of(worker))
        play.chain.nonces[signer(0).public_key] = 10**6
        worker.lane._anchored -= 10**6
        (record,) = await play.ended(*await play.accept(1))
    assert [tx.nonce for tx in record.transactions] == [10**6 + 1, 10**6 + 2]


async def test_a_key_its_account_does_not_have_is_passed_over(play: Stage) -> None:
    play.chain.gone.add(signer(0).public_key)
    async with play.processor(pool=2) as worker:
        (record,) = await play.ended(*await play.accept(1))
        assert key_of(worker) == signer(1).public_key
    once_each(play, [record])
    assert await holders(play, 2) == ["", ""]


async def test_a_pool_none_of_which_is_any_use_is_gone_round_until_one_is(play: Stage) -> None:
    play.chain.gone |= {signer(0).public_key, signer(1).public_key}
    gate = Gate()
    async with play.processor(gate, pool=2):
        ids = await play.accept(1)
        await eventually(lambda: gate.calls.count("store.lease_key") > 4)
        play.chain.gone.remove(signer(1).public_key)
        (record,) = await play.ended(*ids)
    assert {tx.public_key for tx in record.transactions} == {signer(1).public_key}
    once_each(play, [record])


async def test_the_only_key_is_waited_for(play: Stage) -> None:
    play.chain.gone.add(signer(0).public_key)
    gate = Gate()
    async with play.processor(gate, pool=1):
        ids = await play.accept(1)
        await eventually(lambda: gate.calls.count("chain.access_key") > 2)
        play.chain.gone.clear()
        records = await play.ended(*ids)
    once_each(play, records)


async def test_p02_nothing_is_signed_under_a_lease_that_ran_out_unrenewed(play: Stage) -> None:
    """By its own clock: what the store would say is not known. Nobody came meanwhile, so it goes on with the key."""
    real, asked = play.store.renew_keys, 0

    async def away(held: Sequence[KeyRef], *, lease_ms: int) -> Sequence[bool]:
        nonlocal asked
        asked += 1
        raise unavailable("store")

    async with play.processor(pool=1) as worker:
        await eventually(lambda: key_of(worker))
        play.store.renew_keys = away  # type: ignore[method-assign]
        held = worker.keys.held
        assert held is not None
        held.good_until = 0.0
        ids = await play.accept(2)
        # more often than the renewing by itself would ask in that time: the lane waits for it
        await eventually(lambda: asked > 8)
        assert all(not record.transactions for record in [await play.record(one) for one in ids])
        play.store.renew_keys = real  # type: ignore[method-assign]
        records = await play.ended(*ids)
        assert worker.keys.held is held and worker.keys.may_sign()
    once_each(play, records)
