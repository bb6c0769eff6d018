"""What a memory for one id in a hundred answers of a Zipf load, ours and the kept libraries' in the same run.

Two loads: one whose favourites stay, and one whose favourites move on, as intents do when they are done.
"""

import itertools
import random
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Final

import cachebox
import cachetools
import lru
import moka_py
import theine

from bench.frame import Options, Row, progress
from services.cache.adapters.bounded import Bounded

IDS: Final = 1_000_000
HELD: Final = IDS // 100
SKEW: Final = 0.99
FULL: Final = 2_000_000
QUICK: Final = 400_000
"""Look-ups of a load; of the first half only the memory learns."""
SHIFT: Final = 15
"""Ids that become the favourites with each thousand look-ups of the moving load, in ten steps."""
MAX_BEHIND: Final = 1.0
"""Percentage points."""
OURS: Final = "ours"
STAY: Final = "favourites stay"

Hit = Callable[[str], bool]
"""Looks an id up, puts it where it is missing, and says whether it was there."""


class _Slot:
    """As little as can be held."""

    __slots__ = ("mark", "size")

    def __init__(self) -> None:
        self.mark = 0
        self.size = 1


def _ours() -> Hit:
    memory: Bounded[str, _Slot] = Bounded(HELD, 10**12)
    get = memory.held.get

    def hit(intent_id: str) -> bool:
        slot = get(intent_id)
        if slot is not None:
            memory.use(slot)
            return True
        for gone in memory.put(intent_id, _Slot()):
            memory.drop(gone)
        return False

    return hit


def _mapping(make: Callable[[], Any]) -> Callable[[], Hit]:
    def begin() -> Hit:
        held = make()
        get = held.get

        def hit(intent_id: str) -> bool:
            if get(intent_id) is not None:
                return True
            held[intent_id] = intent_id
            return False

        return hit

    return begin


def _moka() -> Hit:
    held: Any = moka_py.Moka(HELD)

    def hit(intent_id: str) -> bool:
        if held.get(intent_id) is not None:
            return True
        held.set(intent_id, intent_id)
        return False

    return hit


def _theine() -> Hit:
    held: Any = theine.Cache(HELD, nolock=True)

    def hit(intent_id: str) -> bool:
        if held.get(intent_id)[1]:
            return True
        held.set(intent_id, intent_id)
        return False

    return hit


SIDES: Final[dict[str, Callable[[], Hit]]] = {
    OURS: _ours,
    "theine (W-TinyLFU)": _theine,
    "moka-py (TinyLFU)": _moka,
    "cachebox LFU": _mapping(lambda: cachebox.LFUCache(HELD)),
    "cachebox LRU": _mapping(lambda: cachebox.LRUCache(HELD)),
    "cachetools LFU": _mapping(lambda: cachetools.LFUCache(HELD)),
    "cachetools LRU": _mapping(lambda: cachetools.LRUCache(HELD)),
    "lru-dict": _mapping(lambda: lru.LRU(HELD)),
}


@dataclass(slots=True)
class Figures:
    """Rows for the report, sentences for people, and per load and side the hit rate and the CPU time."""

    rows: list[Row] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    details: dict[str, object] = field(default_factory=dict)


def policies(options: Options) -> Figures:
    """Every side meets the same look-ups."""
    count = QUICK if options.quick else FULL
    dice = random.Random(99)
    weights = list(itertools.accumulate(rank**-SKEW for rank in range(1, IDS + 1)))
    ids = [f"{number:032x}" for number in range(IDS)]
    dice.shuffle(ids)
    found = Figures()
    loads = {
        STAY: dice.choices(ids, cum_weights=weights, k=count),
        "favourites move on": _moving(dice, ids, weights, count),
    }
    for load, asked in loads.items():
        rates, costs = {}, {}
        for name, begin in SIDES.items():
            progress(f"cache policies: {load}: {name}")
            rates[name], costs[name] = _measure(begin(), asked)
        best = max((name for name in rates if name != OURS), key=lambda name: rates[name])
        found.rows += [
            Row(
                name=f"percentage points of hits that ours is behind the best, {load}: {best}",
                measured=round(rates[best] - rates[OURS], 2),
                goal=MAX_BEHIND if load == STAY else None,
                at_most=True,
            ),
            Row(
                name=f"CPU time of a look-up, {load}: ours : the best, {best}",
                measured=costs[OURS] / costs[best],
                goal=1.0 if load == STAY and rates[best] > rates[OURS] else None,
                at_most=True,
            ),
            *(Row(name=f"hits in %, {load}: {name}", measured=rate) for name, rate in rates.items()),
            *(
                Row(name=f"CPU time of a look-up, {load}: {name} : ours", measured=cost / costs[OURS])
                for name, cost in costs.items()
                if name not in (OURS, best)
            ),
        ]
        found.details[load] = {name: {"hits, %": rates[name], "ns": round(costs[name])} for name in SIDES}
    found.notes.append(
        f"{count} look-ups of {IDS} ids by Zipf({SKEW}), {HELD} held; the second half counts. Where favourites move "
        f"on, {SHIFT} ids that were the last become the first with each 1000 look-ups."
    )
    return found


def _moving(dice: random.Random, ids: list[str], weights: list[float], count: int) -> list[str]:
    asked = []
    order = list(ids)
    for _ in range(10):
        asked += dice.choices(order, cum_weights=weights, k=count // 10)
        shift = SHIFT * count // 10_000
        order = order[-shift:] + order[:-shift]
    return asked


def _measure(hit: Hit, asked: list[str]) -> tuple[float, float]:
    """Hits in %, CPU time of a look-up in ns."""
    half = len(asked) // 2
    for intent_id in asked[:half]:
        hit(intent_id)
    counted = asked[half:]
    begun = time.process_time_ns()
    hits = sum(map(hit, counted))
    spent = time.process_time_ns() - begun
    return round(100 * hits / len(counted), 2), spent / len(counted)
