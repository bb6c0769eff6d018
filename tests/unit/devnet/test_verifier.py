"""The Verifier's rules, one by one."""

import base64
import json
from typing import Any

import pytest

from services.devnet.node.keys import SecretKey
from tests.harness.near import Sender, User, call_action
from tests.unit.devnet.conftest import MINUTE, START, Bench, Refused


async def test_a_signed_intent_goes_its_way_and_delivers(bench: Bench, user: User) -> None:
    intent = await bench.verified(user, "way-1")
    assert await bench.status("way-1") == "verified"
    assert await bench.solve(intent) is True
    kept = await bench.view("get_intent", id="way-1")
    assert {name: kept[name] for name in intent} == intent
    assert (kept["status"], kept["output_amount"]) == ("completed", "99700000000000000000000000")
    assert (
        await bench.view("mt_balance_of", account_id=user.account_id, token_id="NEAR")
        == kept["output_amount"]
    )
    counted = await bench.counts("way-1")
    assert (counted["verify_signed_intent"], counted["solve_intent"]) == (1, 1)
    assert isinstance(await bench.solve(intent), Refused)


async def test_raw_ed25519_is_checked_too(bench: Bench, user: User) -> None:
    intent = user.intent("raw-1", deadline="2027-01-15T08:05:00.123456789+00:00")
    nonce = base64.b64encode(bytes(31) + b"r").decode()
    extra = {"verifying_contract": "verifier.near", "nonce": nonce}
    args = {
        "intent": intent,
        "signed": user.raw_ed25519(user.message(intent, "2027-01-15T10:05:00.123456789+02:00", **extra)),
    }
    assert await bench.call("verify_signed_intent", args) is True
    assert await bench.view("is_nonce_used", account_id=user.account_id, nonce=nonce) is True
    assert (await bench.view("get_intent", intent_id="raw-1"))["deadline_ns"] == str(START + 300_123_456_789)


async def test_verifying_again_is_true_and_changes_nothing(bench: Bench, user: User) -> None:
    intent = user.intent("again-1")
    args = bench.signed(user, intent)
    assert await bench.call("verify_signed_intent", args) is True
    assert await bench.call("verify_signed_intent", args) is True, "the nonce is used by now"
    assert await bench.solve(intent) is True
    assert await bench.call("verify_signed_intent", args) is True
    assert await bench.status("again-1") == "completed"
    assert (await bench.counts("again-1"))["verify_signed_intent"] == 1


async def test_a_differing_body_under_the_same_id_is_refused(bench: Bench, user: User) -> None:
    await bench.verified(user, "taken-1")
    other = user.intent("taken-1", input_amount="1")
    assert "another content" in await bench.call("verify_signed_intent", bench.signed(user, other))
    assert "another content" in await bench.solve(other)
    assert (await bench.view("get_intent", intent_id="taken-1"))["input_amount"] == "100000000"


async def test_a_nonce_is_used_once(bench: Bench, user: User) -> None:
    nonce = b"n" * 32
    first, second = user.intent("nonce-1"), user.intent("nonce-2")
    assert await bench.call("verify_signed_intent", bench.signed(user, first, nonce=nonce)) is True
    again = await bench.call("verify_signed_intent", bench.signed(user, second, nonce=nonce))
    assert "nonce was already used" in again
    assert await bench.status("nonce-2") is None


def _versioned(salt: str, deadline: int) -> bytes:
    return bytes.fromhex("5628f6c600") + bytes.fromhex(salt) + deadline.to_bytes(8, "little") + b"x" * 15


async def test_versioned_nonces_carry_salt_and_deadline(bench: Bench, user: User) -> None:
    salt = await bench.view("current_salt")
    assert await bench.view("is_valid_salt", salt=salt) is True
    cases = {
        "v-ok": (_versioned(salt, bench.deadline), True),
        "v-salt": (_versioned("00000000", bench.deadline), "invalid salt"),
        "v-early": (_versioned(salt, bench.deadline - 1), "later than the nonce's"),
    }
    for intent_id, (nonce, expected) in cases.items():
        args = bench.signed(user, user.intent(intent_id), nonce=nonce)
        answer = await bench.call("verify_signed_intent", args)
        assert answer is True if expected is True else expected in answer


async def test_a_rotated_salt_can_be_made_invalid(bench: Bench) -> None:
    before = await bench.view("current_salt")
    after = await bench.call("rotate_salt", {"invalidate_current": True}, sender=bench.owner)
    assert await bench.view("current_salt") == after != before
    assert await bench.view("is_valid_salt", salt=before) is False


BAD_MESSAGES: dict[str, tuple[Any, str]] = {
    "another network": (lambda text: text.replace("localnet", "mainnet"), "another network"),
    "duplicate key": (lambda text: text.replace('"network"', '"network": "x", "network"'), "duplicate key"),
    "bom": (lambda text: "\ufeff" + text, "not ASCII"),
    "nan": (lambda text: text.replace("0.5", "NaN"), "NaN is not JSON"),
    "infinity": (lambda text: text.replace("0.5", "Infinity"), "is not JSON"),
    "lone surrogate": (lambda text: text.replace('"swap"', '"\\ud800"'), "not ASCII"),
    "not ascii": (lambda text: text.replace('"swap"', '"swäp"'), "not ASCII"),
    "unknown key": (lambda text: text.replace('"network"', '"extra": 1, "network"'), "unknown field extra"),
    "unknown intent key": (
        lambda text: text.replace('"action"', '"memo": "x", "action"'),
        "unknown field memo",
    ),
    "amount is a number": (lambda text: text.replace('"100000000"', "100000000"), "input_amount"),
    "leading zero": (lambda text: text.replace('"100000000"', '"0100000000"'), "not the one that was signed"),
    "exponent slippage": (lambda text: text.replace("0.5", "5e-1"), "max_slippage"),
    "three decimals": (lambda text: text.replace("0.5", "0.500"), "max_slippage"),
    "two intents": (lambda text: text.replace("[{", '[{"intent": "plain"}, {'), "exactly one"),
    "another kind": (lambda text: text.replace('"plain"', '"transfer"'), "plain"),
    "another signer": (lambda text: text.replace('"signer_id": "', '"signer_id": "x'), "signer_id"),
    "no deadline": (lambda text: text.replace("18000006", "-18000006"), "deadline"),
    "field changed": (lambda text: text.replace('"swap"', '"transfer"'), "not the one that was signed"),
    "field missing": (lambda text: text.replace(', "max_slippage": 0.5', ""), "not the one that was signed"),
    "not json": (lambda text: text[:-1], "not JSON"),
    "deep": (lambda text: "[" * 100_000, "nested too deeply"),
}


@pytest.mark.parametrize("case", list(BAD_MESSAGES))
async def test_a_bad_message_is_refused_though_signed(bench: Bench, user: User, case: str) -> None:
    change, expected = BAD_MESSAGES[case]
    intent = user.intent("bad-1")
    original = user.message(intent, bench.deadline)
    changed = change(original)
    assert changed != original
    answer = await bench.call("verify_signed_intent", {"intent": intent, "signed": user.nep413(changed)})
    assert isinstance(answer, Refused)
    assert expected in answer
    assert await bench.status("bad-1") is None


async def test_equal_amounts_and_instants_bind_however_spelled(bench: Bench, user: User) -> None:
    body = user.intent("spell-1", max_slippage=1, deadline=START + MINUTE)
    said = user.intent("spell-1", deadline="2027-01-15T08:01:00Z", max_slippage=None)
    message = user.message(said, "2027-01-15T09:01:00.0+01:00")
    message = message.replace('"action"', '"max_slippage": 1.00, "action"')
    answer = await bench.call("verify_signed_intent", {"intent": body, "signed": user.nep413(message)})
    assert answer is True


async def test_signatures_bind_message_key_and_recipient(bench: Bench, user: User) -> None:
    intent, other = user.intent("sig-1"), User.fresh("other")
    message = user.message(intent, bench.deadline)
    good = user.nep413(message)
    by_other = other.nep413(message)
    cases = {
        "invalid signature": good | {"signature": by_other["signature"]},
        "public key doesn't exist": by_other,
        "another contract": user.nep413(message, recipient="verifier2.near"),
        "standard": good | {"standard": "eip712"},
        "unknown field": good | {"extra": "x"},
        "nonce": good | {"payload": good["payload"] | {"nonce": "A"}},
        "not an object": "text",
    }
    for expected, signed in cases.items():
        assert expected in await bench.call("verify_signed_intent", {"intent": intent, "signed": signed})
    assert await bench.call("verify_signed_intent", {"intent": intent, "signed": good}) is True


async def test_a_named_account_registers_its_key_itself(bench: Bench) -> None:
    pair = SecretKey(b"k" * 32)
    alice = User(pair, "alice.near")
    intent = alice.intent("named-1")
    refused = await bench.call("verify_signed_intent", bench.signed(alice, intent))
    assert "public key doesn't exist" in refused
    await bench.call("add_public_key", {"public_key": pair.public_key}, sender=bench.relayer)
    has = {"account_id": "alice.near", "public_key": pair.public_key}
    assert await bench.view("has_public_key", **has) is False, "the relayer registered it for itself only"
    assert await bench.call("add_public_key", {"public_key": pair.public_key}, sender=bench.alice) is None
    assert await bench.view("has_public_key", **has) is True
    assert await bench.call("verify_signed_intent", bench.signed(alice, intent)) is True


async def test_a_wallet_verifies_its_own_intent_only(bench: Bench) -> None:
    alice = User(bench.alice.pair, "alice.near")
    intent = alice.intent("own-1")
    assert "only user_account" in await bench.call("verify_intent", {"intent": intent})
    assert await bench.call("verify_intent", {"intent": intent}, sender=bench.alice) is True
    assert await bench.call("verify_intent", {"intent": intent}, sender=bench.alice) is True
    assert await bench.view("is_intent_verified", intent_id="own-1") is True
    for changes in ({"input_amount": "0"}, {"max_slippage": 100.01}, {"deadline": START}):
        bad = alice.intent("own-2", **changes)
        assert isinstance(await bench.call("verify_intent", {"intent": bad}, sender=bench.alice), Refused)


async def test_a_passed_deadline_fails_it_for_good(bench: Bench, user: User) -> None:
    intent = await bench.verified(user, "late-1")
    bench.clock.ns = bench.deadline
    await bench.blocks()
    assert await bench.status("late-1") == "failed"
    assert "deadline" in await bench.solve(intent)
    assert "deadline" in await bench.call("verify_signed_intent", bench.signed(user, intent))
    fresh = user.intent("late-2")
    assert "deadline has expired" in await bench.call("verify_signed_intent", bench.signed(user, fresh))


async def test_a_deadline_does_not_cut_an_execution(bench: Bench, user: User) -> None:
    intent = await bench.verified(user, "cut-1")
    args = {"intent": intent, "solver_account": "solver.near"}
    await bench.send(bench.relayer, "verifier.near", [call_action("verify_and_solve", args)])
    await bench.blocks(2)
    bench.clock.ns = bench.deadline
    assert await bench.status("cut-1") == "executing"
    assert "is executing" in await bench.solve(intent), "refused while executing"
    assert await bench.status("cut-1") == "completed"


@pytest.mark.parametrize(
    ("fault", "reason"),
    [
        ("solver_fail_next", "no success"),
        ("solver_panic_next", "call failed"),
        ("solver_low_next", "less than the signed minimum"),
    ],
)
async def test_a_failing_solver_puts_it_back_and_the_third_time_fails_it(
    bench: Bench, user: User, fault: str, reason: str
) -> None:
    intent = await bench.verified(user, "fail-1")
    await bench.rpc("devnet_faults", **{fault: 3})
    for expected in ("verified", "verified", "failed"):
        assert await bench.solve(intent) is False
        assert await bench.status("fail-1") == expected
    assert reason in (await bench.view("get_intent", intent_id="fail-1"))["reason"]
    assert "is failed" in await bench.solve(intent)
    assert "solve_intent" not in await bench.counts("fail-1")


async def test_after_a_failure_another_try_completes(bench: Bench, user: User) -> None:
    intent = await bench.verified(user, "retry-1")
    await bench.rpc("devnet_faults", solver_low_next=1)
    assert await bench.solve(intent) is False
    assert await bench.solve(intent) is True
    assert (await bench.counts("retry-1"))["solve_intent"] == 1


async def test_a_minimum_out_of_reach_is_never_given(bench: Bench, user: User) -> None:
    intent = await bench.verified(user, "dear-1", min_output_amount="100000000000000000000000000")
    assert await bench.solve(intent) is False
    assert await bench.view("mt_batch_balance_of", account_id=user.account_id, token_ids=["NEAR", "x"]) == [
        "0",
        "0",
    ]


async def test_only_listed_solvers_and_verified_intents(bench: Bench, user: User) -> None:
    assert "not verified" in await bench.solve(user.intent("none-1"))
    intent = await bench.verified(user, "list-1")
    assert "not an allowed solver" in await bench.solve(intent, "alice.near")
    await bench.call("add_solver", {"account_id": "bob.near"}, sender=bench.owner)
    assert await bench.solve(intent, "bob.near") is False, "an account without a contract fails as a solver"
    await bench.call("remove_solver", {"account_id": "solver.near"}, sender=bench.owner)
    assert "not an allowed solver" in await bench.solve(intent)


async def test_owners_pause_remove_and_cannot_upgrade(bench: Bench, user: User) -> None:
    intent = await bench.verified(user, "owned-1")
    for method in ("pause", "unpause", "upgrade", "remove_verified_intent", "add_solver", "grant_role"):
        args = {"intent_id": "owned-1", "account_id": "bob.near", "role": "owner"}
        assert "only an account with the role" in await bench.call(method, args)
    await bench.call("grant_role", {"account_id": "relayer.near", "role": "pauser"}, sender=bench.owner)
    assert await bench.call("pause", {}) is None
    assert "paused" in await bench.solve(intent)
    assert await bench.call("unpause", {}) is None
    assert "code: missing" in await bench.call("upgrade", {}, sender=bench.owner)
    removed = await bench.call("remove_verified_intent", {"intent_id": "owned-1"}, sender=bench.owner)
    assert removed is True
    assert await bench.status("owned-1") == "failed"
    assert "cannot revoke itself" in await bench.call(
        "revoke_role", {"account_id": "owner.near", "role": "owner"}, sender=bench.owner
    )


async def test_outsiders_reach_no_inner_call(bench: Bench, user: User) -> None:
    await bench.verified(user, "inner-1")
    assert "callback" in await bench.call("on_solved", {"intent_id": "inner-1"})
    assert "already initialised" in await bench.call("init", {"owner": "relayer.near", "network": "x"})
    order = {"intent_id": "inner-1", "user": user.account_id, "input_amount": "5"}
    assert "only the Verifier" in await bench.call("solve_intent", order, to="solver.near")
    assert await bench.view("has_executed", to="solver.near", intent_id="inner-1") is False


async def test_the_solver_takes_its_fee(bench: Bench, user: User) -> None:
    assert await bench.view("get_fee", to="solver.near") == 30
    assert "only an account" in await bench.call("set_fee", {"fee": 1}, to="solver.near")
    assert await bench.call("set_fee", {"fee": 100}, sender=bench.owner, to="solver.near") is None
    intent = await bench.verified(user, "fee-1", input_token="ETH", output_token="USDC", input_amount=str(10**18),
                                  min_output_amount="1")  # fmt: skip
    assert await bench.solve(intent) is True
    assert (await bench.view("get_intent", intent_id="fee-1"))["output_amount"] == str(2475 * 10**6)


async def test_a_transfer_of_one_token_is_exact(bench: Bench, user: User) -> None:
    intent = await bench.verified(
        user, "move-1", action="transfer", output_token="USDC", min_output_amount="100000000"
    )
    assert await bench.solve(intent) is True


async def test_arguments_that_are_no_json_are_refused(bench: Bench) -> None:
    for args in (b"\xff\xfe", b"[1]", b"{", b'{"intent": 1, "intent": 2}', b"[" * 50_000):
        assert "arguments" in await bench.call("verify_intent", args)
    body = json.dumps({"intent": {"id": "x\n{}", "user_account": "alice.near"}}).encode()
    assert "id" in await bench.call("verify_intent", body, sender=Sender.of("bob.near"))
