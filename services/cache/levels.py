"""The levels below memory, read in batches; what they say goes into the levels above."""

from collections import OrderedDict
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final, Protocol

from services.cache.adapters.memory import Memory
from services.cache.model import Entry, Level
from services.cache.observe import Meters
from services.cache.ports import SharedLevel
from services.common.chain.port import ChainIntent
from services.common.clock import Clock
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
        chain_absent_seconds: float,
        max_absent: int = 10_000,
    ) -> None:
        self._memory = memory
        self._shared = shared
        self._store = store
        self._chain = chain
        self._clock = clock
        self._meters = meters
        self._vouch = vouch
        self._absent_for = chain_absent_seconds
        self._absent: OrderedDict[str, float] = OrderedDict()
        self._max_absent = max_absent

    def now_ms(self) -> int:
        return self._clock.now_ns() // 1_000_000

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
                stands = self._memory.put(entry, now, begun=begun)
                if stands.version > entry.version:
                    found[stands.status.intent_id] = Found(stands, Level.MEMORY)
            if fresh:
                await self._shared.put(fresh)
            return [found[intent_id] for intent_id in intent_ids]
        finally:
            self._memory.unpin(intent_ids)

    def _accepted(self, entry: Entry, begun: float) -> Entry | None:
        now = self._clock.monotonic()
        read_at = now - (self.now_ms() - entry.read_at_ms) / 1000
        intent_id = entry.status.intent_id
        if self._memory.get(intent_id) is None and read_at <= self._memory.evicted_at:
            return None
        vouched = self._vouch(entry)
        self._memory.put(entry, now, begun=begun, truth=False, trusted=vouched)
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
            if self._absent.get(intent_id, now) > now:
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
                self._remember_absent(intent_id)
            elif answer.status not in _WORDS:
                self._meters.load_failed(Level.CHAIN, ValueError(f"status {answer.status[:40]!r}"))
                found[intent_id] = unavailable("chain")
            else:
                status = CachedStatus(
                    intent_id=intent_id, status=_WORDS[answer.status], version=0, principal=""
                )
                found[intent_id] = Found(Entry(status=status, read_at_ms=read_at_ms), Level.CHAIN)
        return found

    def _remember_absent(self, intent_id: str) -> None:
        # only the chain's "no": whether the store knows an intent is asked each time
        self._absent[intent_id] = self._clock.monotonic() + self._absent_for
        self._absent.move_to_end(intent_id)
        while len(self._absent) > self._max_absent:
            self._absent.popitem(last=False)


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
