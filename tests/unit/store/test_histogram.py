"""Times by bucket: right to within 5 %, whatever is put together."""

import math
from collections import Counter

from hypothesis import given
from hypothesis import strategies as st

from services.store.rollups.histogram import LONGEST, bucket, quantiles, seconds

times = st.integers(0, 10**12)
PARTS = (0.5, 0.9, 0.99)
parts = st.sampled_from(PARTS)


@given(st.lists(times, min_size=1), parts)
def test_a_quantile_is_right_to_within_five_percent(taken: list[int], part: float) -> None:
    exact = sorted(taken)[math.ceil(part * len(taken)) - 1] / 1000
    found = quantiles(Counter(map(bucket, taken)), part)[0]
    assert abs(found - exact) <= 0.05 * exact


@given(st.lists(times), st.lists(times))
def test_merged_histograms_are_one_of_all(left: list[int], right: list[int]) -> None:
    merged = Counter(map(bucket, left)) + Counter(map(bucket, right))
    assert quantiles(merged, *PARTS) == quantiles(Counter(map(bucket, left + right)), *PARTS)


@given(times, times)
def test_longer_is_never_a_lower_bucket(one: int, other: int) -> None:
    assert bucket(min(one, other)) <= bucket(max(one, other))


def test_the_edges() -> None:
    assert [bucket(-5), bucket(0), bucket(1)] == [0, 0, 1]
    assert seconds(0) == 0.0
    assert quantiles({}, *PARTS) == [0.0, 0.0, 0.0]
    assert bucket(10**30) == LONGEST
