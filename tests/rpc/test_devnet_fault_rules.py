"""Each fault over a real socket, as nearcore would show it on the wire."""

import asyncio
import base64
import json
import time
from collections.abc import AsyncIterator
from typing import Any

import aiohttp
import pytest

from tests.harness.near import Sender, User, call_action, encoded, transfer_action, tx_hash
from tests.rpc.test_devnet import Client, serving


@pytest.fixture
async def still() -> AsyncIterator[Client]:
    """Blocks by hand, short time-outs."""
    async for made, _ in serving(block_time_ms=0, rpc_timeout_ms=50):
        yield made


async def add(client: Client, fault: str, **rule: Any) -> str:
    (rule_id,) = (await client.call("devnet_fault_add", {"fault": fault, **rule}))["ids"]
    return str(rule_id)


async def blocks(client: Client, count: int) -> None:
    await client.call("devnet_advance", {"blocks": count})


def sending(signed: bytes, wait: str = "NONE") -> dict[str, str]:
    return {"signed_tx_base64": encoded(signed), "wait_until": wait}


def looking(signed: bytes, wait: str = "NONE") -> dict[str, str]:
    return {"tx_hash": tx_hash(signed), "sender_account_id": "relayer.near", "wait_until": wait}


async def cause(client: Client, method: str, params: object) -> str:
    return str((await client.error(method, params))["cause"]["name"])


async def effects(client: Client, intent_id: str) -> Any:
    return (await client.call("devnet_counts", {}))["intents"].get(intent_id, {})


async def solving(client: Client, intent_id: str) -> bytes:
    """A signed verify_and_solve of an intent that `client.verify` made."""
    intent = User.fresh(intent_id).intent(intent_id)
    action = call_action("verify_and_solve", {"intent": intent, "solver_account": "solver.near"})
    return client.relayer.sign("verifier.near", [action], await client.head())


async def verified(client: Client, intent_id: str) -> None:
    await client.call("send_tx", sending(await client.verify(intent_id)))
    await blocks(client, 5)


async def outcomes(client: Client, signed: bytes) -> list[Any]:
    """Those of contracts: refunds go to the relayer."""
    answer = await client.call("EXPERIMENTAL_tx_status", looking(signed))
    found = [one["outcome"] for one in answer["receipts_outcome"]]
    return [one for one in found if one["executor_id"] != "relayer.near"]


async def test_slow_answers_are_bounded_to_their_method(still: Client) -> None:
    await add(still, "slow", ms=80, rpc="status", count=1)
    began = time.monotonic()
    await still.call("gas_price", [None])
    await still.call("status", [])
    assert time.monotonic() - began >= 0.08
    assert (await still.call("devnet_fault_list", {}))["faults"] == []


async def test_dropped_before_nothing_is_done_dropped_after_all_is(still: Client) -> None:
    signed = await still.verify("drop-1")
    for fault, known in (("refuse", False), ("drop_answer", True)):
        await add(still, fault, signer="relayer.near", rpc="send_tx", count=1)
        with pytest.raises(aiohttp.ClientConnectionError):
            await still.call("send_tx", sending(signed))
        await blocks(still, 5)
        assert ("result" in await still.raw("tx", looking(signed))) is known
    assert await effects(still, "drop-1") == {"verify_signed_intent": 1}


async def test_a_time_out_says_nothing_of_what_was_done(still: Client) -> None:
    signed = await still.verify("timeout-1")
    await add(still, "timeout", rpc=["send_tx", "tx"], count=2)
    answer = await still.raw("send_tx", sending(signed, "FINAL"))
    assert (answer["http"], answer["error"]["cause"]["name"]) == (408, "TIMEOUT_ERROR")
    await blocks(still, 5)
    assert await cause(still, "tx", looking(signed)) == "TIMEOUT_ERROR"
    assert (await still.call("tx", looking(signed)))["final_execution_status"] == "FINAL"


async def test_a_lost_transaction_is_accepted_and_never_comes(still: Client) -> None:
    signed = await still.verify("lost-1")
    await add(still, "lose_transaction", intent="lost-1", count=2)
    assert await still.call("send_tx", sending(signed)) == {"final_execution_status": "NONE"}
    assert await cause(still, "send_tx", sending(signed, "FINAL")) == "TIMEOUT_ERROR"
    await blocks(still, 5)
    assert await cause(still, "tx", looking(signed)) == "UNKNOWN_TRANSACTION"
    await still.call("send_tx", sending(signed))
    await blocks(still, 5)
    assert (await still.call("tx", looking(signed)))["final_execution_status"] == "FINAL"
    assert await effects(still, "lost-1") == {"verify_signed_intent": 1}


async def test_a_forgotten_transaction_was_known_and_its_nonce_is_used(still: Client) -> None:
    signed = await still.verify("forgot-1")
    await still.call("send_tx", sending(signed))
    await blocks(still, 5)
    await still.call("tx", looking(signed))
    forgetful = await add(still, "forget_transaction", method="verify_signed_intent")
    assert await cause(still, "tx", looking(signed)) == "UNKNOWN_TRANSACTION"
    assert await still.invalid(signed) == {"InvalidNonce": {"tx_nonce": 1, "ak_nonce": 1}}
    assert await effects(still, "forgot-1") == {"verify_signed_intent": 1}
    await still.call("devnet_fault_clear", {"id": forgetful})
    await still.call("tx", looking(signed))


async def test_an_error_before_does_nothing_one_after_has_done_it(still: Client) -> None:
    await add(still, "error", cause="UNAVAILABLE_SHARD", rpc="query", count=1)
    query = {"request_type": "view_account", "finality": "final", "account_id": "bob.near"}
    told = await still.error("query", query)
    assert told["cause"] == {"name": "UNAVAILABLE_SHARD", "info": {"requested_shard_id": 0}}
    signed = await still.verify("error-1")
    await add(still, "error", cause="INTERNAL_ERROR", when="after", rpc="send_tx", count=1)
    answer = await still.raw("send_tx", sending(signed))
    assert (answer["http"], answer["error"]["name"]) == (500, "INTERNAL_ERROR")
    await blocks(still, 5)
    assert await effects(still, "error-1") == {"verify_signed_intent": 1}
    await add(still, "error", cause="SOMETHING_NEW", count=1)
    assert await cause(still, "status", []) == "SOMETHING_NEW"


@pytest.mark.parametrize("how", ["cut", "text", "empty", "list", "other_id", "no_result", "huge"])
async def test_spoilt_answers(still: Client, how: str) -> None:
    await add(still, "garble", how=how, status=503 if how == "text" else 200, count=1)
    body = json.dumps({"jsonrpc": "2.0", "id": "x", "method": "status", "params": []}).encode()
    async with still.http.post(still.url, data=body) as answer:
        status, raw = answer.status, await answer.read()
    assert status == (503 if how == "text" else 200)
    if how in ("cut", "text", "empty"):
        with pytest.raises(ValueError, match=r"(Expecting|Unterminated)"):
            json.loads(raw)
        return
    read = json.loads(raw)
    assert isinstance(read, list) == (how == "list")
    assert how != "other_id" or read["id"] == "another"
    assert how != "no_result" or set(read) == {"jsonrpc", "id"}
    assert (len(raw) > 30 << 20) == (how == "huge")
    assert "result" in await still.raw("status", [])


async def test_a_node_behind_the_others_and_one_that_stands_still(still: Client) -> None:
    signed = await still.verify("nodes-1")
    await blocks(still, 3)
    await add(still, "lag", node="behind", blocks=4)
    await add(still, "stuck", node="stuck")
    await still.call("send_tx", sending(signed))
    await blocks(still, 5)
    nodes = {name: Client(still.http, f"{still.url}node/{name}") for name in ("ahead", "behind", "stuck")}
    heights = {
        name: (await node.call("status", []))["sync_info"]["latest_block_height"]
        for name, node in nodes.items()
    }
    assert heights == {"ahead": 8, "behind": 4, "stuck": 3}
    assert (await nodes["behind"].call("status", []))["sync_info"]["syncing"] is True
    key = {
        "request_type": "view_access_key", "finality": "optimistic", "account_id": "relayer.near",
        "public_key": still.relayer.pair.public_key,
    }  # fmt: skip
    nonces = {name: (await node.call("query", key))["nonce"] for name, node in nodes.items()}
    assert nonces == {"ahead": 1, "behind": 1, "stuck": 0}
    assert (await nodes["ahead"].call("tx", looking(signed)))["final_execution_status"] == "FINAL"
    assert (await nodes["behind"].call("tx", looking(signed)))["final_execution_status"] == "INCLUDED"
    assert await cause(nodes["stuck"], "tx", looking(signed, "INCLUDED")) == "TIMEOUT_ERROR"
    assert await cause(nodes["stuck"], "block", {"block_id": 7}) == "UNKNOWN_BLOCK"
    answer = await still.http.post(f"{still.url}node/No", data=b"{}")
    assert answer.status == 404


async def test_stale_views_say_which_block_they_speak_of(still: Client) -> None:
    await verified(still, "stale-1")
    await add(still, "stale_views", method="get_intent_status", blocks=4)
    args = base64.b64encode(b'{"intent_id":"stale-1"}').decode()
    params = {
        "request_type": "call_function", "account_id": "verifier.near", "method_name": "get_intent_status",
        "args_base64": args, "finality": "optimistic",
    }  # fmt: skip
    old = await still.call("query", params)
    assert (bytes(old["result"]), old["block_height"]) == (b"null", 1)
    del params["finality"]
    assert bytes((await still.call("query", {**params, "block_id": 5}))["result"]) == b'"verified"'
    assert (await still.call("block", {"finality": "optimistic"}))["header"]["height"] == 5


async def test_a_block_hash_is_too_old_when_sent_or_after(still: Client) -> None:
    signed = await still.verify("expire-1")
    await add(still, "expire", count=1)
    assert await still.invalid(signed) == "Expired"
    await add(still, "expire", at="block", count=1)
    assert await still.call("send_tx", sending(signed)) == {"final_execution_status": "NONE"}
    await blocks(still, 5)
    told = await still.error("tx", looking(signed))
    assert told["data"]["TxExecutionError"]["InvalidTxError"] == "Expired"
    assert await effects(still, "expire-1") == {}


async def test_a_nonce_jumps_past_a_transaction(still: Client) -> None:
    signed = await still.verify("jump-1")
    await add(still, "nonce_jump", signer="relayer.near", by=5, count=1)
    await still.call("send_tx", sending(signed))
    await blocks(still, 5)
    key = {
        "request_type": "view_access_key", "finality": "final", "account_id": "relayer.near",
        "public_key": still.relayer.pair.public_key,
    }  # fmt: skip
    assert (await still.call("query", key))["nonce"] == 5
    assert await still.invalid(signed) == {"InvalidNonce": {"tx_nonce": 1, "ak_nonce": 5}}
    assert await effects(still, "jump-1") == {}
    later = still.relayer.sign("bob.near", [transfer_action(1)], await still.head(), nonce=6)
    await still.call("send_tx", sending(later))
    await blocks(still, 5)
    assert (await still.call("tx", looking(later)))["final_execution_status"] == "FINAL"


async def test_a_receipt_in_the_middle_fails_and_the_callback_sees_it(still: Client) -> None:
    await verified(still, "middle-1")
    signed = await solving(still, "middle-1")
    await add(still, "fail_receipt", receiver="solver.near", text="no luck", intent="middle-1", count=1)
    await still.call("send_tx", sending(signed))
    await blocks(still, 8)
    first, middle, callback = await outcomes(still, signed)
    assert "SuccessReceiptId" in first["status"]
    failure = {"FunctionCallError": {"ExecutionError": "Smart contract panicked: no luck"}}
    assert middle["status"] == {"Failure": {"ActionError": {"index": 0, "kind": failure}}}
    assert callback["status"] == {"SuccessValue": base64.b64encode(b"false").decode()}
    assert await effects(still, "middle-1") == {
        "verify_signed_intent": 1, "verify_and_solve": 1, "on_solved": 1,
    }  # fmt: skip


async def test_a_callback_that_fails_leaves_the_intent_executing(still: Client) -> None:
    """The contract cannot put it back then, and the chain says so: a case for a person."""
    await verified(still, "callback-1")
    signed = await solving(still, "callback-1")
    await add(still, "out_of_gas", method="on_solved", count=1)
    await still.call("send_tx", sending(signed))
    await blocks(still, 8)
    *_, callback = await outcomes(still, signed)
    failure = {"FunctionCallError": {"ExecutionError": "Exceeded the prepaid gas."}}
    assert callback["status"] == {"Failure": {"ActionError": {"index": 0, "kind": failure}}}
    assert callback["gas_burnt"] > 20 * 10**12, "all it was given"
    args = base64.b64encode(b'{"intent_id":"callback-1"}').decode()
    status = await still.call("query", {
        "request_type": "call_function", "account_id": "verifier.near", "method_name": "get_intent_status",
        "args_base64": args, "finality": "final",
    })  # fmt: skip
    assert bytes(status["result"]) == b'"executing"'


async def test_a_receipt_waits_on_a_congested_shard(still: Client) -> None:
    await verified(still, "held-1")
    signed = await solving(still, "held-1")
    await add(still, "hold_receipt", method=["solve_intent", "on_solved"], blocks=3, count=2)
    await still.call("send_tx", sending(signed))
    await blocks(still, 5)
    assert len(await outcomes(still, signed)) == 1
    await blocks(still, 2)
    assert len(await outcomes(still, signed)) == 2
    await blocks(still, 8)
    assert len(await outcomes(still, signed)) == 3
    assert (await effects(still, "held-1"))["on_solved"] == 1


async def test_a_solver_that_fails_or_gives_too_little(still: Client) -> None:
    await verified(still, "solver-1")
    await add(still, "solver_fail", intent="solver-1", count=1)
    await add(still, "solver_low", receiver="solver.near", count=1)
    for expected in (b"false", b"false", b"true"):
        signed = await solving(still, "solver-1")
        await still.call("send_tx", sending(signed))
        await blocks(still, 8)
        status = (await still.call("tx", looking(signed)))["status"]
        assert base64.b64decode(status["SuccessValue"]) == expected


async def test_blocks_stop_for_a_while_and_go_on() -> None:
    async for client, devnet in serving(block_time_ms=5):
        await add(client, "stall", count=10)
        height = devnet.chain.head.height
        while (await client.call("devnet_fault_list", {}))["faults"]:
            assert devnet.chain.head.height <= height + 1
            await asyncio.sleep(0)
        signed = await client.verify("go-on")
        assert (await client.call("send_tx", sending(signed, "FINAL")))["final_execution_status"] == "FINAL"


async def test_who_waited_for_less_than_final_saw_what_vanished(still: Client) -> None:
    await blocks(still, 3)
    signed = await still.verify("vanish-1")
    await still.call("send_tx", sending(signed))
    await blocks(still, 2)
    seen = await still.call("tx", looking(signed, "EXECUTED_OPTIMISTIC"))
    assert seen["final_execution_status"] == "EXECUTED_OPTIMISTIC" and "SuccessValue" in seen["status"]
    await still.call("devnet_reorg", {"blocks": 2, "transactions": "lost"})
    assert await cause(still, "tx", looking(signed)) == "UNKNOWN_TRANSACTION"
    block = {"block_id": seen["transaction_outcome"]["block_hash"]}
    assert await cause(still, "block", block) == "UNKNOWN_BLOCK"
    assert (await effects(still, "vanish-1")) == {}


async def test_nearcore_says_nothing_of_what_it_was_only_handed(still: Client) -> None:
    """Its send_tx with NONE answers before the transaction is looked at: only `tx` tells, and knows nothing."""
    await blocks(still, 4)
    stale = still.relayer.sign("bob.near", [transfer_action(1)], "1" * 32)
    assert await still.invalid(stale) == "Expired"
    await add(still, "unchecked")
    assert await still.call("send_tx", sending(stale)) == {"final_execution_status": "NONE"}
    assert await still.call("broadcast_tx_async", [encoded(stale)]) == tx_hash(stale)
    assert await still.invalid(stale) == "Expired", "a caller that waits is told"
    await blocks(still, 2)
    assert await cause(still, "tx", looking(stale)) == "UNKNOWN_TRANSACTION"


async def test_rules_are_taken_all_or_none_and_errors_named(still: Client) -> None:
    several = {"faults": [{"fault": "refuse"}, {"fault": "slow", "ms": "long"}]}
    told = await still.error("devnet_fault_add", several)
    assert (told["cause"]["name"], "ms: a whole number" in told["data"]) == ("PARSE_ERROR", True)
    assert (await still.call("devnet_fault_list", {}))["faults"] == []
    for method, params in (("devnet_fault_add", {"faults": 1}), ("devnet_fault_clear", {"id": 1})):
        assert await cause(still, method, params) == "PARSE_ERROR"
    await still.call("devnet_fault_add", {"faults": [{"fault": "lag"}, {"fault": "stuck"}]})
    assert await still.call("devnet_fault_clear", {}) == {"cleared": 2}


async def test_bad_requests_are_answered_while_faults_look_at_them(still: Client) -> None:
    """Looking for what bounds a fault must not fall over what is no transaction."""
    await add(still, "lose_transaction", intent="nothing")
    for params in ([], ["%"], ["AAAA"], {"signed_tx_base64": 5}, None, "x", [[1]]):
        assert await cause(still, "send_tx", params) == "PARSE_ERROR"
        assert await cause(still, "tx", params) == "PARSE_ERROR"
    foreign = Sender.of("bob.near").sign("bob.near", [b"\x08"], await still.head())
    assert "ActionsValidation" in await still.invalid(foreign)
    raw = still.relayer.sign("verifier.near", [call_action("pause", b"\xff[[")], await still.head())
    await still.call("send_tx", sending(raw))
