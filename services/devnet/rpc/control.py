"""`devnet_*`: counts for tests, faults on request, blocks by hand. Off unless DEVNET_CONTROL is true."""

from typing import Any

from orjson import loads

from services.devnet.faults import Faults
from services.devnet.node.chain import Chain
from services.devnet.rpc.errors import parse_error

Json = dict[str, Any]
MAX_ADVANCE = 100_000


class Control:
    def __init__(self, chain: Chain, faults: Faults) -> None:
        self._chain = chain
        self._faults = faults

    async def counts(self, params: object) -> Json:
        """`{methods: {method: successes}, intents: {id: {method: effects}}}` as of the newest block.

        An effect is a successful call that changed the intent, as the contract's own event says: a repeated
        `verify_signed_intent` or `solve_intent` succeeds and has none.
        """
        methods: dict[str, int] = {}
        intents: dict[str, dict[str, int]] = {}
        for key, value in self._chain.state.scan("n|"):
            match key.split("|"):
                case [_, "method", method]:
                    methods[method] = loads(value)
                case [_, "intent", intent_id, method]:
                    intents.setdefault(intent_id, {})[method] = loads(value)
        return {"methods": methods, "intents": intents}

    async def set_faults(self, params: object) -> Json:
        """`{fault: number, …}` changes those; the answer is all of them. `{}` only asks."""
        if params in (None, []):
            params = {}
        if not isinstance(params, dict):
            raise parse_error("Failed parsing args: params is not an object")
        try:
            self._faults.set(params)
        except ValueError as error:
            raise parse_error(f"Failed parsing args: {error}") from None
        return dict(self._faults.shown())

    async def advance(self, params: object) -> Json:
        """`{blocks = 1}` -> `{height}`: make blocks now, whatever the pace."""
        blocks = params.get("blocks", 1) if isinstance(params, dict) else 1
        if type(blocks) is not int or not 1 <= blocks <= MAX_ADVANCE:
            raise parse_error(f"Failed parsing args: blocks is a whole number from 1 to {MAX_ADVANCE}")
        for _ in range(blocks):
            await self._chain.produce()
        return {"height": self._chain.head.height}
