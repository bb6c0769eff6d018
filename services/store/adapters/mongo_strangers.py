"""What another system wrote into the collection of intents, and its archive, on MongoDB."""

import hashlib
from collections.abc import AsyncIterator, Sequence
from datetime import datetime
from typing import Any, Final

from bson import ObjectId, encode
from bson.codec_options import CodecOptions, DatetimeConversion

from services.store.adapters.mongo_calls import insert_absent, reachable
from services.store.adapters.mongo_driver import Collection
from services.store.adapters.mongo_schema import Collections
from services.store.ports import Document, Stranger

_OURS: Final = ("version", "versionStatus", "history")
_STRANGE: Final[Document] = {name: {"$exists": False} for name in _OURS}
_COMPARED: Final = ("intentId", "status", "updatedAt")
_AS_FOUND: Final[CodecOptions[Document]] = CodecOptions(
    tz_aware=True, datetime_conversion=DatetimeConversion.DATETIME_AUTO
)


class MongoStrangers:
    """`services.store.ports.Strangers`."""

    def __init__(self, on: Collections) -> None:
        self._intents: Collection = on.intents.with_options(codec_options=_AS_FOUND)
        self._archive: Collection = on.archive.with_options(codec_options=_AS_FOUND)

    async def count(self) -> int:
        async with reachable():
            return await self._intents.count_documents(_STRANGE)

    async def portions(self, limit: int) -> AsyncIterator[Sequence[Stranger]]:
        # one walk with a cursor: their ids are of any type, and a comparison stays within one
        cursor = self._intents.find(_STRANGE, batch_size=limit)
        try:
            while True:
                async with reachable():
                    portion = await cursor.to_list(limit)
                if not portion:
                    return
                yield [_stranger(one) for one in portion]
        finally:
            await cursor.close()

    async def of(self, intent_ids: Sequence[str]) -> Sequence[Stranger]:
        async with reachable():
            found = await self._intents.find({"intentId": {"$in": list(intent_ids)}, **_STRANGE}).to_list(
                None
            )
        return [_stranger(one) for one in found]

    async def reread(self, key: Any) -> Stranger | None:
        async with reachable():
            found = await self._intents.find_one({"_id": key, **_STRANGE})
        return None if found is None else _stranger(found)

    async def archive(self, stranger: Stranger, reason: str, at: datetime) -> None:
        entry = {
            "_id": stranger.digest,
            "intentId": stranger.document.get("intentId"),
            "reason": reason,
            "archivedAt": at,
            "document": stranger.document,
        }
        async with reachable():
            await insert_absent(self._archive, [entry], {"_id": 1})

    async def remove(self, stranger: Stranger) -> bool:
        if not await self._stands(stranger):
            return False
        async with reachable():
            result = await self._intents.delete_one(_as_read(stranger))
        return result.deleted_count == 1

    async def replace(self, stranger: Stranger, ours: Document) -> bool:
        if not await self._stands(stranger):
            return False
        async with reachable():
            result = await self._intents.replace_one(_as_read(stranger), ours)
        return result.modified_count == 1

    async def _stands(self, stranger: Stranger) -> bool:
        again = await self.reread(stranger.key)
        return again is not None and again.digest == stranger.digest


def _as_read(stranger: Stranger) -> Document:
    """Filter for the document as the seed's own update would have changed it."""
    return {
        "_id": stranger.key,
        **_STRANGE,
        **{name: stranger.document.get(name, {"$exists": False}) for name in _COMPARED},
    }


def _stranger(document: Document) -> Stranger:
    key = document["_id"]
    return Stranger(
        key=key,
        digest=hashlib.sha256(encode(document)).hexdigest(),
        document=document,
        began=key.generation_time if isinstance(key, ObjectId) else None,
    )
