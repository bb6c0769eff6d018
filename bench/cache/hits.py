"""What a status found in memory costs, beside a bare dict and a look at the clock."""

import asyncio
import itertools
import random
import time
from collections.abc import AsyncIterator, Sequence
from typing import Final

from prometheus_client import CollectorRegistry

from bench.cache.policies import Figures
from bench.frame import BenchError, Options, Row, median_ratio, progress, turns
from services.cache.config import CacheRules
from services.cache.observe import Meters
from services.cache.service import Cache
from services.common.clock import SystemClock
from services.common.domain.intent import IntentRecord
from services.common.domain.lifecycle import Status
from services.common.domain.outcomes import CachedStatus, EventPage, IntentKey, StatusAnswer, StatusQuery
from services.common.errors import unavailable

BATCH: Final = 64
KNOWN: Final = 10_000
LOOKUPS: Final = 2_000
FULL: Final = 41
QUICK: Final = 9
"""Rounds."""
MAX_COST: Final = 3.0
STATES: Final = (
    ("room to spare", 4 * KNOWN, 0),
    ("memory full", KNOWN, 0),
    ("newcomers all the time", KNOWN, 16),
)
"""Room for so many entries, and newcomers between two look-ups."""
_NUMBERS: Final = itertools.count()


class NoStore:
    """Follows no event, knows no record: every answer must come from memory."""

    async def get(self, keys: Sequence[IntentKey]) -> Sequence[IntentRecord | None]:
        raise unavailable("store")

    async def watch_events(self, cursor: str = "", *, tail: bool = False) -> AsyncIterator[EventPage]:
        yield EventPage(events=(), cursor="0")
        await asyncio.Event().wait()


def hits(options: Options) -> Figures:
    """Look-ups of 64 ids, each of them in memory, against 64 times a look into a dict and at the clock."""
    rounds = QUICK if options.quick else FULL
    found = Figures(
        notes=[
            f"{BATCH} ids a look-up, by Zipf(0.99) among {KNOWN} held; every answer has status, version, level, moment "
            "and owner. With memory full each hit counts as a use with the policy."
        ]
    )
    with asyncio.Runner() as runner:
        for name, room, newcomers in STATES:
            progress(f"cache hits: {name}")
            spent = runner.run(_hits(rounds, room, newcomers))
            found.rows.append(
                Row(
                    name=f"CPU time of an id in memory, in a look-up of {BATCH} : a look into a dict and at the clock, "
                    f"{name}",
                    measured=median_ratio(spent["cache"], spent["bare"]),
                    goal=MAX_COST,
                    at_most=True,
                )
            )
            found.details[name] = {f"{side}, ns an id": round(min(times), 1) for side, times in spent.items()}
    return found


async def _hits(rounds: int, room: int, newcomers: int) -> dict[str, list[float]]:
    """ns an id, per side and round."""
    rules = CacheRules(memory_ttl_ms=600_000, memory_entries=room)
    clock = SystemClock()
    cache = Cache(
        shared=None,
        store=NoStore(),
        chain=None,
        trust=rules.trust(),
        view_trust=rules.view_trust(),
        limits=rules.limits(),
        clock=clock,
        meters=Meters(CollectorRegistry()),
    )
    ids = [f"{number:032x}" for number in range(KNOWN)]
    statuses = [
        CachedStatus(intent_id=one, status=Status.VERIFIED, version=2, principal="someone") for one in ids
    ]
    bare = dict(zip(ids, statuses, strict=True))
    weights = list(itertools.accumulate(rank**-0.99 for rank in range(1, KNOWN + 1)))
    dice = random.Random(99)
    batches = [dice.choices(ids, cum_weights=weights, k=BATCH) for _ in range(LOOKUPS)]
    queries = [[StatusQuery(intent_id=one) for one in batch] for batch in batches]
    spent: dict[str, list[float]] = {"cache": [], "bare": []}
    async with cache.run():
        while not cache.tailed:
            await asyncio.sleep(0)
        for first in range(0, KNOWN, 1000):
            await cache.put_statuses(statuses[first : first + 1000])
        for _, order in turns(tuple(spent), rounds):
            for side in order:
                if side == "cache":
                    spent[side].append(await _from_cache(cache, queries, newcomers))
                else:
                    spent[side].append(_from_dict(bare, batches))
    return spent


async def _from_cache(cache: Cache, queries: list[list[StatusQuery]], newcomers: int) -> float:
    """ns an id; what puts newcomers in, before each look-up, is not counted. Raises BenchError where memory did not
    answer."""
    clock = time.process_time_ns
    spent = asked = 0
    for batch in queries:
        if newcomers:
            await cache.put_statuses(
                [
                    CachedStatus(
                        intent_id=f"new{next(_NUMBERS)}", status=Status.PENDING, version=1, principal="p"
                    )
                    for _ in range(newcomers)
                ]
            )
            # of those that came, some may have stayed for one of these
            batch = [query for query in batch if query.intent_id in cache.memory]
        begun = clock()
        answers = await cache.get_statuses(batch)
        spent += clock() - begun
        asked += len(batch)
        if not all(isinstance(one, StatusAnswer) and one.level == "memory" for one in answers):
            raise BenchError("an answer did not come from memory")
    return spent / asked


def _from_dict(bare: dict[str, CachedStatus], batches: list[list[str]]) -> float:
    """ns an id: found, and the clock looked at; nothing is made of it."""
    look, monotonic = bare.get, time.monotonic
    clock, spent = time.process_time_ns, 0
    for batch in batches:
        begun = clock()
        for one in batch:
            look(one)
            monotonic()
        spent += clock() - begun
    return spent / (len(batches) * BATCH)
