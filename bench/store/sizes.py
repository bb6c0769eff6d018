"""The cost of size: the same calls on a store of few and on a store of many intents, in turns."""

import random
import statistics
import time
from collections.abc import Awaitable, Callable, Mapping
from contextlib import AsyncExitStack
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from typing import Any, Final

from bench.frame import BenchError, Row, median_ratio, progress, turns
from bench.processes import Fleet
from bench.store import database
from bench.store.database import Databases
from bench.store.documents import APPS, MAKER, OF_AGE, intent_id, stored, user, users
from services.common.clock import SystemClock, now
from services.common.domain.lifecycle import Status
from services.common.domain.outcomes import LeaseRef, ListQuery
from services.store.model import PageKey, encode_page_token
from services.store.service import Store

GOAL: Final = 1.5
PAGE: Final = 20
CLAIM: Final = 10
CLAIM_MS: Final = 60_000
FEW, MANY = "few", "many"


@dataclass(frozen=True, slots=True, kw_only=True)
class Size:
    """Intents stored; rounds, and calls of a kind per side in each."""

    few: int
    many: int
    rounds: int
    calls: int


FULL: Final = Size(few=1_000, many=1_000_000, rounds=9, calls=60)
QUICK: Final = Size(few=1_000, many=30_000, rounds=3, calls=30)


@dataclass(slots=True)
class Side:
    """A store of `count` intents, and what is asked of it next."""

    count: int
    store: Store
    moment: datetime
    chance: random.Random

    def _query(self, **filters: Any) -> ListQuery:
        return ListQuery(page_size=PAGE, **filters)

    async def get(self) -> int:
        """One by its id."""
        found = await self.store.get([intent_id(self.chance.randrange(self.count))])
        return sum(one is not None for one in found)

    async def page(self, query: ListQuery) -> int:
        """Records of one page."""
        return len((await self.store.list(query)).records)

    async def middle(self) -> int:
        """A page from somewhere in the middle of all."""
        since = OF_AGE * self.chance.uniform(0.3, 0.7)
        query = self._query()
        token = encode_page_token(query, PageKey(self.moment - since, "m"))
        return await self.page(self._query(page_token=token))

    async def user(self) -> int:
        """An ordinary user's newest; some have fewer than a page."""
        await self.page(self._query(user_id=user(self.chance.randrange(users(self.count)))))
        return 1

    async def principal_user(self) -> int:
        """The same as one principal sees them, which may be none."""
        account = user(self.chance.randrange(users(self.count)))
        await self.page(self._query(principal=APPS[0], user_id=account))
        return 1

    async def user_status(self) -> int:
        """Those of an ordinary user at their end."""
        account = user(self.chance.randrange(users(self.count)))
        await self.page(self._query(user_id=account, status=Status.COMPLETED))
        return 1

    async def claim(self) -> list[LeaseRef]:
        """Some of those due."""
        claimed = await self.store.claim(f"owner-{self.count}", limit=CLAIM, lease_ms=CLAIM_MS)
        if len(claimed) != CLAIM:
            raise BenchError(f"{len(claimed)} of {CLAIM} claimed at {self.count} stored")
        return [
            LeaseRef(intent_id=one.intent_id, fence=one.lease.fence, next_action_at=self.moment)
            for one in claimed
            if one.lease is not None
        ]

    def calls(self) -> Mapping[str, Callable[[], Awaitable[int]]]:
        """By name; each answers 0 where it found nothing, which proves nothing."""
        listed: dict[str, dict[str, Any]] = {
            "list, all": {},
            "list, of a principal": {"principal": APPS[0]},
            "list, of the busiest user": {"user_id": MAKER},
            "list, of a principal's busiest user": {"principal": APPS[0], "user_id": MAKER},
            "list, failed of a principal": {"principal": APPS[0], "status": Status.FAILED},
            "list, failed": {"status": Status.FAILED},
            "list, completed of the busiest user": {"user_id": MAKER, "status": Status.COMPLETED},
            "list, transfers": {"action": "transfer"},
        }
        lists = {name: partial(self.page, self._query(**filters)) for name, filters in listed.items()}
        return {
            "get": self.get,
            **lists,
            "list, from the middle": self.middle,
            "list, of an ordinary user": self.user,
            "list, of a principal's ordinary user": self.principal_user,
            "list, completed of an ordinary user": self.user_status,
        }


async def measure(databases: Databases, fleet: Fleet, size: Size) -> tuple[list[Row], dict[str, Any]]:
    """Rows of one backend, and the figures behind them."""
    moment = now(SystemClock())
    sides: dict[str, Side] = {}
    seconds: dict[str, dict[str, list[float]]] = {FEW: {}, MANY: {}}
    async with AsyncExitStack() as stack:
        for name, count in ((FEW, size.few), (MANY, size.many)):
            url = databases.new(name)
            began = time.perf_counter()
            await database.fill(url, stored(count, now=moment))
            progress(f"{count} intents on {databases.backend} in {time.perf_counter() - began:.0f} s")
            store = await stack.enter_async_context(database.store(url))
            sides[name] = Side(count, store, moment, random.Random(2))
        names = [*sides[FEW].calls(), "claim"]
        for number, order in turns((FEW, MANY), size.rounds + 1):
            for call in names:
                took: dict[str, list[float]] = {FEW: [], MANY: []}
                for _ in range(size.calls if call != "claim" else max(1, size.calls // 2)):
                    for name in order:
                        took[name].append(await _timed(sides[name], call))
                if number:  # the first warms up
                    for name, times in took.items():
                        seconds[name].setdefault(call, []).append(statistics.median(times))
        progress(f"sizes on {databases.backend}: done")
    rows = [
        Row(
            name=f"{databases.backend}: {call}, with {size.many} stored : with {size.few}",
            goal=GOAL,
            at_most=True,
            measured=median_ratio(seconds[MANY][call], seconds[FEW][call]),
        )
        for call in names
    ]
    return rows, {
        name: {call: round(statistics.median(times) * 1e6, 1) for call, times in by_call.items()}
        for name, by_call in seconds.items()
    }


async def _timed(side: Side, call: str) -> float:
    if call == "claim":
        began = time.perf_counter()
        leases = await side.claim()
        seconds = time.perf_counter() - began
        await side.store.release(leases)
        return seconds
    asked = side.calls()[call]
    began = time.perf_counter()
    found = await asked()
    seconds = time.perf_counter() - began
    if not found:
        raise BenchError(f"{call} found nothing at {side.count} stored")
    return seconds
