"""The Solver of the workshop: a market maker with fixed rates and a fee in basis points."""

from typing import Final, Protocol

from services.devnet.contracts import rates
from services.devnet.contracts.native import (
    Args,
    Method,
    account_arg,
    event,
    load,
    require_owner,
    save,
    text_arg,
    whole_arg,
)  # fmt: skip
from services.devnet.contracts.plain import amount
from services.devnet.contracts.port import Host, Panic

DEFAULT_FEE: Final = 30
MAX_FEE: Final = 10_000


class SolverFaults(Protocol):
    """Faults asked for by a test."""

    def solver(self, fault: str, account_id: str, intent_id: str) -> bool:
        """Whether `solver_fail` or `solver_low` strikes here; uses one up."""
        ...


class Solver:
    """Methods by name in `methods`."""

    def __init__(self, faults: SolverFaults) -> None:
        self._faults = faults
        self.methods: Final = {
            "init": Method(self.init),
            "solve_intent": Method(self.solve_intent, gas=3_100_000_000_000),
            "has_executed": Method(self.has_executed, view=True),
            "get_fee": Method(self.get_fee, view=True),
            "set_fee": Method(self.set_fee),
        }

    def init(self, host: Host, args: Args) -> None:
        """`{owner, verifier, rates}`; once, by the account itself."""
        if host.predecessor_id != host.account_id or host.read("config") is not None:
            raise Panic("already initialised")
        given = args.get("rates", {})
        save(host, "config", {"verifier": account_arg(args, "verifier"), "fee": DEFAULT_FEE, "rates": given})
        save(host, f"r|owner|{account_arg(args, 'owner')}", True)

    def solve_intent(self, host: Host, args: Args) -> dict[str, object]:
        """`{intent_id, user, input_amount}` and, from the Verifier, `{input_token, output_token}` ->
        `{intentId, success, outputAmount?, feeAmount}`; amounts in units of the output token.

        Executes an intent once: a second call gets the first one's answer. The minimum is not told to the
        Solver, so it is the Verifier that refuses too little.
        """
        config = load(host, "config")
        if host.predecessor_id != config["verifier"]:
            raise Panic("only the Verifier may call this")
        intent_id, user, given = (
            text_arg(args, "intent_id"),
            text_arg(args, "user"),
            amount(args, "input_amount"),
        )
        done: dict[str, object] | None = load(host, f"x|{intent_id}")
        if done is not None:
            return done
        if self._faults.solver("solver_fail", host.account_id, intent_id):
            return {"intentId": intent_id, "success": False, "feeAmount": "0"}
        source, target = str(args.get("input_token", "")), str(args.get("output_token", ""))
        before = rates.gross(config["rates"], source, target, given)
        # A move of one token onto itself is no trade and costs nothing.
        fee = 0 if source and source == target else -(-before * config["fee"] // MAX_FEE)
        if self._faults.solver("solver_low", host.account_id, intent_id):
            return {
                "intentId": intent_id,
                "success": True,
                "outputAmount": str(min(1, before)),
                "feeAmount": "0",
            }
        output = before - fee
        result: dict[str, object] = {
            "intentId": intent_id, "success": True, "outputAmount": str(output), "feeAmount": str(fee),
        }  # fmt: skip
        save(host, f"x|{intent_id}", result)
        event(host, "intent_solved", {"intent_id": intent_id, "user": user, "output_amount": str(output)})
        return result

    def has_executed(self, host: Host, args: Args) -> bool:
        return load(host, f"x|{text_arg(args, 'intent_id')}") is not None

    def get_fee(self, host: Host, args: Args) -> int:
        """Basis points."""
        return int(load(host, "config")["fee"])

    def set_fee(self, host: Host, args: Args) -> None:
        """`{fee}` in basis points, 0 to 10000; an owner only."""
        require_owner(host)
        fee = whole_arg(args, "fee", MAX_FEE + 1)
        save(host, "config", {**load(host, "config"), "fee": fee})
        event(host, "fee_set", {"fee": fee})
