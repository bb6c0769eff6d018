"""The NEAR adapter against a scripted node: finality, sums, views, unknown told from failed."""

import asyncio
import base64
import json
from typing import Any

import pytest

from services.common.chain.near.chain import NearChain
from services.common.chain.near.errors import NearError
from services.common.chain.near.kept import MAX_ANSWER
from services.common.chain.near.transport import LocalTransport, open_http, unpack
from services.common.chain.port import BroadcastResult, TxState
from services.common.domain.views import (
    BalanceOf,
    CurrentSalt,
    HasPublicKey,
    IsNonceUsed,
    IsRegistered,
    IsValidSalt,
)
from services.common.errors import IntentError, Reason
from tests.harness.wait import eventually
from tests.unit.chain.scripted import Scripted


def ran(
    name: str, *, gas: int, cost: int, then: tuple[str, ...] = (), block: str = "b1", logs: Any = ()
) -> Any:
    return {
        "id": name,
        "block_hash": block,
        "outcome": {
            "gas_burnt": gas,
            "tokens_burnt": str(cost),
            "receipt_ids": list(then),
            "logs": list(logs),
        },
    }


def status(value: object, *, reached: str = "FINAL", receipts: Any = None) -> dict[str, Any]:
    outcomes = [
        ran("r1", gas=20, cost=200, then=("r2",), logs=["one"]),
        ran("r2", gas=3, cost=30, block="b2"),
    ]
    return {
        "final_execution_status": reached,
        "status": value,
        "transaction_outcome": ran("h", gas=1, cost=10, then=("r1",)),
        "receipts_outcome": outcomes if receipts is None else receipts,
    }


SUCCESS = {"SuccessValue": base64.b64encode(b"true").decode()}
PANIC = {
    "Failure": {
        "ActionError": {
            "index": 0,
            "kind": {"FunctionCallError": {"ExecutionError": "Smart contract panicked: no such thing"}},
        }
    }
}
BLOCKS = {"b1": 11, "b2": 12}


def block(params: Any) -> Any:
    name = params.get("block_id", "final")
    return {"header": {"height": BLOCKS.get(name, 20), "hash": name, "timestamp_nanosec": "777"}}


def chain(**answers: Any) -> NearChain:
    return NearChain(Scripted({"block": block, **answers}), "verifier.near")


async def test_gas_and_cost_are_summed_over_the_transaction_and_all_receipts() -> None:
    found = await chain(EXPERIMENTAL_tx_status=status(SUCCESS)).outcome("h", "s.near", wait_final=True)
    assert (found.state, found.gas_used, found.total_cost) == (TxState.SUCCEEDED, 24, 240)
    assert (found.value, found.logs, found.block_height) == (True, ("one",), 12)


async def test_a_failure_keeps_the_contracts_own_words() -> None:
    found = await chain(EXPERIMENTAL_tx_status=status(PANIC)).outcome("h", "s.near")
    assert (found.state, found.failure) == (TxState.FAILED, "Smart contract panicked: no such thing")


@pytest.mark.parametrize(
    "answer",
    [
        status(SUCCESS, reached="EXECUTED"),
        status(PANIC, reached="EXECUTED_OPTIMISTIC"),
        status(SUCCESS, receipts=[ran("r1", gas=1, cost=1, then=("r2",))]),
        status("Started", reached="INCLUDED_FINAL"),
        {"final_execution_status": "NONE"},
    ],
)
async def test_p04_an_outcome_counts_only_when_every_receipt_is_final(answer: Any) -> None:
    found = await chain(EXPERIMENTAL_tx_status=answer).outcome("h", "s.near")
    assert found.state is TxState.PENDING


async def test_p04_a_time_out_of_the_node_is_pending_or_unknown_never_failed() -> None:
    late = NearError("HANDLER_ERROR", "TIMEOUT_ERROR")
    absent = NearError("HANDLER_ERROR", "UNKNOWN_TRANSACTION")
    held = chain(EXPERIMENTAL_tx_status=[late, status(SUCCESS, reached="EXECUTED")])
    assert (await held.outcome("h", "s.near", wait_final=True)).state is TxState.PENDING
    gone = chain(EXPERIMENTAL_tx_status=[late, absent])
    assert (await gone.outcome("h", "s.near", wait_final=True)).state is TxState.UNKNOWN


async def test_p04_a_node_that_cannot_answer_is_unavailable() -> None:
    for cause in ("INTERNAL_ERROR", "NO_SYNCED_BLOCKS", "BRAND_NEW"):
        with pytest.raises(IntentError) as refused:
            await chain(EXPERIMENTAL_tx_status=NearError("HANDLER_ERROR", cause)).outcome("h", "s.near")
        assert refused.value.reason is Reason.DEPENDENCY_UNAVAILABLE


@pytest.mark.parametrize(
    "answer", [{"status": SUCCESS, "transaction_outcome": {}}, status(SUCCESS, receipts=[{}])]
)
async def test_p10_an_answer_that_is_none_is_unavailable(answer: Any) -> None:
    with pytest.raises(IntentError) as refused:
        await chain(EXPERIMENTAL_tx_status=answer).outcome("h", "s.near")
    assert refused.value.reason is Reason.DEPENDENCY_UNAVAILABLE


async def test_a_broadcast_never_raises() -> None:
    taken = NearError(
        "HANDLER_ERROR",
        "INVALID_TRANSACTION",
        data={"TxExecutionError": {"InvalidTxError": {"InvalidNonce": {}}}},
    )
    away = IntentError(Reason.DEPENDENCY_UNAVAILABLE, "away")
    near = chain(send_tx=[{"final_execution_status": "NONE"}, taken, away])
    results = [(await near.broadcast(b"bytes")).result for _ in range(3)]
    assert results == [BroadcastResult.ACCEPTED, BroadcastResult.NONCE_TAKEN, BroadcastResult.UNKNOWN]


def view(values: dict[str, Any]) -> Any:
    def answer(params: Any) -> Any:
        value = values[params["method_name"]]
        if isinstance(value, Exception):
            return value
        return {"result": list(json.dumps(value).encode()), "block_height": 20, "block_hash": "final"}

    return answer


async def test_views_are_asked_at_a_final_block_and_answered_in_order() -> None:
    node = Scripted({
        "block": block,
        "query": view({
            "has_public_key": True, "is_nonce_used": NearError("HANDLER_ERROR", "UNAVAILABLE_SHARD"),
            "current_salt": "01020304", "is_valid_salt": False,
        })
    })  # fmt: skip
    asked = [
        HasPublicKey("a.near", "ed25519:k"),
        IsNonceUsed("a.near", b"\0" * 32),
        CurrentSalt(),
        IsValidSalt(b"abcd"),
    ]
    key, nonce, salt, valid = await NearChain(node, "verifier.near").views(asked)
    assert not isinstance(key, IntentError) and key.value is True and key.block_height == 20
    assert isinstance(nonce, IntentError) and nonce.reason is Reason.DEPENDENCY_UNAVAILABLE
    assert not isinstance(salt, IntentError) and salt.value == b"\1\2\3\4"
    assert not isinstance(valid, IntentError) and valid.value is False
    (first, *views) = node.asked
    assert first == ("block", {"finality": "final"})
    sent = {params["method_name"]: json.loads(base64.b64decode(params["args_base64"])) for _, params in views}
    assert sent["is_nonce_used"] == {"account_id": "a.near", "nonce": base64.b64encode(b"\0" * 32).decode()}
    assert sent["is_valid_salt"] == {"salt": "61626364"}
    assert all(params["block_id"] == "final" for _, params in views)


async def test_balances_and_registrations_are_views_like_others() -> None:
    unknown, bare = (
        NearError("HANDLER_ERROR", "UNKNOWN_ACCOUNT"),
        NearError("HANDLER_ERROR", "NO_CONTRACT_CODE"),
    )
    values: dict[str, Any] = {
        "usdc.near": {"total": "1", "available": "0"},
        "wrap.near": None,
        "none.near": unknown,
    }
    values |= {
        "bare.near": bare,
        "old.near": NearError("HANDLER_ERROR", "CONTRACT_EXECUTION_ERROR"),
        "odd.near": "1",
    }

    def query(params: Any) -> Any:
        answer = (
            values[params["account_id"]] if params["method_name"] == "storage_balance_of" else str(2**128 - 1)
        )
        return view({params["method_name"]: answer})(params)

    node = Scripted({"block": block, "query": query})
    asked = [
        BalanceOf("a.near", "nep141:usdc.near"),
        *(IsRegistered(contract, "a.near") for contract in values),
    ]
    answers = await NearChain(node, "verifier.near").views(asked)
    told = [one.reason if isinstance(one, IntentError) else one.value for one in answers]
    away = Reason.DEPENDENCY_UNAVAILABLE
    assert told == [2**128 - 1, True, False, False, False, away, away]
    views = [params for method, params in node.asked if method == "query"]
    sent = [json.loads(base64.b64decode(params["args_base64"])) for params in views]
    assert {"account_id": "a.near", "token_id": "nep141:usdc.near"} in sent
    assert {params["account_id"] for params in views} == {"verifier.near", *values}


@pytest.mark.parametrize("value", [None, 5, "05", "-1", "1e3", str(10**39), True])
async def test_a_balance_that_is_none_is_no_answer(value: object) -> None:
    (answer,) = await NearChain(Scripted({"query": view({"mt_balance_of": value})}), "v.near").views(
        [BalanceOf("a", "t")]
    )
    assert isinstance(answer, IntentError) and answer.reason is Reason.DEPENDENCY_UNAVAILABLE


async def test_a_salt_that_is_none_is_no_answer() -> None:
    for value in ("zz", "0102", None, 7):
        (answer,) = await NearChain(Scripted({"query": view({"current_salt": value})}), "v.near").views(
            [CurrentSalt()]
        )
        assert isinstance(answer, IntentError) and answer.reason is Reason.DEPENDENCY_UNAVAILABLE


async def test_intents_of_one_batch_are_read_at_one_final_block() -> None:
    node = Scripted(
        {"block": block, "query": view({"get_intents": [{"id": "a", "status": "verified"}, None]})}
    )
    first, second = await NearChain(node, "verifier.near").intents(["a", "b"])
    assert not isinstance(first, IntentError) and not isinstance(second, IntentError)
    kept = {"id": "a", "status": "verified"}
    assert (first.status, first.kept, first.block_height, first.block_timestamp_ns) == (
        "verified",
        kept,
        20,
        777,
    )
    assert (second.status, second.kept) == (None, None)
    assert [method for method, _ in node.asked] == ["block", "query"]
    assert {params["block_id"] for method, params in node.asked if method == "query"} == {"final"}


async def test_a_contract_without_the_view_of_many_is_asked_one_by_one_from_then_on() -> None:
    missing = NearError(
        "HANDLER_ERROR", "CONTRACT_EXECUTION_ERROR",
        message="wasm execution failed with error: MethodResolveError(MethodNotFound)",
    )  # fmt: skip
    one = {"get_intents": missing, "get_intent_status": "verified", "get_intent": {"id": "a"}}
    node = Scripted({"block": block, "query": view(one)})
    near = NearChain(node, "verifier.near")
    for _ in range(2):
        found = await near.intents(["a", "b"])
        assert [getattr(each, "status", each) for each in found] == ["verified", "verified"]
    assert [p["method_name"] for m, p in node.asked if m == "query"].count("get_intents") == 1


async def test_many_answered_together_are_each_the_one_asked_for() -> None:
    """Another intent than asked for, an odd status, too few: no answers, and nobody takes them for one."""
    for answer in (
        [{"id": "b", "status": "verified"}, None],
        [{"id": "a", "status": "gone"}, None],
        [{"id": "a"}, None],
        ["verified", None],
    ):
        node = Scripted({"block": block, "query": view({"get_intents": answer})})
        first, second = await NearChain(node, "verifier.near").intents(["a", "b"])
        assert isinstance(first, IntentError) and first.reason is Reason.DEPENDENCY_UNAVAILABLE, answer
        assert not isinstance(second, IntentError) and second.status is None
    for answer in ([None], None, {}, "x", [None, None, None]):  # type: ignore[assignment]
        node = Scripted({"block": block, "query": view({"get_intents": answer})})
        found = await NearChain(node, "verifier.near").intents(["a", "b"])
        assert all(isinstance(one, IntentError) for one in found), answer


async def test_intents_too_large_to_come_together_come_alone() -> None:
    huge = [{"id": "a", "status": "verified", "x": "x" * MAX_ANSWER}, None]
    one = {"get_intents": huge, "get_intent_status": "verified", "get_intent": {"id": "a"}}
    node = Scripted({"block": block, "query": view(one)})
    found = await NearChain(node, "verifier.near").intents(["a", "b"])
    assert [getattr(each, "status", each) for each in found] == ["verified", "verified"]


async def test_an_intent_the_contract_does_not_know_costs_one_view() -> None:
    node = Scripted({"block": block, "query": view({"get_intent_status": None})})
    (found,) = await NearChain(node, "verifier.near").intents(["a"])
    assert not isinstance(found, IntentError) and (found.status, found.kept) == (None, None)
    assert [method for method, _ in node.asked] == ["block", "query"]


async def test_a_lone_view_needs_no_block_beforehand() -> None:
    node = Scripted({"query": view({"current_salt": "01020304"})})
    (salt,) = await NearChain(node, "verifier.near").views([CurrentSalt()])
    assert not isinstance(salt, IntentError) and salt.block_height == 20
    assert [params["finality"] for _, params in node.asked] == ["final"]


async def test_the_same_view_asked_at_once_goes_once() -> None:
    node = Scripted({"block": block, "query": view({"current_salt": "01020304", "is_valid_salt": True})})
    near = NearChain(node, "verifier.near")
    alone = await asyncio.gather(*(near.views([CurrentSalt()]) for _ in range(9)))
    assert len(alone) == 9 and len(node.asked) == 1
    node.asked.clear()
    await asyncio.gather(*(near.views([CurrentSalt(), IsValidSalt(b"abcd")]) for _ in range(9)))
    assert sorted(method for method, _ in node.asked) == ["block", "query", "query"]


async def test_who_asks_while_a_call_is_under_way_gets_a_newer_answer() -> None:
    """What is final now may have changed since that call began: only calls that have not begun are shared."""
    held, salts = asyncio.Event(), iter(["00000001", "00000002"])

    class Slow(Scripted):
        async def call(self, method: str, params: object, *, timeout: float = 5.0) -> Any:
            answer = view({"current_salt": next(salts)})(params)
            self.asked.append((method, params))
            await held.wait()
            return answer

    node = Slow({})
    near = NearChain(node, "verifier.near")
    first = asyncio.create_task(near.views([CurrentSalt()]))
    await eventually(lambda: bool(node.asked))
    later = [asyncio.create_task(near.views([CurrentSalt()])) for _ in range(5)]
    await asyncio.sleep(0)
    held.set()
    (old,), *new = [await task for task in (first, *later)]
    assert not isinstance(old, IntentError) and old.value == b"\0\0\0\1"
    assert {one.value for (one,) in new if not isinstance(one, IntentError)} == {b"\0\0\0\2"}
    assert len(node.asked) == 2


async def test_a_caller_that_gives_up_ends_nobody_elses_call() -> None:
    held = asyncio.Event()

    class Slow(Scripted):
        async def call(self, method: str, params: object, *, timeout: float = 5.0) -> Any:
            await held.wait()
            return view({"current_salt": "01020304"})(params)

    near = NearChain(Slow({}), "verifier.near")
    first, second = (asyncio.create_task(near.views([CurrentSalt()])) for _ in range(2))
    await asyncio.sleep(0)
    first.cancel()
    held.set()
    (salt,) = await second
    assert not isinstance(salt, IntentError) and first.cancelled()


async def test_p04_a_hash_that_is_unknown_is_so_up_to_a_final_block_seen_before() -> None:
    """What proves a transaction dead: the node had that block when it still did not know the hash."""
    absent = NearError("HANDLER_ERROR", "UNKNOWN_TRANSACTION")
    node = Scripted({"block": block, "EXPERIMENTAL_tx_status": lambda _: absent})
    found = await NearChain(node, "verifier.near").outcome("h", "s.near")
    assert (found.state, found.block_height) == (TxState.UNKNOWN, 20)
    assert [method for method, _ in node.asked][-2:] == ["block", "EXPERIMENTAL_tx_status"]
    late = Scripted({"block": block, "EXPERIMENTAL_tx_status": [absent, status(SUCCESS)]})
    assert (await NearChain(late, "verifier.near").outcome("h", "s.near")).state is TxState.SUCCEEDED


async def test_what_is_spendable_leaves_what_storage_holds() -> None:
    account = {"amount": str(5 * 10**24), "locked": "0", "storage_usage": 100_000, "block_height": 20}
    near = chain(query=account, gas_price={"gas_price": "100000000"})
    found = await near.balance("r.near")
    assert (found.total, found.spendable, found.block_height) == (5 * 10**24, 4 * 10**24, 20)
    assert await near.gas_price() == 10**8
    with pytest.raises(IntentError) as refused:
        await chain(query=NearError("HANDLER_ERROR", "UNKNOWN_ACCOUNT")).balance("r.near")
    assert refused.value.reason is Reason.PERMISSION_DENIED


async def test_a_missing_access_key_is_said_plainly() -> None:
    with pytest.raises(IntentError) as refused:
        await chain(query=NearError("HANDLER_ERROR", "UNKNOWN_ACCESS_KEY")).access_key("r.near", "ed25519:k")
    assert refused.value.reason is Reason.PERMISSION_DENIED and not refused.value.metadata


@pytest.mark.parametrize(
    ("told", "known"), [(17, "17"), (-1, None), ("17", None), (True, None), (2**63, None)]
)
async def test_of_which_block_a_key_is_missing_is_told_along(told: object, known: str | None) -> None:
    missing = NearError("HANDLER_ERROR", "UNKNOWN_ACCESS_KEY", {"block_height": told})
    with pytest.raises(IntentError) as refused:
        await chain(query=missing).access_key("r.near", "ed25519:k")
    assert refused.value.metadata.get("block_height") == known


async def test_p02_a_nonce_that_no_chain_can_have_reached_is_nonsense() -> None:
    """Taken for true it would leave no nonces to sign with."""
    answer = {"nonce": 21_000_000, "block_hash": "b", "block_height": 20, "permission": "FullAccess"}
    assert (await chain(query=answer).access_key("r.near", "ed25519:k")).nonce == 21_000_000
    with pytest.raises(IntentError) as refused:
        await chain(query=answer | {"nonce": 21_000_001}).access_key("r.near", "ed25519:k")
    assert refused.value.reason is not Reason.PERMISSION_DENIED


class Refusal(Exception):
    def __init__(self) -> None:
        self.error = {"name": "HANDLER_ERROR", "cause": {"name": "UNKNOWN_BLOCK", "info": {}}}


async def test_a_node_in_this_process_is_called_directly() -> None:
    async def handle(method: str, params: Any) -> Any:
        if method == "fail":
            raise Refusal
        return {"method": method}

    transport = LocalTransport(handle, Refusal, lambda refusal: refusal.error)
    assert await transport.call("status", []) == {"method": "status"}
    with pytest.raises(NearError) as refused:
        await transport.call("fail", [])
    assert refused.value.cause == "UNKNOWN_BLOCK"


def test_a_views_error_in_its_old_place_is_an_error() -> None:
    with pytest.raises(NearError) as refused:
        unpack({"result": {"error": "wasm execution failed", "logs": [], "block_height": 1}})
    assert refused.value.cause == "CONTRACT_EXECUTION_ERROR"


async def test_nobody_listening_is_unavailable() -> None:
    async with open_http("http://127.0.0.1:1") as transport:
        with pytest.raises(IntentError) as refused:
            await transport.call("status", [])
    assert refused.value.reason is Reason.DEPENDENCY_UNAVAILABLE
