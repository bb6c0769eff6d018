"""A file as mongoexport writes it: one document a line in MongoDB's extended JSON."""

import hashlib
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from bson import ObjectId, encode
from bson.errors import BSONError
from bson.json_util import DatetimeRepresentation, JSONOptions, loads

from services.store.ports import Stranger

MAX_LINE: Final = 64 << 20
"""Bytes; a document of 16 MB takes at most a few times that as text."""
_OPTIONS: Final = JSONOptions(tz_aware=True, datetime_representation=DatetimeRepresentation.ISO8601)


def strangers(path: Path) -> Iterator[tuple[int, Stranger | str]]:
    """By line number from 1: its document, or why it is none. Raises OSError."""
    with path.open("rb") as file:
        number = 0
        while line := file.readline(MAX_LINE + 1):
            number += 1
            if len(line) > MAX_LINE:
                while line and not line.endswith(b"\n"):
                    line = file.readline(MAX_LINE)
                yield number, f"it is longer than {MAX_LINE} bytes"
            elif line.strip():
                yield number, _stranger(line, number)


def _stranger(line: bytes, number: int) -> Stranger | str:
    try:
        document = loads(line, json_options=_OPTIONS)
        if not isinstance(document, dict):
            return "it is no document of extended JSON"
        digest = hashlib.sha256(encode(document)).hexdigest()
    except (ValueError, TypeError, KeyError, OverflowError, RecursionError, BSONError) as error:
        why = "it does not parse" if isinstance(error, ValueError) else "a value has not the form of its type"
        return f"it is no document of extended JSON: {why}"
    key = document.get("_id", f"line {number}")
    return Stranger(key, digest, document, key.generation_time if isinstance(key, ObjectId) else None)
