"""Finds intents that nobody ends, looks at store, log and chain, and does the one right thing (P13).

It moves no intent itself. It sends again bytes that are stored, which may be sent by anybody at any time (P2); it has
an intent taken up at once, so that the steps do what is due under a lease; or it hands it to a person: an entry in
the record, a metric, a critical notice. Every replica looks; what two do is done once or does no harm twice.
"""

import asyncio
import logging
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final

from prometheus_client import Counter as CounterMetric
from prometheus_client import Gauge

from services.common.chain.port import BroadcastResult, Chain
from services.common.clock import Clock, now
from services.common.domain.intent import IntentRecord, SignedTransaction
from services.common.domain.outcomes import Overdue
from services.common.domain.settling import BY_PROCESSOR, Act, Audited, Settlement
from services.common.errors import IntentError
from services.common.observe import Observe, logs, metrics
from services.processor.alerts import Alerts
from services.processor.lane import AWAY, Lane
from services.processor.model import open_transactions
from services.processor.ports import Store
from services.processor.stuck import Diagnosis, Finding, Sight, diagnose
from services.processor.worker import Worker

logger: Final = logging.getLogger(__name__)

PAGE: Final = 100
MOST: Final = 1_000
"""Overdue intents looked at in one round; the store lists the longest overdue first."""
AT_ONCE: Final = 16
"""Questions to the chain at the same time."""
SEND_LIMIT: Final = 10.0
"""Seconds bytes may wait for their turn in the lane."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Patience:
    """Seconds. `every` between rounds; what is overdue for `after` is looked at, for `person` told to people too."""

    every: float
    after: float
    person: float


@dataclass(slots=True, kw_only=True)
class Resolver:
    """`run` works until cancelled; the rest is for operators too."""

    store: Store
    chain: Chain
    lane: Lane
    worker: Worker
    alerts: Alerts
    clock: Clock
    observe: Observe
    patience: Patience
    _stuck: metrics.Family[Gauge] = field(init=False)
    _acts: metrics.Family[CounterMetric] = field(init=False)

    def __post_init__(self) -> None:
        registry = self.observe.registry
        self._stuck = metrics.gauge(
            registry,
            "intents_stuck",
            "Overdue intents at this replica's last look, by what is to be done",
            ("finding",),
        )
        self._acts = metrics.counter(
            registry,
            "processor_resolutions_total",
            "What was done for overdue intents, by finding",
            ("finding",),
        )
        for finding in Finding:
            self._stuck(finding.value).set(0)

    async def run(self) -> None:
        """Round after round, until cancelled."""
        while True:
            await self.clock.sleep(self.patience.every)
            try:
                await self.round()
            except IntentError as error:
                if error.reason not in AWAY:
                    raise
                # what is away is told by those who need it; the next round looks again

    async def round(self) -> Counter[Finding]:
        """One look at all that is overdue; how many of each finding."""
        counted: Counter[Finding] = Counter()
        token, looked = "", 0
        while looked < MOST:
            page = await self.store.overdue(page_size=PAGE, page_token=token)
            late = [one for one in page.overdue if self._overdue_for(one) >= self.patience.after]
            looked += len(page.overdue)
            for sight in await self.look([one.record for one in late], late):
                counted[(await self._attend(sight)).finding] += 1
            token = page.next_page_token
            if not token:
                break
        for finding in Finding:
            self._stuck(finding.value).set(counted[finding])
        return counted

    async def look(self, records: Sequence[IntentRecord], overdue: Sequence[Overdue] = ()) -> list[Sight]:
        """What chain and store say of each. Of a chain that cannot be asked the answer says so."""
        causes = {one.record.intent_id: one for one in overdue}
        open_ids = [one.intent_id for one in records if not one.terminal]
        gate = asyncio.Semaphore(AT_ONCE)

        async def outcome(tx: SignedTransaction) -> object:
            async with gate:
                try:
                    return await self.chain.outcome(tx.hash, tx.signer_id)
                except IntentError as error:
                    return error

        try:
            answers = await self.chain.intents(open_ids) if open_ids else []
        except IntentError as error:
            answers = [error] * len(open_ids)
        seen = dict(zip(open_ids, answers, strict=True))
        sights = []
        for record in records:
            signed = open_transactions(record)
            found = await asyncio.gather(*(outcome(tx) for tx in signed))
            cause = causes.get(record.intent_id)
            sights.append(
                Sight(
                    record=record,
                    at=now(self.clock),
                    cause=None if cause is None else cause.cause,
                    since=None if cause is None else cause.since,
                    seen=seen.get(record.intent_id),
                    outcomes=tuple(zip(signed, found, strict=True)),  # type: ignore[arg-type]
                )
            )
        return sights

    async def act(self, sight: Sight, diagnosis: Diagnosis) -> str:
        """Does it; what was done, for people. `PERSON`, `WAIT` and `ENDED` do nothing here."""
        self._acts(diagnosis.finding.value).inc()
        match diagnosis.finding:
            case Finding.REBROADCAST:
                return await self._rebroadcast(sight)
            case Finding.ADOPT | Finding.FAIL | Finding.CONTINUE:
                return await self.take_up(sight.record)
            case Finding.PERSON:
                return "it is left to a person"
            case _:
                return "nothing is to be done"

    async def take_up(self, record: IntentRecord) -> str:
        """Has the steps look at it at once, whoever is to do so; what was done, for people."""
        if self.worker.again(record.intent_id):
            return "this processor looks at it again now"
        if record.lease is not None and record.lease.expires_at > now(self.clock):
            return f"{record.lease.owner} is at work on it; its lease lasts until {record.lease.expires_at.isoformat()}"
        self.worker.wake()
        return "it is due now and will be taken up by the next free processor"

    async def _attend(self, sight: Sight) -> Diagnosis:
        diagnosis = diagnose(sight)
        intent_id = sight.record.intent_id
        done = ""
        if diagnosis.finding in (Finding.ADOPT, Finding.FAIL, Finding.CONTINUE):
            await self._note(sight, diagnosis, Act.WAKE)
        if diagnosis.finding is not Finding.WAIT:
            done = await self.act(sight, diagnosis)
        if diagnosis.finding is Finding.PERSON or sight.seconds >= self.patience.person:
            await self._note(sight, diagnosis, Act.NOTE)
            self.alerts.tell("STUCK", intent_id, diagnosis.why, diagnosis.evidence)
        logs.event(
            logger, logging.WARNING, "intent.stuck",
            intentId=intent_id, finding=diagnosis.finding.value, why=diagnosis.why, done=done,
            overdue_s=round(sight.seconds),
        )  # fmt: skip
        return diagnosis

    async def _note(self, sight: Sight, diagnosis: Diagnosis, act: Act) -> Audited | IntentError:
        settlement = Settlement(
            intent_id=sight.record.intent_id, act=act, by=BY_PROCESSOR, reason=diagnosis.why[:1024],
            evidence=diagnosis.evidence, seen_version=sight.record.version,
        )  # fmt: skip
        (answer,) = await self.store.settle([settlement])
        return answer

    async def _rebroadcast(self, sight: Sight) -> str:
        """Lowest nonce first; ours in their turn among what else this key sends."""
        said = []
        for tx in open_transactions(sight.record):
            answer = await self._send(tx)
            said.append(f"{tx.hash}: {answer}")
        return f"the same bytes were sent again ({'; '.join(said)})"

    async def _send(self, tx: SignedTransaction) -> str:
        try:
            async with asyncio.timeout(SEND_LIMIT):
                held = self.worker.keys.held
                if held is not None and tx.public_key == held.signer.public_key:
                    answer = await self.lane.send(tx)
                else:
                    answer = await self.chain.broadcast(tx.signed_bytes)
        except TimeoutError:
            return str(BroadcastResult.UNKNOWN)
        return str(answer.result) + (f", {answer.detail[:200]}" if answer.detail else "")

    def _overdue_for(self, one: Overdue) -> float:
        return (now(self.clock) - one.since).total_seconds()
