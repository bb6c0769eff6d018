"""Moves: a hundred in a batch against one at a time, one against a bare update of the same document."""

import asyncio
import sqlite3
import statistics
import time
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager, closing
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final, Protocol

from bson import decode, encode
from bson.codec_options import CodecOptions
from motor.motor_asyncio import AsyncIOMotorClient
from pymongo import UpdateOne
from pymongo.write_concern import WriteConcern

from bench.frame import BenchError, Row, median_ratio, progress, turns
from bench.processes import Fleet
from bench.store import database
from bench.store.database import Databases
from bench.store.documents import move, moved, subjects
from services.common.clock import SystemClock, now
from services.common.config import ServiceSettings
from services.common.domain.outcomes import Applied, LeaseRef
from services.common.ports import Store
from services.common.rpc.channel import open_channel
from services.common.rpc.clients.store import GrpcStore
from services.store.ports import Document

BATCH: Final = 100
BATCH_GOAL: Final = 8.0
ONE_GOAL: Final = 1.3
LEASE_MS: Final = 3_600_000
RELAYED_WITHIN: Final = 120.0
_OPTIONS: Final[CodecOptions[Document]] = CodecOptions(tz_aware=True)
TOGETHER, ALONE, BARE = "batch", "one at a time", "bare update"


@dataclass(frozen=True, slots=True, kw_only=True)
class Size:
    """Rounds; each moves BATCH intents per side, and in each `pairs` moves meet as many bare updates."""

    rounds: int
    pairs: int


FULL: Final = Size(rounds=11, pairs=100)
QUICK: Final = Size(rounds=3, pairs=40)


class Bare(Protocol):
    """The database without the store."""

    async def update(self, intent_id: str) -> float:
        """Seconds that the move's update of one document takes."""
        ...

    async def together(self, ids: Sequence[str]) -> float:
        """Seconds that such updates of many take together, as fast as the database takes them."""
        ...

    async def settled(self, ids: Sequence[str]) -> None:
        """Returns when nothing of these ids' moves is left to do."""
        ...


@dataclass(slots=True)
class Figures:
    """Seconds per move, a value per round."""

    batch: list[float] = field(default_factory=list)
    single: list[float] = field(default_factory=list)
    one: list[float] = field(default_factory=list)
    bare: list[float] = field(default_factory=list)
    bare_batch: list[float] = field(default_factory=list)


async def measure(databases: Databases, fleet: Fleet, size: Size) -> tuple[list[Row], dict[str, Any]]:
    """Rows of one backend, and the figures behind them."""
    url = databases.new("moves")
    count = (size.rounds + 1) * BATCH * 3 + (size.rounds + 1) * size.pairs * 2
    moment = now(SystemClock())
    for prefix in ("here", "wire"):
        await database.fill(url, subjects(prefix, count, now=moment))
    opening: Callable[[str], Any] = _bare_mongo if databases.mongo else _bare_sqlite
    async with opening(url) as bare:
        async with database.store(url) as store:
            here = await _rounds(store, bare, "here", size)
        progress(f"moves on {databases.backend}: in process done")
        target = fleet.start(f"moves-{databases.backend[:5]}", ["services.store"], {"DATABASE_URL": url})
        async with open_channel(target, settings=ServiceSettings()) as channel:
            wire = await _rounds(GrpcStore(channel), bare, "wire", size)
        progress(f"moves on {databases.backend}: over gRPC done")
    rows = []
    for how, found in (("over gRPC", wire), ("in process", here)):
        rows += [
            Row(
                name=f"{databases.backend}, {how}: moves a second in batches of {BATCH} : one at a time",
                goal=BATCH_GOAL if found is wire and not databases.mongo else None,
                measured=median_ratio(found.single, found.batch),
            ),
            Row(
                name=f"{databases.backend}, {how}: one move's time : a bare update of the same document",
                goal=ONE_GOAL if found is here and databases.mongo else None,
                at_most=True,
                measured=median_ratio(found.one, found.bare),
            ),
        ]
    rows.append(
        Row(
            name=f"{databases.backend}: bare updates a second, {BATCH} together : one at a time",
            measured=median_ratio(here.bare, here.bare_batch),
        )
    )
    return rows, {
        how: {
            "batched_us": _us(found.batch),
            "one_at_a_time_us": _us(found.single),
            "one_us": _us(found.one),
            "bare_us": _us(found.bare),
            "bare_batched_us": _us(found.bare_batch),
        }
        for how, found in (("grpc", wire), ("in_process", here))
    }


async def _rounds(store: Store, bare: Bare, prefix: str, size: Size) -> Figures:
    ids = iter(f"{prefix}-{number}" for number in range(1 << 30))
    found = Figures()
    for number, order in turns((TOGETHER, ALONE), size.rounds + 1):
        for side in order:
            chosen = [next(ids) for _ in range(BATCH)]
            seconds = await (_together(store, chosen) if side == TOGETHER else _alone(store, chosen))
            await bare.settled(chosen)
            if number:  # the first warms up
                (found.batch if side == TOGETHER else found.single).append(seconds / BATCH)
        seconds = await bare.together([next(ids) for _ in range(BATCH)])
        if number:
            found.bare_batch.append(seconds / BATCH)
    for number in range(size.rounds + 1):
        ones, bares = [], []
        for _, order in turns((ALONE, BARE), size.pairs):
            for side in order:
                chosen = [next(ids)]
                if side == ALONE:
                    ones.append(await _alone(store, chosen))
                    await bare.settled(chosen)
                else:
                    bares.append(await bare.update(chosen[0]))
        if number:
            found.one.append(statistics.median(ones))
            found.bare.append(statistics.median(bares))
    return found


async def _together(store: Store, ids: Sequence[str]) -> float:
    # whoever moves an intent holds a lease of it, which the store has given or renewed
    if not all(await store.renew([LeaseRef(intent_id=one, fence=1) for one in ids], lease_ms=LEASE_MS)):
        raise BenchError("a lease was lost")
    moves = [move(intent_id) for intent_id in ids]
    began = time.perf_counter()
    outcomes = await store.transition(moves)
    seconds = time.perf_counter() - began
    if not all(isinstance(outcome, Applied) for outcome in outcomes):
        raise BenchError(f"a move was refused: {outcomes[0]}")
    return seconds


async def _alone(store: Store, ids: Sequence[str]) -> float:
    seconds = 0.0
    for intent_id in ids:
        seconds += await _together(store, [intent_id])
    return seconds


@asynccontextmanager
async def _bare_sqlite(url: str) -> AsyncIterator["_BareSqlite"]:
    with closing(sqlite3.connect(url.removeprefix("sqlite:///"), isolation_level=None)) as connection:
        connection.execute("PRAGMA synchronous=FULL")
        yield _BareSqlite(connection)


class _BareSqlite:
    """One UPDATE by primary key, a transaction of its own, synced: by a plain connection in this thread."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection

    async def settled(self, ids: Sequence[str]) -> None:
        return None

    async def together(self, ids: Sequence[str]) -> float:
        self._connection.execute("BEGIN IMMEDIATE")
        seconds = 0.0
        for intent_id in ids:
            seconds += await self.update(intent_id)
        began = time.perf_counter()
        self._connection.execute("COMMIT")
        return seconds + time.perf_counter() - began

    async def update(self, intent_id: str) -> float:
        (raw,) = self._connection.execute(
            "SELECT document FROM intents WHERE id = ?", (intent_id,)
        ).fetchone()
        document = decode(raw, _OPTIONS)
        _, change, push = moved(document, _moment())
        began = time.perf_counter()
        document |= change
        for name, value in push.items():
            document[name].append(value)
        changed = self._connection.execute(
            "UPDATE intents SET status = ?, document = ? WHERE id = ? AND status = 'pending'",
            (document["status"], encode(document), intent_id),
        ).rowcount
        seconds = time.perf_counter() - began
        if changed != 1:
            raise BenchError("the bare update changed nothing")
        return seconds


@asynccontextmanager
async def _bare_mongo(url: str) -> AsyncIterator["_BareMongo"]:
    client: AsyncIOMotorClient[Document] = AsyncIOMotorClient(url)
    try:
        yield _BareMongo(client)
    finally:
        client.close()


class _BareMongo:
    """motor's update_one with the move's filter and the store's write concern."""

    def __init__(self, client: AsyncIOMotorClient[Document]) -> None:
        concern = WriteConcern(w="majority", j=True)
        self._intents = client.get_default_database("intents").get_collection(
            "intents", write_concern=concern
        )

    async def settled(self, ids: Sequence[str]) -> None:
        until = time.monotonic() + RELAYED_WITHIN
        left = {"_id": {"$in": list(ids)}, "outbox.version": {"$gte": 1}}
        while await self._intents.find_one(left, {"_id": 1}) is not None:
            if time.monotonic() > until:
                raise BenchError("the relay does not come to rest")
            await asyncio.sleep(0.005)

    async def together(self, ids: Sequence[str]) -> float:
        updates = []
        for where, change, push in (moved({"_id": one}, _moment()) for one in ids):
            updates.append(UpdateOne(where, {"$set": change, "$push": push}))
        began = time.perf_counter()
        result = await self._intents.bulk_write(updates, ordered=False)
        seconds = time.perf_counter() - began
        if result.modified_count != len(ids):
            raise BenchError("a bare update changed nothing")
        return seconds

    async def update(self, intent_id: str) -> float:
        where, change, push = moved({"_id": intent_id}, _moment())
        began = time.perf_counter()
        result = await self._intents.update_one(where, {"$set": change, "$push": push})
        seconds = time.perf_counter() - began
        if result.modified_count != 1:
            raise BenchError("the bare update changed nothing")
        return seconds


def _moment() -> datetime:
    return now(SystemClock())


def _us(seconds: Sequence[float]) -> float:
    return round(statistics.median(seconds) * 1e6, 1)
