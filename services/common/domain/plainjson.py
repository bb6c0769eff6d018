"""A plain intent and its signature as JSON shows them: seed's names, percent, RFC 3339."""

import base64
import binascii
import re
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from services.common.domain.intent import REQUIRED_FIELDS, Nep413Payload, PlainIntent, SignedData, Submission
from services.common.domain.strictjson import Number
from services.common.errors import IntentError, Reason, Violation

OPTIONAL_FIELDS: Final = ("min_output_amount", "max_slippage", "deadline")
PLAIN_FIELDS: Final = (*REQUIRED_FIELDS, *OPTIONAL_FIELDS)
BODY_FIELDS: Final = frozenset((*PLAIN_FIELDS, "signed_data", "request_id"))

_SLIPPAGE: Final = re.compile(r"(0|[1-9][0-9]{0,8})(?:\.([0-9]{1,2}))?")
_RFC3339: Final = re.compile(
    r"(\d{4}-\d{2}-\d{2})[Tt](\d{2}:\d{2}:\d{2})(?:\.(\d{1,9}))?([Zz]|[+-](?:[01]\d|2[0-3]):[0-5]\d)",
    re.ASCII,
)
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
MAX_DEADLINE_NS: Final = 253_402_300_799 * 10**9
"""The last second of the year 9999; later instants have no RFC 3339 form."""


def missing(value: object) -> bool:
    """JavaScript's `!value` for what JSON can hold: absent, null, empty, false or 0."""
    return value is None or value == "" or value is False or (_is_number(value) and _is_zero(value))


def slippage_bps(value: object) -> int:
    """Percent as a JSON number with at most 2 decimals -> basis points. Raises ValueError saying why."""
    if not _is_number(value):
        raise ValueError("must be a number, in percent")
    match = _SLIPPAGE.fullmatch(str(value))
    if match is None:
        raise ValueError("must be a plain number of percent with at most 2 decimals")
    return int(match[1]) * 100 + int((match[2] or "").ljust(2, "0"))


def slippage_percent(bps: int) -> int | float:
    """Basis points -> percent, an int where it is whole."""
    return bps // 100 if bps % 100 == 0 else bps / 100


def deadline_ns(value: object) -> int:
    """RFC 3339 with an offset, or integer nanoseconds -> Unix nanoseconds. Raises ValueError saying why."""
    if isinstance(value, int) and not isinstance(value, bool):
        result = value
    elif isinstance(value, str) and not isinstance(value, Number):
        match = _RFC3339.fullmatch(value)
        if match is None:
            raise ValueError("must be RFC 3339 with an offset and at most 9 decimals, or integer nanoseconds")
        day, clock, fraction, offset = match.groups()
        try:
            moment = datetime.fromisoformat(f"{day}T{clock}{'+00:00' if offset in 'Zz' else offset}")
        except ValueError:
            raise ValueError("is not a date and time that exists") from None
        seconds = (moment - _EPOCH) // timedelta(seconds=1)
        result = seconds * 10**9 + int((fraction or "").ljust(9, "0"))
    else:
        raise ValueError("must be an RFC 3339 string or integer nanoseconds")
    if not 0 <= result <= MAX_DEADLINE_NS:
        raise ValueError("lies outside the years 1970 to 9999")
    return result


def rfc3339(ns: int) -> str:
    """Unix nanoseconds -> RFC 3339 in UTC; decimals only where needed, then all nine."""
    moment = datetime.fromtimestamp(ns // 10**9, UTC).strftime("%Y-%m-%dT%H:%M:%S")
    fraction = ns % 10**9
    return f"{moment}.{fraction:09d}Z" if fraction else f"{moment}Z"


def plain_to_json(intent: PlainIntent) -> dict[str, Any]:
    """The seed's fields; optional ones only where present."""
    shown: dict[str, Any] = {name: getattr(intent, name) for name in REQUIRED_FIELDS}
    if intent.min_output_amount is not None:
        shown["min_output_amount"] = intent.min_output_amount
    if intent.max_slippage_bps is not None:
        shown["max_slippage"] = slippage_percent(intent.max_slippage_bps)
    if intent.deadline_ns is not None:
        shown["deadline"] = rfc3339(intent.deadline_ns)
    return shown


def signed_to_json(signed: SignedData) -> dict[str, Any]:
    """The MultiPayload."""
    payload: Any = signed.payload
    if isinstance(signed.payload, Nep413Payload):
        payload = {
            "message": signed.payload.message,
            "nonce": base64.b64encode(signed.payload.nonce).decode(),
            "recipient": signed.payload.recipient,
        }
        if signed.payload.callback_url is not None:
            payload["callbackUrl"] = signed.payload.callback_url
    return {
        "standard": signed.standard,
        "payload": payload,
        "public_key": signed.public_key,
        "signature": signed.signature,
    }


def submission_to_json(submission: Submission) -> dict[str, Any]:
    """The body of POST /api/intents."""
    body = plain_to_json(submission.intent) if submission.intent is not None else {}
    if submission.signed_data is not None:
        body["signed_data"] = signed_to_json(submission.signed_data)
    if submission.request_id:
        body["request_id"] = submission.request_id
    return body


def submission_from_json(body: object) -> Submission:
    """The body of POST /api/intents, as strictjson read it -> Submission.

    Required fields that are missing become empty strings, for the validator to name. Raises IntentError
    INVALID_FIELD with a violation for each field of a wrong type or unknown name, MALFORMED_REQUEST if the
    body is no object.
    """
    if not isinstance(body, Mapping):
        raise IntentError(Reason.MALFORMED_REQUEST, "The body must be a JSON object.")
    wrong = _Wrong()
    for name in body:
        if name not in BODY_FIELDS:
            wrong.add(str(name)[:64], "is not a field of an intent")
    texts: dict[str, str] = {}
    for name in REQUIRED_FIELDS:
        value = body.get(name)
        texts[name] = "" if missing(value) else wrong.text(name, value)
    minimum = body.get("min_output_amount")
    slippage = body.get("max_slippage")
    deadline = body.get("deadline")
    intent = PlainIntent(
        **texts,
        min_output_amount=None if minimum is None else wrong.text("min_output_amount", minimum),
        max_slippage_bps=None if slippage is None else wrong.parsed("max_slippage", slippage_bps, slippage),
        deadline_ns=None if deadline is None else wrong.parsed("deadline", deadline_ns, deadline),
    )
    request = body.get("request_id")
    request_id = "" if request is None else wrong.text("request_id", request)
    signed = body.get("signed_data")
    signed_data = None
    if signed is not None:
        try:
            signed_data = signed_from_json(signed)
        except IntentError as error:
            wrong.found.extend(error.violations)
    wrong.check()
    return Submission(intent=intent, signed_data=signed_data, request_id=request_id)


def signed_from_json(value: object) -> SignedData:
    """A MultiPayload, as strictjson read it. Raises IntentError INVALID_FIELD naming each wrong field."""
    wrong = _Wrong()
    if not isinstance(value, Mapping):
        wrong.add("signed_data", "must be an object")
        wrong.check()
        raise AssertionError("unreachable")
    for name in value:
        if name not in ("standard", "payload", "public_key", "signature"):
            wrong.add(f"signed_data.{str(name)[:64]}", "is not a field of signed data")
    standard = wrong.text("signed_data.standard", value.get("standard"))
    raw = value.get("payload")
    payload: Nep413Payload | str = ""
    # whether the standard is known, and whether this is its form, is for the validator to say
    if isinstance(raw, Mapping):
        payload = _nep413(raw, wrong)
    elif isinstance(raw, str) and not isinstance(raw, Number):
        payload = raw
    else:
        wrong.add("signed_data.payload", "must be an object or a string")
    key = value.get("public_key")
    signed = SignedData(
        standard=standard,
        payload=payload,
        public_key="" if key is None else wrong.text("signed_data.public_key", key),
        signature=wrong.text("signed_data.signature", value.get("signature")),
    )
    wrong.check()
    return signed


def _nep413(raw: Mapping[str, Any], wrong: "_Wrong") -> Nep413Payload:
    for name in raw:
        if name not in ("message", "nonce", "recipient", "callbackUrl"):
            wrong.add(f"signed_data.payload.{str(name)[:64]}", "is not a field of a nep413 payload")
    nonce = b""
    try:
        nonce = base64.b64decode(wrong.text("signed_data.payload.nonce", raw.get("nonce")), validate=True)
    except (binascii.Error, ValueError):
        wrong.add("signed_data.payload.nonce", "must be base64 of 32 bytes")
    callback = raw.get("callbackUrl")
    return Nep413Payload(
        message=wrong.text("signed_data.payload.message", raw.get("message")),
        nonce=nonce,
        recipient=wrong.text("signed_data.payload.recipient", raw.get("recipient")),
        callback_url=None if callback is None else wrong.text("signed_data.payload.callbackUrl", callback),
    )


class _Wrong:
    """Collects what is wrong with a body, field by field."""

    def __init__(self) -> None:
        self.found: list[Violation] = []

    def add(self, name: str, why: str) -> None:
        self.found.append(Violation(field=name, reason=Reason.INVALID_FIELD, message=f"{name} {why}"))

    def text(self, name: str, value: object) -> str:
        if isinstance(value, str) and not isinstance(value, Number):
            return value
        self.add(name, "must be a string")
        return ""

    def parsed(self, name: str, parse: Any, value: object) -> int:
        try:
            return int(parse(value))
        except ValueError as error:
            self.add(name, str(error))
            return 0

    def check(self) -> None:
        if self.found:
            raise IntentError(Reason.INVALID_FIELD, self.found[0].message, violations=tuple(self.found))


def _is_number(value: object) -> bool:
    return (isinstance(value, int) and not isinstance(value, bool)) or isinstance(value, Number)


def _is_zero(value: object) -> bool:
    return (
        value == 0 if isinstance(value, int) else re.fullmatch(r"-?0(\.0+)?([eE].*)?", str(value)) is not None
    )
