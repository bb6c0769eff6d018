"""How long things took, in buckets that grow by a constant factor: mergeable, and right to within 4 %."""

import math
from collections.abc import Mapping
from typing import Final

GROWTH: Final = 1.08
"""Upper bound of a bucket over its lower: its middle is at most sqrt(1.08) - 1 = 3.9 % from all that is in it."""
LONGEST: Final = 400
"""The last bucket; it holds everything over 10^13 ms."""
_LOG: Final = math.log(GROWTH)


def bucket(milliseconds: int) -> int:
    """0 for what took no time, or less; else 1 to LONGEST."""
    if milliseconds < 1:
        return 0
    return min(1 + int(math.log(milliseconds) / _LOG), LONGEST)


def seconds(index: int) -> float:
    """The middle of a bucket, geometrically."""
    return 0.0 if index == 0 else math.exp((index - 0.5) * _LOG) / 1000


def quantiles(buckets: Mapping[int, int], *parts: float) -> list[float]:
    """Seconds that each of `parts` (0 to 1, ascending) of all took at most; 0 of none."""
    total = sum(buckets.values())
    ranks = [max(1, math.ceil(part * total)) for part in parts]
    found: list[float] = []
    passed = 0
    for index in sorted(buckets):
        passed += buckets[index]
        while len(found) < len(ranks) and passed >= ranks[len(found)]:
            found.append(seconds(index))
        if len(found) == len(ranks):
            break
    return found + [0.0] * (len(ranks) - len(found))
