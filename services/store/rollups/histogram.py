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


def quantile(buckets: Mapping[int, int], part: float) -> float:
    """Seconds that `part` (0 to 1) of all took at most; 0 of none."""
    rank = max(1, math.ceil(part * sum(buckets.values())))
    passed = 0
    for index in sorted(buckets):
        passed += buckets[index]
        if passed >= rank:
            return seconds(index)
    return 0.0
