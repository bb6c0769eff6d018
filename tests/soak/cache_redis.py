"""kill -9 of Redis under submissions and reads, again and again; then whether any read failed or went back.

The embedded shape as a process of its own, on SQLite, with a Redis of its own that keeps an append-only file: it comes
back with what it had, or empty. Memory is made small and short-lived, so that reads do reach Redis. Readers ask over
HTTP, which repeats nothing, for a status as it is and for one no older than they have seen.
"""

import asyncio
import json
import os
import random
import shutil
import statistics
import sys
import time
from argparse import ArgumentParser
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import AsyncExitStack, suppress
from dataclasses import dataclass, field
from itertools import cycle, islice
from pathlib import Path
from typing import Any, Final

import aiohttp

from services.cli.cluster import ports
from services.cli.cluster.process import Process
from tests.harness import servers
from tests.harness.servers import ServerProcess
from tests.harness.shapes import ROOT
from tests.harness.signing import Wallet
from tests.harness.wait import eventually

SOUND: Final = ("-m", "services.embedded", "--serve")
PLANTED: Final = ("-m", "tests.soak.planted_cache", "--serve")
HOST: Final = "127.0.0.1"
SUBMITTERS: Final = 2
READERS: Final = 8
PACE: Final = {"submit": 0.4, "read": 0.01}
"""Seconds between an answer and the next question of one client."""
RECENT: Final = 40
"""Readers ask for so many of those accepted last: the others have ended and are known for good."""
MORE: Final = 10
"""How often the plan is gone through at most until a planted bug shows itself."""
AGAIN: Final = 0.15
"""Share of the kills that are followed by one more soon after the start."""
TIME: Final = 30.0
SMALL: Final = {
    "MEMORY_ENTRIES": "20",
    "MEMORY_TTL_MS": "20",
    "MEMORY_UNTAILED_TTL_MS": "20",
    "MEMORY_COMPLETED_TTL_MS": "20",
    "MEMORY_FAILED_TTL_MS": "20",
    "MEMORY_REVALIDATE_MS": "0",
    "RATE_LIMIT_MAX": "1000000",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Kill:
    """Seconds: Redis works for `work`, is killed, stays away for `down`, and comes back with what it had or `empty`;
    where `again` is set it is killed once more so long after that, and started at once."""

    work: float
    down: float
    empty: bool
    again: float | None


def draw(seed: int, *, kills: int, seconds: float) -> list[Kill]:
    """So many strikes over about `seconds`, drawn before anything starts; every second one loses the data."""
    chance = random.Random(f"{seed} redis")
    each = seconds / kills
    return [
        Kill(
            work=round(each * chance.uniform(0.2, 0.6), 2),
            down=round(each * chance.uniform(0.2, 0.6), 2),
            empty=number % 2 == 1,
            again=round(chance.uniform(0.0, 0.5), 2) if chance.random() < AGAIN else None,
        )
        for number in range(kills)
    ]


@dataclass(slots=True, kw_only=True)
class _World:
    http: str
    admin: str
    redis: ServerProcess
    suite: Process
    session: aiohttp.ClientSession
    accepted: list[str] = field(default_factory=list)
    seen: dict[str, int] = field(default_factory=dict)
    """The newest version that any reader has been answered, by id."""
    took: dict[tuple[str, str], list[float]] = field(default_factory=dict)
    levels: Counter[str] = field(default_factory=Counter)
    phase: str = "redis there"
    found: list[str] = field(default_factory=list)
    over: asyncio.Event = field(default_factory=asyncio.Event)
    noticed: list[float] = field(default_factory=list)
    recovered: list[float] = field(default_factory=list)
    emptied: int = 0
    killed: int = 0


def add_options(parser: ArgumentParser) -> None:
    """What a run takes beside --seconds, --seed, --json, --keep."""
    parser.add_argument(
        "--kills", type=int, default=40, help="strikes, of one or two kills each (default 40)"
    )
    parser.add_argument(
        "--planted", action="store_true", help="with a cache that believes whatever Redis has: must be found"
    )


async def run(
    folder: Path, *, seconds: float, seed: int, kills: int = 40, planted: bool = False
) -> dict[str, Any]:
    """The whole account; `met` says whether everything held."""
    plan = draw(seed, kills=kills, seconds=seconds)
    folder = folder.absolute()
    async with AsyncExitStack() as stack:
        redis = servers.valkey(folder / "redis")
        await asyncio.to_thread(redis.start)
        stack.callback(redis.kill9)
        suite = _suite(folder, redis.url, PLANTED if planted else SOUND)
        await suite.start()
        stack.push_async_callback(suite.stop)
        told = json.loads((folder / "ready.json").read_text(encoding="utf-8"))
        session = await stack.enter_async_context(aiohttp.ClientSession())
        world = _World(
            http=f"http://{told['http']}",
            admin=f"http://{told['admin']}",
            redis=redis,
            suite=suite,
            session=session,
        )
        wallet = Wallet()
        bodies = iter(wallet.sign_plain, None)
        load = [asyncio.create_task(_submit(world, bodies)) for _ in range(SUBMITTERS)]
        load += [
            asyncio.create_task(_read(world, random.Random(f"{seed} {number}"), strict=number % 2 == 0))
            for number in range(READERS)
        ]
        started = time.monotonic()
        for kill in islice(cycle(plan), MORE * len(plan)) if planted else plan:
            await asyncio.sleep(kill.work)
            await _kill(world, kill)
            if planted and world.found:
                break
        await asyncio.sleep(1.0)
        took = time.monotonic() - started
        world.over.set()
        await asyncio.gather(*load)
        # a planted bug has shown itself by now, or does not
        ended = {} if planted else await _ends(world)
        answers = await _metrics(world, "cache_answers_total")
        failures = sum((await _metrics(world, "cache_redis_failures_total")).values())
        if not suite.running:
            world.found.append(f"the suite ended by itself with code {suite.exit_code}")
    reads = sum(len(taken) for (kind, _), taken in world.took.items() if kind == "read")
    return {
        "soak": "cache-redis",
        "planted": planted,
        "seed": seed,
        "seconds": round(took, 1),
        "load_average": [round(one, 1) for one in os.getloadavg()],
        "kills": world.killed,
        "came_back_empty": world.emptied,
        "accepted": len(world.accepted),
        "ended": ended,
        "reads": reads,
        "levels": dict(world.levels),
        "answers_by_level": answers,
        "calls_of_redis_without_an_answer": failures,
        "calls_ms": {
            f"{kind}, {phase}": _plain(taken) for (kind, phase), taken in sorted(world.took.items())
        },
        "noticed_s": _spread(world.noticed),
        "used_again_s": _spread(world.recovered),
        "found": len(world.found),
        "findings": world.found[:200],
        "met": not world.found and bool(world.accepted) and reads > 0 and world.levels["redis"] > 0,
    }


def shown(told: dict[str, Any]) -> str:
    """A few lines for people."""
    lines = [
        f"cache-redis, seed {told['seed']}: Redis killed {told['kills']} times in {told['seconds']} s, "
        f"{told['came_back_empty']} times back empty",
        f"{told['accepted']} intents accepted, ended as {told['ended']}; {told['reads']} reads, from {told['levels']}",
    ]
    for name, one in told["calls_ms"].items():
        lines.append(
            f"{name:22} {one['count']:7}  p50 {one['p50']} ms, p99 {one['p99']} ms, longest {one['max']} ms"
        )
    lines.append(
        f"left alone after {told['noticed_s']} s; used again {told['used_again_s']} s after it answered"
    )
    lines += [f"FOUND {text}" for text in told["findings"][:40]]
    lines.append("all held" if told["met"] else f"{told['found']} things did not hold")
    return "\n".join(lines)


def _suite(folder: Path, redis_url: str, argv: Sequence[str]) -> Process:
    taken = ports.free()
    ready_file = folder / "ready.json"
    environment = {name: value for name, value in os.environ.items() if name != "MUTANT"} | {
        "PYTHONPATH": os.pathsep.join(str(ROOT / part) for part in (".", "gen/python", "clients/python/src")),
        "DATA_DIR": str(folder / "data"),
        "REDIS_URL": redis_url,
        "READY_FILE": str(ready_file),
        "LOG_FORMAT": "json",
        "HTTP_PORT": str(taken["http"]),
        "PORT": str(taken["edge"]),
        "ADMIN_PORT": str(taken["edge.admin"]),
        "DEVNET_PORT": "0",
        **SMALL,
    }

    async def ready() -> bool:
        return bool(json.loads(ready_file.read_text(encoding="utf-8")))

    return Process(
        name="suite",
        argv=[sys.executable, *argv],
        address=f"{HOST}:{taken['edge']}",
        env=environment,
        folder=folder,
        ready=ready,
        ready_file=ready_file,
    )


async def _submit(world: _World, bodies: Iterator[dict[str, Any]]) -> None:
    while not world.over.is_set():
        body = next(bodies)
        answer = await _call(world, "submit", "POST", "/api/intents", json=body)
        if answer is not None:
            world.accepted.append(body["id"])
        await _pause(world, PACE["submit"])


async def _read(world: _World, chance: random.Random, *, strict: bool) -> None:
    """One whose answers never go back, and one that says the least version it takes."""
    while not world.over.is_set():
        if world.accepted:
            one = chance.choice(world.accepted[-RECENT:])
            least = world.seen.get(one, 0)
            query = f"?minVersion={least}" if strict and least else ""
            answer = await _call(world, "read", "GET", f"/api/intents/{one}/status{query}")
            if answer is not None:
                world.levels[answer["level"]] += 1
                if answer["version"] < least:
                    world.found.append(
                        f"{one} went back from version {least} to {answer['version']} (from {answer['level']})"
                    )
                world.seen[one] = max(world.seen.get(one, 0), answer["version"])
        await _pause(world, PACE["read"])


async def _call(world: _World, kind: str, method: str, path: str, **more: Any) -> dict[str, Any] | None:
    """None, and a finding, for anything but a good answer."""
    phase, started = world.phase, time.monotonic()
    try:
        async with world.session.request(method, world.http + path, **more) as response:
            told: dict[str, Any] = await response.json()
            if response.status not in (200, 202):
                world.found.append(f"{kind} failed ({phase}): {response.status} {told}")
                return None
    except (aiohttp.ClientError, ValueError) as error:
        world.found.append(f"{kind} failed ({phase}): {error!r}")
        return None
    world.took.setdefault((kind, phase), []).append(time.monotonic() - started)
    return told


async def _kill(world: _World, kill: Kill) -> None:
    at = time.monotonic()
    await asyncio.to_thread(world.redis.kill9)
    world.phase, world.killed = "redis away", world.killed + 1
    with suppress(AssertionError):
        # readers have to meet it first
        await eventually(lambda: _up(world, 0), max(kill.down, 0.1))
        world.noticed.append(time.monotonic() - at)
    await asyncio.sleep(max(0.0, at + kill.down - time.monotonic()))
    if kill.empty:
        world.emptied += 1
        shutil.rmtree(world.redis.folder / "appendonlydir", ignore_errors=True)
    await asyncio.to_thread(world.redis.start)
    if kill.again is not None:
        await asyncio.sleep(kill.again)
        await asyncio.to_thread(world.redis.kill9)
        world.killed += 1
        await asyncio.to_thread(world.redis.start)
    back = time.monotonic()
    try:
        await eventually(lambda: _up(world, 1), TIME)
        world.recovered.append(time.monotonic() - back)
    except AssertionError:
        world.found.append(f"after kill {world.killed} Redis was not used again within {TIME:g} s")
    world.phase = "redis there"
    print(
        f"kill {world.killed}: used again after {time.monotonic() - back:.2f} s", file=sys.stderr, flush=True
    )


async def _up(world: _World, wanted: int) -> bool:
    return (await _metrics(world, "cache_redis_up")).get("", -1) == wanted


async def _metrics(world: _World, name: str) -> dict[str, float]:
    """By label, of one metric with at most one."""
    async with world.session.get(f"{world.admin}/metrics") as response:
        text = await response.text()
    found = {}
    for line in text.splitlines():
        if line.startswith((name + " ", name + "{")):
            label = line.partition('="')[2].partition('"')[0]
            found[label] = float(line.split()[-1])
    return found


async def _ends(world: _World) -> dict[str, int]:
    """Everything that was accepted comes to its end, and is answered so."""
    statuses: dict[str, str] = {}

    async def all_ended() -> bool:
        for one in world.accepted:
            if statuses.get(one) not in ("completed", "failed"):
                answer = await _call(world, "end", "GET", f"/api/intents/{one}/status?maxAgeMs=0")
                statuses[one] = "" if answer is None else answer["status"]
        return all(status in ("completed", "failed") for status in statuses.values())

    try:
        await eventually(all_ended, TIME)
    except AssertionError:
        world.found.append(
            f"not ended: {[one for one, status in statuses.items() if status != 'completed'][:5]}"
        )
    return dict(Counter(statuses.values()))


async def _pause(world: _World, seconds: float) -> None:
    with suppress(TimeoutError):
        await asyncio.wait_for(world.over.wait(), seconds)


def _plain(taken: Sequence[float]) -> dict[str, float]:
    ordered = sorted(taken)

    def at(share: float) -> float:
        return round(ordered[min(len(ordered) - 1, int(len(ordered) * share))] * 1000, 1)

    return {"count": len(ordered), "p50": at(0.5), "p99": at(0.99), "max": at(1.0)}


def _spread(seconds: Sequence[float]) -> dict[str, float]:
    return {
        "median": round(statistics.median(seconds), 2) if seconds else 0.0,
        "max": round(max(seconds, default=0.0), 2),
    }
