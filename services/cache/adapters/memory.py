"""The nearest level: bounded by entries and bytes; what is least likely to be asked for again goes first."""

from array import array
from collections import Counter
from collections.abc import Iterable
from typing import Final

from services.cache.adapters.bounded import Bounded, text_bytes
from services.cache.model import Entry, Level, newest
from services.common.domain.outcomes import StatusAnswer

FLOOR_SECONDS: Final = 60.0
"""How long a forgotten version still keeps older ones out; longer than any load or Redis entry lives."""

REDIS_SECONDS: Final = 35.0
"""Longer than a Redis entry lives, and a write of it is under way."""

NEVER: Final = float("-inf")
SLOT_BYTES: Final = 960
"""What a status takes here beside the text of its id and principal (a test measures it)."""

_BUCKETS: Final = 1 << 16


class Held:
    """A status in memory. Monotonic times: `put_at` when it was last put, `trusted_at` when it was last confirmed
    (-inf: never), `until` when it has to be confirmed again. A forgotten one is only a floor for versions.

    `answer` is given as it is to whoever asks. `mark` and `size` are for `Bounded`.
    """

    __slots__ = (
        "answer",
        "entry",
        "forgotten",
        "mark",
        "put_at",
        "settled",
        "size",
        "trusted_at",
        "until",
        "version",
    )

    def __init__(self, entry: Entry, put_at: float, trusted_at: float, until: float) -> None:
        self.entry = entry
        self.version = entry.version
        self.settled = entry.settled
        self.answer = StatusAnswer(status=entry.status, level=Level.MEMORY.value, read_at_ms=entry.read_at_ms)
        self.put_at = put_at
        self.trusted_at = trusted_at
        self.until = until
        self.forgotten = False
        self.mark = 0
        self.size = SLOT_BYTES + text_bytes(entry.status.intent_id) + text_bytes(entry.status.principal)


class Evicted:
    """The versions of what was evicted, in a fixed number of buckets: an upper bound for each id."""

    def __init__(self) -> None:
        self._versions = array("Q", bytes(8 * _BUCKETS))
        self._put_at = array("d", [NEVER]) * _BUCKETS

    def add(self, intent_id: str, version: int, put_at: float) -> None:
        bucket = hash(intent_id) % _BUCKETS
        self._versions[bucket] = max(self._versions[bucket], version)
        self._put_at[bucket] = max(self._put_at[bucket], put_at)

    def bars(self, intent_id: str, version: int, read_at: float, now: float) -> bool:
        """Whether what another level read at `read_at` may be older than what this process has answered. `read_at` is
        by another's clock, which may be ahead: so long as Redis may hold what was there before, it is not relied on."""
        bucket = hash(intent_id) % _BUCKETS
        put_at = self._put_at[bucket]
        return version < self._versions[bucket] and (read_at <= put_at or now <= put_at + REDIS_SECONDS)


class Memory:
    """Statuses by intent id. Ids with a load under way are pinned: what is held of them cannot be evicted,
    so that the load cannot bring back an older version than was seen meanwhile."""

    def __init__(self, max_entries: int, max_bytes: int) -> None:
        self._bounded: Bounded[str, Held] = Bounded(max_entries, max_bytes)
        self._held = self._bounded.held
        self._pins: Counter[str] = Counter()
        self._waiting: set[str] = set()
        self.evicted = Evicted()
        self.peek = self._held.get
        """What is held of an id, forgotten ones too, without counting as a use."""

    def __len__(self) -> int:
        return len(self._held)

    def __contains__(self, intent_id: str) -> bool:
        return intent_id in self._held or intent_id in self._pins

    @property
    def bytes(self) -> int:
        """What all of it takes, as estimated."""
        return self._bounded.bytes

    def get(self, intent_id: str) -> Held | None:
        """What may be answered; counts as a use."""
        held = self._held.get(intent_id)
        if held is None or held.forgotten:
            return None
        self._bounded.use(held)
        return held

    def tally(self) -> list[int] | None:
        """Where who answers now with what `peek` gave appends the slots' marks; None if that does not count."""
        return self._bounded.tally()

    def put(
        self,
        entry: Entry,
        now: float,
        *,
        begun: float,
        seconds: float = 0.0,
        truth: bool = True,
        trusted: bool = True,
    ) -> Entry:
        """What stands afterwards. `begun`: when it began to be read, from the `truth` or from a level between; it is
        trusted for `seconds` since then. One not `trusted` is held, but has to be confirmed before it is
        answered."""
        intent_id = entry.status.intent_id
        held = self._held.get(intent_id)
        if held is not None and held.forgotten:
            if not _overrides(held, entry, now, begun, truth):
                return held.entry
            held = None
        stands = newest(None if held is None else held.entry, entry)
        if stands.version == entry.version:
            if trusted:
                slot = Held(stands, now, begun, begun + seconds)
            elif held is not None and stands is held.entry:
                slot = Held(stands, now, held.trusted_at, held.until)
            else:
                slot = Held(stands, now, NEVER, NEVER)
            self._waiting.discard(intent_id)
            for gone in self._bounded.put(intent_id, slot):
                self._release(gone)
        return stands

    def forget(self, intent_ids: Iterable[str], now: float) -> None:
        """No longer answered; the version stays as a floor for a while."""
        for intent_id in intent_ids:
            held = self._held.get(intent_id)
            if held is not None:
                held.forgotten, held.put_at, held.trusted_at, held.until = True, now, now, NEVER

    def distrust(self) -> None:
        """Everything that may still change must be confirmed before it is answered."""
        for held in self._held.values():
            if not held.settled and not held.forgotten:
                held.trusted_at = held.until = NEVER

    def pin(self, intent_ids: Iterable[str]) -> None:
        self._pins.update(intent_ids)

    def unpin(self, intent_ids: Iterable[str]) -> None:
        for intent_id in intent_ids:
            if self._pins[intent_id] <= 1:
                del self._pins[intent_id]
                if intent_id in self._waiting:
                    self._release(intent_id)
            else:
                self._pins[intent_id] -= 1

    def _release(self, intent_id: str) -> None:
        if intent_id in self._pins:
            self._waiting.add(intent_id)
            return
        self._waiting.discard(intent_id)
        held = self._bounded.drop(intent_id)
        if held is not None:
            self.evicted.add(intent_id, held.version, held.put_at)


def _overrides(floor: Held, entry: Entry, now: float, begun: float, truth: bool) -> bool:
    """Whether what comes now may be answered again although the intent was forgotten."""
    return (
        entry.version > floor.version
        or now - floor.put_at > FLOOR_SECONDS
        or (entry.version == floor.version and begun >= floor.put_at)
        or (truth and begun > floor.put_at)
    )
