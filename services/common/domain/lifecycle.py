"""Where an intent can be, and where it can go from there. Tests and docs read this table."""

from enum import StrEnum
from typing import Final


class Status(StrEnum):
    """The seed's five words, in the order of life."""

    PENDING = "pending"
    VERIFIED = "verified"
    EXECUTING = "executing"
    COMPLETED = "completed"
    FAILED = "failed"


NEXT: Final[dict[Status, frozenset[Status]]] = {
    Status.PENDING: frozenset({Status.VERIFIED, Status.FAILED}),
    Status.VERIFIED: frozenset({Status.EXECUTING, Status.FAILED}),
    Status.EXECUTING: frozenset({Status.COMPLETED, Status.FAILED}),
    Status.COMPLETED: frozenset(),
    Status.FAILED: frozenset(),
}

TERMINAL: Final = frozenset(status for status, after in NEXT.items() if not after)


def legal(before: Status, after: Status) -> bool:
    """True if `before` -> `after` is a move of the lifecycle."""
    return after in NEXT[before]
