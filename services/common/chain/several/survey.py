"""Comparing endpoints: which chain each is of, which final block it names, and whose word counts."""

import asyncio
from collections.abc import Sequence
from itertools import combinations
from typing import Final

from services.common.chain.port import Block
from services.common.chain.several.endpoints import STRIKES, Endpoint, Standing, Voice
from services.common.errors import IntentError, Reason

LOOK: Final = 2.0
"""Seconds an endpoint has to name its final block."""

Pairs = set[frozenset[Endpoint]]


async def survey(endpoints: Sequence[Endpoint], network: str, behind: int, voice: Voice) -> str:
    """Looks at every endpoint and sets how it stands; the network as known afterwards, "" if nobody answered.

    `network` is the chain id wanted, "" to take that of the first listed that answers. `behind` is the number of
    blocks that an endpoint's final block may be below the highest.
    """
    asked = [endpoint for endpoint in endpoints if endpoint.standing is not Standing.FOREIGN]
    ids = await asyncio.gather(*(_network(endpoint) for endpoint in asked))
    network = network or next((found for found in ids if found), "")
    same = []
    for endpoint, found in zip(asked, ids, strict=True):
        if found and found != network:
            voice.stands(endpoint, Standing.FOREIGN, f"its chain is {found[:64]!r}, not {network!r}")
        elif found:
            endpoint.verified = True
            same.append(endpoint)
        else:
            voice.stands(endpoint, Standing.AWAY, "it does not name its chain")
    finals = await asyncio.gather(*(_final(endpoint) for endpoint in same))
    seen = []
    for endpoint, block in zip(same, finals, strict=True):
        endpoint.final = block
        if block is None:
            voice.stands(endpoint, Standing.AWAY, "it names no final block")
        else:
            seen.append(endpoint)
    _stand(seen, await _agreeing(seen), behind, voice)
    return network


def _stand(seen: Sequence[Endpoint], agree: Pairs, behind: int, voice: Voice) -> None:
    believed = majority(seen, agree)
    top = max((_height(endpoint) for endpoint in believed), default=0)
    for endpoint in seen:
        # a final block is no answer to what was asked: one more failure, and who was away is away again
        endpoint.strikes = min(endpoint.strikes, STRIKES - 1)
        lag = top - _height(endpoint)
        if endpoint not in believed:
            shown = f"its final block {_height(endpoint)} is not of the chain that {_names(believed)} know"
            voice.stands(endpoint, Standing.APART, shown)
        elif lag > behind:
            voice.stands(endpoint, Standing.BEHIND, f"its final block is {lag} below that of others")
        else:
            voice.stands(endpoint, Standing.USABLE, "its final block is the others' too")


def majority(seen: Sequence[Endpoint], agree: Pairs) -> list[Endpoint]:
    """The most that agree with one of them; of as many the group that the first listed is in."""
    groups = [[other for other in seen if other is one or frozenset((one, other)) in agree] for one in seen]
    return max(groups, key=len, default=[])  # the first of the largest


async def _agreeing(seen: Sequence[Endpoint]) -> Pairs:
    pairs = list(combinations(seen, 2))
    answers = await asyncio.gather(*(extends(one, other) for one, other in pairs))
    return {frozenset(pair) for pair, agreed in zip(pairs, answers, strict=True) if agreed}


async def extends(one: Endpoint, other: Endpoint) -> bool:
    """Whether the higher of two final blocks has the lower one in its past, as the node says that names it.

    That is the evidence without which a higher block counts for nothing: who follows another chain, or none, does
    not have the block that the other calls final.
    """
    low, high = sorted((one, other), key=_height)
    if low.final is None or high.final is None:
        return False
    if low.final.height == high.final.height:
        return low.final.hash == high.final.hash
    try:
        async with asyncio.timeout(LOOK):
            found = await high.chain.block(low.final.height)
    except (IntentError, TimeoutError):
        return False
    return found is not None and found.hash == low.final.hash


async def _network(endpoint: Endpoint) -> str:
    try:
        async with asyncio.timeout(LOOK):
            return await endpoint.chain.network()
    except (IntentError, TimeoutError):
        return ""


async def _final(endpoint: Endpoint) -> Block | None:
    try:
        async with asyncio.timeout(LOOK):
            return await endpoint.chain.block()
    except (IntentError, TimeoutError):
        return None


def _height(endpoint: Endpoint) -> int:
    return 0 if endpoint.final is None else endpoint.final.height


def _names(endpoints: Sequence[Endpoint]) -> str:
    return ", ".join(endpoint.name for endpoint in endpoints)


def nobody() -> IntentError:
    """No endpoint can be asked."""
    return IntentError(
        Reason.DEPENDENCY_UNAVAILABLE,
        "No chain node that is of the configured chain answers; try again.",
        metadata={"dependency": "chain"},
        retry_after=1.0,
    )
