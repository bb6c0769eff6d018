"""Critical notices: to a real receiver over HTTP, once each, never in the way, never with a secret in a log."""

import asyncio
import contextlib
import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from services.common.config import SettingError
from services.common.observe import Observe
from services.common.observe.metrics import new_registry
from services.processor.alerts import ATTEMPTS, MAX_QUEUE, MAX_REMEMBERED, Alerts, NotDelivered
from services.processor.config import WorkSettings
from services.processor.webhook import header_of, open_webhook, url_of
from tests.harness.receiver import Receiver, receiving
from tests.harness.wait import eventually
from tests.unit.processor.support import FastClock

HEADER = "Authorization: Bearer s3cr3t-token"


class OwnedClock(FastClock):
    """Monotonic time by hand too."""

    def monotonic(self) -> float:
        return self.now_ns() / 10**9


class Play:
    """Alerts with a webhook that is open."""

    def __init__(self, alerts: Alerts, clock: OwnedClock, observe: Observe) -> None:
        self.alerts = alerts
        self.clock = clock
        self._observe = observe

    def counted(self, outcome: str) -> float:
        name = "processor_alerts_total"
        return self._observe.registry.get_sample_value(name, {"outcome": outcome}) or 0.0


@asynccontextmanager
async def playing(url: str | None, *, deliver: bool = True, **settings: Any) -> AsyncIterator[Play]:
    clock = OwnedClock()
    observe = Observe(service="processor", registry=new_registry(process=False))
    given = WorkSettings(alert_webhook_url=url, alert_webhook_header=HEADER, **settings)
    async with open_webhook(given) as webhook:
        alerts = Alerts(
            clock, observe, webhook=webhook, instance="p-0",
            repeat=given.alert_repeat_ms / 1000, per_minute=given.alert_per_minute,
        )  # fmt: skip
        task = asyncio.create_task(alerts.run()) if deliver else None
        try:
            yield Play(alerts, clock, observe)
        finally:
            if task is not None:
                task.cancel()
                with contextlib.suppress(asyncio.CancelledError):
                    await task


@pytest.fixture
async def receiver() -> AsyncIterator[Receiver]:
    async with receiving() as made:
        yield made


async def test_a_notice_reaches_the_receiver_with_what_a_person_needs(
    receiver: Receiver, caplog: pytest.LogCaptureFixture
) -> None:
    async with playing(receiver.url) as play:
        play.alerts.tell("STUCK", "i-1", "it waits for a person", '{"hash":"abc"}')
        await eventually(lambda: receiver.got)
        await eventually(lambda: play.counted("delivered") == 1)
    (got,), (headers,) = receiver.got, receiver.headers
    assert (got["source"], got["instance"], got["severity"]) == ("intents.processor", "p-0", "critical")
    assert (got["reason"], got["intentId"], got["message"]) == ("STUCK", "i-1", "it waits for a person")
    assert (got["evidence"], got["suppressed"]) == ('{"hash":"abc"}', 0)
    assert got["at"].endswith("+00:00")
    assert (headers["Authorization"], headers["Content-Type"]) == ("Bearer s3cr3t-token", "application/json")
    (logged,) = [one for one in caplog.records if one.getMessage() == "critical"]
    assert logged.levelno == logging.ERROR
    assert logged.__dict__["fields"]["intentId"] == "i-1" and logged.__dict__["fields"]["reason"] == "STUCK"


async def test_the_same_notice_is_given_once_until_its_time_is_over(receiver: Receiver) -> None:
    async with playing(receiver.url, alert_repeat_ms=60_000) as play:
        for _ in range(5):
            play.alerts.tell("STUCK", "i-1", "again")
        play.alerts.tell("STUCK", "i-2", "another intent")
        play.alerts.tell("UNEXPECTED", "i-1", "another reason")
        await eventually(lambda: len(receiver.got) == 3)
        play.clock.advance(seconds=61)
        play.alerts.tell("STUCK", "i-1", "still")
        await eventually(lambda: len(receiver.got) == 4)
    assert [(one["reason"], one["intentId"]) for one in receiver.got] == [
        ("STUCK", "i-1"), ("STUCK", "i-2"), ("UNEXPECTED", "i-1"), ("STUCK", "i-1"),
    ]  # fmt: skip
    assert play.counted("repeated") == 4


async def test_no_more_than_so_many_a_minute_and_the_next_says_how_many_were_not_given(
    receiver: Receiver,
) -> None:
    async with playing(receiver.url, alert_per_minute=3) as play:
        for number in range(10):
            play.alerts.tell("STUCK", f"i-{number}", "x")
        await eventually(lambda: play.counted("delivered") == 3)
        assert play.counted("rate_limited") == 7
        play.clock.advance(seconds=61)
        # what was not given is not taken for given
        play.alerts.tell("STUCK", "i-9", "x")
        await eventually(lambda: len(receiver.got) == 4)
    assert [one["intentId"] for one in receiver.got] == ["i-0", "i-1", "i-2", "i-9"]
    assert sum(one["suppressed"] for one in receiver.got) == 7


async def test_a_receiver_that_hangs_delays_nobody_and_the_queue_has_an_end(receiver: Receiver) -> None:
    receiver.hold = asyncio.Event()
    async with playing(receiver.url, alert_per_minute=10_000, alert_timeout_ms=60_000) as play:
        for number in range(MAX_QUEUE + 50):
            play.alerts.tell("STUCK", f"i-{number}", "x")
        assert play.counted("queue_full") == 50
        await eventually(lambda: receiver.begun == 1)
        assert receiver.got == []


async def test_a_receiver_without_an_answer_is_left_after_its_time(receiver: Receiver) -> None:
    receiver.hold = asyncio.Event()
    async with playing(receiver.url, alert_timeout_ms=20) as play:
        play.alerts.tell("STUCK", "i-1", "x")
        await eventually(lambda: play.counted("failed") == 1)
        assert receiver.begun == ATTEMPTS


async def test_trouble_of_the_receivers_is_tried_again_a_refusal_is_not(receiver: Receiver) -> None:
    async with playing(receiver.url) as play:
        receiver.statuses = [503, 429]
        play.alerts.tell("STUCK", "i-1", "x")
        await eventually(lambda: play.counted("delivered") == 1)
        assert len(receiver.got) == 3
        receiver.statuses = [403]
        play.alerts.tell("STUCK", "i-2", "x")
        await eventually(lambda: play.counted("failed") == 1)
        assert len(receiver.got) == 4
        # it reached nobody, so it is not a repetition
        play.alerts.tell("STUCK", "i-2", "x")
        await eventually(lambda: play.counted("delivered") == 2)


async def test_a_redirect_is_not_followed(receiver: Receiver) -> None:
    async with playing(receiver.url) as play:
        receiver.statuses = [307]
        play.alerts.tell("STUCK", "i-1", "x")
        await eventually(lambda: play.counted("failed") == 1)
    assert receiver.elsewhere == 0


async def test_neither_url_nor_header_is_ever_logged(
    receiver: Receiver, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    gone = "http://127.0.0.1:1/hook/s3cr3t-path"
    for url in (gone, receiver.url):
        receiver.statuses = [500] * ATTEMPTS
        async with playing(url) as play:
            play.alerts.tell("STUCK", "i-1", "x")
            await eventually(lambda play=play: play.counted("failed") == 1)
    told = "".join(
        f"{one.getMessage()} {one.__dict__}" for one in caplog.records if one.name.startswith("services")
    )
    assert "alert.not_delivered" in told
    assert "s3cr3t" not in told
    shown = repr(WorkSettings(alert_webhook_url=gone, alert_webhook_header=HEADER))
    assert "s3cr3t" not in shown


async def test_without_a_webhook_it_is_logged_and_counted(caplog: pytest.LogCaptureFixture) -> None:
    async with playing(None) as play:
        play.alerts.tell("STUCK", "i-1", "x")
        assert play.counted("logged") == 1
    assert "critical" in [one.getMessage() for one in caplog.records]


async def test_what_is_remembered_has_an_end() -> None:
    async with playing(None, alert_per_minute=10_000) as play:
        for number in range(MAX_REMEMBERED + 10):
            play.alerts.tell("STUCK", f"i-{number}", "x")
        play.alerts.tell("STUCK", f"i-{MAX_REMEMBERED}", "x")
        assert play.counted("repeated") == 1
        play.alerts.tell("STUCK", "i-0", "x")
        assert play.counted("repeated") == 1


def test_url_and_header_come_from_files_and_bad_ones_are_one_line(tmp_path: Path) -> None:
    file = tmp_path / "secret"
    file.write_text("https://example.org/hook/s3cr3t\n")
    assert url_of(WorkSettings(alert_webhook_url_file=file)) == "https://example.org/hook/s3cr3t"
    file.write_text("X-Token: s3cr3t\n")
    assert header_of(WorkSettings(alert_webhook_header_file=file)) == {"X-Token": "s3cr3t"}
    bad: list[dict[str, Any]] = [
        {"alert_webhook_url": "ftp://s3cr3t/"},
        {"alert_webhook_url": "file:///s3cr3t"},
        {"alert_webhook_url": "https:///s3cr3t"},
        {"alert_webhook_url": "http://[s3cr3t"},
        {"alert_webhook_url": "http://host/ s3cr3t"},
        {"alert_webhook_url": "http://host/s3cr3t", "alert_webhook_url_file": file},
        {"alert_webhook_url_file": tmp_path / "none"},
        {"alert_webhook_header": "s3cr3t"},
        {"alert_webhook_header": "Host: s3cr3t"},
        {"alert_webhook_header": "X: a\r\nY: s3cr3t"},
    ]
    for one in bad:
        with pytest.raises(SettingError) as refused:
            url_of(WorkSettings(**one))
            header_of(WorkSettings(**one))
        assert "s3cr3t" not in str(refused.value) and "\n" not in str(refused.value), one


async def test_what_is_not_delivered_names_no_url() -> None:
    async with open_webhook(WorkSettings(alert_webhook_url="http://127.0.0.1:1/s3cr3t")) as webhook:
        assert webhook is not None
        with pytest.raises(NotDelivered) as failed:
            await webhook.post(b"{}")
    assert "s3cr3t" not in str(failed.value) and failed.value.again
