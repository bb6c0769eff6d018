"""Stage 3 of a message: can what it moves be moved at all?"""

from collections.abc import Iterator
from typing import Final

from services.common.domain.outcomes import TokenInfo
from services.common.errors import Reason
from services.validator.messages.fees import fee_of
from services.validator.messages.model import WNEAR, Move, Payload
from services.validator.messages.moves import first_overflow
from services.validator.messages.rules.faults import INTENT, moves_of, payload_of
from services.validator.messages.token_ids import standard_of
from services.validator.model import Case, shown
from services.validator.rules.rule import Kind, Rule, rule

_FIELDS: Final = tuple(
    f"{INTENT}.{name}"
    for name in ("diff", "tokens", "amount", "token_id", "amounts", "storage_deposit", "attached_deposit")
)


def _amounts(case: Case) -> str | None:
    """What the signer gives and gets, and what the contract keeps of it."""
    payload = payload_of(case)
    if payload is None or not payload.moves:
        return None
    return ", ".join(_told(move, case.book.messages.fee_pips) for move in _own(payload))


def _told(move: Move, pips: int) -> str:
    text = f"{move.token or 'wNEAR'} {move.delta:+d}"
    fee = fee_of(standard_of(move.token), move.delta, pips) if move.field.endswith(".diff") else 0
    return f"{text} (fee {fee})" if fee else text


def _own(payload: Payload) -> Iterator[Move]:
    return (move for move in payload.moves if move.account == payload.signer_id)


@rule(
    "amounts-not-zero",
    Kind.PROTOCOL,
    Reason.AMOUNT_OUT_OF_RANGE,
    tuple(f"{INTENT}.{name}" for name in ("diff", "tokens", "amount", "amounts", "storage_deposit")),
    asks="Nothing is moved by zero; a storage_deposit, where given, is not zero either.",
    mend="Leave out what does not move.",
    reads=(),
    seen=_amounts,
)
def amounts_not_zero(case: Case) -> None:
    for where, token in dict.fromkeys((move.field, move.token) for move in moves_of(case) if move.delta == 0):
        of = f" of {shown(token)}" if token != WNEAR else ""
        case.add(where, Reason.AMOUNT_OUT_OF_RANGE, f"{where} is an amount of zero{of}")


@rule(
    "nft-amounts",
    Kind.POLICY,
    Reason.AMOUNT_OUT_OF_RANGE,
    (f"{INTENT}.diff", f"{INTENT}.tokens"),
    asks="Of an NFT (nep171) there is one: it is given or got by 1.",
    mend="Use 1, or -1 where it is given.",
    reads=(),
    seen=_amounts,
)
def nft_amounts(case: Case) -> None:
    beyond = (move for move in moves_of(case) if abs(move.delta) > 1 and standard_of(move.token) == "nep171")
    for where, token in dict.fromkeys((move.field, move.token) for move in beyond):
        case.add(where, Reason.AMOUNT_OUT_OF_RANGE, f"{where} moves more than one of the NFT {shown(token)}")


@rule(
    "amounts-bounded",
    Kind.POLICY,
    Reason.AMOUNT_OUT_OF_RANGE,
    tuple(f"{INTENT}.{name}" for name in ("diff", "tokens", "amount", "amounts")),
    asks="What the signer gives of a token is within the registry's least and most for it.",
    mend="Keep to the minAmount and maxAmount that GET /api/info shows for the token.",
    reads=(),
    seen=_amounts,
)
def amounts_bounded(case: Case) -> None:
    payload = payload_of(case)
    if payload is None or case.stored:
        return
    for move in _own(payload):
        entry = case.book.registry.find(move.token) if move.token and move.delta < 0 else None
        bound = None if entry is None else _bound(entry, -move.delta)
        if entry is not None and bound is not None:
            case.add(
                move.field,
                Reason.AMOUNT_OUT_OF_RANGE,
                f"{move.field} must give {bound} of {entry.symbol}, which has {entry.decimals} decimals, "
                f"not {-move.delta}",
            )


def _bound(entry: TokenInfo, amount: int) -> str | None:
    if entry.min_amount is not None and amount < entry.min_amount:
        return f"at least {entry.min_amount}"
    if entry.max_amount is not None and amount > entry.max_amount:
        return f"at most {entry.max_amount}"
    return None


@rule(
    "sums-in-range",
    Kind.PROTOCOL,
    Reason.AMOUNT_OUT_OF_RANGE,
    _FIELDS,
    asks="There are balances with which all intents, one after the other, leave no account below 0 or above 2^128-1.",
    mend="Move less, or sign several messages.",
    reads=(),
    seen=_amounts,
)
def sums_in_range(case: Case) -> None:
    move = first_overflow(moves_of(case))
    if move is not None:
        case.add(
            move.field,
            Reason.AMOUNT_OUT_OF_RANGE,
            f"{move.field} overflows: with what goes before it, no balance of {shown(move.token or 'wNEAR')} lasts",
        )


RULES: Final[tuple[Rule, ...]] = (amounts_not_zero, nft_amounts, amounts_bounded, sums_in_range)
