"""The levels below memory, read in batches; what they say goes into the levels above."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final, Protocol

from services.cache.absent import Absent
from services.cache.adapters.memory import Memory
from services.cache.model import Entry, Level
from services.cache.observe import Meters
from services.cache.ports import SharedLevel
from services.common.chain.port import ChainIntent
from services.common.clock import Clock, now_ms
from services.common.domain.intent import IntentRecord
from services.common.domain.lifecycle import Status
from services.common.domain.outcomes import CachedStatus, IntentKey
from services.common.errors import IntentError, Reason, unavailable

_AWAY: Final = frozenset(
    {Reason.DEPENDENCY_UNAVAILABLE, Reason.DEADLINE_EXCEEDED, Reason.OVERLOADED, Reason.DRAINING}
)
_WORDS: Final = {status.value: status for status in Status}


class Records(Protocol):
    """Of the store, what is needed here."""

    async def get(self, keys: Sequence[IntentKey]) -> Sequence[IntentRecord | None]: ...


class ChainIntents(Protocol):
    """Of the chain, what is needed here."""

    async def intents(self, intent_ids: Sequence[str]) -> Sequence[ChainIntent | IntentError]: ...


@dataclass(frozen=True, slots=True)
class Found:
    """`entry` None where the level does not know the intent."""

    entry: Entry | None
    level: Level


class Levels:
    """Loads for `Flights`. What memory holds afterwards is answered: it may be newer than what was read."""

    def __init__(
        self,
        *,
        memory: Memory,
        shared: SharedLevel,
        store: Records,
        chain: ChainIntents | None,
        clock: Clock,
        meters: Meters,
        vouch: Callable[[Entry], bool],
        life: Callable[[Entry, float], float],
        chain_absent: float,
        unknown: float,
    ) -> None:
        self._memory = memory
        self._shared = shared
        self._store = store
        self._chain = chain
        self._clock = clock
        self._meters = meters
        self._vouch = vouch
        self._life = life
        self._absent = Absent(chain_absent)
        self.unknown = Absent(unknown)
        """What neither store nor chain knew."""

    def now_ms(self) -> int:
        return now_ms(self._clock)

    async def from_shared(self, intent_ids: Sequence[str]) -> Sequence[Found]:
        """Redis. A value older than what memory has seen is a miss, and so is one that nobody vouches for."""
        begun = self._clock.monotonic()
        self._memory.pin(intent_ids)
        try:
            self._meters.loaded(Level.REDIS)
            entries = await self._shared.get(intent_ids)
            return [
                Found(None if entry is None else self._accepted(entry, begun), Level.REDIS)
                for entry in entries
            ]
        finally:
            self._memory.unpin(intent_ids)

    async def from_truth(self, intent_ids: Sequence[str]) -> Sequence[Found | IntentError]:
        """The store; the chain for what the store does not know."""
        begun, read_at_ms = self._clock.monotonic(), self.now_ms()
        self._memory.pin(intent_ids)
        try:
            self._meters.loaded(Level.STORE)
            try:
                records = await self._store.get(list(intent_ids))
            except IntentError as error:
                return [away(error, "store")] * len(intent_ids)
            found: dict[str, Found | IntentError] = {}
            unknown = []
            for intent_id, record in zip(intent_ids, records, strict=True):
                if record is None:
                    unknown.append(intent_id)
                    continue
                found[intent_id] = Found(Entry(status=_status(record), read_at_ms=read_at_ms), Level.STORE)
            if unknown:
                found.update(await self._from_chain(unknown, read_at_ms))
            fresh = [one.entry for one in found.values() if isinstance(one, Found) and one.entry is not None]
            now = self._clock.monotonic()
            for entry in fresh:
                stands = self._memory.put(entry, now, begun=begun, seconds=self._life(entry, begun))
                if stands.version > entry.version:
                    found[stands.status.intent_id] = Found(stands, Level.MEMORY)
            self.unknown.discard(entry.status.intent_id for entry in fresh)
            self._remember_unknown(found, begun)
            if fresh:
                await self._shared.put(fresh)
            return [found[intent_id] for intent_id in intent_ids]
        finally:
            self._memory.unpin(intent_ids)

    def _accepted(self, entry: Entry, begun: float) -> Entry | None:
        now = self._clock.monotonic()
        read_at = now - (self.now_ms() - entry.read_at_ms) / 1000
        intent_id = entry.status.intent_id
        held = self._memory.get(intent_id)
        if held is None and self._memory.evicted.bars(intent_id, entry.version, read_at, now):
            return None
        floor = self._memory.peek(intent_id)
        if (
            floor is not None
            and floor.forgotten
            and entry.version <= floor.version
            and read_at <= floor.put_at
        ):
            # a load that was under way put it back
            return None
        vouched = self._vouch(entry)
        self.unknown.discard((intent_id,))
        self._memory.put(
            entry, now, begun=begun, seconds=self._life(entry, read_at), truth=False, trusted=vouched
        )
        held = self._memory.get(intent_id)
        return held.entry if vouched and held is not None and held.entry.version == entry.version else None

    async def _from_chain(self, intent_ids: Sequence[str], read_at_ms: int) -> dict[str, Found | IntentError]:
        nothing = Found(None, Level.CHAIN)
        now = self._clock.monotonic()
        if self._chain is None:
            return dict.fromkeys(intent_ids, nothing)
        found: dict[str, Found | IntentError] = {}
        asked = []
        for intent_id in intent_ids:
            if self._absent.has(intent_id, now):
                found[intent_id] = nothing
            else:
                asked.append(intent_id)
        if not asked:
            return found
        self._meters.loaded(Level.CHAIN)
        try:
            answers = await self._chain.intents(asked)
        except IntentError as error:
            return found | dict.fromkeys(asked, away(error, "chain"))
        for intent_id, answer in zip(asked, answers, strict=True):
            if isinstance(answer, IntentError):
                found[intent_id] = away(answer, "chain")
            elif answer.status is None:
                found[intent_id] = nothing
                self._absent.add(intent_id, self._clock.monotonic())
            elif answer.status not in _WORDS:
                self._meters.load_failed(Level.CHAIN, ValueError(f"status {answer.status[:40]!r}"))
                found[intent_id] = unavailable("chain")
            else:
                status = CachedStatus(
                    intent_id=intent_id, status=_WORDS[answer.status], version=0, principal=""
                )
                found[intent_id] = Found(Entry(status=status, read_at_ms=read_at_ms), Level.CHAIN)
        return found

    def _remember_unknown(self, found: dict[str, Found | IntentError], begun: float) -> None:
        for intent_id, one in found.items():
            # an event may have brought it into memory while the load was under way: it is known then
            if isinstance(one, Found) and one.entry is None and self._memory.peek(intent_id) is None:
                self.unknown.add(intent_id, begun)


def away(error: IntentError, what: str) -> IntentError:
    """To the caller it is one thing whether a level is away, slow, full or shutting down."""
    return unavailable(what) if error.reason in _AWAY else error


def _status(record: IntentRecord) -> CachedStatus:
    return CachedStatus(
        intent_id=record.intent_id,
        status=record.status,
        version=record.version,
        principal=record.principal,
    )
