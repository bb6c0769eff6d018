"""Compares store, event log and chain, intent by intent; says every difference in words.

Used by end-to-end and fault tests, and itself seen to fail on planted differences (tests/unit/test_checker.py).
"""

import itertools
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from services.common.chain.port import Chain, ChainIntent
from services.common.domain.intent import IntentEvent, IntentRecord
from services.common.domain.lifecycle import NEXT, TERMINAL, Status
from services.common.domain.plainjson import plain_to_json
from services.common.ports import EventLog, IntentReader

EFFECTS = ("verify_signed_intent", "solve_intent")
PAGE = 200


@dataclass(frozen=True, slots=True, kw_only=True)
class Truths:
    """What the three say. `chain` is the Verifier's view of each intent, `effects` devnet's counts."""

    records: Mapping[str, IntentRecord]
    events: Sequence[IntentEvent]
    chain: Mapping[str, ChainIntent]
    effects: Mapping[str, Mapping[str, int]] = field(default_factory=dict)


async def read(ids: Iterable[str], *, store: Any, chain: Chain, counts: Mapping[str, Any]) -> Truths:
    """All three about `ids`. `store` reads records and the log, `counts` is the answer of devnet_counts."""
    wanted = list(ids)
    return Truths(
        records=await read_records(store, wanted),
        events=await read_log(store),
        chain=await read_chain(chain, wanted),
        effects=counts["intents"],
    )


async def read_log(log: EventLog) -> list[IntentEvent]:
    """The whole event log from the oldest."""
    events: list[IntentEvent] = []
    cursor = ""
    while True:
        page = await log.list_events(cursor, limit=PAGE)
        events.extend(page.events)
        if page.at_end or page.cursor == cursor:
            return events
        cursor = page.cursor


async def read_records(store: IntentReader, ids: Iterable[str]) -> dict[str, IntentRecord]:
    """The records of `ids` that the store knows."""
    wanted = list(ids)
    found: dict[str, IntentRecord] = {}
    for start in range(0, len(wanted), PAGE):
        for record in await store.get(wanted[start : start + PAGE]):
            if record is not None:
                found[record.intent_id] = record
    return found


async def read_chain(chain: Chain, ids: Iterable[str]) -> dict[str, ChainIntent]:
    """What the Verifier knows of `ids`; raises what the node could not answer."""
    wanted = list(ids)
    found: dict[str, ChainIntent] = {}
    for start in range(0, len(wanted), PAGE):
        part = wanted[start : start + PAGE]
        for intent_id, seen in zip(part, await chain.intents(part), strict=True):
            if isinstance(seen, Exception):
                raise seen
            found[intent_id] = seen
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
    return found


def _of_one(record: IntentRecord, events: Sequence[IntentEvent], truths: Truths) -> Iterable[str]:
    if record.status not in TERMINAL:
        yield f"is {record.status}, not at its end"
    elif record.lease is not None:
        yield "has ended and is still leased"
    yield from log_differences(record, events)
    yield from _chain(record, truths.chain.get(record.intent_id), truths.effects.get(record.intent_id, {}))


def log_differences(record: IntentRecord, events: Sequence[IntentEvent]) -> Iterable[str]:
    """Every way in which a record and the log's events of it, in their order, disagree; it need not have ended."""
    versions = [event.version for event in events]
    if versions != list(range(1, record.version + 1)):
        yield f"the log has versions {versions}, the record version {record.version}"
    statuses = [event.status for event in events]
    if statuses and statuses[0] is not Status.PENDING:
        yield f"its first event is {statuses[0]}"
    for before, after in itertools.pairwise(statuses):
        if after not in NEXT[before]:
            yield f"the log moves it from {before} to {after}"
    if statuses and statuses[-1] is not record.status:
        yield f"the log ends with {statuses[-1]}, the record says {record.status}"
    if [(e.version, e.status) for e in record.history] != [(e.version, e.status) for e in events]:
        yield "its history differs from the log"
    if events and events[-1].execution_details != record.execution_details and record.terminal:
        yield "the log's last event tells other executionDetails than the record"
    if events and events[-1].error_details != record.error_details and record.terminal:
        yield "the log's last event tells other errorDetails than the record"


def _chain(record: IntentRecord, seen: ChainIntent | None, effects: Mapping[str, int]) -> Iterable[str]:
    status = None if seen is None else seen.status
    if record.status is Status.COMPLETED and status != "completed":
        yield f"the record is completed, the chain says {status}"
    if record.status is Status.FAILED and status == "completed":
        yield "the record is failed, the chain says completed"
    if seen is not None and seen.kept is not None:
        yield from _kept(record, seen.kept)
    for method in EFFECTS:
        count = effects.get(method, 0)
        if record.status is Status.COMPLETED and count != 1:
            yield f"{method} had {count} effects on chain, not 1"
        if record.status is not Status.COMPLETED and count > 1:
            yield f"{method} had {count} effects on chain, more than 1"
    if record.status is Status.COMPLETED:
        yield from _details(record)


def _kept(record: IntentRecord, kept: Mapping[str, Any]) -> Iterable[str]:
    for name, ours in plain_to_json(record.intent).items():
        if name in ("max_slippage", "deadline"):
            continue  # written in more than one way; the contract compares them itself
        if str(kept.get(name)) != str(ours):
            yield f"the chain keeps {name} {kept.get(name)}, the record {ours}"


def _details(record: IntentRecord) -> Iterable[str]:
    details = record.execution_details
    if details is None or not details.transactions or details.gas_used <= 0 or details.total_cost <= 0:
        yield f"its executionDetails are incomplete: {details}"
        return
    if details.gas_used != sum(tx.gas_used for tx in record.transactions):
        yield "its gasUsed is not the sum over its transactions"
    if details.total_cost != sum(tx.total_cost for tx in record.transactions):
        yield "its totalCost is not the sum over its transactions"
    if [tx.hash for tx in details.transactions] != [tx.hash for tx in record.transactions]:
        yield "its executionDetails list other transactions than were signed"
    if any(tx.status == "signed" for tx in record.transactions):
        yield "it has ended with a transaction whose end is not recorded"
