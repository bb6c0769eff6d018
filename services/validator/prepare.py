"""From a submission to a case that the rules of the last stage can look at; what cannot be read is noted for them."""

from services.common.domain.plainjson import deadline_ns
from services.common.domain.signing import intent_digest
from services.common.encoding import parse_key
from services.validator.message import MAX_MESSAGE_BYTES, MessageError, read
from services.validator.model import STANDARDS, Case, Reach


def prepare(case: Case) -> None:
    """Decodes signature, message and deadline, as far as there is anything to decode. Refuses nothing itself."""
    signed = case.signed
    if signed is None:
        case.deadline_ns = case.intent.deadline_ns
        return
    if signed.standard not in STANDARDS:
        case.reach = Reach.SIGNED
        return
    case.reach = Reach.DECODED
    try:
        case.key = parse_key(signed.public_key, length=32)
    except ValueError as error:
        case.key_fault = str(error)
    try:
        case.signature = parse_key(signed.signature, length=64)
    except ValueError as error:
        case.signature_fault = str(error)
    if isinstance(signed.payload, str):
        case.signed_bytes = signed.payload.encode("utf-8", "surrogatepass")
    else:
        case.signed_bytes = intent_digest(signed)
    case.message_bytes = _size(signed.text)
    if case.message_bytes > MAX_MESSAGE_BYTES:
        return
    try:
        case.message = read(signed)
    except MessageError as error:
        case.message_fault = str(error)
        return
    case.reach = Reach.MESSAGE
    if case.message.deadline is None:
        case.deadline_fault = "the signed message lacks a deadline"
        return
    try:
        case.deadline_ns = deadline_ns(case.message.deadline)
    except ValueError as error:
        case.deadline_fault = f"the signed message's deadline {error}"


def _size(text: str) -> int:
    return len(text) if text.isascii() else len(text.encode("utf-8", "surrogatepass"))
