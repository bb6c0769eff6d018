"""Stage 4, second part: was it signed for here, for now, for exactly this intent, by its user?"""

from typing import Final

from services.common.domain.plainjson import PLAIN_FIELDS, rfc3339, slippage_percent
from services.common.errors import Reason
from services.validator.message import fields_of
from services.validator.model import Case, Reach, shown
from services.validator.rules.rule import Kind, Rule, Well, rule

_PAYLOAD: Final = "signed_data.payload"


@rule(
    "recipient",
    Kind.PROTOCOL,
    Reason.WRONG_RECIPIENT,
    f"{_PAYLOAD}.recipient",
    asks="The message was signed for our contract.",
    mend="Sign with the verifying contract that GET /api/info names.",
    needs=Reach.MESSAGE,
)
def recipient(case: Case) -> None:
    if case.message.recipient != case.book.verifying_contract:
        case.add(
            f"{_PAYLOAD}.recipient",
            Reason.WRONG_RECIPIENT,
            f"the message was signed for {_quoted(case.message.recipient, 'no contract')}, "
            f"not for {case.book.verifying_contract}",
        )


@rule(
    "network",
    Kind.PROTOCOL,
    Reason.WRONG_NETWORK,
    f"{_PAYLOAD}.network",
    asks="The message was signed for our network.",
    mend="Sign with the network that GET /api/info names.",
    needs=Reach.MESSAGE,
)
def network(case: Case) -> None:
    if case.message.network != case.book.network:
        case.add(
            f"{_PAYLOAD}.network",
            Reason.WRONG_NETWORK,
            f"the message was signed for {_quoted(case.message.network, 'no network')}, not for {case.book.network}",
        )


@rule(
    "deadline-readable",
    Kind.PROTOCOL,
    Reason.INVALID_DEADLINE,
    "deadline",
    asks="The message names a deadline: RFC 3339 with an offset and at most 9 decimals, or integer nanoseconds.",
    mend='Sign a deadline like "2026-11-23T12:00:00Z".',
    needs=Reach.MESSAGE,
)
def deadline_readable(case: Case) -> None:
    if case.deadline_fault:
        case.add("deadline", Reason.INVALID_DEADLINE, case.deadline_fault)


@rule(
    "deadline-ahead",
    Kind.PROTOCOL,
    Reason.DEADLINE_EXPIRED,
    "deadline",
    asks="The deadline lies ahead.",
    mend="Sign again with a later deadline; check the clock of the machine that signs.",
)
def deadline_ahead(case: Case) -> None:
    until = case.deadline_ns
    if until is not None and until <= case.now_ns:
        case.add("deadline", Reason.DEADLINE_EXPIRED, f"the deadline {rfc3339(until)} has passed")


@rule(
    "deadline-near",
    Kind.POLICY,
    Reason.DEADLINE_TOO_FAR,
    "deadline",
    asks="The deadline lies no further ahead than MAX_LIFETIME_MS, CLOCK_SKEW_MS granted.",
    mend="Sign again with a nearer deadline.",
)
def deadline_near(case: Case) -> None:
    until = case.deadline_ns
    if until is not None and until > case.now_ns + case.book.max_lifetime_ns + case.book.clock_skew_ns:
        limit = case.book.max_lifetime_ns // 10**9
        case.add(
            "deadline",
            Reason.DEADLINE_TOO_FAR,
            f"the deadline {rfc3339(until)} lies more than {limit} seconds ahead",
        )


@rule(
    "deadline-far-enough",
    Kind.POLICY,
    Reason.DEADLINE_TOO_NEAR,
    "deadline",
    asks="The deadline leaves MIN_LIFETIME_MS to go on chain, CLOCK_SKEW_MS granted; asked of new intents only.",
    mend="Sign again with a later deadline; check the clock of the machine that signs.",
)
def deadline_far_enough(case: Case) -> None:
    until, book = case.deadline_ns, case.book
    if until is None or case.stored:
        return
    if 0 < until - case.now_ns < book.min_lifetime_ns - book.clock_skew_ns:
        case.add(
            "deadline",
            Reason.DEADLINE_TOO_NEAR,
            f"the deadline {rfc3339(until)} lies less than {book.min_lifetime_ns // 10**6} ms ahead",
        )


@rule(
    "deadline-agrees",
    Kind.PROTOCOL,
    Reason.INVALID_DEADLINE,
    "deadline",
    asks="The signed intent's own deadline, where it has one, is the message's.",
    mend="Leave the deadline out of the intent, or repeat the message's.",
    needs=Reach.MESSAGE,
    reads=(),
    seen=lambda case: _value("deadline", case.message.fields.get("deadline")),
)
def deadline_agrees(case: Case) -> None:
    inner, until = case.message.fields.get("deadline"), case.deadline_ns
    if inner is not None and until is not None and inner != until:
        case.add(
            "deadline",
            Reason.INVALID_DEADLINE,
            f"the signed intent's deadline {rfc3339(int(inner))} is not the message's {rfc3339(until)}",
        )


def _differing(case: Case) -> str:
    sent, signed = fields_of(case.intent), case.message.fields
    names = [name for name in PLAIN_FIELDS if sent.get(name) != signed.get(name)]
    return f"{', '.join(names)} differ" if names else f"{len(sent)} fields, all equal"


@rule(
    "fields-agree",
    Kind.PROTOCOL,
    Reason.FIELD_MISMATCH,
    PLAIN_FIELDS,
    asks="Every field that is in the intent or in the signed message is in both, and equal.",
    mend="Send the fields as they were signed, or sign them as they are sent.",
    needs=Reach.MESSAGE,
    reads=(),
    seen=_differing,
)
def fields_agree(case: Case) -> None:
    sent, signed = fields_of(case.intent), case.message.fields
    if sent == signed:
        return
    for name in PLAIN_FIELDS:
        if sent.get(name) != signed.get(name) and name not in case.blocked:
            case.add(
                name,
                Reason.FIELD_MISMATCH,
                f"{name} is {_value(name, sent.get(name))} in the intent "
                f"but {_value(name, signed.get(name))} in the signed message",
            )


@rule(
    "signer",
    Kind.PROTOCOL,
    Reason.SIGNER_MISMATCH,
    "user_account",
    asks="The user is who the message says signed it.",
    mend="Sign with signer_id equal to user_account.",
    needs=Reach.MESSAGE,
    seen=lambda case: shown(case.message.signer_id, 80),
)
def signer(case: Case) -> None:
    if case.message.signer_id != case.intent.user_account:
        case.add(
            "user_account",
            Reason.SIGNER_MISMATCH,
            f"the message was signed in the name of {shown(case.message.signer_id)}, "
            f"not of {shown(case.intent.user_account)}",
        )


def _quoted(text: str | None, nothing: str) -> str:
    return nothing if text is None else shown(text)


def _value(name: str, value: str | int | None) -> str:
    if value is None:
        return "absent"
    if name == "max_slippage":
        return f"{slippage_percent(int(value))} percent"
    return rfc3339(int(value)) if name == "deadline" else shown(str(value))


LIFETIME: Final[tuple[Rule, ...]] = (deadline_ahead, deadline_near, deadline_far_enough)
"""Those on how far ahead a deadline that can be read lies."""

RULES: Final[tuple[Rule, ...]] = (
    recipient, network, deadline_readable, *LIFETIME, deadline_agrees, fields_agree, signer,
)  # fmt: skip


def _well(case: Case) -> bool:
    message, book, until = case.message, case.book, case.deadline_ns
    if until is None or case.deadline_fault:
        return False
    lifetime, inner = until - case.now_ns, message.fields.get("deadline")
    return (
        message.recipient == book.verifying_contract
        and message.network == book.network
        and message.signer_id == case.intent.user_account
        and 0 < lifetime <= book.max_lifetime_ns + book.clock_skew_ns
        and (case.stored or lifetime >= book.min_lifetime_ns - book.clock_skew_ns)
        and (inner is None or inner == until)
        and (message.repeats is case.intent or fields_of(case.intent) == message.fields)
    )


WELL: Final = Well(RULES, _well)
"""All of them at once."""
