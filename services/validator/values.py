"""What a submission holds in each field that rules speak of, as people are shown it."""

import base64
from collections.abc import Callable, Mapping
from typing import Final

from services.common.domain.intent import SignedData
from services.common.domain.plainjson import PLAIN_FIELDS, rfc3339, slippage_percent
from services.validator.message import NONCE_BYTES
from services.validator.model import Case, Reach, shown

ABSENT: Final = "absent"
_LONGEST: Final = 110


def value_of(case: Case, field: str) -> str | None:
    """Its value, quoted; "absent"; or None where it cannot be known, or is no field that is shown."""
    read = _VALUES.get(field)
    return None if read is None else read(case)


def _text(value: str | None) -> str:
    return ABSENT if not value else shown(value, _LONGEST)


def _plain(name: str) -> Callable[[Case], str]:
    def read(case: Case) -> str:
        return _text(getattr(case.intent, name))

    return read


def _slippage(case: Case) -> str:
    bps = case.intent.max_slippage_bps
    return ABSENT if bps is None else f"{slippage_percent(bps)} percent"


def _deadline(case: Case) -> str | None:
    """The one that counts: the message's, or an unsigned intent's own."""
    if case.signed is None:
        return ABSENT if case.deadline_ns is None else rfc3339(case.deadline_ns)
    if case.reach < Reach.MESSAGE:
        return None
    return ABSENT if case.message.deadline is None else shown(str(case.message.deadline), _LONGEST)


def _of_signed(read: Callable[[SignedData], str]) -> Callable[[Case], str]:
    def found(case: Case) -> str:
        return ABSENT if case.signed is None else read(case.signed)

    return found


def _payload(signed: SignedData) -> str:
    return "a string" if isinstance(signed.payload, str) else "an object"


def _of_message(read: Callable[[Case], str]) -> Callable[[Case], str | None]:
    def found(case: Case) -> str | None:
        return read(case) if case.reach >= Reach.MESSAGE else None

    return found


def _nonce(case: Case) -> str:
    nonce = case.message.nonce
    if nonce is None:
        return "not base64 of 32 bytes"
    text = base64.b64encode(nonce[:NONCE_BYTES]).decode()
    return text if len(nonce) == NONCE_BYTES else f"{len(nonce)} bytes: {text}"


_VALUES: Final[Mapping[str, Callable[[Case], str | None]]] = {
    **{name: _plain(name) for name in PLAIN_FIELDS},
    "max_slippage": _slippage,
    "deadline": _deadline,
    "signed_data": _of_signed(lambda signed: "present"),
    "signed_data.standard": _of_signed(lambda signed: _text(signed.standard)),
    "signed_data.public_key": _of_signed(lambda signed: _text(signed.public_key)),
    "signed_data.signature": _of_signed(lambda signed: _text(signed.signature)),
    "signed_data.payload": _of_signed(_payload),
    "signed_data.payload.recipient": _of_message(lambda case: _text(case.message.recipient)),
    "signed_data.payload.network": _of_message(lambda case: _text(case.message.network)),
    "signed_data.payload.nonce": _of_message(_nonce),
}
