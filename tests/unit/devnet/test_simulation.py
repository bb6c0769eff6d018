"""simulate_intents: it says what verify_signed_intent would do, and does nothing."""

import base64
import json
from typing import Any

import pytest

from services.common.encoding import b58decode
from tests.harness.near import User, call_action
from tests.unit.devnet.conftest import MINUTE, Bench, Refused, refusal


async def simulated(bench: Bench, *bodies: Any) -> Any:
    return await bench.view("simulate_intents", signed=list(bodies))


async def refused(bench: Bench, *bodies: Any) -> str:
    error = await refusal(simulated(bench, *bodies))
    return json.dumps(error.body())


async def test_a_trial_tells_what_the_call_then_does(bench: Bench, user: User) -> None:
    args = bench.signed(user, user.intent("trial-1"), nonce=b"n" * 32)
    state = bench.devnet.chain.state
    before = state.at(bench.devnet.chain.head.height)
    kept = dict(before.scan(""))
    told = await simulated(bench, args["signed"])
    assert told["intents_executed"] == [
        {
            "intent_hash": told["intents_executed"][0]["intent_hash"],
            "account_id": user.account_id,
            "nonce": base64.b64encode(b"n" * 32).decode(),
        }
    ]
    assert len(b58decode(told["intents_executed"][0]["intent_hash"])) == 32
    assert told["min_deadline"] == "2027-01-15T08:10:00.000000000Z"
    assert told["state"] == {"fee": 0, "current_salt": await bench.view("current_salt")}
    # nothing is kept of it
    assert dict(state.at(bench.devnet.chain.head.height).scan("")) == kept
    assert await bench.status("trial-1") is None
    assert (
        await bench.view(
            "is_nonce_used", account_id=user.account_id, nonce=told["intents_executed"][0]["nonce"]
        )
        is False
    )
    assert await simulated(bench, args["signed"]) == told
    assert await logs_of(bench, args) == told["logs"] != []


async def logs_of(bench: Bench, args: dict[str, Any]) -> list[str]:
    """Those of the call itself."""
    wanted = await bench.send(bench.relayer, "verifier.near", [call_action("verify_signed_intent", args)])
    found = await bench.result(bench.relayer, wanted)
    assert "SuccessValue" in found["status"]
    return [line for one in found["receipts_outcome"] for line in one["outcome"]["logs"]]


async def test_messages_are_tried_one_after_the_other(bench: Bench, user: User) -> None:
    first, other = bench.signed(user, user.intent("row-1")), bench.signed(user, user.intent("row-2"))
    again = bench.signed(user, user.intent("row-3"), nonce=b"n" * 32)
    twice = bench.signed(user, user.intent("row-4"), nonce=b"n" * 32)
    changed = bench.signed(user, user.intent("row-1", input_amount="1"))
    told = await simulated(bench, first["signed"], other["signed"], first["signed"])
    assert len(told["intents_executed"]) == len(told["logs"]) == 2, "the third is verified by then"
    assert "nonce was already used" in await refused(bench, again["signed"], twice["signed"])
    assert "another content" in await refused(bench, first["signed"], changed["signed"])
    assert (await simulated(bench, again["signed"]))["intents_executed"]
    assert await simulated(bench) == {**told, "intents_executed": [], "logs": [], "min_deadline": None}
    assert "at most 64" in await refused(bench, *[first["signed"]] * 65)


@pytest.mark.parametrize("case", [
    "paused", "kept with another content", "nonce was already used", "already verified", "expired", "signature",
    "unreadable", "another network", "amount",
])  # fmt: skip
async def test_p09_a_trial_says_what_the_call_says(bench: Bench, user: User, case: str) -> None:
    intent = user.intent("same-1")
    args = bench.signed(user, intent, nonce=b"n" * 32)
    if case == "paused":
        await bench.call("pause", {}, sender=bench.owner)
    elif case == "kept with another content":
        await bench.verified(user, "same-1", input_amount="7")
    elif case == "nonce was already used":
        assert await bench.call(
            "verify_signed_intent", bench.signed(user, user.intent("same-2"), nonce=b"n" * 32)
        )
    elif case == "already verified":
        assert await bench.call("verify_signed_intent", args) is True
    elif case == "expired":
        bench.clock.ns += 20 * MINUTE
        await bench.blocks()
    elif case == "signature":
        args["signed"]["signature"] = user.raw_ed25519("other")["signature"]
    elif case == "unreadable":
        args["signed"] = user.nep413("{}")
    elif case == "another network":
        args["signed"] = user.nep413(user.message(intent, bench.deadline, network="mainnet"))
    elif case == "amount":
        args = bench.signed(user, user.intent("same-1", input_amount="0"))
    said = await bench.call("verify_signed_intent", args)
    if case == "already verified":
        told = await simulated(bench, args["signed"])
        assert said is True and (told["intents_executed"], told["logs"]) == ([], [])
        return
    assert isinstance(said, Refused)
    panic = said.split("panicked: ")[1].split('"')[0]
    assert panic in await refused(bench, args["signed"])
