"""A storage as a store of the schema before uses it: it knows nothing of the fields that ours added."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, Final

from services.store.ports import Document, Insert, Program, Storage, Update

ADDED: Final = ("schemaVersion", "openUntil", "openUser", "tokens")
"""By schema 2."""


@dataclass
class Older:
    """Writes what schema 1 wrote; reads leave what it does not know alone."""

    inner: Storage

    def __getattr__(self, name: str) -> Any:
        return getattr(self.inner, name)

    async def run(self, program: Program[Any]) -> Any:
        return await self.inner.run(_as_before(program))


def _as_before(program: Program[Any]) -> Program[Any]:
    answer: Any = None
    while True:
        try:
            operation = program.send(answer)
        except StopIteration as end:
            return end.value
        match operation:
            case Insert(documents):
                operation = Insert(_without(documents))
            case Update(writes):
                kept = [{name: v for name, v in write.set.items() if name not in ADDED} for write in writes]
                operation = Update(
                    [replace(write, set=set_) for write, set_ in zip(writes, kept, strict=True)]
                )
        answer = yield operation


def _without(documents: Sequence[Document]) -> list[Document]:
    return [{name: value for name, value in one.items() if name not in ADDED} for one in documents]
