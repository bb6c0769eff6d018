"""Follows final blocks, so that what others do on chain moves our record promptly: docs/adr/0018-observer.md.

It moves no record. What changed is made due, and the next turn looks at the contract. The place is kept in the store,
after what lies below it was handled, and one replica at a time follows; who takes over may handle blocks again.
"""

import asyncio
import logging
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from itertools import count
from typing import Final

from services.common.chain.port import Chain, ChainIntent, Change
from services.common.clock import Clock, now
from services.common.domain.intent import IntentRecord
from services.common.domain.lifecycle import TERMINAL, Status
from services.common.domain.outcomes import ListQuery
from services.common.domain.places import Place
from services.common.domain.settling import BY_PROCESSOR, Act, Audited, Settlement
from services.common.errors import IntentError, Reason
from services.common.observe import Observe, logs, metrics
from services.processor.lane import AWAY
from services.processor.model import Do, decide, evidence, open_transactions
from services.processor.observe import Vocabulary
from services.processor.ports import Store
from services.processor.worker import Worker

logger: Final = logging.getLogger(__name__)

WINDOW: Final = 100
"""Heights asked for at once; more than a chain ever skips in a row."""
KEEP_EVERY: Final = 5.0
"""Seconds after which a place that moved on is stored: so much is handled twice after a crash."""
LOOK_EVERY: Final = 5.0
"""Seconds between two looks at all that is open, at least."""
BUSY: Final = 1.0
"""Seconds an intent under a lease is waited for; whoever works on it longer looks at the contract by itself."""
AGAIN: Final = 0.25
"""Seconds between looks whether it is free."""
GIVE_BACK: Final = 1.0
"""Seconds the turn gets to be given back at the end; else it runs out by itself."""
BATCH: Final = 100
OPEN: Final = tuple(status for status in Status if status not in TERMINAL)
WHY: Final = "Its state on chain was changed by another."
CONCERNS: Final[Mapping[str, frozenset[Status]]] = {
    "intent_verified": frozenset({Status.PENDING}),
    "intent_executing": frozenset({Status.PENDING, Status.VERIFIED}),
}
"""Records an event has something new for; one not listed concerns all that are open."""
CAUSES: Final = ("first", "missing", "behind", "unnamed")


class Meters:
    """Labels: why all that is open was looked at."""

    def __init__(self, observe: Observe) -> None:
        registry = observe.registry
        self.following = metrics.gauge(
            registry, "processor_observer_following", "1 while this replica is the one that follows the chain"
        )()
        self.lag = metrics.gauge(
            registry,
            "processor_observer_lag_blocks",
            "Heights between the final block and the last one handled, at the replica that follows",
        )()
        self.changes = metrics.counter(
            registry, "processor_observer_changes_total", "Changes of intents seen in final blocks"
        )()
        self.woken = metrics.counter(
            registry, "processor_observer_woken_total", "Intents made due because of a change on chain"
        )()
        self.looks = metrics.counter(
            registry,
            "processor_observer_looks_total",
            "Looks at all open intents because blocks could not tell, by cause",
            ("cause",),
        )
        for cause in CAUSES:
            self.looks(cause).inc(0)


@dataclass(slots=True, kw_only=True)
class Observer:
    """`run` works until cancelled. `name` is what is followed, the same for all replicas; `session` one run of this
    one. `relayers` are our own accounts, whose transactions are followed by who signed them. `every` in seconds,
    `catch_up` in blocks: further behind all that is open is looked at instead."""

    store: Store
    chain: Chain
    worker: Worker
    clock: Clock
    observe: Vocabulary
    meters: Meters
    verifier_id: str
    relayers: frozenset[str]
    session: str
    lease_ms: int
    every: float
    catch_up: int
    _name: str = ""
    _at: Place | None = None
    _held: bool = False
    _kept: Place | None = None
    _asked: float = float("-inf")
    _looked: float = float("-inf")
    _ahead: bool = False

    @property
    def height(self) -> int | None:
        """Up to which everything was handled; None while another replica follows."""
        return None if self._at is None else self._at.height

    async def run(self) -> None:
        """Round after round, until cancelled; then the next replica may follow."""
        try:
            while True:
                await self.clock.sleep(self.every)
                try:
                    await self.round()
                except IntentError as error:
                    # a store of an older version does not keep places yet: polling goes on until it does
                    if error.reason not in AWAY | {Reason.NOT_IMPLEMENTED}:
                        raise
                    self.observe.waits("following", error, self.every)
        finally:
            if self._held:
                with suppress(IntentError, TimeoutError):
                    async with asyncio.timeout(GIVE_BACK):
                        await self._keep(0)

    async def round(self) -> None:
        """Up to the final block, if it is this replica's turn."""
        if not await self._turn():
            return
        if self._at is None:
            await self._jump("first")
        while self._at is not None:
            found = await self.chain.changes(self._at.height, WINDOW, but_of=self.relayers)
            behind = found.final.height - self._at.height
            self.meters.lag.set(max(behind, 0))
            self._compare(behind)
            if found.missing or behind > self.catch_up:
                await self._jump("missing" if found.missing else "behind")
                return
            await self._handle(found.changes)
            if found.upto is not None:
                self._at = found.upto
                self.meters.lag.set(max(found.final.height - self._at.height, 0))
            if found.upto is None or self._at.height >= found.final.height:
                return
            await self._turn()

    # --- whose turn, and how far ---

    async def _turn(self) -> bool:
        """Whether it is ours. The store is asked now and then: to renew, and to keep the place."""
        since = self.clock.monotonic() - self._asked
        moved = self._held and self._at != self._kept
        if since >= self.lease_ms / 3000 or (moved and since >= KEEP_EVERY):
            await self._keep(self.lease_ms)
        return self._held

    async def _keep(self, lease_ms: int) -> None:
        if not self._name:
            self._name = f"{await self.chain.network()}/{self.verifier_id}"
        asked, place = self.clock.monotonic(), self._at
        answer = await self.store.keep_place(
            self._name, holder=self.worker.owner, session=self.session, lease_ms=lease_ms, place=place
        )
        self._asked, self._held, self._kept = asked, answer.held, place
        self.meters.following.set(answer.held)
        higher = answer.place is not None and (place is None or answer.place.height > place.height)
        if not answer.held:
            self._at = None
            self.meters.lag.set(0)
        elif higher:
            self._at = answer.place

    def _compare(self, behind: int) -> None:
        """A final block below the place is a node behind, or a chain begun anew under the same name."""
        if behind < 0 and not self._ahead:
            logs.event(
                logger, logging.WARNING, "observer.ahead", blocks=-behind, name=self._name,
                detail="the chain's final block is below the place; nothing is followed until it is passed",
            )  # fmt: skip
        self._ahead = behind < 0

    async def _jump(self, cause: str) -> None:
        """On from the final block, after a look at all that is open: what happened below it shows there."""
        final = await self.chain.block()
        if final is None:
            return
        before = 0 if self._at is None else self._at.height
        await self._look(cause)
        self._at = Place(height=final.height, hash=final.hash)
        self.meters.lag.set(0)
        logs.event(
            logger,
            logging.INFO,
            "observer.jumped",
            cause=cause,
            after=before,
            to=final.height,
            name=self._name,
        )

    # --- what changed ---

    async def _handle(self, changes: Sequence[Change]) -> None:
        named: dict[str, list[Change]] = {}
        for change in changes:
            if change.intent_id is not None:
                named.setdefault(change.intent_id, []).append(change)
        self.meters.changes.inc(len(changes))
        await self._wake(named)
        if any(change.intent_id is None for change in changes):
            await self._look("unnamed")

    async def _wake(self, changed: Mapping[str, Sequence[Change]]) -> None:
        """Those that rest are made due. One under a lease is waited for: a turn that looked before the change would put
        it back to rest for a while. Who follows signed bytes looks at the contract at their end."""
        pending = list(changed)
        for tries in count():
            busy: list[str] = []
            for start in range(0, len(pending), BATCH):
                records = await self.store.get(pending[start : start + BATCH])
                told = [
                    one for one in records
                    if one is not None and not one.terminal and not open_transactions(one)
                    and _concerned(one, changed[one.intent_id])
                ]  # fmt: skip
                free = [one for one in told if not self._leased(one)]
                busy += [one.intent_id for one in told if self._leased(one)]
                busy += await self._settle(free, changed)
            if not busy or tries * AGAIN >= BUSY:
                return
            pending = busy
            await self.clock.sleep(AGAIN)

    async def _settle(
        self, records: Sequence[IntentRecord], changed: Mapping[str, Sequence[Change]]
    ) -> list[str]:
        """Makes them due. Those that somebody took up meanwhile are given back."""
        if not records:
            return []
        answers = await self.store.settle([
            Settlement(
                intent_id=one.intent_id, act=Act.WAKE, by=BY_PROCESSOR, reason=WHY, seen_version=one.version,
                evidence=_evidence(changed[one.intent_id]),
            )
            for one in records
        ])  # fmt: skip
        # who is held for a person, or ended meanwhile, is not woken
        done = [one.record for one in answers if isinstance(one, Audited)]
        busy = [one.intent_id for one in done if self._leased(one)]
        self.meters.woken.inc(len(done) - len(busy))
        if len(done) > len(busy):
            self.worker.wake()
        return busy

    def _leased(self, record: IntentRecord) -> bool:
        return record.lease is not None and record.lease.expires_at > now(self.clock)

    # --- where blocks cannot tell ---

    async def _look(self, cause: str) -> None:
        """At the contract's state of all that is open; those whose record is behind it are woken."""
        pause = self._looked + LOOK_EVERY - self.clock.monotonic()
        if pause > 0:
            await self.clock.sleep(pause)
        self._looked = self.clock.monotonic()
        self.meters.looks(cause).inc()
        for status in OPEN:
            token = ""
            while True:
                page = await self.store.list(ListQuery(status=status, page_size=BATCH, page_token=token))
                await self._compare_all([one for one in page.records if not open_transactions(one)])
                token = page.next_page_token
                if not token:
                    break

    async def _compare_all(self, records: Sequence[IntentRecord]) -> None:
        if not records:
            return
        answers = await self.chain.intents([one.intent_id for one in records])
        behind: dict[str, list[Change]] = {}
        for record, seen in zip(records, answers, strict=True):
            if isinstance(seen, IntentError):
                if seen.reason in AWAY and seen.metadata.get("again") != "no":
                    raise seen
                continue
            if seen.status is not None and decide(record, seen).do in (Do.ADVANCE, Do.COMPLETE, Do.FAIL):
                behind[record.intent_id] = [_seen(record.intent_id, seen)]
        await self._wake(behind)


def _concerned(record: IntentRecord, changes: Iterable[Change]) -> bool:
    return any(record.status in CONCERNS.get(one.event, OPEN) for one in changes)


def _seen(intent_id: str, seen: ChainIntent) -> Change:
    return Change(intent_id=intent_id, event=str(seen.status), block_height=seen.block_height, receipt_id="")


def _evidence(changes: Sequence[Change]) -> str:
    told = [
        {"event": one.event, "block_height": one.block_height, "receipt": one.receipt_id}
        for one in changes[-8:]
    ]
    return evidence(changes=told)
