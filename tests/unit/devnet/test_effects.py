"""How many times it happened on chain: what a test of exactly-once asks."""

from typing import Any

from services.devnet.node.counting import intents_in
from tests.harness.near import User, call_action
from tests.unit.devnet.conftest import Bench, Refused, refusal

NONE = {"verify": 0, "execute": 0, "solve": 0, "transfer": 0, "complete": 0, "put_back": 0, "fail": 0}


async def effects(bench: Bench, intent_id: str, **how: Any) -> Any:
    answer = await bench.rpc("devnet_effects", intent_ids=[intent_id], **how)
    return answer["intents"][intent_id]


async def test_each_step_is_counted_once_and_repeats_are_calls_without_effect(
    bench: Bench, user: User
) -> None:
    intent = await bench.verified(user, "once-1")
    assert await bench.call("verify_signed_intent", bench.signed(user, intent)) is True
    assert await bench.solve(intent) is True
    assert isinstance(await bench.solve(intent), Refused)
    found = await effects(bench, "once-1")
    assert found["steps"] == NONE | {"verify": 1, "execute": 1, "solve": 1, "transfer": 1, "complete": 1}
    assert found["calls"] == {
        "verify_signed_intent": {"succeeded": 2, "failed": 0},
        "verify_and_solve": {"succeeded": 1, "failed": 1},
        "solve_intent": {"succeeded": 1, "failed": 0},
        "on_solved": {"succeeded": 1, "failed": 0},
    }


async def test_what_was_put_back_or_failed_moved_nothing(bench: Bench, user: User) -> None:
    intent = await bench.verified(user, "back-1")
    await bench.rpc("devnet_faults", solver_fail_next=1)
    assert await bench.solve(intent) is False
    await bench.rpc(
        "devnet_fault_add", faults=[{"fault": "fail_receipt", "method": "solve_intent", "count": 2}]
    )
    for _ in range(2):
        assert await bench.solve(intent) is False
    found = await effects(bench, "back-1")
    assert found["steps"] == NONE | {"verify": 1, "execute": 3, "put_back": 2, "fail": 1}
    assert found["calls"]["solve_intent"] == {"succeeded": 1, "failed": 2}


async def test_a_call_that_changed_much_and_failed_has_no_effect(bench: Bench, user: User) -> None:
    """What a failed receipt did is taken back, its counts with it; only that it was called is counted."""
    intent = user.intent("undone-1")
    actions = [call_action("verify_signed_intent", bench.signed(user, intent)), call_action("nothing", {})]
    await bench.send(bench.relayer, "verifier.near", actions)
    await bench.blocks(4)
    found = await effects(bench, "undone-1")
    assert found == {"steps": NONE, "calls": {"verify_signed_intent": {"succeeded": 0, "failed": 1}}}
    assert await bench.status("undone-1") is None


async def test_they_are_asked_at_final_too_and_for_all(bench: Bench, user: User) -> None:
    await bench.send(
        bench.relayer,
        "verifier.near",
        [call_action("verify_signed_intent", bench.signed(user, user.intent("f-1")))],
    )
    await bench.blocks(2)
    assert (await effects(bench, "f-1"))["steps"]["verify"] == 1
    assert (await effects(bench, "f-1", finality="final"))["steps"]["verify"] == 0
    await bench.blocks(2)
    assert (await effects(bench, "f-1", finality="final"))["steps"]["verify"] == 1
    everything = await bench.rpc("devnet_effects")
    assert (list(everything["intents"]), everything["block_height"]) == (["f-1"], 4)
    for bad in ({"intent_ids": "f-1"}, {"intent_ids": [1]}, {"finality": "never"}):
        assert (await refusal(bench.rpc("devnet_effects", **bad))).cause == "PARSE_ERROR"


def test_intents_are_found_in_arguments_whatever_those_are() -> None:
    assert intents_in(b'{"intent": {"id": "a"}, "intent_id": "b"}') == ("b", "a")
    for args in (
        b"",
        b"[",
        b"[1]",
        b'{"intent": 5}',
        b'{"intent_id": 5}',
        b'{"id": "a|b"}',
        b"\xff",
        b"1" * 99_999,
    ):
        assert intents_in(args) == ()
