"""Stand-ins at the ports: a clock the test moves, a store and a chain that can be away or slow, a shared level."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from datetime import UTC, datetime

from prometheus_client import CollectorRegistry

from services.cache.model import Entry, Trust, newest
from services.cache.observe import Meters
from services.cache.ports import SharedLevel, SharedUnavailable
from services.cache.service import Cache, Limits
from services.cache.views import ViewTrust
from services.common.chain.port import ChainIntent
from services.common.clock import from_ns
from services.common.domain.intent import IntentEvent, IntentRecord, PlainIntent
from services.common.domain.lifecycle import Status
from services.common.domain.outcomes import CachedStatus, EventPage, IntentKey
from services.common.domain.views import ChainView, CurrentSalt, ViewAnswer
from services.common.errors import IntentError, unavailable

START = datetime(2026, 11, 1, tzinfo=UTC)
WAY = (Status.PENDING, Status.VERIFIED, Status.EXECUTING, Status.COMPLETED)
"""Status of version n is WAY[n - 1]; later versions stay at the last."""

Turn = Callable[[str], Awaitable[None]]


async def at_once(_: str) -> None:
    """A turn that need not be waited for."""


class Clock:
    """Stands still until moved; two looks at monotonic time are never the same."""

    def __init__(self) -> None:
        self._ms = 0
        self._looks = 0
        self._sleepers: list[tuple[int, asyncio.Future[None]]] = []

    def now_ns(self) -> int:
        return int(START.timestamp()) * 10**9 + self._ms * 10**6

    def now_ms(self) -> int:
        return self.now_ns() // 10**6

    def monotonic(self) -> float:
        self._looks += 1
        return self._ms / 1000 + self._looks * 1e-9

    async def sleep(self, seconds: float) -> None:
        waiting: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._sleepers.append((self._ms + round(seconds * 1000), waiting))
        await waiting

    def advance(self, seconds: float) -> None:
        self._ms += round(seconds * 1000)
        for due, waiting in self._sleepers:
            if due <= self._ms and not waiting.done():
                waiting.set_result(None)
        self._sleepers = [(due, waiting) for due, waiting in self._sleepers if due > self._ms]


def status(intent_id: str, version: int, principal: str = "alice") -> CachedStatus:
    """What a cache holds of `intent_id` at `version`."""
    return CachedStatus(
        intent_id=intent_id, status=WAY[min(version, len(WAY)) - 1], version=version, principal=principal
    )


def record(intent_id: str, version: int, principal: str = "alice") -> IntentRecord:
    """What the store has of it."""
    plain = PlainIntent(
        id=intent_id,
        user_account="u.near",
        action="swap",
        input_token="USDC",
        input_amount="1",
        output_token="NEAR",
    )
    return IntentRecord(
        intent_id=intent_id,
        user_id="u.near",
        intent=plain,
        status=status(intent_id, version).status,
        version=version,
        created_at=START,
        updated_at=START,
        expires_at=START,
        principal=principal,
        content_hash="",
    )


class Store:
    """The truth. `turn` is awaited before and after each read, so that a test decides about interleavings."""

    def __init__(self, clock: Clock, turn: Turn = at_once) -> None:
        self.versions: dict[str, int] = {}
        self.calls: list[list[IntentKey]] = []
        self.away = False
        self.log: list[EventPage] = []
        self.log_error: IntentError | None = None
        self._clock = clock
        self._turn = turn
        self._grown = asyncio.Condition()

    def write(self, intent_id: str, version: int | None = None) -> int:
        """The next version, or the one given."""
        self.versions[intent_id] = version or self.versions.get(intent_id, 0) + 1
        at = self.versions[intent_id]
        event = IntentEvent(
            intent_id=intent_id,
            user_id="u.near",
            version=at,
            status=status(intent_id, at).status,
            occurred_at=from_ns(self._clock.now_ns()),
            principal="alice",
        )
        self.log.append(EventPage(events=(event,), cursor=str(len(self.log) + 1)))
        return at

    async def tell(self) -> None:
        """Those who watch look at the log."""
        async with self._grown:
            self._grown.notify_all()

    async def get(self, keys: Sequence[IntentKey]) -> Sequence[IntentRecord | None]:
        self.calls.append(list(keys))
        await self._turn("store reads")
        if self.away:
            raise unavailable("store")
        found = [(str(key), self.versions.get(str(key))) for key in keys]
        await self._turn("store answers")
        return [None if version is None else record(key, version) for key, version in found]

    async def watch_events(self, cursor: str = "", *, tail: bool = False) -> AsyncIterator[EventPage]:
        if self.log_error:
            raise self.log_error
        position = len(self.log) if tail else int(cursor or 0)
        yield EventPage(events=(), cursor=str(position))
        while True:
            while position < len(self.log):
                await self._turn("log answers")
                position += 1
                yield self.log[position - 1]
            async with self._grown:
                await self._grown.wait()
            if self.log_error:
                raise self.log_error


class Chain:
    """Knows `statuses`; answers views from `truths`, False where absent."""

    def __init__(self) -> None:
        self.statuses: dict[str, str] = {}
        self.truths: dict[ChainView, bool | int | str] = {}
        self.salt = b"salt"
        self.height = 7
        self.final = True
        self.asked: list[list[str]] = []
        self.viewed: list[list[ChainView]] = []
        self.away = False
        self.gate: asyncio.Event | None = None

    async def intents(self, intent_ids: Sequence[str]) -> Sequence[ChainIntent | IntentError]:
        self.asked.append(list(intent_ids))
        if self.away:
            raise unavailable("chain node")
        return [
            ChainIntent(status=self.statuses.get(one), kept=None, block_height=7, block_timestamp_ns=0)
            for one in intent_ids
        ]

    async def views(self, asked: Sequence[ChainView]) -> Sequence[ViewAnswer | IntentError]:
        self.viewed.append(list(asked))
        if self.gate is not None:
            await self.gate.wait()
        if self.away:
            raise unavailable("chain node")
        return [
            ViewAnswer(
                value=self.salt if isinstance(view, CurrentSalt) else self.truths.get(view, False),
                block_height=self.height,
                final=self.final,
            )
            for view in asked
        ]


class Shared:
    """A shared level without a server; keeps what `newest` prefers, forgets nothing by itself."""

    def __init__(self, turn: Turn = at_once) -> None:
        self.kept: dict[str, Entry] = {}
        self.away = False
        self.went_back = False
        self.gets: list[list[str]] = []
        self._turn = turn

    async def get(self, intent_ids: Sequence[str]) -> Sequence[Entry | None]:
        self.gets.append(list(intent_ids))
        await self._arrive()
        found = [self.kept.get(intent_id) for intent_id in intent_ids]
        await self._turn("redis answers")
        return found

    async def put(self, entries: Sequence[Entry]) -> None:
        await self._arrive()
        for entry in entries:
            intent_id = entry.status.intent_id
            held, stands = self.kept.get(intent_id), newest(self.kept.get(intent_id), entry)
            self.went_back |= held is not None and stands.version < held.version
            self.kept[intent_id] = stands

    async def forget(self, intent_ids: Sequence[str]) -> None:
        await self._arrive()
        for intent_id in intent_ids:
            self.kept.pop(intent_id, None)

    async def close(self) -> None:
        return

    async def _arrive(self) -> None:
        await self._turn("redis reads")
        if self.away:
            raise SharedUnavailable("away")


def new_meters() -> Meters:
    return Meters(CollectorRegistry())


def new_cache(
    clock: Clock,
    store: Store,
    chain: Chain | None = None,
    shared: SharedLevel | None = None,
    *,
    memory_entries: int = 100,
    meters: Meters | None = None,
    memory_bytes: int = 10**7,
    view_entries: int = 100,
    view_bytes: int = 10**6,
    jitter: float = 0.0,
    revalidate: float = 0.0,
    unknown: float = 0.0,
    dice: Callable[[], float] = lambda: 1.0,
) -> Cache:
    """Trust: 1 s for what may change, 0.2 s untailed, 300 s for completed, 60 s for failed; loads have a minute of real
    time."""
    return Cache(
        shared=shared,
        store=store,
        chain=chain,
        trust=Trust(
            open=1.0,
            untailed=0.2,
            ended={Status.COMPLETED: 300.0, Status.FAILED: 60.0},
            jitter=jitter,
            revalidate=revalidate,
        ),
        view_trust=ViewTrust(key_present=10.0, salt=2.0, registered=300.0, balance=1.0),
        limits=Limits(
            memory_entries=memory_entries,
            memory_bytes=memory_bytes,
            view_entries=view_entries,
            view_bytes=view_bytes,
            load_timeout=60.0,
            chain_absent=1.0,
            unknown=unknown,
            tail_silence=60.0,
        ),
        clock=clock,
        meters=meters or new_meters(),
        dice=dice,
    )
