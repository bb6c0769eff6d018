"""Whose view of the chain a request gets: its node's, and what faults make of that."""

import base64
import binascii
from collections.abc import Iterable
from typing import Any, Final

from services.devnet.faults import Faults, Occasion, Rule
from services.devnet.node import transaction
from services.devnet.node.borsh import BorshError
from services.devnet.node.chain import Chain
from services.devnet.node.counting import intents_in
from services.devnet.node.records import Block
from services.devnet.node.transaction import FunctionCall, SignedTransaction

SENDS: Final = frozenset({"send_tx", "broadcast_tx_async", "broadcast_tx_commit"})
_LOOKS: Final = frozenset({"tx", "EXPERIMENTAL_tx_status"})


def occasion_of(tx: SignedTransaction, *, node: str = "", rpc: str = "") -> Occasion:
    """What faults can be bounded by, of a transaction."""
    calls = [(action.method_name, action.args) for action in tx.actions if isinstance(action, FunctionCall)]
    return _occasion(node, rpc, tx.signer_id, tx.receiver_id, calls)


def _occasion(
    node: str, rpc: str, signer: str, receiver: str, calls: Iterable[tuple[str, bytes]]
) -> Occasion:
    calls = list(calls)
    return Occasion(
        node=node, rpc=rpc, signer=signer, receiver=receiver, methods=tuple(method for method, _ in calls),
        intents=tuple(intent for _, args in calls for intent in intents_in(args)),
    )  # fmt: skip


def _bytes(value: object) -> bytes:
    try:
        return base64.b64decode(value) if isinstance(value, str) else b""
    except (binascii.Error, ValueError):
        return b""


def _request(chain: Chain, node: str, rpc: str, params: object) -> Occasion:
    """What faults can be bounded by, of a request. Never raises: what cannot be read bounds nothing."""
    given: dict[str, Any] = params if isinstance(params, dict) else {}
    listed: list[Any] = params if isinstance(params, list) else []
    if rpc in SENDS or "signed_tx_base64" in given:
        data = _bytes(listed[0] if listed else given.get("signed_tx_base64"))
        try:
            return occasion_of(transaction.decode(data), node=node, rpc=rpc)
        except (BorshError, transaction.Unsupported, transaction.UnsupportedVersion):
            return Occasion(node=node, rpc=rpc)
    if rpc in _LOOKS:
        wanted = str(listed[0]) if listed else str(given.get("tx_hash"))
        view = chain.glance(wanted)
        if view is None:
            sender = listed[1] if len(listed) > 1 else given.get("sender_account_id")
            return Occasion(node=node, rpc=rpc, signer=str(sender))
        calls = [action["FunctionCall"] for action in view["actions"] if "FunctionCall" in action]
        return _occasion(
            node, rpc, view["signer_id"], view["receiver_id"],
            [(call["method_name"], base64.b64decode(call["args"])) for call in calls],
        )  # fmt: skip
    if rpc == "query":
        call = (str(given.get("method_name", "")), _bytes(given.get("args_base64")))
        return _occasion(node, rpc, "", str(given.get("account_id", "")), [call])
    return Occasion(node=node, rpc=rpc)


class Vantage:
    """One request at one node. Whether the node lags is decided once, as the request comes."""

    def __init__(self, chain: Chain, faults: Faults, node: str, rpc: str, params: object) -> None:
        self._chain = chain
        self._faults = faults
        self._occasion = _request(chain, node, rpc, params) if faults.any else Occasion(node=node, rpc=rpc)
        self._forgets: bool | None = None
        lag, stuck = self.strikes("lag"), self.strikes("stuck")
        self.lag = 0 if lag is None else lag.number("blocks")
        self._stuck = None if stuck is None else stuck.number("height")

    def strikes(self, fault: str, **params: str) -> Rule | None:
        """The rule of this kind (and with these `params`) that strikes this request; uses it up by one."""
        return self._faults.strikes(fault, self._occasion, **params) if self._faults.any else None

    def forgets(self) -> bool:
        """Whether this node does not know the transaction asked for; decided once, when it first matters."""
        if self._forgets is None:
            self._forgets = self.strikes("forget_transaction") is not None
        return self._forgets

    @property
    def head(self) -> Block:
        """The newest block this node admits to."""
        head = self._chain.behind(self.lag)
        if self._stuck is not None and head.height > self._stuck:
            return self._chain.back(self._stuck, 0)
        return head

    @property
    def behind(self) -> int:
        """Blocks between the chain's newest and this node's."""
        return self._chain.head.height - self.head.height
