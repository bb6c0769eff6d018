"""Answers from the roll-ups."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from datetime import UTC, datetime
from typing import Final

from services.common.clock import Clock, now
from services.common.domain.lifecycle import Status
from services.common.domain.statistics import Period, PeriodStatistics, StatisticsQuery
from services.common.errors import IntentError, Reason, Violation
from services.store.ports import Document, Storage
from services.store.rollups import keys
from services.store.rollups.tally import Tally, merged, tally_of

MOST_PERIODS: Final = 1000
MOST_PRINCIPALS: Final = 1000
"""Under whom a user's intents are looked for where no principal is named."""
EARLIEST: Final = keys.EPOCH
LATEST: Final = datetime(9000, 1, 1, tzinfo=UTC)
_PORTION: Final = 100
"""Documents read, merged or shown before others have their turn."""
_END: Final = 10**11 - 1


class Reader:
    """Reads what was folded; `clock` says where an open end is."""

    def __init__(self, storage: Storage, clock: Clock) -> None:
        self._storage = storage
        self._clock = clock

    async def read(
        self, query: StatisticsQuery
    ) -> tuple[dict[Status, int], PeriodStatistics, list[PeriodStatistics]]:
        """Counts now, totals of the time asked for, its periods. Raises INVALID_FIELD."""
        check_times(query)
        scopes = await self._scopes(query)
        whole = merged([tally_of(one) for one in await self._totals(scopes)])
        counts = {status: max(0, whole.moved.get(status, 0)) for status in Status}
        unit = query.period or Period.HOUR
        moment = now(self._clock)
        first = keys.number(query.since or whole.first or moment, unit)
        end = _raised(query.until or max(moment, query.since or moment), unit)
        periods: list[PeriodStatistics] = []
        if query.period is not None:
            _check_span(end - first, query.period)
            totals = Tally()
            tallies = await self._periods(scopes, unit, first, end)
            for number, one in sorted(tallies.items()):
                totals.merge(one)
                periods.append(one.period(keys.start(number, unit), keys.start(number + 1, unit)))
                if len(periods) % _PORTION == 0:
                    await asyncio.sleep(0)
        else:
            open_ = query.since is None and query.until is None
            totals = whole if open_ else merged([one async for one in self._between(scopes, first, end)])
        return counts, totals.period(keys.start(first, unit), keys.start(max(end, first), unit)), periods

    async def _scopes(self, query: StatisticsQuery) -> list[str]:
        if query.principal or not query.user_id:
            return [keys.scope(principal=query.principal, user_id=query.user_id)]
        prefix = keys.total_key(keys.users_scopes(query.user_id))
        found = await self._storage.kept_between(keys.KIND, prefix, prefix + "\x7f", MOST_PRINCIPALS)
        return [one["_id"].partition(":")[2] for one in found]

    async def _totals(self, scopes: Sequence[str]) -> list[Document]:
        return list((await self._storage.kept(keys.KIND, [keys.total_key(one) for one in scopes])).values())

    async def _between(self, scopes: Sequence[str], first: int, end: int) -> AsyncIterator[Tally]:
        """Of hours `first` to before `end`: whole days as such, the rest hour by hour."""
        days = range(-(-first // 24), end // 24)
        if not days:
            spans = [(Period.HOUR, first, end)]
        else:
            spans = [
                (Period.HOUR, first, days.start * 24),
                (Period.DAY, days.start, days.stop),
                (Period.HOUR, days.stop * 24, end),
            ]
        for unit, start, stop in spans:
            for one in (await self._periods(scopes, unit, start, stop)).values():
                yield one

    async def _periods(self, scopes: Sequence[str], unit: Period, first: int, end: int) -> dict[int, Tally]:
        """Tallies by number, of those from `first` to before `end` that have something."""
        found: dict[int, Tally] = {}
        for scope in scopes:
            at, last = keys.period_key(scope, unit, first), keys.period_key(scope, unit, min(end, _END))
            while at < last:
                documents = await self._storage.kept_between(keys.KIND, at, last, _PORTION)
                for document in documents:
                    number, tally = keys.number_of(document["_id"]), tally_of(document)
                    if number in found:
                        found[number].merge(tally)
                    else:
                        found[number] = tally
                if len(documents) < _PORTION:
                    break
                at = keys.period_key(scope, unit, keys.number_of(documents[-1]["_id"]) + 1)
        return found


def check_times(query: StatisticsQuery) -> None:
    """Raises INVALID_FIELD for times of which no period can be made."""
    for name, moment in (("since", query.since), ("until", query.until)):
        if moment is not None and not EARLIEST <= moment < LATEST:
            raise _invalid(name, "must be a time from 1970 to 9000")
    if query.since is not None and query.until is not None and query.since >= query.until:
        raise _invalid("until", "must be after since")


def _raised(moment: datetime, unit: Period) -> int:
    number = keys.number(moment, unit)
    return number if keys.start(number, unit) == moment else number + 1


def _check_span(periods: int, unit: Period) -> None:
    if periods > MOST_PERIODS:
        raise _invalid(
            "since",
            f"must be at most {MOST_PERIODS} {unit}s before until, not {periods}: ask for less, or by day",
        )


def _invalid(field: str, why: str) -> IntentError:
    message = f"{field} {why}"
    violation = Violation(field=field, reason=Reason.INVALID_FIELD, message=message)
    return IntentError(Reason.INVALID_FIELD, message, [violation])
