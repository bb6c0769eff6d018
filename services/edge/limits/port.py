"""The rate limiter's contract; one suite runs against every backend."""

from typing import Protocol


class RateLimiter(Protocol):
    """A sliding log: in any window of the stated length at most `max` attempts of a subject are let through."""

    async def take(self, subject: str, count: int = 1) -> float | None:
        """Counts `count` attempts if all of them fit now and answers None; else counts none and answers the
        seconds until they would fit (the whole window if they never do)."""
        ...

    async def aclose(self) -> None:
        """Let go of connections."""
        ...
