"""Others who act on the chain: a second relayer, a wallet, the owner. Their keys are those of genesis."""

from typing import Any, Final

from orjson import dumps, loads

from services.devnet.contracts.port import TGAS
from services.devnet.genesis import key
from services.devnet.node import transaction
from services.devnet.node.chain import Chain
from services.devnet.node.counting import intents_in
from services.devnet.node.keys import SecretKey, b58decode, is_account_id, sha256
from services.devnet.node.runtime import Moment
from services.devnet.node.state import Overlay, get_json
from services.devnet.node.transaction import FunctionCall, SignedTransaction

RIVAL: Final = "bob.near"
"""Who acts unless another is named."""
GAS: Final = 100 * TGAS
_FIELDS: Final = (
    "id", "user_account", "action", "input_token", "input_amount", "output_token", "min_output_amount",
    "max_slippage",
)  # fmt: skip
Json = dict[str, Any]


class ActorError(Exception):
    """The act cannot be done; the text says why and what to give."""


def _text(value: str | bytes) -> bytes:
    raw = value.encode() if isinstance(value, str) else value
    return len(raw).to_bytes(4, "little") + raw


def _action(call: FunctionCall) -> bytes:
    numbers = call.gas.to_bytes(8, "little") + call.deposit.to_bytes(16, "little")
    return b"\x02" + _text(call.method_name) + _text(call.args) + numbers


def signed(
    pair: SecretKey, signer: str, receiver: str, nonce: int, block_hash: str, calls: list[FunctionCall]
) -> bytes:
    """Borsh bytes of a SignedTransaction of function calls."""
    body = (
        _text(signer) + b"\0" + pair.public_bytes + nonce.to_bytes(8, "little") + _text(receiver)
        + b58decode(block_hash) + len(calls).to_bytes(4, "little") + b"".join(map(_action, calls))
    )  # fmt: skip
    return body + b"\0" + pair.sign(sha256(body))


class Actors:
    """Signs with genesis keys and puts into the pool. `seed` is the node's."""

    def __init__(self, chain: Chain, seed: str, *, owner: str, verifier: str) -> None:
        self._chain = chain
        self._seed = seed
        self._owner = owner
        self.verifier = verifier
        self._last: dict[str, int] = {}

    async def call(
        self, by: str, receiver: str, method: str, args: Json, *, gas: int = GAS, deposit: int = 0
    ) -> str:
        """The transaction's hash; it is in the pool. Raises ActorError, InvalidTransaction or PoolFull."""
        return await self._send(by, receiver, [FunctionCall(method, dumps(args), gas, deposit)])

    async def _send(self, by: str, receiver: str, calls: list[FunctionCall]) -> str:
        pair = key(self._seed, by)
        access = get_json(self._chain.state, f"k|{by}|{pair.public_key}")
        if access is None:
            raise ActorError(
                f"{by} has no key of this node's genesis: it is {self._owner}, alice.near or bob.near"
            )
        nonce = max(int(str(access["nonce"])), self._last.get(by, 0)) + 1
        block = self._chain.block_at(self._chain.final_height)
        assert block is not None
        data = signed(pair, by, receiver, nonce, block.hash, calls)
        tx = transaction.decode(data)
        await self._chain.submit(tx)
        self._last[by] = nonce
        return tx.hash

    async def verify_again(self, intent_id: str, by: str = RIVAL) -> str:
        """What a second relayer does: the signed intent that was sent for `intent_id`, sent by another account."""
        return await self.call(by, self.verifier, "verify_signed_intent", self._sent(intent_id))

    def _sent(self, intent_id: str) -> Json:
        for args in self._chain.arguments_of("verify_signed_intent"):
            if intent_id in intents_in(args):
                found: Json = loads(args)
                return found
        raise ActorError(
            f"no verify_signed_intent of {intent_id} was seen by this node: give intent and signed"
        )

    async def solve(self, intent_id: str, solver: str, by: str = RIVAL) -> str:
        """Another solver's fill, or a second relayer's for the same solver."""
        args = {"intent": self.kept(intent_id), "solver_account": solver}
        return await self.call(by, self.verifier, "verify_and_solve", args)

    async def remove(self, intent_id: str) -> str:
        """The owner takes a verified intent away."""
        return await self.call(self._owner, self.verifier, "remove_verified_intent", {"intent_id": intent_id})

    async def verify_from_wallet(self, intent: Json) -> str:
        """The user's own `verify_intent`, from `user_account`, which must have a key of genesis."""
        by = str(intent.get("user_account"))
        if not is_account_id(by):
            raise ActorError("intent: user_account is not an account id")
        return await self.call(by, self.verifier, "verify_intent", {"intent": intent})

    async def repeat(self, tx: SignedTransaction, by: str = RIVAL) -> str:
        """The same calls from another account."""
        calls = [action for action in tx.actions if isinstance(action, FunctionCall)]
        return await self._send(by, tx.receiver_id, calls)

    def kept(self, intent_id: str) -> Json:
        """The intent as the Verifier keeps it, without what it adds. Raises ActorError if it keeps none."""
        head = self._chain.head
        moment = Moment(height=head.height, hash=head.hash, timestamp=head.timestamp)
        args, state = dumps({"intent_id": intent_id}), Overlay(self._chain.state)
        ran = self._chain.runtime.view(state, self.verifier, "get_intent", args, moment)
        kept = None if isinstance(ran, str) else loads(ran.returned)
        if kept is None:
            raise ActorError(f"the Verifier keeps no intent {intent_id}")
        return {name: kept[name] for name in _FIELDS if kept.get(name) is not None}
