"""Two readings of a signed message, the validator's and the contract's, written apart: they agree."""

import json
from typing import Any

import pytest

from services.common.clock import to_ns
from services.common.errors import Reason
from services.devnet.contracts import signed as contract
from services.devnet.contracts.port import Panic
from services.validator.message import fields_of, read
from tests.differential.compare import reasons
from tests.differential.contract import Contract
from tests.harness.signing import to_domain
from tests.unit.validator.messages import UNREADABLE, body_of, message
from tests.unit.validator.support import ALICE, NOW, SOON, judge


@pytest.mark.parametrize("text", UNREADABLE)
async def test_what_the_validator_cannot_read_the_contract_refuses(text: str) -> None:
    body = body_of(text)
    assert not (await judge(body)).valid
    with pytest.raises(Panic):
        contract.read(body["signed_data"])


def changed(**fields: Any) -> dict[str, Any]:
    return message(intents=[{"intent": "plain", **ALICE.fields(id="m", **fields)}])


@pytest.mark.parametrize(
    "text",
    [
        json.dumps(message()),
        json.dumps(message(), indent=2),
        json.dumps(changed(min_output_amount=None, max_slippage=None)),
        json.dumps(changed(max_slippage=0)).replace('"max_slippage": 0', '"max_slippage": 0.0'),
        json.dumps(changed(max_slippage=100)),
        json.dumps(changed(deadline="2026-11-23T13:10:00.000+01:00")),
        json.dumps(message()).replace("localnet", "\\u006cocalnet"),
    ],
)
async def test_what_the_validator_reads_the_contract_reads_alike(text: str) -> None:
    body = body_of(text)
    domain = to_domain(body)
    assert domain.signed_data is not None
    ours, theirs = read(domain.signed_data), contract.read(body["signed_data"])
    assert (ours.signer_id, ours.recipient, ours.network) == (
        theirs.signer_id,
        theirs.recipient,
        theirs.network,
    )
    said = theirs.intent
    assert ours.fields.get("deadline") == said.deadline
    assert ours.fields.get("max_slippage") == said.max_slippage
    assert ours.fields.get("min_output_amount") == (
        None if said.min_output_amount is None else str(said.min_output_amount)
    )
    assert (ours.fields["input_amount"], ours.fields["id"]) == (str(said.input_amount), said.id)


@pytest.mark.parametrize("standard", ["nep413", "raw_ed25519"])
async def test_a_valid_intents_signature_holds_on_chain(standard: str) -> None:
    body = ALICE.sign_plain(ALICE.fields(), deadline=SOON, standard=standard)
    assert (await judge(body)).valid
    theirs = contract.read(body["signed_data"])
    domain = to_domain(body)
    assert domain.intent is not None and domain.signed_data is not None
    assert fields_of(domain.intent) == read(domain.signed_data).fields
    assert theirs.key.account == domain.intent.user_account
    body["signed_data"]["signature"] = ALICE.sign_plain()["signed_data"]["signature"]
    with pytest.raises(Panic, match="invalid signature"):
        contract.read(body["signed_data"])


PERCENT = ("0", "0.0", "100.01", "1000", "9999.99", "123456789", "123456789.01")
NO_PERCENT = ("1234567890", "1" * 70, "1.000", "1e2", "-0", "-1", '"1"', "true", "[]")


@pytest.mark.parametrize("said", [*PERCENT, *NO_PERCENT])
async def test_p09_what_is_a_percentage_is_one_to_both(said: str) -> None:
    text = json.dumps(changed(max_slippage=0)).replace('"max_slippage": 0', f'"max_slippage": {said}')
    body = body_of(text)
    verdict = await judge(body)
    with pytest.raises(Panic) as theirs:
        contract_says(body)
    reason = Reason.FIELD_MISMATCH if said in PERCENT else Reason.INVALID_MESSAGE
    assert verdict.violations[0].reason == reason
    assert reasons(str(theirs.value)) == {reason}


def contract_says(body: dict[str, Any]) -> None:
    """Raises Panic, or it takes it."""
    chain = Contract(to_ns(NOW))
    said = chain.refusal({name: body[name] for name in body if name != "signed_data"}, body["signed_data"])
    if said:
        raise Panic(said)


def _instead(name: str, written: str) -> str:
    """A message in which that member says this."""
    return json.dumps(message(**{name: "@"})).replace('"@"', written)


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("deadline", Reason.INVALID_DEADLINE),
        ("network", Reason.INVALID_MESSAGE),
        ("extra", Reason.INVALID_MESSAGE),
    ],
)
async def test_p09_depth_and_digits_are_refused_for_the_same_reason_by_both(
    name: str, reason: Reason
) -> None:
    for written, said in (
        ("[" * 32 + "]" * 32, reason),
        ('{"x":' * 126 + "1" + "}" * 126, reason),
        ("[" * 127 + "]" * 127, Reason.INVALID_MESSAGE),
        ("1" * 64, reason),
        ("1" * 65, reason),
        ("1" * 5_000, reason),
        ("-0", reason),
    ):
        body = body_of(_instead(name, written))
        verdict = await judge(body)
        assert verdict.violations[0].reason == said, (written[:40], verdict)
        with pytest.raises(Panic) as theirs:
            contract_says(body)
        assert reasons(str(theirs.value)) == {said}, (written[:40], theirs.value)
