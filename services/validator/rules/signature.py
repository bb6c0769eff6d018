"""Stage 4, first part: did this key sign, and can what it signed be read?"""

from typing import Final

from services.common.domain.intent import Nep413Payload, TonConnectPayload
from services.common.domain.plainjson import rfc3339
from services.common.domain.signing import STANDARDS
from services.common.domain.strictjson import MAX_DEPTH
from services.common.errors import Reason
from services.validator.message import MAX_MESSAGE_BYTES, NONCE_BYTES
from services.validator.model import Case, Reach, shown
from services.validator.rules.rule import Kind, Rule, Well, rule
from services.validator.standards.webauthn import AUTHENTICATOR_DATA, CLIENT_DATA

_DATA: Final = "signed_data"
_DOMAIN: Final = f"{_DATA}.domain"


def _callback_url(case: Case) -> str | None:
    payload = case.signed.payload if case.signed is not None else None
    if not isinstance(payload, Nep413Payload):
        return None
    return payload.callback_url or "absent"


def _sent_key(case: Case) -> str | None:
    if case.signed is None or (case.standard is not None and case.standard.recovers):
        return None
    return shown(case.signed.public_key, 110) if case.signed.public_key else "absent"


def _assertion(case: Case) -> str | None:
    assertion = case.signed.webauthn if case.signed is not None else None
    if assertion is None:
        return None
    data = assertion.authenticator_data
    return f"authenticator data {data[:37].hex()} ({len(data)} bytes), client data {shown(assertion.client_data_json)}"


def _nesting(case: Case) -> str | None:
    if case.signed is None or case.signed.webauthn is None:
        return None
    return f"deeper than {MAX_DEPTH}" if case.client_too_deep else f"at most {MAX_DEPTH}"


def _timestamp(case: Case) -> str | None:
    payload = case.signed.payload if case.signed is not None else None
    if not isinstance(payload, TonConnectPayload) or case.deadline_ns is None:
        return None
    return f"{rfc3339(payload.timestamp_ns)}, deadline {rfc3339(case.deadline_ns)}"


def _place(case: Case) -> tuple[str, str]:
    """Field and text of what names, outside the message, the place it was signed for."""
    signed = case.signed
    if signed is not None and isinstance(signed.payload, TonConnectPayload):
        return _DOMAIN, signed.payload.domain
    if signed is not None and signed.webauthn is not None:
        return CLIENT_DATA, signed.webauthn.client_data_json
    return "", ""


def _named_place(case: Case) -> str | None:
    name, text = _place(case)
    return shown(text, 110) if name else None


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
    "payload-form",
    Kind.PROTOCOL,
    Reason.INVALID_MESSAGE,
    f"{_DATA}.payload",
    asks="Signed data has its standard's form: what the standard needs is there, and nothing of another's.",
    mend="Send signed data in the form of the standard it was signed by; docs/http.md shows each.",
    needs=Reach.DECODED,
)
def payload_form(case: Case) -> None:
    if case.form_fault:
        case.add(f"{_DATA}.payload", Reason.INVALID_MESSAGE, case.form_fault)


@rule(
    "public-key-readable",
    Kind.PROTOCOL,
    Reason.INVALID_SIGNATURE,
    f"{_DATA}.public_key",
    asks="The public key, where the standard has one, can be read: ed25519:<base58>, for webauthn p256:<base58> too.",
    mend="Send the key as the wallet shows it: 32 bytes of ed25519, or x and y of p256, in base58.",
    needs=Reach.DECODED,
    seen=_sent_key,
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
    asks="The signature can be read: <curve>:<base58> of the standard's curve, 64 bytes, or 65 of secp256k1.",
    mend="Send it in base58 with its curve; r and s as they are, not in DER, and a recovery id of 0 to 3.",
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
    "assertion-valid",
    Kind.PROTOCOL,
    Reason.INVALID_SIGNATURE,
    (AUTHENTICATOR_DATA, CLIENT_DATA),
    asks="A webauthn assertion has the user present, and the payload's sha256 as its challenge.",
    mend="Get the assertion by navigator.credentials.get with that challenge, and send all of it unchanged.",
    needs=Reach.DECODED,
    reads=(f"{_DATA}.payload",),
    seen=_assertion,
)
def assertion_valid(case: Case) -> None:
    if case.assertion_fault is not None:
        name, why = case.assertion_fault
        case.add(name, Reason.INVALID_SIGNATURE, f"{name} {why}")


@rule(
    "client-data-depth",
    Kind.POLICY,
    Reason.INVALID_MESSAGE,
    CLIENT_DATA,
    asks=f"Webauthn's client data nests no deeper than {MAX_DEPTH}; deeper is not read. The contract reads any depth.",
    mend="Send the client data that the browser made: it is flat.",
    needs=Reach.DECODED,
    reads=(),
    seen=_nesting,
)
def client_data_depth(case: Case) -> None:
    if case.client_too_deep:
        case.add(
            CLIENT_DATA,
            Reason.INVALID_MESSAGE,
            f"{CLIENT_DATA} nests deeper than {MAX_DEPTH}; it is not read",
        )


@rule(
    "signature-valid",
    Kind.PROTOCOL,
    Reason.INVALID_SIGNATURE,
    f"{_DATA}.signature",
    asks="The key signed exactly this payload, in the one form of the signature that counts.",
    mend="Sign again, and send the payload byte for byte as it was signed.",
    needs=Reach.DECODED,
    reads=(f"{_DATA}.payload", f"{_DATA}.public_key", f"{_DATA}.signature"),
)
def signature_valid(case: Case) -> None:
    if case.provable and not case.proven:
        case.add(
            f"{_DATA}.signature",
            Reason.INVALID_SIGNATURE,
            "signed_data.signature is no key's signature over this payload"
            if case.standard is not None and case.standard.recovers
            else "signed_data.signature is not this key's signature over this payload",
        )


@rule(
    "callback-url-ascii",
    Kind.PROTOCOL,
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
    "envelope-ascii",
    Kind.PROTOCOL,
    Reason.INVALID_MESSAGE,
    (_DOMAIN, CLIENT_DATA),
    asks="The domain of ton_connect and the client data of webauthn are ASCII.",
    mend="Sign under the ASCII form of the domain (xn--…), as browsers name it.",
    needs=Reach.DECODED,
    reads=(),
    seen=_named_place,
)
def envelope_ascii(case: Case) -> None:
    name, text = _place(case)
    if not text.isascii():
        case.add(name, Reason.INVALID_MESSAGE, f"{name} is not ASCII")


@rule(
    "message-size",
    Kind.POLICY,
    Reason.INVALID_MESSAGE,
    f"{_DATA}.payload",
    asks=f"The signed message is at most {MAX_MESSAGE_BYTES} bytes, webauthn's client data too; longer is not read.",
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


@rule(
    "timestamp-before-deadline",
    Kind.PROTOCOL,
    Reason.INVALID_MESSAGE,
    f"{_DATA}.timestamp",
    asks="The timestamp of ton_connect is not after the message's deadline.",
    mend="Sign with the time it is, in seconds, and a deadline after it.",
    needs=Reach.MESSAGE,
    seen=_timestamp,
)
def timestamp_before_deadline(case: Case) -> None:
    payload, until = case.signed.payload if case.signed is not None else None, case.deadline_ns
    if isinstance(payload, TonConnectPayload) and until is not None and payload.timestamp_ns > until:
        case.add(
            f"{_DATA}.timestamp",
            Reason.INVALID_MESSAGE,
            f"the timestamp {rfc3339(payload.timestamp_ns)} is after the deadline {rfc3339(until)}",
        )


PROOF: Final[tuple[Rule, ...]] = (
    standard_known, payload_form, public_key_readable, signature_readable, assertion_valid, client_data_depth,
    signature_valid,
)  # fmt: skip
"""Those that ask whether the key signed, whatever it was."""

RULES: Final[tuple[Rule, ...]] = (
    signature_required, *PROOF, callback_url_ascii, envelope_ascii, message_size, message_readable, nonce_form,
    timestamp_before_deadline,
)  # fmt: skip


def _well(case: Case) -> bool:
    signed, message, until = case.signed, case.message, case.deadline_ns
    if signed is None or not case.proven:
        return False
    payload = signed.payload
    if isinstance(payload, Nep413Payload):
        beside = payload.callback_url is None or payload.callback_url.isascii()
    elif isinstance(payload, TonConnectPayload):
        beside = payload.domain.isascii() and until is not None and payload.timestamp_ns <= until
    else:
        beside = signed.webauthn is None or signed.webauthn.client_data_json.isascii()
    return (
        beside
        and not (case.form_fault or case.key_fault or case.signature_fault or case.message_fault)
        and case.assertion_fault is None
        and not case.client_too_deep
        and case.message_bytes <= MAX_MESSAGE_BYTES
        and message.nonce is not None
        and len(message.nonce) == NONCE_BYTES
    )


WELL: Final = Well(RULES, _well)
"""All of them at once."""
