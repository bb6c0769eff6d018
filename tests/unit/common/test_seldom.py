"""An outage that thousands meet at once is said once in a while, and counted each time."""

import logging

import pytest

from services.common.errors import unavailable
from services.common.observe import Observe
from services.common.observe.metrics import new_registry
from services.processor.observe import SAID_EVERY, Vocabulary
from tests.unit.store.support import HandClock


class Monotonic(HandClock):
    """Monotonic time by hand too."""

    at = 0.0

    def monotonic(self) -> float:
        return self.at


def test_thousands_that_wait_for_the_same_are_one_line(caplog: pytest.LogCaptureFixture) -> None:
    clock, registry = Monotonic(), new_registry(process=False)
    seen = Vocabulary(Observe(service="processor", registry=registry), clock)
    caplog.set_level(logging.INFO)
    for _ in range(1_000):
        seen.waits("following", unavailable("chain node"), 1.0)
    seen.waits("writing", unavailable("store"), 1.0)
    clock.at = SAID_EVERY
    seen.waits("following", unavailable("chain node"), 1.0)
    lines = [record for record in caplog.records if record.message == "dependency.away"]
    assert len(lines) == 3
    assert registry.get_sample_value(
        "processor_dependency_waits_total", {"reason": "DEPENDENCY_UNAVAILABLE"}
    ) == pytest.approx(1_002)
