"""A store that drops events all the while, killed with -9 again and again: nothing goes that is not archived."""

import asyncio
from pathlib import Path

import pytest

from services.common.config import ServiceSettings
from services.common.errors import IntentError
from services.common.rpc.channel import open_channel
from services.common.rpc.clients.store import GrpcStore
from tests.harness import servers
from tests.soak.store.place import SOUND
from tests.soak.store.place import opened as process
from tests.unit.store.retaining import archived, counted, kept, nothing_wrong
from tests.unit.store.support import created, failure, opened_storage

KILLS = 5
BETWEEN = 40
"""Intents acknowledged between two kills."""


@pytest.mark.parametrize("database", ["sqlite", "mongo-java"])
async def test_p05_kill_9_of_a_store_that_drops_loses_no_event(
    database: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    if database != "sqlite" and (lacking := servers.missing(database)):
        pytest.skip(f"missing: {lacking}")
    folder = tmp_path / "archive"
    for name, value in {
        "EVENTS_KEEP_COUNT": "2", "EVENTS_RETENTION_MS": "100", "EVENTS_ARCHIVE_DIR": str(folder),
        "ROLLUP_INTERVAL_MS": "10", "RELAY_POLL_MS": "50", "PARTITIONS": "4",
    }.items():  # fmt: skip
        monkeypatch.setenv(name, value)
    acknowledged: set[str] = set()
    more, done = asyncio.Event(), asyncio.Event()

    async def write(store: GrpcStore, lane: int) -> None:
        number = 0
        while not done.is_set():
            name = f"{lane}-{number}"
            number += 1
            try:
                await store.transition([failure(await created(store, name))])
            except (IntentError, AssertionError):
                # killed in the midst of it: whether it was done is not known
                await asyncio.sleep(0.01)
                continue
            acknowledged.add(name)
            more.set()

    async with process(tmp_path, database=database, module=SOUND) as running:
        async with open_channel(running.target, settings=ServiceSettings(port=0, admin_port=0)) as channel:
            writers = [asyncio.create_task(write(GrpcStore(channel), lane)) for lane in range(4)]
            for _ in range(KILLS):
                reached = len(acknowledged) + BETWEEN
                async with asyncio.timeout(60):
                    while len(acknowledged) < reached:
                        more.clear()
                        await more.wait()
                await running.store.kill9()
                await running.store.start()
            done.set()
            await asyncio.gather(*writers)
        await running.store.stop()
        async with opened_storage(running.environment["DATABASE_URL"]) as storage:
            assert sum(await storage.floors()) > BETWEEN
            held = archived(folder) | await kept(storage)
            assert len(held) == len({*held.values()}) == sum(await storage.heads())
            waiting = set()
            if storage.outbox is not None:
                for one in await storage.outbox.waiting(1_000):
                    waiting |= {(one["_id"], entry["version"]) for entry in one["outbox"]}
            told = {*held.values()} | waiting
            assert {(name, version) for name in acknowledged for version in (1, 2)} <= told
            await counted(storage)
            await nothing_wrong(storage)
