"""A relayer that cannot pay pauses submission, says so, and goes on by itself; no intent fails by it."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from services.common.domain.lifecycle import Status
from services.common.errors import unavailable
from services.common.observe import Observe
from services.common.observe.metrics import new_registry
from tests.harness.wait import eventually
from tests.unit.processor.fake_chain import FakeChain
from tests.unit.processor.support import Stage, stage

ENOUGH = 10**25


@pytest.fixture
async def play(tmp_path: Path) -> AsyncIterator[Stage]:
    async with stage(tmp_path) as made:
        yield made


def watched() -> Observe:
    return Observe(service="processor", registry=new_registry(process=False))


async def test_p04_low_balance_pauses_submission_and_fails_nobody(play: Stage) -> None:
    play.chain.funds = 10
    observe = watched()
    async with play.assembled(observe=observe) as made:
        await eventually(lambda: made.funds.low)
        note = observe.notes["submission"]
        assert note.startswith("paused: relayer.near can spend 10, 100 intents may need ")
        assert observe.registry.get_sample_value("processor_submission_paused") == 1
        assert observe.registry.get_sample_value("processor_alerts_total", {"outcome": "logged"}) == 1
        (intent_id,) = await play.accept()
        await play.resting(intent_id)
        record = await play.record(intent_id)
        assert (record.status, record.transactions, play.chain.sent) == (Status.PENDING, (), [])
        play.chain.funds = ENOUGH
        await eventually(lambda: not made.funds.low)
        play.clock.advance(seconds=20)
        (record,) = await play.ended(intent_id)
    assert record.status is Status.COMPLETED and "submission" not in observe.notes
    assert observe.registry.get_sample_value("processor_submission_paused") == 0


async def test_p04_bytes_nobody_could_pay_for_go_out_again_and_nothing_new_is_signed_meanwhile(
    play: Stage,
) -> None:
    play.chain.poor = 3
    observe = watched()
    (intent_id,) = await play.accept()
    async with play.assembled(observe=observe) as made:
        sample = observe.registry.get_sample_value
        await eventually(lambda: sample("processor_low_balance_total") == 3)
        await eventually(lambda: not made.funds.low)
        play.clock.advance(seconds=20)
        (record,) = await play.ended(intent_id)
    assert record.status is Status.COMPLETED and len(record.transactions) == 2
    assert sample("processor_alerts_total", {"outcome": "logged"}) == 1


async def test_a_balance_that_cannot_be_asked_stops_nothing(play: Stage) -> None:
    class Silent(FakeChain):
        async def gas_price(self) -> int:
            raise unavailable("chain node")

    play.chain = Silent(play.clock.now_ns)
    (intent_id,) = await play.accept()
    async with play.assembled() as made:
        (record,) = await play.ended(intent_id)
        assert record.status is Status.COMPLETED and not made.funds.low


async def test_with_no_bound_only_the_chains_refusal_pauses(play: Stage) -> None:
    play.chain.funds = 0
    (intent_id,) = await play.accept()
    async with play.assembled(funds_intents=0) as made:
        (record,) = await play.ended(intent_id)
        assert record.status is Status.COMPLETED and not made.funds.low
