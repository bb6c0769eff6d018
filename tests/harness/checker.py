"""Compares store, event log and chain, intent by intent; says every difference in words.

Used by end-to-end and fault tests, and itself seen to fail on planted differences (tests/unit/test_checker.py).
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from services.common.domain.intent import IntentEvent, IntentRecord
from services.common.domain.lifecycle import NEXT, TERMINAL, Status
from services.common.ports import EventLog, IntentReader

EFFECTS = ("verify_signed_intent", "solve_intent")


@dataclass(frozen=True, slots=True, kw_only=True)
class Truths:
    """What the three say. `kept` and `chain` are the Verifier's view, `effects` devnet's counts."""

    records: Mapping[str, IntentRecord]
    events: Sequence[IntentEvent]
    statuses: Mapping[str, str | None]
    effects: Mapping[str, Mapping[str, int]] = field(default_factory=dict)


async def read_log(log: EventLog) -> list[IntentEvent]:
    """The whole event log from the oldest."""
    events: list[IntentEvent] = []
    cursor = ""
    while True:
        page = await log.list_events(cursor, limit=1000)
        events.extend(page.events)
        if page.at_end or page.cursor == cursor:
            return events
        cursor = page.cursor


async def read_records(store: IntentReader, ids: Iterable[str]) -> dict[str, IntentRecord]:
    """The records of `ids` that the store knows."""
    wanted = list(ids)
    found: dict[str, IntentRecord] = {}
    for start in range(0, len(wanted), 200):
        for record in await store.get(wanted[start : start + 200]):
            if record is not None:
                found[record.intent_id] = record
    return found


def differences(ids: Iterable[str], truths: Truths) -> list[str]:
    """Every way in which the three disagree about `ids`, one sentence each; empty when they agree."""
    wanted = list(ids)
    by_intent: dict[str, list[IntentEvent]] = {}
    for event in truths.events:
        by_intent.setdefault(event.intent_id, []).append(event)
    found: list[str] = []
    for intent_id in wanted:
        record = truths.records.get(intent_id)
        if record is None:
            found.append(f"{intent_id}: accepted, but the store has no record of it")
            continue
        found += [f"{intent_id}: {text}" for text in _of_one(record, by_intent.get(intent_id, []), truths)]
    strangers = set(by_intent) - set(truths.records) - set(wanted)
    found += [f"{intent_id}: in the event log, but not in the store" for intent_id in sorted(strangers)]
    return found


def _of_one(record: IntentRecord, events: Sequence[IntentEvent], truths: Truths) -> Iterable[str]:
    if record.status not in TERMINAL:
        yield f"is {record.status}, not at its end"
    versions = [event.version for event in events]
    if versions != list(range(1, record.version + 1)):
        yield f"the log has versions {versions}, the record version {record.version}"
    statuses = [event.status for event in events]
    if statuses and statuses[0] is not Status.PENDING:
        yield f"its first event is {statuses[0]}"
    for before, after in zip(statuses, statuses[1:], strict=False):
        if after not in NEXT[before]:
            yield f"the log moves it from {before} to {after}"
    if statuses and statuses[-1] is not record.status:
        yield f"the log ends with {statuses[-1]}, the record says {record.status}"
    if [(e.version, e.status) for e in record.history] != [(e.version, e.status) for e in events]:
        yield "its history differs from the log"
    chain = truths.statuses.get(record.intent_id)
    if record.status is Status.COMPLETED and chain != "completed":
        yield f"the record is completed, the chain says {chain}"
    if record.status is Status.FAILED and chain == "completed":
        yield "the record is failed, the chain says completed"
    if record.status is Status.COMPLETED:
        yield from _completed(record, truths.effects.get(record.intent_id, {}))


def _completed(record: IntentRecord, effects: Mapping[str, int]) -> Iterable[str]:
    for method in EFFECTS:
        if effects.get(method, 0) != 1:
            yield f"{method} had {effects.get(method, 0)} effects on chain, not 1"
    details = record.execution_details
    if details is None or not details.transactions or details.gas_used <= 0 or details.total_cost <= 0:
        yield f"its executionDetails are incomplete: {details}"
        return
    if details.gas_used != sum(tx.gas_used for tx in record.transactions):
        yield "its gasUsed is not the sum over its transactions"


def statuses_of(answer: Mapping[str, Any]) -> dict[str, Mapping[str, int]]:
    """devnet_counts' answer -> effects by intent."""
    intents: dict[str, Mapping[str, int]] = answer["intents"]
    return intents
