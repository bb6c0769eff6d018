"""Stage 1: are the fields there, and can they be what they say?"""

from typing import Final

from services.common.domain.intent import ID_PATTERN, REQUIRED_FIELDS
from services.common.errors import Reason
from services.validator.ids import is_account
from services.validator.model import Case, shown
from services.validator.rules.rule import Kind, Rule, Well, rule


@rule(
    "required-fields",
    Kind.PROTOCOL,
    Reason.MISSING_FIELD,
    REQUIRED_FIELDS,
    asks="Each of the six required fields is there: not absent, null, empty, false or 0.",
    mend="Give the field that is named.",
)
def required_fields(case: Case) -> None:
    intent = case.intent
    if (
        intent.id
        and intent.user_account
        and intent.action
        and intent.input_token
        and intent.input_amount
        and intent.output_token
    ):
        return
    for name in REQUIRED_FIELDS:
        if not getattr(intent, name):
            case.add(name, Reason.MISSING_FIELD, f"Missing required field: {name}")


@rule(
    "id-form",
    Kind.PROTOCOL,
    Reason.INVALID_ID,
    "id",
    asks="The id is 1 to 128 characters of A-Za-z0-9._:@-.",
    mend="Choose an id of these characters; a UUID does.",
)
def id_form(case: Case) -> None:
    text = case.intent.id
    if text and ID_PATTERN.fullmatch(text) is None:
        case.add(
            "id",
            Reason.INVALID_ID,
            f"id must be 1 to 128 characters of A-Za-z0-9._:@-, not {shown(text)}",
        )


@rule(
    "account-form",
    Kind.PROTOCOL,
    Reason.INVALID_ACCOUNT,
    "user_account",
    asks="The user is a NEAR account id: 2 to 64 characters, lower case, in parts that dots, - and _ separate.",
    mend="Give a named account (alice.near) or the implicit one of the key.",
)
def account_form(case: Case) -> None:
    text = case.intent.user_account
    if text and not is_account(text):
        case.add(
            "user_account",
            Reason.INVALID_ACCOUNT,
            f"user_account must be a NEAR account id, not {shown(text)}",
        )


@rule(
    "account-allowed",
    Kind.POLICY,
    Reason.ACCOUNT_NOT_ALLOWED,
    "user_account",
    asks="The user is let in by the lists of accounts (ALLOWED_ACCOUNTS, DENIED_ACCOUNTS and the registry's).",
    mend="Ask whoever runs this installation.",
)
def account_allowed(case: Case) -> None:
    text = case.intent.user_account
    if not case.book.registry.lets_account(text) and is_account(text):
        case.add("user_account", Reason.ACCOUNT_NOT_ALLOWED, f"{text} is not let in here")


@rule(
    "action-known",
    Kind.POLICY,
    Reason.UNSUPPORTED_ACTION,
    "action",
    asks="The action is one of those in force (setting ACTIONS).",
    mend="Use an action that GET /api/info lists.",
)
def action_known(case: Case) -> None:
    text = case.intent.action
    if text and text not in case.book.actions:
        case.add(
            "action",
            Reason.UNSUPPORTED_ACTION,
            f"action must be one of {', '.join(case.book.actions)}, not {shown(text)}",
        )


RULES: Final[tuple[Rule, ...]] = (
    required_fields, id_form, account_form, account_allowed, action_known,
)  # fmt: skip


def _well(case: Case) -> bool:
    intent, book = case.intent, case.book
    return bool(
        intent.action in book.actions
        and intent.action
        and intent.input_token
        and intent.input_amount
        and intent.output_token
        and ID_PATTERN.fullmatch(intent.id) is not None
        and is_account(intent.user_account)
        and book.registry.lets_account(intent.user_account)
    )


WELL: Final = Well(RULES, _well)
"""All of them at once."""
