"""Compare-and-sets of single documents on MongoDB, one by one or many in one command.

A bulk write tells how many of its updates found their document, not which (per-update results need MongoDB 8.0).
So each carries a token of its own, `lastWrite`, and the documents are read back: where the token stands, this write
went through and none of ours since; where it does not, the write did not go through, or has been written over within
the moment. Both are answered None, which is what it means to be overtaken: who asks looks again, and finds a move of
its own in the history.
"""

import itertools
import secrets
from collections.abc import Callable, Iterator, Sequence
from typing import Final

from pymongo import ReturnDocument, UpdateOne

from services.store.adapters.mongo_calls import by_id, together
from services.store.adapters.mongo_driver import Collection
from services.store.ports import Document, Write

BULK: Final = 8
"""Fewer go as commands of their own, at once: one round trip instead of two."""


class MongoUpdates:
    """`services.store.ports.Update`. `on_written` is called with documents whose outbox was just written to."""

    def __init__(self, intents: Collection, on_written: Callable[[Sequence[Document]], None]) -> None:
        self._intents = intents
        self._on_written = on_written
        self._tokens = _tokens()

    async def update(self, writes: Sequence[Write]) -> list[Document | None]:
        """The document after each, or None; those of one intent follow each other."""
        chains: dict[str, list[int]] = {}
        for index, write in enumerate(writes):
            chains.setdefault(write.intent_id, []).append(index)
        bulk = [indexes[0] for indexes in chains.values() if len(indexes) == 1]
        if len(bulk) < BULK:
            bulk = []
        answers: list[Document | None] = [None] * len(writes)

        async def follow(indexes: Sequence[int]) -> None:
            for index in indexes:
                answers[index] = await self._one(writes[index])

        async def many() -> None:
            for index, after in zip(bulk, await self._many([writes[one] for one in bulk]), strict=True):
                answers[index] = after

        together_in_bulk = set(bulk)
        jobs = [follow(indexes) for indexes in chains.values() if indexes[0] not in together_in_bulk]
        await together([*jobs, many()] if bulk else jobs)
        return answers

    async def _one(self, write: Write) -> Document | None:
        after: Document | None = await self._intents.find_one_and_update(
            _where(write), self._change(write, next(self._tokens)), return_document=ReturnDocument.AFTER
        )
        self._written([(write, after)])
        return after

    async def _many(self, writes: Sequence[Write]) -> list[Document | None]:
        tokens = list(itertools.islice(self._tokens, len(writes)))
        updates = [
            UpdateOne(_where(write), self._change(write, token))
            for write, token in zip(writes, tokens, strict=True)
        ]
        result = await self._intents.bulk_write(updates, ordered=False)
        if not result.matched_count:
            return [None] * len(writes)
        standing = await by_id(self._intents, [write.intent_id for write in writes])
        answers: list[Document | None] = []
        for write, token in zip(writes, tokens, strict=True):
            document = standing.get(write.intent_id)
            answers.append(document if document is not None and document.get("lastWrite") == token else None)
        self._written(list(zip(writes, answers, strict=True)))
        return answers

    @staticmethod
    def _change(write: Write, token: str) -> Document:
        change: Document = {"$set": {**write.set, "lastWrite": token}}
        if write.push:
            change["$push"] = dict(write.push)
        return change

    def _written(self, pairs: Sequence[tuple[Write, Document | None]]) -> None:
        # handed over at once: a later write of the batch may fail, this one's event is told all the same
        told = [
            {**after, "outbox": list(after["outbox"])}
            for write, after in pairs
            if write.push and after is not None
        ]
        if told:
            self._on_written(told)


def _where(write: Write) -> Document:
    return {"_id": write.intent_id, **write.where}


def _tokens() -> Iterator[str]:
    """Texts that no other process, and this one not again, makes."""
    process = secrets.token_hex(8)
    return (f"{process}-{number}" for number in itertools.count())
