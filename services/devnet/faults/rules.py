"""One fault in force: its kind, what it is bounded by, and reading it from JSON."""

import random
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from services.devnet.faults.kinds import KINDS, MOST

ID: Final = re.compile(r"[A-Za-z0-9_.-]{1,64}", re.ASCII)


@dataclass(frozen=True, slots=True, kw_only=True)
class Occasion:
    """A moment at which a fault could strike. What does not apply is empty; `methods` and `intents` may be several."""

    node: str = ""
    rpc: str = ""
    signer: str = ""
    receiver: str = ""
    methods: tuple[str, ...] = ()
    intents: tuple[str, ...] = ()

    def of(self, bound: str) -> tuple[str, ...]:
        match bound:
            case "method":
                return self.methods
            case "intent":
                return self.intents
        return (str(getattr(self, bound)),)


@dataclass(slots=True, kw_only=True)
class Rule:
    """One fault in force. `count` is how often yet (None: without end), `skip` how many occasions it lets pass
    first, `after_blocks` and `for_blocks` when it begins and how long it lasts, from the block it was set at."""

    fault: str
    id: str = ""
    count: int | None = None
    skip: int = 0
    probability: float = 1.0
    seed: int = 0
    after_blocks: int = 0
    for_blocks: int | None = None
    bounds: dict[str, frozenset[str]] = field(default_factory=dict)
    params: dict[str, int | str] = field(default_factory=dict)
    set_at: int = 0
    seen: int = 0
    struck: int = 0
    chance: random.Random = field(default_factory=random.Random)

    def number(self, name: str) -> int:
        return int(self.params[name])

    def text(self, name: str) -> str:
        return str(self.params[name])

    def meant(self, occasion: Occasion) -> bool:
        return all(not wanted.isdisjoint(occasion.of(name)) for name, wanted in self.bounds.items())

    def shown(self) -> dict[str, Any]:
        """As `devnet_fault_list` shows it: `seen` occasions met its bounds, at `struck` of them it struck."""
        given: dict[str, Any] = {"id": self.id, "fault": self.fault, "count": self.count}
        given |= {name: sorted(wanted) for name, wanted in self.bounds.items()} | self.params
        for name, plain in (("skip", 0), ("after_blocks", 0), ("for_blocks", None)):
            if getattr(self, name) != plain:
                given[name] = getattr(self, name)
        if self.probability < 1:
            given |= {"probability": self.probability, "seed": self.seed}
        return given | {"seen": self.seen, "struck": self.struck}


def _whole(given: Mapping[str, Any], name: str, default: int | None, least: int = 0) -> int | None:
    value = given.get(name, default)
    if value is not None and (type(value) is not int or not least <= value <= MOST):
        raise ValueError(f"{name}: a whole number from {least} to {MOST}")
    return value


def _names(value: object, name: str) -> frozenset[str]:
    found = [value] if isinstance(value, str) else value
    if not isinstance(found, list) or not found or not all(isinstance(one, str) for one in found):
        raise ValueError(f"{name}: a text or a list of texts")
    return frozenset(found)


def read_rule(given: object) -> Rule:
    """A rule from its JSON form. Raises ValueError that names the field and what is taken."""
    if not isinstance(given, dict):
        raise ValueError("a rule is an object")
    fault = given.get("fault")
    if not isinstance(fault, str) or fault not in KINDS:
        raise ValueError(f"fault: one of {', '.join(KINDS)}")
    kind = KINDS[fault]
    common = {"fault", "id", "count", "skip", "probability", "seed", "after_blocks", "for_blocks"}
    for name in given:
        if name not in common and name not in kind.bounds and name not in kind.params:
            taken = ", ".join((*kind.bounds, *kind.params)) or "nothing"
            raise ValueError(f"{name}: {fault} takes {taken} beside {', '.join(sorted(common - {'fault'}))}")
    name, probability = given.get("id", ""), given.get("probability", 1.0)
    if not isinstance(name, str) or (name and not ID.fullmatch(name)):
        raise ValueError("id: 1 to 64 characters of A-Za-z0-9_.-")
    if isinstance(probability, bool) or not isinstance(probability, int | float) or not 0 <= probability <= 1:
        raise ValueError("probability: a number from 0 to 1")
    seed = _whole(given, "seed", 0) or 0
    params: dict[str, int | str] = {}
    for param, form in kind.params.items():
        try:
            params[param] = form.read(given.get(param, form.default))
        except ValueError as error:
            raise ValueError(f"{param}: {error}") from None
    return Rule(
        fault=fault, id=name, count=_whole(given, "count", None, 1), skip=_whole(given, "skip", 0) or 0,
        probability=float(probability), seed=seed, after_blocks=_whole(given, "after_blocks", 0) or 0,
        for_blocks=_whole(given, "for_blocks", None, 1),
        bounds={bound: _names(given[bound], bound) for bound in kind.bounds if bound in given},
        params=params, chance=random.Random(seed),
    )  # fmt: skip
