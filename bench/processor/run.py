"""The bench `processor`: many intents in flight, the time a way takes, two replicas, and rest on a full store."""

import asyncio
import statistics
import time
from collections import Counter
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from bench.frame import BenchError, Options, Report, Row, progress, scratch
from bench.processes import Fleet
from bench.processor.world import BLOCK_MS, World, calls, signed, world
from bench.store import database
from bench.store.documents import stored
from services.common.chain.near.chain import NearChain
from services.common.chain.near.signer import KeyFileSigner
from services.common.chain.near.transport import open_http
from services.common.chain.port import BroadcastResult, FunctionCall, TxState
from services.common.clock import SystemClock, now
from services.common.domain.intent import IntentRecord, Submission
from services.common.domain.lifecycle import TERMINAL
from services.common.domain.plainjson import plain_to_json
from services.common.domain.signedjson import signed_to_json
from services.common.rpc.runtime import loop_factory

VERIFIER: Final = "verifier.near"
SOLVER: Final = "solver.near"
ENDED: Final = frozenset(status.value for status in TERMINAL)


@dataclass(frozen=True, slots=True, kw_only=True)
class Size:
    """Intents in flight; seconds watched between blocks; intents one by one of ours and of the bare client; intents
    of a round with one and with two replicas, and rounds; ended intents stored, seconds watched at rest."""

    flight: int
    between: float
    lone: int
    shared: int
    rounds: int
    stored: int
    rest: float


FULL: Final = Size(flight=2_000, between=10, lone=40, shared=600, rounds=3, stored=1_000_000, rest=30)
QUICK: Final = Size(flight=300, between=4, lone=8, shared=150, rounds=1, stored=20_000, rest=8)

Part = Callable[[World, Size], Awaitable[tuple[list[Row], dict[str, Any]]]]


def run(options: Options) -> Report:
    """Raises BenchError where the run proves nothing."""
    size = QUICK if options.quick else FULL
    rows: list[Row] = []
    details: dict[str, object] = {}
    for name, part in {"flight": _flight, "way": _way, "replicas": _replicas, "rest": _rest}.items():
        progress(f"processor: {name}")
        with scratch() as folder, asyncio.Runner(loop_factory=loop_factory()) as runner:
            fleet = Fleet(folder, options.profile)
            try:
                found, figures = runner.run(_one(part, folder, fleet, size))
            finally:
                fleet.stop()
        rows += found
        details[name] = figures
    notes = [
        f"Blocks of {BLOCK_MS} ms, final two later; processor, store (SQLite), validator, devnet as processes."
    ]
    return Report(bench="processor", rows=rows, notes=notes, details=details)


async def _one(part: Part, folder: Path, fleet: Fleet, size: Size) -> tuple[list[Row], dict[str, Any]]:
    url = ""
    if part is _rest:
        progress(f"storing {size.stored} intents that have ended")
        url = database.Databases(folder).new("full")
        everything = stored(size.stored, now=now(SystemClock()))
        await database.fill(url, (one for one in everything if one["status"] in ENDED))
    async with world(folder, fleet, store=url) as made:
        return await part(made, size)


async def _flight(at: World, size: Size) -> tuple[list[Row], dict[str, Any]]:
    """All of them to their end, for the calls. Then all signed and sent, and no block: what does it cost to wait?"""
    at.processor("processor", 0)
    admin = at.fleet.admin("devnet")
    submissions = signed("flight", size.flight)
    before, cpu = await calls(at.session, admin), at.fleet.cpu()["processor"]
    _completed(await at.until(await at.accept(submissions)))
    at.fleet.settle()
    spent, after = at.fleet.cpu()["processor"] - cpu, await calls(at.session, admin)
    made = {name: after[name] - before.get(name, 0) for name in after}

    submissions = signed("between", size.flight)
    await at.devnet("devnet_fault_add", fault="stall", id="between")
    ids = await at.accept(submissions)
    await at.until(ids, signed=True)
    await asyncio.sleep(2.0)
    idle = at.fleet.cpu()["processor"]
    await asyncio.sleep(size.between)
    share = (at.fleet.cpu()["processor"] - idle) / size.between
    await at.devnet("devnet_fault_clear", id="between")
    _completed(await at.until(ids))
    return [
        Row(
            name=f"cores used between blocks, {size.flight} in flight",
            measured=share,
            goal=0.5,
            at_most=True,
        ),
        Row(
            name=f"chain calls per intent, {size.flight} at once",
            measured=sum(made.values()) / size.flight,
            goal=3.0,
            at_most=True,
        ),
    ], {"cpu_ms_per_intent": round(spent / size.flight * 1000, 2), "calls": made}


async def _way(at: World, size: Size) -> tuple[list[Row], dict[str, Any]]:
    """Blocks from acceptance to completed, beside a bare client that does nothing but send and wait for final."""
    at.processor("processor", 0)
    mine: list[float] = []
    its: list[float] = []
    submissions = signed("way", 2 * size.lone)
    key_file = Path(str(at.settings["SIGNER_KEY_FILE"]))
    async with open_http(at.chain_url) as transport:
        chain = NearChain(transport, VERIFIER)
        signer = KeyFileSigner.load(key_file, 5)
        await chain.network()
        for number in range(size.lone):
            began = time.monotonic()
            await _bare(chain, signer, submissions[2 * number])
            its.append(time.monotonic() - began)
            began = time.monotonic()
            (intent_id,) = await at.accept([submissions[2 * number + 1]])
            while not (await at.records([intent_id]))[0].terminal:
                await asyncio.sleep(0.01)
            mine.append(time.monotonic() - began)
            # the next pair begins at another moment between two blocks
            await asyncio.sleep(BLOCK_MS / 1000 * (number % 7) / 7)
    block = BLOCK_MS / 1000
    p90 = statistics.quantiles(mine, n=10)[8] / block
    least = statistics.median(its) / block
    return [
        Row(
            name="blocks from accepted to completed beyond the bare client's, p90",
            measured=p90 - least,
            goal=2.0,
            at_most=True,
        )
    ], {"p90_blocks": round(p90, 2), "bare_blocks": round(least, 2)}


async def _bare(chain: NearChain, signer: KeyFileSigner, submission: Submission) -> None:
    """Both transactions, each sent and waited for until final."""
    assert submission.intent is not None and submission.signed_data is not None
    intent = plain_to_json(submission.intent)
    steps: dict[str, dict[str, Any]] = {
        "verify_signed_intent": {"intent": intent, "signed": signed_to_json(submission.signed_data)},
        "verify_and_solve": {"intent": intent, "solver_account": SOLVER},
    }
    for method, args in steps.items():
        key = await chain.access_key(signer.account_id, signer.public_key)
        call = FunctionCall(receiver_id=VERIFIER, method=method, args=args)
        tx = chain.prepare(call, signer, nonce=key.nonce + 1, anchor=key, purpose=method)
        if (await chain.broadcast(tx.signed_bytes)).result is not BroadcastResult.ACCEPTED:
            raise BenchError(f"the bare client's {method} was not taken")
        outcome = await chain.outcome(tx.hash, signer.account_id, wait_final=True)
        while outcome.state is TxState.PENDING:
            outcome = await chain.outcome(tx.hash, signer.account_id, wait_final=True)
        if outcome.state is not TxState.SUCCEEDED:
            raise BenchError(f"the bare client's {method} ended {outcome.state}")


async def _replicas(at: World, size: Size) -> tuple[list[Row], dict[str, Any]]:
    """The same number of intents by one replica and by two, in turns."""
    at.processor("processor-1", 0)
    one: list[float] = []
    two: list[float] = []
    shares: list[float] = []
    for number in range(size.rounds):
        for replicas in ((1, 2), (2, 1))[number % 2]:
            if replicas == 2:
                at.processor("processor-2", 1)
            submissions = signed(f"replicas-{number}-{replicas}", size.shared)
            at.fleet.settle()
            before = sum(at.fleet.cpu("processor").values())
            records = await at.until(await at.accept(submissions))
            _completed(records)
            at.fleet.settle()
            spent = (sum(at.fleet.cpu("processor").values()) - before) / size.shared
            (one if replicas == 1 else two).append(spent)
            if replicas == 2:
                keys = Counter(record.transactions[0].public_key for record in records)
                shares.append(min(keys.values()) / size.shared if len(keys) == 2 else 0.0)
                at.fleet.end("processor-2")
    ratio = statistics.median(theirs / its for theirs, its in zip(two, one, strict=True))
    return [
        Row(name="CPU per intent, two replicas over one", measured=ratio, goal=1.1, at_most=True),
        Row(
            name="percent of the intents claimed by the replica with fewer",
            measured=statistics.median(shares) * 100,
            goal=40.0,
        ),
    ], {
        "one_ms": [round(x * 1000, 2) for x in one],
        "two_ms": [round(x * 1000, 2) for x in two],
        "shares": shares,
    }


async def _rest(at: World, size: Size) -> tuple[list[Row], dict[str, Any]]:
    """Nothing to do on a store full of intents that have ended."""
    at.processor("processor", 0)
    await asyncio.sleep(5.0)
    before, store = at.fleet.cpu()["processor"], at.fleet.cpu()["store"]
    await asyncio.sleep(size.rest)
    share = (at.fleet.cpu()["processor"] - before) / size.rest * 100
    beside = (at.fleet.cpu()["store"] - store) / size.rest * 100
    return [
        Row(
            name=f"percent of a core at rest, {size.stored} ended intents stored",
            measured=share,
            goal=1.0,
            at_most=True,
        )
    ], {"store_percent": round(beside, 2)}


def _completed(records: list[IntentRecord]) -> None:
    other = [record.intent_id for record in records if record.status != "completed"]
    if other:
        raise BenchError(f"{len(other)} intents did not complete, such as {other[0]}")
