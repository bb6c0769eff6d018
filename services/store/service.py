"""The store's use cases, in domain terms; satisfies services.common.ports.Store."""

import logging
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from contextlib import aclosing
from datetime import timedelta

from services.common.clock import Clock, now
from services.common.domain.intent import IntentRecord, NewIntent
from services.common.domain.keys import (
    MAX_NONCES,
    MAX_POOL,
    KeyAnswer,
    KeyRef,
    NonceRequest,
    Nonces,
    PoolKey,
)
from services.common.domain.outcomes import (
    Accepted,
    Applied,
    EventPage,
    IntentKey,
    IntentPage,
    LeaseRef,
    ListQuery,
    OverdueCause,
    OverduePage,
    RequestIdentity,
    TransactionRecord,
    Transition,
    WriteOutcome,
)
from services.common.domain.places import Place, PlaceAnswer
from services.common.domain.settling import Act, Audited, Settlement
from services.common.domain.statistics import Statistics, StatisticsQuery
from services.common.errors import IntentError, Reason
from services.common.observe import logs, trace
from services.store import overdue
from services.store.attending import attending, audited, check_settlement
from services.store.claiming import HANDED, Turns, claiming, handing_over, releasing, renewing
from services.store.creating import Draft, creating, draft
from services.store.document import is_stranger, record_of
from services.store.fit import check, odd
from services.store.keys import leasing, releasing_keys, renewing_keys, reserving
from services.store.listing import LOOKED_AT, check_range
from services.store.log import LogReader
from services.store.model import (
    MAX_PAGE,
    PageKey,
    check_batch,
    decode_page_token,
    encode_page_token,
    request_key,
)
from services.store.moving import moving, recording
from services.store.observe import StoreMeters
from services.store.overdue import Overstaying
from services.store.places import keeping
from services.store.ports import Storage
from services.store.rollups.background import Folding
from services.store.rollups.fold import Folder
from services.store.rollups.read import Reader, check_times

logger = logging.getLogger(__name__)

MAX_SOLVERS = 1000
FOLDED_FIRST = 10
"""Steps of folding that statistics wait for, so that they tell of what was just done; further behind they lag."""
MAX_LEASE_MS = 24 * 3600 * 1000


class Store:
    """The one truth. `event_poll` is seconds between looks for what other replicas wrote, `fold_every` between
    rounds of folding events into roll-ups, `overdue_grace` how long a due intent may wait for an owner."""

    def __init__(
        self,
        storage: Storage,
        clock: Clock,
        meters: StoreMeters,
        *,
        event_poll: float = 0.2,
        fold_every: float = 1.0,
        looked_at: int = LOOKED_AT,
        overdue_grace: float = 60.0,
    ) -> None:
        self._storage = storage
        self._clock = clock
        self._meters = meters
        self._looked_at = looked_at
        self._log = LogReader(storage, clock, poll=event_poll)
        self._folder = Folder(storage)
        self._folding = Folding(self._folder, clock, every=fold_every)
        self._rollups = Reader(storage, clock)
        self._turns = Turns()
        self._grace = timedelta(seconds=overdue_grace)
        storage.on_events = self._wake

    def _wake(self) -> None:
        self._log.wake()
        self._folding.wake()

    async def keep_folding(self) -> None:
        """The event log into the roll-ups, until cancelled."""
        await self._folding.run()

    async def events_not_counted(self) -> int:
        """How far the roll-ups lag behind the log."""
        return await self._folder.behind()

    async def close(self) -> None:
        """End every watcher."""
        await self._log.close()

    async def create(self, intents: Sequence[NewIntent]) -> Sequence[Accepted | IntentError]:
        check_batch(len(intents))
        moment = now(self._clock)
        drafts = [draft(new, moment) for new in intents]
        good = [one for one in drafts if isinstance(one, Draft)]
        outcomes: Iterator[Accepted | IntentError] = iter(())
        if good:
            with trace.span("store.create", attributes={"intents": len(good)}):
                created = await self._storage.run(creating(good))
            outcomes = iter(created)
        answers: list[Accepted | IntentError] = [
            next(outcomes) if isinstance(one, Draft) else one for one in drafts
        ]
        self._meters.created(answers)
        return answers

    async def get(self, keys: Sequence[IntentKey]) -> Sequence[IntentRecord | None]:
        check_batch(len(keys))
        check(*keys)
        with trace.span("store.get", attributes={"keys": len(keys)}):
            requests = {key: request_key(key) for key in keys if isinstance(key, RequestIdentity)}
            held = await self._storage.requests(list(requests.values())) if requests else {}
            ids = {key for key in keys if isinstance(key, str)} | {one.intent_id for one in held.values()}
            documents = await self._storage.find(list(ids)) if ids else {}
        answers: list[IntentRecord | None] = []
        for key in keys:
            if isinstance(key, str):
                document = documents.get(key)
                answers.append(None if document is None else record_of(document))
                continue
            reservation = held.get(requests[key])
            document = None if reservation is None else documents.get(reservation.intent_id)
            # a reservation alone, or an intent that is another's, is no answer to this request
            if (
                document is None
                or reservation is None
                or document["contentHash"] != reservation.content_hash
                or document["principal"] != key.principal
            ):
                answers.append(None)
            else:
                answers.append(record_of(document))
        return answers

    async def list(self, query: ListQuery) -> IntentPage:
        check_batch(query.page_size, most=MAX_PAGE)
        check_range(query)
        check(query)
        after = decode_page_token(query)
        with trace.span("store.list"):
            read = await self._storage.page(query, after, query.page_size + 1, self._looked_at)
        records = tuple(record_of(document) for document in read.documents[: query.page_size])
        last = read.ended_at
        if len(read.documents) > query.page_size:
            last = PageKey(records[-1].created_at, records[-1].intent_id)
        return IntentPage(
            records=records, next_page_token="" if last is None else encode_page_token(query, last)
        )

    async def statistics(self, query: StatisticsQuery) -> Statistics:
        check_times(query)
        with trace.span("store.statistics"):
            try:
                await self._folder.catch_up(FOLDED_FIRST)
            except IntentError as error:
                # what was folded before is an answer too
                logs.event(logger, logging.WARNING, "store.fold_waits", reason=str(error.reason))
            counts, totals, periods = await self._rollups.read(query)
            solvers = await self._storage.solvers(MAX_SOLVERS)
        return Statistics(counts=counts, solvers=tuple(solvers), totals=totals, periods=tuple(periods))

    async def transition(self, moves: Sequence[Transition]) -> Sequence[WriteOutcome]:
        check_batch(len(moves))
        with trace.span(
            "store.transition",
            attributes={"moves": len(moves)},
            links=[move.traceparent for move in moves[:16]] if trace.exporting() else (),
        ):
            outcomes = await self._storage.run(moving(moves, now(self._clock)))
        for outcome in outcomes:
            if isinstance(outcome, Applied) and outcome.record.terminal:
                self._meters.ended(outcome.record)
        return outcomes

    async def claim(
        self, owner: str, *, limit: int, lease_ms: int, reclaim: bool = False
    ) -> Sequence[IntentRecord]:
        check_batch(limit)
        _check_owner(owner, "owner")
        with trace.span("store.claim"):
            return await self._storage.run(
                claiming(owner, limit, _lease(lease_ms), reclaim, now(self._clock), self._turns)
            )

    async def renew(self, leases: Sequence[LeaseRef], *, lease_ms: int) -> Sequence[bool]:
        check_batch(len(leases))
        check(*leases)
        with trace.span("store.renew"):
            return await self._storage.run(renewing(leases, now(self._clock) + _lease(lease_ms)))

    async def release(self, leases: Sequence[LeaseRef]) -> Sequence[bool]:
        check_batch(len(leases))
        check(*leases)
        with trace.span("store.release"):
            return await self._storage.run(releasing(leases, now(self._clock)))

    async def hand_over(self, leases: Sequence[LeaseRef], *, to_owner: str, lease_ms: int) -> Sequence[bool]:
        check_batch(len(leases))
        check(*leases)
        _check_owner(to_owner, "to_owner")
        with trace.span("store.hand_over"):
            until = now(self._clock) + _lease(lease_ms)
            return await self._storage.run(handing_over(leases, to_owner, until))

    async def lease_key(
        self, keys: Sequence[PoolKey], *, holder: str, session: str, lease_ms: int, reclaim: bool = False
    ) -> KeyAnswer:
        check_batch(len(keys), most=MAX_POOL)
        check(*keys)
        for key in keys:
            if not all(0 < len(part) <= 256 for part in (key.chain_id, key.account_id, key.public_key)):
                raise IntentError(Reason.INVALID_FIELD, "keys: parts of 1 to 256 characters are expected.")
        _check_owner(holder, "holder")
        _check_owner(session, "session")
        if len(set(keys)) != len(keys):
            raise IntentError(Reason.INVALID_FIELD, "keys: each is named once.")
        moment = now(self._clock)
        with trace.span("store.lease_key"):
            return await self._storage.run(
                leasing(
                    keys,
                    holder=holder,
                    session=session,
                    until=moment + _lease(lease_ms),
                    now=moment,
                    reclaim=reclaim,
                )
            )

    async def renew_keys(self, held: Sequence[KeyRef], *, lease_ms: int) -> Sequence[bool]:
        check_batch(len(held), most=MAX_POOL)
        check(*held)
        with trace.span("store.renew_keys"):
            return await self._storage.run(renewing_keys(held, now(self._clock) + _lease(lease_ms)))

    async def release_keys(self, held: Sequence[KeyRef]) -> Sequence[bool]:
        check_batch(len(held), most=MAX_POOL)
        check(*held)
        with trace.span("store.release_keys"):
            return await self._storage.run(releasing_keys(held))

    async def reserve_nonces(self, asked: Sequence[NonceRequest]) -> Sequence[Nonces | None]:
        check_batch(len(asked), most=MAX_POOL)
        check(*asked)
        for one in asked:
            if not 1 <= one.count <= MAX_NONCES:
                raise IntentError(Reason.INVALID_FIELD, f"count: 1 to {MAX_NONCES} is expected.")
        with trace.span("store.reserve_nonces"):
            return await self._storage.run(reserving(asked))

    async def keep_place(
        self, name: str, *, holder: str, session: str, lease_ms: int, place: Place | None = None
    ) -> PlaceAnswer:
        for field, text in (("name", name), ("holder", holder), ("session", session)):
            _check_owner(text, field)
        if place is not None and not (0 <= place.height < 1 << 63 and 0 < len(place.hash) <= 128):
            raise IntentError(Reason.INVALID_FIELD, "place: a height and a hash of it are expected.")
        check(*([] if place is None else [place]))
        lease = _lease(lease_ms) if lease_ms else timedelta()
        with trace.span("store.keep_place"):
            moment = now(self._clock)
            return await self._storage.run(
                keeping(name, holder=holder, session=session, lease=lease, place=place, now=moment)
            )

    async def overdue(self, *, page_size: int = 50, page_token: str = "") -> OverduePage:
        check_batch(page_size, most=MAX_PAGE)
        with trace.span("store.overdue"):
            return await overdue.page(
                self._storage, now(self._clock), self._grace, size=page_size, token=page_token
            )

    async def overstaying(self) -> Mapping[OverdueCause, Overstaying]:
        """What `overdue` lists, counted."""
        return await overdue.counted(self._storage, now(self._clock), self._grace)

    async def record_transactions(self, records: Sequence[TransactionRecord]) -> Sequence[WriteOutcome]:
        check_batch(len(records))
        with trace.span("store.record_transactions", attributes={"records": len(records)}):
            return await self._storage.run(recording(records))

    async def settle(self, asked: Sequence[Settlement]) -> Sequence[Audited | IntentError]:
        check_batch(len(asked))
        with trace.span("store.settle", attributes={"settlements": len(asked)}):
            return [await self._settle(one) for one in asked]

    async def _settle(self, one: Settlement) -> Audited | IntentError:
        if (error := odd(one) or check_settlement(one)) is not None:
            return error
        outcome = await self._storage.run(attending(one, now(self._clock)))
        if one.act is Act.FAIL and isinstance(outcome, Audited):
            self._meters.ended(outcome.record)
        return outcome

    async def settlements(self, intent_ids: Sequence[str]) -> Sequence[Audited | None]:
        check_batch(len(intent_ids))
        check(*intent_ids)
        documents = await self._storage.find(list(set(intent_ids)))
        found = [documents.get(one) for one in intent_ids]
        return [None if one is None or is_stranger(one) else audited(one) for one in found]

    async def list_events(self, cursor: str = "", *, limit: int = 500, tail: bool = False) -> EventPage:
        return await self._log.page(cursor, limit, tail=tail)

    async def watch_events(self, cursor: str = "", *, tail: bool = False) -> AsyncIterator[EventPage]:
        async with aclosing(self._log.watch(cursor, tail=tail)) as pages:
            async for page in pages:
                yield page


def _check_owner(owner: str, field: str) -> None:
    if not owner or len(owner) > 256:
        raise IntentError(Reason.INVALID_FIELD, f"{field}: 1 to 256 characters are expected.")
    check(owner)
    if owner.startswith(HANDED):
        raise IntentError(Reason.INVALID_FIELD, f"{field}: a name does not begin with {HANDED}")


def _lease(lease_ms: int) -> timedelta:
    if not 1 <= lease_ms <= MAX_LEASE_MS:
        raise IntentError(Reason.INVALID_FIELD, f"lease_ms: 1 to {MAX_LEASE_MS} is expected.")
    return timedelta(milliseconds=lease_ms)
