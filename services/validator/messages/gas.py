"""The gas that the contract sets aside for the calls an intent makes (near/intents `core/src/intents`, in TGas there).

It is the least: what the contract's own callbacks take comes on top.
"""

from collections.abc import Iterable
from typing import Final

from services.validator.messages import model
from services.validator.messages.model import TGAS, Intent, Notification

_WITHDRAW: Final = {model.FtWithdraw: (15, 15), model.NftWithdraw: (15, 15), model.MtWithdraw: (20, 20)}
_WITHDRAW_CALL: Final = {model.FtWithdraw: (30, 50), model.NftWithdraw: (30, 50), model.MtWithdraw: (35, 50)}
"""By kind the least that is set aside, and what is where nothing is asked; with `msg` and without."""

_NOTIFICATION: Final = (5, 30)
_AUTH_CALL: Final = (0, 10)


def gas_of(intent: Intent) -> int:
    """Gas set aside for the calls of one intent."""
    match intent:
        case model.Withdraw(min_gas=asked, msg=msg):
            bounds = _WITHDRAW if msg is None else _WITHDRAW_CALL
            return _set_aside(asked, bounds[type(intent)])
        case (
            model.Transfer(notification=Notification(min_gas=asked))
            | model.ImtMint(notification=Notification(min_gas=asked))
        ):
            return _set_aside(asked, _NOTIFICATION)
        case model.AuthCall(min_gas=asked):
            return _set_aside(asked, _AUTH_CALL)
        case _:
            return 0


def first_beyond(intents: Iterable[Intent], most: int) -> int | None:
    """The place of the intent with which all so far need more than `most`."""
    total = 0
    for index, intent in enumerate(intents):
        total += gas_of(intent)
        if total > most:
            return index
    return None


def _set_aside(asked: int | None, bounds: tuple[int, int]) -> int:
    least, default = bounds
    return max(default * TGAS if asked is None else asked, least * TGAS)
