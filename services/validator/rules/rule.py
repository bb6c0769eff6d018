"""What a rule is, and the table that they stand in."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import groupby
from typing import Any, Final

from services.common.domain.explanation import Kind as Kind  # for every file of rules
from services.common.domain.views import ChainView
from services.common.errors import Reason
from services.validator.model import Case, Reach

SECURITY: Final = "security"
"""The stage that looks beyond the intent's own fields: at its signature, its message and the chain."""

Check = Callable[[Case], None]
"""Adds a violation to the case for each thing it finds; reads what the rule `needs`, and changes nothing else."""

View = Callable[[Case], ChainView | None]
"""What the chain must be asked before the check; None where there is nothing to ask."""

Seen = Callable[[Case], str | None]
"""What a rule looked at, for people."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """One thing asked of a submission.

    `name` is public and never renamed. `reasons` and `fields` are all that its violations may carry; `asks` says
    in one line what holds where it passes, `mend` what to do where it does not. `check` is called only on a case
    that reaches `needs`; `view` names what the chain must be asked first, None where there is nothing to ask; `again`
    what it must be asked then, now that all first answers are there. `reads` are the fields that it needs to
    stand: where one was refused, it says nothing, or nothing that counts.
    `seen` shows people what it looked at, None where that is not there; without it they are shown its fields.
    """

    name: str
    kind: Kind
    reasons: tuple[Reason, ...]
    fields: tuple[str, ...]
    asks: str
    mend: str
    check: Check
    needs: Reach = Reach.INTENT
    view: View | None = None
    again: View | None = None
    reads: tuple[str, ...]
    seen: Seen | None = None


def rule(
    name: str,
    kind: Kind,
    reason: Reason | tuple[Reason, ...],
    fields: str | tuple[str, ...],
    *,
    asks: str,
    mend: str,
    needs: Reach = Reach.INTENT,
    view: View | None = None,
    again: View | None = None,
    reads: tuple[str, ...] | None = None,
    seen: Seen | None = None,
) -> Callable[[Check], Rule]:
    """Makes a rule of the function below it. One reason or field may stand without its tuple; `reads` is `fields`
    unless given."""
    named = fields if isinstance(fields, tuple) else (fields,)

    def made(check: Check) -> Rule:
        return Rule(
            name=name,
            kind=kind,
            reasons=reason if isinstance(reason, tuple) else (reason,),
            fields=named,
            asks=asks,
            mend=mend,
            check=check,
            needs=needs,
            view=view,
            again=again,
            reads=named if reads is None else reads,
            seen=seen,
        )

    return made


@dataclass(frozen=True, slots=True)
class Well:
    """Many rules asked at once, since nearly every intent passes all of them: `holds` is True only where none of
    `covers` would find anything on a case that reaches all they need. Where it is False nothing is known, and each is
    asked by itself; so it can cost time and never a verdict. `covers` stand in the table one after another."""

    covers: tuple[Rule, ...]
    holds: Callable[[Case], bool]


@dataclass(frozen=True, slots=True)
class Table:
    """The rules in the order they are applied, stage by stage. Raises ValueError for a name that comes twice.

    A stage is looked at only if the ones before it found nothing. `plain` are the stages that need nothing but the
    intent, each with all its checks in one; `security` the checks of the last one, and `asking` its
    rules that have something to ask, by how far a case reaches; `doubting` those that may ask again. A rule that none
    of `wells` covers is asked of every case.
    """

    stages: Mapping[str, tuple[Rule, ...]]
    wells: tuple[Well, ...] = ()
    plain: tuple[tuple[str, Check], ...] = field(init=False)
    security: tuple[Check, ...] = field(init=False)
    asking: tuple[tuple[tuple[Rule, View], ...], ...] = field(init=False)
    doubting: tuple[tuple[Rule, View], ...] = field(init=False)

    def __post_init__(self) -> None:
        names = [rule.name for _, rule in self]
        twice = sorted({name for name in names if names.count(name) > 1})
        if twice:
            raise ValueError(f"rules need names of their own: {', '.join(twice)}")
        secure = self.stages.get(SECURITY, ())
        plain = tuple(
            (stage, _in_turn(rules, self.wells)) for stage, rules in self.stages.items() if stage != SECURITY
        )
        farthest = max(Reach)
        reaching = tuple(
            _in_turn(
                [rule for rule in secure if rule.needs <= reach], self.wells if reach is farthest else ()
            )
            for reach in Reach
        )
        object.__setattr__(self, "plain", plain)
        object.__setattr__(self, "security", reaching)
        asking = tuple(
            tuple((rule, rule.view) for rule in secure if rule.view is not None and rule.needs <= reach)
            for reach in Reach
        )
        doubting = tuple((rule, rule.again) for rule in secure if rule.again is not None)
        object.__setattr__(self, "asking", asking)
        object.__setattr__(self, "doubting", doubting)

    def __iter__(self) -> Iterator[tuple[str, Rule]]:
        """Each rule with its stage, in order."""
        for stage, rules in self.stages.items():
            for rule in rules:
                yield stage, rule

    def without(self, name: str) -> "Table":
        """The same table but for one rule. Raises KeyError if it has none of that name."""
        if all(rule.name != name for _, rule in self):
            raise KeyError(name)
        kept = {
            stage: tuple(rule for rule in rules if rule.name != name) for stage, rules in self.stages.items()
        }
        return Table(kept, self.wells)


def _in_turn(rules: Sequence[Rule], wells: Sequence[Well]) -> Check:
    """One function that calls them all, written out call by call, those of a well only where it does not hold.

    The interpreter remembers at the place of a call what is called there; a loop has one place for all, which costs a
    fifth of the time that the rules take.
    """
    names: dict[str, Any] = {}
    lines: list[str] = []
    for well, group in groupby(rules, lambda rule: next((one for one in wells if rule in one.covers), None)):
        indent = "    "
        if well is not None:
            names[f"well_{len(names)}"] = well.holds
            lines.append(f"    if not {list(names)[-1]}(case):")
            indent *= 2
        for rule in group:
            names[f"check_{len(names)}"] = rule.check
            lines.append(f"{indent}{list(names)[-1]}(case)")
    head = ", ".join(["case", *(f"{name}={name}" for name in names)])
    body = "\n".join(lines) or "    pass"
    space = dict(names)
    exec(f"def run({head}):\n{body}\n", space)  # noqa: S102 (nothing in the text comes from outside)
    run: Check = space["run"]
    return run
