"""The same words of many at once: said once in a while, with how often they would have been."""

from typing import Final

from services.common.clock import Clock

MOST_KINDS: Final = 1_000


class Seldom:
    """By kind, at most once in `every` seconds."""

    def __init__(self, clock: Clock, every: float) -> None:
        self._clock = clock
        self._every = every
        self._said: dict[str, tuple[float, int]] = {}

    def due(self, kind: str) -> int | None:
        """How many of this kind were left out since the last, where it is time to say so again; else None."""
        now = self._clock.monotonic()
        at, left_out = self._said.get(kind, (float("-inf"), 0))
        if now - at < self._every:
            self._said[kind] = (at, left_out + 1)
            return None
        if len(self._said) >= MOST_KINDS:
            self._said.clear()
        self._said[kind] = (now, 0)
        return left_out
