"""Faults on request: what a caller sees of a node in trouble."""

import time
from collections.abc import AsyncIterator

import aiohttp
import pytest

from tests.harness.near import call_action, encoded, tx_hash
from tests.rpc.test_devnet import Client, serving


@pytest.fixture
async def client() -> AsyncIterator[Client]:
    async for made, _ in serving():
        yield made


async def test_faults_come_when_asked_for(client: Client) -> None:
    signed = await client.verify("fault-1")
    params = {"signed_tx_base64": encoded(signed), "wait_until": "FINAL"}
    await client.call("devnet_faults", {"timeout_send_next": 1})
    assert (await client.error("send_tx", params))["cause"]["name"] == "TIMEOUT_ERROR"
    assert (await client.call("send_tx", params))["final_execution_status"] == "FINAL", "it was taken"
    for fault in ("drop_next", "refuse_next"):
        await client.call("devnet_faults", {fault: 1})
        with pytest.raises(aiohttp.ClientConnectionError):
            await client.call("status", [])
    await client.call("devnet_faults", {"lag_blocks": 1000})
    behind = {"tx_hash": tx_hash(signed), "sender_account_id": "relayer.near", "wait_until": "NONE"}
    assert await client.call("tx", behind) == {"final_execution_status": "NONE"}
    assert (await client.call("status", []))["sync_info"]["syncing"] is True
    left = await client.call("devnet_faults", {"lag_blocks": 0})
    assert not any(left.values())


async def test_an_answer_can_be_late(client: Client) -> None:
    await client.call("devnet_faults", {"delay_next": 1, "delay_ms": 60})
    began = time.monotonic()
    await client.call("status", [])
    assert time.monotonic() - began >= 0.05
    assert (await client.call("devnet_faults", {}))["delay_next"] == 0


async def test_blocks_can_stand_still() -> None:
    async for client, devnet in serving(rpc_timeout_ms=150):
        signed = await client.verify("still-1")
        await client.call("devnet_faults", {"stall": 1})
        params = {"signed_tx_base64": encoded(signed), "wait_until": "FINAL"}
        assert (await client.error("send_tx", params))["cause"]["name"] == "TIMEOUT_ERROR"
        assert devnet.chain.pooled == 1
        await client.call("devnet_faults", {"stall": 0})
        assert (await client.call("send_tx", params))["final_execution_status"] == "FINAL"


async def test_a_call_cannot_stop_the_chain(client: Client) -> None:
    """Whatever is called with whatever, blocks go on."""
    methods = [
        "verify_intent",
        "verify_signed_intent",
        "verify_and_solve",
        "on_solved",
        "init",
        "solve_intent",
    ]
    odd = [{}, {"intent": []}, {"intent": {"id": {}}, "signed": 1}, {"intent_id": None, "solver_account": 5}]
    head = await client.head()
    for receiver in ("verifier.near", "solver.near"):
        for method in methods:
            for args in odd:
                signed = client.relayer.sign(receiver, [call_action(method, args)], head)
                await client.call("send_tx", {"signed_tx_base64": encoded(signed), "wait_until": "NONE"})
    done = await client.call("send_tx", {"signed_tx_base64": encoded(signed), "wait_until": "FINAL"})
    assert "Failure" in done["status"]


async def test_a_deposit_is_refused_and_gas_cannot_overflow(client: Client) -> None:
    head = await client.head()
    paid = client.relayer.sign("verifier.near", [call_action("pause", {}, deposit=2)], head)
    done = await client.call("send_tx", {"signed_tx_base64": encoded(paid), "wait_until": "FINAL"})
    assert (
        "takes no deposit"
        in done["status"]["Failure"]["ActionError"]["kind"]["FunctionCallError"]["ExecutionError"]
    )
    huge = client.relayer.sign("verifier.near", [call_action("pause", {}, gas=2**64 - 1)] * 2, head)
    assert await client.invalid(huge) == {"ActionsValidation": "IntegerOverflow"}
