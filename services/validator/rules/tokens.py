"""Stage 2: are the tokens ones we know?"""

from typing import Final

from services.common.errors import Reason
from services.validator.ids import TOKEN_STANDARDS, bare
from services.validator.model import Case, shown
from services.validator.rules.rule import Kind, Rule, Well, rule

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
    reads=("action", "input_token", "output_token"),
    seen=lambda case: f"{case.intent.action} {case.intent.input_token} to {case.intent.output_token}",
)
def tokens_differ(case: Case) -> None:
    intent = case.intent
    if intent.action == "swap" and bare(intent.input_token) == bare(intent.output_token):
        case.add("output_token", Reason.SAME_TOKEN, "output_token must differ from input_token for a swap")


@rule(
    "tokens-allowed",
    Kind.POLICY,
    Reason.TOKEN_NOT_ALLOWED,
    ("input_token", "output_token"),
    asks="Both tokens are let in by the lists of tokens (ALLOWED_TOKENS, DENIED_TOKENS and the registry's).",
    mend=_MEND,
)
def tokens_allowed(case: Case) -> None:
    registry, intent = case.book.registry, case.intent
    for name, token in (("input_token", intent.input_token), ("output_token", intent.output_token)):
        if not registry.lets_token(token):
            case.add(name, Reason.TOKEN_NOT_ALLOWED, f"{name} {shown(token)} is not let in here")


@rule(
    "tokens-not-paused",
    Kind.POLICY,
    Reason.TOKEN_PAUSED,
    ("input_token", "output_token"),
    asks="Neither token is paused in the registry; what was accepted before the pause goes on.",
    mend="Send the intent again when GET /api/info shows the token without a pause.",
)
def tokens_not_paused(case: Case) -> None:
    if case.stored:
        return
    registry, intent = case.book.registry, case.intent
    for name, token in (("input_token", intent.input_token), ("output_token", intent.output_token)):
        entry = registry.find(token)
        if entry is not None and entry.paused:
            case.add(name, Reason.TOKEN_PAUSED, f"{name} {shown(token)} is paused for now")


@rule(
    "pair-allowed",
    Kind.POLICY,
    Reason.PAIR_NOT_ALLOWED,
    "output_token",
    asks="The token given may be exchanged for the one wanted, where the registry says for which it may.",
    mend="Choose one of the pairs that GET /api/info shows for the token given.",
)
def pair_allowed(case: Case) -> None:
    given, wanted = case.intent.input_token, case.intent.output_token
    if case.stored or case.book.registry.lets_pair(given, wanted) or bare(given) == bare(wanted):
        return
    case.add(
        "output_token", Reason.PAIR_NOT_ALLOWED, f"{shown(given)} is not exchanged for {shown(wanted)} here"
    )


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


RULES: Final[tuple[Rule, ...]] = (
    input_token_known, output_token_known, tokens_allowed, tokens_not_paused, tokens_differ, pair_allowed,
)  # fmt: skip


def _well(case: Case) -> bool:
    intent, registry = case.intent, case.book.registry
    given, wanted = intent.input_token, intent.output_token
    one, other = registry.find(given), registry.find(wanted)
    return (
        one is not None  # one that no entry names is looked at more closely
        and other is not None
        and (one is not other or intent.action != "swap")
        and (case.stored or not (one.paused or other.paused))
        and registry.lets_token(given)
        and registry.lets_token(wanted)
        and registry.lets_pair(given, wanted)
    )


WELL: Final = Well(RULES, _well)
"""All of them at once."""
