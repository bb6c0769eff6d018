"""What the chain says of balances and registrations, and what becomes of a view that cannot be had."""

from typing import Any

import pytest

from services.common.domain.explanation import RuleStatus
from services.common.domain.outcomes import Verdict
from services.common.domain.views import (
    BalanceOf,
    HasPublicKey,
    IsNonceUsed,
    IsRegistered,
    IsValidSalt,
    Simulation,
    ViewAnswer,
)
from services.common.errors import Reason
from services.common.observe import Observe
from services.validator.model import VIEWS, RuleBook
from services.validator.observe import Vocabulary
from services.validator.service import Validator
from tests.harness.signing import Wallet, to_domain
from tests.unit.validator.alone import versioned
from tests.unit.validator.messages import body_of, message
from tests.unit.validator.support import ALICE, SOON, FakeViews, StoppedClock, judge, only, signed

EVERYTHING: dict[str, Any] = {"check_balance": True, "check_registration": True, "simulate": True}
CONTRACT = "usdc.near"


def rich(**changes: Any) -> FakeViews:
    """A chain where Alice holds and may be sent what she needs, and her nonce's salt is valid."""
    return FakeViews(
        balances={(ALICE.account_id, "USDC"): 100_000_000},
        registered={(CONTRACT, ALICE.account_id)},
        salts={b"salt"},
        **changes,
    )


async def test_a_balance_covers_to_the_last_unit() -> None:
    assert (await judge(signed(input_amount="100000000"), rich(), **EVERYTHING)).valid
    verdict = await judge(signed(input_amount="100000001"), rich(), **EVERYTHING)
    only(verdict, "security", "input_amount", Reason.INSUFFICIENT_BALANCE)
    assert "100000000" in verdict.violations[0].message


async def test_only_fungible_tokens_of_a_contract_need_a_registration() -> None:
    for token, asked in (
        ("NEAR", False),
        ("nep245:mt.near:1", False),
        (CONTRACT, True),
        (f"nep141:{CONTRACT}", True),
    ):
        views = rich()
        verdict = await judge(signed(output_token=token), views, check_registration=True)
        assert verdict.valid or token.startswith("nep245:")
        views_asked = [view for call in views.calls for view in call]
        assert (IsRegistered(CONTRACT, ALICE.account_id) in views_asked) is asked
    stranger = await judge(signed(output_token="wrap.near"), rich(), check_registration=True)
    only(stranger, "security", "output_token", Reason.NOT_REGISTERED)


async def test_nothing_is_asked_by_default() -> None:
    views = FakeViews()
    assert (await judge(signed(output_token=CONTRACT), views)).valid
    assert {type(view) for call in views.calls for view in call} == {IsNonceUsed}


async def test_an_intent_that_needs_no_signature_is_asked_about_too() -> None:
    unsigned = {**EVERYTHING, "signature_required": False}
    views = rich()
    assert (await judge(ALICE.fields(output_token=CONTRACT), views, **unsigned)).valid
    assert {type(view) for call in views.calls for view in call} == {BalanceOf, IsRegistered}
    verdict = await judge(ALICE.fields(), FakeViews(), **unsigned)
    only(verdict, "security", "input_amount", Reason.INSUFFICIENT_BALANCE)
    # where a signature is needed it is asked for, and the chain about nothing
    views = FakeViews()
    only(
        await judge(ALICE.fields(), views, **EVERYTHING), "security", "signed_data", Reason.SIGNATURE_REQUIRED
    )
    assert views.calls == []


async def test_what_nobody_signed_is_no_errand_to_the_chain() -> None:
    views = FakeViews()
    body = {**signed(), "input_amount": "1"}
    body["signed_data"] = {**body["signed_data"], "signature": ALICE.sign_message("another")["signature"]}
    assert not (await judge(body, views, **EVERYTHING)).valid
    assert views.calls == []


BOB = Wallet("bob", account_id="bob.near")


def _of(view: type) -> tuple[dict[str, Any], str]:
    """A body whose judgement needs that view, and the rule that asks for it."""
    nonce = versioned()
    return {
        HasPublicKey: (BOB.sign_plain(deadline=SOON), "key-registered"),
        IsNonceUsed: (signed(), "nonce-unused"),
        IsValidSalt: (body_of(message(), nonce=nonce), "nonce-salt"),
        BalanceOf: (signed(), "balance-covers"),
        IsRegistered: (signed(output_token=CONTRACT), "output-registered"),
        Simulation: (signed(), "simulation"),
    }[view]


async def _judged(view: type, *, stored: bool, **book: Any) -> tuple[Verdict, list[str]]:
    """The verdict while that view cannot be had, and the rules that were not applied."""
    observe = Observe(service="validator")
    body, _ = _of(view)
    views = rich(mute=view, keys={(BOB.account_id, BOB.public_key)})
    views.balances[BOB.account_id, "USDC"] = 10**12
    validator = Validator(RuleBook(**EVERYTHING, **book), views, StoppedClock(), Vocabulary(observe))
    (verdict,) = await validator.validate([to_domain(body)], stored=stored)
    left = [
        sample.labels["rule"]
        for family in observe.registry.collect()
        if family.name == "validator_rules_not_applied"
        for sample in family.samples
    ]
    return verdict, left


@pytest.mark.parametrize(
    "view", [HasPublicKey, IsNonceUsed, IsValidSalt, BalanceOf, IsRegistered, Simulation]
)
async def test_for_each_view_what_its_absence_means_is_a_choice(view: type) -> None:
    name, rule = VIEWS[view], _of(view)[1]
    by_default = name in ("mt_balance_of", "storage_balance_of")
    for book, accepted in (
        ({}, by_default),
        ({"accept_without": frozenset((name,))}, True),
        ({"accept_without": frozenset(VIEWS.values()) - {name}}, False),
    ):
        # a stored intent's own nonce is not asked about, neither alone nor by a trial
        stored = view not in (IsNonceUsed, Simulation)
        verdict, left = await _judged(view, stored=False, **book)
        assert (verdict.valid, bool(verdict.unavailable)) == (accepted, not accepted), book
        assert left == ([rule] if accepted else []), "a rule left out is counted"
        if stored:
            again, left = await _judged(view, stored=True, **book)
            assert again.unavailable and not left, "the second check takes no absence"


async def test_a_rule_that_could_not_be_applied_is_told() -> None:
    views = rich(mute=BalanceOf)
    validator = Validator(RuleBook(**EVERYTHING), views, StoppedClock())
    (verdict,) = await validator.validate([to_domain(signed(output_token=CONTRACT))], explain=True)
    assert verdict.valid and verdict.explanation is not None
    told = {one.rule: one for one in verdict.explanation.rules}
    assert told["balance-covers"].status is RuleStatus.UNAVAILABLE
    assert "could not be asked" in told["balance-covers"].seen
    assert told["output-registered"].status is RuleStatus.PASSED
    assert "storage_balance_of: yes" in told["output-registered"].seen
    (verdict,) = await Validator(RuleBook(**EVERYTHING), rich(), StoppedClock()).validate(
        [to_domain(signed())], explain=True
    )
    assert verdict.explanation is not None
    told = {one.rule: one for one in verdict.explanation.rules}
    assert "mt_balance_of: 100000000" in told["balance-covers"].seen
    assert told["output-registered"].status is RuleStatus.NOT_REACHED


class Odd(FakeViews):
    """Answers a question of how much with yes, and one of yes or no with a number."""

    def _answer(self, view: Any) -> Any:
        return ViewAnswer(value=True if isinstance(view, BalanceOf) else 1, block_height=7)


async def test_an_answer_of_another_kind_is_none() -> None:
    verdict = await judge(signed(), Odd(), **EVERYTHING, accept_without=frozenset())
    assert verdict.unavailable and not verdict.valid


async def test_the_contracts_words_are_passed_on() -> None:
    verdict = await judge(signed(), rich(words="insufficient balance or overflow"), **EVERYTHING)
    only(verdict, "security", "signed_data", Reason.SIMULATION_FAILED)
    assert verdict.violations[0].message.endswith("refuse the message: insufficient balance or overflow")
    views = rich(words="nonce was already used")
    assert (await judge(signed(), views, stored=True, **EVERYTHING)).valid
    assert all(not isinstance(view, Simulation) for call in views.calls for view in call)
