"""How many intents of one user, or naming one token, may be under way at once.

The store counts: what is pending, verified or executing, whoever handed it in. An edge remembers a count for a stated
time and adds what it let through itself since, so that a limit is overshot at most by what other edges let through
within that time.
"""

import asyncio
from collections import OrderedDict
from collections.abc import Collection, Mapping, Sequence
from typing import Final, Protocol

from services.common.clock import Clock
from services.common.domain.intent import PlainIntent, Submission
from services.common.domain.lifecycle import Status
from services.common.domain.outcomes import IntentPage, ListQuery
from services.common.errors import IntentError, Reason

OPEN: Final = (Status.PENDING, Status.VERIFIED, Status.EXECUTING)
"""In the order of life: one that moves while it is counted is met again, never missed."""

PAGE: Final = 50
MAX_KEYS: Final = 10_000
"""Users and tokens remembered; beyond them the one asked for longest ago is forgotten."""

COUNTING: Final = 8
"""Users and tokens counted at once."""

Key = tuple[str, str]


class Lister(Protocol):
    """As `common.ports.IntentReader`, the part that is needed."""

    async def list(self, query: ListQuery) -> IntentPage:
        """Newest first."""
        ...


class _Held:
    """`stored` as counted at `at`; `created` is what this edge had stored since it began to count, `asked` what it is
    having stored now."""

    __slots__ = ("asked", "at", "counting", "created", "stored")

    def __init__(self) -> None:
        self.stored = 0
        self.created = 0
        self.asked = 0
        self.at: float | None = None
        self.counting: asyncio.Task[None] | None = None

    @property
    def total(self) -> int:
        return self.stored + self.created + self.asked


class Places:
    """What was taken, and the refusals in the place of what was not. `stored` are those that were stored, or may be."""

    def __init__(self) -> None:
        self.taken: dict[int, list[_Held]] = {}
        self.refused: dict[int, IntentError] = {}
        self.stored: set[int] = set()

    def close(self) -> None:
        """What was not stored gives its place back. Once."""
        for index, places in self.taken.items():
            for held in places:
                held.asked -= 1
                held.created += index in self.stored
        self.taken.clear()


class InFlight:
    """A limit of 0 is none; `trust` in seconds. Raises what the store raises."""

    def __init__(
        self, store: Lister, clock: Clock, *, per_user: int = 0, per_token: int = 0, trust: float = 1.0
    ) -> None:
        self._store = store
        self._clock = clock
        self._limits = {"user": per_user, "token": per_token}
        self._trust = trust
        self._held: OrderedDict[Key, _Held] = OrderedDict()
        self._gate = asyncio.Semaphore(COUNTING)

    async def take(self, submissions: Mapping[int, Submission]) -> "Places":
        """A place for each in order, as far as there are any. Whoever asks closes them."""
        places = Places()
        if not (submissions and any(self._limits.values())):
            return places
        keys = {index: self._keys(submission.intent) for index, submission in submissions.items()}
        await self._count({key for found in keys.values() for key in found})
        for index, found in keys.items():
            full = next((key for key in found if self._of(key).total >= self._limits[key[0]]), None)
            if full is not None:
                places.refused[index] = self._refusal(full)
                continue
            places.taken[index] = held = [self._of(key) for key in found]
            for one in held:
                one.asked += 1
        return places

    def _keys(self, intent: PlainIntent | None) -> Sequence[Key]:
        if intent is None:
            return ()
        wanted = [("user", intent.user_account)] if self._limits["user"] else []
        if self._limits["token"]:
            wanted += [("token", token) for token in dict.fromkeys((intent.input_token, intent.output_token))]
        return wanted

    def _of(self, key: Key) -> _Held:
        held = self._held.get(key)
        if held is None:
            held = self._held[key] = _Held()
        return held

    async def _count(self, keys: Collection[Key]) -> None:
        for key in keys:
            self._of(key)
            self._held.move_to_end(key)
        self._forget()
        await asyncio.gather(*map(self._fresh, keys))

    async def _fresh(self, key: Key) -> None:
        held, now = self._of(key), self._clock.monotonic()
        while held.at is None or (held.at < now and held.at + self._trust <= now):
            mine = held.counting is None
            if held.counting is None:
                held.counting = asyncio.create_task(self._recount(key, held))
                held.counting.add_done_callback(_seen)
            try:
                await asyncio.shield(held.counting)
            except IntentError:
                # another's may have failed by its caller's deadline only
                if mine:
                    raise

    async def _recount(self, key: Key, held: _Held) -> None:
        try:
            async with self._gate:
                at, before = self._clock.monotonic(), held.created
                stored = await self._stored(key)
            held.stored, held.at = stored, at
            held.created -= before
        finally:
            held.counting = None

    async def _stored(self, key: Key) -> int:
        """As many as there are, or the limit where there are more."""
        kind, name = key
        most = self._limits[kind]
        found: set[str] = set()
        for status in OPEN:
            token = ""
            while True:
                page = await self._store.list(
                    ListQuery(
                        user_id=name if kind == "user" else "",
                        token=name if kind == "token" else "",
                        status=status,
                        page_size=min(most, PAGE),
                        page_token=token,
                    )
                )
                found.update(record.intent_id for record in page.records)
                token = page.next_page_token
                if len(found) >= most:
                    return most
                if not token:
                    break
        return len(found)

    def _forget(self) -> None:
        for key in list(self._held)[: max(0, len(self._held) - MAX_KEYS)]:
            held = self._held[key]
            if held.asked == 0 and held.counting is None:
                del self._held[key]

    def _refusal(self, key: Key) -> IntentError:
        kind, name = key
        limit = self._limits[kind]
        whose = "of this user" if kind == "user" else f"that name {name}"
        return IntentError(
            Reason.IN_FLIGHT_LIMIT,
            f"There are {limit} intents {whose} under way already; try again when one of them has ended.",
            metadata={"limit": str(limit), "of": kind},
            retry_after=max(self._trust, 1.0),
        )


def _seen(task: asyncio.Task[None]) -> None:
    """Whoever waited may have gone: what became of it is told to nobody then."""
    if not task.cancelled():
        task.exception()
