"""Which faults come when: drawn from a seed before anything starts, so that a run can be had again."""

import random
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field
from typing import Any, Final

from services.devnet.faults import KINDS

VICTIMS: Final = (
    "edge", "validator", "cache", "store", "notifier", "processor", "processor-2", "devnet", "redis", "mongodb",
)  # fmt: skip
CLOCKS: Final = ("edge", "validator", "cache", "store", "notifier", "processor", "processor-2")
"""Whose wall clock jumps. devnet's is the chain's own time, which goes on evenly."""
LONGEST_JUMP: Final = 90.0
"""Seconds ahead or behind: past every lease, within every deadline."""
LONGEST: Final = 5.0
"""Seconds one fault holds at most."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Fault:
    """`at`, `lasts` and `jump` in seconds; `victim` is a process for kill, pause and clock, `chain` is a rule of
    `devnet_fault_add`."""

    at: float
    kind: str
    lasts: float
    victim: str = ""
    chain: Mapping[str, Any] = field(default_factory=dict)
    jump: float = 0.0

    def plain(self) -> dict[str, Any]:
        return asdict(self)

    def __str__(self) -> str:
        what = self.victim or ", ".join(f"{name}={value}" for name, value in self.chain.items())
        jump = f" by {self.jump:+.0f} s" if self.jump else ""
        return f"{self.at:6.1f} s  {self.kind} {what}{jump} for {self.lasts:.1f} s"


def draw(seed: int, seconds: float) -> list[Fault]:
    """Faults over `seconds`, in order of time: one every three seconds, sometimes while another still holds."""
    chance = random.Random(seed)
    found: list[Fault] = []
    at = 2.0
    while at < seconds:
        lasts = round(chance.uniform(0.2, LONGEST), 2)
        kind = chance.choices(("kill", "pause", "chain", "clock"), (5, 3, 4, 2))[0]
        if kind == "chain":
            found.append(Fault(at=round(at, 2), kind=kind, lasts=lasts, chain=_chain(chance)))
        elif kind == "clock":
            jump = round(chance.choice((-1, 1)) * chance.uniform(2.0, LONGEST_JUMP), 1)
            victim = chance.choice(CLOCKS)
            found.append(Fault(at=round(at, 2), kind=kind, lasts=lasts, victim=victim, jump=jump))
        else:
            found.append(Fault(at=round(at, 2), kind=kind, lasts=lasts, victim=chance.choice(VICTIMS)))
        at += chance.uniform(1.0, 5.0)
    return found


def _chain(chance: random.Random) -> dict[str, Any]:
    """A rule for devnet, bounded by a count where it strikes one by one, else by the time it lasts."""
    name = chance.choice(sorted(KINDS))
    rule: dict[str, Any] = {"fault": name}
    if name in _STANDING:
        rule |= _STANDING[name](chance)
    else:
        rule |= {"count": chance.randint(1, 20)} | _STRIKING.get(name, lambda _: {})(chance)
    return rule


def _method(chance: random.Random) -> dict[str, Any]:
    # not the callback: that one failing leaves an intent executing for good, which no processor can mend
    return {"method": chance.choice(("verify_signed_intent", "verify_and_solve", "solve_intent"))}


_Drawn = Callable[[random.Random], dict[str, Any]]

_STANDING: Final[Mapping[str, _Drawn]] = {
    "lag": lambda chance: {"blocks": chance.randint(1, 50)},
    "stuck": lambda _: {},
    "stale_views": lambda chance: {"blocks": chance.randint(1, 30)},
    "stall": lambda _: {},
}
"""Those that last; what each says beside."""

_STRIKING: Final[Mapping[str, _Drawn]] = {
    "slow": lambda chance: {"ms": chance.randint(50, 3_000)},
    "timeout": lambda chance: {"ms": chance.randint(0, 500)},
    "error": lambda chance: {
        "cause": chance.choice(("UNAVAILABLE_SHARD", "INTERNAL_ERROR", "NOBODY_KNOWS_THIS")),
        "when": chance.choice(("before", "after")),
    },
    "garble": lambda chance: {
        "how": chance.choice(("cut", "text", "empty", "list", "other_id", "no_result", "huge")),
        "status": chance.choice((200, 200, 503)),
    },
    "expire": lambda chance: {"at": chance.choice(("send", "block"))},
    "nonce_jump": lambda chance: {"by": chance.randint(1, 5)},
    "fail_receipt": _method,
    "out_of_gas": _method,
    "hold_receipt": lambda chance: _method(chance) | {"blocks": chance.randint(1, 20)},
}
"""Those that strike so many times."""
