"""How a verdict came about: each rule, what it saw, and what was signed."""

from dataclasses import dataclass
from enum import StrEnum

from services.common.errors import Violation


class Kind(StrEnum):
    """Whose rule it is."""

    PROTOCOL = "protocol"  # the contract would refuse it too
    POLICY = "policy"  # ours: the contract would take it


class RuleStatus(StrEnum):
    """What became of a rule."""

    PASSED = "passed"
    FAILED = "failed"
    NOT_REACHED = "not_reached"  # an earlier one refused, or what it looks at is not there
    UNAVAILABLE = "unavailable"  # what it needs of others, the chain's answer or a price, could not be had


@dataclass(frozen=True, slots=True, kw_only=True)
class RuleOutcome:
    """One rule on one submission. `seen` is the value it looked at, printable ASCII and cut short; empty where it
    looked at none. `violations` are its own, empty unless it failed."""

    rule: str
    stage: str
    kind: Kind
    status: RuleStatus
    seen: str
    asks: str
    mend: str
    violations: tuple[Violation, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class SignedContent:
    """What the key had to sign: the message as text, and the bytes that go into the signature check. Both may be
    cut short; `text_bytes` and `data_bytes` are their whole lengths. Lone surrogates in the text are replaced."""

    text: str
    text_bytes: int
    data: bytes
    data_bytes: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Explanation:
    """Every rule in the order of docs/rules.md. `signed` is None where nothing was, or of no known standard."""

    rules: tuple[RuleOutcome, ...]
    signed: SignedContent | None = None
