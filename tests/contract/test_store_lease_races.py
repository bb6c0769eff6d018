"""What the holder of many leases is told of them while it moves one: on MongoDB, where they go as one bulk write."""

from collections.abc import Callable, Coroutine
from typing import Any

import pytest

from services.common.domain.lifecycle import Status
from services.common.domain.outcomes import LeaseRef
from services.store.adapters.mongo_update import BULK
from tests.unit.store.support import Bench, created, fence_of, move, moved, opened, record

OWN = Callable[[], Coroutine[Any, Any, Any]]


@pytest.fixture
async def bench(each_mongo: str) -> Any:
    async with opened(each_mongo) as made:
        yield made


class Between:
    """The collection of intents; `then` happens once, after a bulk write and before it is read back."""

    def __init__(self, inner: Any, then: OWN) -> None:
        self._inner = inner
        self._then: OWN | None = then

    def __getattr__(self, name: str) -> Any:
        return getattr(self._inner, name)

    async def bulk_write(self, *args: Any, **options: Any) -> Any:
        result = await self._inner.bulk_write(*args, **options)
        then, self._then = self._then, None
        if then is not None:
            await then()
        return result


async def leased(bench: Bench) -> list[Any]:
    for number in range(BULK):
        await created(bench.store, f"i-{number}")
    return list(await bench.store.claim("p-1", limit=BULK, lease_ms=30_000))


def interrupt(bench: Bench, then: OWN) -> None:
    updates = bench.store._storage._program._updates
    updates._intents = Between(updates._intents, then)


async def test_p13_leases_renewed_while_their_holder_moves_one_are_all_held(
    bench: Bench, each_mongo: str
) -> None:
    held = await leased(bench)
    async with opened(each_mongo) as replica:

        async def own_move() -> None:
            await moved(replica.store, move(held[0], Status.VERIFIED, fence=fence_of(held[0])))

        interrupt(bench, own_move)
        bench.clock.advance(seconds=20)
        refs = [LeaseRef(intent_id=one.intent_id, fence=fence_of(one)) for one in held]
        assert await bench.store.renew(refs, lease_ms=30_000) == [True] * BULK
        # and so they are: nobody else gets one while they last
        bench.clock.advance(seconds=20)
        assert await bench.store.claim("p-2", limit=BULK, lease_ms=30_000) == []
        assert (await record(bench.store, held[0].intent_id)).version == 2


async def test_p13_a_lease_that_another_claimed_meanwhile_is_not_renewed(
    bench: Bench, each_mongo: str
) -> None:
    held = await leased(bench)
    async with opened(each_mongo, bench.clock) as replica:
        bench.clock.advance(seconds=31)
        (other,) = await replica.store.claim("p-2", limit=1, lease_ms=30_000)
        refs = [LeaseRef(intent_id=one.intent_id, fence=fence_of(one)) for one in held]
        answers = await bench.store.renew(refs, lease_ms=30_000)
        assert answers == [one.intent_id != other.intent_id for one in held]


async def test_p13_leases_given_back_while_their_holder_still_moves_one_are_all_given_back(
    bench: Bench, each_mongo: str
) -> None:
    held = await leased(bench)
    async with opened(each_mongo) as replica:

        async def own_move() -> None:
            await moved(replica.store, move(held[0], Status.VERIFIED, fence=fence_of(held[0])))

        interrupt(bench, own_move)
        refs = [LeaseRef(intent_id=one.intent_id, fence=fence_of(one)) for one in held]
        assert await bench.store.release(refs) == [True] * BULK
        assert len(await bench.store.claim("p-2", limit=BULK, lease_ms=30_000)) == BULK
