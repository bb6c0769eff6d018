"""The faults in force, and whether one strikes now."""

from collections.abc import Callable
from typing import Any, Final

from services.devnet.faults.numbers import COUNTS, VALUES, rule_of
from services.devnet.faults.rules import Occasion, Rule, read_rule

MOST_RULES: Final = 1_000
NOTHING: Final = Occasion()


class Faults:
    """None in force: a healthy node. `height` is the newest block's, for rules that begin or end by blocks."""

    def __init__(self) -> None:
        self.height: Callable[[], int] = lambda: 0
        self._rules: dict[str, Rule] = {}
        self._made = 0
        self._delay_ms = 0

    @property
    def any(self) -> bool:
        return bool(self._rules)

    def strikes(self, fault: str, occasion: Occasion = NOTHING, **params: str) -> Rule | None:
        """The first rule of this kind (and with these `params`) that strikes here; uses it up by one.

        A rule at its end is gone.
        """
        for rule in list(self._rules.values()):
            if rule.fault != fault or any(rule.params[name] != said for name, said in params.items()):
                continue
            if self._in_time(rule) and rule.meant(occasion):
                rule.seen += 1
                if rule.skip > 0:
                    rule.skip -= 1
                elif rule.probability >= 1 or rule.chance.random() < rule.probability:
                    self._use(rule)
                    return rule
        return None

    def _in_time(self, rule: Rule) -> bool:
        since = self.height() - rule.set_at
        if rule.for_blocks is not None and since >= rule.after_blocks + rule.for_blocks:
            del self._rules[rule.id]
            return False
        return since >= rule.after_blocks

    def _use(self, rule: Rule) -> None:
        rule.struck += 1
        if rule.count is not None:
            rule.count -= 1
            if rule.count == 0:
                del self._rules[rule.id]

    def add(self, given: object) -> Rule:
        """Put a rule in force, in place of one with the same id. Raises ValueError."""
        return self._put(read_rule(given))

    def _put(self, rule: Rule) -> Rule:
        if len(self._rules) >= MOST_RULES and rule.id not in self._rules:
            raise ValueError(f"more than {MOST_RULES} rules in force")
        if not rule.id:
            self._made += 1
            rule.id = f"{rule.fault}-{self._made}"
        rule.set_at = self.height()
        if rule.fault == "stuck":
            rule.params["height"] = rule.set_at
        self._rules[rule.id] = rule
        return rule

    def clear(self, rule_id: str | None = None) -> int:
        """Take one rule, or all, out of force; how many those were."""
        if rule_id is None:
            gone = len(self._rules)
            self._rules.clear()
            return gone
        return 0 if self._rules.pop(rule_id, None) is None else 1

    def rules(self) -> list[dict[str, Any]]:
        """Those in force, in the order they were set."""
        return [rule.shown() for rule in self._rules.values()]

    def set(self, wanted: dict[str, int]) -> None:
        """The short form. Raises ValueError on a name not known or a value out of range; nothing is set then."""
        for name, value in wanted.items():
            if name not in COUNTS + VALUES:
                raise ValueError(f"{name}: one of {', '.join(COUNTS + VALUES)}")
            if type(value) not in (int, bool) or not 0 <= value <= 1_000_000:
                raise ValueError(f"{name}: a whole number from 0 to 1000000")
        self._delay_ms = wanted.get("delay_ms", self._delay_ms)
        if "delay_ms" in wanted and "delay_next" in self._rules:
            self._rules["delay_next"].params["ms"] = self._delay_ms
        for name, value in wanted.items():
            if name == "delay_ms":
                continue
            self._rules.pop(name, None)
            if value:
                self._put(read_rule(rule_of(name, int(value), self._delay_ms)))

    def shown(self) -> dict[str, int]:
        """The short form of what is in force."""
        found = dict.fromkeys(COUNTS + VALUES, 0) | {"delay_ms": self._delay_ms}
        for name in found:
            rule = self._rules.get(name)
            if rule is not None:
                found[name] = rule.number("blocks") if name == "lag_blocks" else rule.count or 1
        return found
