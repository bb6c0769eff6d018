"""Notices that are to reach people: the log, a metric, and a webhook where one is set.

`tell` never waits: what the receiver cannot take in time is counted, not queued without end. The same notice, which
is the same reason and intent, is given once in `repeat` seconds, and no more than `per_minute` altogether.
"""

import asyncio
import json
import logging
from collections import OrderedDict, deque
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final, Protocol

from services.common.clock import Clock, now
from services.common.observe import Observe, logs, metrics
from services.processor.pace import Pace

logger: Final = logging.getLogger(__name__)

MAX_QUEUE: Final = 256
"""Notices that wait for the receiver."""
MAX_REMEMBERED: Final = 4_096
"""Notices remembered so as not to be repeated; beyond it the oldest may be given again early."""
ATTEMPTS: Final = 3
MAX_TEXT: Final = 2_000
"""Characters of a text in a notice."""


class NotDelivered(Exception):
    """`again` where another try may help. The text names no URL."""

    def __init__(self, why: str, *, again: bool) -> None:
        super().__init__(why)
        self.again = again


class Webhook(Protocol):
    """Where notices go."""

    async def post(self, body: bytes) -> None:
        """Returns once the receiver has it, within a time of its own. Raises NotDelivered."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Notice:
    """`reason` is of a bounded set, `intent_id` empty where no single intent is meant."""

    reason: str
    intent_id: str
    message: str
    evidence: str
    at: datetime

    def body(self, instance: str, suppressed: int) -> bytes:
        """JSON; `suppressed` notices were not given since the last one that was."""
        return json.dumps(
            {
                "source": "intents.processor",
                "instance": instance,
                "severity": "critical",
                "reason": self.reason,
                "intentId": self.intent_id,
                "message": self.message,
                "evidence": self.evidence,
                "at": self.at.astimezone(UTC).isoformat(),
                "suppressed": suppressed,
            }
        ).encode()


class Alerts:
    """`repeat` in seconds. `run` delivers until cancelled."""

    def __init__(
        self,
        clock: Clock,
        observe: Observe,
        *,
        webhook: Webhook | None = None,
        instance: str = "",
        repeat: float = 3_600.0,
        per_minute: int = 30,
    ) -> None:
        self._clock = clock
        self._webhook = webhook
        self._instance = instance
        self._repeat = repeat
        self._per_minute = per_minute
        self._given: OrderedDict[tuple[str, str], float] = OrderedDict()
        self._recent: deque[float] = deque()
        self._queue: deque[Notice] = deque()
        self._work = asyncio.Event()
        self._suppressed = 0
        self._count = metrics.counter(
            observe.registry,
            "processor_alerts_total",
            "Critical notices by what became of them: logged, delivered, failed, repeated, rate_limited, queue_full",
            ("outcome",),
        )

    def tell(self, reason: str, intent_id: str, message: str, evidence: str = "") -> None:
        """Logs and counts the notice, and queues it for the webhook."""
        moment, key = self._clock.monotonic(), (reason, intent_id)
        last = self._given.get(key)
        if last is not None and moment - last < self._repeat:
            self._count("repeated").inc()
            return
        while self._recent and moment - self._recent[0] >= 60:
            self._recent.popleft()
        if len(self._recent) >= self._per_minute:
            self._suppress("rate_limited")
            return
        self._recent.append(moment)
        logs.event(
            logger, logging.ERROR, "critical",
            reason=reason, intentId=intent_id, message=message[:MAX_TEXT], evidence=evidence[:MAX_TEXT],
        )  # fmt: skip
        self._count("logged").inc()
        if self._webhook is not None and len(self._queue) >= MAX_QUEUE:
            self._suppress("queue_full")
            return
        self._given[key] = moment
        self._given.move_to_end(key)
        if len(self._given) > MAX_REMEMBERED:
            self._given.popitem(last=False)
        if self._webhook is not None:
            notice = Notice(
                reason=reason, intent_id=intent_id, message=message[:MAX_TEXT], evidence=evidence[:MAX_TEXT],
                at=now(self._clock),
            )  # fmt: skip
            self._queue.append(notice)
            self._work.set()

    async def run(self) -> None:
        """Until cancelled: one notice after the other, each tried ATTEMPTS times."""
        if self._webhook is None:
            return
        while True:
            await self._work.wait()
            self._work.clear()
            while self._queue:
                await self._deliver(self._webhook, self._queue[0])
                self._queue.popleft()

    async def _deliver(self, webhook: Webhook, notice: Notice) -> None:
        pace, suppressed = Pace(1.0, 10.0), self._suppressed
        for attempt in range(1, ATTEMPTS + 1):
            try:
                await webhook.post(notice.body(self._instance, suppressed))
            except NotDelivered as error:
                if attempt < ATTEMPTS and error.again:
                    await self._clock.sleep(pace.next())
                    continue
                self._count("failed").inc()
                logs.event(
                    logger, logging.ERROR, "alert.not_delivered",
                    reason=notice.reason, intentId=notice.intent_id, why=str(error), attempts=attempt,
                )  # fmt: skip
                # it reached nobody: the next of its kind is worth a try
                self._given.pop((notice.reason, notice.intent_id), None)
                return
            self._suppressed -= suppressed
            self._count("delivered").inc()
            return

    def _suppress(self, outcome: str) -> None:
        self._suppressed += 1
        self._count(outcome).inc()
