"""What others do on chain moves our record promptly. The clock stands still: an intent that rests is looked at again
only if it is woken."""

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
from services.common.domain.places import Place
from services.common.domain.plainjson import plain_to_json
from services.common.errors import IntentError, Reason, unavailable
from services.common.observe import Observe
from services.common.observe.metrics import new_registry
from services.processor.app import Assembled
from tests.harness.wait import eventually
from tests.unit.processor.support import Gate, Stage, stage

EVERY = {"observe_every_ms": 500, "poll_ms": 3_600_000, "lease_ms": 30_000}
NAME = "localnet/verifier.near"


@pytest.fixture
async def lax(tmp_path: Path) -> AsyncIterator[Stage]:
    """Signatures are not asked for, and the relayer can pay for nothing: only others move anything."""
    async with stage(tmp_path, require_signature=False) as made:
        made.chain.funds = 0
        yield made


@asynccontextmanager
async def observing(play: Stage, gate: Gate | None = None, **settings: Any) -> AsyncIterator[Assembled]:
    """A processor whose observer has found its place."""
    observe = Observe(service="processor", registry=new_registry(process=False))
    async with play.assembled(gate, observe=observe, **EVERY | settings) as made:
        await eventually(lambda: made.funds.low)
        await eventually(lambda: made.observer.meters.following._value.get() == 1)  # type: ignore[attr-defined]
        yield made


async def reaches(play: Stage, intent_id: str, status: Status) -> IntentRecord:
    """Its record once it was moved there; it may be beyond by then."""

    async def probe() -> IntentRecord | None:
        record = await play.record(intent_id)
        return record if status in [event.status for event in record.history] else None

    found = await eventually(probe)
    assert found is not None
    return found


async def bare(play: Stage) -> str:
    """A seed body without a signature, at rest."""
    (intent_id,) = await play.accept(signed=False)
    await play.resting(intent_id)
    return intent_id


async def wallet(play: Stage, intent_id: str) -> None:
    play.chain.verify_by_wallet(plain_to_json((await play.record(intent_id)).intent))


async def place(play: Stage) -> Place | None:
    answer = await play.store.keep_place(NAME, holder="test", session="test", lease_ms=0)
    return answer.place


async def settled(made: Assembled, play: Stage) -> None:
    """Once the observer has handled everything that is final."""
    await eventually(lambda: made.observer.height == play.chain.height)


async def test_p13_what_others_do_moves_the_record_step_by_step(lax: Stage) -> None:
    async with observing(lax):
        removed, solved = await bare(lax), await bare(lax)
        for intent_id in (removed, solved):
            await wallet(lax, intent_id)
        for intent_id in (removed, solved):
            await reaches(lax, intent_id, Status.VERIFIED)
            await lax.resting(intent_id)
        lax.chain.solve_by_another(solved)
        lax.chain.remove(removed)
        done, failed = await lax.ended(solved, removed)
    assert (done.status, failed.status) == (Status.COMPLETED, Status.FAILED)
    assert done.execution_details is not None and done.execution_details.solver_id == "other.near"
    assert failed.error_details is not None and failed.error_details.message == "removed by the owner"
    assert lax.chain.sent == []


async def test_without_following_it_would_rest(lax: Stage) -> None:
    """What the other tests rely on."""
    async with lax.assembled(**EVERY | {"observe_every_ms": 3_600_000}) as made:
        intent_id = await bare(lax)
        await wallet(lax, intent_id)
        looks = lax.chain.height
        for _ in range(3):
            made.worker.wake()
            await eventually(lambda: not made.worker._wake.is_set())
        assert (await lax.record(intent_id)).status is Status.PENDING and lax.chain.height == looks


async def test_p13_blocks_missed_while_down_are_caught_up(lax: Stage) -> None:
    async with observing(lax) as made:
        ids = [await bare(lax) for _ in range(3)]
        await settled(made, lax)
    for intent_id in ids:
        await wallet(lax, intent_id)
        lax.chain.height += 250
    async with observing(lax) as made:
        for intent_id in ids:
            await reaches(lax, intent_id, Status.VERIFIED)
        await settled(made, lax)
        looks = made.observer.meters.looks
        assert [looks(cause)._value.get() for cause in ("first", "missing", "behind")] == [0, 0, 0]
    assert await place(lax) == Place(height=lax.chain.height, hash=f"block-{lax.chain.height}")


@pytest.mark.parametrize("cause", ["first", "missing", "behind", "unnamed"])
async def test_p13_where_blocks_cannot_tell_all_that_is_open_is_looked_at(lax: Stage, cause: str) -> None:
    if cause != "first":
        async with observing(lax) as made:
            changed, other = await bare(lax), await bare(lax)
            await settled(made, lax)
    else:
        async with lax.processor(poll_ms=500):
            changed, other = await bare(lax), await bare(lax)
    await wallet(lax, changed)
    lax.chain.height += 50
    lax.chain.kept_from = lax.chain.height if cause == "missing" else 0
    lax.chain.mute = cause == "unnamed"
    async with observing(lax, observe_catch_up_blocks=10 if cause == "behind" else 1_000) as made:
        await reaches(lax, changed, Status.VERIFIED)
        assert made.observer.meters.looks(cause)._value.get() >= 1
    assert (await lax.record(other)).status is Status.PENDING
    (audited,) = await lax.store.settlements([other])
    assert audited is not None and audited.entries == ()


async def test_p13_what_could_not_be_handled_is_handled_again(lax: Stage) -> None:
    async with observing(lax) as made:
        intent_id = await bare(lax)
        await settled(made, lax)
        real, failed = lax.store.settle, 0

        async def away(asked: Any) -> Any:
            nonlocal failed
            failed += 1
            raise unavailable("store")

        lax.store.settle = away  # type: ignore[method-assign]
        await wallet(lax, intent_id)
        await eventually(lambda: failed > 2)
        lax.store.settle = real  # type: ignore[method-assign]
        await reaches(lax, intent_id, Status.VERIFIED)


@pytest.mark.parametrize("after", [False, True])
@pytest.mark.parametrize(
    ("call", "nth"),
    [
        ("chain.changes", 1),
        ("store.get", 1),
        ("store.settle", 1),
        ("store.keep_place", 1),
        ("store.keep_place", 4),
    ],
)
async def test_p13_one_killed_while_it_handles_leaves_it_to_the_next(
    lax: Stage, call: str, nth: int, after: bool
) -> None:
    async with observing(lax) as made:
        intent_id = await bare(lax)
        await settled(made, lax)
    await wallet(lax, intent_id)
    lax.chain.height += 5
    gate = Gate(on=call, nth=nth, after=after)
    # its turn is renewed, and its place kept, every tenth of a second; as the clock stands still it has it for good
    async with lax.assembled(gate, **EVERY | {"lease_ms": 300}) as dead:
        await eventually(lambda: gate.dead)
    await lax.store.keep_place(NAME, holder="test", session=dead.observer.session, lease_ms=0)
    async with lax.assembled(**EVERY):
        await reaches(lax, intent_id, Status.VERIFIED)


async def test_p13_what_is_under_a_lease_as_it_changes_is_woken_when_it_rests(lax: Stage) -> None:
    """Whoever holds it may have looked before the change, and now puts it back to rest for a while."""
    (intent_id,) = await lax.accept(signed=False)
    (record,) = await lax.store.claim("somebody", limit=1, lease_ms=30_000)
    assert record.lease is not None
    later = now(lax.clock) + timedelta(hours=1)
    lease = LeaseRef(intent_id=intent_id, fence=record.lease.fence, next_action_at=later)
    real, asked = lax.store.get, 0

    async def get(keys: Any) -> Any:
        nonlocal asked
        asked += intent_id in keys
        if asked == 3:
            assert await lax.store.release([lease]) == [True]
        return await real(keys)

    async with observing(lax) as made:
        await settled(made, lax)
        lax.store.get = get  # type: ignore[method-assign]
        lax.chain.verify_by_wallet(plain_to_json(record.intent))
        await eventually(lambda: asked >= 3)
        lax.store.get = real  # type: ignore[method-assign]
        await reaches(lax, intent_id, Status.VERIFIED)


async def test_one_of_two_replicas_follows_and_the_other_when_it_goes(lax: Stage) -> None:
    async with observing(lax) as first:
        async with lax.assembled(key=1, **EVERY | {"lease_ms": 300}) as second:
            intent_id = await bare(lax)
            await wallet(lax, intent_id)
            await reaches(lax, intent_id, Status.VERIFIED)
            assert second.observer.height is None
        assert first.observer.height is not None
    async with observing(lax, key=1):
        await lax.resting(intent_id)
        lax.chain.remove(intent_id)
        await lax.ended(intent_id)


async def test_what_we_did_ourselves_wakes_nobody(tmp_path: Path) -> None:
    async with stage(tmp_path) as play:
        observe = Observe(service="processor", registry=new_registry(process=False))
        async with play.assembled(observe=observe, **EVERY | {"poll_ms": 500}) as made:
            ids = await play.accept(40)
            await play.ended(*ids)
            await settled(made, play)
            assert made.observer.meters.woken._value.get() == 0  # type: ignore[attr-defined]
        assert set(play.chain.effects.values()) == {1}


async def test_a_chain_below_the_place_is_waited_for(lax: Stage) -> None:
    await lax.store.keep_place(NAME, holder="x", session="x", lease_ms=0, place=Place(height=10**6, hash="b"))
    async with observing(lax) as made:
        intent_id = await bare(lax)
        await eventually(lambda: made.observer.height == 10**6)
        lax.chain.height = 10**6
        await wallet(lax, intent_id)
        await reaches(lax, intent_id, Status.VERIFIED)


async def test_a_store_that_keeps_no_places_yet_is_waited_for(lax: Stage) -> None:
    """Stores and processors are not upgraded at one moment."""
    real, asked = lax.store.keep_place, 0

    async def unknown(*_: Any, **__: Any) -> Any:
        nonlocal asked
        asked += 1
        raise IntentError(Reason.NOT_IMPLEMENTED, "The service does not know this method.")

    lax.store.keep_place = unknown  # type: ignore[method-assign]
    async with lax.assembled(**EVERY) as made:
        await eventually(lambda: asked > 2)
        lax.store.keep_place = real  # type: ignore[method-assign]
        await settled(made, lax)
