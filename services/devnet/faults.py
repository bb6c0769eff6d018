"""Faults a test asks the node for, by `devnet_faults`. They live in memory: a restart forgets them."""

from typing import Final

COUNTS: Final = (
    "solver_fail_next", "solver_panic_next", "solver_low_next",
    "drop_next", "timeout_send_next", "refuse_next", "delay_next",
)  # fmt: skip
"""Each says how many times yet; the first three count calls of the Solver, the others RPC requests."""
VALUES: Final = ("delay_ms", "lag_blocks", "stall")
"""`delay_ms` is how long `delay_next` answers wait, `lag_blocks` how far reads stay behind, `stall` 1 stops blocks."""


class Faults:
    """All zero: a healthy node."""

    def __init__(self) -> None:
        self._left = dict.fromkeys(COUNTS + VALUES, 0)

    def take(self, name: str) -> bool:
        """Whether this one is to fail; uses one up."""
        if self._left[name] <= 0:
            return False
        self._left[name] -= 1
        return True

    def value(self, name: str) -> int:
        return self._left[name]

    def set(self, wanted: dict[str, int]) -> None:
        """Change what is named. Raises ValueError on a name not known or a value out of range."""
        for name, value in wanted.items():
            if name not in self._left:
                raise ValueError(f"{name}: one of {', '.join(self._left)}")
            if type(value) not in (int, bool) or not 0 <= value <= 1_000_000:
                raise ValueError(f"{name}: a whole number from 0 to 1000000")
        self._left.update({name: int(value) for name, value in wanted.items()})

    def shown(self) -> dict[str, int]:
        return dict(self._left)
