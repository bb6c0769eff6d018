"""Others on chain: a second relayer, another solver's fill, the owner, a wallet of its own."""

from collections.abc import AsyncIterator
from typing import Any

import pytest

from services.devnet.genesis import key
from tests.harness.near import User, encoded
from tests.rpc.test_devnet import Client, serving

ONCE = {"verify": 1, "execute": 1, "solve": 1, "transfer": 1, "complete": 1, "put_back": 0, "fail": 0}


@pytest.fixture
async def still() -> AsyncIterator[Client]:
    solvers = ("solver.near", "rival-solver.near")
    async for made, _ in serving(block_time_ms=0, rpc_timeout_ms=50, solver_accounts=solvers):
        yield made


async def blocks(client: Client, count: int) -> None:
    await client.call("devnet_advance", {"blocks": count})


async def send(client: Client, signed: bytes) -> None:
    await client.call("send_tx", {"signed_tx_base64": encoded(signed), "wait_until": "NONE"})


async def act(client: Client, name: str, **params: Any) -> str:
    return str((await client.call(f"devnet_act_{name}", params))["tx_hash"])


async def outcome(client: Client, tx_hash: str, sender: str = "bob.near") -> Any:
    return await client.call("tx", {"tx_hash": tx_hash, "sender_account_id": sender, "wait_until": "FINAL"})


async def effects(client: Client, intent_id: str) -> Any:
    return (await client.call("devnet_effects", {"intent_ids": [intent_id]}))["intents"][intent_id]


async def test_a_second_relayer_does_the_same_and_it_happens_once(still: Client) -> None:
    await send(still, await still.verify("two-1"))
    rival = await act(still, "verify", intent_id="two-1")
    await blocks(still, 5)
    assert "SuccessValue" in (await outcome(still, rival))["status"]
    for _ in range(2):
        await act(still, "solve", intent_id="two-1", solver_account="solver.near")
    await act(still, "solve", intent_id="two-1", solver_account="solver.near", by="alice.near")
    await blocks(still, 8)
    found = await effects(still, "two-1")
    assert found["steps"] == ONCE
    assert found["calls"]["verify_signed_intent"] == {"succeeded": 2, "failed": 0}
    assert found["calls"]["verify_and_solve"] == {"succeeded": 1, "failed": 2}


async def test_another_solvers_fill(still: Client) -> None:
    await send(still, await still.verify("fill-1"))
    await blocks(still, 3)
    filled = await act(still, "solve", intent_id="fill-1", solver_account="rival-solver.near")
    await blocks(still, 8)
    assert "SuccessValue" in (await outcome(still, filled))["status"]
    assert (await effects(still, "fill-1"))["steps"] == ONCE


async def test_the_owner_takes_it_away(still: Client) -> None:
    await send(still, await still.verify("away-1"))
    await blocks(still, 3)
    await act(still, "remove", intent_id="away-1")
    await blocks(still, 3)
    assert (await effects(still, "away-1"))["steps"]["fail"] == 1
    late = await act(still, "solve", intent_id="away-1", solver_account="solver.near")
    await blocks(still, 5)
    assert "is failed" in str((await outcome(still, late))["status"]["Failure"])


async def test_a_wallet_verifies_its_own(still: Client) -> None:
    user = User(key("devnet", "alice.near"), "alice.near")
    mine = await act(still, "wallet_verify", intent=user.intent("wallet-1"))
    await blocks(still, 5)
    assert "SuccessValue" in (await outcome(still, mine, "alice.near"))["status"]
    assert (await effects(still, "wallet-1"))["calls"] == {"verify_intent": {"succeeded": 1, "failed": 0}}


async def test_a_rival_races_whatever_the_relayer_sends(still: Client) -> None:
    await still.call("devnet_fault_add", {"fault": "rival", "signer": "relayer.near", "count": 1})
    signed = await still.verify("race-1")
    for _ in range(3):
        await send(still, signed)
    await blocks(still, 5)
    found = await effects(still, "race-1")
    assert (found["steps"]["verify"], found["calls"]["verify_signed_intent"]["succeeded"]) == (1, 2)


async def test_any_call_by_an_account_of_genesis(still: Client) -> None:
    paused = await act(still, "call", by="owner.near", method="pause", args={})
    await blocks(still, 5)
    assert "SuccessValue" in (await outcome(still, paused, "owner.near"))["status"]
    refused = await act(still, "call", by="bob.near", method="unpause", args={}, receiver="verifier.near")
    await blocks(still, 5)
    assert "Failure" in (await outcome(still, refused))["status"]


@pytest.mark.parametrize(
    ("name", "params", "says"),
    [
        ("verify", {"intent_id": "never"}, "was seen by this node"),
        ("verify", {"intent": 5}, "`intent` is not an object"),
        ("solve", {"intent_id": "never", "solver_account": "solver.near"}, "keeps no intent never"),
        ("solve", {"intent_id": "never"}, "`solver_account`"),
        ("wallet_verify", {"intent": {}}, "user_account is not an account id"),
        ("wallet_verify", {"intent": {"user_account": "none.near"}}, "none.near has no key"),
        ("call", {"by": "bob.near", "method": "x", "args": []}, "`args` is not an object"),
        ("call", {"by": "bob.near", "method": "x", "args": {}, "gas": -1}, "whole numbers"),
        ("remove", [], "params is not an object"),
    ],
)
async def test_what_cannot_be_done_is_named(still: Client, name: str, params: object, says: str) -> None:
    told = await still.error(f"devnet_act_{name}", params)
    assert told["cause"]["name"] == "PARSE_ERROR"
    assert says in told["data"]


async def test_a_call_that_could_not_be_sent_is_refused_as_any(still: Client) -> None:
    told = await still.error("devnet_act_call", {"by": "bob.near", "method": "x", "args": {}, "gas": 2**63})
    assert "TotalPrepaidGasExceeded" in str(told["data"])
    first = await act(still, "call", by="bob.near", method="pause", args={})
    await blocks(still, 5)
    assert "Failure" in (await outcome(still, first))["status"], (
        "its nonce was not used up by what was refused"
    )
