"""The mutants: which promise, what is taken out, which test must fail then."""

from collections.abc import Callable
from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Mutant:
    """`apply` patches at run time; `tests` are pytest node ids that must pass without and fail with it."""

    promise: str
    name: str
    apply: Callable[[], None]
    tests: tuple[str, ...]


MUTANTS: tuple[Mutant, ...] = ()
