"""Many intents at once: refused early above a bound; what nobody waits for any more is not checked."""

import asyncio
import threading
from dataclasses import replace
from typing import Any

import pytest

from services.common.errors import IntentError, Reason
from services.validator.model import Case, RuleBook
from services.validator.prepare import prepare
from services.validator.service import Validator
from services.validator.signatures import INLINE, check_all
from services.validator.standards.keys import Typed
from tests.harness.signing import to_domain
from tests.harness.wait import eventually
from tests.unit.validator.support import ALICE, SOON, FakeViews, StoppedClock


class SlowViews(FakeViews):
    """Answers when it is told to."""

    def __init__(self) -> None:
        super().__init__()
        self.go = asyncio.Event()

    async def views(self, asked: Any) -> Any:
        await self.go.wait()
        return await super().views(asked)


async def test_p11_above_the_bound_a_call_is_refused_and_those_before_it_are_judged() -> None:
    views = SlowViews()
    validator = Validator(RuleBook(), views, StoppedClock(), most_at_once=3)
    one = to_domain(ALICE.sign_plain(ALICE.fields(), deadline=SOON))
    first = asyncio.create_task(validator.validate([one, one]))
    await asyncio.sleep(0)
    with pytest.raises(IntentError) as refused:
        await asyncio.wait_for(validator.validate([one, one]), 5)
    assert refused.value.reason is Reason.OVERLOADED and refused.value.retry_after
    second = asyncio.create_task(validator.validate([one]))
    views.go.set()
    assert [verdict.valid for verdict in [*await first, *await second]] == [True] * 3
    assert [verdict.valid for verdict in await validator.validate([one, one])] == [True, True]


async def test_p11_a_call_larger_than_the_bound_is_judged_where_nothing_else_is() -> None:
    validator = Validator(RuleBook(), FakeViews(), StoppedClock(), most_at_once=1)
    one = to_domain(ALICE.sign_plain(ALICE.fields(), deadline=SOON))
    assert len(await validator.validate([one, one])) == 2


async def test_p11_a_call_that_went_away_leaves_its_room() -> None:
    views = SlowViews()
    validator = Validator(RuleBook(), views, StoppedClock(), most_at_once=1)
    one = to_domain(ALICE.sign_plain(ALICE.fields(), deadline=SOON))
    gone = asyncio.create_task(validator.validate([one]))
    await asyncio.sleep(0)
    gone.cancel()
    await eventually(gone.done)
    views.go.set()
    assert (await validator.validate([one]))[0].valid


async def test_p11_signatures_nobody_waits_for_are_not_checked() -> None:
    asked, go = threading.Semaphore(0), threading.Event()
    counted = []

    def prove(signed_bytes: bytes, key: Typed | None, signature: Typed) -> Typed | None:
        counted.append(1)
        asked.release()
        go.wait(30)
        return key

    submission = to_domain(ALICE.sign_plain(ALICE.fields(), deadline=SOON))
    assert submission.intent is not None
    cases = [
        Case(intent=submission.intent, signed=submission.signed_data, book=RuleBook(), now_ns=0, stored=False)
        for _ in range(INLINE * 16)
    ]
    for case in cases:
        prepare(case)
        assert case.standard is not None
        case.standard = replace(case.standard, prove=prove)
    checking = asyncio.create_task(check_all(cases))
    await asyncio.to_thread(asked.acquire)
    checking.cancel()
    await eventually(checking.done)
    go.set()
    await asyncio.get_running_loop().shutdown_default_executor()
    # each thread ends the one it was at
    assert 1 <= len(counted) <= 16
