"""Rules of the store that need no I/O: keys, partitions, cursors, page tokens, what may be written."""

import base64
import binascii
import hashlib
import json
import struct
import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from services.common.clock import from_ns, to_ns
from services.common.domain.intent import ID_PATTERN, Nep413Payload, Submission
from services.common.domain.outcomes import ListQuery, RequestIdentity
from services.common.domain.strictjson import StrictJsonError, loads
from services.common.encoding import b64decode_unpadded, b64encode
from services.common.errors import IntentError, Reason

MAX_BATCH: Final = 1000
MAX_PAGE: Final = 200
MAX_EVENTS: Final = 1000
MAX_PRINCIPAL: Final = 256
MAX_MESSAGE_BYTES: Final = 1 << 16
_JOINED: Final = json.JSONEncoder(separators=(",", ":"))
_CURSOR_FORMAT: Final = 1
_TOKEN_FORMAT: Final = 1


def check_batch(count: int, *, most: int = MAX_BATCH) -> None:
    """Raises IntentError BATCH_SIZE unless 1 to `most` items were sent."""
    if not 1 <= count <= most:
        raise IntentError(
            Reason.BATCH_SIZE,
            f"A batch holds 1 to {most} items, this one {count}.",
            metadata={"max": str(most)},
        )


def unfit(principal: str, intent_id: str, request_id: str) -> IntentError | None:
    """Why these cannot be keys; the edge and the validator refuse them before."""
    if ID_PATTERN.fullmatch(intent_id) is None:
        return IntentError(Reason.INVALID_ID, "id: 1 to 128 characters of A-Za-z0-9._:@- are expected.")
    if request_id and ID_PATTERN.fullmatch(request_id) is None:
        return IntentError(
            Reason.INVALID_FIELD, "request_id: 1 to 128 characters of A-Za-z0-9._:@- are expected."
        )
    if not 1 <= len(principal) <= MAX_PRINCIPAL:
        return IntentError(Reason.INVALID_FIELD, f"principal: 1 to {MAX_PRINCIPAL} characters are expected.")
    return None


def joined(*parts: str) -> str:
    """Parts as one text that no other parts give."""
    return _JOINED.encode(parts)


def request_key(identity: RequestIdentity) -> str:
    """`_id` of a request: principal, method, request_id."""
    return joined(identity.principal, identity.method, identity.request_id)


def nonce_key(submission: Submission) -> str | None:
    """`_id` of the nonce a submission's signature uses: contract, signer, nonce; None if it is unsigned.

    Raises IntentError INVALID_MESSAGE where the signed text names none (the validator refuses it before).
    """
    signed = submission.signed_data
    if signed is None:
        return None
    if isinstance(signed.payload, Nep413Payload) and submission.intent is not None:
        # the validator holds signer_id and user_account equal
        return joined(
            signed.payload.recipient, submission.intent.user_account, b64encode(signed.payload.nonce)
        )
    try:
        message = loads(signed.text, max_bytes=MAX_MESSAGE_BYTES)
        if isinstance(signed.payload, Nep413Payload):
            contract, nonce = signed.payload.recipient, signed.payload.nonce
        else:
            contract, nonce = message["verifying_contract"], b64decode_unpadded(message["nonce"], length=32)
        signer = message["signer_id"]
        if not all(isinstance(part, str) for part in (contract, signer)):
            raise TypeError("not text")
    except (StrictJsonError, ValueError, KeyError, TypeError, AttributeError):
        raise IntentError(
            Reason.INVALID_MESSAGE, "The signed message names no contract, signer and nonce."
        ) from None
    return joined(contract, signer, b64encode(nonce))


def partition_of(intent_id: str, partitions: int) -> int:
    """The partition of the event log that tells of this intent; the same for ever."""
    return zlib.crc32(intent_id.encode("utf-8", "surrogatepass")) % partitions


def floor_key(partition: int) -> str:
    """`_id` of the bookkeeping document that holds a partition's floor in `sequence`."""
    return f"floor:{partition}"


def encode_cursor(store_id: str, positions: Sequence[int]) -> str:
    """Opaque text for "after these sequences"; `store_id` is 16 hex digits."""
    raw = struct.pack(
        f"<B8sH{len(positions)}Q", _CURSOR_FORMAT, bytes.fromhex(store_id), len(positions), *positions
    )
    return base64.urlsafe_b64encode(raw).decode().rstrip("=")


def expired(why: str) -> IntentError:
    """CURSOR_EXPIRED: what came after the cursor cannot be told any more."""
    return IntentError(
        Reason.CURSOR_EXPIRED,
        f"{why} Start over: read the latest states and follow the log from its end, or begin at the oldest event "
        "kept with an empty cursor.",
    )


def decode_cursor(cursor: str, store_id: str, partitions: int) -> list[int]:
    """Sequences of a cursor. Raises IntentError CURSOR_INVALID, CURSOR_EXPIRED (another store's)."""
    try:
        raw = base64.b64decode(cursor + "=" * (-len(cursor) % 4), altchars=b"-_", validate=True)
        version, store, count = struct.unpack_from("<B8sH", raw)
        positions = list(struct.unpack_from(f"<{count}Q", raw, 11))
        if len(raw) != 11 + 8 * count or version != _CURSOR_FORMAT or max(positions, default=0) >= 1 << 62:
            raise ValueError("malformed")
    except (binascii.Error, struct.error, ValueError):
        raise IntentError(Reason.CURSOR_INVALID, "The cursor is not one this service gave.") from None
    if store.hex() != store_id or count != partitions:
        raise expired("The cursor is another store's, or from before this one was restored from a backup.")
    return positions


@dataclass(frozen=True, slots=True)
class PageKey:
    """The last record of a page."""

    created_at: datetime
    intent_id: str


def encode_page_token(query: ListQuery, last: PageKey) -> str:
    """Opaque text for "after this record", good for the same filters only."""
    raw = struct.pack("<B8sq", _TOKEN_FORMAT, _filters(query), to_ns(last.created_at) // 1_000_000)
    raw += last.intent_id.encode()
    return base64.urlsafe_b64encode(raw + struct.pack("<I", zlib.crc32(raw))).decode().rstrip("=")


def decode_page_token(query: ListQuery) -> PageKey | None:
    """Where the page starts; None for the first. Raises IntentError PAGE_TOKEN_INVALID."""
    token = query.page_token
    if not token:
        return None
    try:
        whole = base64.b64decode(token + "=" * (-len(token) % 4), altchars=b"-_", validate=True)
        raw, check = whole[:-4], whole[-4:]
        version, filters, ms = struct.unpack_from("<B8sq", raw)
        intent_id = raw[17:].decode()
        if struct.pack("<I", zlib.crc32(raw)) != check:
            raise ValueError("cut short or changed")
        if version != _TOKEN_FORMAT or filters != _filters(query) or not intent_id or len(raw) > 200:
            raise ValueError("malformed")
        return PageKey(from_ns(ms * 1_000_000), intent_id)
    except (binascii.Error, struct.error, ValueError, OverflowError):
        raise IntentError(
            Reason.PAGE_TOKEN_INVALID, "The page token is not of a list with these filters."
        ) from None


def _filters(query: ListQuery) -> bytes:
    parts = [query.principal, query.user_id, query.status or "", query.action]
    times = ["" if one is None else str(to_ns(one)) for one in (query.created_since, query.created_until)]
    later = [query.token, query.solver_id, query.transaction_hash, *times]
    # lists without these have the tokens that earlier versions gave
    text = joined(*parts, *(later if any(later) else ()))
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).digest()[:8]
