"""Stores for tests, on every backend, and the intents, moves and transactions that tests put in."""

import hashlib
import json
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from services.common.clock import Clock, SystemClock
from services.common.domain.intent import (
    ErrorDetails,
    IntentRecord,
    Nep413Payload,
    NewIntent,
    PlainIntent,
    SignedData,
    SignedTransaction,
    Submission,
)
from services.common.domain.lifecycle import Status
from services.common.domain.outcomes import Accepted, Applied, Transition
from services.common.encoding import b64encode
from services.common.observe import Observe
from services.common.observe.metrics import new_registry
from services.common.ports import Store
from services.common.rpc.channel import open_channel
from services.common.rpc.clients.store import GrpcStore
from services.store.app import build, open_storage, open_store
from services.store.config import StoreSettings
from services.store.observe import StoreMeters
from services.store.ports import Operation, Program, Storage
from services.store.service import Store as StoreService
from services.store.verify.run import verify
from tests.conftest import SPOKEN
from tests.harness.servers import driver_for, spoken_to_with
from tests.harness.wait import eventually

START = datetime(2026, 11, 23, 12, 0, tzinfo=UTC)


class HandClock(SystemClock):
    """Wall time moves by hand; waiting is real, so that background work goes on."""

    def __init__(self, start: datetime = START) -> None:
        self.moment = start

    def now_ns(self) -> int:
        return int(self.moment.timestamp() * 1000) * 1_000_000

    def advance(self, **span: float) -> None:
        self.moment += timedelta(**span)


@dataclass
class Bench:
    """A store under test and all that it stands on."""

    store: Any  # a Store of services.common.ports
    clock: HandClock
    url: str
    settings: StoreSettings
    app: Any = None
    observe: Observe | None = None


def settings_for(url: str, **changes: Any) -> StoreSettings:
    usual = {"database_driver": driver_for(url), "partitions": 4, "relay_poll_ms": 50, "event_poll_ms": 20}
    return StoreSettings(database_url=url, **usual | changes)


def sqlite_url(folder: Path) -> str:
    return f"sqlite:///{folder / 'store.db'}"


@asynccontextmanager
async def opened(url: str, clock: HandClock | None = None, **changes: Any) -> AsyncIterator[Bench]:
    """A store on `url`; several on the same one are replicas."""
    clock = clock or HandClock()
    observe = Observe(service="store", registry=new_registry(process=False))
    settings = settings_for(url, **changes)
    async with open_store(settings, clock, observe) as store:
        yield Bench(store, clock, url, settings, observe=observe)


@asynccontextmanager
async def opened_storage(url: str, **changes: Any) -> AsyncIterator[Storage]:
    async with open_storage(settings_for(url, **changes)) as storage:
        yield storage


BACKENDS = ("sqlite", *SPOKEN)


def _empty(request: pytest.FixtureRequest, backend: str) -> str:
    """URL of an empty database; stores opened on it take the backend's driver."""
    server, _, driver = backend.partition("-")
    if server in ("sqlite", "grpc"):
        return sqlite_url(request.getfixturevalue("tmp_path"))
    url: str = request.getfixturevalue("mongo_java_url" if server == "java" else "mongo_url")
    return spoken_to_with(url, driver or "motor")


@pytest.fixture(params=BACKENDS)
def store_url(request: pytest.FixtureRequest) -> str:
    """An empty database on each backend."""
    return _empty(request, request.param)


@pytest.fixture(params=(*BACKENDS, "grpc"))
async def bench(request: pytest.FixtureRequest) -> AsyncIterator[Bench]:
    """A store on each backend, and one behind its gRPC service and client."""
    url = _empty(request, request.param)
    if request.param == "grpc":
        async with served(url) as made:
            yield made
        return
    async with opened(url) as made:
        yield made


@asynccontextmanager
async def served(url: str, **changes: Any) -> AsyncIterator[Bench]:
    """A store as a server on a free port; `store` is its gRPC client."""
    clock = HandClock()
    settings = settings_for(url, port=0, admin_port=0, **changes)
    async with build(settings, clock) as app:
        await app.ready()
        async with open_channel(app.rpc.address, settings=settings) as channel:
            yield Bench(GrpcStore(channel), clock, url, settings, app)


def plain(intent_id: str = "i-1", **changes: Any) -> PlainIntent:
    fields: dict[str, Any] = {
        "id": intent_id,
        "user_account": "alice.near",
        "action": "swap",
        "input_token": "USDC",
        "input_amount": "100000000",
        "output_token": "NEAR",
        "min_output_amount": "95",
        "max_slippage_bps": 50,
        "deadline_ns": 1_795_000_000_123_456_789,
    }
    return PlainIntent(**fields | changes)


def nonce_of(text: str) -> bytes:
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).digest()


def nep413(intent: PlainIntent, nonce: bytes, *, recipient: str = "verifier.near") -> SignedData:
    message = json.dumps(
        {"signer_id": intent.user_account, "intents": [{"id": intent.id, "a": intent.input_amount}]}
    )
    payload = Nep413Payload(message=message, nonce=nonce, recipient=recipient)
    return SignedData(
        standard="nep413", payload=payload, public_key="ed25519:key", signature="ed25519:signature"
    )


def raw_ed25519(intent: PlainIntent, nonce: bytes, /, **changes: Any) -> SignedData:
    message = {
        "signer_id": intent.user_account,
        "verifying_contract": "verifier.near",
        "nonce": b64encode(nonce),
        "intents": [{"id": intent.id, "a": intent.input_amount}],
    } | changes
    return SignedData(
        standard="raw_ed25519",
        payload=json.dumps(message),
        public_key="ed25519:key",
        signature="ed25519:signature",
    )


def new(
    intent_id: str = "i-1",
    *,
    principal: str = "alice",
    request_id: str = "",
    nonce: bytes | None = None,
    signed: bool = True,
    expires_at: datetime = START + timedelta(hours=1),
    traceparent: str = "",
    **changes: Any,
) -> NewIntent:
    """A submission as the edge hands it over; its nonce follows from its id unless given."""
    intent = plain(intent_id, **changes)
    data = nep413(intent, nonce or nonce_of(intent_id)) if signed else None
    return NewIntent(
        principal=principal,
        submission=Submission(intent=intent, signed_data=data, request_id=request_id),
        expires_at=expires_at,
        traceparent=traceparent,
    )


async def created(store: Store, intent_id: str = "i-1", **changes: Any) -> IntentRecord:
    """A new intent's record."""
    (outcome,) = await store.create([new(intent_id, **changes)])
    assert isinstance(outcome, Accepted), outcome
    assert outcome.created
    return await record(store, intent_id)


async def record(store: Store, intent_id: str = "i-1") -> IntentRecord:
    (found,) = await store.get([intent_id])
    assert found is not None
    return found


def move(seen: IntentRecord, to: Status, *, fence: int | None = None, **changes: Any) -> Transition:
    return Transition(
        intent_id=seen.intent_id,
        seen_version=seen.version,
        seen_status=seen.status,
        to=to,
        actor=changes.pop("actor", "test"),
        fence=fence,
        **changes,
    )


def failure(seen: IntentRecord, reason: str = "CANCELLED", **changes: Any) -> Transition:
    details = ErrorDetails(reason=reason, message="No more.", evidence='{"by":"user"}')
    return move(seen, Status.FAILED, error_details=details, reason=reason, **changes)


async def moved(store: Store, transition: Transition) -> IntentRecord:
    (outcome,) = await store.transition([transition])
    assert isinstance(outcome, Applied), outcome
    return outcome.record


async def claimed(
    store: Store, owner: str = "p-1", *, limit: int = 10, lease_ms: int = 30_000
) -> IntentRecord:
    (one,) = await store.claim(owner, limit=limit, lease_ms=lease_ms)
    return one


def fence_of(one: IntentRecord) -> int:
    assert one.lease is not None
    return one.lease.fence


def transaction(hash: str = "tx-1", **changes: Any) -> SignedTransaction:
    fields: dict[str, Any] = {
        "purpose": "verify",
        "hash": hash,
        "signed_bytes": b"\x00\xffbytes of " + hash.encode(),
        "signer_id": "relayer.near",
        "public_key": "ed25519:relayer",
        "nonce": 2**63 + 7,
        "block_hash": "block",
        "block_height": 123_456_789_012,
        "chain": "localnet",
    }
    return SignedTransaction(**fields | changes)


async def completed(store: Store, intent_id: str, *, solver: str = "solver.near") -> IntentRecord:
    """Takes a claimed-able new intent all the way; it must be the only one due."""
    await created(store, intent_id)
    claim = await claimed(store)
    assert claim.intent_id == intent_id
    fence = fence_of(claim)
    one = await moved(store, move(claim, Status.VERIFIED, fence=fence))
    solve = transaction(f"solve-{intent_id}", purpose="solve", solver_id=solver)
    one = await moved(store, move(one, Status.EXECUTING, fence=fence, transactions=(solve,)))
    done = transaction(
        f"solve-{intent_id}",
        purpose="solve",
        solver_id=solver,
        status="success",
        gas_used=7 * 10**12,
        total_cost=10**24 + 1,
    )
    return await moved(store, move(one, Status.COMPLETED, fence=fence, transactions=(done,)))


async def all_events(store: Store, *, limit: int = 500) -> list[Any]:
    """Everything in the log now, page by page."""
    events: list[Any] = []
    cursor = ""
    while True:
        page = await store.list_events(cursor, limit=limit)
        events += page.events
        cursor = page.cursor
        if page.at_end:
            return events


async def logged(store: Store, count: int) -> list[Any]:
    """The log once it holds at least `count` events: a relay may be a moment behind the write."""

    async def enough() -> list[Any] | None:
        events = await all_events(store)
        return events if len(events) >= count else None

    events = await eventually(enough, 30)
    assert events is not None
    return events


async def sound(url: str) -> bool:
    """`verify` finds nothing; True if nothing is on its way to the log either."""
    async with opened_storage(url) as storage:
        found = await verify(storage, SystemClock(), progress=lambda what, count: None)
    assert found.findings.kept == []
    return found.waiting == 0


class Crash(Exception):
    """The process is gone."""


@dataclass
class Crashing:
    """A storage whose process dies before the program's step number `before`."""

    inner: Storage
    before: int
    done: list[Operation] = field(default_factory=list)
    steps: list[str] = field(default_factory=list)
    """The names of what was done."""

    def __getattr__(self, name: str) -> Any:
        return getattr(self.inner, name)

    async def run(self, program: Program[Any]) -> Any:
        return await self.inner.run(self._cut(program))

    def _cut(self, program: Program[Any]) -> Program[Any]:
        answer: Any = None
        while True:
            try:
                operation = program.send(answer)
            except StopIteration as end:
                return end.value
            if len(self.done) == self.before:
                raise Crash
            self.done.append(operation)
            self.steps.append(type(operation).__name__)
            answer = yield operation


class Dying:
    """An outbox whose process dies right before, or right after, the step number `at`."""

    def __init__(self, inner: Any, at: int, *, after: bool) -> None:
        self._inner, self._at, self._after = inner, at, after
        self.steps = 0
        self.on_written: Any = None

    def __getattr__(self, name: str) -> Any:
        async def step(*args: Any) -> Any:
            self.steps += 1
            if self.steps == self._at and not self._after:
                raise Crash
            answer = await getattr(self._inner, name)(*args)
            if self.steps == self._at and self._after:
                raise Crash
            return answer

        return step


def on(storage: Any, clock: Clock | None = None, **settings: Any) -> StoreService:
    """The store on a storage, without its background work: nothing relays but what a test starts."""
    meters = StoreMeters(Observe(service="store", registry=new_registry(process=False)), ["swap"])
    return StoreService(storage, clock or HandClock(), meters, **settings)


def versions(events: Sequence[Any], intent_id: str) -> list[int]:
    return [event.version for event in events if event.intent_id == intent_id]
