"""The body of POST /api/intents: a plain intent and its signature beside it, or a signed message on its own."""

from collections.abc import Callable, Mapping
from typing import Any, Final

from services.common.domain.faults import Faults
from services.common.domain.intent import REQUIRED_FIELDS, PlainIntent, Submission
from services.common.domain.plainjson import PLAIN_FIELDS, deadline_ns, missing, slippage_bps
from services.common.domain.signedjson import signed_from_json
from services.common.errors import IntentError, Reason

BODY_FIELDS: Final = frozenset((*PLAIN_FIELDS, "signed_data", "request_id"))


def submission_from_json(body: object) -> Submission:
    """The body of POST /api/intents, as strictjson read it -> Submission.

    Required fields that are missing become empty strings, for the validator to name; signed data without any field of
    an intent beside it is a message on its own. Raises IntentError INVALID_FIELD with a violation for each field of a
    wrong type or unknown name, MALFORMED_REQUEST if the body is no object.
    """
    if not isinstance(body, Mapping):
        raise IntentError(Reason.MALFORMED_REQUEST, "The body must be a JSON object.")
    faults = Faults()
    for name in body:
        if name not in BODY_FIELDS:
            faults.add(str(name)[:64], "is not a field of an intent")
    texts: dict[str, str] = {}
    for name in REQUIRED_FIELDS:
        value = body.get(name)
        texts[name] = "" if missing(value) else faults.text(name, value)
    minimum = body.get("min_output_amount")
    intent = PlainIntent(
        **texts,
        min_output_amount=None if minimum is None else faults.text("min_output_amount", minimum),
        max_slippage_bps=_parsed(faults, "max_slippage", slippage_bps, body),
        deadline_ns=_parsed(faults, "deadline", deadline_ns, body),
    )
    request = body.get("request_id")
    request_id = "" if request is None else faults.text("request_id", request)
    signed = body.get("signed_data")
    signed_data = None
    if signed is not None:
        try:
            signed_data = signed_from_json(signed)
        except IntentError as error:
            faults.found.extend(error.violations)
    faults.check()
    alone = signed_data is not None and not any(name in body for name in PLAIN_FIELDS)
    return Submission(intent=None if alone else intent, signed_data=signed_data, request_id=request_id)


def _parsed(faults: Faults, name: str, parse: Callable[[object], int], body: Mapping[str, Any]) -> int | None:
    value = body.get(name)
    if value is None:
        return None
    try:
        return parse(value)
    except ValueError as error:
        faults.add(name, str(error))
        return None
