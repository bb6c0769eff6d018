"""What the processor needs beside the shared ports."""

from collections.abc import Sequence
from typing import Protocol

from services.common.domain.intent import IntentRecord
from services.common.ports import (
    EventLog,
    IntentMover,
    IntentReader,
    KeyPool,
    OverdueReader,
    Settler,
    WorkQueue,
)


class Store(IntentReader, IntentMover, WorkQueue, KeyPool, OverdueReader, Settler, EventLog, Protocol):
    """The part of the store a processor uses."""


class Solvers(Protocol):
    """Who is asked to execute an intent."""

    def choose(self, record: IntentRecord) -> str:
        """Account id of a solver; the record tells who was tried before."""
        ...


class FirstSolver:
    """Always the first of a fixed list: the contract's allow-list decides who may solve."""

    def __init__(self, solvers: Sequence[str]) -> None:
        self._first = solvers[0]

    def choose(self, record: IntentRecord) -> str:
        return self._first
