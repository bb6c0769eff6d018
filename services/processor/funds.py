"""Whether the relayer can pay for what it signs. While it cannot, submission pauses and says so; no intent fails by it.

What is signed goes on: its bytes are sent again until they are taken. Intents that wait stay where they are, are looked
at now and then, and go on by themselves once there is money again.
"""

import asyncio
import logging
from collections.abc import Callable
from typing import Final

from services.common.chain.port import Chain
from services.common.clock import Clock
from services.common.errors import IntentError
from services.common.observe import Observe, logs, metrics
from services.processor.alerts import Alerts

logger: Final = logging.getLogger(__name__)

GAS_PER_INTENT: Final = 150 * 10**12
"""Attached to the two calls an intent needs: what the account must hold before each, though most is given back."""
LOW_EVERY: Final = 5.0
"""Seconds between looks while there is too little, at most."""
NOTE: Final = "submission"


class Funds:
    """`account` gives the relayer's account, None while there is none; `intents` is how many intents it must be able to
    pay for (0: as many as the chain lets it), `every` the seconds between looks."""

    def __init__(
        self,
        chain: Chain,
        account: Callable[[], str | None],
        *,
        intents: int,
        every: float,
        clock: Clock,
        observe: Observe,
        alerts: Alerts,
    ) -> None:
        self.low = False
        self._chain = chain
        self._account = account
        self._intents = intents
        self._every = every
        self._clock = clock
        self._alerts = alerts
        self._notes = observe.notes
        self._spendable = metrics.gauge(
            observe.registry,
            "processor_relayer_spendable",
            "What the relayer can spend, in the chain's smallest unit",
        )()
        self._needed = metrics.gauge(
            observe.registry, "processor_relayer_needed", "Below this submission pauses, in the same unit"
        )()
        self._paused = metrics.gauge(
            observe.registry, "processor_submission_paused", "1 while nothing is signed for lack of balance"
        )()
        self._refused = metrics.counter(
            observe.registry,
            "processor_low_balance_total",
            "Transactions that the chain did not take because nobody could pay for them",
        )()

    async def run(self) -> None:
        """Looks at the balance until cancelled."""
        while True:
            try:
                await self.look()
            except IntentError as error:
                # not to know is no reason to stop
                logs.event(logger, logging.WARNING, "funds.unknown", reason=str(error.reason))
            await self._clock.sleep(min(self._every, LOW_EVERY) if self.low else self._every)

    async def look(self) -> None:
        """Asks the chain and judges. Raises IntentError."""
        account = self._account()
        if account is None:
            return
        balance, price = await asyncio.gather(self._chain.balance(account), self._chain.gas_price())
        needed = self._intents * GAS_PER_INTENT * price
        self._spendable.set(balance.spendable)
        self._needed.set(needed)
        if balance.spendable >= needed:
            self._resume(account)
        else:
            self._pause(account, f"can spend {balance.spendable}, {self._intents} intents may need {needed}")

    def refused(self, detail: str) -> None:
        """The chain did not take signed bytes for lack of balance: no more are signed until a look finds enough."""
        self._refused.inc()
        self._pause(self._account() or "the relayer", f"was refused: {detail}")

    def _pause(self, account: str, why: str) -> None:
        text = f"{account} {why[:300]}"
        self._notes[NOTE] = f"paused: {text}; send it funds"
        if self.low:
            return
        self.low = True
        self._paused.set(1)
        logs.event(logger, logging.ERROR, "submission.paused", account=account, detail=why[:300])
        self._alerts.tell("LOW_BALANCE", "", "Submission is paused: the relayer needs funds.", text)

    def _resume(self, account: str) -> None:
        if not self.low:
            return
        self.low = False
        self._paused.set(0)
        self._notes.pop(NOTE, None)
        logs.event(logger, logging.INFO, "submission.resumed", account=account)
