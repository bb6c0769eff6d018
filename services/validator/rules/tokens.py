"""Stage 2: are the tokens ones we know?"""

from typing import Final

from services.common.errors import Reason
from services.validator.model import Case, RuleBook, shown
from services.validator.rules.rule import Kind, Rule, rule
from services.validator.rules.structure import is_account

_NEP141: Final = "nep141:"
_LONGEST: Final = 127
_MEND: Final = "Use a token that GET /api/info lists, or the nep141:<account> of its contract."


def known(token: str, book: RuleBook) -> bool:
    """A symbol or account of the registry, or a well-formed nep141: id."""
    if token in book.token_ids:
        return True
    return len(token) <= _LONGEST and token.startswith(_NEP141) and is_account(token[len(_NEP141) :])


@rule(
    "input-token-known",
    Kind.POLICY,
    Reason.UNKNOWN_TOKEN,
    "input_token",
    asks="The token given is known: a symbol or account of the list (setting TOKENS), or a well-formed nep141: id.",
    mend=_MEND,
)
def input_token_known(case: Case) -> None:
    token = case.intent.input_token
    if not known(token, case.book):
        _unknown(case, "input_token", token)


@rule(
    "output-token-known",
    Kind.POLICY,
    Reason.UNKNOWN_TOKEN,
    "output_token",
    asks="The token wanted is known, in the same way.",
    mend=_MEND,
)
def output_token_known(case: Case) -> None:
    token = case.intent.output_token
    if not known(token, case.book):
        _unknown(case, "output_token", token)


@rule(
    "tokens-differ",
    Kind.POLICY,
    Reason.SAME_TOKEN,
    "output_token",
    asks="A swap gives one token for another: swapping it for itself only costs fees. A transfer keeps its token.",
    mend="Name another output token, or make it a transfer.",
)
def tokens_differ(case: Case) -> None:
    intent = case.intent
    if intent.action == "swap" and _bare(intent.input_token) == _bare(intent.output_token):
        case.add("output_token", Reason.SAME_TOKEN, "output_token must differ from input_token for a swap")


def _bare(token: str) -> str:
    return token.removeprefix(_NEP141)


def _unknown(case: Case, name: str, token: str) -> None:
    case.add(
        name,
        Reason.UNKNOWN_TOKEN,
        f"{name} is not a known token: {shown(token)}; see the tokens of /api/info, or use nep141:<account>",
    )


RULES: Final[tuple[Rule, ...]] = (input_token_known, output_token_known, tokens_differ)
