"""Stage 2 of a message: can its tokens be, and are they let in here?"""

from collections.abc import Iterator
from typing import Final

from services.common.errors import Reason
from services.validator.ids import MAX_OWN_ID
from services.validator.messages import model
from services.validator.messages.model import WNEAR
from services.validator.messages.reading import size_of
from services.validator.messages.rules.faults import INTENT, intents_of, moves_of
from services.validator.messages.token_ids import own_id, standard_of
from services.validator.model import Case, shown
from services.validator.rules.rule import Kind, Rule, rule

_FIELDS: Final = tuple(f"{INTENT}.{name}" for name in ("diff", "tokens", "amount", "token_id", "amounts"))
_MEND: Final = "Use a token that GET /api/info lists, or the well-formed id of a standard that it names."


def named(case: Case) -> Iterator[tuple[str, str]]:
    """Each token with the field that names it, once."""
    yield from dict.fromkeys((move.field, move.token) for move in moves_of(case) if move.token != WNEAR)


def _tokens(case: Case) -> str | None:
    found = ", ".join(dict.fromkeys(token for _, token in named(case)))
    return found or None


def _excess(own: str) -> int:
    """Bytes of a token's own id where they are too many, else 0."""
    length = size_of(own)
    return length if length > MAX_OWN_ID else 0


@rule(
    "imt-id-length",
    Kind.PROTOCOL,
    Reason.UNKNOWN_TOKEN,
    f"{INTENT}.tokens",
    asks=f"The ids of tokens minted or burnt are at most {MAX_OWN_ID} bytes.",
    mend="Choose shorter ids.",
    reads=(),
    seen=_tokens,
)
def imt_id_length(case: Case) -> None:
    for where, intent in intents_of(case):
        if not isinstance(intent, model.ImtMint | model.ImtBurn):
            continue
        for own in intent.tokens:
            length = _excess(own)
            if length:
                case.add(
                    f"{where}.tokens",
                    Reason.UNKNOWN_TOKEN,
                    f"{where}.tokens has the id {shown(own)} of {length} bytes, not {MAX_OWN_ID} at most",
                )


@rule(
    "token-id-length",
    Kind.POLICY,
    Reason.UNKNOWN_TOKEN,
    _FIELDS,
    asks=f"A token's own id is at most {MAX_OWN_ID} bytes: no longer one can be deposited, so nobody holds one.",
    mend="Check the token id.",
    reads=(),
    seen=_tokens,
)
def token_id_length(case: Case) -> None:
    for where, token in named(case):
        length = _excess(own_id(token))
        if length and standard_of(token) != "imt":
            case.add(
                where,
                Reason.UNKNOWN_TOKEN,
                f"{where} names {shown(token)}, whose own id is {length} bytes long, not {MAX_OWN_ID} at most",
            )


@rule(
    "tokens-known",
    Kind.POLICY,
    Reason.UNKNOWN_TOKEN,
    _FIELDS,
    asks="Each token is one of the registry, or a well-formed id of a standard in UNKNOWN_TOKENS (nep141).",
    mend=_MEND,
    reads=(),
    seen=_tokens,
)
def tokens_known(case: Case) -> None:
    for where, token in named(case):
        if not case.book.registry.knows(token) and not _excess(own_id(token)):
            case.add(where, Reason.UNKNOWN_TOKEN, f"{where} names {shown(token)}, which is not known here")


@rule(
    "tokens-allowed",
    Kind.POLICY,
    Reason.TOKEN_NOT_ALLOWED,
    _FIELDS,
    asks="Each token is let in by the lists of tokens (ALLOWED_TOKENS, DENIED_TOKENS and the registry's).",
    mend=_MEND,
    reads=(),
    seen=_tokens,
)
def tokens_allowed(case: Case) -> None:
    for where, token in named(case):
        if not case.book.registry.lets_token(token):
            case.add(
                where, Reason.TOKEN_NOT_ALLOWED, f"{where} names {shown(token)}, which is not let in here"
            )


@rule(
    "tokens-not-paused",
    Kind.POLICY,
    Reason.TOKEN_PAUSED,
    _FIELDS,
    asks="No token is paused in the registry.",
    mend="Send the message again when GET /api/info shows the token without a pause.",
    reads=(),
    seen=_tokens,
)
def tokens_not_paused(case: Case) -> None:
    for where, token in named(case):
        entry = None if case.stored else case.book.registry.find(token)
        if entry is not None and entry.paused:
            case.add(where, Reason.TOKEN_PAUSED, f"{where} names {shown(token)}, which is paused for now")


@rule(
    "pairs-allowed",
    Kind.POLICY,
    Reason.PAIR_NOT_ALLOWED,
    f"{INTENT}.diff",
    asks="What a token_diff gives may be exchanged for what it gets, where the registry says for which it may.",
    mend="Choose pairs that GET /api/info shows for the token given.",
    reads=(),
    seen=_tokens,
)
def pairs_allowed(case: Case) -> None:
    registry = case.book.registry
    if case.stored or not registry.swaps:
        return
    for where, intent in intents_of(case):
        if not isinstance(intent, model.TokenDiff):
            continue
        given = [token for token, delta in intent.diff.items() if delta < 0]
        wanted = [token for token, delta in intent.diff.items() if delta > 0]
        for one in given:
            other = next((other for other in wanted if not registry.lets_pair(one, other)), None)
            if other is not None:  # one of them is enough to tell
                case.add(
                    f"{where}.diff",
                    Reason.PAIR_NOT_ALLOWED,
                    f"{where}.diff gives {shown(one)}, which is not exchanged for {shown(other)} here",
                )


RULES: Final[tuple[Rule, ...]] = (
    imt_id_length, token_id_length, tokens_known, tokens_allowed, tokens_not_paused, pairs_allowed,
)  # fmt: skip
