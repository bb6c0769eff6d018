"""Stage 2: are the tokens ones we know?"""

from collections.abc import Iterator
from typing import Final

from services.common.domain.intent import PlainIntent
from services.common.errors import Reason, Violation
from services.validator.model import RuleBook, shown
from services.validator.rules.structure import Rule, is_account

_NEP141: Final = "nep141:"
_LONGEST: Final = 127


def known(token: str, book: RuleBook) -> bool:
    """A symbol or account of the registry, or a well-formed nep141: id."""
    if token in book.token_ids:
        return True
    return len(token) <= _LONGEST and token.startswith(_NEP141) and is_account(token[len(_NEP141) :])


def input_token_known(intent: PlainIntent, book: RuleBook) -> Iterator[Violation]:
    """The token given."""
    if not known(intent.input_token, book):
        yield _unknown("input_token", intent.input_token)


def output_token_known(intent: PlainIntent, book: RuleBook) -> Iterator[Violation]:
    """The token wanted."""
    if not known(intent.output_token, book):
        yield _unknown("output_token", intent.output_token)


def tokens_differ(intent: PlainIntent, book: RuleBook) -> Iterator[Violation]:
    """A swap of a token for itself only costs fees; a transfer keeps its token."""
    if intent.action == "swap" and _bare(intent.input_token) == _bare(intent.output_token):
        yield Violation(
            field="output_token",
            reason=Reason.SAME_TOKEN,
            message="output_token must differ from input_token for a swap",
        )


def _bare(token: str) -> str:
    return token.removeprefix(_NEP141)


def _unknown(name: str, token: str) -> Violation:
    return Violation(
        field=name,
        reason=Reason.UNKNOWN_TOKEN,
        message=f"{name} is not a known token: {shown(token)}; see the tokens of /api/info, or use nep141:<account>",
    )


RULES: Final[tuple[Rule, ...]] = (input_token_known, output_token_known, tokens_differ)
