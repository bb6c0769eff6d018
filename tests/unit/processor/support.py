"""A processor under test: real store on SQLite, real validator, the chain faked at its port, time by hand."""

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from pathlib import Path
from typing import Any

from services.common.chain.near.signer import KeyFileSigner
from services.common.chain.port import Chain, Signer
from services.common.clock import from_ns, now
from services.common.domain.intent import IntentRecord, NewIntent, Submission
from services.common.domain.outcomes import Accepted
from services.common.errors import IntentError, unavailable
from services.common.observe import Observe
from services.common.observe.metrics import new_registry
from services.common.ports import ChainViews, Store, Validator
from services.processor.alerts import Webhook
from services.processor.app import Assembled, assemble
from services.processor.config import WorkSettings
from services.processor.worker import Worker
from services.validator.config import RuleSettings
from services.validator.service import Validator as RealValidator
from tests.harness.signing import Wallet, to_domain
from tests.harness.wait import eventually
from tests.unit.processor.fake_chain import FakeChain
from tests.unit.store.support import HandClock, opened, sqlite_url

SPEED = 50
"""How much faster than the wall this clock's waiting is."""


class FastClock(HandClock):
    """Wall time by hand, waiting shortened."""

    async def sleep(self, seconds: float) -> None:
        await asyncio.sleep(seconds / SPEED)


@dataclass
class Gate:
    """Kills a process at its n-th call of a port, or at the `nth` of the calls named `on`: before the call, or
    after it and before its answer."""

    at: int | None = None
    on: str = ""
    nth: int = 1
    after: bool = False
    count: int = 0
    dead: bool = False
    calls: list[str] = field(default_factory=list)


class Killing:
    """A port behind a gate. What is dead calls nobody and hears nothing."""

    def __init__(self, port: Any, gate: Gate, name: str) -> None:
        self._port = port
        self._gate = gate
        self._name = name

    def __getattr__(self, method: str) -> Any:
        real = getattr(self._port, method)
        if method in ("prepare", "watch_events"):
            return real
        return lambda *args, **kwargs: self._call(method, real, *args, **kwargs)

    async def _call(self, method: str, real: Callable[..., Awaitable[Any]], *args: Any, **kwargs: Any) -> Any:
        gate = self._gate
        if gate.dead:
            raise unavailable("world of the living")
        mine, gate.count = gate.count, gate.count + 1
        gate.calls.append(f"{self._name}.{method}")
        named = gate.calls[-1] == gate.on and gate.calls.count(gate.on) == gate.nth
        fatal = mine == gate.at or named
        if fatal and not gate.after:
            gate.dead = True
            await asyncio.Event().wait()
        answer = await real(*args, **kwargs)
        gate.dead = gate.dead or fatal
        if gate.dead:
            await asyncio.Event().wait()
        return answer


def signer(index: int = 0) -> KeyFileSigner:
    return KeyFileSigner("relayer.near", bytes([index + 1]) * 32)


@dataclass
class Stage:
    """What outlives a processor."""

    store: Store
    chain: FakeChain
    clock: FastClock
    validator: Validator
    wallet: Wallet
    require_signature: bool = True

    async def accept(self, count: int = 1, *, signed: bool = True, **fields: Any) -> list[str]:
        """Ids of new pending intents."""
        submissions = []
        for _ in range(count):
            plain = self.wallet.fields(**fields)
            until = datetime.fromtimestamp(self.clock.now_ns() // 10**9 + 600, UTC)
            submissions.append(to_domain(self.wallet.sign_plain(plain, deadline=until) if signed else plain))
        return await self.accept_submissions(submissions)

    async def accept_submissions(self, submissions: list[Submission]) -> list[str]:
        expires = from_ns(self.clock.now_ns()).replace(microsecond=0) + timedelta(seconds=600)
        new = [
            NewIntent(
                principal="anonymous",
                submission=one,
                expires_at=expires,
                traceparent=f"00-{'a' * 32}-{'b' * 16}-01",
            )
            for one in submissions
        ]
        accepted = await self.store.create(new)
        assert all(isinstance(one, Accepted) for one in accepted), accepted
        return [one.receipt.intent_id for one in accepted if isinstance(one, Accepted)]

    async def record(self, intent_id: str) -> IntentRecord:
        (found,) = await self.store.get([intent_id])
        assert found is not None
        return found

    async def resting(self, intent_id: str) -> None:
        """Returns once the intent is given back until a moment ahead: only then does turning the clock wake it."""

        async def probe() -> bool:
            record = await self.record(intent_id)
            given_back = record.lease is None and record.next_action_at is not None
            return given_back and record.next_action_at > now(self.clock)  # type: ignore[operator]

        await eventually(probe)

    async def ended(self, *ids: str, timeout: float = 20.0) -> list[IntentRecord]:
        """The records, once all have ended."""

        async def probe() -> list[IntentRecord] | None:
            found = [record for record in await self.store.get(ids) if record is not None and record.terminal]
            return found if len(found) == len(ids) else None

        found = await eventually(probe, timeout)
        assert found is not None
        return found

    @asynccontextmanager
    async def processor(
        self,
        gate: Gate | None = None,
        *,
        key: int | Signer = 0,
        pool: int = 0,
        chain: Chain | None = None,
        **settings: Any,
    ) -> AsyncIterator[Worker]:
        """A processor at work, with one key or with a pool of that many."""
        async with self.assembled(gate, key=key, pool=pool, chain=chain, **settings) as made:
            yield made.worker

    @asynccontextmanager
    async def assembled(
        self,
        gate: Gate | None = None,
        *,
        key: int | Signer = 0,
        pool: int = 0,
        chain: Chain | None = None,
        webhook: Webhook | None = None,
        observe: Observe | None = None,
        **settings: Any,
    ) -> AsyncIterator[Assembled]:
        """A processor at work, with all its parts."""
        gate = gate or Gate()
        given: dict[str, Any] = (
            {"poll_ms": 500, "lease_ms": 30_000, "stuck_every_ms": 3_600_000}
            | {"observe_every_ms": 3_600_000}
            | settings
        )
        made = assemble(
            WorkSettings(**given),
            store=Killing(self.store, gate, "store"),
            validator=Killing(self.validator, gate, "validator"),  # type: ignore[arg-type]
            chain=Killing(chain or self.chain, gate, "chain"),  # type: ignore[arg-type]
            signers=[signer(n) for n in range(pool)] or [signer(key) if isinstance(key, int) else key],
            holder=f"replica-{key}" if isinstance(key, int) else key.public_key,
            clock=self.clock,
            observe=observe or Observe(service="processor", registry=new_registry(process=False)),
            webhook=webhook,
        )
        tasks = [asyncio.create_task(part()) for part in (made.worker.run, *made.beside)]
        try:
            yield made
        finally:
            for task in tasks:
                task.cancel()
            for task in tasks:
                with contextlib.suppress(asyncio.CancelledError):
                    await task
            await made.batches.aclose()


@asynccontextmanager
async def stage(
    folder: Path, *, require_signature: bool = True, views: ChainViews | None = None
) -> AsyncIterator[Stage]:
    """An empty store, an empty chain, nobody at work."""
    folder.mkdir(exist_ok=True)
    clock = FastClock(datetime.now(UTC).replace(microsecond=0))
    chain = FakeChain(clock.now_ns)
    rules = RuleSettings(require_signature=require_signature).rule_book()
    async with opened(sqlite_url(folder), clock) as bench:
        yield Stage(
            store=bench.store,
            chain=chain,
            clock=clock,
            validator=RealValidator(rules, views or chain, clock),
            wallet=Wallet("processor tests"),
            require_signature=require_signature,
        )


def proven(record: IntentRecord) -> None:
    """Of each transaction but the last of its purpose the end is known, and known before the next was signed."""
    for purpose in ("verify", "solve"):
        same = [tx for tx in record.transactions if tx.purpose == purpose]
        for before, after in pairwise(same):
            ended, why = json.loads(before.evidence), json.loads(after.evidence).get("basis")
            assert before.status in ("dead", "failure", "success") and ended["block_height"]
            assert why["block_height"] >= ended["block_height"], "signed by a view from before the end"


__all__ = ["FastClock", "Gate", "IntentError", "Killing", "Stage", "proven", "replace", "signer", "stage"]
