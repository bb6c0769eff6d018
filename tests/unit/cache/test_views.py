"""Chain views are kept for as long as their answer can be relied on."""

import asyncio
from dataclasses import replace

import pytest

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
        (NONCE, True, 86_400.0),
        (NONCE, False, 0.0),
        (KEPT, True, 86_400.0),
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
