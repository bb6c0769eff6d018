"""What every backend of the store promises about access keys: one holder each, each nonce given once."""

import asyncio
from collections.abc import Sequence

import pytest

from services.common.domain.keys import KeyAnswer, KeyRef, KeyState, NonceRequest, PoolKey
from services.common.errors import IntentError, Reason
from services.store.keys import key_id
from services.store.ports import Document, Keep, Kept, Program
from tests.unit.store.support import Bench, bench, opened, opened_storage, store_url

__all__ = ["bench", "store_url"]

POOL = [PoolKey(chain_id="localnet", account_id="relayer.near", public_key=f"ed25519:{n}") for n in "abc"]
LEASE_MS = 30_000


async def lease(
    one: Bench, holder: str, keys: Sequence[PoolKey] = POOL, *, session: str = "", reclaim: bool = False
) -> KeyAnswer:
    answer: KeyAnswer = await one.store.lease_key(
        keys, holder=holder, session=session or f"{holder}-1", lease_ms=LEASE_MS, reclaim=reclaim
    )
    return answer


async def held(one: Bench, holder: str, keys: Sequence[PoolKey] = POOL, **more: object) -> KeyRef:
    got = (await lease(one, holder, keys, **more)).lease  # type: ignore[arg-type]
    assert got is not None and got.holder == holder
    return KeyRef(key=got.key, fence=got.fence)


async def nonces(one: Bench, ref: KeyRef, count: int = 1, above: int = 0) -> tuple[int, int] | None:
    (got,) = await one.store.reserve_nonces(
        [NonceRequest(key=ref.key, fence=ref.fence, count=count, above=above)]
    )
    return None if got is None else (got.first, got.last)


async def test_each_replica_gets_a_key_of_its_own_and_the_surplus_none(bench: Bench) -> None:
    leased = [await held(bench, name) for name in ("p-0", "p-1", "p-2")]
    assert [ref.key for ref in leased] == POOL and {ref.fence for ref in leased} == {1}
    answer = await lease(bench, "p-3")
    assert answer.lease is None
    assert [(one.key, one.holder) for one in answer.states] == list(
        zip(POOL, ("p-0", "p-1", "p-2"), strict=True)
    )
    until = [one.expires_at for one in answer.states]
    assert all(one is not None and (one - bench.clock.moment).total_seconds() == 30 for one in until)


async def test_of_many_who_race_for_a_key_one_gets_it(bench: Bench) -> None:
    answers = await asyncio.gather(*(lease(bench, f"p-{n}", POOL[:1]) for n in range(8)))
    assert sum(one.lease is not None for one in answers) == 1
    answers = await asyncio.gather(*(lease(bench, f"q-{n}", POOL[1:]) for n in range(4)))
    got = [one.lease.key for one in answers if one.lease is not None]
    assert sorted(got, key=str) == POOL[1:]


async def test_a_repeat_of_a_call_whose_answer_was_lost_is_no_second_lease(bench: Bench) -> None:
    first = await held(bench, "p-0")
    assert await held(bench, "p-0") == first
    assert await held(bench, "p-0", session="another run") == KeyRef(key=POOL[1], fence=1)


async def test_a_key_lasts_as_long_as_it_is_renewed_and_is_taken_over_after(bench: Bench) -> None:
    ref = await held(bench, "p-0", POOL[:1])
    for _ in range(3):
        bench.clock.advance(seconds=29)
        assert (await lease(bench, "p-1", POOL[:1])).lease is None
        assert await bench.store.renew_keys([ref], lease_ms=LEASE_MS) == [True]
    bench.clock.advance(seconds=30)
    theirs = await held(bench, "p-1", POOL[:1])
    assert theirs.fence == ref.fence + 1
    assert await bench.store.renew_keys([ref, theirs], lease_ms=LEASE_MS) == [False, True]


async def test_a_lease_that_ran_out_is_still_ones_own_while_nobody_came(bench: Bench) -> None:
    ref = await held(bench, "p-0")
    bench.clock.advance(seconds=300)
    assert await bench.store.renew_keys([ref], lease_ms=LEASE_MS) == [True]
    assert (await held(bench, "p-1")).key == POOL[1]


async def test_a_key_given_back_is_free_at_once(bench: Bench) -> None:
    ref = await held(bench, "p-0", POOL[:1])
    assert await bench.store.release_keys([ref]) == [True]
    assert await bench.store.release_keys([ref]) == [True], "a repeat"
    assert await bench.store.renew_keys([ref], lease_ms=LEASE_MS) == [False]
    assert await nonces(bench, ref) is None
    theirs = await held(bench, "p-1", POOL[:1])
    assert await bench.store.release_keys([ref]) == [False]
    assert (await lease(bench, "p-2", POOL[:1])).lease is None and theirs.fence == 2


async def test_after_a_restart_a_replica_takes_its_own_back_at_once(bench: Bench) -> None:
    await held(bench, "p-0")
    ref = await held(bench, "p-1")
    again = await held(bench, "p-1", session="p-1 started anew", reclaim=True)
    assert again == KeyRef(key=ref.key, fence=ref.fence + 1)
    # the one that ran before, should it live: it has lost the key, and does not take it back from its successor
    assert await bench.store.renew_keys([ref], lease_ms=LEASE_MS) == [False]
    assert await held(bench, "p-1") == KeyRef(key=POOL[2], fence=1)
    assert await bench.store.renew_keys([again], lease_ms=LEASE_MS) == [True]


async def test_p02_a_nonce_is_given_once_whoever_holds_the_key(bench: Bench) -> None:
    ours = await held(bench, "p-0", POOL[:1])
    assert await nonces(bench, ours, 10) == (1, 10)
    assert await nonces(bench, ours, 10, above=100) == (101, 110)
    assert await nonces(bench, ours, 1, above=50) == (111, 111)
    bench.clock.advance(seconds=31)
    theirs = await held(bench, "p-1", POOL[:1])
    # what the chain has seen says nothing of what the one before signed and did not send
    assert await nonces(bench, theirs, 5, above=100) == (112, 116)


async def test_p02_who_lost_a_key_is_given_no_nonce_of_it(bench: Bench) -> None:
    ours = await held(bench, "p-0", POOL[:1])
    bench.clock.advance(seconds=31)
    theirs = await held(bench, "p-1", POOL[:1])
    assert await nonces(bench, ours, 10) is None
    assert await nonces(bench, theirs) == (1, 1)
    answer = await lease(bench, "p-2", POOL[:1])
    assert answer.states == (
        KeyState(key=POOL[0], fence=2, holder="p-1", expires_at=answer.states[0].expires_at, nonce=1),
    )


async def test_p02_nonces_asked_for_at_once_are_all_different(bench: Bench) -> None:
    ref, other = await held(bench, "p-0"), await held(bench, "p-1")
    one = NonceRequest(key=ref.key, fence=ref.fence, count=3)
    batches = await asyncio.gather(
        *(bench.store.reserve_nonces([one, one]) for _ in range(4)), nonces(bench, other, 7)
    )
    assert batches.pop() == (1, 7)
    got = sorted(part.first for batch in batches for part in batch)
    assert got == [1 + 3 * n for n in range(8)]


async def test_keys_of_another_chain_or_account_are_other_keys(bench: Bench) -> None:
    one = PoolKey(chain_id="localnet", account_id="a.near", public_key="ed25519:a")
    others = [
        PoolKey(chain_id="testnet", account_id="a.near", public_key="ed25519:a"),
        PoolKey(chain_id="localnet", account_id="b.near", public_key="ed25519:a"),
        PoolKey(chain_id="localnet", account_id="a.near", public_key="ed25519:b"),
    ]
    assert len({await held(bench, f"p-{n}", [key]) for n, key in enumerate([one, *others])}) == 4


async def test_what_was_never_leased_is_held_by_nobody(bench: Bench) -> None:
    ref = KeyRef(key=POOL[0], fence=0)
    assert await bench.store.renew_keys([ref], lease_ms=LEASE_MS) == [False]
    assert await bench.store.release_keys([KeyRef(key=POOL[0], fence=1)]) == [False]
    assert await nonces(bench, ref) is None


async def test_requests_for_keys_have_bounds(bench: Bench) -> None:
    ref = await held(bench, "p-0", POOL[:1])
    for keys, holder, lease_ms in (
        ([], "p", 1_000),
        (POOL[:1] * 2, "p", 1_000),
        ([PoolKey(chain_id="", account_id="a", public_key="b")], "p", 1_000),
        ([PoolKey(chain_id="c", account_id="a" * 257, public_key="b")], "p", 1_000),
        (POOL, "", 1_000),
        (POOL, "p" * 257, 1_000),
        (POOL, "p", 0),
    ):
        with pytest.raises(IntentError) as refused:
            await bench.store.lease_key(keys, holder=holder, session="s", lease_ms=lease_ms)
        assert refused.value.reason in (Reason.INVALID_FIELD, Reason.BATCH_SIZE)
    for count, above in ((0, 0), (10_001, 0), (2, 2**63 - 2)):
        with pytest.raises(IntentError) as refused:
            await nonces(bench, ref, count, above)
        assert refused.value.reason is Reason.INVALID_FIELD
    assert await nonces(bench, ref, 1, 2**63 - 2) == (2**63 - 1, 2**63 - 1)


async def test_keys_and_their_nonces_outlive_the_store(store_url: str) -> None:
    async with opened(store_url) as one:
        ref = await held(one, "p-0")
        assert await nonces(one, ref, 10) == (1, 10)
    async with opened(store_url) as one:
        assert (await held(one, "p-1")).key == POOL[1]
        assert await nonces(one, ref, 1) == (11, 11)


def spoilt(key: str) -> Program[None]:
    found: dict[str, Document] = yield Kept("keys", [key])
    yield Keep("keys", [{**found[key], "nonce": "many"}])


async def test_a_key_whose_document_somebody_broke_is_given_to_nobody(store_url: str) -> None:
    async with opened(store_url) as one:
        ref = await held(one, "p-0")
        async with opened_storage(store_url) as storage:
            await storage.run(spoilt(key_id(POOL[0])))
        assert await nonces(one, ref) is None
        assert await one.store.renew_keys([ref], lease_ms=LEASE_MS) == [False]
        answer = await lease(one, "p-0", session="new", reclaim=True)
        assert answer.lease is not None and answer.lease.key == POOL[1]
        assert [state.holder for state in answer.states] == ["unreadable", "", ""]
