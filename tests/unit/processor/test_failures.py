"""Errors on an intent's way: each logged with id and reason, each in the record, people told of what is critical."""

import asyncio
import logging
from collections.abc import AsyncIterator, Sequence
from pathlib import Path
from typing import Any

import pytest

from services.common.domain.intent import SignedTransaction, Submission
from services.common.domain.lifecycle import Status
from services.common.domain.outcomes import Verdict
from services.common.errors import IntentError, Reason, Violation
from services.processor.config import WorkSettings
from services.processor.convert import report_to_proto
from services.processor.failures import Answer
from services.processor.webhook import open_webhook
from tests.harness.receiver import receiving
from tests.harness.wait import eventually
from tests.unit.processor.support import Stage, stage


@pytest.fixture
async def play(tmp_path: Path) -> AsyncIterator[Stage]:
    async with stage(tmp_path) as made:
        yield made


def logged(caplog: pytest.LogCaptureFixture, event: str) -> tuple[int, dict[str, Any]]:
    (found,) = [one for one in caplog.records if one.getMessage() == event]
    return found.levelno, found.__dict__["fields"]


def broken_once(play: Stage, error: Exception) -> None:
    real, left = play.chain.prepare, [error]

    def prepare(*args: Any, **kwargs: Any) -> SignedTransaction:
        if left:
            raise left.pop()
        return real(*args, **kwargs)

    play.chain.prepare = prepare  # type: ignore[method-assign]


async def test_a_verification_refused_is_logged_recorded_and_told_whole(
    play: Stage, caplog: pytest.LogCaptureFixture
) -> None:
    (intent_id,) = await play.accept()
    play.chain.refusals = ["the key does not belong to the user"]
    async with play.assembled() as made:
        (record,) = await play.ended(intent_id)
        answer = made.failures.answer(record)
    level, fields = logged(caplog, "Intent verification failed")
    assert level == logging.ERROR
    assert (fields["intentId"], fields["reason"]) == (intent_id, "VERIFICATION_FAILED")
    assert record.status is Status.FAILED and record.error_details is not None
    assert "the key does not belong to the user" in record.error_details.message == fields["error"]
    assert answer is not None and answer.error == "Intent verification failed"
    assert answer.details == f"VERIFICATION_FAILED: {record.error_details.message}"


async def test_a_validation_refused_is_logged_recorded_and_told_whole(
    play: Stage, caplog: pytest.LogCaptureFixture
) -> None:
    (intent_id,) = await play.accept()
    why = Violation(field="input_token", reason=Reason.TOKEN_NOT_ALLOWED, message="it is denied by now")

    class Refusing:
        async def validate(self, asked: Sequence[Submission], **_: Any) -> Sequence[Verdict]:
            return [Verdict(valid=False, failed_stage="tokens", violations=(why,))] * len(asked)

    play.validator = Refusing()  # type: ignore[assignment]
    async with play.assembled() as made:
        (record,) = await play.ended(intent_id)
        answer = made.failures.answer(record)
    _, fields = logged(caplog, "Intent validation failed")
    assert (fields["intentId"], fields["reason"]) == (intent_id, "TOKEN_NOT_ALLOWED")
    assert record.error_details is not None and record.error_details.reason == "TOKEN_NOT_ALLOWED"
    assert answer == Answer(
        error="Intent validation failed", details="TOKEN_NOT_ALLOWED: it is denied by now"
    )


async def test_an_execution_that_failed_is_logged_recorded_and_told_whole(
    play: Stage, caplog: pytest.LogCaptureFixture
) -> None:
    (intent_id,) = await play.accept()
    play.chain.solver_fails = 3
    async with play.assembled() as made:
        (record,) = await play.ended(intent_id)
        answer = made.failures.answer(record)
    _, fields = logged(caplog, "Intent execution failed")
    assert (fields["intentId"], fields["reason"]) == (intent_id, "SOLVER_FAILED")
    assert record.error_details is not None and record.error_details.reason == "SOLVER_FAILED"
    assert answer is not None and answer.error == "Intent execution failed"


@pytest.mark.parametrize("development", [False, True])
async def test_what_nobody_foresaw_reaches_people_and_its_details_the_log_alone_unless_in_development(
    play: Stage, caplog: pytest.LogCaptureFixture, development: bool
) -> None:
    (intent_id,) = await play.accept()
    broken_once(play, RuntimeError("boom of the inside"))
    async with (
        receiving() as receiver,
        open_webhook(WorkSettings(alert_webhook_url=receiver.url)) as webhook,
        play.assembled(webhook=webhook, development=development) as made,
    ):
        await eventually(lambda: receiver.got)
        record = await play.record(intent_id)
        answer = made.failures.answer(record)
        (report,) = await made.operator.look([intent_id])
        told = report_to_proto(report)
        await play.resting(intent_id)
        play.clock.advance(seconds=60)
        (ended,) = await play.ended(intent_id)
        assert made.failures.answer(ended) is None
    assert record.status is Status.PENDING, "it is not failed by it"
    level, fields = logged(caplog, "Unexpected error processing intent")
    assert level == logging.CRITICAL and fields["intentId"] == intent_id
    assert "boom of the inside" in caplog.text
    (got,) = receiver.got
    assert (got["reason"], got["intentId"]) == ("UNEXPECTED", intent_id)
    assert got["message"].startswith("Unexpected error processing intent: RuntimeError")
    assert "boom" not in str(got), "an error's own text may hold anything"
    details = "RuntimeError: boom of the inside" if development else None
    assert answer == Answer(error="Unexpected error processing intent", details=details)
    assert (told.error, told.details) == ("Unexpected error processing intent", details or "")


async def test_a_receiver_that_hangs_holds_up_no_intent(play: Stage) -> None:
    first, second = await play.accept(2)
    broken_once(play, RuntimeError("boom"))
    async with (
        receiving() as receiver,
        open_webhook(WorkSettings(alert_webhook_url=receiver.url, alert_timeout_ms=60_000)) as webhook,
    ):
        receiver.hold = asyncio.Event()
        async with play.assembled(webhook=webhook):
            await eventually(lambda: receiver.begun)
            for one in (first, second):
                await eventually(lambda one=one: _free(play, one))
            play.clock.advance(seconds=60)
            records = await play.ended(first, second)
        assert receiver.got == []
    assert {record.status for record in records} == {Status.COMPLETED}


async def _free(play: Stage, intent_id: str) -> bool:
    record = await play.record(intent_id)
    return record.terminal or record.lease is None


async def test_a_dependency_that_is_away_is_no_alarm(play: Stage, caplog: pytest.LogCaptureFixture) -> None:
    async with play.assembled() as made:
        made.failures.notify_if_critical("i-1", IntentError(Reason.DEPENDENCY_UNAVAILABLE, "away"))
        made.failures.notify_if_critical("i-2", IntentError(Reason.CORRUPT_RECORD, "broken"))
    _, fields = logged(caplog, "critical")
    assert (fields["reason"], fields["intentId"]) == ("CORRUPT_RECORD", "i-2")
