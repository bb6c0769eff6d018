"""Concurrent callers of the same call share one batch; a lone caller waits for nobody."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from typing import Any, Final, TypeVar

from services.common.domain.feed import FeedCommand, FeedMessage
from services.common.domain.intent import (
    IntentRecord,
    Nep413Payload,
    NewIntent,
    Submission,
    TonConnectPayload,
)
from services.common.domain.outcomes import (
    Accepted,
    CachedStatus,
    EventPage,
    IntentKey,
    IntentPage,
    ListQuery,
    Rules,
    StatusAnswer,
    StatusQuery,
    Transition,
    Verdict,
    WriteOutcome,
)
from services.common.domain.statistics import Statistics, StatisticsQuery
from services.common.errors import IntentError
from services.common.rpc.coalesce import Coalescer
from services.edge.ports import CachePort, NotifierPort, Ports, StorePort, ValidatorPort

VALIDATE_BATCH: Final = 256
STORE_BATCH: Final = 256
CACHE_BATCH: Final = 1_000
IN_FLIGHT: Final = 2
BATCH_BYTES: Final = 3 << 20
"""What submissions in one batch weigh at most: below what a validator, a store and this side's channel take."""

_FRAME: Final = 512
"""Bytes for what has no length of its own: numbers, times, names of fields."""

Item = TypeVar("Item")
Result = TypeVar("Result")


def weight(submission: Submission) -> int:
    """Bytes that a submission takes on the wire, at most."""
    intent, signed = submission.intent, submission.signed_data
    texts, data = [submission.request_id], 0
    if intent is not None:
        texts += (
            intent.id, intent.user_account, intent.action, intent.input_token, intent.input_amount,
            intent.output_token, intent.min_output_amount or "",
        )  # fmt: skip
    if signed is not None:
        texts += (signed.standard, signed.text, signed.public_key, signed.signature)
        match signed.payload:
            case Nep413Payload(nonce=nonce, recipient=recipient, callback_url=url):
                texts += (recipient, url or "")
                data = len(nonce)
            case TonConnectPayload(address=address, domain=domain):
                texts += (address, domain)
        if signed.webauthn is not None:
            texts.append(signed.webauthn.client_data_json)
            data = len(signed.webauthn.authenticator_data)
    return _FRAME + data + sum(len(text) if text.isascii() else 4 * len(text) for text in texts)


async def _each(coalescer: Coalescer[Item, Result], items: Sequence[Item]) -> list[Result | IntentError]:
    """An outcome per item. What is not an IntentError is raised."""
    if len(items) == 1:
        try:
            return [await coalescer(items[0])]
        except IntentError as error:
            return [error]
    return await coalescer.many(items)


def _all(outcomes: Sequence[Result | IntentError]) -> list[Result]:
    """The results; raises the first error: these calls fail as a whole."""
    found = []
    for outcome in outcomes:
        if isinstance(outcome, IntentError):
            raise outcome
        found.append(outcome)
    return found


class CoalescedValidator:
    """Satisfies `edge.ports.ValidatorPort`."""

    def __init__(self, inner: ValidatorPort) -> None:
        self._inner = inner
        self.validating: Coalescer[Submission, Verdict] = Coalescer(
            inner.validate,
            name="edge.validate",
            max_batch=VALIDATE_BATCH,
            max_in_flight=IN_FLIGHT,
            weigh=weight,
            max_weight=BATCH_BYTES,
        )

    async def validate(
        self, submissions: Sequence[Submission], *, full: bool = False, explain: bool = False
    ) -> Sequence[Verdict]:
        if full or explain:
            return await self._inner.validate(submissions, full=full, explain=explain)
        outcomes: list[Verdict | IntentError] = await _each(self.validating, submissions)
        return _all(outcomes)

    async def rules(self) -> Rules:
        return await self._inner.rules()


class CoalescedStore:
    """Satisfies `edge.ports.StorePort`; creating and reading are shared, the rest passes through."""

    def __init__(self, inner: StorePort) -> None:
        self._inner = inner
        self.creating: Coalescer[NewIntent, Accepted] = Coalescer(
            inner.create,
            name="edge.create",
            max_batch=STORE_BATCH,
            max_in_flight=IN_FLIGHT,
            weigh=lambda new: weight(new.submission),
            max_weight=BATCH_BYTES,
        )

    async def create(self, intents: Sequence[NewIntent]) -> Sequence[Accepted | IntentError]:
        return await _each(self.creating, intents)

    async def get(self, keys: Sequence[IntentKey]) -> Sequence[IntentRecord | None]:
        return await self._inner.get(keys)

    async def list(self, query: ListQuery) -> IntentPage:
        return await self._inner.list(query)

    async def statistics(self, query: StatisticsQuery) -> Statistics:
        return await self._inner.statistics(query)

    async def transition(self, moves: Sequence[Transition]) -> Sequence[WriteOutcome]:
        return await self._inner.transition(moves)

    async def list_events(self, cursor: str = "", *, limit: int = 500, tail: bool = False) -> EventPage:
        return await self._inner.list_events(cursor, limit=limit, tail=tail)


class CoalescedCache:
    """Satisfies `edge.ports.CachePort`."""

    def __init__(self, inner: CachePort) -> None:
        self._inner = inner
        self.getting: Coalescer[StatusQuery, StatusAnswer | None] = Coalescer(
            inner.get_statuses, name="edge.get_statuses", max_batch=CACHE_BATCH, max_in_flight=IN_FLIGHT
        )
        self.putting: Coalescer[CachedStatus, None] = Coalescer(
            self._put, name="edge.put_statuses", max_batch=CACHE_BATCH
        )

    async def get_statuses(
        self, queries: Sequence[StatusQuery]
    ) -> Sequence[StatusAnswer | IntentError | None]:
        return await _each(self.getting, queries)

    async def put_statuses(self, statuses: Sequence[CachedStatus]) -> None:
        outcomes: list[IntentError | None] = await _each(self.putting, statuses)
        _all(outcomes)

    async def _put(self, statuses: Sequence[CachedStatus]) -> Sequence[None]:
        await self._inner.put_statuses(statuses)
        return [None] * len(statuses)


class CoalescedNotifier:
    """Satisfies `edge.ports.NotifierPort`."""

    def __init__(self, inner: NotifierPort) -> None:
        self._inner = inner
        self.waking: Coalescer[str, None] = Coalescer(self._wake, name="edge.wake", max_batch=CACHE_BATCH)

    def feed(self, commands: AsyncIterator[FeedCommand]) -> AsyncIterator[FeedMessage]:
        return self._inner.feed(commands)

    async def wake(self, intent_ids: Sequence[str]) -> None:
        outcomes: list[IntentError | None] = await _each(self.waking, intent_ids)
        _all(outcomes)

    async def _wake(self, intent_ids: Sequence[str]) -> Sequence[None]:
        await self._inner.wake(intent_ids)
        return [None] * len(intent_ids)


class Coalesced:
    """All ports, coalesced; `aclose` ends what waits."""

    def __init__(self, inner: Ports) -> None:
        validator, store = CoalescedValidator(inner.validator), CoalescedStore(inner.store)
        cache, notifier = CoalescedCache(inner.cache), CoalescedNotifier(inner.notifier)
        self.ports = Ports(validator=validator, store=store, cache=cache, notifier=notifier)
        self._coalescers: list[Coalescer[Any, Any]] = [
            validator.validating, store.creating, cache.getting, cache.putting, notifier.waking,
        ]  # fmt: skip

    async def aclose(self) -> None:
        """Stop; whoever still waits gets DRAINING."""
        await asyncio.gather(*(coalescer.aclose() for coalescer in self._coalescers))
