"""Rules whose check is that reading the message met no fault of theirs."""

from collections.abc import Iterator
from typing import Final

from services.common.errors import Reason
from services.validator.messages.fields import PAYLOAD
from services.validator.messages.model import Intent, Move, Payload
from services.validator.model import Case, Reach
from services.validator.rules.rule import Kind, Rule

INTENT: Final = f"{PAYLOAD}.intents[]"
"""What the path of an intent's field begins with; the place of the intent stands between the brackets."""


def payload_of(case: Case) -> Payload | None:
    """What the message says, if it could be read."""
    return None if case.reading is None else case.reading.payload


def intents_of(case: Case) -> Iterator[tuple[str, Intent]]:
    """Each intent with the path of its fields; none if the message could not be read."""
    payload = payload_of(case)
    for index, intent in enumerate(payload.intents if payload is not None else ()):
        yield f"{PAYLOAD}.intents[{index}]", intent


def moves_of(case: Case) -> tuple[Move, ...]:
    """What they move; nothing if the message could not be read."""
    payload = payload_of(case)
    return () if payload is None else payload.moves


def summary(case: Case) -> str | None:
    """How many intents of which kinds; None if the message could not be read."""
    payload = payload_of(case)
    if payload is None:
        return None
    kinds = ", ".join(dict.fromkeys(payload.kinds))
    count = len(payload.intents)
    return f"{count} intent{'' if count == 1 else 's'}{': ' if kinds else ''}{kinds}"


def readable(
    name: str,
    kind: Kind,
    reason: Reason | tuple[Reason, ...],
    fields: str | tuple[str, ...],
    *,
    asks: str,
    mend: str,
    needs: Reach = Reach.INTENT,
) -> Rule:
    """A rule that the reader applies: `reading` notes its faults under `name`."""

    def check(case: Case) -> None:
        for fault in case.reading.faults if case.reading is not None else ():
            if fault.rule == name:
                case.add(fault.field, fault.reason, f"{fault.field} {fault.text}")

    def seen(case: Case) -> str | None:
        faults = case.reading.faults if case.reading is not None else ()
        mine = any(fault.rule == name for fault in faults)
        return f"{case.reading.bytes} bytes" if case.reading is not None and mine else summary(case)

    return Rule(
        name=name,
        kind=kind,
        reasons=reason if isinstance(reason, tuple) else (reason,),
        fields=fields if isinstance(fields, tuple) else (fields,),
        asks=asks,
        mend=mend,
        check=check,
        needs=needs,
        reads=(),
        seen=seen,
    )
