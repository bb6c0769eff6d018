"""One run: writers and watchers at work, a plan of kills gone through, everything checked at the end."""

import asyncio
import os
import random
import statistics
import sys
import time
from argparse import ArgumentParser, ArgumentTypeError
from collections import Counter
from collections.abc import Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from services.common.config import ServiceSettings, load
from services.common.rpc.channel import open_channel
from services.common.rpc.clients.store import GrpcStore
from tests.harness.wait import eventually
from tests.harness.watchers import Seen
from tests.soak.account import Account
from tests.soak.store import check, place
from tests.soak.store.follow import Watcher
from tests.soak.store.ledger import Ledger
from tests.soak.store.place import Place, Victim
from tests.soak.store.plan import Kill, draw
from tests.soak.store.writers import Writer

KILLS: Final = 50
WRITERS: Final = 32
WATCHERS: Final = 4
PACE: Final = {"sqlite": 0.1, "mongo-java": 0.4}
"""Mean seconds between two steps of a writer: faster than this the imitation does nothing but catch up."""
AWAY: Final = 60.0
"""Seconds without an answer after which the store counts as not coming back."""
TRIES: Final = 3
SHOWN: Final = 200
"""Findings told in full; the others are counted."""


@dataclass(slots=True, kw_only=True)
class World:
    """A run's state. `recovered` has seconds from a kill to the first answer of a call begun after it, `served`
    seconds of that from when the victim had been started and answered by itself."""

    place: Place
    victim: Victim
    account: Account = field(default_factory=Account)
    ledger: Ledger = field(default_factory=Ledger)
    watchers: list[Watcher] = field(default_factory=list)
    killed: int = 0
    recovered: list[float] = field(default_factory=list)
    served: list[float] = field(default_factory=list)
    found: list[str] = field(default_factory=list)
    over: asyncio.Event = field(default_factory=asyncio.Event)


def add_options(parser: ArgumentParser) -> None:
    """What a run takes beside --seconds, --seed, --json, --keep."""
    parser.add_argument("--kills", type=_count, default=KILLS, help=f"how many (default {KILLS})")
    parser.add_argument("--writers", type=_count, default=WRITERS, help=f"default {WRITERS}")
    parser.add_argument("--watchers", type=_count, default=WATCHERS, help=f"default {WATCHERS}")
    parser.add_argument(
        "--pace",
        type=float,
        help=f"mean seconds between two steps of a writer (default by database: {PACE})",
    )
    parser.add_argument(
        "--planted",
        action="store_true",
        help="with a store that acknowledges before it commits: must be found",
    )


def _count(text: str) -> int:
    value = int(text)
    if not 1 <= value <= 10_000:
        raise ArgumentTypeError("from 1 to 10000")
    return value


async def run(
    folder: Path,
    *,
    name: str,
    victim: str,
    database: str,
    seconds: float,
    seed: int,
    kills: int = KILLS,
    writers: int = WRITERS,
    watchers: int = WATCHERS,
    pace: float | None = None,
    planted: bool = False,
    patience: float = check.PATIENCE,
) -> dict[str, Any]:
    """The whole account; `met` says whether everything held. `victim` is "store" or "server"."""
    plan = draw(seed, kills=kills, seconds=seconds)
    module = place.PLANTED if planted else place.SOUND
    async with AsyncExitStack() as stack:
        where = await stack.enter_async_context(place.opened(folder, database=database, module=module))
        killed: Victim | None = where.store if victim == "store" else where.server
        assert killed is not None, f"{database} has no server to kill"
        world = World(place=where, victim=killed)
        stores = [await stack.enter_async_context(_client(where.target)) for _ in range(watchers + 4)]
        world.watchers = [
            Watcher(
                log=store,
                seen=Seen(f"watcher-{number}"),
                chance=random.Random(f"{seed} watcher {number}"),
                leaves=number == watchers - 1,
            )
            for number, store in enumerate(stores[:watchers])
        ]
        following = [asyncio.create_task(one.follow()) for one in world.watchers]
        stack.push_async_callback(_cancel, following)
        writing = [
            asyncio.create_task(
                Writer(
                    number=number,
                    store=stores[watchers + number % 4],
                    ledger=world.ledger,
                    account=world.account,
                    chance=random.Random(f"{seed} writer {number}"),
                    pace=PACE[database] if pace is None else pace,
                    over=world.over,
                ).work()
            )
            for number in range(writers)
        ]
        stack.push_async_callback(_cancel, writing)
        started = time.monotonic()
        back = await _go_through(world, plan)
        world.over.set()
        if back:
            await _finish(world, writing)
        took = time.monotonic() - started
        held = check.Held(records={}, events=())
        if back:
            store = stores[-1]
            held = await check.read(store, patience)
            world.found += await check.differences(store, held, world.ledger, world.watchers, patience)
        world.found += world.account.not_to_be()
    return {
        "soak": name,
        "store": module,
        "database": place.DATABASES[database],
        "seed": seed,
        "seconds": round(took, 1),
        "load_average": [round(one, 1) for one in os.getloadavg()],
        "kills": world.killed,
        "writers": writers,
        "acknowledged": dict(world.ledger.counts),
        "intents": {
            "acknowledged": len(world.ledger.acknowledged),
            "stored": len(held.records),
            **Counter(record.status.value for record in held.records.values()),
        },
        "events": len(held.events),
        "watchers": {one.seen.name: {"events": one.events, "resumed": one.resumed} for one in world.watchers},
        "recovery_s": _spread(world.recovered),
        "after_the_victim_answered_s": _spread(world.served),
        "calls": world.account.plain(),
        "found": len(world.found),
        "findings": world.found[:SHOWN],
        "met": not world.found and world.killed == kills and bool(world.ledger.counts["created"]),
        "plan": [_plain(kill) for kill in plan],
    }


def shown(told: dict[str, Any]) -> str:
    """A few lines for people."""
    recovery, served = told["recovery_s"], told["after_the_victim_answered_s"]
    lines = [
        f"{told['soak']} of {told['store']} on {told['database']}, seed {told['seed']}: {told['kills']} kills "
        f"in {told['seconds']} s, {told['writers']} writers",
        f"acknowledged: {told['acknowledged']}",
        f"intents: {told['intents']}; {told['events']} events; watchers: {told['watchers']}",
        f"answers again after {recovery['median']} s, at most {recovery['max']} s; of that after the killed one "
        f"answered by itself {served['median']} s, at most {served['max']} s",
    ]
    lines += [f"FOUND {text}" for text in told["findings"][:40]]
    lines.append("all held" if told["met"] else f"{told['found']} things did not hold")
    return "\n".join(lines)


def _client(target: str) -> Any:
    settings = load(ServiceSettings, prog="soak", env={"PORT": "0", "ADMIN_PORT": "0"}, argv=[])
    return _Client(target, settings)


class _Client:
    """A store behind a channel of its own."""

    def __init__(self, target: str, settings: ServiceSettings) -> None:
        self._channel = open_channel(target, settings=settings)

    async def __aenter__(self) -> GrpcStore:
        return GrpcStore(self._channel)

    async def __aexit__(self, *_: object) -> None:
        await self._channel.close()


async def _go_through(world: World, plan: Sequence[Kill]) -> bool:
    """Every kill of the plan; False if the store did not come back after one."""
    if not await _answers(world, time.monotonic()):
        return False
    for number, kill in enumerate(plan, 1):
        await asyncio.sleep(kill.work)
        if not world.place.store.running:
            world.found.append(f"the store ended by itself with code {world.place.store.exit_code}")
        at = await _kill(world)
        await asyncio.sleep(kill.down)
        if kill.again is not None:
            starting = asyncio.create_task(world.victim.start())
            await asyncio.sleep(kill.again)
            at = await _kill(world)
            # its start fails by that, unless it was faster
            await asyncio.gather(starting, return_exceptions=True)
        await _start(world.victim)
        up = time.monotonic()
        if not await _answers(world, at):
            return False
        now = time.monotonic()
        world.recovered.append(now - at)
        world.served.append(max(0.0, now - up))
        print(f"{number:3} of {len(plan)}: back after {now - at:.2f} s", file=sys.stderr, flush=True)
    return True


async def _kill(world: World) -> float:
    """When it was gone."""
    await world.victim.kill9()
    world.killed += 1
    return time.monotonic()


async def _start(victim: Victim) -> None:
    for _ in range(TRIES - 1):
        try:
            await victim.start()
            return
        except Exception as error:
            print(f"not started: {error}", file=sys.stderr, flush=True)
    await victim.start()


async def _answers(world: World, since: float) -> bool:
    """Waits for the first answer of a call begun after `since`."""
    try:
        await eventually(lambda: world.account.answered_from > since, AWAY)
    except AssertionError:
        world.found.append(f"after kill {world.killed} no call was answered within {AWAY:g} s")
        return False
    return True


async def _finish(world: World, writing: Sequence["asyncio.Task[None]"]) -> None:
    """Every writer ends the step it is at."""
    _, unfinished = await asyncio.wait(writing, timeout=AWAY)
    if unfinished:
        world.found.append(
            f"{len(unfinished)} writers were not answered within {AWAY:g} s after the last kill"
        )
    for task in writing:
        if task.done() and not task.cancelled() and (error := task.exception()) is not None:
            world.found.append(f"a writer met what no caller expects: {error!r}")


async def _cancel(tasks: Sequence["asyncio.Task[None]"]) -> None:
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)


def _spread(seconds: Sequence[float]) -> dict[str, float]:
    return {
        "median": round(statistics.median(seconds), 2) if seconds else 0.0,
        "max": round(max(seconds, default=0.0), 2),
    }


def _plain(kill: Kill) -> dict[str, float | None]:
    return {"work": kill.work, "down": kill.down, "again": kill.again}
