"""Watchers whose place in the log is gone, because it was dropped or the store restored: latest states, then on."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, aclosing
from pathlib import Path
from typing import Any, cast

import pytest

from services.common.clock import SystemClock
from services.common.domain.feed import FeedCommand, FeedMessage
from services.common.domain.lifecycle import Status
from services.common.errors import IntentError, Reason, unavailable
from services.common.observe import Observe
from services.edge.model import Caller
from services.edge.observe import Vocabulary
from services.edge.watch.hub import Hub, WatchLimits
from services.edge.watch.stream import Told, watch
from services.notifier.app import open_notifier
from services.notifier.config import NotifierSettings
from services.notifier.service import Notifier
from services.store.backup.copy import back_up
from services.store.backup.restore import restore
from services.store.retention.run import Policy
from tests.unit.store.retaining import counted, retention
from tests.unit.store.support import (
    created,
    fence_of,
    move,
    moved,
    opened,
    record,
    transaction,
)

ALICE = Caller(principal="alice")


class Switch:
    """The notifier there is at the moment."""

    def __init__(self) -> None:
        self.on: Notifier | None = None

    async def feed(self, commands: AsyncIterator[FeedCommand]) -> AsyncIterator[FeedMessage]:
        if self.on is None:
            raise unavailable("notifier")
        async with aclosing(cast(Any, self.on.feed(commands))) as messages:
            async for message in messages:
                yield message

    async def wake(self, intent_ids: Any) -> None: ...


async def told(messages: AsyncIterator[Told], last: dict[str, int]) -> list[tuple[str, int, int]]:
    """What comes, until the last version of each intent was told."""
    found: list[tuple[str, int, int]] = []
    async with asyncio.timeout(20):
        while {name: version for name, _, version in found} != last:
            one = await anext(messages)
            if one.moved is not None:
                found.append((one.moved.event.intent_id, one.first, one.moved.event.version))
    return found


async def completed_all(store: Any) -> None:
    """Whatever is due goes from version 1 to 4."""
    for claim in await store.claim("p", limit=10, lease_ms=30_000):
        fence, solve = fence_of(claim), transaction(f"solve-{claim.intent_id}", purpose="solve")
        one = await moved(store, move(claim, Status.VERIFIED, fence=fence))
        one = await moved(store, move(one, Status.EXECUTING, fence=fence, transactions=(solve,)))
        done = transaction(f"solve-{claim.intent_id}", purpose="solve", status="success")
        await moved(store, move(one, Status.COMPLETED, fence=fence, transactions=(done,)))


async def over(messages: AsyncIterator[Told]) -> Reason:
    """Why a watch ends."""
    async with asyncio.timeout(20):
        with pytest.raises(IntentError) as ended:
            while True:
                await anext(messages)
    return ended.value.reason


async def test_p05_a_watcher_whose_place_is_gone_gets_latest_states_conflated(tmp_path: Path) -> None:
    clock, switch = SystemClock(), Switch()
    observe = Observe(service="edge")
    async with AsyncExitStack() as stack:
        made = await stack.enter_async_context(opened(f"sqlite:///{tmp_path / 'store.db'}"))
        hub = Hub(
            switch, made.store, clock, edge_id="e", limits=WatchLimits(queue=2), seen=Vocabulary(observe)
        )
        await stack.enter_async_context(hub.running())

        async def notifier(store: Any) -> AsyncExitStack:
            inner = AsyncExitStack()
            settings = NotifierSettings(port=0, admin_port=0, position_ms=20)
            switch.on = await inner.enter_async_context(
                open_notifier(settings, store, clock, Observe(service="notifier"))
            )
            return inner

        async def gone(inner: AsyncExitStack) -> None:
            switch.on = None
            await inner.aclose()

        def watched(*ids: str, cursor: str = "") -> Any:
            return stack.enter_async_context(aclosing(cast(Any, watch(hub, ALICE, ids, cursor, kind="t"))))

        first = await notifier(made.store)
        by_id, everything = await watched("a", "b"), await watched()
        assert (await anext(by_id)).moved is None
        position = (await anext(everything)).cursor
        for name in ("a", "b"):
            await created(made.store, name)
        assert sorted(await told(by_id, {"a": 1, "b": 1})) == [("a", 1, 1), ("b", 1, 1)]

        # no notifier for a while, in which much happens and all but the newest is dropped
        await gone(first)
        await completed_all(made.store)
        await counted(made.store._storage)
        policy = Policy(keep=None, count=1)
        await retention(made.store._storage, tmp_path / "archive", policy).once()
        second = await notifier(made.store)
        assert sorted(await told(by_id, {"a": 4, "b": 4})) == [("a", 2, 4), ("b", 2, 4)]
        assert await over(everything) is Reason.DRAINING
        assert await over(await watched(cursor=position)) is Reason.CURSOR_EXPIRED

        # the same over a restore: the restored store gives the sequences after the backup out again
        names = [f"new-{number}" for number in range(20)]
        everything, later = await watched(), await watched(*names)
        assert (await anext(later)).moved is (await anext(everything)).moved is None
        back_up(tmp_path / "store.db", tmp_path / "backup.db", lambda what, count: None)
        await created(made.store, "lost")
        lost = await anext(everything)
        assert lost.moved is not None and lost.moved.event.intent_id == "lost"
        place = tmp_path / "restored" / "store.db"
        await gone(second)
        await restore(tmp_path / "backup.db", place, 4)
        restored = await stack.enter_async_context(opened(f"sqlite:///{place}"))
        hub.store = restored.store
        for name in names:
            await created(restored.store, name)
        third = await notifier(restored.store)
        assert sorted(await told(later, dict.fromkeys(names, 1))) == sorted((name, 1, 1) for name in names)
        assert await over(everything) is Reason.DRAINING
        assert await over(await watched(cursor=lost.cursor)) is Reason.CURSOR_EXPIRED
        assert (await record(restored.store, "a")).version == 4
        await gone(third)
