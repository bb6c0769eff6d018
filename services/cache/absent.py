"""What a level said it does not know, remembered for a moment."""

from collections import OrderedDict
from collections.abc import Iterable
from typing import Final

MAX_ABSENT: Final = 10_000


class Absent:
    """Ids, each for `seconds`; of more than `most` the oldest are forgotten."""

    def __init__(self, seconds: float, most: int = MAX_ABSENT) -> None:
        self._seconds = seconds
        self._most = most
        self._until: OrderedDict[str, float] = OrderedDict()

    def add(self, intent_id: str, now: float) -> None:
        """`now` is monotonic."""
        if self._seconds <= 0:
            return
        self._until[intent_id] = now + self._seconds
        self._until.move_to_end(intent_id)
        if len(self._until) > self._most:
            self._until.popitem(last=False)

    def has(self, intent_id: str, now: float) -> bool:
        return now < self._until.get(intent_id, now)

    def discard(self, intent_ids: Iterable[str]) -> None:
        """They are known now."""
        for intent_id in intent_ids:
            self._until.pop(intent_id, None)

    def clear(self) -> None:
        self._until.clear()
