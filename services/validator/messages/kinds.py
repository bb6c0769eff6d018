"""The kinds of intents, each with its fields, as `core/src/intents` declares them."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from services.common.errors import Reason
from services.validator.messages import fields as f
from services.validator.messages import model, numbers
from services.validator.messages.fields import Field, Notes, option
from services.validator.messages.model import ALL_KINDS, DEFAULT_BOUNDS, Intent, Notification
from services.validator.model import shown

_ACCOUNT: Final = Field(f.account)
_TEXT: Final = option(f.text)
_GAS: Final = option(f.gas)
_OF_TOKENS: Final = Field(f.amounts(numbers.U128))
_OF_OWN: Final = Field(f.amounts(numbers.U128, own=True))

_WITHDRAW: Final = {
    "token": _ACCOUNT, "receiver_id": _ACCOUNT, "memo": _TEXT, "msg": _TEXT,
    "storage_deposit": option(f.u128), "min_gas": _GAS,
}  # fmt: skip

_NOTIFICATION: Final = {"state_init": option(f.state_init), "msg": Field(f.text), "min_gas": _GAS}


@dataclass(frozen=True, slots=True)
class Kind:
    """How an intent of that kind is made of its fields; `notified` if a notification may stand among them."""

    make: Callable[..., Intent]
    fields: Mapping[str, Field]
    notified: bool = False


KINDS: Final[Mapping[str, Kind]] = {
    "add_public_key": Kind(model.AddPublicKey, {"public_key": Field(f.public_key)}),
    "remove_public_key": Kind(model.RemovePublicKey, {"public_key": Field(f.public_key)}),
    "transfer": Kind(
        model.Transfer, {"receiver_id": _ACCOUNT, "tokens": _OF_TOKENS, "memo": _TEXT}, notified=True
    ),
    "ft_withdraw": Kind(model.FtWithdraw, {**_WITHDRAW, "amount": Field(f.u128)}),
    "nft_withdraw": Kind(model.NftWithdraw, {**_WITHDRAW, "token_id": Field(f.text)}),
    "mt_withdraw": Kind(
        model.MtWithdraw,
        {**_WITHDRAW, "token_ids": Field(f.listed(f.text)), "amounts": Field(f.listed(f.u128))},
    ),
    "native_withdraw": Kind(model.NativeWithdraw, {"receiver_id": _ACCOUNT, "amount": Field(f.u128)}),
    "storage_deposit": Kind(
        model.StorageDeposit,
        {
            "contract_id": _ACCOUNT,
            "deposit_for_account_id": Field(f.account, alias="account_id"),
            "amount": Field(f.u128),
        },
    ),
    "token_diff": Kind(
        model.TokenDiff,
        {"diff": Field(f.amounts(numbers.I128)), "memo": _TEXT, "referral": option(f.account)},
    ),
    "set_auth_by_predecessor_id": Kind(model.SetAuthByPredecessorId, {"enabled": Field(f.boolean)}),
    "auth_call": Kind(
        model.AuthCall,
        {
            "contract_id": _ACCOUNT,
            "state_init": Field(f.state_init, default=False, nullable=True),
            "msg": Field(f.text),
            "attached_deposit": Field(f.u128, default=0),
            "min_gas": _GAS,
        },
    ),
    "imt_mint": Kind(
        model.ImtMint, {"receiver_id": _ACCOUNT, "tokens": _OF_OWN, "memo": _TEXT}, notified=True
    ),
    "imt_burn": Kind(model.ImtBurn, {"minter_id": _ACCOUNT, "tokens": _OF_OWN, "memo": _TEXT}),
}


def read_intent(notes: Notes, where: str, value: object) -> tuple[str, Intent] | None:
    """Its kind and itself; None if a fault was noted."""
    before = len(notes.faults)
    if not f.is_object(notes, where, value, "an intent"):
        return None
    assert isinstance(value, dict)
    name = value.get("intent", f.ABSENT)
    kind = KINDS.get(name) if type(name) is str and name in notes.bounds.kinds else None
    if kind is None:
        _no_kind(notes, f"{where}.intent", name)
        return None
    found = f.structure(notes, where, value, kind.fields, "an intent")
    if kind.notified:
        found["notification"] = _notification(notes, where, value)
    return None if len(notes.faults) > before else (str(name), kind.make(**found))


def _no_kind(notes: Notes, where: str, name: object) -> None:
    if name is f.ABSENT:
        notes.wrong(where, "must be there: the intent's kind")
    elif type(name) is int and name in range(len(ALL_KINDS)):
        notes.add("objects-by-name", where, Reason.INVALID_MESSAGE, "must be a kind by its name")
    elif type(name) is str:
        known = ", ".join(kind for kind in ALL_KINDS if kind in notes.bounds.kinds)
        hint = "; a plain intent is sent beside its signed message" if name == "plain" else ""
        notes.add(
            "intent-kinds", where, Reason.INVALID_MESSAGE, f"must be one of {known}, not {shown(name)}{hint}"
        )
    else:
        notes.wrong(where, "must be a string, the intent's kind")


def _notification(notes: Notes, where: str, value: Mapping[str, Any]) -> Notification | None:
    """What the contract would read of it. One that cannot be read it leaves out without a word: the tokens would move,
    and nobody be told."""
    if all(value.get(name) is None for name in _NOTIFICATION):
        return None
    attempt = Notes(DEFAULT_BOUNDS)
    found = f.structure(attempt, where, dict(value), _NOTIFICATION, "a notification")
    if attempt.faults:
        first = attempt.faults[0]
        notes.add(
            "notification-readable",
            first.field,
            Reason.INVALID_MESSAGE,
            f"{first.text}: the contract would pass over the notification",
        )
        return None
    return Notification(
        msg=found["msg"], state_init=found["state_init"] is not None, min_gas=found["min_gas"]
    )
