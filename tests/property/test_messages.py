"""Signed messages: numbers, instants and sums, held against plainer ways to say the same."""

from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.validator.messages.instants import instant_ns
from services.validator.messages.model import Move
from services.validator.messages.moves import first_overflow
from services.validator.messages.numbers import I128, U64, U128, OutOfRange, integer

MOST = 2**128 - 1
EDGES = st.sampled_from([0, 1, 2, 2**63, 2**64 - 1, 2**64, 2**126, 2**127 - 1, 2**127, MOST, 2**128])


@given(EDGES | st.integers(0, 2**130), st.sampled_from(["", "+", "-"]), st.integers(0, 60))
def test_a_number_is_read_as_rust_reads_it(value: int, sign: str, zeros: int) -> None:
    text = f"{sign}{'0' * zeros}{value}"
    for bounds in (U128, I128, U64):
        if sign == "-" and bounds is not I128:
            with pytest.raises(ValueError, match="whole number"):
                integer(text, bounds)
        elif int(text) in bounds:
            assert integer(text, bounds) == int(text)
        else:
            with pytest.raises(OutOfRange):
                integer(text, bounds)


@given(
    st.datetimes(datetime(1, 1, 2), datetime(9999, 12, 30)),
    st.integers(-23 * 60 - 59, 23 * 60 + 59),
    st.integers(0, 999_999_999),
)
def test_an_instant_is_what_its_date_and_time_are(moment: datetime, offset: int, fraction: int) -> None:
    zoned = moment.replace(microsecond=0, tzinfo=timezone(timedelta(minutes=offset)))
    text = zoned.isoformat()
    at = text.index("+", 11) if "+" in text[11:] else text.index("-", 11)
    seconds = (zoned - datetime(1970, 1, 1, tzinfo=UTC)) // timedelta(seconds=1)
    assert instant_ns(f"{text[:at]}.{fraction:09d}{text[at:]}") == seconds * 10**9 + fraction


deltas = st.sampled_from([1, -1, 2**126, -(2**126), 2**127 - 1, -(2**127), MOST, -MOST]) | st.integers(-9, 9)
moves = st.builds(
    Move,
    field=st.just("f"),
    account=st.sampled_from(["a", "b"]),
    token=st.just("t"),
    delta=deltas,
    matched=st.just(True),
)


@given(st.lists(moves, max_size=8))
def test_an_overflow_is_one_whatever_the_balances(found: list[Move]) -> None:
    """Held against trying balances: the one that lasts longest is what is taken out before anything comes in."""
    refused = first_overflow(found)
    start = {
        account: max(0, -min((sum(deltas[:end]) for end in range(len(deltas) + 1)), default=0))
        for account in ("a", "b")
        for deltas in [[move.delta for move in found if move.account == account]]
    }
    lasts = all(balance <= MOST for balance in start.values())
    net = {"a": 0, "b": 0}
    for move in found:
        start[move.account] += move.delta
        net[move.account] += move.delta
        lasts = lasts and 0 <= start[move.account] <= MOST and abs(net[move.account]) <= MOST
    assert (refused is None) is lasts
