"""Stage 1: are the fields there, and can they be what they say?"""

import re
from collections.abc import Callable, Iterator
from typing import Final

from services.common.domain.intent import ID_PATTERN, REQUIRED_FIELDS, PlainIntent
from services.common.errors import Reason, Violation
from services.validator.model import RuleBook, shown

ACCOUNT: Final = re.compile(
    r"(?=.{2,64}\Z)(?:(?:[a-z\d]+[-_])*[a-z\d]+\.)*(?:[a-z\d]+[-_])*[a-z\d]+", re.ASCII
)
"""NEAR account ids; use with fullmatch on at most 64 characters."""

_LONGEST: Final = 64


def is_account(text: str) -> bool:
    """Whether `text` has the form of a NEAR account id."""
    return len(text) <= _LONGEST and ACCOUNT.fullmatch(text) is not None


def required_fields(intent: PlainIntent, book: RuleBook) -> Iterator[Violation]:
    """The seed's six, in the seed's order."""
    for name in REQUIRED_FIELDS:
        if not getattr(intent, name):
            yield Violation(
                field=name, reason=Reason.MISSING_FIELD, message=f"Missing required field: {name}"
            )


def id_form(intent: PlainIntent, book: RuleBook) -> Iterator[Violation]:
    """Its alphabet and length."""
    if intent.id and ID_PATTERN.fullmatch(intent.id) is None:
        yield Violation(
            field="id",
            reason=Reason.INVALID_ID,
            message=f"id must be 1 to 128 characters of A-Za-z0-9._:@-, not {shown(intent.id)}",
        )


def account_form(intent: PlainIntent, book: RuleBook) -> Iterator[Violation]:
    """NEAR's rules for account ids."""
    if intent.user_account and not is_account(intent.user_account):
        yield Violation(
            field="user_account",
            reason=Reason.INVALID_ACCOUNT,
            message=f"user_account must be a NEAR account id, not {shown(intent.user_account)}",
        )


def action_known(intent: PlainIntent, book: RuleBook) -> Iterator[Violation]:
    """One of the actions in force."""
    if intent.action and intent.action not in book.actions:
        yield Violation(
            field="action",
            reason=Reason.UNSUPPORTED_ACTION,
            message=f"action must be one of {', '.join(book.actions)}, not {shown(intent.action)}",
        )


Rule = Callable[[PlainIntent, RuleBook], Iterator[Violation]]
RULES: Final[tuple[Rule, ...]] = (required_fields, id_form, account_form, action_known)
