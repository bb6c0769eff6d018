"""Whether a transaction may enter the pool or a block: nearcore's rules and its names for what is wrong."""

from dataclasses import dataclass
from typing import Final

from orjson import loads

from services.devnet.node.gas import bought, conversion_gas
from services.devnet.node.keys import is_account_id
from services.devnet.node.state import Overlay, Reading, balance, get_json, pay, set_json
from services.devnet.node.transaction import FunctionCall, SignedTransaction, Transfer

MAX_GAS: Final = 10**15
NONCE_RANGE: Final = 1_000_000
U128: Final = 2**128


class InvalidTransaction(Exception):
    """`error` is NEAR's InvalidTxError in JSON: a name, or an object of name and details."""

    def __init__(self, error: object) -> None:
        super().__init__(str(error))
        self.error = error


@dataclass(frozen=True, slots=True)
class Cost:
    """`taken`: yoctoNEAR, deposits and all gas that is bought, when the transaction is converted; `gas` that
    converting burns."""

    taken: int
    gas: int


def unsupported(feature: str) -> InvalidTransaction:
    body = {"protocol_feature": feature, "version": 0}
    return InvalidTransaction({"ActionsValidation": {"UnsupportedProtocolFeature": body}})


def check_shape(tx: SignedTransaction) -> None:
    """What can be said of a transaction without the chain. Raises InvalidTransaction."""
    if not is_account_id(tx.signer_id):
        raise InvalidTransaction({"InvalidSignerId": {"signer_id": tx.signer_id}})
    if not is_account_id(tx.receiver_id):
        raise InvalidTransaction({"InvalidReceiverId": {"receiver_id": tx.receiver_id}})
    calls = [action for action in tx.actions if isinstance(action, FunctionCall)]
    if any(call.gas == 0 for call in calls):
        raise InvalidTransaction({"ActionsValidation": "FunctionCallZeroAttachedGas"})
    if any(not 0 < len(call.method_name.encode()) <= 256 for call in calls):
        lengths = {"length": max(len(call.method_name.encode()) for call in calls), "limit": 256}
        raise InvalidTransaction({"ActionsValidation": {"FunctionCallMethodNameLengthExceeded": lengths}})
    prepaid = sum(call.gas for call in calls)
    if prepaid >= 2**64:
        raise InvalidTransaction({"ActionsValidation": "IntegerOverflow"})
    if prepaid > MAX_GAS:
        over = {"total_prepaid_gas": prepaid, "limit": MAX_GAS}
        raise InvalidTransaction({"ActionsValidation": {"TotalPrepaidGasExceeded": over}})


def check_state(tx: SignedTransaction, state: Reading, height: int, gas_price: int) -> Cost:
    """Signer, access key, nonce, permission and balance against `state`. Raises InvalidTransaction."""
    if balance(state, tx.signer_id) is None:
        raise InvalidTransaction({"SignerDoesNotExist": {"signer_id": tx.signer_id}})
    access = get_json(state, f"k|{tx.signer_id}|{tx.key_text}")
    if access is None:
        missing = {"account_id": tx.signer_id, "public_key": tx.key_text}
        raise InvalidTransaction({"InvalidAccessKeyError": {"AccessKeyNotFound": missing}})
    nonce = int(str(access["nonce"]))
    if tx.nonce <= nonce:
        raise InvalidTransaction({"InvalidNonce": {"tx_nonce": tx.nonce, "ak_nonce": nonce}})
    if tx.nonce >= (height + 1) * NONCE_RANGE:
        bound = {"tx_nonce": tx.nonce, "upper_bound": (height + 1) * NONCE_RANGE}
        raise InvalidTransaction({"NonceTooLarge": bound})
    _check_permission(tx, access["permission"])
    cost = _cost(tx, gas_price)
    held = balance(state, tx.signer_id) or 0
    if held < cost.taken:
        lack = {"signer_id": tx.signer_id, "balance": str(held), "cost": str(cost.taken)}
        raise InvalidTransaction({"NotEnoughBalance": lack})
    return cost


def _check_permission(tx: SignedTransaction, permission: object) -> None:
    if not isinstance(permission, dict):
        return
    allowed = permission["FunctionCall"]
    call = tx.actions[0] if len(tx.actions) == 1 else None
    error: object = None
    if not isinstance(call, FunctionCall):
        error = "RequiresFullAccess"
    elif tx.receiver_id != allowed["receiver_id"]:
        error = {"ReceiverMismatch": {"tx_receiver": tx.receiver_id, "ak_receiver": allowed["receiver_id"]}}
    elif allowed["method_names"] and call.method_name not in allowed["method_names"]:
        error = {"MethodNameMismatch": {"method_name": call.method_name}}
    elif call.deposit > 0:
        error = "DepositWithFunctionCall"
    if error is not None:
        raise InvalidTransaction({"InvalidAccessKeyError": error})


def _cost(tx: SignedTransaction, gas_price: int) -> Cost:
    deposits = sum(action.deposit for action in tx.actions if isinstance(action, FunctionCall | Transfer))
    calls = [action.view() for action in tx.actions if isinstance(action, FunctionCall)]
    gas = conversion_gas(calls)
    if deposits >= U128:
        raise InvalidTransaction("CostOverflow")
    return Cost(deposits + (bought(calls) + gas) * gas_price, gas)


def charge(tx: SignedTransaction, state: Overlay, cost: Cost) -> None:
    """Take the cost and use up the nonce: done once, when the transaction is in a block."""
    pay(state, tx.signer_id, -cost.taken)
    key = f"k|{tx.signer_id}|{tx.key_text}"
    access = loads(state.get(key) or b"{}")
    set_json(state, key, {**access, "nonce": tx.nonce})


def raise_nonce(tx: SignedTransaction, state: Overlay, by: int) -> None:
    """As if another holder of the key had used the nonces up to this transaction's and `by` - 1 beyond."""
    key = f"k|{tx.signer_id}|{tx.key_text}"
    raw = state.get(key)
    if raw is not None:
        access = loads(raw)
        set_json(state, key, {**access, "nonce": max(int(access["nonce"]), tx.nonce - 1) + by})
