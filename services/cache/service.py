"""The cache: memory, then Redis, then the store, then the chain."""

import asyncio
import dataclasses
import random
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Final, Protocol

from services.cache.adapters.memory import Held, Memory
from services.cache.flights import Flights
from services.cache.levels import ChainIntents, Found, Levels, Records
from services.cache.model import MAX_VERSION, Entry, Level, Trust
from services.cache.observe import Meters
from services.cache.ports import SharedLevel
from services.cache.shared import NoShared
from services.cache.tail import Events, Tail
from services.cache.views import ViewCache, Views, ViewTrust
from services.common.clock import Clock
from services.common.domain.intent import ID_PATTERN
from services.common.domain.outcomes import CachedStatus, StatusAnswer, StatusQuery
from services.common.domain.views import ChainView, ViewAnswer
from services.common.errors import IntentError, Reason, Violation

MAX_BATCH: Final = 1000
STORE_BATCH: Final = 500
"""Whole records come back: so many of them stay below what a gRPC message may hold."""

MAX_AHEAD_MS: Final = 1_000
"""How far another machine's clock may be ahead of ours for its word on when something was read."""

Answer = StatusAnswer | IntentError | None


class StoreSource(Records, Events, Protocol):
    """Of the store, what the cache needs."""


class ChainSource(ChainIntents, Views, Protocol):
    """Of the chain, what the cache needs."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """Entries, bytes, and else seconds. `unknown`: how long what neither store nor chain knew is not looked up again,
    while the event log is followed."""

    memory_entries: int
    memory_bytes: int
    view_entries: int
    view_bytes: int
    load_timeout: float
    chain_absent: float
    unknown: float
    tail_silence: float


@dataclass(slots=True)
class _Asked:
    """A query on its way down. `position` is where its answer goes."""

    position: int
    query: StatusQuery


class Cache:
    """Satisfies `common.ports.Cache`; `run` keeps it right while it is used."""

    def __init__(
        self,
        *,
        shared: SharedLevel | None,
        store: "StoreSource",
        chain: "ChainSource | None",
        trust: Trust,
        view_trust: ViewTrust,
        limits: Limits,
        clock: Clock,
        meters: Meters,
        dice: Callable[[], float] = random.random,
    ) -> None:
        self._clock = clock
        self._meters = meters
        self._trust = trust
        self._dice = dice
        self._memory = Memory(limits.memory_entries, limits.memory_bytes)
        self._shared: SharedLevel = shared or NoShared()
        self._has_shared = shared is not None
        self._levels = Levels(
            memory=self._memory,
            shared=self._shared,
            store=store,
            chain=chain,
            clock=clock,
            meters=meters,
            vouch=self._vouched,
            life=self._life,
            chain_absent=limits.chain_absent,
            unknown=limits.unknown,
        )
        self._near: Flights[str, Found] = Flights(
            self._levels.from_shared, name="cache.redis", now=clock.monotonic, timeout=limits.load_timeout
        )
        self._far: Flights[str, Found] = Flights(
            self._levels.from_truth,
            name="cache.load",
            now=clock.monotonic,
            timeout=limits.load_timeout,
            max_batch=STORE_BATCH,
        )
        self._views = ViewCache(
            chain,
            view_trust,
            max_entries=limits.view_entries,
            max_bytes=limits.view_bytes,
            now=clock.monotonic,
            timeout=limits.load_timeout,
            meters=meters,
        )
        self._tail = Tail(store, self, silence=limits.tail_silence, clock=clock, meters=meters)

    @asynccontextmanager
    async def run(self) -> AsyncIterator["Cache"]:
        """Follow the event log until left; closes what is under way."""
        tail = asyncio.create_task(self._tail.run(), name="cache.tail")
        try:
            yield self
        finally:
            tail.cancel()
            await asyncio.gather(tail, return_exceptions=True)
            await self._near.close()
            await self._far.close()
            await self._views.close()
            await self._shared.close()

    @property
    def memory(self) -> Memory:
        """The nearest level, for whoever measures it."""
        return self._memory

    @property
    def tailed(self) -> bool:
        """Whether the event log is followed right now."""
        return self._tail.live

    async def get_statuses(self, queries: Sequence[StatusQuery]) -> Sequence[Answer]:
        _check_batch(len(queries))
        arrived = self._clock.monotonic()
        live = self._tail.live
        confirmed_since = arrived - self._trust.untailed
        held_of, tally = self._memory.peek, self._memory.tally()
        answers: list[Answer] = []
        asked = []
        # what is held has an id that was checked; a slot's own answer is given as it is: this loop is the hit's cost
        for query in queries:
            held = held_of(query.intent_id)
            if (
                held is not None
                and arrived < held.until
                and held.version >= query.min_version
                and query.max_age is None
                and (live or held.settled or held.trusted_at >= confirmed_since)
            ):
                answers.append(held.answer)
                if tally is not None:
                    tally.append(held.mark)
            else:
                asked.append(_Asked(len(answers), query))
                answers.append(None)
        self._meters.answered(Level.MEMORY, len(queries) - len(asked))
        if asked:
            await self._ask_below(asked, answers, arrived)
        return answers

    async def put_statuses(self, statuses: Sequence[CachedStatus]) -> None:
        _check_batch(len(statuses))
        for status in statuses:
            _check_status(status)
        read_at_ms = self._levels.now_ms()
        entries = [Entry(status=status, read_at_ms=read_at_ms) for status in statuses]
        self._into_memory(entries)
        await self._shared.put(entries)

    async def invalidate(self, intent_ids: Sequence[str]) -> None:
        _check_batch(len(intent_ids))
        for intent_id in intent_ids:
            if ID_PATTERN.fullmatch(intent_id) is None:
                raise _invalid_id()
        self._memory.forget(intent_ids, self._clock.monotonic())
        await self._shared.forget(intent_ids)
        # a load of Redis that was under way may have put it back meanwhile
        self._memory.forget(intent_ids, self._clock.monotonic())

    async def views(self, asked: Sequence[ChainView]) -> Sequence[ViewAnswer | IntentError]:
        _check_batch(len(asked))
        return await self._views.views(asked)

    async def moved(self, entries: Sequence[Entry]) -> None:
        """Events of the log: into memory always, into Redis where the intent is of interest here."""
        wanted = {entry.status.intent_id for entry in entries if entry.status.intent_id in self._memory}
        self._into_memory(entries)
        if wanted:
            newest = {entry.status.intent_id: entry for entry in entries if entry.status.intent_id in wanted}
            await self._shared.put(list(newest.values()))

    def missed(self) -> None:
        """Events may have been missed."""
        self._memory.distrust()
        self._levels.unknown.clear()

    def _into_memory(self, entries: Sequence[Entry]) -> None:
        now = self._clock.monotonic()
        for entry in entries:
            self._memory.put(entry, now, begun=now, seconds=self._life(entry, now))
        self._levels.unknown.discard(entry.status.intent_id for entry in entries)
        self._meters.memory(len(self._memory), self._memory.bytes)

    def _life(self, entry: Entry, begun: float) -> float:
        life = self._trust.seconds(entry, self._dice)
        if entry.settled or not self._tail.live or self._tail.heard(begun):
            return life
        # read before the log was followed: what came between is not told
        return min(life, self._trust.untailed)

    async def _ask_below(self, asked: list[_Asked], answers: list[Answer], arrived: float) -> None:
        """What the first look at memory did not settle."""
        now_ms = self._levels.now_ms()
        open_ = []
        for one in asked:
            if ID_PATTERN.fullmatch(one.query.intent_id) is None:
                answers[one.position] = _invalid_id()
            elif not self._from_memory(one, answers, arrived, now_ms):
                open_.append(one)
        if open_ and self._has_shared:
            open_ = await self._ask_shared(open_, answers)
        loading = []
        for one in open_:
            if one.query.cached_only:
                answers[one.position] = self._stale(one.query)
            elif not self._nobody_knows(one.query, arrived):
                loading.append(one)
        if loading:
            await self._ask_truth(loading, answers, arrived)
        self._count([answers[one.position] for one in asked])

    def _from_memory(self, one: _Asked, answers: list[Answer], arrived: float, now_ms: int) -> bool:
        """Whether memory settles it: young enough, or on its way to be renewed."""
        query = one.query
        held = self._memory.get(query.intent_id)
        if held is None or not _suits(held.entry, query, now_ms) or not self._confirmed(held, arrived):
            return False
        if arrived >= held.until:
            if not self._tail.live or arrived >= held.until + self._trust.revalidate:
                return False
            self._far.start([query.intent_id])
        answers[one.position] = held.answer
        return True

    def _nobody_knows(self, query: StatusQuery, now: float) -> bool:
        """Asked after Redis: there another cache may have put what was accepted since."""
        any_will_do = query.max_age is None and query.min_version == 0
        return any_will_do and self._tail.live and self._levels.unknown.has(query.intent_id, now)

    async def _ask_shared(self, asked: list[_Asked], answers: list[Answer]) -> list[_Asked]:
        landed = await self._near.get([one.query.intent_id for one in asked])
        now_ms = self._levels.now_ms()
        open_ = []
        for one, (found, _) in zip(asked, landed, strict=True):
            entry = found.entry if isinstance(found, Found) else None
            if entry is not None and _suits(entry, one.query, now_ms):
                answers[one.position] = _answer(entry, Level.REDIS)
            else:
                open_.append(one)
        return open_

    async def _ask_truth(self, asked: list[_Asked], answers: list[Answer], arrived: float) -> None:
        bounds = [
            None if one.query.max_age is None else arrived - one.query.max_age.total_seconds()
            for one in asked
        ]
        landed = await self._far.get([one.query.intent_id for one in asked], not_before=bounds)
        again = []
        for one, (found, begun) in zip(asked, landed, strict=True):
            if begun < arrived and _lacking(found, one.query):
                # a load that began before this call cannot vouch for what was written until then
                again.append(one)
            else:
                answers[one.position] = self._conclude(one.query, found)
        if again:
            landed = await self._far.get(
                [one.query.intent_id for one in again], not_before=[arrived] * len(again)
            )
            for one, (found, _) in zip(again, landed, strict=True):
                answers[one.position] = self._conclude(one.query, found)

    def _conclude(self, query: StatusQuery, found: Found | IntentError) -> Answer:
        if isinstance(found, IntentError):
            stale = self._stale(query) if query.allow_stale else None
            if stale is not None:
                return dataclasses.replace(stale, stale=True)
            # a copy for each caller: one instance raised in many tasks would chain their stacks
            return dataclasses.replace(found)
        entry = found.entry
        if entry is None or (entry.version == 0 and query.min_version > 0):
            return None
        if entry.version < query.min_version:
            return IntentError(
                Reason.STALE_VERSION,
                f"Version {query.min_version} of this intent does not exist yet.",
                retry_after=0.5,
            )
        return _answer(entry, found.level)

    def _confirmed(self, held: Held, now: float) -> bool:
        """Events tell of what has changed since; without them it counts only for a moment."""
        return self._tail.live or held.settled or now - held.trusted_at <= self._trust.untailed

    def _vouched(self, entry: Entry) -> bool:
        """An intent's last status; or read since the event log is followed, so that memory would know better;
        or read a moment ago. Not where it is from times to come: by which clock, and when, is not known then."""
        if entry.settled:
            return True
        now_ms = self._levels.now_ms()
        if entry.read_at_ms > now_ms + MAX_AHEAD_MS:
            return False
        return (
            self._tail.covers(entry.read_at_ms) or entry.age(now_ms).total_seconds() <= self._trust.untailed
        )

    def _stale(self, query: StatusQuery) -> StatusAnswer | None:
        """What memory holds although it should be confirmed."""
        held = self._memory.get(query.intent_id)
        if held is None or held.version < query.min_version:
            return None
        if not query.allow_stale and not _suits(held.entry, query, self._levels.now_ms()):
            return None
        now = self._clock.monotonic()
        return dataclasses.replace(held.answer, stale=not (now < held.until and self._confirmed(held, now)))

    def _count(self, answers: Sequence[Answer]) -> None:
        counts: dict[str, int] = {}
        for answer in answers:
            level = _counted_as(answer)
            counts[level] = counts.get(level, 0) + 1
        for level, count in counts.items():
            self._meters.answered(level, count)
        self._meters.memory(len(self._memory), self._memory.bytes)


def _answer(entry: Entry, level: Level) -> StatusAnswer:
    return StatusAnswer(status=entry.status, level=level.value, read_at_ms=entry.read_at_ms)


def _counted_as(answer: Answer) -> str:
    if isinstance(answer, IntentError):
        return "error"
    if answer is None:
        return "none"
    return "stale" if answer.stale else answer.level


def _suits(entry: Entry, query: StatusQuery, now_ms: int) -> bool:
    return entry.version >= query.min_version and (query.max_age is None or entry.age(now_ms) < query.max_age)


def _lacking(found: Found | IntentError, query: StatusQuery) -> bool:
    if isinstance(found, IntentError):
        return False
    return found.entry is None or found.entry.version < query.min_version


def _check_batch(size: int) -> None:
    if not 1 <= size <= MAX_BATCH:
        raise IntentError(Reason.BATCH_SIZE, f"1 to {MAX_BATCH} items are taken at once; {size} came.")


def _check_status(status: CachedStatus) -> None:
    if ID_PATTERN.fullmatch(status.intent_id) is None:
        raise _invalid_id()
    if not 1 <= status.version <= MAX_VERSION:
        message = "version is at least 1"
        raise IntentError(
            Reason.INVALID_FIELD,
            message,
            [Violation(field="version", reason=Reason.INVALID_FIELD, message=message)],
        )


def _invalid_id() -> IntentError:
    message = "intent_id is 1 to 128 characters of A-Za-z0-9._:@-"
    return IntentError(
        Reason.INVALID_ID, message, [Violation(field="intent_id", reason=Reason.INVALID_ID, message=message)]
    )
