"""Waiting on conditions with a deadline, in place of sleeps that hope."""

import asyncio
import inspect
import time
from collections.abc import Awaitable, Callable
from typing import Final, TypeVar

FIRST_PAUSE: Final = 0.005
LONGEST_PAUSE: Final = 0.1

T = TypeVar("T")


async def eventually(probe: Callable[[], T | Awaitable[T]], timeout: float = 10.0) -> T:
    """The first true value of `probe` (plain or async), asked again and again for `timeout` seconds.

    An AssertionError or OSError inside the probe counts as "not yet"; the last one is the cause of the failure.
    """
    deadline, pause, last, cause = time.monotonic() + timeout, FIRST_PAUSE, None, None
    while True:
        try:
            answer = probe()
            last = await answer if inspect.isawaitable(answer) else answer
            if last:
                return last
            cause = None
        except (AssertionError, OSError) as error:
            cause = error
        if time.monotonic() > deadline:
            raise AssertionError(f"not within {timeout} s; last seen: {cause or last!r}") from cause
        await asyncio.sleep(pause)
        pause = min(pause * 1.5, LONGEST_PAUSE)


def wait_until(probe: Callable[[], T], timeout: float = 10.0) -> T:
    """`eventually` for code outside an event loop."""
    deadline, pause, last, cause = time.monotonic() + timeout, FIRST_PAUSE, None, None
    while True:
        try:
            last = probe()
            if last:
                return last
            cause = None
        except (AssertionError, OSError) as error:
            cause = error
        if time.monotonic() > deadline:
            raise AssertionError(f"not within {timeout} s; last seen: {cause or last!r}") from cause
        time.sleep(pause)
        pause = min(pause * 1.5, LONGEST_PAUSE)
