"""The security stage: every rule has an input that fails it alone, and the contract's order is kept."""

import base64
import json
from dataclasses import replace
from datetime import timedelta

import pytest

from services.common.clock import to_ns
from services.common.domain.views import HasPublicKey, IsKept, IsNonceUsed, IsValidSalt
from services.common.errors import Reason
from services.validator.model import RuleBook
from services.validator.service import Validator
from tests.differential.contract import Contract
from tests.harness.signing import VERIFIER, Wallet, to_domain
from tests.unit.validator.alone import MALLORY, versioned
from tests.unit.validator.messages import TOO_LONG, UNREADABLE, body_of, message
from tests.unit.validator.support import (
    ALICE,
    NOW,
    SOON,
    FakeViews,
    StoppedClock,
    found,
    judge,
    only,
    signed,
    validator,
)

PAYLOAD = "signed_data.payload"


async def test_p09_no_signature() -> None:
    body = ALICE.fields()
    only(await judge(body), "security", "signed_data", Reason.SIGNATURE_REQUIRED)


async def test_unsigned_intents_where_the_operator_takes_them() -> None:
    verdict = await judge(ALICE.fields(), signature_required=False)
    assert verdict.valid
    assert verdict.expires_at == NOW + timedelta(hours=1)
    verdict = await judge(ALICE.fields(deadline="2026-11-23T12:00:01.5Z"), signature_required=False)
    assert verdict.expires_at == NOW + timedelta(seconds=1.5)
    late = await judge(ALICE.fields(deadline="2026-11-23T12:00:00Z"), signature_required=False)
    only(late, "security", "deadline", Reason.DEADLINE_EXPIRED)
    forged = signed()
    forged["signed_data"] = MALLORY.sign_message(forged["signed_data"]["payload"]["message"])
    refused = await judge(forged, signature_required=False)
    only(refused, "security", "signed_data.public_key", Reason.SIGNER_MISMATCH)


@pytest.mark.parametrize("standard", ["NEP413", "eip712", ""])
async def test_standards_that_cannot_be_checked(standard: str) -> None:
    body = signed()
    body["signed_data"] = {"standard": standard, "payload": "x", "public_key": "", "signature": ""}
    only(await judge(body), "security", "signed_data.standard", Reason.UNSUPPORTED_STANDARD)


async def test_p09_wrong_signature() -> None:
    body = signed()
    other = signed()
    body["signed_data"]["signature"] = other["signed_data"]["signature"]
    only(await judge(body), "security", "signed_data.signature", Reason.INVALID_SIGNATURE)


async def test_p09_another_ones_signature() -> None:
    body = signed()
    payload = body["signed_data"]["payload"]["message"]
    body["signed_data"]["signature"] = MALLORY.sign_message(payload)["signature"]
    only(await judge(body), "security", "signed_data.signature", Reason.INVALID_SIGNATURE)
    body["signed_data"] = MALLORY.sign_message(payload)
    only(await judge(body), "security", "signed_data.public_key", Reason.SIGNER_MISMATCH)


async def test_p09_another_messages_signature() -> None:
    body = signed(id="one")
    body["signed_data"] = signed(id="two")["signed_data"]
    only(await judge(body), "security", "id", Reason.FIELD_MISMATCH)


@pytest.mark.parametrize("part", ["public_key", "signature"])
@pytest.mark.parametrize(
    "text", ["", "x", "ed25519:", "ed25519:0OIl", "secp256k1:abc", "ed25519:abc", "ed25519:" + "1" * 999]
)
async def test_p10_keys_and_signatures_that_cannot_be_read(part: str, text: str) -> None:
    body = signed()
    body["signed_data"][part] = text
    only(await judge(body), "security", f"signed_data.{part}", Reason.INVALID_SIGNATURE)


async def test_p09_a_signature_that_was_made_malleable() -> None:
    from services.common.encoding import format_key, parse_key

    body = signed()
    data = parse_key(body["signed_data"]["signature"], length=64)
    order = 2**252 + 27742317777372353535851937790883648493
    high = int.from_bytes(data[32:], "little") + order
    body["signed_data"]["signature"] = format_key(data[:32] + high.to_bytes(32, "little"))
    only(await judge(body), "security", "signed_data.signature", Reason.INVALID_SIGNATURE)


@pytest.mark.parametrize("text", [*UNREADABLE, *TOO_LONG])
async def test_p10_messages_that_cannot_be_read(text: str) -> None:
    verdict = await judge(body_of(text))
    only(verdict, "security", PAYLOAD, Reason.INVALID_MESSAGE)
    assert verdict.violations[0].message.isascii()
    assert len(verdict.violations[0].message) < 240


async def test_p10_payload_of_another_standards_form() -> None:
    nep413 = to_domain(signed())
    assert nep413.signed_data is not None
    wrong = replace(nep413, signed_data=replace(nep413.signed_data, standard="raw_ed25519"))
    only(await judge(wrong), "security", PAYLOAD, Reason.INVALID_MESSAGE)
    raw = to_domain(ALICE.sign_plain(ALICE.fields(), deadline=SOON, standard="raw_ed25519"))
    assert raw.signed_data is not None
    wrong = replace(raw, signed_data=replace(raw.signed_data, standard="nep413"))
    only(await judge(wrong), "security", PAYLOAD, Reason.INVALID_MESSAGE)


async def test_callback_url_is_signed_but_must_be_ascii() -> None:
    assert (await judge(body_of(message(), callback_url="https://wallet.example/done"))).valid
    verdict = await judge(body_of(message(), callback_url="https://wallet.example/é"))
    only(verdict, "security", PAYLOAD, Reason.INVALID_MESSAGE)


async def test_p09_signed_for_another_contract() -> None:
    verdict = await judge(body_of(message(), recipient="other.near"))
    only(verdict, "security", f"{PAYLOAD}.recipient", Reason.WRONG_RECIPIENT)
    raw = ALICE.sign_plain(ALICE.fields(), verifier="other.near", deadline=SOON, standard="raw_ed25519")
    only(await judge(raw), "security", f"{PAYLOAD}.recipient", Reason.WRONG_RECIPIENT)


@pytest.mark.parametrize("network", ["mainnet", "LOCALNET", "", None])
async def test_p09_signed_for_another_network(network: str | None) -> None:
    verdict = await judge(body_of(message(network=network)))
    only(verdict, "security", f"{PAYLOAD}.network", Reason.WRONG_NETWORK)


@pytest.mark.parametrize(
    ("deadline", "reason"),
    [
        (None, Reason.INVALID_DEADLINE),
        ("tomorrow", Reason.INVALID_DEADLINE),
        ("2026-11-23T12:10:00", Reason.INVALID_DEADLINE),
        ("2026-11-31T12:10:00Z", Reason.INVALID_DEADLINE),
        ("2026-11-23T12:10:00.0000000001Z", Reason.INVALID_DEADLINE),
        (1.5, Reason.INVALID_DEADLINE),
        (True, Reason.INVALID_DEADLINE),
        (10**40, Reason.INVALID_DEADLINE),
        ("2026-11-23T12:00:00Z", Reason.DEADLINE_EXPIRED),
        ("2026-11-23T11:59:59.999999999Z", Reason.DEADLINE_EXPIRED),
        (0, Reason.DEADLINE_EXPIRED),
        ("2026-11-24T12:00:00.000000001Z", Reason.DEADLINE_TOO_FAR),
        ("2026-11-24T12:00:01-00:00", Reason.DEADLINE_TOO_FAR),
    ],
)
async def test_deadlines_that_do_not_do(deadline: object, reason: Reason) -> None:
    only(await judge(body_of(message(deadline=deadline))), "security", "deadline", reason)


@pytest.mark.parametrize(
    "deadline",
    ["2026-11-23T12:00:00.000000001Z", "2026-11-24T13:00:00+01:00", to_ns(SOON), "2026-11-24T12:00:00Z"],
)
async def test_deadlines_that_do(deadline: object) -> None:
    assert (await judge(body_of(message(deadline=deadline)))).valid


async def test_the_intents_own_deadline_is_the_messages() -> None:
    same = signed(deadline="2026-11-23T13:10:00+01:00")
    assert (await judge(same)).valid
    fields = ALICE.fields(id="m", deadline="2026-11-23T12:09:00Z")
    text = json.dumps(message(intents=[{"intent": "plain", **fields}]))
    body = {**fields, "signed_data": ALICE.sign_message(text)}
    only(await judge(body), "security", "deadline", Reason.INVALID_DEADLINE)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("id", "another"),
        ("action", "transfer"),
        ("input_token", "USDT"),
        ("input_amount", "100000001"),
        ("output_token", "ETH"),
        ("min_output_amount", "94"),
        ("min_output_amount", None),
        ("max_slippage", 0.51),
        ("max_slippage", None),
        ("deadline", "2026-11-23T12:10:00Z"),
    ],
)
async def test_p09_no_field_can_be_changed_after_signing(name: str, value: object) -> None:
    verdict = await judge({**body_of(message()), name: value})
    only(verdict, "security", name, Reason.FIELD_MISMATCH)


async def test_a_mismatch_shows_both_sides() -> None:
    verdict = await judge({**body_of(message()), "max_slippage": 1, "min_output_amount": None})
    assert [violation.message for violation in verdict.violations] == [
        "min_output_amount is absent in the intent but '95' in the signed message",
        "max_slippage is 1 percent in the intent but 0.5 percent in the signed message",
    ]


async def test_p09_a_signer_other_than_the_user() -> None:
    verdict = await judge(body_of(message(signer_id=MALLORY.account_id)))
    only(verdict, "security", "user_account", Reason.SIGNER_MISMATCH)


async def test_p09_a_named_account_needs_its_key_registered() -> None:
    bob = Wallet("bob", account_id="bob.near")
    body = bob.sign_plain(deadline=SOON)
    views = FakeViews()
    only(await judge(body, views), "security", "signed_data.public_key", Reason.SIGNER_MISMATCH)
    views.keys.add(("bob.near", bob.public_key))
    assert (await judge(body, views)).valid
    assert HasPublicKey("bob.near", bob.public_key) in views.calls[0]


async def test_an_implicit_account_needs_no_registration() -> None:
    views = FakeViews()
    assert (await judge(signed(), views)).valid
    assert [type(view) for view in views.calls[0]] == [IsNonceUsed]


@pytest.mark.parametrize("length", [0, 31, 33])
async def test_nonces_of_a_wrong_length(length: int) -> None:
    verdict = await judge(body_of(message(), nonce=bytes(length)))
    only(verdict, "security", f"{PAYLOAD}.nonce", Reason.INVALID_NONCE)


@pytest.mark.parametrize("nonce", [None, "", "AAAA", "!", 7])
async def test_raw_nonces_that_cannot_be_read(nonce: object) -> None:
    text = json.dumps(message(verifying_contract=VERIFIER, nonce=nonce))
    body = {**ALICE.fields(id="m"), "signed_data": ALICE.sign_raw(text)}
    only(await judge(body), "security", f"{PAYLOAD}.nonce", Reason.INVALID_NONCE)


async def test_versioned_nonces_keep_their_own_terms() -> None:
    views = FakeViews(salts={b"salt"})
    where = f"{PAYLOAD}.nonce"
    assert (await judge(body_of(message(), nonce=versioned()), views)).valid
    assert IsValidSalt(b"salt") in views.calls[0]
    for nonce in (versioned(salt=b"tlas"), versioned(after=timedelta(minutes=9))):
        only(await judge(body_of(message(), nonce=nonce), views), "security", where, Reason.INVALID_NONCE)
    assert (await judge(body_of(message(), nonce=versioned(salt=b"tlas", version=1)), views)).valid
    passed = await judge(body_of(message(), nonce=versioned(after=timedelta(0))), views)
    only(passed, "security", where, Reason.INVALID_NONCE)


async def test_a_used_nonce_counts_unless_the_intent_is_stored() -> None:
    views = FakeViews(used={(ALICE.account_id, b"\7" * 32)})
    body = body_of(message())
    only(await judge(body, views), "security", f"{PAYLOAD}.nonce", Reason.NONCE_USED)
    assert (await judge(body, views, stored=True)).valid
    views.used = {(MALLORY.account_id, b"\7" * 32)}
    assert (await judge(body, views)).valid


async def test_p09_a_used_nonce_is_no_fault_of_the_intent_that_the_contract_keeps() -> None:
    """It says yes to it again, and looks at no nonce."""
    used = {(ALICE.account_id, b"\7" * 32)}
    body = body_of(message())
    intent = to_domain(body).intent
    assert intent is not None
    views = FakeViews(used=used, kept={"m": intent})
    assert (await judge(body, views)).valid
    # asked only of what is used, in a call of its own
    assert [[type(view) for view in call] for call in views.calls] == [[IsNonceUsed], [IsKept]]
    other = FakeViews(used=used, kept={"m": replace(intent, input_amount="7")})
    only(await judge(body, other), "security", f"{PAYLOAD}.nonce", Reason.NONCE_USED)
    away = await judge(body, FakeViews(used=used, kept={"m": intent}, mute=IsKept))
    assert (away.valid, away.unavailable, away.violations) == (False, "chain views", ())
    for nonce in (versioned(salt=b"tlas"), versioned(after=timedelta(minutes=9))):
        body = body_of(message(), nonce=nonce)
        views = FakeViews(used={(ALICE.account_id, nonce)}, salts={b"salt"}, kept={"m": intent})
        assert (await judge(body, views)).valid
        views.kept = {}
        assert {reason for _, reason in found(await judge(body, views))} == {
            Reason.INVALID_NONCE,
            Reason.NONCE_USED,
        }
        views.used, views.kept = set(), {"m": intent}
        assert (await judge(body, views)).valid
        views.kept = {}
        only(await judge(body, views), "security", f"{PAYLOAD}.nonce", Reason.INVALID_NONCE)


async def test_the_contract_too_says_yes_again_to_what_it_keeps() -> None:
    chain = Contract(to_ns(NOW))
    bodies = [signed() for _ in range(3)]
    sent = [({k: v for k, v in body.items() if k != "signed_data"}, body["signed_data"]) for body in bodies]
    for intent, data in sent[:2]:
        chain.keep("verify_signed_intent", {"intent": intent, "signed": data})
    used = base64.b64decode(bodies[0]["signed_data"]["payload"]["nonce"])
    again = ALICE.sign_plain(ALICE.fields(), deadline=SOON, nonce=used)
    verdicts = await Validator(RuleBook(), chain, StoppedClock()).validate(
        [to_domain(body) for body in (*bodies, again)]
    )
    assert [verdict.valid for verdict in verdicts] == [True, True, True, False]
    assert [chain.refusal(*one) for one in sent] == ["", "", ""]
    assert found(verdicts[3]) == [(f"{PAYLOAD}.nonce", Reason.NONCE_USED)]


async def test_everything_wrong_is_listed_in_the_contracts_order() -> None:
    views = FakeViews(used={(ALICE.account_id, b"\7" * 32)})
    text = message(signer_id="eve.near", network="mainnet", deadline="2020-01-01T00:00:00Z")
    body = {**body_of(text, recipient="other.near"), "input_amount": "1", "min_output_amount": "1"}
    verdict = await judge(body, views)
    assert found(verdict) == [
        (f"{PAYLOAD}.recipient", Reason.WRONG_RECIPIENT),
        (f"{PAYLOAD}.network", Reason.WRONG_NETWORK),
        ("deadline", Reason.DEADLINE_EXPIRED),
        ("input_amount", Reason.FIELD_MISMATCH),
        ("min_output_amount", Reason.FIELD_MISMATCH),
        ("user_account", Reason.SIGNER_MISMATCH),
        (f"{PAYLOAD}.nonce", Reason.NONCE_USED),
    ]
    body["signed_data"]["signature"] = signed()["signed_data"]["signature"]
    assert found(await judge(body, views))[0] == ("signed_data.signature", Reason.INVALID_SIGNATURE)


async def test_one_view_call_for_a_whole_batch_and_each_question_once() -> None:
    views = FakeViews()
    bodies = [signed(), signed(), body_of(message()), body_of(message()), ALICE.fields(), {}]
    verdicts = await validator(views).validate([to_domain(body) for body in bodies])
    assert [verdict.valid for verdict in verdicts] == [True, True, True, True, False, False]
    assert len(views.calls) == 1
    assert len(views.calls[0]) == 3


async def test_p09_a_stranger_without_a_valid_signature_sends_nobody_to_the_chain() -> None:
    views = FakeViews()
    body = signed(Wallet("bob", account_id="bob.near"))
    body["signed_data"]["signature"] = signed()["signed_data"]["signature"]
    only(await judge(body, views), "security", "signed_data.signature", Reason.INVALID_SIGNATURE)
    assert views.calls == []


async def test_views_that_cannot_be_had_make_neither_a_yes_nor_a_no() -> None:
    bob = Wallet("bob", account_id="bob.near")
    known = {("bob.near", bob.public_key)}
    body = bob.sign_plain(deadline=SOON)
    for views in (
        FakeViews(away=True),
        FakeViews(known, mute=IsNonceUsed),
        FakeViews(known, mute=HasPublicKey),
    ):
        verdict = await judge(body, views)
        assert (verdict.valid, verdict.unavailable, verdict.violations) == (False, "chain views", ())
    stored = await judge(signed(), FakeViews(away=True), stored=True)
    assert stored.valid
    refused = await judge({**signed(), "input_amount": "1"}, FakeViews(away=True))
    only(refused, "security", "input_amount", Reason.FIELD_MISMATCH)


async def test_a_large_batch_is_judged_as_each_alone() -> None:
    bodies = [signed() for _ in range(40)]
    for index in range(0, 39, 3):
        bodies[index]["signed_data"]["signature"] = bodies[index + 1]["signed_data"]["signature"]
    verdicts = await validator().validate([to_domain(body) for body in bodies])
    assert [verdict.valid for verdict in verdicts] == [index % 3 != 0 or index == 39 for index in range(40)]
