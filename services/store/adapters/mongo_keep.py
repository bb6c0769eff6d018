"""Compare-and-sets of bookkeeping documents on MongoDB, many in one command.

A bulk write tells how many went through, not which. Where not all did, the documents are read back: one that stands as
it was written was written, be it by us or by another who came to the very same.
"""

from collections.abc import Sequence
from typing import Final

from pymongo import ReplaceOne

from services.store.adapters.mongo_calls import by_id, insert_absent
from services.store.adapters.mongo_driver import Collection
from services.store.ports import Document

BULK: Final = 4
"""Fewer go one by one."""


async def keep(collection: Collection, documents: Sequence[Document]) -> list[bool]:
    """`services.store.ports.Keep`."""
    after = {one["_id"]: {**one, "revision": one["revision"] + 1} for one in documents}
    new = [after[one["_id"]] for one in documents if one["revision"] == 0]
    written: dict[str, bool] = {}
    if new:
        standing = await insert_absent(collection, new)
        written |= {one["_id"]: other is None for one, other in zip(new, standing, strict=True)}
    old = [(one["revision"], after[one["_id"]]) for one in documents if one["revision"]]
    if len(old) < BULK:
        for revision, one in old:
            result = await collection.replace_one({"_id": one["_id"], "revision": revision}, one)
            written[one["_id"]] = result.modified_count == 1
    else:
        replacing = [
            ReplaceOne({"_id": one["_id"], "revision": revision}, one, upsert=False) for revision, one in old
        ]
        told = await collection.bulk_write(replacing, ordered=False)
        if told.matched_count == len(old):
            written |= {one["_id"]: True for _, one in old}
        else:
            there = await by_id(collection, [one["_id"] for _, one in old])
            written |= {one["_id"]: there.get(one["_id"]) == one for _, one in old}
    return [written[one["_id"]] for one in documents]
