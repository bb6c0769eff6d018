"""Gas is bought ahead and what is not needed comes back by receipts of `system`: no yoctoNEAR is lost or made."""

import random
from typing import Any

import pytest
from orjson import loads

from services.devnet.node.gas import ACTION_GAS
from tests.harness.near import TGAS, User, call_action, transfer_action
from tests.unit.devnet.conftest import Bench

PRICE = 100_000_000


def held(bench: Bench) -> int:
    """yoctoNEAR of all accounts."""
    return sum(int(loads(value)["amount"]) for _, value in bench.devnet.chain.state.scan("a|"))


def burnt(result: Any) -> int:
    outcomes = (result["transaction_outcome"], *result["receipts_outcome"])
    return sum(int(one["outcome"]["tokens_burnt"]) for one in outcomes)


async def test_what_was_not_needed_comes_back_to_the_signer(bench: Bench, user: User) -> None:
    before = held(bench)
    args = bench.signed(user, user.intent("gas-1"))
    wanted = await bench.send(bench.relayer, "verifier.near", [call_action("verify_signed_intent", args)])
    await bench.blocks(1)
    assert before - held(bench) > 100 * TGAS * PRICE, "all gas is bought when the transaction is taken up"
    result = await bench.result(bench.relayer, wanted)
    call, refund = result["receipts"]
    assert (call["predecessor_id"], refund["predecessor_id"]) == ("relayer.near", "system")
    assert (refund["receiver_id"], refund["receipt"]["Action"]["gas_price"]) == ("relayer.near", "0")
    ran, back = result["receipts_outcome"]
    assert ran["outcome"]["receipt_ids"] == [refund["receipt_id"]] == [back["id"]]
    left = 100 * TGAS + ACTION_GAS - ran["outcome"]["gas_burnt"]
    assert refund["receipt"]["Action"]["actions"] == [{"Transfer": {"deposit": str(left * PRICE)}}]
    assert (back["outcome"]["gas_burnt"], back["outcome"]["tokens_burnt"]) == (ACTION_GAS, "0")
    assert before - held(bench) == burnt(result)


async def test_a_failed_receipt_gives_deposit_and_gas_back_apart(bench: Bench) -> None:
    before = held(bench)
    wanted = await bench.send(bench.relayer, "verifier.near", [call_action("nothing", {}, deposit=10**24)])
    result = await bench.result(bench.relayer, wanted)
    deposits = [
        one["receipt"]["Action"]["actions"][0]["Transfer"]["deposit"] for one in result["receipts"][1:]
    ]
    assert len(deposits) == 2 and deposits[0] == str(10**24)
    assert before - held(bench) == burnt(result)


async def test_what_a_callback_did_not_need_comes_back_too(bench: Bench, user: User) -> None:
    intent = await bench.verified(user, "gas-2")
    before = held(bench)
    args = {"intent": intent, "solver_account": "solver.near"}
    wanted = await bench.send(bench.relayer, "verifier.near", [call_action("verify_and_solve", args)])
    result = await bench.result(bench.relayer, wanted)
    assert [one["predecessor_id"] for one in result["receipts"]].count("system") == 3
    assert before - held(bench) == burnt(result)


@pytest.mark.parametrize("seed", range(4))
async def test_no_yocto_is_lost_or_made_whatever_fails(bench: Bench, seed: int) -> None:
    chance, before, sent = random.Random(seed), held(bench), []
    names = ("verify_and_solve", "solve_intent", "on_solved", "verify_signed_intent", "pause")
    for fault in ("fail_receipt", "out_of_gas", "hold_receipt"):
        rule = {"fault": fault, "probability": 0.3, "seed": seed, "method": list(names)}
        await bench.rpc("devnet_fault_add", faults=[rule])
    for number in range(12):
        user = User.fresh(f"{seed}-{number}")
        intent = user.intent(f"{seed}-{number}")
        match chance.randrange(4):
            case 0:
                actions = [
                    call_action(
                        "verify_signed_intent", bench.signed(user, intent), gas=chance.randint(1, 9) * TGAS
                    )
                ]
            case 1:
                actions = [transfer_action(chance.randint(0, 10**24))]
            case 2:
                actions = [call_action("pause", {}, deposit=chance.randint(0, 3))]
            case _:
                args = {"intent": intent, "solver_account": "solver.near"}
                verify = call_action("verify_signed_intent", bench.signed(user, intent))
                actions = [verify, call_action("verify_and_solve", args, gas=chance.randint(30, 100) * TGAS)]
        receiver = chance.choice(("verifier.near", "verifier.near", "bob.near", "none.near"))
        sent.append(await bench.send(bench.relayer, receiver, actions))
        await bench.blocks(1)
    await bench.blocks(30)
    total = 0
    for wanted in sent:
        total += burnt(await bench.result(bench.relayer, wanted, blocks=1))
    assert before - held(bench) == total
