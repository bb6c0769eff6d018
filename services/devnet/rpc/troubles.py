"""Faults as the chain's troubles, and as the Solver's."""

from services.devnet.faults import Faults, Occasion, Rule
from services.devnet.node.counting import intents_in
from services.devnet.node.transaction import SignedTransaction
from services.devnet.node.troubles import OUT_OF_GAS, Fate
from services.devnet.rpc.vantage import occasion_of


class FaultyChain:
    """Satisfies `node.troubles.Troubles` and `contracts.solver.SolverFaults`."""

    def __init__(self, faults: Faults) -> None:
        self._faults = faults

    @property
    def quiet(self) -> bool:
        return not self._faults.any

    def reorg(self) -> tuple[int, Fate] | None:
        rule = self._faults.strikes("reorg") if self._faults.any else None
        return None if rule is None else (rule.number("blocks"), Fate(rule.text("transactions")))

    def skipped(self) -> int:
        rule = self._faults.strikes("skip_heights") if self._faults.any else None
        return 0 if rule is None else rule.number("heights")

    def expires(self, tx: SignedTransaction) -> bool:
        return self._faults.any and self._faults.strikes("expire", occasion_of(tx), at="block") is not None

    def nonce_jump(self, tx: SignedTransaction) -> int:
        rule = self._faults.strikes("nonce_jump", occasion_of(tx)) if self._faults.any else None
        return 0 if rule is None else rule.number("by")

    def held(self, signer: str, receiver: str, method: str, args: bytes) -> int:
        rule = self._strikes("hold_receipt", signer, receiver, method, args)
        return 0 if rule is None else rule.number("blocks")

    def fails(self, signer: str, receiver: str, method: str, args: bytes) -> str | None:
        if self._strikes("out_of_gas", signer, receiver, method, args) is not None:
            return OUT_OF_GAS
        rule = self._strikes("fail_receipt", signer, receiver, method, args)
        return None if rule is None else rule.text("text")

    def _strikes(self, fault: str, signer: str, receiver: str, method: str, args: bytes) -> Rule | None:
        if not self._faults.any:
            return None
        occasion = Occasion(signer=signer, receiver=receiver, methods=(method,), intents=intents_in(args))
        return self._faults.strikes(fault, occasion)

    def solver(self, fault: str, account_id: str, intent_id: str) -> bool:
        occasion = Occasion(receiver=account_id, intents=(intent_id,))
        return self._faults.strikes(fault, occasion) is not None
