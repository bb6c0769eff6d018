"""When what is killed: drawn from a seed before anything starts."""

import random
from dataclasses import dataclass
from typing import Final

AGAIN: Final = 0.15
"""Share of the kills that are followed by one more while the victim is still starting."""
LONGEST_START: Final = 1.5
"""Seconds into its start at which that one comes at the latest."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Kill:
    """Seconds: the victim works for `work` after it has answered, is killed, stays away for `down`, is started;
    where `again` is set it is killed once more so long after that start, and started at once."""

    work: float
    down: float
    again: float | None = None


def draw(seed: int, *, kills: int, seconds: float) -> list[Kill]:
    """`kills` of them in all, those during a start included; the work between them takes `seconds` together."""
    chance = random.Random(seed)
    drawn: list[tuple[float, float, float | None]] = []
    left = kills
    while left > 0:
        twice = left > 1 and chance.random() < AGAIN
        drawn.append(
            (
                chance.uniform(0.1, 1.0),
                chance.choice((0.0, 0.0, 0.0, chance.uniform(0.0, 1.0))),
                chance.uniform(0.0, LONGEST_START) if twice else None,
            )
        )
        left -= 2 if twice else 1
    scale = seconds / sum(work for work, _, _ in drawn)
    return [
        Kill(
            work=round(work * scale, 3),
            down=round(down, 3),
            again=None if again is None else round(again, 3),
        )
        for work, down, again in drawn
    ]
