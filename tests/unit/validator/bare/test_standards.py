"""A signed message on its own in each of the seven standards, and the order in which it is refused."""

import json
import random
from dataclasses import replace
from datetime import datetime
from typing import Final

import pytest

from services.common.domain.views import HasPublicKey, IsNonceUsed
from services.common.errors import Reason
from services.validator.messages.model import ALL_KINDS, MAINNET_KINDS, Bounds
from services.validator.messages.reading import read
from services.validator.messages.rules import TABLE
from services.validator.model import RuleBook
from services.validator.rules import TABLE as PLAIN
from services.validator.rules.rule import SECURITY
from services.validator.service import Validator
from tests.harness.signing import to_domain
from tests.harness.standards import STANDARDS, StandardWallet
from tests.unit.validator.bare.generate import body
from tests.unit.validator.bare.support import (
    BOUNDS,
    CAROL,
    NONCE,
    SWAP,
    TRANSFER,
    UNTIL,
    bare,
    chain,
    judged,
    message,
)
from tests.unit.validator.support import ALICE, StoppedClock, found, only, signed

WALLETS: Final = [StandardWallet(one, "bare") for one in STANDARDS] + [
    StandardWallet("webauthn", "bare", curve="ed25519")
]
NAMED: Final = StandardWallet("erc191", "bare", account_id="carol.near")


@pytest.mark.parametrize("wallet", [*WALLETS, NAMED], ids=lambda one: f"{one.standard}-{one.key.curve}")
async def test_p09_a_message_holds_in_its_standard_and_no_other_text_does(wallet: StandardWallet) -> None:
    good = bare(message(SWAP, TRANSFER, wallet=wallet), wallet)
    views = chain(wallet)
    verdict = await judged(good, views)
    assert verdict.valid and verdict.expires_at is not None, verdict
    assert verdict.expires_at == datetime.fromisoformat(UNTIL)
    asked = [view for call in views.calls for view in call]
    assert asked == [
        HasPublicKey(wallet.account_id, wallet.public_key),
        IsNonceUsed(wallet.account_id, NONCE),
    ]
    # the same signature under another text is another key's, or no signature
    other = json.dumps(message(TRANSFER, wallet=wallet))
    forged = wallet.sign_text(json.dumps(message(SWAP, wallet=wallet)), nonce=NONCE)
    if wallet.standard == "nep413":
        forged["payload"]["message"] = other
    elif wallet.standard == "ton_connect":
        forged["payload"]["text"] = other
    else:
        forged["payload"] = other
    refused = await judged(to_domain({"signed_data": forged}), views)
    assert refused.failed_stage == SECURITY
    assert refused.violations[0].reason in (Reason.INVALID_SIGNATURE, Reason.SIGNER_MISMATCH)


async def test_whose_key_it_is_the_contract_says() -> None:
    good = bare(message(SWAP, wallet=NAMED), NAMED)
    only(await judged(good), SECURITY, "signed_data.signature", Reason.SIGNER_MISMATCH)
    # an implicit account may have given up its own key
    bereft = chain()
    bereft.keys.clear()
    only(
        await judged(bare(message(SWAP)), bereft), SECURITY, "signed_data.public_key", Reason.SIGNER_MISMATCH
    )
    away = chain()
    away.mute = HasPublicKey
    assert (await judged(bare(message(SWAP)), away)).unavailable


async def test_the_last_stage_keeps_the_contracts_order() -> None:
    """Each fault in turn hides behind the ones that the contract meets before it."""
    used = chain(used={(CAROL.account_id, NONCE)})
    forged = bare(message(SWAP)).signed_data
    assert forged is not None
    steps = [
        (Reason.NONCE_USED, {}),
        (Reason.SIGNER_MISMATCH, {"keys": False}),
        (Reason.DEADLINE_EXPIRED, {"deadline": "2026-11-23T11:59:59Z"}),
        (Reason.WRONG_RECIPIENT, {"verifying_contract": "other.near"}),
        (Reason.INVALID_MESSAGE, {"intents": {}}),
    ]
    changes: dict[str, object] = {}
    for reason, change in steps:
        if change == {"keys": False}:
            used.keys.clear()
        else:
            changes |= change
        verdict = await judged(bare(message(SWAP, **changes)), used)
        assert verdict.failed_stage == SECURITY and verdict.violations[0].reason is reason, verdict
    broken = bare(message(SWAP, **changes))
    assert broken.signed_data is not None
    broken = replace(broken, signed_data=replace(broken.signed_data, signature=forged.signature))
    verdict = await judged(broken, used)
    assert [one.reason for one in verdict.violations] == [Reason.INVALID_SIGNATURE, Reason.INVALID_MESSAGE]


async def test_every_kind_in_its_form_is_read() -> None:
    chance = random.Random(9)
    seen: set[str] = set()
    for _ in range(300):
        signed_data = to_domain(body(chance)).signed_data
        assert signed_data is not None
        reading = read(signed_data, BOUNDS)
        assert reading.payload is not None, (signed_data.text, reading.faults)
        seen.update(reading.payload.kinds)
    assert seen == set(ALL_KINDS)


async def test_no_intents_is_a_message_too() -> None:
    """It uses up the nonce, and does nothing else."""
    assert (await judged(bare(message()))).valid
    assert (await judged(bare(message(intents=None)))).valid


async def test_kinds_are_those_of_the_contract_that_is_there() -> None:
    mint = {"intent": "imt_mint", "receiver_id": CAROL.account_id, "tokens": {"t": "1"}}
    assert (await judged(bare(message(mint)))).valid
    mainnet = Bounds(kinds=frozenset(MAINNET_KINDS))
    refused = await judged(bare(message(mint)), messages=mainnet)
    only(refused, SECURITY, "signed_data.payload.intents[0].intent", Reason.INVALID_MESSAGE)


async def test_keys_come_and_go_in_the_order_of_the_intents() -> None:
    own = {"public_key": CAROL.public_key}
    other = {"public_key": NAMED.public_key}
    add, remove = {"intent": "add_public_key"}, {"intent": "remove_public_key"}
    for intents, place in (
        ([remove | own, add | own, remove | own], None),
        ([add | other, remove | other, add | other], None),
        ([remove | other, remove | other], 1),
        ([add | other, add | {"public_key": NAMED.public_key}], 1),
        ([remove | own, add | other, remove | own], 2),
        ([add | {"public_key": CAROL.public_key.removeprefix("ed25519:")}], 0),
    ):
        verdict = await judged(bare(message(*intents)))
        if place is None:
            assert verdict.valid, verdict
        else:
            assert found(verdict) == [
                (f"signed_data.payload.intents[{place}].public_key", Reason.INVALID_MESSAGE)
            ]


async def test_unknown_fields_are_passed_over_as_the_contract_does() -> None:
    """Also those that a plain message has: nobody but its network reads one."""
    assert (await judged(bare(message({**SWAP, "why": [1, {"a": None}]}, network="mainnet", more=1.5)))).valid


async def test_a_stored_message_is_not_refused_for_what_came_later() -> None:
    used = chain(used={(CAROL.account_id, NONCE)})
    assert (await judged(bare(message(SWAP)), used, stored=True)).valid


async def test_many_messages_are_judged_by_one_call_to_the_chain() -> None:
    views = chain(*WALLETS)
    mixed = [to_domain(signed(ALICE)), bare("[]"), *(bare(message(SWAP, wallet=one), one) for one in WALLETS)]
    verdicts = await Validator(RuleBook(), views, StoppedClock()).validate(mixed)
    assert [verdict.valid for verdict in verdicts] == [True, False, *[True] * len(WALLETS)]
    assert len(views.calls) == 1


def test_rules_of_both_tables_that_share_a_name_ask_the_same_kind() -> None:
    kinds = {rule.name: rule.kind for _, rule in PLAIN}
    shared = [rule for _, rule in TABLE if rule.name in kinds]
    assert len(shared) > 15
    assert all(kinds[rule.name] is rule.kind for rule in shared)
