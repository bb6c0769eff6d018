"""From a submission to a case that the rules of the last stage can look at; what cannot be read is noted for them."""

from services.common.domain.intent import SignedData
from services.common.domain.plainjson import deadline_ns
from services.common.domain.signing import intent_digest
from services.validator import usual
from services.validator.message import MAX_MESSAGE_BYTES, MessageError, SignedMessage, read
from services.validator.messages.model import Reading
from services.validator.model import Case, Reach
from services.validator.standards import TABLE, webauthn
from services.validator.standards.keys import read_key, read_signature
from services.validator.standards.standard import Standard


def prepare(case: Case) -> None:
    """Decodes signature, message and deadline, as far as there is anything to decode. Refuses nothing itself."""
    signed = case.signed
    if signed is None:
        case.deadline_ns = case.intent.deadline_ns
        return
    standard = TABLE.get(signed.standard)
    if standard is None:
        case.reach = Reach.SIGNED
        return
    case.reach = Reach.DECODED
    _read_proof(case, signed, standard)
    if case.reading is not None:
        _take(case, case.reading)
        return
    case.message_bytes = _size(signed.text)
    if signed.webauthn is not None:
        case.message_bytes = max(case.message_bytes, _size(signed.webauthn.client_data_json))
    if case.message_bytes > MAX_MESSAGE_BYTES:
        return
    try:
        case.message = usual.read(signed, case.intent) or read(signed)
    except MessageError as error:
        case.message_fault = str(error)
        return
    case.reach = Reach.MESSAGE
    until = case.message.deadline
    if until is None:
        case.deadline_fault = "the signed message lacks a deadline"
        return
    try:
        case.deadline_ns = deadline_ns(until)
    except ValueError as error:
        case.deadline_fault = f"the signed message's deadline {error}"


def _take(case: Case, reading: Reading) -> None:
    """What was read of a message on its own before the first stage."""
    case.message_bytes = reading.bytes
    payload = reading.payload
    if payload is None:
        return
    case.reach = Reach.MESSAGE
    case.message = SignedMessage(
        signer_id=payload.signer_id,
        recipient=payload.verifying_contract,
        network=None,
        deadline=payload.deadline,
        nonce=payload.nonce,
        fields={},
    )
    # what lies before 1970 has passed as well as what lies at its beginning, and only this can be shown
    case.deadline_ns = max(payload.deadline_ns, 0)


def _read_proof(case: Case, signed: SignedData, standard: Standard) -> None:
    case.standard = standard
    case.form_fault = standard.form(signed)
    try:
        case.signature = read_signature(signed.signature, standard.curves)
    except ValueError as error:
        case.signature_fault = str(error)
    if not standard.recovers:
        try:
            case.key = read_key(signed.public_key, standard.curves)
        except ValueError as error:
            case.key_fault = str(error)
    if case.form_fault:
        return
    case.signed_bytes = standard.signed_bytes(signed)
    if signed.webauthn is not None and _size(signed.webauthn.client_data_json) <= MAX_MESSAGE_BYTES:
        case.client_too_deep = webauthn.too_deep(signed.webauthn)
        case.assertion_fault = webauthn.fault_of(signed.webauthn, intent_digest(signed))


def _size(text: str) -> int:
    return len(text) if text.isascii() else len(text.encode("utf-8", "surrogatepass"))
