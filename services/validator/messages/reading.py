"""From signed data to what its message says, or to why it cannot be read."""

import math
import re
from typing import Any, Final

from services.common.domain import strictjson
from services.common.domain.intent import Nep413Payload, SignedData
from services.common.errors import Reason
from services.validator.ids import is_account
from services.validator.message import MAX_MESSAGE_BYTES
from services.validator.messages import fields as f
from services.validator.messages.fields import PAYLOAD, Field, Notes, structure
from services.validator.messages.kinds import read_intent
from services.validator.messages.model import Bounds, Intent, Payload, Reading
from services.validator.messages.moves import moves_of
from services.validator.model import shown

_VAST: Final = re.compile(r"[0-9][eE]|[0-9]{300}")
"""Where a number may be beyond what a double holds."""

_REFUSED: Final = (
    (strictjson.TooDeep, "message-depth"),
    (strictjson.DuplicateKey, "message-keys"),
    (strictjson.TooManyDigits, "message-numbers"),
)
_IN_MESSAGE: Final = {"signer_id": Field(f.account), "deadline": Field(f.deadline)}
_BARE: Final = {**_IN_MESSAGE, "verifying_contract": Field(f.account), "nonce": Field(f.nonce)}


def size_of(text: str) -> int:
    """Bytes of UTF-8."""
    return len(text) if text.isascii() else len(text.encode("utf-8", "surrogatepass"))


def read(signed: SignedData, bounds: Bounds) -> Reading:
    """The message of `signed`. Never raises; of a message beyond a bound no more is read than it takes to say so."""
    notes = Notes(bounds)
    if signed.webauthn is not None:
        _measured(notes, signed.webauthn.client_data_json, MAX_MESSAGE_BYTES, "webauthn's client data")
    value = _parse(notes, signed.text)
    payload = None if notes.faults else _payload(notes, signed, value)
    return Reading(
        payload=None if notes.faults else payload, faults=tuple(notes.faults), bytes=size_of(signed.text)
    )


def _measured(notes: Notes, text: str, most: int, what: str) -> bool:
    size = size_of(text)
    if size > most:
        notes.add(
            "message-size",
            PAYLOAD,
            Reason.INVALID_MESSAGE,
            f"{what} holds {size} bytes, more than {most}; it is not read",
        )
    return size <= most


def _parse(notes: Notes, text: str) -> Any:
    if not _measured(notes, text, notes.bounds.max_bytes, "the message"):
        return None
    try:
        value = strictjson.loads(text, max_bytes=notes.bounds.max_bytes)
    except strictjson.StrictJsonError as error:
        rule = next((name for kind, name in _REFUSED if isinstance(error, kind)), "message-json")
        notes.add(rule, PAYLOAD, Reason.INVALID_MESSAGE, f"is refused as JSON: {error}")
        return None
    if _VAST.search(text) is not None and not _finite(value):
        notes.add("message-json", PAYLOAD, Reason.INVALID_MESSAGE, "is refused as JSON: number out of range")
    return value


def _finite(value: object) -> bool:
    if isinstance(value, strictjson.Number):
        return math.isfinite(float(value))
    if isinstance(value, dict):
        return all(map(_finite, value.values()))
    return all(map(_finite, value)) if isinstance(value, list) else True


def _payload(notes: Notes, signed: SignedData, value: object) -> Payload | None:
    if not isinstance(value, dict):
        notes.add("message-json", PAYLOAD, Reason.INVALID_MESSAGE, "must be a JSON object")
        return None
    envelope = signed.payload if isinstance(signed.payload, Nep413Payload) else None
    found = structure(notes, PAYLOAD, value, _BARE if envelope is None else _IN_MESSAGE, "a message")
    if envelope is not None:
        found["verifying_contract"] = _recipient(notes, envelope)
        found["nonce"] = _enveloped_nonce(notes, envelope)
    intents = _intents(notes, value)
    if notes.faults:
        return None
    deadline, deadline_ns = found["deadline"]
    return Payload(
        signer_id=found["signer_id"],
        verifying_contract=found["verifying_contract"],
        deadline=deadline,
        deadline_ns=deadline_ns,
        nonce=found["nonce"],
        intents=tuple(intent for _, intent in intents),
        kinds=tuple(kind for kind, _ in intents),
        moves=tuple(moves_of(found["signer_id"], (intent for _, intent in intents))),
    )


def _recipient(notes: Notes, envelope: Nep413Payload) -> str:
    if not is_account(envelope.recipient):
        notes.add(
            "account-forms",
            f"{PAYLOAD}.recipient",
            Reason.INVALID_ACCOUNT,
            f"must be a NEAR account id, not {shown(envelope.recipient)}",
        )
    return envelope.recipient


def _enveloped_nonce(notes: Notes, envelope: Nep413Payload) -> bytes:
    if len(envelope.nonce) != 32:
        notes.add(
            "nonce-form",
            f"{PAYLOAD}.nonce",
            Reason.INVALID_NONCE,
            f"must be base64 of 32 bytes, not of {len(envelope.nonce)}",
        )
    return envelope.nonce


def _intents(notes: Notes, value: dict[str, Any]) -> list[tuple[str, Intent]]:
    where = f"{PAYLOAD}.intents"
    listed = value.get("intents", [])
    if not isinstance(listed, list):
        notes.wrong(where, "must be a list")
        return []
    if len(listed) > notes.bounds.max_intents:
        notes.add(
            "intents-count",
            where,
            Reason.INVALID_MESSAGE,
            f"holds {len(listed)} intents, more than {notes.bounds.max_intents}; they are not read",
        )
        return []
    read = (read_intent(notes, f"{where}[{index}]", item) for index, item in enumerate(listed))
    return [one for one in read if one is not None]
