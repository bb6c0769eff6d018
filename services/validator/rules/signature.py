"""Stage 4, first part: did this key sign, and can what it signed be read?"""

from typing import Final

from services.common.domain.intent import Nep413Payload
from services.common.errors import Reason
from services.validator.message import MAX_MESSAGE_BYTES, NONCE_BYTES
from services.validator.model import STANDARDS, Case, Reach, shown
from services.validator.rules.rule import Kind, Rule, rule

_DATA: Final = "signed_data"


def _callback_url(case: Case) -> str | None:
    payload = case.signed.payload if case.signed is not None else None
    if not isinstance(payload, Nep413Payload):
        return None
    return payload.callback_url or "absent"


@rule(
    "signature-required",
    Kind.POLICY,
    Reason.SIGNATURE_REQUIRED,
    _DATA,
    asks="The intent carries its user's signature, unless REQUIRE_SIGNATURE is false.",
    mend="Sign the intent with the user's wallet; `intents submit --key` does.",
)
def signature_required(case: Case) -> None:
    if case.signed is None and case.book.signature_required:
        case.add(_DATA, Reason.SIGNATURE_REQUIRED, "signed_data is required: the user must sign the intent")


@rule(
    "standard-known",
    Kind.PROTOCOL,
    Reason.UNSUPPORTED_STANDARD,
    f"{_DATA}.standard",
    asks="The signature is of a standard that can be checked.",
    mend="Sign by a standard that GET /api/info lists.",
    needs=Reach.SIGNED,
)
def standard_known(case: Case) -> None:
    assert case.signed is not None
    if case.signed.standard not in STANDARDS:
        case.add(
            f"{_DATA}.standard",
            Reason.UNSUPPORTED_STANDARD,
            f"signed_data.standard must be one of {', '.join(STANDARDS)}, not {shown(case.signed.standard)}",
        )


@rule(
    "public-key-readable",
    Kind.PROTOCOL,
    Reason.INVALID_SIGNATURE,
    f"{_DATA}.public_key",
    asks="The public key can be read: ed25519:<base58 of 32 bytes>.",
    mend="Send the key as the wallet shows it, curve and colon included.",
    needs=Reach.DECODED,
)
def public_key_readable(case: Case) -> None:
    if case.key_fault:
        case.add(
            f"{_DATA}.public_key",
            Reason.INVALID_SIGNATURE,
            f"signed_data.public_key cannot be read: {case.key_fault}",
        )


@rule(
    "signature-readable",
    Kind.PROTOCOL,
    Reason.INVALID_SIGNATURE,
    f"{_DATA}.signature",
    asks="The signature can be read: ed25519:<base58 of 64 bytes>.",
    mend="Send the signature in base58 with its curve; wallets that give base64 need it converted.",
    needs=Reach.DECODED,
)
def signature_readable(case: Case) -> None:
    if case.signature_fault:
        case.add(
            f"{_DATA}.signature",
            Reason.INVALID_SIGNATURE,
            f"signed_data.signature cannot be read: {case.signature_fault}",
        )


@rule(
    "signature-valid",
    Kind.PROTOCOL,
    Reason.INVALID_SIGNATURE,
    f"{_DATA}.signature",
    asks="The key signed exactly this payload, in the one form of the signature that counts.",
    mend="Sign again, and send the payload byte for byte as it was signed.",
    needs=Reach.DECODED,
    reads=(f"{_DATA}.public_key", f"{_DATA}.signature"),
)
def signature_valid(case: Case) -> None:
    if case.key and case.signature and not case.proven:
        case.add(
            f"{_DATA}.signature",
            Reason.INVALID_SIGNATURE,
            "signed_data.signature is not this key's signature over this payload",
        )


@rule(
    "payload-form",
    Kind.PROTOCOL,
    Reason.INVALID_MESSAGE,
    f"{_DATA}.payload",
    asks="The payload has its standard's form: an object for nep413, a string for the others.",
    mend="Send the payload in the form of the standard it was signed by.",
    needs=Reach.DECODED,
)
def payload_form(case: Case) -> None:
    assert case.signed is not None
    if isinstance(case.signed.payload, Nep413Payload) is not (case.signed.standard == "nep413"):
        case.add(
            f"{_DATA}.payload",
            Reason.INVALID_MESSAGE,
            f"signed_data.payload has not the form of {case.signed.standard}",
        )


@rule(
    "callback-url-ascii",
    Kind.POLICY,
    Reason.INVALID_MESSAGE,
    f"{_DATA}.payload",
    asks="The callbackUrl of a nep413 payload, where given, is ASCII.",
    mend="Percent-encode the callbackUrl, and sign again.",
    needs=Reach.DECODED,
    reads=(),
    seen=_callback_url,
)
def callback_url_ascii(case: Case) -> None:
    payload = case.signed.payload if case.signed is not None else None
    if isinstance(payload, Nep413Payload) and not (payload.callback_url or "").isascii():
        case.add(
            f"{_DATA}.payload",
            Reason.INVALID_MESSAGE,
            "signed_data.payload has a callbackUrl that is not ASCII",
        )


@rule(
    "message-size",
    Kind.POLICY,
    Reason.INVALID_MESSAGE,
    f"{_DATA}.payload",
    asks=f"The signed message is at most {MAX_MESSAGE_BYTES} bytes; a longer one is not read.",
    mend="Sign a shorter message: it needs nothing but the intent's fields.",
    needs=Reach.DECODED,
    reads=(),
    seen=lambda case: f"{case.message_bytes} bytes",
)
def message_size(case: Case) -> None:
    if case.message_bytes > MAX_MESSAGE_BYTES:
        case.add(
            f"{_DATA}.payload",
            Reason.INVALID_MESSAGE,
            f"the signed message holds {case.message_bytes} bytes, more than {MAX_MESSAGE_BYTES}",
        )


@rule(
    "message-readable",
    Kind.PROTOCOL,
    Reason.INVALID_MESSAGE,
    f"{_DATA}.payload",
    asks="The signed message is strict JSON in ASCII, of the keys it must have and no other, with one plain intent.",
    mend="Build the message as docs/http.md shows it and sign that text.",
    needs=Reach.DECODED,
    reads=(),
    seen=lambda case: None if case.message_bytes > MAX_MESSAGE_BYTES else f"{case.message_bytes} bytes",
)
def message_readable(case: Case) -> None:
    if case.message_fault:
        case.add(f"{_DATA}.payload", Reason.INVALID_MESSAGE, f"the signed message {case.message_fault}")


@rule(
    "nonce-form",
    Kind.PROTOCOL,
    Reason.INVALID_NONCE,
    f"{_DATA}.payload.nonce",
    asks="The nonce is base64 of exactly 32 bytes.",
    mend="Draw 32 random bytes for each message.",
    needs=Reach.MESSAGE,
)
def nonce_form(case: Case) -> None:
    nonce = case.message.nonce
    if nonce is None or len(nonce) != NONCE_BYTES:
        case.add(
            f"{_DATA}.payload.nonce",
            Reason.INVALID_NONCE,
            "the nonce must be base64 of exactly 32 bytes",
        )


RULES: Final[tuple[Rule, ...]] = (
    signature_required, standard_known, public_key_readable, signature_readable, signature_valid,
    payload_form, callback_url_ascii, message_size, message_readable, nonce_form,
)  # fmt: skip
