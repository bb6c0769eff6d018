"""The session with a notifier: one for the whole edge, taken up again wherever one is to be had."""

import asyncio
import logging
from collections import deque
from collections.abc import AsyncIterator, Callable, Collection, Iterable, Sequence
from contextlib import aclosing
from dataclasses import dataclass
from typing import Any, Final, NamedTuple, cast

from services.common.clock import Clock
from services.common.domain.feed import FeedCommand, FeedMessage, Open, Subscribe, Unsubscribe
from services.common.errors import IntentError, unavailable
from services.common.observe import logs
from services.edge.observe import Vocabulary
from services.edge.ports import NotifierPort

logger = logging.getLogger(__name__)

CHUNK: Final = 4_000
"""Most names in one command: ids of 128 bytes stay well below the message limit."""
FIRST_PAUSE: Final = 0.05
LONGEST_PAUSE: Final = 2.0
SILENCE: Final = 30.0
"""Seconds without any message after which a session counts as lost: positions come far more often."""
ACK_TIMEOUT: Final = 5.0
"""Seconds a new watch waits for its subscription to hold."""


class Name(NamedTuple):
    """Something to subscribe to: an intent's id, or a principal."""

    kind: str  # "intent" or "principal"
    text: str


def intents(ids: Iterable[str]) -> list[Name]:
    return [Name("intent", intent_id) for intent_id in ids]


def principals(names: Iterable[str]) -> list[Name]:
    return [Name("principal", name) for name in names]


@dataclass(slots=True)
class _Held:
    count: int
    sequence: int


@dataclass(slots=True)
class _Batch:
    """A command not sent yet. `sequence` 0: an Unsubscribe. `refresh`: these may have missed something."""

    sequence: int
    names: dict[Name, None]
    refresh: bool = False


class _Waiter(NamedTuple):
    sequence: int
    acked: Callable[[str], None]
    done: "asyncio.Future[None]"


class Feed:
    """`deliver` gets every message in order; `missed` the names that events may have passed by (None: all)."""

    def __init__(
        self,
        notifier: NotifierPort,
        clock: Clock,
        *,
        edge_id: str,
        deliver: Callable[[FeedMessage], None],
        missed: Callable[[Sequence[Name] | None], None],
        seen: Vocabulary,
        chunk: int = CHUNK,
    ) -> None:
        self.cursor = ""
        self._notifier = notifier
        self._clock = clock
        self._edge_id = edge_id
        self._deliver = deliver
        self._missed = missed
        self._seen = seen
        self._chunk = chunk
        self._held: dict[Name, _Held] = {}
        self._out: deque[_Batch] = deque()
        self._more = asyncio.Event()
        self._sequence = 0
        self._covered = 0
        self._acked = 0
        self._waiters: list[_Waiter] = []
        self._refresh: dict[int, tuple[Name, ...]] = {}
        self._opening: Open | None = None

    async def hold(self, names: Sequence[Name], acked: Callable[[str], None]) -> None:
        """Subscribe. `acked(cursor)` is called in the feed's own turn: every event after `cursor` will come.

        Raises DEPENDENCY_UNAVAILABLE if no notifier answers in time; `drop` is due in any case.
        """
        needed = 0
        for name in names:
            held = self._held.get(name)
            if held is None:
                held = self._held[name] = _Held(0, self._enqueue(name))
            held.count += 1
            needed = max(needed, held.sequence)
        if needed <= self._acked and self.cursor:
            acked(self.cursor)
            return
        done: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiters.append(_Waiter(needed, acked, done))
        try:
            async with asyncio.timeout(ACK_TIMEOUT):
                await done
        except TimeoutError:
            raise unavailable("notifier") from None
        finally:
            self._waiters = [waiter for waiter in self._waiters if waiter.done is not done]

    def drop(self, names: Collection[Name]) -> None:
        """Give back what `hold` took."""
        for name in names:
            held = self._held.get(name)
            if held is None:
                continue
            held.count -= 1
            if held.count == 0:
                del self._held[name]
                if not self._out or self._out[-1].sequence:
                    self._out.append(_Batch(0, {}))
                self._out[-1].names[name] = None
                self._more.set()

    async def run(self) -> None:
        """Until cancelled."""
        pause = FIRST_PAUSE
        while True:
            why: BaseException | None = None
            try:
                if await self._session():
                    pause = FIRST_PAUSE
            except (IntentError, TimeoutError) as error:
                why = error
                logs.event(logger, logging.WARNING, "feed.lost", why=str(error) or "silence", pause_s=pause)
            except Exception as error:
                why = error
                logs.event(logger, logging.ERROR, "feed.lost", pause_s=pause, exc_info=error)
            if why is None:
                logs.event(logger, logging.INFO, "feed.ended", pause_s=pause)
            self._seen.feed_up().set(0)
            await self._clock.sleep(pause)
            pause = min(pause * 2, LONGEST_PAUSE)

    async def _session(self) -> bool:
        """True if anything came."""
        opened = self._notifier.feed(self._commands(self._open()))
        came = False
        async with aclosing(cast(Any, opened)) as messages:
            while True:
                try:
                    async with asyncio.timeout(SILENCE):
                        message = await anext(messages)
                except StopAsyncIteration:
                    return came
                if not came:
                    came = True
                    self._seen.feed_connects().inc()
                    self._seen.feed_up().set(1)
                    logs.event(logger, logging.INFO, "feed.up", reset=message.reset)
                self._take(message)

    def _open(self) -> Open:
        """Everything held, in one command as far as it fits; the rest follows and is looked up when it holds."""
        self._out.clear()
        self._refresh.clear()
        self._covered = self._sequence
        # principals first: what of theirs passed by can be had only from their own cursors
        names = sorted(self._held, key=lambda name: name.kind != "principal")
        first, rest = names[: self._chunk], names[self._chunk :]
        for name in rest:
            self._held[name].sequence = self._enqueue(name, refresh=True)
        ids, owners = _split(first)
        self._opening = Open(
            edge_id=self._edge_id,
            cursor=self.cursor,
            subscriptions=Subscribe(sequence=0, intent_ids=ids, principals=owners),
        )
        return self._opening

    async def _commands(self, opening: Open) -> AsyncIterator[FeedCommand]:
        yield opening
        while True:
            await self._more.wait()
            if self._opening is not opening:
                return  # a session that is over must not take the commands of the next
            self._more.clear()
            while self._out:
                batch = self._out.popleft()
                ids, owners = _split(batch.names)
                if not batch.sequence:
                    yield Unsubscribe(intent_ids=ids, principals=owners)
                    continue
                if batch.refresh:
                    self._refresh[batch.sequence] = tuple(batch.names)
                yield Subscribe(sequence=batch.sequence, intent_ids=ids, principals=owners)

    def _take(self, message: FeedMessage) -> None:
        if message.reset:
            self._missed(None)
        self._deliver(message)
        self.cursor = message.cursor
        if message.reset or message.subscribed == 0:
            self._ack(self._covered, message.cursor)
        elif message.subscribed is not None:
            self._ack(message.subscribed, message.cursor)
            late = self._refresh.pop(message.subscribed, None)
            if late:
                self._missed(late)

    def _ack(self, sequence: int, cursor: str) -> None:
        self._acked = max(self._acked, sequence)
        for waiter in self._waiters:
            if waiter.sequence <= self._acked and not waiter.done.done():
                waiter.acked(cursor)
                waiter.done.set_result(None)

    def _enqueue(self, name: Name, *, refresh: bool = False) -> int:
        last = self._out[-1] if self._out else None
        if last is None or not last.sequence or len(last.names) >= self._chunk or last.refresh != refresh:
            self._sequence += 1
            last = _Batch(self._sequence, {}, refresh)
            self._out.append(last)
        last.names[name] = None
        self._more.set()
        return last.sequence


def _split(names: Iterable[Name]) -> tuple[tuple[str, ...], tuple[str, ...]]:
    ids = tuple(name.text for name in names if name.kind == "intent")
    return ids, tuple(name.text for name in names if name.kind == "principal")
