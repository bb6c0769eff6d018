"""Which faults come when: drawn from a seed before anything starts, so that a run can be had again."""

import random
from dataclasses import asdict, dataclass
from typing import Any, Final

VICTIMS: Final = (
    "edge", "validator", "cache", "store", "notifier", "processor", "devnet", "redis", "mongodb",
)  # fmt: skip
LONGEST: Final = 5.0
"""Seconds one fault holds at most."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Fault:
    """`at` and `lasts` in seconds; `what` is a process for kill and pause, settings of `devnet_faults` for chain."""

    at: float
    kind: str
    lasts: float
    victim: str = ""
    chain: tuple[tuple[str, int], ...] = ()

    def plain(self) -> dict[str, Any]:
        told = asdict(self)
        return told | {"chain": dict(self.chain)}

    def __str__(self) -> str:
        what = self.victim or ", ".join(f"{name}={value}" for name, value in self.chain)
        return f"{self.at:6.1f} s  {self.kind} {what} for {self.lasts:.1f} s"


def draw(seed: int, seconds: float) -> list[Fault]:
    """Faults over `seconds`, in order of time: one every three seconds, sometimes while another still holds."""
    chance = random.Random(seed)
    found: list[Fault] = []
    at = 2.0
    while at < seconds:
        lasts = round(chance.uniform(0.2, LONGEST), 2)
        kind = chance.choices(("kill", "pause", "chain"), (5, 3, 4))[0]
        if kind == "chain":
            found.append(Fault(at=round(at, 2), kind=kind, lasts=lasts, chain=_chain(chance)))
        else:
            found.append(Fault(at=round(at, 2), kind=kind, lasts=lasts, victim=chance.choice(VICTIMS)))
        at += chance.uniform(1.0, 5.0)
    return found


def _chain(chance: random.Random) -> tuple[tuple[str, int], ...]:
    match chance.choice(("drop", "refuse", "timeout", "delay", "lag", "stall", "fail", "panic", "low")):
        case "drop":
            return (("drop_next", chance.randint(1, 20)),)
        case "refuse":
            return (("refuse_next", chance.randint(1, 20)),)
        case "timeout":
            return (("timeout_send_next", chance.randint(1, 5)),)
        case "delay":
            return (("delay_ms", chance.randint(50, 3_000)), ("delay_next", chance.randint(1, 10)))
        case "lag":
            return (("lag_blocks", chance.randint(1, 50)),)
        case "stall":
            return (("stall", 1),)
        case "fail":
            return (("solver_fail_next", chance.randint(1, 4)),)
        case "panic":
            return (("solver_panic_next", chance.randint(1, 4)),)
        case _:
            return (("solver_low_next", chance.randint(1, 4)),)
