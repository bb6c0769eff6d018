"""Chain views are kept for as long as their answer can be relied on."""

import asyncio
from dataclasses import replace

import pytest
from prometheus_client import CollectorRegistry

from services.cache.observe import Meters
from services.common.domain.intent import PlainIntent, SignedData
from services.common.domain.views import (
    BalanceOf,
    ChainView,
    CurrentSalt,
    HasPublicKey,
    IsKept,
    IsNonceUsed,
    IsRegistered,
    IsValidSalt,
    Simulation,
    ViewAnswer,
)
from services.common.errors import IntentError, Reason
from tests.harness.wait import eventually
from tests.unit.cache.fakes import Chain, Clock, Store, new_cache

KEY = HasPublicKey("alice.near", "ed25519:x")
NONCE = IsNonceUsed("alice.near", b"n" * 32)
KEPT = IsKept(
    PlainIntent(
        id="i",
        user_account="alice.near",
        action="swap",
        input_token="USDC",
        input_amount="1",
        output_token="NEAR",
    )
)


@pytest.mark.parametrize(
    ("view", "truth", "kept_for"),
    [
        (KEY, True, 10.0),
        (KEY, False, 0.0),
        (NONCE, False, 0.0),
        (KEPT, False, 0.0),
        (IsValidSalt(b"abcd"), True, 2.0),
        (CurrentSalt(), True, 2.0),
        (BalanceOf("alice.near", "USDC"), 7, 1.0),
        (BalanceOf("alice.near", "USDC"), 0, 1.0),
        (IsRegistered("usdc.near", "alice.near"), True, 300.0),
        (IsRegistered("usdc.near", "alice.near"), False, 0.0),
    ],
)
async def test_each_answer_is_kept_for_its_time(view: ChainView, truth: bool | int, kept_for: float) -> None:
    clock, chain = Clock(), Chain()
    cache = new_cache(clock, Store(clock), chain)
    chain.truths[view] = truth
    await cache.views([view])
    if kept_for:
        clock.advance(kept_for - 0.5)
        await cache.views([view])
        assert len(chain.viewed) == 1
        clock.advance(0.5)
    (answer,) = await cache.views([view])
    assert len(chain.viewed) == 2
    assert isinstance(answer, ViewAnswer)
    assert answer.value == (b"salt" if isinstance(view, CurrentSalt) else truth)


@pytest.mark.parametrize("view", [NONCE, KEPT])
async def test_what_holds_for_good_at_a_final_block_is_not_asked_again(view: ChainView) -> None:
    clock, chain = Clock(), Chain()
    cache = new_cache(clock, Store(clock), chain)
    chain.truths[view], chain.final = True, False
    await cache.views([view])
    chain.final = True
    (used,) = await cache.views([view])
    assert isinstance(used, ViewAnswer)
    assert (used.value, used.final, len(chain.viewed)) == (True, True, 2)
    chain.truths[view], chain.height = False, 99
    clock.advance(10**9)
    assert await cache.views([view]) == [used]
    assert len(chain.viewed) == 2


@pytest.mark.parametrize("view", [KEY, CurrentSalt(), BalanceOf("alice.near", "USDC"), NONCE])
async def test_p06_a_node_that_lags_takes_no_answer_back(view: ChainView) -> None:
    clock, chain = Clock(), Chain()
    cache = new_cache(clock, Store(clock), chain)
    chain.height = 7
    (first,) = await cache.views([view])
    clock.advance(3600)
    chain.height, chain.salt, chain.truths[view] = 6, b"late", True
    (again,) = await cache.views([view])
    assert again == first
    chain.height = 8
    (later,) = await cache.views([view])
    assert isinstance(later, ViewAnswer)
    assert (later.block_height, later.value) == (8, b"late" if isinstance(view, CurrentSalt) else True)


async def test_views_held_are_bounded_in_entries_and_bytes() -> None:
    for entries, size in ((50, 10**6), (10**6, 50_000)):
        clock, chain, registry = Clock(), Chain(), CollectorRegistry()
        cache = new_cache(
            clock, Store(clock), chain, meters=Meters(registry), view_entries=entries, view_bytes=size
        )
        for number in range(30):
            await cache.views([BalanceOf("a" * 200, f"{number}-{one}") for one in range(20)])
            assert (registry.get_sample_value("cache_view_entries") or 0) <= entries
            assert 0 < (registry.get_sample_value("cache_view_bytes") or 0) <= size
        assert (registry.get_sample_value("cache_view_entries") or 0) >= 30


async def test_concurrent_questions_are_one_and_different_ones_a_batch() -> None:
    clock, chain = Clock(), Chain()
    cache = new_cache(clock, Store(clock), chain)
    await asyncio.gather(*(cache.views([KEY, NONCE]) for _ in range(10)))
    assert chain.viewed == [[KEY, NONCE]]


async def test_a_chain_that_is_away_is_said_per_item() -> None:
    clock, chain = Clock(), Chain()
    cache = new_cache(clock, Store(clock), chain)
    chain.truths[KEY] = True
    await cache.views([KEY])
    chain.away = True
    known, unknown = await cache.views([KEY, NONCE])
    assert isinstance(known, ViewAnswer)
    assert isinstance(unknown, IntentError)
    assert unknown.reason is Reason.DEPENDENCY_UNAVAILABLE


async def test_a_malformed_view_is_refused_alone() -> None:
    clock, chain = Clock(), Chain()
    cache = new_cache(clock, Store(clock), chain)
    answers = await cache.views(
        [
            IsNonceUsed("a", b"short"),
            IsValidSalt(b""),
            HasPublicKey("a" * 999, ""),
            BalanceOf("a", "t" * 999),
            IsRegistered("c" * 999, "a"),
            Simulation(SignedData(standard="raw_ed25519", payload="m" * 65_537, public_key="", signature="")),
            IsKept(replace(KEPT.intent, id="i" * 999)),
            KEY,
        ]
    )
    assert [isinstance(answer, IntentError) for answer in answers] == [True] * 7 + [False]
    assert chain.viewed == [[KEY]]


async def test_closing_ends_whoever_waits() -> None:
    clock, chain = Clock(), Chain()
    chain.gate = asyncio.Event()
    cache = new_cache(clock, Store(clock), chain)
    async with cache.run():
        asking = asyncio.create_task(cache.views([KEY]))
        await eventually(lambda: chain.viewed)
    (answer,) = await asking
    assert isinstance(answer, IntentError)
    assert answer.reason is Reason.DRAINING
