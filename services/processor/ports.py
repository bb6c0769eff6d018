"""What the processor needs beside the shared ports."""

from typing import Protocol

from services.common.domain.intent import IntentRecord, SignedTransaction
from services.common.ports import (
    EventLog,
    IntentMover,
    IntentReader,
    KeyPool,
    OverdueReader,
    Places,
    Settler,
    WorkQueue,
)


class Store(
    IntentReader, IntentMover, WorkQueue, KeyPool, Places, OverdueReader, Settler, EventLog, Protocol
):
    """The part of the store a processor uses."""


class Solvers(Protocol):
    """Who is asked to execute an intent."""

    def choose(self, record: IntentRecord) -> str:
        """Account id of a solver; the record tells who was tried before. While bytes signed for one are open it is
        that one."""
        ...

    def ended(self, tx: SignedTransaction) -> None:
        """What became of an attempt at one."""
        ...
