"""What is left of a deadline, and who may loosen it."""

import asyncio

from services.common.rpc import deadline
from services.common.rpc.deadline import deadline_scope, remaining


def test_an_inner_scope_never_loosens_an_outer_one() -> None:
    assert remaining() is None
    with deadline_scope(10):
        with deadline_scope(60):
            loose = remaining()
        with deadline_scope(1):
            tight = remaining()
        with deadline_scope(None):
            lifted = remaining()
        restored = remaining()
    assert loose is not None and 9 < loose <= 10
    assert tight is not None and 0 < tight <= 1
    assert lifted is None and remaining() is None
    assert restored is not None and 9 < restored <= 10


def test_what_is_left_is_never_negative() -> None:
    with deadline_scope(-5):
        assert remaining() == 0


async def test_a_task_inherits_and_keeps_its_own() -> None:
    async def serve(seconds: float) -> float | None:
        deadline.begin(seconds)
        await asyncio.sleep(0)
        return remaining()

    with deadline_scope(5):
        one, two = await asyncio.gather(serve(1), serve(3))
        own = remaining()
    assert one is not None and two is not None and own is not None
    assert one <= 1 < two <= 3 < own
