"""The deadline of the call being served, kept where outgoing calls find it."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

_deadline: ContextVar[float | None] = ContextVar("deadline", default=None)


def remaining() -> float | None:
    """Seconds left, never below 0; None outside any deadline."""
    at = _deadline.get()
    return None if at is None else max(0.0, at - time.monotonic())


@contextmanager
def deadline_scope(seconds: float | None) -> Iterator[None]:
    """Bound outgoing calls of the body to `seconds` from now; never loosens an outer scope. None lifts it."""
    at = None if seconds is None else time.monotonic() + seconds
    outer = _deadline.get()
    if at is not None and outer is not None:
        at = min(at, outer)
    token = _deadline.set(at)
    try:
        yield
    finally:
        _deadline.reset(token)


def begin(seconds: float | None) -> None:
    """Set the deadline for the rest of this context: for a task that serves one call or one batch."""
    _deadline.set(None if seconds is None else time.monotonic() + seconds)
