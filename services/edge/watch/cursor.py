"""Where a client's watch got to: opaque to it, bound to what it watches."""

import base64
import binascii
import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

from services.common.errors import IntentError, Reason, Violation

MAX_CURSOR: Final = 65_536
"""Longest cursor taken, in characters."""
_IDS: Final = 1
_MINE: Final = 2
_BINDING: Final = 12
_KEY: Final = 8


def key_of(intent_id: str) -> bytes:
    """Eight bytes that stand for an id inside a cursor."""
    return hashlib.sha256(intent_id.encode("utf-8", "surrogatepass")).digest()[:_KEY]


def _binding(parts: Sequence[str]) -> bytes:
    return hashlib.sha256("\n".join(parts).encode("utf-8", "surrogatepass")).digest()[:_BINDING]


def _invalid(why: str) -> IntentError:
    message = f"cursor {why}"
    return IntentError(
        Reason.CURSOR_INVALID,
        message,
        [Violation(field="cursor", reason=Reason.CURSOR_INVALID, message=message)],
    )


def _encode(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).decode().rstrip("=")


def _decode(text: str, kind: int, binding: bytes) -> bytes:
    if len(text) > MAX_CURSOR:
        raise _invalid("is too long")
    try:
        raw = text.encode("ascii")
        data = base64.b64decode(raw + b"=" * (-len(raw) % 4), altchars=b"-_", validate=True)
    except (UnicodeEncodeError, binascii.Error):
        raise _invalid("is not one of ours") from None
    if len(data) < 1 + _BINDING or data[0] not in (_IDS, _MINE) or _encode(data) != text:
        raise _invalid("is not one of ours")
    if data[0] != kind or data[1 : 1 + _BINDING] != binding:
        raise _invalid("belongs to a watch of other intents")
    return data[1 + _BINDING :]


class Versions:
    """The last version passed on of each id watched; 0 for none. This vector is the cursor of a watch by ids.

    Replays come from the record's own history, so it never expires.
    """

    def __init__(self, intent_ids: Sequence[str]) -> None:
        self.ids = tuple(sorted(set(intent_ids)))
        self._index = {intent_id: index for index, intent_id in enumerate(self.ids)}
        self._last = bytearray(len(self.ids))
        self._prefix = bytes([_IDS]) + _binding(self.ids)

    def resume(self, cursor: str) -> None:
        """Take over where `cursor` was. Raises CURSOR_INVALID."""
        rest = _decode(cursor, _IDS, self._prefix[1:])
        if len(rest) != len(self.ids):
            raise _invalid("is not one of ours")
        self._last[:] = rest

    def __getitem__(self, intent_id: str) -> int:
        return self._last[self._index[intent_id]]

    def advance(self, intent_id: str, version: int) -> None:
        """Versions are single digits by the lifecycle; a byte holds them."""
        self._last[self._index[intent_id]] = min(version, 255)

    def cursor(self) -> str:
        """Opaque text."""
        return _encode(self._prefix + bytes(self._last))


@dataclass(frozen=True, slots=True)
class Position:
    """A place in the event log, and what lies behind it that was passed on already (key of id -> version)."""

    log: str
    passed: Mapping[bytes, int] = field(default_factory=dict)


def mine_to_text(principal: str, position: Position) -> str:
    """The cursor of a watch of all of a principal's intents."""
    log = position.log.encode("utf-8")
    passed = b"".join(key + bytes([min(version, 255)]) for key, version in position.passed.items())
    return _encode(bytes([_MINE]) + _binding([principal]) + len(log).to_bytes(2, "big") + log + passed)


def mine_from_text(principal: str, text: str) -> Position:
    """Raises CURSOR_INVALID."""
    rest = _decode(text, _MINE, _binding([principal]))
    size = int.from_bytes(rest[:2], "big")
    log, passed = rest[2 : 2 + size], rest[2 + size :]
    if len(rest) < 2 or len(log) != size or len(passed) % (_KEY + 1):
        raise _invalid("is not one of ours")
    try:
        cursor = log.decode("utf-8")
    except UnicodeDecodeError:
        raise _invalid("is not one of ours") from None
    step = _KEY + 1
    return Position(cursor, {passed[at : at + _KEY]: passed[at + _KEY] for at in range(0, len(passed), step)})
