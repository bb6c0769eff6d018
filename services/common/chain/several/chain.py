"""Chain over several endpoints. The rules and their reasons: docs/adr/0015-several-endpoints.md."""

import asyncio
import logging
from collections import OrderedDict
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import replace
from typing import Any, Final, TypeVar

from services.common.chain.port import (
    AccessKey,
    Balance,
    Block,
    Broadcast,
    BroadcastResult,
    Chain,
    ChainIntent,
    Followed,
    FunctionCall,
    Signer,
    TxOutcome,
    TxState,
)
from services.common.chain.several import second
from services.common.chain.several.endpoints import Endpoint, Standing, Voice
from services.common.chain.several.survey import nobody, survey
from services.common.clock import Clock
from services.common.domain.intent import SignedTransaction
from services.common.domain.views import ChainView, ViewAnswer
from services.common.errors import IntentError, Reason, unavailable
from services.common.observe import Observe, logs

logger: Final = logging.getLogger(__name__)

HEDGE: Final = 1.0
"""Seconds after which the next endpoint is asked too."""
RESURVEY: Final = 1.0
"""Seconds before all are compared anew because none was usable."""
SURVEY: Final = 5.0
"""Seconds between two comparisons of all endpoints."""
BEHIND: Final = 20
"""Blocks that an endpoint's final block may be below the highest: some 12 to 25 seconds."""
_AWAY: Final = frozenset({Reason.DEPENDENCY_UNAVAILABLE, Reason.DEADLINE_EXCEEDED})
_ORDER: Final = (Standing.USABLE, Standing.BEHIND, Standing.AWAY)
_WEIGHT: Final = (
    BroadcastResult.ACCEPTED,
    BroadcastResult.NONCE_TAKEN,
    BroadcastResult.EXPIRED,
    BroadcastResult.UNKNOWN,
    BroadcastResult.LOW_BALANCE,
    BroadcastResult.REFUSED,
)
"""Of different answers to the same bytes the first of these is given: what leaves more open comes before a no."""
_REMEMBERED: Final = 4096

T = TypeVar("T")


class _Partial(IntentError):
    """An answer to a batch in which some items failed for the node's own reasons."""

    def __init__(self, answers: Sequence[Any]) -> None:
        super().__init__(Reason.DEPENDENCY_UNAVAILABLE, "some of a batch")
        self.answers = answers


class SeveralChain:
    """`endpoints` are names and chains in the order of trust; `network` the chain id wanted, "" for that of the first
    that answers. `running` keeps them under survey."""

    def __init__(
        self,
        endpoints: Sequence[tuple[str, Chain]],
        *,
        clock: Clock,
        network: str = "",
        observe: Observe | None = None,
        behind: int = BEHIND,
        hedge: float = HEDGE,
    ) -> None:
        self.endpoints = [Endpoint(name, chain) for name, chain in endpoints]
        self._voice = Voice(observe)
        self._clock = clock
        self._wanted = network
        self._network = ""
        self._behind = behind
        self._hedge = hedge
        self._survey: asyncio.Task[None] | None = None
        self._surveyed = float("-inf")
        self._signs: Chain | None = None
        self._sent: OrderedDict[bytes, None] = OrderedDict()

    @asynccontextmanager
    async def running(self) -> AsyncIterator["SeveralChain"]:
        """Compares the endpoints now and then until left."""

        async def forever() -> None:
            while True:
                await self._clock.sleep(SURVEY)
                try:
                    await self.survey()
                except Exception as error:
                    # whatever a node did to it, the next comparison is due all the same
                    logs.event(logger, logging.ERROR, "chain.survey_failed", exc_info=error)

        task = asyncio.create_task(forever(), name="chain-survey")
        try:
            yield self
        finally:
            ending = [one for one in (task, self._survey) if one is not None]
            for one in ending:
                one.cancel()
            for one in ending:
                with suppress(asyncio.CancelledError):
                    await one

    async def survey(self) -> None:
        """Looks at every endpoint; who calls while one is under way waits for it."""
        if self._survey is None or self._survey.done():
            self._survey = asyncio.create_task(self._look())
        await asyncio.shield(self._survey)

    async def _look(self) -> None:
        wanted = self._network or self._wanted
        self._network = await survey(self.endpoints, wanted, self._behind, self._voice)
        self._surveyed = self._clock.monotonic()
        if self._signs is None:
            self._signs = next((one.chain for one in self.endpoints if one.final is not None), None)

    # --- the port ---

    async def network(self) -> str:
        await self._order()
        return self._network

    async def block(self, at: int | str | None = None) -> Block | None:
        _, found = await self._ask(lambda chain: chain.block(at))
        return found

    async def views(self, asked: Sequence[ChainView]) -> Sequence[ViewAnswer | IntentError]:
        _, answers = await self._batch(lambda chain: chain.views(asked))
        return answers

    async def intents(self, intent_ids: Sequence[str]) -> Sequence[ChainIntent | IntentError]:
        endpoint, answers = await self._batch(lambda chain: chain.intents(intent_ids))
        return await second.looked_at(endpoint, intent_ids, answers, self._others(endpoint), self._voice)

    async def changes(self, after: int, limit: int, *, but_of: frozenset[str] = frozenset()) -> Followed:
        """One endpoint's; where it lacks blocks the next is asked, and only if all lack some that is the answer."""

        async def whole(chain: Chain) -> Followed:
            found = await chain.changes(after, limit, but_of=but_of)
            if found.missing:
                lacking.append(found)
                raise unavailable("chain node")
            return found

        lacking: list[Followed] = []
        try:
            # many questions at once: slower than a moment is not slow
            _, found = await self._ask(whole, patient=True)
        except IntentError:
            if not lacking:
                raise
            return lacking[0]
        return found

    async def access_key(self, account_id: str, public_key: str) -> AccessKey:
        async def ask(chain: Chain) -> AccessKey | IntentError:
            try:
                return await chain.access_key(account_id, public_key)
            except IntentError as error:
                if error.reason is not Reason.PERMISSION_DENIED:
                    raise
                return error

        endpoint, first = await self._ask(ask)
        others = self._others(endpoint)
        more = await asyncio.gather(*(ask(other.chain) for other in others), return_exceptions=True)
        found = [one for one in (first, *more) if isinstance(one, AccessKey)]
        sure = not self._left(others, more)
        if not found:
            # gone only where all say so: without a block it proves nothing
            assert isinstance(first, IntentError)
            raise first if sure else replace(first, metadata={})
        # a nonce counts as used where all say so: the lowest
        return replace(min(found, key=lambda key: key.nonce), sure=sure)

    async def balance(self, account_id: str) -> Balance:
        _, found = await self._ask(lambda chain: chain.balance(account_id))
        return found

    async def gas_price(self) -> int:
        _, found = await self._ask(lambda chain: chain.gas_price())
        return found

    def prepare(
        self,
        call: FunctionCall,
        signer: Signer,
        *,
        nonce: int,
        anchor: AccessKey,
        purpose: str,
        solver_id: str = "",
    ) -> SignedTransaction:
        if self._signs is None:
            raise RuntimeError("network() is asked once before anything is signed")
        return self._signs.prepare(
            call, signer, nonce=nonce, anchor=anchor, purpose=purpose, solver_id=solver_id
        )

    async def broadcast(self, signed_bytes: bytes) -> Broadcast:
        try:
            order = await self._order()
        except IntentError as error:
            return Broadcast(result=BroadcastResult.UNKNOWN, detail=error.message)
        reachable = [one for one in order if one.standing is not Standing.AWAY] or order
        if signed_bytes in self._sent:
            # sent before, and somebody still misses them: this time to all
            answers = await asyncio.gather(*(self._send(one, signed_bytes) for one in reachable))
            return min(answers, key=lambda answer: _WEIGHT.index(answer.result))
        self._remember(signed_bytes)
        answers = []
        for endpoint in reachable:
            answers.append(await self._send(endpoint, signed_bytes))
            if answers[-1].result is BroadcastResult.ACCEPTED:
                break
        return min(answers, key=lambda answer: _WEIGHT.index(answer.result))

    async def outcome(self, tx_hash: str, sender_id: str, *, wait_final: bool = False) -> TxOutcome:
        async def ask(chain: Chain) -> TxOutcome:
            return await chain.outcome(tx_hash, sender_id, wait_final=wait_final)

        endpoint, found = await self._ask(ask, patient=wait_final)
        if found.state in second.ENDED:
            return await second.confirmed(endpoint, found, self._others(endpoint), ask, tx_hash, self._voice)
        if found.state is TxState.PENDING and not wait_final:
            return found
        # unknown to one is not unknown to all; and what one alone holds without an end may be nowhere else
        others = self._others(endpoint)
        answers = await asyncio.gather(
            *(other.chain.outcome(tx_hash, sender_id) for other in others), return_exceptions=True
        )
        self._left(others, answers)
        for other, answer in zip(others, answers, strict=True):
            if isinstance(answer, TxOutcome) and answer.state in second.ENDED:
                return await second.confirmed(other, answer, self._others(other), ask, tx_hash, self._voice)
        return second.together(found, answers)

    # --- asking ---

    async def _order(self) -> list[Endpoint]:
        """Who is asked, first to last. Raises IntentError if there is nobody."""
        usable = any(one.standing is Standing.USABLE for one in self.endpoints)
        if self._signs is None or (not usable and self._clock.monotonic() - self._surveyed > RESURVEY):
            await self.survey()
        order = [one for rank in _ORDER for one in self.endpoints if one.standing is rank and one.verified]
        if self._signs is None or not order:
            raise nobody()
        return order

    def _others(self, endpoint: Endpoint) -> list[Endpoint]:
        return [one for one in self.endpoints if one is not endpoint and one.standing is Standing.USABLE]

    def _left(self, others: Sequence[Endpoint], answers: Sequence[object]) -> int:
        """How many of those asked beside did not answer; who does so again and again is away, and holds up no proof."""
        silent = 0
        for other, answer in zip(others, answers, strict=True):
            if isinstance(answer, IntentError) and answer.reason in _AWAY:
                self._voice.left(other, answer)
                silent += 1
            elif isinstance(answer, BaseException) and not isinstance(answer, IntentError):
                raise answer
        return silent

    async def _ask(
        self, ask: Callable[[Chain], Awaitable[T]], *, patient: bool = False
    ) -> tuple[Endpoint, T]:
        """The first answer, and whose it is. The next is asked where one fails, and beside it where it takes longer
        than a moment, unless `patient`. Raises the last failure, or at once what is the chain's own answer."""
        waiting = await self._order()
        asked: dict[asyncio.Task[T], Endpoint] = {}
        last: IntentError = nobody()
        try:
            while waiting or asked:
                if waiting:
                    endpoint = waiting.pop(0)
                    asked[asyncio.create_task(_coroutine(ask(endpoint.chain)))] = endpoint
                patience = self._hedge if waiting and not patient else None
                done, _ = await asyncio.wait(asked, timeout=patience, return_when=asyncio.FIRST_COMPLETED)
                for task in done:
                    endpoint = asked.pop(task)
                    try:
                        answer = task.result()
                    except IntentError as error:
                        if error.reason not in _AWAY or error.metadata.get("again") == "no":
                            self._voice.answered(endpoint)
                            raise
                        self._voice.left(endpoint, error)
                        last = error
                    else:
                        self._voice.answered(endpoint)
                        for slow in asked.values():
                            self._voice.left(slow, None)
                        return endpoint, answer
            raise last
        finally:
            for task in asked:
                task.cancel()
            await asyncio.gather(*asked, return_exceptions=True)

    async def _batch(self, ask: Callable[[Chain], Awaitable[Sequence[T]]]) -> tuple[Endpoint, Sequence[T]]:
        """One endpoint's answers to all items, so that they belong together: the next is asked for all of them where
        one failed at some."""
        best: list[tuple[int, Endpoint, Sequence[T]]] = []

        async def whole(endpoint: Endpoint) -> Sequence[T]:
            answers = await ask(endpoint.chain)
            failed = sum(_trouble(answer) for answer in answers)
            if failed:
                best.append((failed, endpoint, answers))
                raise _Partial(answers)
            return answers

        by_chain = {id(one.chain): one for one in self.endpoints}
        try:
            return await self._ask(lambda chain: whole(by_chain[id(chain)]))
        except IntentError:
            if not best:
                raise
            _, endpoint, answers = min(best, key=lambda one: one[0])
            return endpoint, answers

    async def _send(self, endpoint: Endpoint, signed_bytes: bytes) -> Broadcast:
        answer = await endpoint.chain.broadcast(signed_bytes)
        if answer.result is BroadcastResult.UNKNOWN:
            self._voice.left(endpoint, unavailable("chain node"))
        else:
            self._voice.answered(endpoint)
        return answer

    def _remember(self, signed_bytes: bytes) -> None:
        self._sent[signed_bytes] = None
        while len(self._sent) > _REMEMBERED:
            self._sent.popitem(last=False)


def _trouble(answer: object) -> bool:
    """Whether an item failed for a reason of the node's own."""
    return isinstance(answer, IntentError) and answer.metadata.get("again") != "no"


async def _coroutine(work: Awaitable[T]) -> T:
    return await work
