"""`_id`s of roll-up documents: a span of time, whose intents, which time. Times of one span and scope sort together.

`total:["alice"]`, `hour:["alice"]00000494124`, `day:["alice.near","alice"]00000020588`, `position:3`.
"""

from datetime import UTC, datetime, timedelta
from typing import Final

from services.common.clock import from_ns, to_ns
from services.common.domain.statistics import Period
from services.store.model import joined

KIND: Final = "rollups"
"""Of services.store.ports.Keep."""
TOTAL: Final = "total"
EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
LENGTH: Final = {Period.HOUR: timedelta(hours=1), Period.DAY: timedelta(days=1)}
_NS: Final = {period: length // timedelta(microseconds=1) * 1000 for period, length in LENGTH.items()}


def scope(*, principal: str, user_id: str) -> str:
    """Whose intents: all, a principal's, or a user's under a principal (user first: all of a user's sort together)."""
    if user_id:
        return joined(user_id, principal)
    return joined(principal) if principal else joined()


def users_scopes(user_id: str) -> str:
    """What the scopes of this user under any principal begin with."""
    return joined(user_id)[:-1] + ","


def number(moment: datetime, period: Period) -> int:
    """Which hour or day since 1970."""
    return to_ns(moment) // _NS[period]


def start(number: int, period: Period) -> datetime:
    """When it begins."""
    return from_ns(number * _NS[period])


def total_key(whose: str) -> str:
    return f"{TOTAL}:{whose}"


def period_key(whose: str, period: Period, number: int) -> str:
    return f"{period}:{whose}{number:011d}"


def number_of(key: str) -> int:
    """Of a `period_key`."""
    return int(key[-11:])


def position_key(partition: int) -> str:
    return f"position:{partition}"
