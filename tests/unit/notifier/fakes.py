"""An event log in memory with partitions, and an edge that keeps what it was told."""

import asyncio
import random
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from datetime import UTC, datetime

from services.common.clock import SystemClock
from services.common.domain.feed import FeedCommand, FeedMessage, Open, Subscribe
from services.common.domain.intent import IntentEvent
from services.common.domain.lifecycle import Status
from services.common.domain.outcomes import EventPage
from services.common.errors import IntentError, Reason, unavailable
from services.common.observe import Observe
from services.common.ports import Notifier
from services.notifier.app import open_notifier
from services.notifier.config import NotifierSettings

PARTITIONS = 3
WHEN = datetime(2026, 11, 1, tzinfo=UTC)


class Log:
    """Satisfies `common.ports.EventLog`. With `dice` pages have random sizes and readers lag at random."""

    def __init__(self, dice: random.Random | None = None) -> None:
        self.parts: list[list[IntentEvent]] = [[] for _ in range(PARTITIONS)]
        self.floor = [0] * PARTITIONS
        self.versions: dict[str, int] = {}
        self.watchers = 0
        self._dice = dice
        self._cuts = 0
        self._grown = asyncio.Condition()

    async def write(self, intent_id: str, principal: str = "alice") -> int:
        """The next version of an intent."""
        version = self.versions[intent_id] = self.versions.get(intent_id, 0) + 1
        event = IntentEvent(
            intent_id=intent_id,
            user_id="u.near",
            version=version,
            status=Status.PENDING,
            occurred_at=WHEN,
            principal=principal,
        )
        self.parts[sum(intent_id.encode()) % PARTITIONS].append(event)
        await self._wake()
        return version

    async def cut(self) -> None:
        """Every live stream breaks off."""
        self._cuts += 1
        await self._wake()

    def expire(self) -> None:
        """All but the newest event of each partition is dropped."""
        self.floor = [max(0, len(part) - 1) for part in self.parts]

    async def list_events(self, cursor: str = "", *, limit: int = 500, tail: bool = False) -> EventPage:
        await self._lag()
        at = self._tail() if tail else self._read(cursor)
        if self._dice is not None:
            limit = min(limit, self._dice.randint(1, 7))
        events = []
        for number, part in enumerate(self.parts):
            taken = part[at[number] : at[number] + limit - len(events)]
            at[number] += len(taken)
            events.extend(taken)
        return EventPage(events=tuple(events), cursor=_text(at), at_end=at == self._tail())

    async def watch_events(self, cursor: str = "", *, tail: bool = False) -> AsyncIterator[EventPage]:
        cuts = self._cuts
        self.watchers += 1
        try:
            page = await self.list_events(cursor, tail=tail)
            yield page
            while True:
                async with self._grown:
                    if cuts == self._cuts and page.at_end and self._read(page.cursor) == self._tail():
                        await self._grown.wait()
                if cuts != self._cuts:
                    raise unavailable("store")
                await self._lag()
                page = await self.list_events(page.cursor)
                yield page
        finally:
            self.watchers -= 1

    async def _lag(self) -> None:
        for _ in range(self._dice.randint(0, 3) if self._dice is not None else 0):
            await asyncio.sleep(0)

    async def _wake(self) -> None:
        async with self._grown:
            self._grown.notify_all()

    def _tail(self) -> list[int]:
        return [len(part) for part in self.parts]

    def _read(self, cursor: str) -> list[int]:
        if not cursor:
            return list(self.floor)
        try:
            at = [int(number) for number in cursor.split(".")]
        except ValueError:
            at = []
        if len(at) != PARTITIONS:
            raise IntentError(Reason.CURSOR_INVALID, "This cursor is not of this log.")
        if any(mine < floor for mine, floor in zip(at, self.floor, strict=True)):
            raise IntentError(Reason.CURSOR_EXPIRED, "Older than what is kept.")
        return at


def _text(at: list[int]) -> str:
    return ".".join(map(str, at))


class Edge:
    """Reads one feed after another, always from where it got to, and keeps every event it was given."""

    def __init__(self, wanted: Subscribe) -> None:
        self.wanted = wanted
        self.cursor = ""
        self.told: list[tuple[str, int]] = []
        self.messages: list[FeedMessage] = []
        self.ended: IntentError | None = None
        self._commands: asyncio.Queue[FeedCommand | None] = asyncio.Queue()

    def of(self, intent_id: str) -> list[int]:
        """Versions of an intent in the order told."""
        return [version for told, version in self.told if told == intent_id]

    @property
    def acknowledged(self) -> list[int]:
        return [message.subscribed for message in self.messages if message.subscribed is not None]

    def say(self, command: FeedCommand | None) -> None:
        """Send a command; None ends this side."""
        self._commands.put_nowait(command)

    async def follow(
        self, notifier: Notifier, on_message: Callable[[FeedMessage], Awaitable[None]] | None = None
    ) -> None:
        """One feed until it ends; its error is kept, not raised."""
        self.ended = None
        self._commands = asyncio.Queue()
        try:
            async for message in notifier.feed(self._spoken()):
                self.cursor = message.cursor
                self.messages.append(message)
                self.told.extend((event.intent_id, event.version) for event in message.events)
                if on_message is not None:
                    await on_message(message)
        except IntentError as error:
            self.ended = error

    @asynccontextmanager
    async def following(self, notifier: Notifier) -> AsyncIterator["asyncio.Task[None]"]:
        """`follow` beside the body; the connection is lost on leaving."""
        task = asyncio.create_task(self.follow(notifier))
        try:
            yield task
        finally:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)

    async def _spoken(self) -> AsyncIterator[FeedCommand]:
        yield Open(edge_id="edge", cursor=self.cursor, subscriptions=self.wanted)
        while (command := await self._commands.get()) is not None:
            yield command


@asynccontextmanager
async def notifying(log: Log, *, position_ms: int = 20) -> AsyncIterator[Notifier]:
    """A notifier over `log`, without a server."""
    settings = NotifierSettings(port=0, admin_port=0, position_ms=position_ms)
    async with open_notifier(settings, log, SystemClock(), Observe(service="notifier")) as notifier:
        yield notifier
