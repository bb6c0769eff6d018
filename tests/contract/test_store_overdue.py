"""What every backend of the store promises about intents that nobody ends."""

from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest

from services.common.domain.lifecycle import Status
from services.common.domain.outcomes import LeaseRef, Overdue, OverdueCause, OverduePage
from services.common.errors import IntentError, Reason
from services.store import overdue
from services.store.migrating.run import migrate
from tests.unit.store.older import ADDED
from tests.unit.store.raw import Raw, raw
from tests.unit.store.support import (
    START,
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
    opened_storage,
    store_url,
    transaction,
)

__all__ = ["bench", "store_url"]

PAST, NONE, FOREIGN, HELD = OverdueCause
FAR = START + timedelta(days=365)
GRACE = timedelta(seconds=60)


@pytest.fixture
def behind(bench: Bench) -> Iterator[Raw]:
    with raw(bench.url) as one:
        yield one


def told(page: OverduePage) -> list[tuple[str, OverdueCause]]:
    return [(one.record.intent_id, one.cause) for one in page.overdue]


async def everything(store: Any, size: int = 50) -> list[Overdue]:
    found: list[Overdue] = []
    token = ""
    while True:
        page = await store.overdue(page_size=size, page_token=token)
        assert len(page.overdue) <= size
        found += page.overdue
        token = page.next_page_token
        if not token:
            return found


def written_past(behind: Raw, intent_id: str, **fields: Any) -> None:
    behind.change(intent_id, lambda document: document.update(fields))


def held(behind: Raw, intent_id: str, since: Any) -> None:
    behind.change(
        intent_id,
        lambda document: document.update(held={"reason": "UNSIGNED", "since": since}, nextActionAt=None),
    )


async def test_p13_each_cause_is_found(bench: Bench, behind: Raw) -> None:
    """One of each, in their order; what is well is not there."""
    store, clock = bench.store, bench.clock
    await store.create(
        [new(f"{name}-1", expires_at=FAR) for name in ("ended", "foreign", "held", "leased", "waiting")]
        + [new("past-1", expires_at=START + timedelta(hours=1))]
    )
    leases = {one.intent_id: one for one in await store.claim("p-1", limit=10, lease_ms=7_200_000)}
    await moved(store, failure(leases["ended-1"], fence=fence_of(leases["ended-1"])))
    later = LeaseRef(
        intent_id="waiting-1", fence=fence_of(leases["waiting-1"]), next_action_at=START + timedelta(hours=3)
    )
    assert await store.release([later]) == [True]
    await created(store, "none-1", expires_at=FAR)
    written_past(behind, "foreign-1", status="executing")
    held(behind, "held-1", START)
    clock.advance(hours=1, seconds=1)
    found = {one.record.intent_id: one for one in await everything(store)}
    assert [(name, one.cause) for name, one in found.items()] == [
        ("past-1", PAST),
        ("none-1", NONE),
        ("foreign-1", FOREIGN),
        ("held-1", HELD),
    ]
    assert found["past-1"].since == START + timedelta(hours=1)
    assert found["none-1"].since == found["held-1"].since == START
    assert "'executing' was written past the store over 'pending'" in found["foreign-1"].last_evidence
    assert found["held-1"].last_evidence == "UNSIGNED"


async def test_p13_an_intent_past_its_deadline_is_told_whoever_holds_it(bench: Bench) -> None:
    """With what is known of where it stands, until it has ended."""
    await created(bench.store, "i-1", expires_at=START + timedelta(minutes=5))
    lease = await claimed(bench.store, lease_ms=3_600_000)
    fence = fence_of(lease)
    one = await moved(
        bench.store, move(lease, Status.VERIFIED, fence=fence, transactions=(transaction("tx-9"),))
    )
    bench.clock.advance(minutes=5)
    assert await everything(bench.store) == []
    bench.clock.advance(milliseconds=1)
    (late,) = await everything(bench.store)
    assert (late.cause, late.since) == (PAST, START + timedelta(minutes=5))
    assert late.record == one and "verify tx-9 signed" in late.last_evidence
    await moved(bench.store, failure(one, "EXPIRED", fence=fence))
    assert await everything(bench.store) == []


async def test_p13_a_due_intent_may_wait_for_an_owner_as_long_as_the_grace(bench: Bench) -> None:
    """New ones, lapsed leases, and those handed over to one who never came."""
    await created(bench.store, "i-1", expires_at=FAR)
    for then in ("", "claimed", "handed over"):
        if then == "claimed":
            lease = await claimed(bench.store, lease_ms=1_000)
        elif then:
            ref = LeaseRef(intent_id="i-1", fence=fence_of(lease))
            assert await bench.store.hand_over([ref], to_owner="nobody", lease_ms=1_000) == [True]
        bench.clock.moment += GRACE + timedelta(seconds=1 if then else 0)
        assert await everything(bench.store) == []
        bench.clock.advance(milliseconds=1)
        (late,) = await everything(bench.store)
        assert (late.cause, late.since) == (NONE, bench.clock.moment - GRACE - timedelta(milliseconds=1))


async def test_p13_pages_hold_everything_once_and_longest_first(bench: Bench, behind: Raw) -> None:
    """Whatever their size, also where many ended up with the same times."""
    batch = [new(f"past-{n}", expires_at=START + timedelta(minutes=n % 3)) for n in range(7)]
    batch += [new(f"open-{n}", expires_at=FAR) for n in range(12)]
    await bench.store.create(batch)
    for n in range(4):
        written_past(behind, f"open-{n}", status=["failed", "executing"][n % 2], nextActionAt=None)
    for n in range(4, 7):
        held(behind, f"open-{n}", START + timedelta(seconds=10 - n))
    bench.clock.advance(minutes=10)
    whole = [(one.record.intent_id, one.cause) for one in await everything(bench.store)]
    assert whole == [
        *((f"past-{n}", PAST) for n in (0, 3, 6, 1, 4, 2, 5)),
        *((name, NONE) for name in sorted(f"open-{n}" for n in range(7, 12))),
        *((f"open-{n}", FOREIGN) for n in (1, 3, 0, 2)),
        *((f"open-{n}", HELD) for n in (6, 5, 4)),
    ]
    for size in (1, 2, 5, 19):
        assert [(one.record.intent_id, one.cause) for one in await everything(bench.store, size)] == whole


async def test_p13_a_page_reads_so_many_and_no_more(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    """What was told under an earlier cause is passed over in portions: empty pages, and none left out."""
    monkeypatch.setattr(overdue, "PASSED", 3)
    monkeypatch.setattr(overdue, "_AT_ONCE", 2)
    await bench.store.create([new(f"past-{n:02}", expires_at=START) for n in range(20)])
    await created(bench.store, "late", expires_at=FAR)
    bench.clock.advance(hours=1)
    pages: list[list[tuple[str, OverdueCause]]] = []
    token = ""
    while True:
        page = await bench.store.overdue(page_size=5, page_token=token)
        pages.append(told(page))
        token = page.next_page_token
        if not token:
            break
    assert [one for page in pages for one in page] == [
        *((f"past-{n:02}", PAST) for n in range(20)),
        ("late", NONE),
    ]
    assert [] in pages


async def test_p13_every_pair_of_statuses_is_found(bench: Bench, behind: Raw) -> None:
    """Also over what has ended, and with words that are no status."""
    words = [*Status, "cancelled", "", "Pending"]
    pairs = [(ours, word) for ours in Status for word in words if ours != word]
    await bench.store.create([new(f"i-{n:02}", expires_at=FAR) for n in range(len(pairs))])
    for n, (ours, word) in enumerate(pairs):
        written_past(behind, f"i-{n:02}", versionStatus=ours.value, status=str(word), nextActionAt=None)
    found = await everything(bench.store, 7)
    assert sorted(one.record.intent_id for one in found) == [f"i-{n:02}" for n in range(len(pairs))]
    assert {one.cause for one in found} == {FOREIGN}


async def test_p13_what_is_overdue_is_counted(store_url: str) -> None:
    async with opened(store_url) as bench:
        await bench.store.create(
            [new(f"past-{n}", expires_at=START + timedelta(minutes=n)) for n in range(3)]
            + [new("none", expires_at=FAR), new("held", expires_at=FAR)]
        )
        with raw(store_url) as behind:
            held(behind, "held", START + timedelta(minutes=7))
        bench.clock.advance(minutes=10)
        counts = await bench.store.overstaying()
    assert {cause: (one.count, one.oldest / timedelta(minutes=1)) for cause, one in counts.items()} == {
        PAST: (3, 10.0),
        NONE: (1, 10.0),
        FOREIGN: (0, 0.0),
        HELD: (1, 3.0),
    }


@pytest.mark.parametrize("size", [0, 201])
async def test_pages_have_bounds(bench: Bench, size: int) -> None:
    with pytest.raises(IntentError) as caught:
        await bench.store.overdue(page_size=size)
    assert caught.value.reason is Reason.BATCH_SIZE


async def test_forged_tokens_are_refused(bench: Bench) -> None:
    await bench.store.create([new(f"i-{n}", expires_at=START) for n in range(3)])
    bench.clock.advance(hours=1)
    token = (await bench.store.overdue(page_size=1)).next_page_token
    for bad in (token[:-1], "A" + token[1:], "!", "AAAA", token + token, "A" * 20_000, "\0"):
        with pytest.raises(IntentError) as caught:
            await bench.store.overdue(page_size=1, page_token=bad)
        assert caught.value.reason is Reason.PAGE_TOKEN_INVALID


async def test_p13_records_of_schema_1_are_not_forgotten(store_url: str) -> None:
    """They show when due without an owner; migrate gives them openUntil, by which they are past their deadline."""
    async with opened(store_url) as one, opened_storage(store_url) as storage:
        await created(one.store, "i-1", expires_at=START + timedelta(minutes=1))
        with raw(store_url) as behind:
            behind.change("i-1", lambda document: [document.pop(name) for name in ADDED])
        one.clock.advance(minutes=5)
        for cause in (NONE, PAST):
            assert told(await one.store.overdue()) == [("i-1", cause)]
            await migrate(storage, one.clock, progress=lambda what, count: None)
