"""Stage 4, at its end: does the user hold what is given, can they be sent what is wanted, would the contract do it?

Each is asked only where the operator says so: a plain intent on devnet moves no balances of the Verifier.
"""

from typing import Final

from services.common.domain.views import BalanceOf, IsRegistered, Simulation
from services.common.errors import Reason
from services.validator.ids import contract_of
from services.validator.model import Case, Reach
from services.validator.rules.amounts import units
from services.validator.rules.rule import Kind, Rule, Well, rule


def _balance(case: Case) -> BalanceOf | None:
    intent = case.intent
    return BalanceOf(intent.user_account, intent.input_token) if case.book.check_balance else None


@rule(
    "balance-covers",
    Kind.POLICY,
    Reason.INSUFFICIENT_BALANCE,
    "input_amount",
    asks="The contract holds the amount given for the user; where CHECK_BALANCE is set.",
    mend="Deposit the token at the contract, or give less.",
    reads=("user_account", "input_token", "input_amount"),
    view=_balance,
)
def balance_covers(case: Case) -> None:
    held = case.units("balance-covers")
    if held is None:
        return
    amount = units(case.intent.input_amount)
    if amount is not None and held < amount:
        case.add(
            "input_amount",
            Reason.INSUFFICIENT_BALANCE,
            f"input_amount {amount} is more than the {held} that {case.book.verifying_contract} holds for the user",
        )


def _registered(case: Case) -> IsRegistered | None:
    if not case.book.check_registration:
        return None
    contract = contract_of(case.intent.output_token)
    return IsRegistered(contract, case.intent.user_account) if contract else None


@rule(
    "output-registered",
    Kind.POLICY,
    Reason.NOT_REGISTERED,
    "output_token",
    asks="The user is registered with the contract of the fungible token wanted; where CHECK_REGISTRATION is set.",
    mend="Call storage_deposit at the token's contract for the user.",
    reads=("user_account", "output_token"),
    view=_registered,
)
def output_registered(case: Case) -> None:
    if case.said("output-registered") is False:
        case.add(
            "output_token",
            Reason.NOT_REGISTERED,
            f"{case.intent.user_account} is not registered with {contract_of(case.intent.output_token)}, "
            "so that it cannot be sent there",
        )


def _simulation(case: Case) -> Simulation | None:
    # the message of a stored intent may be on chain already, and would be refused for its own nonce
    return (
        Simulation(case.signed)
        if case.book.simulate and case.signed is not None and not case.stored
        else None
    )


@rule(
    "simulation",
    Kind.PROTOCOL,
    Reason.SIMULATION_FAILED,
    "signed_data",
    asks="The contract, asked to try the message, would carry it out; of new intents, where SIMULATE is set.",
    mend="Do what the contract's words ask for, and sign again.",
    needs=Reach.MESSAGE,
    view=_simulation,
)
def simulation(case: Case) -> None:
    words = case.answer("simulation")
    if isinstance(words, str) and words:
        case.add("signed_data", Reason.SIMULATION_FAILED, f"the contract would refuse the message: {words}")


RULES: Final[tuple[Rule, ...]] = (balance_covers, output_registered, simulation)


_NAMES: Final = frozenset(rule.name for rule in RULES)

WELL: Final = Well(RULES, lambda case: _NAMES.isdisjoint(case.answers))
"""All of them at once."""
