"""Kills, pauses, clock jumps and chain faults at random under load; then store, log and chain are compared.

Eight processes (two of the processor) on a Redis and a MongoDB-protocol server of their own (never those of REDIS_URL,
MONGODB_URL: they are killed too), one of everything else, so that calls do fail while one is away. What must hold
whatever happens: what was accepted reaches its end, store, log and chain agree about it, watchers miss and double
nothing, no process ends by itself, and no call fails otherwise than by something being away, late or overloaded.
"""

import argparse
import asyncio
import signal
import sys
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import AsyncExitStack, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import aiohttp

from intents_client import Client, connect
from intents_client.plain import submission_from_body
from services.cli.cluster import ports
from services.cli.cluster.cluster import HOST, Cluster
from services.cli.cluster.process import Process, ProcessError
from services.common.errors import IntentError
from tests.harness import checker, shapes, watchers
from tests.harness.shapes import ROOT, Shape
from tests.harness.signing import Wallet
from tests.harness.wait import eventually
from tests.harness.watchers import Seen
from tests.soak.account import Account
from tests.soak.clocks import Clocks, paths
from tests.soak.plan import CLOCKS, Fault, draw

SUBMITTERS: Final = 6
PACE: Final = 0.4
"""Seconds between an answer and the next submission of one submitter."""
BY_SSE: Final = 40
"""So many intents, evenly spread, are watched by SSE too; one gRPC watch is over all."""
HEALING: Final = 120.0
"""Seconds everything gets to reach its end when the faults are over."""
TRIES: Final = 20


@dataclass(slots=True, kw_only=True)
class _World:
    shape: Shape
    processes: dict[str, Process]
    clocks: Clocks
    client: Client
    account: Account = field(default_factory=Account)
    accepted: list[str] = field(default_factory=list)
    seen: dict[str, Seen] = field(default_factory=dict)
    under: set[str] = field(default_factory=set)
    """Processes some fault has in its hand now."""
    faults: Counter[str] = field(default_factory=Counter)
    found: list[str] = field(default_factory=list)
    over: asyncio.Event = field(default_factory=asyncio.Event)


def add_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--submitters", type=int, default=SUBMITTERS, help=f"how many hand in (default {SUBMITTERS})"
    )
    parser.add_argument(
        "--sqlite",
        action="store_true",
        help="the store on a file: more intents, and no database server to kill",
    )


async def run(
    folder: Path, *, seconds: float, seed: int, submitters: int = SUBMITTERS, sqlite: bool = False
) -> dict[str, Any]:
    """The whole account; `met` says whether everything held."""
    plan = draw(seed, seconds)
    clocks = Clocks(folder, CLOCKS)
    cluster, second = _clusters(folder, clocks, sqlite=sqlite)
    async with AsyncExitStack() as stack:
        await stack.enter_async_context(cluster)
        stack.push_async_callback(second.stop)
        await second.start()
        shape = await stack.enter_async_context(shapes.processes(cluster))
        client = await stack.enter_async_context(connect(shape.target))
        processes = cluster.processes | {"processor-2": second}
        world = _World(shape=shape, processes=processes, clocks=clocks, client=client)
        bodies = _bodies(int(seconds / PACE) * submitters)
        by_sse = [body["id"] for body in bodies[:: max(1, len(bodies) // BY_SSE)]]
        world.seen["gRPC"] = await stack.enter_async_context(watchers.grpc_watch(client, ()))
        world.seen["SSE"] = await stack.enter_async_context(
            watchers.sse_watch(shape.session, lambda: shape.http, by_sse)
        )
        started = time.monotonic()
        handed = iter(bodies)
        load = [asyncio.create_task(_submit(world, handed)) for _ in range(submitters)]
        load.append(asyncio.create_task(_read(world)))
        guard = asyncio.create_task(_watch_over(world))
        await _go_through(world, plan, started)
        world.over.set()
        await asyncio.gather(guard, *load)
        await shape.devnet("devnet_fault_clear")
        healed = time.monotonic()
        await _settle(world, by_sse)
        truths = await _truths(world)
        world.found += checker.differences(world.accepted, truths)
        world.found += world.account.not_to_be()
        for seen in world.seen.values():
            world.found += seen.faults
        ends = Counter(record.status.value for record in truths.records.values())
        reasons = Counter(
            record.error_details.reason
            for record in truths.records.values()
            if record.error_details is not None
        )
    return {
        "soak": "nemesis",
        "seed": seed,
        "seconds": seconds,
        "faults": dict(world.faults),
        "intents": {"accepted": len(world.accepted), **ends, "failed_by_reason": dict(reasons)},
        "settled_after_s": round(time.monotonic() - healed, 1),
        "calls": world.account.plain(),
        "watchers": {name: sum(map(len, seen.told.values())) for name, seen in world.seen.items()},
        "found": world.found,
        "met": not world.found and bool(world.accepted),
        "plan": [fault.plain() for fault in plan],
    }


def shown(told: dict[str, Any]) -> str:
    """A few lines for people."""
    lines = [
        f"nemesis, seed {told['seed']}, {told['seconds']:g} s: {told['faults']}",
        f"intents: {told['intents']}; all ended {told['settled_after_s']} s after the last fault",
    ]
    for name, kind in told["calls"].items():
        lines.append(
            f"{name:7} {kind['made']:6} made, {kind['availability_percent']:7.3f} % answered, p50 {kind['p50_ms']} ms, "
            f"p99 {kind['p99_ms']} ms, away {kind['away_s']} s in all, "
            f"{kind['longest_without_an_answer_s']} s at longest (until {kind['that_ended_at_s']} s), "
            f"failed: {kind['failed'] or 'none'}"
        )
    lines += [f"watchers were told {told['watchers']} versions"]
    lines += [f"FOUND {text}" for text in told["found"][:40]]
    lines.append("all held" if told["met"] else f"{len(told['found'])} things did not hold")
    return "\n".join(lines)


def _clusters(folder: Path, clocks: Clocks, *, sqlite: bool) -> tuple[Cluster, Process]:
    """Everything once, and a second processor with a key of its own beside it."""
    env = {
        "RATE_LIMIT_MAX": str(shapes.MANY),
        "PYTHONPATH": paths(*(ROOT / part for part in (".", "gen/python", "clients/python/src"))),
        # what a killed processor held is taken up again in seconds
        "LEASE_MS": "5000",
    }
    skewed = {name: clocks.environment(name) for name in CLOCKS}
    first = Cluster(folder, ports=ports.free(), env=env, service_env=skewed, sqlite=sqlite)
    beside = {
        "STORE_TARGET": f"{HOST}:{first.ports['store']}",
        "VALIDATOR_TARGET": f"{HOST}:{first.ports['validator']}",
        "CHAIN_URL": first.chain_url,
        "SIGNER_KEY_FILE": str(first.key_file),
    }
    others = ports.free()
    while set(others.values()) & set(first.ports.values()):
        others = ports.free()
    second = Cluster(
        folder / "second",
        ports=others,
        redis_url=first.redis_url,
        mongodb_url=first.database_url,
        env=env,
        service_env={"processor": skewed["processor-2"] | beside},
    )
    return first, second.processes["processor"]


def _bodies(count: int) -> list[dict[str, Any]]:
    wallet = Wallet()
    return [wallet.sign_plain() for _ in range(count)]


async def _submit(world: _World, bodies: Iterator[dict[str, Any]]) -> None:
    """One after another, each until it is accepted: a call that failed is made again with the same content."""
    for body in bodies:
        submission = submission_from_body(body)
        while (receipt := await world.account.call("submit", world.client.submit(submission))) is None:
            await asyncio.sleep(0.1)
        if receipt.intent_id != body["id"]:
            world.found.append(f"{body['id']} was answered with a receipt of {receipt.intent_id}")
        world.accepted.append(receipt.intent_id)
        with suppress(TimeoutError):
            await asyncio.wait_for(world.over.wait(), PACE)
        if world.over.is_set():
            return


async def _read(world: _World) -> None:
    """Statuses and records of what was accepted last; a version never goes back under min_version."""
    known: dict[str, int] = {}
    while not world.over.is_set():
        for one in world.accepted[-2:]:
            least = known.get(one, 1)
            answer = await world.account.call("status", world.client.status(one, min_version=least))
            if answer is not None:
                if answer.version < least:
                    world.found.append(f"{one}: a status of version {answer.version} after {least}")
                known[one] = answer.version
            await world.account.call("get", world.client.get(one))
        await asyncio.sleep(0.2)


async def _watch_over(world: _World) -> None:
    """Whatever ends without being killed is a finding, and is started again."""
    while not world.over.is_set():
        for name, process in world.processes.items():
            if name not in world.under and not process.running:
                world.found.append(f"{name} ended by itself with code {process.exit_code}")
                await _start(process)
        await asyncio.sleep(0.2)


async def _go_through(world: _World, plan: list[Fault], started: float) -> None:
    async with asyncio.TaskGroup() as group:
        for fault in plan:
            await asyncio.sleep(max(0.0, started + fault.at - time.monotonic()))
            gone = fault.victim and fault.victim not in world.processes
            if gone or fault.victim in world.under:
                continue
            print(fault, file=sys.stderr, flush=True)
            world.faults[f"{fault.kind} {fault.victim or fault.chain['fault']}"] += 1
            group.create_task(_strike(world, fault))


async def _strike(world: _World, fault: Fault) -> None:
    if fault.kind == "chain":
        rule = f"at {fault.at}"
        await _devnet(world, "devnet_fault_add", faults=[{"id": rule, **fault.chain}])
        await asyncio.sleep(fault.lasts)
        await _devnet(world, "devnet_fault_clear", id=rule)
        return
    if fault.kind == "clock":
        world.clocks.set(fault.victim, fault.jump)
        await asyncio.sleep(fault.lasts)
        world.clocks.set(fault.victim, 0)
        return
    process = world.processes[fault.victim]
    world.under.add(fault.victim)
    try:
        if fault.kind == "kill":
            await process.kill9()
            await asyncio.sleep(fault.lasts)
            await _start(process)
        else:
            process.signal(signal.SIGSTOP)
            await asyncio.sleep(fault.lasts)
            process.signal(signal.SIGCONT)
    finally:
        world.under.remove(fault.victim)


async def _devnet(world: _World, method: str, **params: Any) -> None:
    """A devnet that is away forgets its faults anyway."""
    with suppress(OSError, AssertionError, TimeoutError, aiohttp.ClientError):
        async with asyncio.timeout(10):
            await world.shape.devnet(method, **params)


async def _start(process: Process) -> None:
    """Again and again, as whoever keeps it running would: what it needs may be away itself."""
    for _ in range(TRIES):
        try:
            await process.start()
            return
        except ProcessError:
            await asyncio.sleep(0.5)
    await process.start()


async def _truths(world: _World) -> checker.Truths:
    """What all three say. A database that just came back may be slow to tell of thousands."""
    for _ in range(TRIES):
        with suppress(IntentError):
            return await world.shape.truths(world.accepted)
        await asyncio.sleep(1.0)
    return await world.shape.truths(world.accepted)


async def _settle(world: _World, by_sse: list[str]) -> None:
    accepted = set(world.accepted)
    watched = {"gRPC": world.accepted, "SSE": [one for one in by_sse if one in accepted]}
    for name, ids in watched.items():
        seen = world.seen[name]
        try:
            await eventually(lambda seen=seen, ids=ids: seen.ended(ids), HEALING)  # type: ignore[misc]
        except (AssertionError, RuntimeError) as error:
            missing = seen.missing(ids) if isinstance(error, AssertionError) else []
            world.found.append(
                f"{name} was not told the end of {len(missing)} intents within {HEALING:g} s "
                f"({error.__cause__!r}): {missing[:5]}"
            )
