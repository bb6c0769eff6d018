"""What no sound caller sends: a typed answer, nothing written, and the next call is served as ever."""

import asyncio
import base64
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest

from services.common.domain.intent import Submission
from services.common.domain.lifecycle import Status
from services.common.domain.outcomes import (
    Accepted,
    AlreadyThere,
    Applied,
    Conflict,
    LeaseRef,
    ListQuery,
    Refused,
    TransactionRecord,
)
from services.common.errors import IntentError, Reason
from tests.unit.store.support import (
    Bench,
    all_events,
    bench,
    claimed,
    created,
    failure,
    fence_of,
    move,
    new,
    nonce_of,
    opened,
    plain,
    raw_ed25519,
    record,
    store_url,
    transaction,
)

__all__ = ["bench", "store_url"]

LONG = "x" * 10_240
FIRST, LAST = datetime(1, 1, 1, tzinfo=UTC), datetime(9999, 12, 31, 23, 59, 59, 999_000, tzinfo=UTC)
HUGE = (-1, 0, 2**31, 2**53 + 1, 2**62)
"""Versions, fences and counts from nowhere; what gRPC cannot carry is left out there."""


async def answer(call: Any) -> Any:
    """What came back, typed errors included; anything else fails the test."""
    try:
        return await asyncio.wait_for(call, 30)
    except IntentError as error:
        return error


def reason(one: Any) -> Reason | None:
    return one.reason if isinstance(one, IntentError) else None


async def untouched(bench: Bench, before: Any) -> None:
    """Nothing but `before` is there, as it was."""
    page = await bench.store.list(ListQuery(page_size=50))
    assert [one.intent_id for one in page.records] == [before.intent_id]
    assert await record(bench.store, before.intent_id) == before
    assert len(await all_events(bench.store)) <= before.version


@pytest.mark.parametrize(
    "text", ["$set", "a.b.$c", "$$ROOT", "{$ne: null}", "a\0b", "\0", "€\U0001f600", "'; --"]
)
async def test_p10_odd_text_is_text(bench: Bench, text: str) -> None:
    """Stored, found and told as it was sent; no part of it means anything to a database."""
    sent = new(principal=text, user_account=text, action=text, input_token=text, output_token=f"{text}$")
    (outcome,) = await bench.store.create([sent])
    assert isinstance(outcome, Accepted), outcome
    found = await record(bench.store)
    assert found.submission == sent.submission and found.principal == text
    for query in (ListQuery(principal=text), ListQuery(user_id=text), ListQuery(action=text)):
        (one,) = (await bench.store.list(replace(query, page_size=5))).records
        assert one == found
    for other in (text[:-1] or "x", f"{text}\0", text.swapcase() + "x"):
        assert not (await bench.store.list(ListQuery(user_id=other, page_size=5))).records
    claim = await claimed(bench.store, text)
    assert claim.lease is not None and claim.lease.owner == text
    odd = transaction(text, evidence=f'{{"{text}": {{"$gt": ""}}}}', status=text, solver_id=text)
    verified = move(
        claim, Status.VERIFIED, fence=fence_of(claim), transactions=(odd,), actor=text, reason=text
    )
    (moved,) = await bench.store.transition([verified])
    assert isinstance(moved, Applied), moved
    assert moved.record.transactions == (odd,)
    assert (moved.record.history[-1].actor, moved.record.history[-1].reason) == (text, text)


async def test_p10_text_that_is_none_is_refused(store_url: str) -> None:
    """Halves of surrogate pairs: gRPC cannot carry them, an edge in the same process could."""
    lone = "a\ud800"
    async with opened(store_url) as bench:
        before = await created(bench.store, "sound")
        sent = [
            new("i", principal=lone), new("i", action=lone), new("i", input_token=lone),
            new("i", traceparent=lone), new(lone), new("i", request_id=lone), new("i", signed=False, user_account=lone),
        ]  # fmt: skip
        for one in sent:
            (outcome,) = await bench.store.create([one])
            assert reason(outcome) in (Reason.INVALID_FIELD, Reason.INVALID_ID), (one, outcome)
        # one that is odd takes no other of its batch with it
        outcomes = await bench.store.create([new("i", action=lone), new("i-3")])
        assert reason(outcomes[0]) is Reason.INVALID_FIELD and isinstance(outcomes[1], Accepted)
        moves = [
            move(before, Status.FAILED, actor=lone), failure(before, lone), replace(failure(before), intent_id=lone)
        ]  # fmt: skip
        for found in await bench.store.transition(moves):
            assert isinstance(found, Refused) and found.error.reason is Reason.INVALID_FIELD
        lease = LeaseRef(intent_id=lone, fence=1)
        for call in (
            bench.store.claim(lone, limit=1, lease_ms=1_000),
            bench.store.list(ListQuery(user_id=lone, page_size=5)),
            bench.store.get([lone]),
            bench.store.renew([lease], lease_ms=1_000),
            bench.store.release([lease]),
        ):
            assert reason(await answer(call)) is Reason.INVALID_FIELD
        assert await record(bench.store, "sound") == before


async def test_ids_of_ten_kilobytes(bench: Bench) -> None:
    before = await created(bench.store)
    outcomes = await bench.store.create([new(LONG), new("ok", request_id=LONG), new("ok", principal=LONG)])
    assert [reason(one) for one in outcomes] == [
        Reason.INVALID_ID, Reason.INVALID_FIELD, Reason.INVALID_FIELD
    ]  # fmt: skip
    assert await bench.store.get([LONG]) == [None]
    for query in (ListQuery(principal=LONG), ListQuery(user_id=LONG), ListQuery(action=LONG)):
        assert not (await bench.store.list(replace(query, page_size=5))).records
    (outcome,) = await bench.store.transition([replace(failure(before), intent_id=LONG)])
    assert isinstance(outcome, Refused) and outcome.error.reason is Reason.INTENT_NOT_FOUND
    assert await bench.store.renew([LeaseRef(intent_id=LONG, fence=1)], lease_ms=1_000) == [False]
    assert await bench.store.release([LeaseRef(intent_id=LONG, fence=1)]) == [False]
    assert reason(await answer(bench.store.claim(LONG, limit=1, lease_ms=1_000))) is Reason.INVALID_FIELD
    await untouched(bench, before)


async def test_a_signed_text_ten_thousand_deep(bench: Bench) -> None:
    before = await created(bench.store)
    intent = plain("deep")
    for text in ('{"a":' * 10_000 + "1" + "}" * 10_000, "[" * 10_000 + "]" * 10_000, "{" * 10_000):
        data = replace(raw_ed25519(intent, nonce_of("deep")), payload=text)
        sent = replace(new("deep"), submission=Submission(intent=intent, signed_data=data))
        (outcome,) = await bench.store.create([sent])
        assert reason(outcome) is Reason.INVALID_MESSAGE
    # as evidence it is text, which nobody parses
    deep = "[" * 10_000
    (failed,) = await bench.store.transition([failure(before, reason="CANCELLED")])
    assert isinstance(failed, Applied)
    assert isinstance((await bench.store.create([new("i-2", traceparent=deep)]))[0], Accepted)


async def test_p10_what_is_too_large_for_a_record_is_refused(bench: Bench) -> None:
    before = await created(bench.store)
    big = "y" * (3 << 20)
    (outcome,) = await bench.store.create([new("big", user_account=big)])
    assert reason(outcome) is Reason.PAYLOAD_TOO_LARGE
    claim = await claimed(bench.store)
    fence = fence_of(claim)
    before = await record(bench.store)
    too_much = [
        move(claim, Status.VERIFIED, fence=fence, reason=big),
        move(claim, Status.VERIFIED, fence=fence, transactions=(transaction(signed_bytes=big.encode()),)),
        move(claim, Status.VERIFIED, fence=fence, transactions=(transaction(evidence=big),)),
    ]
    for one in too_much:
        (found,) = await bench.store.transition([one])
        assert isinstance(found, Refused) and found.error.reason is Reason.PAYLOAD_TOO_LARGE, found
    kept = TransactionRecord(
        intent_id="i-1", seen_version=1, seen_status=Status.PENDING, fence=fence,
        transactions=(transaction(evidence=big),),
    )  # fmt: skip
    (found,) = await bench.store.record_transactions([kept])
    assert isinstance(found, Refused) and found.error.reason is Reason.PAYLOAD_TOO_LARGE
    await untouched(bench, before)


async def test_dates_at_the_ends_of_time(bench: Bench) -> None:
    for number, moment in enumerate((FIRST, datetime(1969, 12, 31, tzinfo=UTC), LAST)):
        name = f"i-{number}"
        (outcome,) = await bench.store.create([new(name, expires_at=moment)])
        assert isinstance(outcome, Accepted)
        assert (await record(bench.store, name)).expires_at == moment
    for claim in await bench.store.claim("p", limit=10, lease_ms=1_000):
        at = {"i-0": FIRST, "i-1": datetime(1969, 1, 1, tzinfo=UTC)}.get(claim.intent_id, LAST)
        lease = LeaseRef(intent_id=claim.intent_id, fence=fence_of(claim), next_action_at=at)
        assert await bench.store.release([lease]) == [True]
        assert (await record(bench.store, claim.intent_id)).next_action_at == at
    due = await bench.store.claim("p", limit=10, lease_ms=1_000)
    assert {one.intent_id for one in due} == {"i-0", "i-1"}


async def test_p10_numbers_from_nowhere(bench: Bench, request: pytest.FixtureRequest) -> None:
    await created(bench.store)
    claim = await claimed(bench.store)
    before = await record(bench.store)
    fence = fence_of(claim)
    # some of these a stub cannot even send
    stub = request.node.callspec.params["bench"] == "grpc"
    for number in (one for one in HUGE if 0 <= one < 2**31 or not stub):
        for one in (
            replace(failure(claim), seen_version=number),
            move(claim, Status.VERIFIED, fence=number + fence + 2),
            replace(move(claim, Status.VERIFIED, fence=number + fence + 2), seen_version=number),
        ):
            (found,) = await bench.store.transition([one])
            assert isinstance(found, Conflict | Refused), (one, found)
        lease = LeaseRef(intent_id="i-1", fence=number + fence + 2)
        assert await bench.store.renew([lease], lease_ms=1_000) == [False]
        assert await bench.store.release([lease]) == [False]
    for lease_ms in (0, 2**31 - 1) if stub else (0, -1, 2**63):
        assert (
            reason(await answer(bench.store.claim("p", limit=1, lease_ms=lease_ms))) is Reason.INVALID_FIELD
        )
    for limit in (0, 1_001) if stub else (0, -1, 1_001):
        assert reason(await answer(bench.store.claim("p", limit=limit, lease_ms=1_000))) is Reason.BATCH_SIZE
    high = transaction(block_height=2**63)
    (found,) = await bench.store.transition([move(claim, Status.VERIFIED, fence=fence, transactions=(high,))])
    assert isinstance(found, Refused) and found.error.reason is Reason.INVALID_FIELD
    await untouched(bench, before)


async def test_p10_page_tokens_cut_forged_or_of_another_query(bench: Bench) -> None:
    for number in range(3):
        await created(bench.store, f"i-{number}")
    query = ListQuery(user_id="alice.near", page_size=1)
    token = (await bench.store.list(query)).next_page_token
    raw = base64.urlsafe_b64decode(token + "=" * (-len(token) % 4))
    forged = [
        base64.urlsafe_b64encode(raw[:at] + bytes([raw[at] ^ 1]) + raw[at + 1 :]).decode()
        for at in range(len(raw))
    ]
    cut = [token[:length] for length in range(1, len(token))]
    for odd in [*forged, *cut, token + token, "\0", "$", "é", LONG, " " + token]:
        found = await answer(bench.store.list(replace(query, page_token=odd)))
        assert reason(found) is Reason.PAGE_TOKEN_INVALID, odd
    others = [
        replace(query, user_id="bob.near"),
        replace(query, action="swap"),
        replace(query, user_id="", principal="alice"),
    ]
    for other in others:
        found = await answer(bench.store.list(replace(other, page_token=token)))
        assert reason(found) is Reason.PAGE_TOKEN_INVALID
    assert len((await bench.store.list(replace(query, page_token=token))).records) == 1


async def test_the_same_intent_twice_in_a_batch(bench: Bench) -> None:
    outcomes = await bench.store.create([new(), new(), new(input_amount="7", nonce=nonce_of("other"))])
    assert [isinstance(one, Accepted) and one.created for one in outcomes] == [True, False, False]
    assert reason(outcomes[2]) is Reason.ID_TAKEN
    claim = await claimed(bench.store)
    fence = fence_of(claim)
    verified = move(claim, Status.VERIFIED, fence=fence)
    first, again, other = await bench.store.transition([verified, verified, failure(claim, fence=fence)])
    assert isinstance(first, Applied) and isinstance(again, AlreadyThere) and isinstance(other, Conflict)
    lease = LeaseRef(intent_id="i-1", fence=fence)
    assert await bench.store.renew([lease, lease], lease_ms=1_000) in ([True, True], [True, False])
    released = await bench.store.release([lease, lease])
    assert released[0] and (await record(bench.store)).lease is None
    assert (await record(bench.store)).version == 2


async def test_p03_a_version_from_the_future_and_a_lease_of_anothers(bench: Bench) -> None:
    await created(bench.store)
    old = await claimed(bench.store, "first", lease_ms=1_000)
    bench.clock.advance(seconds=2)
    claim = await claimed(bench.store, "second")
    before = await record(bench.store)
    stale, fence = fence_of(old), fence_of(claim)
    moves = [
        replace(move(claim, Status.VERIFIED, fence=fence), seen_version=2),
        replace(move(claim, Status.EXECUTING, fence=fence), seen_version=3, seen_status=Status.VERIFIED),
        move(claim, Status.VERIFIED, fence=stale),
        move(claim, Status.VERIFIED, fence=fence + 1),
    ]
    for one in moves:
        (found,) = await bench.store.transition([one])
        assert isinstance(found, Conflict) and found.record == before
    signing = TransactionRecord(
        intent_id="i-1",
        seen_version=1,
        seen_status=Status.PENDING,
        fence=stale,
        transactions=(transaction(),),
    )
    (found,) = await bench.store.record_transactions([signing])
    assert isinstance(found, Conflict)
    for anothers in (stale, fence + 1):
        lease = LeaseRef(intent_id="i-1", fence=anothers)
        assert await bench.store.renew([lease], lease_ms=60_000) == [False]
        assert await bench.store.release([lease]) == [False]
    await untouched(bench, before)
