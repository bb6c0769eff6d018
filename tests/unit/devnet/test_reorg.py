"""Blocks that were seen vanish and others come; what is final never changes."""

import asyncio
import random
from pathlib import Path
from typing import Any

import pytest

from services.devnet.app import Devnet, build
from services.devnet.config import Settings
from services.devnet.node.records import TxRecord
from tests.harness.near import User, call_action, encoded, transfer_action, tx_hash
from tests.unit.devnet.conftest import Bench, OwnClock, refusal


async def verifying(bench: Bench, user: User, intent_id: str) -> bytes:
    args = bench.signed(user, user.intent(intent_id))
    action = call_action("verify_signed_intent", args)
    final = devnet_final(bench.devnet)
    return bench.relayer.sign("verifier.near", [action], final)


def devnet_final(devnet: Devnet) -> str:
    block = devnet.chain.block_at(devnet.chain.final_height)
    assert block is not None
    return block.hash


async def put(bench: Bench, signed: bytes) -> str:
    await bench.rpc("send_tx", signed_tx_base64=encoded(signed), wait_until="NONE")
    return tx_hash(signed)


async def look(bench: Bench, wanted: str) -> Any:
    return await bench.rpc("tx", tx_hash=wanted, sender_account_id="relayer.near", wait_until="NONE")


async def verifications(bench: Bench, intent_id: str) -> int:
    found = await bench.rpc("devnet_effects", intent_ids=[intent_id])
    return int(found["intents"][intent_id]["steps"]["verify"])


async def test_what_was_seen_at_optimistic_vanishes_and_comes_later(bench: Bench, user: User) -> None:
    await bench.blocks(3)
    wanted = await put(bench, await verifying(bench, user, "gone-1"))
    await bench.blocks(2)
    assert await bench.status("gone-1") == "verified"
    old = bench.devnet.chain.head
    done = await bench.rpc("devnet_reorg", blocks=2)
    assert (done["fork_height"], done["height"], done["transactions"]) == (3, 6, [wanted])
    assert len(done["vanished"]) == 2 and done["vanished"][-1] == old.hash
    assert await bench.status("gone-1") is None
    assert await look(bench, wanted) == {"final_execution_status": "NONE"}
    assert await verifications(bench, "gone-1") == 0
    assert (await refusal(bench.rpc("block", block_id=old.hash))).cause == "UNKNOWN_BLOCK"
    assert (await bench.rpc("block", block_id=5))["header"]["hash"] != old.hash
    await bench.blocks(2)
    assert await bench.status("gone-1") == "verified"
    assert await verifications(bench, "gone-1") == 1


async def test_transactions_may_be_in_the_blocks_that_come_instead(bench: Bench, user: User) -> None:
    await bench.blocks(3)
    wanted = await put(bench, await verifying(bench, user, "again-1"))
    await bench.blocks(2)
    before = (await look(bench, wanted))["transaction_outcome"]["block_hash"]
    await bench.rpc("devnet_reorg", blocks=2, transactions="again")
    after = await look(bench, wanted)
    assert after["transaction_outcome"]["block_hash"] != before
    assert await verifications(bench, "again-1") == 1
    for outcome in (after["transaction_outcome"], *after["receipts_outcome"]):
        await bench.rpc("block", block_id=outcome["block_hash"])


async def test_lost_ones_are_unknown_and_can_be_sent_again(bench: Bench, user: User) -> None:
    await bench.blocks(3)
    signed = await verifying(bench, user, "lost-1")
    wanted = await put(bench, signed)
    await bench.blocks(2)
    await bench.rpc("devnet_reorg", blocks=2, transactions="lost")
    await bench.blocks(3)
    assert (await refusal(look(bench, wanted))).cause == "UNKNOWN_TRANSACTION"
    await put(bench, signed)
    await bench.blocks(5)
    assert (await look(bench, wanted))["final_execution_status"] == "FINAL"
    assert await verifications(bench, "lost-1") == 1


async def test_a_reorg_between_receipts_takes_back_only_what_is_after_it(bench: Bench, user: User) -> None:
    """The transaction and its first receipt stay, the Solver's answer and the callback come again."""
    intent = await bench.verified(user, "half-1")
    args = {"intent": intent, "solver_account": "solver.near"}
    wanted = await bench.send(bench.relayer, "verifier.near", [call_action("verify_and_solve", args)])
    await bench.blocks(4)
    assert await bench.status("half-1") == "completed"
    await bench.rpc("devnet_fault_add", fault="solver_fail", count=1)
    await bench.rpc("devnet_reorg", blocks=2)
    done = await bench.result(bench.relayer, wanted)
    assert [len(done[part]) for part in ("receipts", "receipts_outcome")] == [6, 6]
    assert await bench.status("half-1") == "verified", "another branch, another end"
    found = (await bench.rpc("devnet_effects", intent_ids=["half-1"]))["intents"]["half-1"]["steps"]
    assert (found["solve"], found["transfer"], found["put_back"]) == (0, 0, 1)
    assert await bench.view("mt_balance_of", account_id=user.account_id, token_id="NEAR") == "0"


async def test_a_transaction_that_names_a_vanished_block_is_too_old(bench: Bench, user: User) -> None:
    await bench.blocks(5)
    signed = bench.relayer.sign("bob.near", [transfer_action(1)], bench.devnet.chain.head.hash)
    wanted = await put(bench, signed)
    await bench.rpc("devnet_reorg", blocks=1, transactions="again")
    await bench.blocks(2)
    told = await refusal(look(bench, wanted))
    assert told.data == {"TxExecutionError": {"InvalidTxError": "Expired"}}


async def test_nothing_final_can_be_taken_back(bench: Bench) -> None:
    for blocks in (0, 1, 3, 51, True, "1", None):
        told = await refusal(bench.rpc("devnet_reorg", blocks=blocks))
        assert told.cause == "PARSE_ERROR", "at genesis nothing is open"
    await bench.blocks(10)
    assert (await refusal(bench.rpc("devnet_reorg", blocks=3))).cause == "PARSE_ERROR"
    assert (await refusal(bench.rpc("devnet_reorg", transactions="?"))).cause == "PARSE_ERROR"
    await bench.rpc("devnet_reorg", blocks=2)


async def test_a_rule_reorganises_by_itself(bench: Bench, user: User) -> None:
    await bench.blocks(4)
    await bench.rpc("devnet_fault_add", fault="reorg", blocks=40, transactions="later", skip=2, count=1)
    wanted = await put(bench, await verifying(bench, user, "rule-1"))
    await bench.blocks(2)
    assert await bench.status("rule-1") == "verified"
    await bench.blocks(1)
    assert await bench.status("rule-1") is None
    await bench.blocks(4)
    assert (await look(bench, wanted))["final_execution_status"] == "FINAL"
    assert await verifications(bench, "rule-1") == 1


@pytest.mark.parametrize("seed", [1, 2, 3])
async def test_final_never_changes_and_the_file_says_what_memory_says(tmp_path: Path, seed: int) -> None:
    """Random reorgs, faults and restarts under traffic: what was final stays, each effect comes once."""
    chance, clock = random.Random(seed), OwnClock()
    settings = Settings(state_file=tmp_path / "chain.db", block_time_ms=0, rpc_timeout_ms=100)
    final: dict[int, str] = {}
    async with build(settings, clock) as devnet:
        bench = Bench(devnet, clock)
        sent: dict[str, bytes] = {}
        gaps = {"fault": "skip_heights", "heights": 2, "probability": 0.2, "seed": seed}
        await bench.rpc("devnet_fault_add", **gaps)
        await bench.blocks(3)
        for number in range(60):
            clock.ns += 10**8
            match chance.choice(("verify", "block", "block", "reorg", "restart")):
                case "verify":
                    name = f"rand-{number}"
                    sent[name] = await verifying(bench, User.fresh(name), name)
                    await put(bench, sent[name])
                case "block":
                    await bench.blocks(1)
                case "reorg":
                    fate = chance.choice(("again", "later", "lost"))
                    await bench.rpc("devnet_reorg", blocks=chance.randint(1, 2), transactions=fate)
                case "restart":
                    before = dict(devnet.chain.state.scan(""))
                    await bench.rpc("devnet_restart")
                    assert dict(devnet.chain.state.scan("")) == before
            chain = devnet.chain
            final[chain.final_height] = devnet_final(devnet)
            for height, block_hash in final.items():
                block = chain.block_at(height)
                assert block is not None and block.hash == block_hash
        for signed in sent.values():
            await again(bench, signed)
        await bench.blocks(5)
        counted = (await bench.rpc("devnet_effects", intent_ids=list(sent)))["intents"]
        ended = {name: await bench.status(name) for name in sent}
        for name in sent:
            assert counted[name]["steps"]["verify"] == (1 if ended[name] == "verified" else 0)
        assert sum(status == "verified" for status in ended.values()) >= 3


async def again(bench: Bench, signed: bytes) -> None:
    """The same bytes; a later nonce may have made them void meanwhile."""
    answer = bench.rpc("send_tx", signed_tx_base64=encoded(signed), wait_until="NONE")
    (told,) = await asyncio.gather(answer, return_exceptions=True)
    assert not isinstance(told, BaseException) or "InvalidNonce" in str(told), told
    await bench.blocks(1)


async def test_a_restart_forgets_the_pool_and_nothing_else(tmp_path: Path, user: User) -> None:
    clock = OwnClock()
    settings = Settings(state_file=tmp_path / "chain.db", block_time_ms=0, rpc_timeout_ms=100)
    async with build(settings, clock) as devnet:
        bench = Bench(devnet, clock)
        intent = await bench.verified(user, "stays-1")
        args = {"intent": intent, "solver_account": "solver.near"}
        solving = await bench.send(bench.relayer, "verifier.near", [call_action("verify_and_solve", args)])
        await bench.blocks(2)
        waiting = await put(bench, await verifying(bench, User.fresh("w"), "waits-1"))
        head = devnet.chain.head
        assert await bench.rpc("devnet_restart") == {"height": head.height}
        assert devnet.chain.head == head
        assert (await refusal(look(bench, waiting))).cause == "UNKNOWN_TRANSACTION"
        await bench.result(bench.relayer, solving)
        assert await bench.status("stays-1") == "completed"


async def test_without_a_file_there_is_no_restart(bench: Bench) -> None:
    assert "STATE_FILE" in str((await refusal(bench.rpc("devnet_restart"))).data)


def test_a_record_goes_back_with_its_receipts() -> None:
    def outcome(name: str, *makes: str) -> dict[str, Any]:
        return {"id": name, "outcome": {"receipt_ids": list(makes)}}

    record = TxRecord(
        view={"hash": "h"}, height=5, outcome=outcome("h", "a"), outcomes=(outcome("a", "b"), outcome("b")),
        heights=(6, 7), receipts=({"receipt_id": "a"}, {"receipt_id": "b"}), open=0,
    )  # fmt: skip
    assert record.back_to(4) is None
    for head, receipts, outcomes, still_open in ((5, 1, 0, 1), (6, 2, 1, 1), (7, 2, 2, 0)):
        back = record.back_to(head)
        assert back is not None
        assert (len(back.receipts), len(back.outcomes), back.open) == (receipts, outcomes, still_open)
