"""What may become a part of a stored document, whatever it says: text that is Unicode, numbers and sizes that fit."""

from collections.abc import Iterable
from dataclasses import fields, is_dataclass
from typing import Any, Final

from services.common.domain.intent import SignedTransaction
from services.common.errors import IntentError, Reason

MAX_ITEM_BYTES: Final = 1 << 20
"""Text and bytes of one submission or one move. MongoDB's documents end at 16 MiB."""
_INTEGERS: Final = 1 << 63
_FIELDS: Final[dict[type, tuple[str, ...]]] = {}
"""Of each kind met so far. None but a dataclass's: numbers, moments and flags have no size that anybody could abuse."""


def odd(item: Any, *, most: int = MAX_ITEM_BYTES) -> IntentError | None:
    """Why a submission, move, lease or key (a dataclass or text) cannot be stored or looked for."""
    try:
        size = _size(item)
    except UnicodeEncodeError:
        return IntentError(Reason.INVALID_FIELD, "A text holds half of a surrogate pair, which no text may.")
    if size > most:
        return IntentError(
            Reason.PAYLOAD_TOO_LARGE,
            f"It has {size} bytes; at most {most} are stored at once.",
            metadata={"max_bytes": str(most)},
        )
    for one in getattr(item, "transactions", ()):
        if isinstance(one, SignedTransaction) and not 0 <= one.block_height < _INTEGERS:
            return IntentError(Reason.INVALID_FIELD, "transactions.block_height: 0 to 2^63 - 1 is expected.")
    return None


def check(*items: Any) -> None:
    """Raises what `odd` says of the first that is; for calls that have no answer per item."""
    for item in items:
        if (error := odd(item)) is not None:
            raise error


def _size(item: Any) -> int:
    """Bytes of all text and bytes in it. Raises UnicodeEncodeError."""
    if isinstance(item, str):
        return len(item) if item.isascii() else len(item.encode())
    if isinstance(item, bytes):
        return len(item)
    if isinstance(item, tuple | list):
        return _sum(item)
    kind = type(item)
    names = _FIELDS.get(kind)
    if names is None:
        names = _FIELDS[kind] = tuple(one.name for one in fields(item)) if is_dataclass(item) else ()
    return _sum([getattr(item, name) for name in names])


def _sum(items: Iterable[Any]) -> int:
    return sum([_size(one) for one in items if one is not None])
