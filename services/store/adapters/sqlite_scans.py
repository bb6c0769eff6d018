"""Everything in an SQLite store, in portions by key."""

from collections.abc import Sequence
from typing import Final

from bson import decode
from bson.errors import InvalidBSON

from services.store.adapters.sqlite_rows import COLUMNS, OPTIONS, columns, hashes, ms, rows, with_ids
from services.store.adapters.sqlite_worker import Worker
from services.store.ports import Document

_HASHES: Final = "SELECT intent_id, hash, made_ms FROM intent_hashes WHERE intent_id IN"
_FILED: Final = f"SELECT id, document, {', '.join(COLUMNS)} FROM intents WHERE id IN"  # noqa: S608


class SqliteScans:
    """`services.store.ports.Scans`, read by `reader`."""

    def __init__(self, reader: Worker) -> None:
        self._reader = reader

    async def intents(self, after: str, limit: int) -> Sequence[Document]:
        sql = "SELECT id, document FROM intents WHERE id > ? ORDER BY id LIMIT ?"
        found = await self._reader.run(lambda connection: connection.execute(sql, [after, limit]).fetchall())
        return [document for _, document in with_ids(found)]

    async def log(self, partition: int, after: int, limit: int) -> Sequence[tuple[int, Document]]:
        sql = "SELECT sequence, document FROM events WHERE partition = ? AND sequence > ? ORDER BY sequence LIMIT ?"
        return await self._reader.run(
            lambda connection: [
                (sequence, decode(document, OPTIONS))
                for sequence, document in connection.execute(sql, [partition, after, limit])
            ]
        )

    async def misfiled(self, intent_ids: Sequence[str]) -> Sequence[str]:
        found, noted = await self._reader.run(
            lambda connection: (rows(connection, _FILED, intent_ids), rows(connection, _HASHES, intent_ids))
        )
        beside: dict[str, set[tuple[str, int]]] = {}
        for intent_id, transaction_hash, made_ms in noted:
            beside.setdefault(intent_id, set()).add((transaction_hash, made_ms))
        odd = []
        for intent_id, stored, *filed in found:
            try:
                document = decode(stored, OPTIONS)
                expected = {(one, ms(document["createdAt"])) for one in hashes(document)}
                agrees = tuple(filed) == columns(document) and beside.get(intent_id, set()) == expected
            except (KeyError, TypeError, AttributeError, InvalidBSON):
                agrees = False
            if not agrees:
                odd.append(intent_id)
        return odd
