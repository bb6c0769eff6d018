"""What sharing round trips to Redis is worth, and how often a crowd of readers makes the cache load."""

import asyncio
import json
import time
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

from bench.cache.policies import Figures
from bench.frame import BenchError, Options, Row, median_ratio, progress, scratch, turns
from bench.processes import cpu_seconds
from services.cache.adapters.redis import RedisLevel
from services.cache.app import open_cache
from services.cache.config import CacheRules
from services.cache.flights import Flights
from services.cache.model import Entry
from services.cache.service import Cache
from services.cache.stored import key
from services.common.clock import SystemClock
from services.common.domain.intent import IntentRecord, PlainIntent
from services.common.domain.lifecycle import Status
from services.common.domain.outcomes import CachedStatus, EventPage, IntentKey, StatusAnswer, StatusQuery
from services.common.observe import Observe
from services.common.observe.metrics import new_registry
from services.common.redis.link import Link, open_redis
from services.common.rpc.runtime import loop_factory
from tests.harness import servers

CALLERS: Final = 64
EACH: Final = 30
"""Ids one caller asks for in a round, one after another."""
FULL: Final = 21
QUICK: Final = 5
"""Rounds."""
CROWD: Final = 10_000
GOAL: Final = 3.0
OURS, ALONE, BARE = "cache", "cache, one call each", "bare GET each"
_PATIENT: Final[dict[str, Any]] = {"redis_timeout_ms": 20_000, "redis_give_up_ms": 30_000}
"""Beside other work on the machine an answer may take longer than a read would wait: here it is to be counted."""


@dataclass(slots=True)
class CountingStore:
    """Knows every id, and counts who asks. Follows no event."""

    asked: Counter[str] = field(default_factory=Counter)

    async def get(self, keys: Sequence[IntentKey]) -> Sequence[IntentRecord | None]:
        self.asked.update(map(str, keys))
        await asyncio.sleep(0.01)  # as long as a store on another machine might take
        return [_record(str(one)) for one in keys]

    async def watch_events(self, cursor: str = "", *, tail: bool = False) -> AsyncIterator[EventPage]:
        yield EventPage(events=(), cursor="0")
        await asyncio.Event().wait()


def loads(options: Options) -> Figures:
    """Raises BenchError where an answer came from elsewhere than it should."""
    if lacking := servers.missing("valkey"):
        raise BenchError(f"{lacking} is not here")
    rounds = QUICK if options.quick else FULL
    with scratch() as folder, asyncio.Runner(loop_factory=loop_factory()) as runner:
        return runner.run(_measure(folder, rounds))


async def _measure(folder: Path, rounds: int) -> Figures:
    server = servers.valkey(folder / "redis")
    await asyncio.to_thread(server.start)
    try:
        progress("cache: 64 callers on cold keys")
        spent, took = await _cold(server.url, server.pid, rounds)
        progress("cache: a crowd on one cold key")
        crowd = await _crowd(server.url)
    finally:
        server.kill9()
    per = {side: round(min(times) / (CALLERS * EACH) * 1e6, 1) for side, times in spent.items()}
    rows = [
        Row(
            name=f"CPU time of {CALLERS} concurrent callers on distinct cold keys, a call of Redis each : shared",
            measured=median_ratio(spent[ALONE], spent[OURS]),
            goal=GOAL,
        ),
        Row(name="the same on the clock", measured=median_ratio(took[ALONE], took[OURS])),
        Row(
            name="CPU time of the same, a bare GET each without any cache : the cache",
            measured=median_ratio(spent[BARE], spent[OURS]),
        ),
        Row(name="the same on the clock", measured=median_ratio(took[BARE], took[OURS])),
        *(
            Row(
                name=f"loads of {level} by {CROWD} concurrent readers of one cold key",
                measured=count,
                goal=1,
                at_most=True,
            )
            for level, count in crowd.items()
        ),
    ]
    return Figures(rows=rows, details={"µs of CPU a status, the least of the rounds": per})


async def _cold(url: str, pid: int, rounds: int) -> tuple[dict[str, list[float]], dict[str, list[float]]]:
    """CPU seconds of both processes, and seconds on the clock, by side and round. Each side asks for the same ids,
    which its memory has not met."""
    async with AsyncExitStack() as stack:
        link = await stack.enter_async_context(_link(url))
        cache = await stack.enter_async_context(_cache(url, CountingStore()))
        lonely = await stack.enter_async_context(_cache(url, CountingStore()))
        lonely._near = Flights(
            lonely._levels.from_shared,
            name="bench.redis",
            now=SystemClock().monotonic,
            timeout=5.0,
            max_batch=1,
            max_in_flight=CALLERS - 8,
        )
        filling = RedisLevel(link, expire_seconds=600, corrupt=lambda why: None)

        async def one_get(intent_id: str) -> None:
            raw = await link.client.get(key(intent_id))
            if raw is None or json.loads(raw)["version"] != 4:
                raise BenchError("Redis lost what was put there")

        def through(asked: Cache) -> Callable[[str], Awaitable[None]]:
            async def one(intent_id: str) -> None:
                (answer,) = await asked.get_statuses([StatusQuery(intent_id=intent_id)])
                if not isinstance(answer, StatusAnswer) or answer.level != "redis":
                    raise BenchError(f"an answer came from elsewhere: {answer}")

            return one

        sides = {BARE: one_get, ALONE: through(lonely), OURS: through(cache)}
        spent: dict[str, list[float]] = {side: [] for side in sides}
        took: dict[str, list[float]] = {side: [] for side in sides}
        for number, order in turns(list(sides), rounds):
            ids = [[f"r{number}-{caller}-{one}" for one in range(EACH)] for caller in range(CALLERS)]
            flat = [one for part in ids for one in part]
            for start in range(0, len(flat), 500):
                await filling.put([_entry(one) for one in flat[start : start + 500]])
            for side in order:
                begun, cpu = time.perf_counter(), time.process_time() + cpu_seconds(pid)
                await asyncio.gather(*(_caller(sides[side], part) for part in ids))
                spent[side].append(time.process_time() + cpu_seconds(pid) - cpu)
                took[side].append(time.perf_counter() - begun)
        return spent, took


async def _caller(ask: Callable[[str], Awaitable[None]], ids: Sequence[str]) -> None:
    for one in ids:
        await ask(one)


async def _crowd(url: str) -> dict[str, int]:
    """How often Redis and the store were asked for the one id."""
    store = CountingStore()
    async with _link(url) as link, _cache(url, store) as cache:
        before = await _scripts_run(link)
        answers = await asyncio.gather(
            *(cache.get_statuses([StatusQuery(intent_id="crowded")]) for _ in range(CROWD))
        )
        asked = await _scripts_run(link) - before
        if any(not isinstance(one, StatusAnswer) for (one,) in answers):
            raise BenchError("a reader of the crowd got no answer")
        # the second script is the write of what was loaded
        return {"Redis": asked - 1 if asked > 1 else asked, "the store": store.asked["crowded"]}


async def _scripts_run(link: Link) -> int:
    stats: dict[str, Any] = await link.client.info("commandstats")
    return sum(int(stats.get(f"cmdstat_{name}", {}).get("calls", 0)) for name in ("evalsha",))


@asynccontextmanager
async def _link(url: str) -> AsyncIterator[Link]:
    link = open_redis(CacheRules(redis_url=url), timeout=5.0)
    assert link is not None
    yield link
    await link.aclose()


@asynccontextmanager
async def _cache(url: str, store: CountingStore) -> AsyncIterator[Cache]:
    observe = Observe(service="bench", registry=new_registry(process=False))
    rules = CacheRules(redis_url=url, **_PATIENT)
    async with open_cache(rules, store=store, chain=None, clock=SystemClock(), observe=observe) as cache:
        while not cache.tailed:
            await asyncio.sleep(0.001)
        yield cache


def _entry(intent_id: str) -> Entry:
    status = CachedStatus(intent_id=intent_id, status=Status.COMPLETED, version=4, principal="bench")
    return Entry(status=status, read_at_ms=SystemClock().now_ns() // 1_000_000)


def _record(intent_id: str) -> IntentRecord:
    at = datetime(2026, 11, 30, tzinfo=UTC)
    plain = PlainIntent(
        id=intent_id,
        user_account="bench.near",
        action="swap",
        input_token="USDC",
        input_amount="1",
        output_token="NEAR",
    )
    return IntentRecord(
        intent_id=intent_id,
        user_id=plain.user_account,
        intent=plain,
        status=Status.COMPLETED,
        version=4,
        created_at=at,
        updated_at=at,
        expires_at=at,
        principal="bench",
        content_hash="",
    )
