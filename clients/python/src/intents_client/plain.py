"""A plain intent between its JSON form (the seed's names, percent, RFC 3339) and its message."""

import base64
import binascii
import re
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from decimal import Decimal, InvalidOperation
from typing import Any, Final

from google.protobuf.timestamp_pb2 import Timestamp

from intents.v1 import intent_service_pb2 as service_pb
from intents.v1 import types_pb2 as types_pb

REQUIRED_FIELDS: Final = ("id", "user_account", "action", "input_token", "input_amount", "output_token")
PLAIN_FIELDS: Final = (*REQUIRED_FIELDS, "min_output_amount", "max_slippage", "deadline")
_BODY_FIELDS: Final = frozenset((*PLAIN_FIELDS, "signed_data", "request_id"))
_SIGNED_FIELDS: Final = frozenset(("standard", "payload", "public_key", "signature"))
_NEP413_FIELDS: Final = frozenset(("message", "nonce", "recipient", "callbackUrl"))
_RFC3339: Final = re.compile(
    r"(\d{4}-\d\d-\d\d)[Tt](\d\d:\d\d:\d\d)(?:\.(\d{1,9}))?([Zz]|[+-](?:[01]\d|2[0-3]):[0-5]\d)", re.ASCII
)
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_LAST_NS: Final = 253_402_300_799 * 10**9


class BodyError(ValueError):
    """A body cannot be sent; `field` names the field, the message says what it must be."""

    def __init__(self, field: str, why: str) -> None:
        super().__init__(f"{field} {why}")
        self.field = field


def rfc3339(moment: datetime) -> str:
    """UTC with milliseconds, `2026-11-23T12:00:00.000Z`."""
    return moment.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def deadline_ns(value: object) -> int:
    """RFC 3339 with an offset, or integer nanoseconds -> Unix nanoseconds. Raises BodyError."""
    if isinstance(value, int) and not isinstance(value, bool):
        found = value
    else:
        match = _RFC3339.fullmatch(value) if isinstance(value, str) else None
        if match is None:
            raise BodyError(
                "deadline", "must be RFC 3339 with an offset and at most 9 decimals, or integer nanoseconds"
            )
        day, clock, fraction, offset = match.groups()
        try:
            moment = datetime.fromisoformat(f"{day}T{clock}{'+00:00' if offset in 'Zz' else offset}")
        except ValueError:
            raise BodyError("deadline", "is not a date and time that exists") from None
        found = (moment - _EPOCH) // timedelta(seconds=1) * 10**9 + int((fraction or "").ljust(9, "0"))
    if not 0 <= found <= _LAST_NS:
        raise BodyError("deadline", "lies outside the years 1970 to 9999")
    return found


def slippage_bps(value: object) -> int:
    """Percent with at most 2 decimals -> basis points. Raises BodyError."""
    if isinstance(value, bool) or not isinstance(value, int | float | Decimal):
        raise BodyError("max_slippage", "must be a number, in percent")
    try:
        scaled = Decimal(str(value)) * 100
        if not 0 <= scaled < 2**32 or scaled != int(scaled):
            raise InvalidOperation
    except InvalidOperation:
        raise BodyError("max_slippage", "must be a plain number of percent with at most 2 decimals") from None
    return int(scaled)


def submission_from_body(body: Mapping[str, Any]) -> service_pb.Submission:
    """The body of POST /api/intents as a message. Missing fields stay empty, for the server to name.

    Raises BodyError for a value that has no place in the message.
    """
    _only(body, _BODY_FIELDS, "", "an intent")
    intent = types_pb.PlainIntent()
    for name in REQUIRED_FIELDS:
        # missing as in JavaScript's !intent[field]
        setattr(intent, name, "" if body.get(name) in (None, "", False, 0) else _text(body, name))
    if body.get("min_output_amount") is not None:
        intent.min_output_amount = _text(body, "min_output_amount")
    if body.get("max_slippage") is not None:
        intent.max_slippage_bps = slippage_bps(body["max_slippage"])
    if body.get("deadline") is not None:
        intent.deadline.CopyFrom(_timestamp(deadline_ns(body["deadline"])))
    made = service_pb.Submission(intent=intent, request_id=_text(body, "request_id"))
    if body.get("signed_data") is not None:
        made.signed_data.CopyFrom(_signed(body["signed_data"]))
    return made


def _signed(value: object) -> types_pb.SignedData:
    if not isinstance(value, Mapping):
        raise BodyError("signed_data", "must be an object")
    _only(value, _SIGNED_FIELDS, "signed_data.", "signed data")
    signed = types_pb.SignedData(
        standard=_text(value, "standard", "signed_data."),
        public_key=_text(value, "public_key", "signed_data."),
        signature=_text(value, "signature", "signed_data."),
    )
    payload = value.get("payload")
    if isinstance(payload, str):
        signed.text = _text(value, "payload", "signed_data.")
    elif isinstance(payload, Mapping):
        where = "signed_data.payload."
        _only(payload, _NEP413_FIELDS, where, "a nep413 payload")
        signed.nep413.message = _text(payload, "message", where)
        signed.nep413.recipient = _text(payload, "recipient", where)
        try:
            signed.nep413.nonce = base64.b64decode(_text(payload, "nonce", where), validate=True)
        except (binascii.Error, ValueError) as error:
            if isinstance(error, BodyError):
                raise
            raise BodyError(f"{where}nonce", "must be base64 of 32 bytes") from None
        if payload.get("callbackUrl") is not None:
            signed.nep413.callback_url = _text(payload, "callbackUrl", where)
    else:
        raise BodyError("signed_data.payload", "must be an object or a string")
    return signed


def _only(value: Mapping[str, Any], allowed: frozenset[str], where: str, what: str) -> None:
    for name in value:
        if name not in allowed:
            raise BodyError(f"{where}{str(name)[:64]}", f"is not a field of {what}")


def _text(body: Mapping[str, Any], name: str, where: str = "") -> str:
    value = body.get(name)
    if value is None:
        return ""
    if not isinstance(value, str):
        raise BodyError(where + name, "must be a string")
    try:
        value.encode()
    except UnicodeEncodeError:
        raise BodyError(where + name, "holds a lone surrogate") from None
    return value


def _timestamp(ns: int) -> Timestamp:
    return Timestamp(seconds=ns // 10**9, nanos=ns % 10**9)
