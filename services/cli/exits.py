"""What the exit code says."""

from typing import Final

from intents_client import (
    DeadlineExceeded,
    IntentsError,
    NotFound,
    PermissionDenied,
    RateLimited,
    Unauthenticated,
    Unavailable,
)

OK: Final = 0
REFUSED: Final = 1
USAGE: Final = 2
UNREACHABLE: Final = 3
NOT_FOUND: Final = 4
TRY_LATER: Final = 5
NOT_ALLOWED: Final = 6
INTERRUPTED: Final = 130

MEANING: Final = {
    OK: "done; with --wait: completed",
    REFUSED: "refused or failed by the server, or the intent itself failed or is not valid",
    USAGE: "wrong arguments, or a file that cannot be used",
    UNREACHABLE: "the server cannot be reached, or did not answer in time",
    NOT_FOUND: "no such intent",
    TRY_LATER: "rate limited or overloaded: try later",
    NOT_ALLOWED: "the token is missing, unknown, or not allowed to do this",
    INTERRUPTED: "stopped by Ctrl-C",
}

_OF_ERROR: Final[dict[type[IntentsError], int]] = {
    NotFound: NOT_FOUND,
    Unavailable: UNREACHABLE,
    DeadlineExceeded: UNREACHABLE,
    RateLimited: TRY_LATER,
    Unauthenticated: NOT_ALLOWED,
    PermissionDenied: NOT_ALLOWED,
}


def code_of(error: IntentsError) -> int:
    """The exit code of a failed call."""
    return _OF_ERROR.get(type(error), REFUSED)


class Failure(Exception):
    """Ends the program with `code` and one sentence that says what to do; `details` are further lines."""

    def __init__(
        self, code: int, sentence: str, *, reason: str = "", details: list[dict[str, str]] | None = None
    ) -> None:
        super().__init__(sentence)
        self.code = code
        self.sentence = sentence
        self.reason = reason
        self.details = details or []
