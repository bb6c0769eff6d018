"""Stage 2: are the tokens ones we know?"""

from typing import Final

from services.common.errors import Reason
from services.validator.ids import TOKEN_STANDARDS, bare
from services.validator.model import Case, shown
from services.validator.rules.rule import Kind, Rule, rule

_MEND: Final = "Use a token that GET /api/info lists, or the well-formed id of a standard that it names."


@rule(
    "input-token-known",
    Kind.POLICY,
    Reason.UNKNOWN_TOKEN,
    "input_token",
    asks="The token given is known: one of the registry, or a well-formed id of a standard in UNKNOWN_TOKENS (nep141).",
    mend=_MEND,
)
def input_token_known(case: Case) -> None:
    token = case.intent.input_token
    if not case.book.registry.knows(token):
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
    if not case.book.registry.knows(token):
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
    if intent.action == "swap" and bare(intent.input_token) == bare(intent.output_token):
        case.add("output_token", Reason.SAME_TOKEN, "output_token must differ from input_token for a swap")


def _unknown(case: Case, name: str, token: str) -> None:
    others = "".join(
        f", or use {standard}:{_REST[standard]}"
        for standard in TOKEN_STANDARDS
        if standard in case.book.registry.unknown
    )
    case.add(
        name,
        Reason.UNKNOWN_TOKEN,
        f"{name} is not a known token: {shown(token)}; see the tokens of /api/info{others}",
    )


_REST: Final = dict.fromkeys(TOKEN_STANDARDS, "<account>:<id>") | {"nep141": "<account>"}


RULES: Final[tuple[Rule, ...]] = (input_token_known, output_token_known, tokens_differ)
