"""The end of a run: what the store holds now, against what it acknowledged and what the watchers were told."""

import asyncio
import contextlib
import time
from collections import Counter
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from services.common.domain.intent import IntentEvent, IntentRecord
from services.common.domain.lifecycle import Status
from services.common.domain.outcomes import ListQuery, RequestIdentity
from services.common.domain.statistics import StatisticsQuery
from services.common.ports import Store
from tests.harness import checker
from tests.harness.wait import eventually
from tests.soak.store.follow import Watcher
from tests.soak.store.ledger import Ledger

PAGE: Final = 200
EVENTS: Final = 1000
PATIENCE: Final = 20.0
"""Seconds without anything new after which what is missing counts as missing: a relay may be behind, or dead."""
PAUSE: Final = 0.2


@dataclass(frozen=True, slots=True, kw_only=True)
class Held:
    """Everything in the store: records by id, the log in the order of its partitions."""

    records: Mapping[str, IntentRecord]
    events: Sequence[IntentEvent]


async def read(store: Store, patience: float) -> Held:
    """Once nobody writes any more: the log when it is as long as the records say, or when it has stopped growing."""
    records = await _records(store)
    expected = sum(one.version for one in records.values())
    events: list[IntentEvent] = []
    cursor = ""

    async def more() -> int:
        nonlocal cursor
        while True:
            page = await store.list_events(cursor, limit=EVENTS)
            events.extend(page.events)
            cursor = page.cursor
            if page.at_end:
                return len(events)

    await _grown(more, expected, patience)
    return Held(records=records, events=events)


async def _grown(count: Callable[[], Awaitable[int]], expected: int, patience: float) -> None:
    """Until there are so many, or until for `patience` seconds there were no more."""
    last, until = -1, 0.0
    while (now := await count()) != expected:
        if now != last:
            last, until = now, time.monotonic() + patience
        elif time.monotonic() > until:
            return
        await asyncio.sleep(PAUSE)


async def _records(store: Store) -> dict[str, IntentRecord]:
    found: dict[str, IntentRecord] = {}
    token = ""
    while True:
        page = await store.list(ListQuery(page_size=PAGE, page_token=token))
        found |= {one.intent_id: one for one in page.records}
        token = page.next_page_token
        if not token:
            return found


async def differences(
    store: Store, held: Held, ledger: Ledger, watchers: Sequence[Watcher], patience: float
) -> list[str]:
    """Everything that is not as it was promised, one sentence each."""
    found = list(ledger.found)
    logged: dict[str, list[IntentEvent]] = {}
    for event in held.events:
        logged.setdefault(event.intent_id, []).append(event)
    for intent_id in sorted({*ledger.sent, *held.records, *logged}):
        record = held.records.get(intent_id)
        found += [f"{intent_id}: {text}" for text in ledger.broken(intent_id, record)]
        if record is None:
            if intent_id in logged:
                found.append(f"{intent_id}: the log tells of it, and there is no record")
            continue
        found += [
            f"{intent_id}: {text}" for text in checker.log_differences(record, logged.get(intent_id, []))
        ]
    found += await _requests(store, ledger)
    found += await _counts(store, held, patience)
    told = await asyncio.gather(*(_watched(watcher, held, patience) for watcher in watchers))
    return found + [text for texts in told for text in texts]


async def _requests(store: Store, ledger: Ledger) -> list[str]:
    """Whoever asks by a request_id that was acknowledged finds the intent."""
    asked = [
        (RequestIdentity(principal=one.new.principal, method=one.new.method, request_id=request), one)
        for one in ledger.acknowledged
        if (request := one.new.submission.request_id)
    ]
    found: list[str] = []
    for start in range(0, len(asked), PAGE):
        part = asked[start : start + PAGE]
        for (identity, promise), record in zip(
            part, await store.get([identity for identity, _ in part]), strict=True
        ):
            assert promise.receipt is not None
            wanted = promise.receipt.intent_id
            if record is None or record.intent_id != wanted:
                now = None if record is None else record.intent_id
                found.append(f"{wanted}: acknowledged for {identity.request_id}, which now finds {now}")
    return found


async def _counts(store: Store, held: Held, patience: float) -> Iterable[str]:
    there = Counter(record.status for record in held.records.values())
    counted: dict[Status, int] = {}

    async def agree() -> bool:
        nonlocal counted
        found = (await store.statistics(StatisticsQuery())).counts
        counted = {status: count for status, count in found.items() if count}
        return counted == dict(there)

    with contextlib.suppress(AssertionError):
        await eventually(agree, patience)
    return [] if counted == dict(there) else [f"the store counts {counted}, its records are {dict(there)}"]


async def _watched(watcher: Watcher, held: Held, patience: float) -> list[str]:
    name = watcher.seen.name

    async def told() -> int:
        return watcher.events

    await _grown(told, len(held.events), patience)
    found = watcher.found + watcher.seen.faults
    if watcher.events != len(held.events):
        found.append(f"{name}: was told {watcher.events} events, the log has {len(held.events)}")
    for intent_id in sorted({*watcher.seen.told, *held.records}):
        record = held.records.get(intent_id)
        there = [] if record is None else [(one.version, one.status.value) for one in record.history]
        told: list[Any] = watcher.seen.told.get(intent_id, [])
        if told != there:
            found.append(f"{name}: {intent_id} was told as {told}, its history is {there}")
    return found
