"""Stores of two schemas at work on one database, and what must be true of it afterwards.

`python -m tests.fault.schema_load FOLDER` does it with processes: two of this tree, two of the one unpacked in FOLDER
(`git archive COMMIT | tar -x -C FOLDER`), on mongo-java-server and on one SQLite file.
"""

import asyncio
import os
import random
import subprocess
import sys
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Final

from services.common.clock import SystemClock
from services.common.config import ServiceSettings
from services.common.domain.intent import IntentRecord
from services.common.domain.lifecycle import TERMINAL, Status
from services.common.domain.outcomes import Accepted, AlreadyThere, Applied, TransactionRecord
from services.common.rpc.channel import open_channel
from services.common.rpc.clients.store import GrpcStore
from services.store.migrating.run import migrate
from services.store.verify.run import verify
from tests.harness import servers
from tests.harness.wait import eventually
from tests.unit.store.support import (
    all_events,
    failure,
    fence_of,
    move,
    new,
    opened_storage,
    sqlite_url,
    transaction,
)

LEASE_MS: Final = 60_000


@dataclass
class Load:
    """`count` intents, each created, claimed and moved by any of `stores`, whichever chance names."""

    stores: Sequence[Any]
    count: int
    seed: int
    acknowledged: dict[str, tuple[int, Status]] = field(default_factory=dict)
    """The last answer to a creation or move, by intent."""
    second_half: asyncio.Event = field(default_factory=asyncio.Event)
    """Until it is set, no intent of the second half is created."""

    def __post_init__(self) -> None:
        self._chance = random.Random(self.seed)

    @property
    def ended(self) -> int:
        return sum(status in TERMINAL for _, status in self.acknowledged.values())

    @property
    def any_store(self) -> Any:
        return self._chance.choice(self.stores)

    async def run(self) -> None:
        creating = self._create()
        processors = [self._process(f"p-{number}") for number in range(len(self.stores))]
        async with asyncio.timeout(120):
            await asyncio.gather(creating, *processors)

    async def _create(self) -> None:
        for number in range(self.count):
            if number == self.count // 2:
                await self.second_half.wait()
            one = new(f"i-{number}", request_id=f"r-{number}")
            for _ in range(2):  # the repeat may meet a store of the other schema
                (outcome,) = await self.any_store.create([one])
                assert isinstance(outcome, Accepted), outcome
            self.acknowledged.setdefault(f"i-{number}", (1, Status.PENDING))

    async def _process(self, owner: str) -> None:
        while self.ended < self.count:
            for claim in await self.any_store.claim(
                owner, limit=self._chance.choice((2, 12)), lease_ms=LEASE_MS
            ):
                await self._live(claim)
            await asyncio.sleep(0)

    async def _live(self, claim: IntentRecord) -> None:
        """From one step to the next through other stores, to an end that chance names."""
        fence = fence_of(claim)
        if self._chance.random() < 0.2:
            await self._move(failure(claim, "EXPIRED", fence=fence))
            return
        one = await self._move(move(claim, Status.VERIFIED, fence=fence))
        signed = transaction(f"solve-{claim.intent_id}", purpose="solve", solver_id="solver.near")
        one = await self._move(move(one, Status.EXECUTING, fence=fence, transactions=(signed,)))
        done = transaction(
            signed.hash, purpose="solve", solver_id="solver.near", status="success", gas_used=7
        )
        recorded = TransactionRecord(
            intent_id=one.intent_id, seen_version=one.version, seen_status=one.status, fence=fence,
            transactions=(done,),
        )  # fmt: skip
        (outcome,) = await self.any_store.record_transactions([recorded])
        assert isinstance(outcome, Applied), outcome
        await self._move(move(one, Status.COMPLETED, fence=fence, transactions=(done,)))

    async def _move(self, step: Any) -> IntentRecord:
        (outcome,) = await self.any_store.transition([step])
        assert isinstance(outcome, Applied | AlreadyThere), outcome
        record: IntentRecord = outcome.record
        self.acknowledged[record.intent_id] = (record.version, record.status)
        return record

    async def check(self) -> None:
        """Every store tells of every intent as it was acknowledged; the log has each version once, in order."""
        assert len(self.acknowledged) == self.ended == self.count
        total = sum(version for version, _ in self.acknowledged.values())

        async def told() -> list[Any] | None:
            events = await all_events(self.stores[0])
            return events if len(events) >= total else None

        events = await eventually(told, 30)
        assert events is not None
        versions: dict[str, list[int]] = {}
        for event in events:
            versions.setdefault(event.intent_id, []).append(event.version)
        assert versions == {
            one: list(range(1, version + 1)) for one, (version, _) in self.acknowledged.items()
        }
        for store in self.stores:
            records = await store.get(sorted(self.acknowledged))
            assert {one.intent_id: (one.version, one.status) for one in records} == self.acknowledged


async def looked_at(url: str) -> tuple[list[tuple[str, str]], int]:
    """(kind, where) of what verify finds, and how many records are of an older schema."""
    async with opened_storage(url) as storage:
        result = await verify(storage, SystemClock(), limit=10_000, progress=lambda what, count: None)
    return [(one.kind.value, one.where) for one in result.findings.kept], result.older


async def migrated(url: str) -> int:
    """How many records were renewed."""
    async with opened_storage(url) as storage:
        return (await migrate(storage, SystemClock(), progress=lambda what, count: None)).renewed.renewed


@asynccontextmanager
async def process(tree: Path, url: str, folder: Path, name: str) -> AsyncIterator[Any]:
    """A store of the code in `tree`, by gRPC."""
    ready = folder / f"{name}.ready"
    settings = {
        "DATABASE_URL": url, "PARTITIONS": "4", "PORT": "0", "ADMIN_PORT": "0", "READY_FILE": str(ready),
        "RELAY_POLL_MS": "50", "EVENT_POLL_MS": "20",
    }  # fmt: skip
    path = os.pathsep.join([str(tree), str(servers.ROOT / "gen" / "python")])
    with (folder / f"{name}.log").open("wb") as log:
        child = subprocess.Popen(
            [sys.executable, "-m", "services.store"], cwd=tree, stdout=log, stderr=log,
            env=os.environ | settings | {"PYTHONPATH": path},
        )  # fmt: skip
    try:
        address = await eventually(lambda: ready.exists() and _address(ready), 30)
        async with open_channel(str(address), settings=ServiceSettings()) as channel:
            yield GrpcStore(channel)
    finally:
        child.terminate()
        child.wait(20)


def _address(ready: Path) -> str:
    import json

    return str(json.loads(ready.read_text())["grpc"])


async def by_processes(older: Path, url: str, folder: Path, *, count: int, seed: int) -> None:
    """Prints what was seen."""
    async with AsyncExitStack() as stack:
        trees = [("new-1", servers.ROOT), ("old-1", older), ("new-2", servers.ROOT), ("old-2", older)]
        stores = [await stack.enter_async_context(process(tree, url, folder, name)) for name, tree in trees]
        load = Load(stores, count, seed)
        load.second_half.set()
        await load.run()
        await load.check()
    found, old = await looked_at(url)
    print(
        f"{url.split(':', 1)[0]}: {count} intents ended, every answer holds; verify: {len(found)} found, {old} older"
    )
    print(f"migrate: {await migrated(url)} renewed; verify: {await looked_at(url)}")


def main(older: Path, *, count: int = 300, seed: int = 1) -> None:
    """On both databases."""
    with TemporaryDirectory() as name:
        folder = Path(name)
        asyncio.run(by_processes(older, sqlite_url(folder), folder, count=count, seed=seed))
        server = servers.mongo_java(folder / "mongo").start()
        try:
            asyncio.run(by_processes(older, server.new_database(), folder, count=count, seed=seed))
        finally:
            server.stop()


if __name__ == "__main__":
    main(Path(sys.argv[1]).resolve())
