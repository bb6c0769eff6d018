"""A plain intent from its JSON form (the seed's names, percent, RFC 3339) to its message."""

from collections.abc import Mapping
from decimal import Decimal, InvalidOperation
from typing import Any, Final

from intents.v1 import intent_service_pb2 as service_pb
from intents.v1 import types_pb2 as types_pb
from intents_client.multipayload import signed_from_body
from intents_client.values import BodyError, deadline_ns, only, text, timestamp

REQUIRED_FIELDS: Final = ("id", "user_account", "action", "input_token", "input_amount", "output_token")
PLAIN_FIELDS: Final = (*REQUIRED_FIELDS, "min_output_amount", "max_slippage", "deadline")
_BODY_FIELDS: Final = frozenset((*PLAIN_FIELDS, "signed_data", "request_id"))


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

    Signed data without any field of an intent beside it is a message on its own.

    Raises BodyError for a value that has no place in the message.
    """
    only(body, _BODY_FIELDS, "", "an intent")
    intent = types_pb.PlainIntent()
    for name in REQUIRED_FIELDS:
        # missing as in JavaScript's !intent[field]
        setattr(intent, name, "" if body.get(name) in (None, "", False, 0) else text(body, name))
    if body.get("min_output_amount") is not None:
        intent.min_output_amount = text(body, "min_output_amount")
    if body.get("max_slippage") is not None:
        intent.max_slippage_bps = slippage_bps(body["max_slippage"])
    if body.get("deadline") is not None:
        intent.deadline.CopyFrom(timestamp(deadline_ns(body["deadline"])))
    made = service_pb.Submission(request_id=text(body, "request_id"))
    if body.get("signed_data") is not None:
        made.signed_data.CopyFrom(signed_from_body(body["signed_data"]))
    if not made.HasField("signed_data") or any(name in body for name in PLAIN_FIELDS):
        made.intent.CopyFrom(intent)
    return made
