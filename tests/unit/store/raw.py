"""A store's database behind its back: what nobody but a broken program or disk does, for tests of who notices."""

import sqlite3
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, Protocol

import pymongo
from bson import decode, encode
from bson.codec_options import CodecOptions

from services.store.adapters.sqlite_filing import refile_hashes
from services.store.adapters.sqlite_rows import COLUMNS, columns
from services.store.document import event_id

Document = dict[str, Any]
AWARE: CodecOptions[Document] = CodecOptions(tz_aware=True)


class Raw(Protocol):
    """Nothing is checked."""

    def put(self, document: Document) -> None: ...

    def document(self, intent_id: str) -> Document: ...

    def documents(self) -> list[Document]: ...

    def change(self, intent_id: str, change: Callable[[Document], None]) -> None: ...

    def remove(self, intent_id: str) -> None: ...

    def events(self) -> list[Document]: ...

    def put_event(self, partition: int, sequence: int, event: Document) -> None: ...

    def remove_event(self, partition: int, sequence: int) -> None: ...

    def reserved(self, kind: str) -> list[Document]: ...

    def put_reserved(self, kind: str, reservation: Document) -> None: ...

    def remove_reserved(self, kind: str, key: str) -> None: ...

    def remove_kept(self, kind: str, key: str) -> None: ...


class RawMongo:
    def __init__(self, url: str) -> None:
        self.client = pymongo.MongoClient[Document](url)
        self.database = self.client.get_default_database().with_options(codec_options=AWARE)

    def put(self, document: Document) -> None:
        self.database.intents.replace_one({"_id": document["_id"]}, document, upsert=True)

    def documents(self) -> list[Document]:
        return list(self.database.intents.find(sort=[("_id", 1)]))

    def document(self, intent_id: str) -> Document:
        found = self.database.intents.find_one({"_id": intent_id})
        assert found is not None
        return found

    def change(self, intent_id: str, change: Callable[[Document], None]) -> None:
        document = self.document(intent_id)
        change(document)
        self.database.intents.replace_one({"_id": intent_id}, document)

    def remove(self, intent_id: str) -> None:
        self.database.intents.delete_one({"_id": intent_id})

    def events(self) -> list[Document]:
        return list(self.database.events.find(sort=[("_id", 1)]))

    def put_event(self, partition: int, sequence: int, event: Document) -> None:
        key = event_id(partition, sequence)
        self.database.events.replace_one({"_id": key}, {**event, "_id": key}, upsert=True)

    def remove_event(self, partition: int, sequence: int) -> None:
        assert self.database.events.delete_one({"_id": event_id(partition, sequence)}).deleted_count == 1

    def reserved(self, kind: str) -> list[Document]:
        return list(self.database[kind].find(sort=[("_id", 1)]))

    def put_reserved(self, kind: str, reservation: Document) -> None:
        self.database[kind].replace_one({"_id": reservation["_id"]}, reservation, upsert=True)

    def remove_reserved(self, kind: str, key: str) -> None:
        assert self.database[kind].delete_one({"_id": key}).deleted_count == 1

    def remove_kept(self, kind: str, key: str) -> None:
        assert self.database[kind].delete_one({"_id": key}).deleted_count == 1


class RawSqlite:
    def __init__(self, url: str) -> None:
        self.connection = sqlite3.connect(url.removeprefix("sqlite:///"), isolation_level=None, timeout=20)

    def put(self, document: Document) -> None:
        marks = ", ".join("?" * len(COLUMNS))
        sql = f"INSERT INTO intents ({', '.join(COLUMNS)}, document, id) VALUES ({marks}, ?, ?)"
        self.connection.execute(sql, [*columns(document), encode(document), document["_id"]])
        refile_hashes(self.connection, document)

    def documents(self) -> list[Document]:
        found = self.connection.execute("SELECT document FROM intents ORDER BY id")
        return [decode(row[0], AWARE) for row in found]

    def document(self, intent_id: str) -> Document:
        row = self.connection.execute("SELECT document FROM intents WHERE id = ?", [intent_id]).fetchone()
        return decode(row[0], AWARE)

    def change(self, intent_id: str, change: Callable[[Document], None]) -> None:
        document = self.document(intent_id)
        change(document)
        self.connection.execute("UPDATE intents SET document = ? WHERE id = ?", [encode(document), intent_id])
        try:
            beside = columns(document)
        except (KeyError, TypeError, AttributeError):
            return
        sql = f"UPDATE intents SET {' = ?, '.join(COLUMNS)} = ? WHERE id = ?"
        self.connection.execute(sql, [*beside, intent_id])
        refile_hashes(self.connection, document)

    def remove(self, intent_id: str) -> None:
        self.connection.execute("DELETE FROM intents WHERE id = ?", [intent_id])

    def events(self) -> list[Document]:
        found = self.connection.execute("SELECT document FROM events ORDER BY partition, sequence")
        return [decode(row[0], AWARE) for row in found]

    def put_event(self, partition: int, sequence: int, event: Document) -> None:
        stored = encode({**event, "_id": event_id(partition, sequence)})
        self.connection.execute(
            "INSERT OR REPLACE INTO events VALUES (?, ?, ?)", [partition, sequence, stored]
        )

    def remove_event(self, partition: int, sequence: int) -> None:
        where = [partition, sequence]
        done = self.connection.execute("DELETE FROM events WHERE partition = ? AND sequence = ?", where)
        assert done.rowcount == 1

    def reserved(self, kind: str) -> list[Document]:
        found = self.connection.execute(f"SELECT * FROM {kind} ORDER BY key")
        return [dict(zip(("_id", "intentId", "contentHash"), row, strict=True)) for row in found]

    def put_reserved(self, kind: str, reservation: Document) -> None:
        values = [reservation[name] for name in ("_id", "intentId", "contentHash")]
        self.connection.execute(f"INSERT OR REPLACE INTO {kind} VALUES (?, ?, ?)", values)

    def remove_reserved(self, kind: str, key: str) -> None:
        assert self.connection.execute(f"DELETE FROM {kind} WHERE key = ?", [key]).rowcount == 1

    def remove_kept(self, kind: str, key: str) -> None:
        where = [kind, key]
        done = self.connection.execute("DELETE FROM kept WHERE kind = ? AND key = ?", where)
        assert done.rowcount == 1


@contextmanager
def raw(url: str) -> Iterator[Raw]:
    """By the database's URL."""
    if url.startswith("sqlite:"):
        one = RawSqlite(url)
        yield one
        one.connection.close()
        return
    other = RawMongo(url)
    yield other
    other.client.close()
