"""What intents move, and whether any balances at all let them: near/intents `core/src/engine/state`, `src/contract`."""

from collections.abc import Iterable, Iterator, Mapping
from typing import Final

from services.validator.messages import model
from services.validator.messages.fields import PAYLOAD
from services.validator.messages.model import WNEAR, Intent, Move

_MOST: Final = 2**128 - 1
"""Largest balance, and largest sum that the contract matches."""

_SUPPLY: Final = ""
"""Stands for all accounts together: what comes and goes must fit the token's supply too."""


def moves_of(signer: str, intents: Iterable[Intent]) -> Iterator[Move]:
    """In the order in which the contract applies them."""
    for index, intent in enumerate(intents):
        yield from _moves(signer, f"{PAYLOAD}.intents[{index}]", intent)


def first_overflow(moves: Iterable[Move]) -> Move | None:
    """The first move that no balances at the start would let through: some account would have to hold less than
    nothing or more than 2^128-1 on the way. None if there are balances that do."""
    held: dict[tuple[str, str], tuple[int, int, int]] = {}
    matched: dict[tuple[str, str], int] = {}
    for move in moves:
        places = [(move.account, move.token)]
        if not move.matched:
            places.append((_SUPPLY, move.token))
        for place in places:
            now, low, high = held.get(place, (0, 0, 0))
            now += move.delta
            held[place] = now, low, high = now, min(now, low), max(now, high)
            if high - low > _MOST:
                return move
        if move.matched:
            place = (move.account, move.token)
            matched[place] = matched.get(place, 0) + move.delta
            if abs(matched[place]) > _MOST:
                return move
    return None


def _moves(signer: str, where: str, intent: Intent) -> Iterator[Move]:
    match intent:
        case model.TokenDiff(diff=diff):
            for token, delta in diff.items():
                yield Move(f"{where}.diff", signer, token, delta, True)
        case model.Transfer(receiver_id=receiver, tokens=tokens):
            for account, sign in ((signer, -1), (receiver, 1)):
                for token, amount in tokens.items():
                    yield Move(f"{where}.tokens", account, token, sign * amount, True)
        case model.Withdraw():
            yield from _withdrawn(signer, where, intent)
        case model.NativeWithdraw(amount=amount) | model.StorageDeposit(amount=amount):
            yield Move(f"{where}.amount", signer, WNEAR, -amount, False)
        case model.AuthCall(attached_deposit=deposit):
            if deposit:
                yield Move(f"{where}.attached_deposit", signer, WNEAR, -deposit, False)
        case model.ImtMint(receiver_id=receiver, tokens=tokens):
            yield from _own(where, receiver, signer, tokens, 1)
        case model.ImtBurn(minter_id=minter, tokens=tokens):
            yield from _own(where, signer, minter, tokens, -1)


def _withdrawn(signer: str, where: str, intent: model.Withdraw) -> Iterator[Move]:
    match intent:
        case model.FtWithdraw(token=token, amount=amount):
            yield Move(f"{where}.amount", signer, f"nep141:{token}", -amount, False)
        case model.NftWithdraw(token=token, token_id=own):
            yield Move(f"{where}.token_id", signer, f"nep171:{token}:{own}", -1, False)
        case model.MtWithdraw(token=token, token_ids=owns, amounts=amounts):
            for own, amount in zip(owns, amounts, strict=False):
                yield Move(f"{where}.amounts", signer, f"nep245:{token}:{own}", -amount, False)
    if intent.storage_deposit is not None:
        yield Move(f"{where}.storage_deposit", signer, WNEAR, -intent.storage_deposit, False)


def _own(where: str, account: str, minter: str, tokens: Mapping[str, int], sign: int) -> Iterator[Move]:
    for own, amount in tokens.items():
        yield Move(f"{where}.tokens", account, f"imt:{minter}:{own}", sign * amount, False)
