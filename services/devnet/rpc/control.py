"""`devnet_*`: counts for tests, faults on request, blocks by hand. Off unless DEVNET_CONTROL is true."""

from collections.abc import Awaitable, Callable
from typing import Any, Final

from orjson import loads

from services.devnet.faults import Faults, read_rule
from services.devnet.node.chain import Chain
from services.devnet.node.counting import effects
from services.devnet.node.troubles import Fate
from services.devnet.rpc.errors import parse_error

Json = dict[str, Any]
MAX_ADVANCE = 100_000


class Control:
    def __init__(self, chain: Chain, faults: Faults) -> None:
        self._chain = chain
        self._faults = faults
        self.methods: Final[dict[str, Callable[[object], Awaitable[Json]]]] = {
            "devnet_counts": self.counts,
            "devnet_effects": self.effects,
            "devnet_faults": self.set_faults,
            "devnet_fault_add": self.add_faults,
            "devnet_fault_list": self.list_faults,
            "devnet_fault_clear": self.clear_faults,
            "devnet_advance": self.advance,
            "devnet_reorg": self.reorg,
            "devnet_restart": self.restart,
        }

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

    async def effects(self, params: object) -> Json:
        """`{intent_ids?, finality?}` -> `{block_height, intents: {id: {steps, calls}}}`, see `node/counting.py`.

        Without ids all intents there are; an id nobody used has zeros. `finality` is `optimistic` or `final`.
        """
        given = params if isinstance(params, dict) else {}
        ids, finality = given.get("intent_ids"), given.get("finality", "optimistic")
        if ids is not None and not (isinstance(ids, list) and all(isinstance(one, str) for one in ids)):
            raise parse_error("Failed parsing args: intent_ids is not a list of texts")
        if finality not in ("optimistic", "final"):
            raise parse_error("Failed parsing args: finality is optimistic or final")
        height = self._chain.final_height if finality == "final" else self._chain.head.height
        found = effects(self._chain.state.at(height), None if ids is None else frozenset(ids))
        return {"block_height": height, "intents": found}

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

    async def add_faults(self, params: object) -> Json:
        """A rule, or `{faults: [rule, …]}` -> `{ids}`. All are taken or none."""
        given = params.get("faults") if isinstance(params, dict) and "faults" in params else [params]
        if not isinstance(given, list):
            raise parse_error("Failed parsing args: faults is not a list")
        try:
            for rule in given:
                read_rule(rule)
            return {"ids": [self._faults.add(rule).id for rule in given]}
        except ValueError as error:
            raise parse_error(f"Failed parsing args: {error}") from None

    async def list_faults(self, params: object) -> Json:
        """`{faults: [rule, …]}`: those in force, with how often each was met and struck."""
        return {"faults": self._faults.rules()}

    async def clear_faults(self, params: object) -> Json:
        """`{id?}` -> `{cleared: number}`: one rule, or all."""
        rule_id = params.get("id") if isinstance(params, dict) else None
        if rule_id is not None and not isinstance(rule_id, str):
            raise parse_error("Failed parsing args: id is not a string")
        return {"cleared": self._faults.clear(rule_id)}

    async def advance(self, params: object) -> Json:
        """`{blocks = 1}` -> `{height}`: make blocks now, whatever the pace."""
        blocks = params.get("blocks", 1) if isinstance(params, dict) else 1
        if type(blocks) is not int or not 1 <= blocks <= MAX_ADVANCE:
            raise parse_error(f"Failed parsing args: blocks is a whole number from 1 to {MAX_ADVANCE}")
        for _ in range(blocks):
            await self._chain.produce()
        return {"height": self._chain.head.height}

    async def reorg(self, params: object) -> Json:
        """`{blocks = 1, transactions = later}` -> `{fork_height, vanished, transactions, height}`: the newest blocks
        vanish and others come, one more than those; what is final stays. `transactions`: `again`, `later`, `lost`."""
        given = params if isinstance(params, dict) else {}
        blocks, fate = given.get("blocks", 1), given.get("transactions", Fate.LATER.value)
        if fate not in (known := [one.value for one in Fate]):
            raise parse_error(f"Failed parsing args: transactions is one of {', '.join(known)}")
        try:
            done = await self._chain.reorg(blocks if type(blocks) is int else 0, Fate(fate))
        except ValueError as error:
            raise parse_error(f"Failed parsing args: blocks: {error}") from None
        return {
            "fork_height": done.fork_height, "vanished": list(done.vanished),
            "transactions": list(done.transactions), "height": self._chain.head.height,
        }  # fmt: skip

    async def restart(self, params: object) -> Json:
        """`{}` -> `{height}`: begin anew from the state file, as after a crash. Faults stay."""
        try:
            await self._chain.restart()
        except ValueError as error:
            raise parse_error(f"devnet_restart: {error}") from None
        return {"height": self._chain.head.height}
