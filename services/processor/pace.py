"""How long to wait before asking again."""

from typing import Final

FIRST: Final = 0.1
LONGEST: Final = 2.0


class Pace:
    """Seconds that double from `first` to `longest`."""

    __slots__ = ("_longest", "peek")

    def __init__(self, first: float = FIRST, longest: float = LONGEST) -> None:
        self._longest = longest
        self.peek = first
        """The wait that `next` will give."""

    def next(self) -> float:
        """The wait due now."""
        due = self.peek
        self.peek = min(due * 2, self._longest)
        return due
