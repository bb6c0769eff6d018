"""Lingering under load, and callers with many items."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence

import pytest

from services.common.errors import IntentError, Reason
from services.common.rpc.coalesce import LOADED, Coalescer
from tests.harness.wait import eventually

CROWD = LOADED + 2


class Peer:
    """Answers each batch with its items times ten."""

    def __init__(self) -> None:
        self.sizes: list[int] = []

    async def send(self, items: Sequence[int]) -> list[int | IntentError]:
        self.sizes.append(len(items))
        return [IntentError(Reason.INVALID_AMOUNT, "odd") if item < 0 else item * 10 for item in items]


async def apart(coalescer: Coalescer[int, int], callers: int) -> list[int]:
    """Callers one after the other, each some turns of the loop behind the last."""
    tasks = []
    for item in range(callers):
        tasks.append(asyncio.create_task(coalescer(item)))
        for _ in range(5):
            await asyncio.sleep(0)
    return await asyncio.gather(*tasks)


async def test_without_load_nobody_waits_for_others() -> None:
    peer = Peer()
    assert await apart(Coalescer(peer.send), 3) == [0, 10, 20]
    assert peer.sizes == [1, 1, 1]


async def test_under_load_callers_wait_for_more_to_come() -> None:
    peer = Peer()
    coalescer = Coalescer(peer.send)
    await asyncio.gather(*(coalescer(item) for item in range(CROWD)))
    assert await apart(coalescer, 3) == [0, 10, 20]
    assert peer.sizes == [CROWD, 3]


async def test_a_wait_ends_when_as_many_have_come_as_before(monkeypatch: pytest.MonkeyPatch) -> None:
    peer = Peer()
    coalescer = Coalescer(peer.send)
    await asyncio.gather(*(coalescer(item) for item in range(CROWD)))
    waits = 0

    async def counted(seconds: float, sleep: Callable[[float], Awaitable[None]] = asyncio.sleep) -> None:
        nonlocal waits
        waits += seconds > 0
        await sleep(seconds)

    monkeypatch.setattr("services.common.rpc.coalesce.asyncio.sleep", counted)
    await asyncio.gather(*(coalescer(item) for item in range(CROWD)))
    assert (peer.sizes, waits) == ([CROWD, CROWD], 0)


async def test_a_linger_that_nobody_came_in_is_the_last() -> None:
    peer = Peer()
    coalescer = Coalescer(peer.send)
    await asyncio.gather(*(coalescer(item) for item in range(CROWD)))
    await coalescer(1)
    assert await apart(coalescer, 3) == [0, 10, 20]
    assert peer.sizes == [CROWD, 1, 1, 1, 1]


async def test_one_caller_with_many_items_is_no_load() -> None:
    peer = Peer()
    coalescer = Coalescer(peer.send, max_batch=8)
    assert await coalescer.many(range(CROWD * 2)) == [item * 10 for item in range(CROWD * 2)]
    assert await apart(coalescer, 2) == [0, 10]
    assert peer.sizes[-2:] == [1, 1]


async def test_each_item_of_many_has_its_own_outcome() -> None:
    coalescer = Coalescer(Peer().send)
    first, second = await coalescer.many([1, -1])
    assert first == 10
    assert isinstance(second, IntentError)
    assert second.reason is Reason.INVALID_AMOUNT
    assert await coalescer.many([]) == []


async def test_more_than_can_wait_is_refused_whole() -> None:
    peer = Peer()
    coalescer = Coalescer(peer.send, max_waiting=3)
    with pytest.raises(IntentError) as refused:
        await coalescer.many(range(4))
    assert refused.value.reason is Reason.OVERLOADED
    assert await coalescer.many(range(3)) == [0, 10, 20]
    assert peer.sizes == [3]


async def test_many_items_whose_caller_went_away_are_not_sent() -> None:
    peer = Peer()
    coalescer = Coalescer(peer.send)
    await asyncio.gather(*(coalescer(item) for item in range(CROWD)))
    gone = asyncio.create_task(coalescer.many([1, 2]))
    await asyncio.sleep(0)
    gone.cancel()
    await eventually(gone.done)
    assert await coalescer(3) == 30
    assert peer.sizes == [CROWD, 1]
