"""How a list is read: which index is walked, what is looked at on the way, and how far.

An index serves some of the filters exactly; the rest is looked at record by record. So that a list which finds little
never reads a whole store, a page ends after LOOKED_AT records even if it is not full, and says where to go on.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Final

from services.common.domain.outcomes import ListQuery
from services.common.errors import IntentError, Reason, Violation

LOOKED_AT: Final = 2_000
"""Most records of the walked index that one page looks at."""

WALKS: Final = (
    ("transaction_hash",),
    ("user_id", "status"),
    ("user_id",),
    ("principal", "solver_id"),
    ("principal", "token"),
    ("principal", "status"),
    ("principal",),
    ("status",),
    ("action",),
    (),
)
"""What the indexes serve, newest first within each; the first whose filters are all given is walked. Callers always
have a principal, so that what is walked for one is never more than its own."""

_EARLIEST: Final = datetime(1970, 1, 1, tzinfo=UTC)
_LATEST: Final = datetime(9000, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Walk:
    """Filters and their values: `by` the index, the `rest` record by record."""

    by: Mapping[str, str]
    rest: Mapping[str, str]
    since: datetime | None
    until: datetime | None


def walk_of(query: ListQuery) -> Walk:
    """Times are of whole milliseconds, as createdAt is: the first that is not before."""
    filters = {
        "transaction_hash": query.transaction_hash,
        "user_id": query.user_id,
        "solver_id": query.solver_id,
        "token": query.token,
        "principal": query.principal,
        "status": query.status.value if query.status else "",
        "action": query.action,
    }
    given = {name: value for name, value in filters.items() if value}
    walked = next(names for names in WALKS if given.keys() >= set(names))
    return Walk(
        {name: given[name] for name in walked},
        {name: value for name, value in given.items() if name not in walked},
        _whole(query.created_since),
        _whole(query.created_until),
    )


def check_range(query: ListQuery) -> None:
    """Raises INVALID_FIELD for times that nothing can lie between."""
    for name, moment in (("created_since", query.created_since), ("created_until", query.created_until)):
        if moment is not None and not _EARLIEST <= moment < _LATEST:
            raise _invalid(name, "must be a time from 1970 to 9000")
    if query.created_since and query.created_until and query.created_since >= query.created_until:
        raise _invalid("created_until", "must be after the time that the list begins at")


def _whole(moment: datetime | None) -> datetime | None:
    if moment is None:
        return None
    beyond = moment.microsecond % 1000
    return moment + timedelta(microseconds=1000 - beyond) if beyond else moment


def _invalid(field: str, why: str) -> IntentError:
    message = f"{field} {why}"
    violation = Violation(field=field, reason=Reason.INVALID_FIELD, message=message)
    return IntentError(Reason.INVALID_FIELD, message, [violation])
