"""The nearest level: bounded by entries, the least recently used goes first."""

from collections import Counter, OrderedDict
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

from services.cache.model import Entry, newest

FLOOR_SECONDS: Final = 60.0
"""How long a forgotten version still keeps older ones out; longer than any load or Redis entry lives."""


@dataclass(frozen=True, slots=True)
class Held:
    """Monotonic times: `put_at` when it was last put, `trusted_at` when it was last confirmed (-inf: never).
    A forgotten one is only a floor for versions."""

    entry: Entry
    put_at: float
    trusted_at: float
    forgotten: bool = False


class Memory:
    """Statuses by intent id. Ids with a load under way are pinned: what is held of them cannot be evicted,
    so that the load cannot bring back an older version than was seen meanwhile."""

    def __init__(self, max_entries: int) -> None:
        self._max = max_entries
        self._held: OrderedDict[str, Held] = OrderedDict()
        self._pins: Counter[str] = Counter()
        self.evicted_at = float("-inf")
        """The latest `put_at` among all that was evicted. What another level read before may be older than
        what this process has answered."""

    def __len__(self) -> int:
        return len(self._held)

    def __contains__(self, intent_id: str) -> bool:
        return intent_id in self._held or intent_id in self._pins

    def get(self, intent_id: str) -> Held | None:
        """What may be answered; counts as a use."""
        held = self._held.get(intent_id)
        if held is None or held.forgotten:
            return None
        self._held.move_to_end(intent_id)
        return held

    def put(
        self, entry: Entry, now: float, *, begun: float, truth: bool = True, trusted: bool = True
    ) -> Entry:
        """What stands afterwards. `begun`: when it began to be read, from the `truth` or from a level between.
        One not `trusted` is held, but has to be confirmed before it is answered."""
        intent_id = entry.status.intent_id
        held = self._held.get(intent_id)
        if held is not None and held.forgotten:
            if not _overrides(held, entry, now, begun, truth):
                return held.entry
            held = None
        stands = newest(None if held is None else held.entry, entry)
        if stands.version == entry.version:
            before = held.trusted_at if held is not None and stands is held.entry else float("-inf")
            self._held[intent_id] = Held(stands, now, now if trusted else before)
            self._held.move_to_end(intent_id)
            self._evict()
        return stands

    def forget(self, intent_ids: Iterable[str], now: float) -> None:
        """No longer answered; the version stays as a floor for a while."""
        for intent_id in intent_ids:
            held = self._held.get(intent_id)
            if held is not None:
                self._held[intent_id] = Held(held.entry, now, now, forgotten=True)

    def distrust(self) -> None:
        """Everything that may still change must be confirmed before it is answered."""
        for intent_id, held in self._held.items():
            if not held.entry.settled and not held.forgotten:
                self._held[intent_id] = Held(held.entry, held.put_at, float("-inf"))

    def pin(self, intent_ids: Iterable[str]) -> None:
        self._pins.update(intent_ids)

    def unpin(self, intent_ids: Iterable[str]) -> None:
        for intent_id in intent_ids:
            if self._pins[intent_id] <= 1:
                del self._pins[intent_id]
            else:
                self._pins[intent_id] -= 1
        self._evict()

    def _evict(self) -> None:
        spare = len(self._held) - self._max
        if spare <= 0:
            return
        goes = []
        for intent_id in self._held:
            if intent_id not in self._pins:
                goes.append(intent_id)
                if len(goes) == spare:
                    break
        for intent_id in goes:
            self.evicted_at = max(self.evicted_at, self._held.pop(intent_id).put_at)


def _overrides(floor: Held, entry: Entry, now: float, begun: float, truth: bool) -> bool:
    """Whether what comes now may be answered again although the intent was forgotten."""
    return (
        entry.version > floor.entry.version
        or now - floor.put_at > FLOOR_SECONDS
        or (entry.version == floor.entry.version and begun >= floor.put_at)
        or (truth and begun > floor.put_at)
    )
