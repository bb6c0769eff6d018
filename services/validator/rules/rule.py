"""What a rule is, and the table that they stand in."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Final

from services.common.domain.views import ChainView
from services.common.errors import Reason
from services.validator.model import Case, Reach

SECURITY: Final = "security"
"""The stage that looks beyond the intent's own fields: at its signature, its message and the chain."""

Check = Callable[[Case], None]
"""Adds a violation to the case for each thing it finds; reads what the rule `needs`, and changes nothing else."""


class Kind(StrEnum):
    """Whose rule it is."""

    PROTOCOL = "protocol"  # the contract would refuse it too
    POLICY = "policy"  # ours: the contract would take it


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """One thing asked of a submission.

    `name` is public and never renamed. `reasons` and `fields` are all that its violations may carry; `asks` says
    in one line what holds where it passes, `mend` what to do where it does not. `check` is called only on a case
    that reaches `needs`; `view` names what the chain must be asked first, None where there is nothing to ask.
    """

    name: str
    kind: Kind
    reasons: tuple[Reason, ...]
    fields: tuple[str, ...]
    asks: str
    mend: str
    check: Check
    needs: Reach = Reach.INTENT
    view: Callable[[Case], ChainView | None] | None = None


def rule(
    name: str,
    kind: Kind,
    reason: Reason | tuple[Reason, ...],
    fields: str | tuple[str, ...],
    *,
    asks: str,
    mend: str,
    needs: Reach = Reach.INTENT,
    view: Callable[[Case], ChainView | None] | None = None,
) -> Callable[[Check], Rule]:
    """Makes a rule of the function below it. One reason or field may stand without its tuple."""

    def made(check: Check) -> Rule:
        return Rule(
            name=name,
            kind=kind,
            reasons=reason if isinstance(reason, tuple) else (reason,),
            fields=fields if isinstance(fields, tuple) else (fields,),
            asks=asks,
            mend=mend,
            check=check,
            needs=needs,
            view=view,
        )

    return made


@dataclass(frozen=True, slots=True)
class Table:
    """The rules in the order they are applied, stage by stage. Raises ValueError for a name that comes twice.

    A stage is looked at only if the ones before it found nothing. `plain` are the checks of the stages that need
    nothing but the intent; `security` those of the last one, by how far a case reaches.
    """

    stages: Mapping[str, tuple[Rule, ...]]
    plain: tuple[tuple[str, tuple[Check, ...]], ...] = field(init=False)
    security: tuple[tuple[Check, ...], ...] = field(init=False)
    asking: tuple[Rule, ...] = field(init=False)

    def __post_init__(self) -> None:
        names = [rule.name for _, rule in self]
        twice = sorted({name for name in names if names.count(name) > 1})
        if twice:
            raise ValueError(f"rules need names of their own: {', '.join(twice)}")
        secure = self.stages.get(SECURITY, ())
        plain = tuple(
            (stage, tuple(rule.check for rule in rules))
            for stage, rules in self.stages.items()
            if stage != SECURITY
        )
        reaching = tuple(tuple(rule.check for rule in secure if rule.needs <= reach) for reach in Reach)
        object.__setattr__(self, "plain", plain)
        object.__setattr__(self, "security", reaching)
        object.__setattr__(self, "asking", tuple(rule for rule in secure if rule.view is not None))

    def __iter__(self) -> Iterator[tuple[str, Rule]]:
        """Each rule with its stage, in order."""
        for stage, rules in self.stages.items():
            for rule in rules:
                yield stage, rule

    def without(self, name: str) -> "Table":
        """The same table but for one rule. Raises KeyError if it has none of that name."""
        if all(rule.name != name for _, rule in self):
            raise KeyError(name)
        return Table({
            stage: tuple(rule for rule in rules if rule.name != name) for stage, rules in self.stages.items()
        })  # fmt: skip
