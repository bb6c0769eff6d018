"""What may be held, within bounds of entries and of bytes; the policy is theine-core's W-TinyLFU."""

from collections.abc import Hashable
from typing import Final, Generic, Protocol, TypeVar

from theine_core import TlfuCore

MASK: Final = (1 << 64) - 1
FLUSH: Final = 512
"""Uses that gather before the policy hears of them."""
BUSY: Final = 3
IDLE: Final = 16
"""One use in so many is told to the policy: while newcomers compete for room, and while none does."""
CREDIT: Final = 64
"""Uses that count as busy after a newcomer."""
GROW_BELOW: Final = 0.8
"""Share of the bytes below which the policy may count more entries again."""


def text_bytes(text: str) -> int:
    """Most that its characters take in memory: beyond ASCII up to 4 bytes each, and UTF-8 once it was encoded."""
    return len(text) if text.isascii() else 8 * len(text)


class Slot(Protocol):
    """What is held of a key. `mark` is the policy's name for the key, 0 while it has none (it may be
    told of uses of 0)."""

    mark: int
    size: int


K = TypeVar("K", bound=Hashable)
V = TypeVar("V", bound=Slot)


class Bounded(Generic[K, V]):
    """`held` may be read directly; a use of a slot is told by `use`, or by its mark in what `tally` gives.

    Telling the policy costs more than looking a slot up. So while keys compete for room every third use is told, each
    newcomer making up for some; while none comes, one in `IDLE`.

    The policy counts entries. Where these are larger than expected, it is made anew for as many as fit into the
    bytes, and grows again when they are smaller.
    """

    def __init__(self, max_entries: int, max_bytes: int) -> None:
        self.held: dict[K, V] = {}
        self._used: list[int] = []
        self.bytes = 0
        self._credit = 0
        self._turn = 0
        self._max_entries = max_entries
        self._max_bytes = max_bytes
        self._capacity = max_entries
        self._since = 0
        self._policy = TlfuCore(max_entries)
        self._marks: dict[int, K] = {}

    def put(self, key: K, slot: V) -> list[K]:
        """Holds `slot`; the keys that have to go for it, maybe `key` itself. They are held until `drop`."""
        before = self.held.get(key)
        if before is not None:
            slot.mark = before.mark
            self.bytes -= before.size
        else:
            slot.mark = 0
        self.held[key] = slot
        self.bytes += slot.size
        if slot.mark:
            self.use(slot)
            return self._fit() if self.bytes > self._max_bytes else []
        return self._enter(key, slot)

    def drop(self, key: K) -> V | None:
        """What was held of it."""
        slot = self.held.pop(key, None)
        if slot is not None:
            self.bytes -= slot.size
            self._leave(slot)
        return slot

    def use(self, slot: V) -> None:
        """Counts a use."""
        tally = self.tally()
        if tally is not None:
            tally.append(slot.mark)

    def tally(self) -> list[int] | None:
        """Where the marks of what is used now go, None if these uses do not count."""
        self._turn += 1
        if self._turn % (BUSY if self._credit > 0 else IDLE):
            return None
        if len(self._used) >= FLUSH:
            self._flush()
        return self._used

    def _flush(self) -> None:
        if self._used:
            self._credit -= BUSY * len(self._used)
            self._policy.access(self._used)
            self._used.clear()

    def _enter(self, key: K, slot: V) -> list[K]:
        self._flush()
        mark = hash(key) & MASK or 1
        out = []
        if mark in self._marks:
            # two keys of one hash: the policy can tell only one of them
            out.append(self._let_go(mark))
        slot.mark = mark
        self._marks[mark] = key
        out += [self._let_go(evicted) for evicted in self._policy.set([(mark, 0)])]
        self._since += 1
        if 2 * len(self._marks) >= self._capacity:
            self._credit = min(max(self._credit, 0) + CREDIT, CREDIT * FLUSH)
        if self.bytes > self._max_bytes:
            out += self._fit()
        elif self._capacity < self._max_entries and self._since > self._capacity:
            self._grow()
        return out

    def _let_go(self, mark: int) -> K:
        """The policy has dropped it; its slot stays for the caller to drop."""
        key = self._marks.pop(mark)
        self.held[key].mark = 0
        return key

    def _leave(self, slot: V) -> None:
        if slot.mark:
            self._marks.pop(slot.mark, None)
            self._policy.remove(slot.mark)
            slot.mark = 0

    def _fit(self) -> list[K]:
        """As many entries as fit into the bytes at their mean size, and some to spare."""
        out: list[K] = []
        left = self.bytes
        while left > self._max_bytes and len(self._marks) > 1:
            kept = len(self._marks)
            gone = self._resize(max(1, min(kept - 1, int(kept * 0.95 * self._max_bytes / left))))
            left -= sum(self.held[key].size for key in gone)
            out += gone
        return out

    def _grow(self) -> None:
        self._since = 0
        if self.bytes < GROW_BELOW * self._max_bytes:
            self._resize(min(self._max_entries, self._capacity * 5 // 4 + 1))

    def _resize(self, capacity: int) -> list[K]:
        self._capacity, self._since = capacity, 0
        self._policy = TlfuCore(capacity)
        return [
            self._let_go(evicted)
            for mark in reversed(list(self._marks))
            for evicted in self._policy.set([(mark, 0)])
        ]
