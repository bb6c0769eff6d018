"""Retention under test: passes on a store, what they archived and left, and passes that die at any step."""

import os
import stat
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from services.common.domain.outcomes import EventPage
from services.common.domain.statistics import StatisticsQuery
from services.common.observe import Observe
from services.common.observe.metrics import new_registry
from services.store.observe import RetentionMeters
from services.store.ports import Program, Storage
from services.store.retention import files
from services.store.retention.archive import Folder, Nowhere
from services.store.retention.run import Policy, Retention
from services.store.verify.run import verify
from tests.harness.wait import eventually
from tests.unit.store.support import Crash, HandClock, failure, new, on, opened

Place = tuple[int, int]
HOUR = Policy(keep=timedelta(hours=1), count=0)


def retention(
    storage: Any, folder: Path | None, policy: Policy = HOUR, clock: HandClock | None = None
) -> Retention:
    archive = Nowhere() if folder is None else Folder(folder, storage.meta.store_id)
    if isinstance(archive, Folder):
        archive.open()
    meters = RetentionMeters(Observe(service="store", registry=new_registry(process=False)))
    return Retention(storage, clock or HandClock(), policy, archive, meters)


def archived(folder: Path) -> dict[Place, tuple[str, int]]:
    """What the files hold, each found whole."""
    held: dict[Place, tuple[str, int]] = {}
    for path in files.found([folder] if folder.exists() else []):
        for one in files.events(files.check(path)):
            mine = one["intentId"], one["version"]
            assert held.setdefault((one["partition"], one["sequence"]), mine) == mine
    return held


async def counted(storage: Storage) -> None:
    """The roll-ups have everything that is in the log now: asking for statistics makes it so."""
    await on(storage).statistics(StatisticsQuery())


async def kept(storage: Storage) -> dict[Place, tuple[str, int]]:
    """What readers believe."""
    held: dict[Place, tuple[str, int]] = {}
    for partition, floor in enumerate(await storage.floors()):
        for sequence, one in await storage.scans.log(partition, floor, 10_000):
            held[partition, sequence] = one["intentId"], one["version"]
    return held


async def nothing_wrong(storage: Storage) -> None:
    result = await verify(storage, HandClock(), progress=lambda what, count: None)
    assert not result.findings.kept


async def written(url: str, clock: HandClock, intents: int) -> EventPage:
    """Intents that came and failed, all in the log; the cursor after them."""
    async with opened(url, clock) as made:
        storage = made.store._storage
        before = sum(await storage.heads())
        names = [f"i-{before}-{number}" for number in range(intents)]
        await made.store.create([new(name) for name in names])
        records = await made.store.get(names)
        await made.store.transition([failure(one) for one in records])

        async def told() -> bool:
            return sum(await storage.heads()) == before + 2 * intents

        await eventually(told)
        await counted(storage)
        page: EventPage = await made.store.list_events(tail=True)
        return page


class Cut:
    """Dies before step number `at`, of whatever is counted: programs' operations, outbox calls, disk calls."""

    def __init__(self, at: int) -> None:
        self.at = at
        self.steps: list[str] = []

    def step(self, name: str) -> None:
        if len(self.steps) == self.at:
            raise Crash
        self.steps.append(name)

    def storage(self, inner: Storage) -> Any:
        return CutStorage(inner, self)

    def disk(self, patch: pytest.MonkeyPatch) -> None:
        """Every sync and every renaming is a step; what is not synced when it dies is lost."""
        fsync, replace = os.fsync, os.replace

        def synced(opened: int) -> None:
            try:
                self.step("fsync")
            except Crash:
                if stat.S_ISREG(os.fstat(opened).st_mode):
                    os.ftruncate(opened, 0)
                raise
            fsync(opened)

        def replaced(source: Path, target: Path) -> None:
            self.step("replace")
            replace(source, target)

        patch.setattr(os, "fsync", synced)
        patch.setattr(os, "replace", replaced)


class CutStorage:
    def __init__(self, inner: Storage, cut: Cut) -> None:
        self.inner, self.cut = inner, cut
        self.outbox = None if inner.outbox is None else CutOutbox(inner.outbox, cut)

    def __getattr__(self, name: str) -> Any:
        return getattr(self.inner, name)

    async def run(self, program: Program[Any]) -> Any:
        return await self.inner.run(self._counted(program))

    def _counted(self, program: Program[Any]) -> Program[Any]:
        answer: Any = None
        while True:
            try:
                operation = program.send(answer)
            except StopIteration as end:
                return end.value
            self.cut.step(type(operation).__name__)
            answer = yield operation


class CutOutbox:
    def __init__(self, inner: Any, cut: Cut) -> None:
        self.inner, self.cut = inner, cut

    def __getattr__(self, name: str) -> Any:
        async def step(*args: Any) -> Any:
            self.cut.step(name)
            return await getattr(self.inner, name)(*args)

        return step
