"""A second word: what would end a transaction or an intent is not taken from one endpoint where there are two."""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any, Final

from services.common.chain.port import Chain, ChainIntent, TxOutcome, TxState
from services.common.chain.several.endpoints import Endpoint, Standing, Voice
from services.common.errors import IntentError, unavailable

ENDED: Final = frozenset({TxState.SUCCEEDED, TxState.FAILED})
_RANK: Final[Mapping[str | None, int]] = {
    None: 0, "verified": 1, "executing": 2, "completed": 3, "failed": 3,
}  # fmt: skip
_BODY: Final = (
    "id", "user_account", "action", "input_token", "input_amount", "output_token", "min_output_amount",
    "max_slippage", "deadline", "deadline_ns",
)  # fmt: skip
"""What of a kept intent never changes."""


async def confirmed(
    endpoint: Endpoint,
    found: TxOutcome,
    others: Sequence[Endpoint],
    ask: Callable[[Chain], Awaitable[TxOutcome]],
    tx_hash: str,
    voice: Voice,
) -> TxOutcome:
    """An end that two endpoints tell, where there are two. What ends a transaction for good is worth a second
    question; while nobody else tells the same it is not known."""
    ends, states = [(endpoint, found)], set[TxState]()
    for other in others:
        try:
            answer = await ask(other.chain)
        except IntentError as error:
            voice.left(other, error)
            continue
        states.add(answer.state)
        if answer.state in ENDED:
            told = [one for _, one in ends if _same_end(one, answer)]
            if told:
                return told[0]
            ends.append((other, answer))
    if not states:
        return TxOutcome(state=TxState.PENDING) if _may_answer(others) else found
    if len(ends) > 1:
        voice.disagree("outcome", tx_hash, [one for one, _ in ends], "pending")
        return TxOutcome(state=TxState.PENDING)
    # nobody else has heard of it: no proof of anything, so that the same bytes go out again
    alone = states == {TxState.UNKNOWN}
    return TxOutcome(state=TxState.UNKNOWN if alone else TxState.PENDING)


async def looked_at(
    endpoint: Endpoint,
    intent_ids: Sequence[str],
    answers: Sequence[ChainIntent | IntentError],
    others: Sequence[Endpoint],
    voice: Voice,
) -> Sequence[ChainIntent | IntentError]:
    """What the contract is said to hold of an intent may end it: another endpoint is asked too, and the next where
    both cannot be of one chain. Of two that can the one that claims less is given."""
    settled = list(answers)
    open_ = {
        index: [(endpoint, answer)] for index, answer in enumerate(answers)
        if isinstance(answer, ChainIntent) and answer.status is not None
    }  # fmt: skip
    silent: dict[int, list[Endpoint]] = {}
    for other in others:
        if not open_:
            return settled
        asked = list(open_)
        try:
            seconds = await other.chain.intents([intent_ids[index] for index in asked])
        except IntentError as error:
            seconds = [error] * len(asked)
        failed = next((one for one in seconds if isinstance(one, IntentError)), None)
        if failed is not None:
            voice.left(other, failed)
        for index, second in zip(asked, seconds, strict=True):
            if isinstance(second, IntentError):
                silent.setdefault(index, []).append(other)
                continue
            told = [one for _, one in open_[index] if _of_one_chain(one, second)]
            if told:
                settled[index] = _less(told[0], second)
                del open_[index]
            else:
                open_[index].append((other, second))
    for index, said in open_.items():
        if len(said) == 1 and _may_answer(silent.get(index, ())):
            settled[index] = unavailable("chain node")
        elif len(said) > 1:
            voice.disagree("intent", intent_ids[index], [one for one, _ in said], "an error")
            settled[index] = unavailable("chain node")
    return settled


def together(found: TxOutcome, answers: Sequence[TxOutcome | BaseException]) -> TxOutcome:
    """UNKNOWN where everybody says so, with the least block up to which all do; without that proof where one was
    not to be asked, or where one alone holds what nobody else knows."""
    said = [answer for answer in answers if isinstance(answer, TxOutcome)]
    if any(answer.state is TxState.PENDING for answer in said):
        return TxOutcome(state=TxState.PENDING)
    if found.state is TxState.PENDING:
        return TxOutcome(state=TxState.UNKNOWN) if said else found
    if len(said) < len(answers):
        return replace(found, block_height=0)
    return replace(found, block_height=min([found.block_height, *(one.block_height for one in said)]))


def _may_answer(silent: Sequence[Endpoint]) -> bool:
    """Whether one that did not answer counts as usable still: then the word of the other is not enough yet."""
    return any(endpoint.standing is Standing.USABLE for endpoint in silent)


def _same_end(one: TxOutcome, other: TxOutcome) -> bool:
    """What a chain has made final every node tells alike, to the last unit of gas."""
    return replace(one, block_height=0) == replace(other, block_height=0)


def _of_one_chain(one: ChainIntent, other: ChainIntent) -> bool:
    """Whether both answers can be true, at one block or another."""
    if one.status is None or other.status is None:
        return True
    return {one.status, other.status} != {"completed", "failed"} and _body(one) == _body(other)


def _less(one: ChainIntent, other: ChainIntent) -> ChainIntent:
    return one if _RANK.get(one.status, 3) <= _RANK.get(other.status, 3) else other


def _body(seen: ChainIntent) -> tuple[Any, ...]:
    kept = seen.kept or {}
    return tuple(kept.get(key) for key in _BODY)
