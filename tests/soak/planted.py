"""The store with one bug, to see that a soak notices it: `python -m tests.soak.planted` acknowledges before it commits.

SQLite: a transaction's callers are answered LATE seconds before its commit. MongoDB, as with `w: 0`: insertions and
moves are answered by what a read says they would do, and sent LATE seconds later.
"""

import asyncio
import logging
import sqlite3
import time
from collections.abc import Sequence
from typing import Any, Final

from services.common.errors import IntentError
from services.common.rpc.runtime import main
from services.store.adapters import sqlite_worker
from services.store.adapters.mongo import MongoStorage
from services.store.adapters.single import applied, matches
from services.store.app import build
from services.store.config import StoreSettings
from services.store.ports import Document, Find, Found, Insert, Look, Operation, Program, Update

LATE: Final = 0.2

logger = logging.getLogger(__name__)


class _Late:
    """A connection whose callers hear of the commit before there is one."""

    def __init__(self, connection: sqlite3.Connection, jobs: list[Any]) -> None:
        self._connection, self._jobs = connection, jobs

    def __getattr__(self, name: str) -> Any:
        return getattr(self._connection, name)

    def execute(self, sql: str, *values: Any) -> Any:
        if sql == "COMMIT":
            sqlite_worker._deliver(self._jobs)
            time.sleep(LATE)
        return self._connection.execute(sql, *values)


def _plant_sqlite() -> None:
    sound = sqlite_worker.Worker._run

    def run(self: Any, connection: sqlite3.Connection, jobs: list[Any]) -> None:
        sound(self, _Late(connection, jobs), jobs)  # type: ignore[arg-type]

    sqlite_worker.Worker._run = run  # type: ignore[method-assign]


def _plant_mongo() -> None:
    sound = MongoStorage.run
    running: set[asyncio.Task[None]] = set()

    async def late(storage: Any, operation: Operation) -> None:
        await asyncio.sleep(LATE)
        try:
            await sound(storage, _one(operation))
        except IntentError as error:
            logger.warning("lost: %s", error)

    def later(storage: Any, operation: Operation) -> None:
        task = asyncio.create_task(late(storage, operation))
        running.add(task)
        task.add_done_callback(running.discard)

    async def run(self: Any, program: Program[Any]) -> Any:
        return await sound(self, _answered(program, lambda operation: later(self, operation)))

    MongoStorage.run = run  # type: ignore[assignment]


def _one(operation: Operation) -> Program[None]:
    yield operation


def _answered(program: Program[Any], later: Any) -> Program[Any]:
    """`program` with its insertions and moves answered from what stands, and handed to `later`."""
    answer: Any = None
    while True:
        try:
            operation = program.send(answer)
        except StopIteration as end:
            return end.value
        match operation:
            case Insert():
                found: Found = yield Look([], [], [one["_id"] for one in operation.documents])
                answer = [found.intents.get(one["_id"]) for one in operation.documents]
                later(Insert([one for one in operation.documents if one["_id"] not in found.intents]))
            case Update() if any(write.push for write in operation.writes):
                standing: dict[str, Document] = yield Find([write.intent_id for write in operation.writes])
                answer = _moved(operation, standing)
                later(operation)
            case _:
                answer = yield operation


def _moved(update: Update, standing: dict[str, Document]) -> Sequence[Document | None]:
    answers: list[Document | None] = []
    for write in update.writes:
        document = standing.get(write.intent_id)
        if document is None or not matches(document, write.where):
            answers.append(None)
            continue
        standing[write.intent_id] = applied(document, write.set, write.push)
        answers.append(standing[write.intent_id])
    return answers


if __name__ == "__main__":
    _plant_sqlite()
    _plant_mongo()
    main("store", StoreSettings, build)
