"""How a status is written in Redis: the seed's key, and its JSON with what makes it safe beside it."""

import json
from typing import Final, TypeGuard

from services.cache.model import MAX_VERSION, Entry
from services.common.domain.intent import ID_PATTERN
from services.common.domain.lifecycle import Status
from services.common.domain.outcomes import CachedStatus

MAX_BYTES: Final = 4096
"""Longest value read or written; one of ours has about a hundred."""
SCHEMA: Final = 1
"""What values mean. One that is written for a later `schema` is not for us to read."""
_decode: Final = json.JSONDecoder().decode
_WORDS: Final = {status.value: status for status in Status}


class Unreadable(Exception):
    """A value nobody can vouch for; `why` is size, json, schema, status or version."""

    def __init__(self, why: str) -> None:
        super().__init__(why)
        self.why = why


def key(intent_id: str) -> str:
    """The seed's key. Raises ValueError for what is no id: it would make keys that are not ours, or share slots."""
    if ID_PATTERN.fullmatch(intent_id) is None:
        raise ValueError("not an intent id")
    return f"intent:{intent_id}:status"


def to_json(entry: Entry) -> str:
    """`{"status":"verified","version":2,"principal":…,"readAt":…}`, readAt in Unix milliseconds; no `schema`: 1."""
    status = entry.status
    return json.dumps(
        {
            "status": status.status.value,
            "version": status.version,
            "principal": status.principal,
            "readAt": entry.read_at_ms,
        },
        separators=(",", ":"),
    )


def from_json(intent_id: str, raw: bytes | str) -> Entry:
    """Raises Unreadable for anything `to_json` does not write, fields it does not know aside."""
    if len(raw) > MAX_BYTES:
        raise Unreadable("size")
    try:
        value = _decode(raw if isinstance(raw, str) else raw.decode())
    except (ValueError, RecursionError):
        raise Unreadable("json") from None
    if not isinstance(value, dict):
        raise Unreadable("json")
    if value.get("schema", SCHEMA) != SCHEMA:
        raise Unreadable("schema")
    status, version = value.get("status"), value.get("version")
    principal, read_at = value.get("principal"), value.get("readAt")
    if not isinstance(status, str) or status not in _WORDS or not isinstance(principal, str):
        raise Unreadable("status")
    if not _whole(version, MAX_VERSION) or not _whole(read_at, 2**53):
        raise Unreadable("version")
    cached = CachedStatus(intent_id=intent_id, status=_WORDS[status], version=version, principal=principal)
    return Entry(status=cached, read_at_ms=read_at)


def _whole(value: object, most: int) -> TypeGuard[int]:
    return type(value) is int and 0 <= value <= most
