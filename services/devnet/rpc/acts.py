"""`devnet_act_*`: what others do on chain, by order of a test."""

from collections.abc import Awaitable, Callable
from typing import Any, Final

from services.devnet.actors import GAS, RIVAL, ActorError, Actors
from services.devnet.node.chain import PoolFull
from services.devnet.node.validate import InvalidTransaction
from services.devnet.rpc.errors import handler_error, invalid_transaction, parse_error
from services.devnet.rpc.params import named, text

Json = dict[str, Any]


def _object(given: Json, name: str) -> Json:
    value = given.get(name)
    if not isinstance(value, dict):
        raise parse_error(f"Failed parsing args: field `{name}` is not an object")
    return value


def _by(given: Json) -> str:
    return text(given, "by") if "by" in given else RIVAL


class Acts:
    """Each puts one transaction into the pool and answers `{tx_hash}`; nothing waits for it."""

    def __init__(self, actors: Actors) -> None:
        self._actors = actors
        self.methods: Final[dict[str, Callable[[object], Awaitable[Json]]]] = {
            "devnet_act_verify": self._sending(self._verify),
            "devnet_act_solve": self._sending(self._solve),
            "devnet_act_remove": self._sending(self._remove),
            "devnet_act_wallet_verify": self._sending(self._wallet_verify),
            "devnet_act_call": self._sending(self._call),
        }

    def _sending(self, act: Callable[[Json], Awaitable[str]]) -> Callable[[object], Awaitable[Json]]:
        async def run(params: object) -> Json:
            try:
                return {"tx_hash": await act(named(params))}
            except ActorError as error:
                raise parse_error(f"Failed parsing args: {error}") from None
            except InvalidTransaction as invalid:
                raise invalid_transaction(invalid.error) from None
            except PoolFull:
                raise handler_error("REQUEST_ROUTED", {}, "transaction pool is full") from None

        return run

    async def _verify(self, given: Json) -> str:
        """`{intent_id, by?}`: what was sent for it, sent by another; or `{intent, signed, by?}`."""
        if "intent_id" in given:
            return await self._actors.verify_again(text(given, "intent_id"), _by(given))
        args = {"intent": _object(given, "intent"), "signed": _object(given, "signed")}
        return await self._actors.call(_by(given), self._actors.verifier, "verify_signed_intent", args)

    async def _solve(self, given: Json) -> str:
        """`{intent_id, solver_account, by?}`."""
        return await self._actors.solve(text(given, "intent_id"), text(given, "solver_account"), _by(given))

    async def _remove(self, given: Json) -> str:
        """`{intent_id}`, by the owner."""
        return await self._actors.remove(text(given, "intent_id"))

    async def _wallet_verify(self, given: Json) -> str:
        """`{intent}`, by its `user_account`."""
        return await self._actors.verify_from_wallet(_object(given, "intent"))

    async def _call(self, given: Json) -> str:
        """`{by, method, args, receiver?, gas?, deposit?}`: any call; the receiver is the Verifier by default."""
        gas, deposit = given.get("gas", GAS), given.get("deposit", 0)
        if (
            type(gas) is not int
            or not 0 <= gas < 2**64
            or type(deposit) is not int
            or not 0 <= deposit < 2**128
        ):
            raise parse_error("Failed parsing args: gas and deposit are whole numbers")
        receiver = text(given, "receiver") if "receiver" in given else self._actors.verifier
        method, args = text(given, "method"), _object(given, "args")
        return await self._actors.call(text(given, "by"), receiver, method, args, gas=gas, deposit=deposit)
