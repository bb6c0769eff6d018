"""A notifier that tails a FakeStore."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import suppress
from typing import TYPE_CHECKING

from services.common.domain.feed import FeedCommand, FeedMessage, Open, Subscribe, Unsubscribe
from services.common.errors import IntentError, unavailable

if TYPE_CHECKING:
    from tests.unit.edge.fakes import FakeStore


class FakeNotifier:
    """Tails a FakeStore; `cut` ends every feed, `down` refuses new ones, `gate` holds back what is told,
    `chunk` is the most events in a message: parts of one page share the position before it."""

    def __init__(self, store: "FakeStore") -> None:
        self._store = store
        self.woken: list[str] = []
        self.opens: list[Open] = []
        self.commands: list[FeedCommand] = []
        self.down = False
        self.reset_next = False
        self.chunk = 100
        self.gate = asyncio.Event()
        self.gate.set()
        self._feeds: set[asyncio.Queue[FeedMessage | IntentError]] = set()

    def cut(self) -> None:
        """Every feed ends as if its notifier had gone."""
        for queue in self._feeds:
            queue.put_nowait(unavailable("notifier"))

    def subscribed(self) -> list[Subscribe]:
        """Every subscription asked for, newest last."""
        asked = [one for one in self.commands if isinstance(one, Subscribe)]
        return [*(one.subscriptions for one in self.opens), *asked]

    async def wake(self, intent_ids: Sequence[str]) -> None:
        if self.down:
            raise unavailable("notifier")
        self.woken += intent_ids

    async def feed(self, commands: AsyncIterator[FeedCommand]) -> AsyncIterator[FeedMessage]:
        if self.down:
            raise unavailable("notifier")
        opening = await anext(commands)
        assert isinstance(opening, Open)
        self.opens.append(opening)
        out: asyncio.Queue[FeedMessage | IntentError] = asyncio.Queue()
        self._feeds.add(out)
        ids, owners = set(opening.subscriptions.intent_ids), set(opening.subscriptions.principals)
        at = len(self._store.log) if self.reset_next or not opening.cursor else int(opening.cursor)
        out.put_nowait(
            FeedMessage(cursor=str(at), subscribed=None if self.reset_next else 0, reset=self.reset_next)
        )
        self.reset_next = False
        position = [at]

        def tell() -> None:
            before, events = position[0], self._store.log[position[0] :]
            position[0] = len(self._store.log)
            wanted = tuple(one for one in events if one.intent_id in ids or one.principal in owners)
            for start in range(0, len(wanted), self.chunk) if events else ():
                last = start + self.chunk >= len(wanted)
                out.put_nowait(
                    FeedMessage(
                        cursor=str(position[0] if last else before), events=wanted[start : start + self.chunk]
                    )
                )
            if events and not wanted:
                out.put_nowait(FeedMessage(cursor=str(position[0])))

        async def tail() -> None:
            while True:
                await self.gate.wait()
                async with self._store.grown:
                    tell()
                    await self._store.grown.wait()

        async def obey() -> None:
            async for command in commands:
                self.commands.append(command)
                tell()
                if isinstance(command, Subscribe):
                    ids.update(command.intent_ids)
                    owners.update(command.principals)
                    out.put_nowait(FeedMessage(cursor=str(position[0]), subscribed=command.sequence))
                elif isinstance(command, Unsubscribe):
                    ids.difference_update(command.intent_ids)
                    owners.difference_update(command.principals)

        tasks = [asyncio.create_task(tail()), asyncio.create_task(obey())]
        try:
            while True:
                message = await out.get()
                if isinstance(message, IntentError):
                    raise message
                yield message
        finally:
            self._feeds.discard(out)
            for task in tasks:
                task.cancel()
            for task in tasks:
                with suppress(asyncio.CancelledError):
                    await task
