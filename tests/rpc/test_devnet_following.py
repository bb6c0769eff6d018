"""Following the chain as an observer does: blocks, chunks, receipts, outcomes, changes, whole blocks."""

import base64
import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from tests.harness.near import User, call_action, encoded
from tests.rpc.test_devnet import Client, serving

DONE = ["intent_verified", "intent_executing", "intent_solved", "mt_mint", "intent_completed"]


@pytest.fixture
async def still() -> AsyncIterator[Client]:
    async for made, _ in serving(block_time_ms=0, rpc_timeout_ms=50):
        yield made


async def blocks(client: Client, count: int) -> None:
    await client.call("devnet_advance", {"blocks": count})


async def through(client: Client, intent_id: str) -> None:
    """One intent, verified and solved, final."""
    await client.call(
        "send_tx", {"signed_tx_base64": encoded(await client.verify(intent_id)), "wait_until": "NONE"}
    )
    await blocks(client, 3)
    intent = User.fresh(intent_id).intent(intent_id)
    action = call_action("verify_and_solve", {"intent": intent, "solver_account": "solver.near"})
    signed = client.relayer.sign("verifier.near", [action], await client.head())
    await client.call("send_tx", {"signed_tx_base64": encoded(signed), "wait_until": "NONE"})
    await blocks(client, 8)


async def get(client: Client, path: str) -> Any:
    async with client.http.get(f"{client.url}{path}") as answer:
        return await answer.json()


def events(logs: list[str]) -> list[str]:
    return [json.loads(log[11:])["event"] for log in logs if log.startswith("EVENT_JSON:")]


async def test_every_event_is_found_by_chunks_and_their_transactions(still: Client) -> None:
    """The way with nothing but nearcore's JSON-RPC: chunk by chunk, then each transaction's outcomes."""
    await through(still, "follow-1")
    seen, transactions, arrived = [], [], []
    for height in range((await still.call("block", {"finality": "final"}))["header"]["height"] + 1):
        block = await still.call("block", {"block_id": height})
        (header,) = block["chunks"]
        chunk = await still.call("chunk", {"chunk_id": header["chunk_hash"]})
        assert chunk == await still.call("chunk", {"block_id": height, "shard_id": 0})
        assert chunk == await still.call("chunk", [block["header"]["hash"], 0])
        assert chunk["header"]["height_included"] == height
        transactions += [tx["hash"] for tx in chunk["transactions"]]
        arrived += [receipt["receipt_id"] for receipt in chunk["receipts"]]
    for tx_hash in transactions:
        asked = {"tx_hash": tx_hash, "sender_account_id": "relayer.near", "wait_until": "FINAL"}
        told = await still.call("EXPERIMENTAL_tx_status", asked)
        for outcome in told["receipts_outcome"]:
            seen += events(outcome["outcome"]["logs"])
            arrived.remove(outcome["id"])
        for receipt in told["receipts"]:
            found = await still.call("EXPERIMENTAL_receipt", {"receipt_id": receipt["receipt_id"]})
            assert found == receipt
    assert seen == DONE
    assert arrived == [], "every receipt that came in is one that ran"


async def test_whole_blocks_carry_every_outcome_and_its_transaction(still: Client) -> None:
    await through(still, "whole-1")
    last = await get(still, "v0/last_block/final")
    height = last["block"]["header"]["height"]
    assert height == (await still.call("block", {"finality": "final"}))["header"]["height"]
    seen: list[str] = []
    by_transaction: set[str] = set()
    for number in range(height + 1):
        whole = await get(still, f"v0/block/{number}")
        assert whole["block"] == await still.call("block", {"block_id": number})
        (shard,) = whole["shards"]
        for transaction in shard["chunk"]["transactions"]:
            assert transaction["outcome"]["execution_outcome"]["id"] == transaction["transaction"]["hash"]
        for one in shard["receipt_execution_outcomes"]:
            assert one["receipt"]["receipt_id"] == one["execution_outcome"]["id"]
            assert one["execution_outcome"]["block_hash"] == whole["block"]["header"]["hash"]
            seen += events(one["execution_outcome"]["outcome"]["logs"])
            by_transaction.add(one["tx_hash"])
    assert (seen, len(by_transaction)) == (DONE, 2)


async def test_a_block_to_come_is_waited_for_and_one_far_off_is_null() -> None:
    async for client, devnet in serving(block_time_ms=10):
        height = devnet.chain.final_height + 3
        whole = await get(client, f"v0/block/{height}")
        assert whole["block"]["header"]["height"] == height
        assert devnet.chain.final_height >= height
        newer = await get(client, "v0/last_block/optimistic")
        assert newer["block"]["header"]["height"] > height
        assert await get(client, "v0/block/999999999") is None
        async with client.http.get(f"{client.url}v0/block/x") as answer:
            assert answer.status == 404


async def test_a_block_that_never_comes_is_null_after_a_while(still: Client) -> None:
    await blocks(still, 5)
    assert await get(still, "v0/block/4") is None
    assert (await get(still, "v0/block_opt/4"))["block"]["header"]["height"] == 4


async def test_a_follower_of_optimistic_blocks_sees_them_replaced(still: Client) -> None:
    await blocks(still, 3)
    await still.call(
        "send_tx", {"signed_tx_base64": encoded(await still.verify("swap-1")), "wait_until": "NONE"}
    )
    await blocks(still, 2)
    before = await get(still, "v0/block_opt/5")
    (one,) = before["shards"][0]["receipt_execution_outcomes"]
    assert events(one["execution_outcome"]["outcome"]["logs"]) == ["intent_verified"]
    await still.call("devnet_reorg", {"blocks": 2, "transactions": "lost"})
    after = await get(still, "v0/block_opt/5")
    assert after["block"]["header"]["prev_hash"] != before["block"]["header"]["prev_hash"]
    assert after["shards"][0]["receipt_execution_outcomes"] == []
    receipt = {"receipt_id": one["receipt"]["receipt_id"]}
    assert (await still.error("EXPERIMENTAL_receipt", receipt))["cause"] == {
        "name": "UNKNOWN_RECEIPT",
        "info": receipt,
    }
    chunk = {"chunk_id": before["shards"][0]["chunk"]["header"]["chunk_hash"]}
    assert (await still.error("chunk", chunk))["cause"]["name"] == "UNKNOWN_CHUNK"


async def test_heights_without_a_block_are_passed_over(still: Client) -> None:
    """Who counts heights falls over them; who follows prev_hash and prev_height does not."""
    await blocks(still, 2)
    await still.call("devnet_fault_add", {"fault": "skip_heights", "heights": 3, "skip": 1, "count": 2})
    await through(still, "gap-1")
    found, missing = [], []
    newest = (await still.call("block", {"finality": "optimistic"}))["header"]
    for height in range(newest["height"] + 1):
        whole = await get(still, f"v0/block_opt/{height}")
        (missing if whole is None else found).append(height)
        if whole is None:
            assert (await still.error("block", {"block_id": height}))["cause"]["name"] == "UNKNOWN_BLOCK"
            continue
        header = whole["block"]["header"]
        assert header["prev_height"] == (found[-2] if len(found) > 1 else 0)
        if len(found) > 1:
            before = await still.call("block", {"block_id": header["prev_height"]})
            assert before["header"]["hash"] == header["prev_hash"]
    assert missing == [4, 5, 6, 8, 9, 10]
    final = (await still.call("block", {"finality": "final"}))["header"]["height"]
    assert final == found[-3], "two blocks behind, whatever their heights"
    seen: list[str] = []
    for height in found:
        for shard in (await get(still, f"v0/block_opt/{height}"))["shards"]:
            for one in shard["receipt_execution_outcomes"]:
                seen += events(one["execution_outcome"]["outcome"]["logs"])
    assert seen == DONE


async def test_changes_of_contract_storage_name_the_receipt(still: Client) -> None:
    await through(still, "changed-1")
    touched = []
    for height in range(1, 9):
        told = await still.call("EXPERIMENTAL_changes_in_block", {"block_id": height})
        touched += [(height, one["account_id"]) for one in told["changes"]]
    assert touched == [(2, "verifier.near"), (5, "verifier.near"), (6, "solver.near"), (7, "verifier.near")]
    asked = {
        "changes_type": "data_changes", "account_ids": ["verifier.near"], "block_id": 7,
        "key_prefix_base64": base64.b64encode(b"i|").decode(),
    }  # fmt: skip
    (change,) = (await still.call("EXPERIMENTAL_changes", asked))["changes"]
    assert json.loads(base64.b64decode(change["change"]["value_base64"]))["status"] == "completed"
    cause = await still.call("EXPERIMENTAL_receipt", {"receipt_id": change["cause"]["receipt_hash"]})
    assert cause["receipt"]["Action"]["actions"][0]["FunctionCall"]["method_name"] == "on_solved"
    assert (await still.call("EXPERIMENTAL_changes", {**asked, "account_ids": ["bob.near"]}))["changes"] == []
    for bad in ({"changes_type": "account_changes"}, {"account_ids": "x"}, {"key_prefix_base64": "%"}):
        assert (await still.error("EXPERIMENTAL_changes", asked | bad))["cause"]["name"] == "PARSE_ERROR"
    await blocks(still, 120)
    old = await still.error("EXPERIMENTAL_changes_in_block", {"block_id": 7})
    assert old["cause"]["name"] == "GARBAGE_COLLECTED_BLOCK"


async def test_what_is_asked_wrongly_is_named(still: Client) -> None:
    cases: list[tuple[str, object, str]] = [
        ("chunk", {"chunk_id": 5}, "PARSE_ERROR"),
        ("chunk", {"chunk_id": "1" * 32}, "UNKNOWN_CHUNK"),
        ("chunk", {"block_id": 0, "shard_id": 7}, "INVALID_SHARD_ID"),
        ("chunk", {"block_id": 99, "shard_id": 0}, "UNKNOWN_BLOCK"),
        ("chunk", [], "PARSE_ERROR"),
        ("EXPERIMENTAL_receipt", {}, "PARSE_ERROR"),
        ("EXPERIMENTAL_receipt", {"receipt_id": "x"}, "UNKNOWN_RECEIPT"),
        ("EXPERIMENTAL_changes_in_block", {}, "PARSE_ERROR"),
    ]
    for method, params, expected in cases:
        assert (await still.error(method, params))["cause"]["name"] == expected, (method, params)


async def test_faults_reach_whole_blocks_and_other_nodes(still: Client) -> None:
    await blocks(still, 6)
    await still.call("devnet_fault_add", {"fault": "lag", "node": "b", "blocks": 3})
    await still.call(
        "devnet_fault_add", {"fault": "error", "rpc": "v0/block", "node": "c", "cause": "INTERNAL_ERROR"}
    )
    here, behind = await get(still, "v0/last_block/final"), await get(still, "node/b/v0/last_block/final")
    assert (here["block"]["header"]["height"], behind["block"]["header"]["height"]) == (4, 1)
    async with still.http.get(f"{still.url}node/c/v0/block/1") as answer:
        assert answer.status == 500


async def test_what_is_in_blocks_outlives_a_restart(tmp_path: Path) -> None:
    async for client, _ in serving(block_time_ms=0, state_file=tmp_path / "chain.db"):
        await through(client, "kept-1")
        before = [await get(client, f"v0/block/{height}") for height in range(9)]
        await client.call("devnet_restart", {})
        assert before == [await get(client, f"v0/block/{height}") for height in range(9)]
