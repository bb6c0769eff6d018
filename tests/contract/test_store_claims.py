"""What every backend of the store promises about whose turn it is, and about leases that are handed over."""

import asyncio
from typing import Any

import pytest

from services.common.domain.intent import IntentRecord
from services.common.domain.lifecycle import Status
from services.common.domain.outcomes import Applied, Conflict, LeaseRef
from services.common.errors import IntentError, Reason
from services.store.claiming import USERS
from tests.unit.store.support import (
    Bench,
    bench,
    claimed,
    created,
    failure,
    fence_of,
    move,
    moved,
    new,
    opened,
    record,
    store_url,
)

__all__ = ["bench", "store_url"]

MANY = 5_000
"""Intents of the one who floods; a twentieth of it on the imitations of MongoDB, which are slow."""


async def flood(one: Bench, user: str, count: int) -> None:
    for start in range(0, count, 100):
        batch = range(start, min(start + 100, count))
        await one.store.create([new(f"{user}-{n}", user_account=user) for n in batch])


def users_of(records: Any) -> list[str]:
    return [one.user_id for one in records]


async def test_p13_one_users_flood_does_not_hold_up_others(bench: Bench) -> None:
    """All five who came after it are served by the first claim of 20; the rest of it is the flood's."""
    on_file = bench.url.startswith("sqlite:")
    await flood(bench, "a.near", MANY if on_file else MANY // 20)
    bench.clock.advance(seconds=1)
    for user in "bcdef":
        await created(bench.store, f"one-of-{user}", user_account=f"{user}.near")
    bench.clock.advance(seconds=1)
    first = await bench.store.claim("p-1", limit=20, lease_ms=30_000)
    assert users_of(first) == ["a.near"] * 15 + [f"{user}.near" for user in "bcdef"]
    assert set(users_of(await bench.store.claim("p-1", limit=20, lease_ms=30_000))) == {"a.near"}


async def test_p13_turns_go_round_whatever_the_limit(bench: Bench) -> None:
    """With a limit of 1 each of four users is served in four claims; with more users than turns, in two."""
    for user in "abcd":
        await flood(bench, f"{user}.near", 4)
    bench.clock.advance(seconds=1)
    for _ in range(3):
        turns = [users_of(await bench.store.claim("p-1", limit=1, lease_ms=30_000))[0] for _ in range(4)]
        assert sorted(turns) == ["a.near", "b.near", "c.near", "d.near"]
    (rest,) = [await bench.store.claim("p-1", limit=100, lease_ms=30_000)]
    assert sorted(users_of(rest)) == ["a.near", "b.near", "c.near", "d.near"]
    for n in range(USERS + 8):
        await flood(bench, f"u-{n:03}.near", 2)
    bench.clock.advance(seconds=1)
    served = [set(users_of(await bench.store.claim("p-1", limit=USERS, lease_ms=30_000))) for _ in range(2)]
    assert [len(one) for one in served] == [USERS, USERS]
    assert len(served[0] | served[1]) == USERS + 8


async def test_users_without_anything_due_take_no_turn(bench: Bench) -> None:
    """Leased, waiting and ended ones are passed by."""
    for user in "abc":
        await flood(bench, f"{user}.near", 2)
    for lease in await bench.store.claim("p-1", limit=6, lease_ms=60_000):
        if lease.user_id == "b.near":
            await moved(bench.store, failure(lease, fence=fence_of(lease)))
    await flood(bench, "d.near", 5)
    await flood(bench, "e.near", 1)
    bench.clock.advance(seconds=1)
    two = await bench.store.claim("p-2", limit=2, lease_ms=30_000)
    assert sorted(users_of(two)) == ["d.near", "e.near"]


async def test_shares_are_even_between_those_who_have_much(bench: Bench) -> None:
    await flood(bench, "a.near", 30)
    bench.clock.advance(seconds=1)
    await flood(bench, "b.near", 3)
    bench.clock.advance(seconds=1)
    counts = [users_of(await bench.store.claim("p-1", limit=4, lease_ms=30_000)) for _ in range(3)]
    assert all("b.near" in one and "a.near" in one for one in counts)


# --- handing over


async def handed(bench: Bench, lease: IntentRecord, to: str = "p-2", lease_ms: int = 5_000) -> bool:
    ref = LeaseRef(intent_id=lease.intent_id, fence=fence_of(lease))
    (answer,) = await bench.store.hand_over([ref], to_owner=to, lease_ms=lease_ms)
    return bool(answer)


async def test_p03_a_handed_lease_is_its_new_owners_alone_at_once(bench: Bench) -> None:
    await created(bench.store)
    held = await claimed(bench.store, "p-1")
    assert await handed(bench, held)
    for other in ("p-1", "p-3"):
        assert await bench.store.claim(other, limit=5, lease_ms=1_000) == []
        assert await bench.store.claim(other, limit=5, lease_ms=1_000, reclaim=True) == []
    taken = await claimed(bench.store, "p-2")
    assert fence_of(taken) == fence_of(held) + 2
    done = await moved(bench.store, move(taken, Status.VERIFIED, fence=fence_of(taken)))
    assert done.lease is not None and done.lease.owner == "p-2"


async def test_p03_who_hands_over_writes_nothing_more(bench: Bench) -> None:
    await created(bench.store)
    held = await claimed(bench.store, "p-1")
    assert await handed(bench, held)
    old = LeaseRef(intent_id="i-1", fence=fence_of(held))
    (outcome,) = await bench.store.transition([move(held, Status.VERIFIED, fence=fence_of(held))])
    assert isinstance(outcome, Conflict)
    assert await bench.store.renew([old], lease_ms=1_000) == [False]
    assert await bench.store.release([old]) == [False]
    assert await bench.store.hand_over([old], to_owner="p-3", lease_ms=1_000) == [False]


async def test_a_repeated_hand_over_is_no_other(bench: Bench) -> None:
    """True until the new owner took it; nothing changes by the repeat."""
    await created(bench.store)
    held = await claimed(bench.store, "p-1")
    assert await handed(bench, held)
    before = await record(bench.store)
    bench.clock.advance(seconds=1)
    assert await handed(bench, held)
    assert await record(bench.store) == before
    await claimed(bench.store, "p-2")
    assert not await handed(bench, held)


async def test_p13_a_hand_over_that_is_not_taken_up_lapses(bench: Bench) -> None:
    await created(bench.store)
    assert await handed(bench, await claimed(bench.store, "p-1"), lease_ms=2_000)
    bench.clock.advance(milliseconds=1_999)
    assert await bench.store.claim("p-3", limit=1, lease_ms=1_000) == []
    bench.clock.advance(milliseconds=1)
    assert (await claimed(bench.store, "p-3")).lease is not None
    assert await bench.store.claim("p-2", limit=1, lease_ms=1_000) == []


async def test_only_what_is_held_is_handed_over(bench: Bench) -> None:
    """Another's, a released one, an ended one, an unknown one, and one's own to oneself."""
    for n in range(4):
        await created(bench.store, f"i-{n}", user_account=f"u-{n}.near")
    leases = {one.intent_id: one for one in await bench.store.claim("p-1", limit=4, lease_ms=1_000)}
    refs = [LeaseRef(intent_id=f"i-{n}", fence=fence_of(leases[f"i-{n}"])) for n in range(4)]
    await bench.store.release([refs[1]])
    await moved(bench.store, failure(leases["i-2"], fence=refs[2].fence))
    bench.clock.advance(seconds=2)
    taken = {one.intent_id for one in await bench.store.claim("p-9", limit=2, lease_ms=9_000)}
    kept = [one for one in refs if one.intent_id not in {*taken, "i-2"}]
    wrong = [LeaseRef(intent_id="i-none", fence=1), *(one for one in refs if one not in kept)]
    assert await bench.store.hand_over(wrong, to_owner="p-2", lease_ms=1_000) == [False] * len(wrong)
    assert await bench.store.hand_over(kept, to_owner="p-1", lease_ms=1_000) == [True] * len(kept)
    again = await bench.store.claim("p-1", limit=4, lease_ms=1_000)
    assert sorted(one.intent_id for one in again) == [one.intent_id for one in kept]


async def test_p03_hand_overs_race_claims_without_two_owners(bench: Bench) -> None:
    """Lapsed leases handed over while others claim: each intent is one's, and only that one's fence writes."""
    for n in range(8):
        await created(bench.store, f"i-{n}", user_account=f"u-{n}.near")
    mine = await bench.store.claim("p-1", limit=8, lease_ms=1_000)
    bench.clock.advance(seconds=2)
    refs = [LeaseRef(intent_id=one.intent_id, fence=fence_of(one)) for one in mine]
    given, *claims = await asyncio.gather(
        bench.store.hand_over(refs, to_owner="p-2", lease_ms=60_000),
        bench.store.claim("p-2", limit=8, lease_ms=60_000),
        bench.store.claim("p-3", limit=8, lease_ms=60_000),
    )
    late = await bench.store.claim("p-2", limit=8, lease_ms=60_000)
    owned = [one for claim in (*claims, late) for one in claim]
    assert sorted(one.intent_id for one in owned) == sorted(one.intent_id for one in mine)
    assert len(given) == 8
    outcomes = await bench.store.transition(
        [move(one, Status.VERIFIED, fence=fence_of(one)) for one in (*mine, *owned)]
    )
    assert [isinstance(one, Applied) for one in outcomes] == [False] * 8 + [True] * 8


@pytest.mark.parametrize("owner", ["", "x" * 257, "handed-over:p-2"])
async def test_owners_have_names(bench: Bench, owner: str) -> None:
    ref = LeaseRef(intent_id="i-1", fence=1)
    for call in (
        bench.store.claim(owner, limit=1, lease_ms=1_000),
        bench.store.hand_over([ref], to_owner=owner, lease_ms=1_000),
    ):
        with pytest.raises(IntentError) as caught:
            await call
        assert caught.value.reason is Reason.INVALID_FIELD and "owner:" in caught.value.message


async def test_hand_overs_have_bounds(bench: Bench) -> None:
    ref = LeaseRef(intent_id="i-1", fence=1)
    for leases, lease_ms in (([], 1_000), ([ref], 0), ([ref] * 1_001, 1_000)):
        with pytest.raises(IntentError):
            await bench.store.hand_over(leases, to_owner="p-2", lease_ms=lease_ms)


async def test_a_new_replica_begins_with_the_first_user(store_url: str) -> None:
    """Turns are each process's own: none is left out for what another served."""
    async with opened(store_url) as first:
        for user in "ab":
            await flood(first, f"{user}.near", 3)
        first.clock.advance(seconds=1)
        assert users_of(await first.store.claim("p-1", limit=1, lease_ms=30_000)) == ["a.near"]
        async with opened(store_url, first.clock) as second:
            assert users_of(await second.store.claim("p-1", limit=1, lease_ms=30_000)) == ["a.near"]
            assert users_of(await second.store.claim("p-1", limit=1, lease_ms=30_000)) == ["b.near"]
