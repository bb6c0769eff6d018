"""What a mutant is."""

from collections.abc import Callable
from dataclasses import dataclass

from tests.mutants.rewrite import rewrite


@dataclass(frozen=True, slots=True, kw_only=True)
class Mutant:
    """`apply` patches at run time; `tests` are pytest node ids that must pass without and fail with it."""

    promise: str
    name: str
    apply: Callable[[], None]
    tests: tuple[str, ...]


def without(
    promise: str, name: str, module: str, *changes: tuple[str, str], tests: tuple[str, ...]
) -> Mutant:
    """A mutant of one module: each piece of its source replaced by another."""
    return Mutant(promise=promise, name=name, apply=lambda: rewrite(module, *changes), tests=tests)
