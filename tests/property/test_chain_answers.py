"""Whatever a chain node answers: every call of the port ends with a value of its kind or a typed error, and nothing
moves an intent to failed. A real HTTP server sends the bytes."""

import asyncio
import random
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from services.common.chain.near.chain import NearChain
from services.common.chain.near.transport import MAX_ANSWER, open_http
from services.common.chain.port import (
    AccessKey,
    Balance,
    Block,
    BroadcastResult,
    ChainIntent,
    Followed,
    FunctionCall,
    TxOutcome,
    TxState,
)
from services.common.domain.lifecycle import Status
from services.common.domain.views import (
    BalanceOf,
    CurrentSalt,
    HasPublicKey,
    IsNonceUsed,
    IsRegistered,
    IsValidSalt,
    ViewAnswer,
)
from services.common.errors import IntentError, Reason
from tests.harness import hostile
from tests.harness.wait import eventually
from tests.unit.processor.support import Stage, signer, stage

VIEWS = [
    CurrentSalt(), HasPublicKey("a.near", "k"), IsNonceUsed("a.near", b"\0" * 32), IsValidSalt(b"abcd"),
    BalanceOf("a.near", "t"), IsRegistered("t.near", "a.near"),
]  # fmt: skip
ALLOWED = {Reason.DEPENDENCY_UNAVAILABLE, Reason.DEADLINE_EXCEEDED}


class World:
    """One loop, one server, one adapter for all examples. `answer` makes the bytes for a request."""

    def __init__(self) -> None:
        self.runner = asyncio.Runner()
        self.answer: hostile.Answers = lambda request: hostile.http(
            hostile.of(request, hostile.honest(request))
        )
        self.url = ""
        self._stop = asyncio.Event()
        self._task: asyncio.Task[None] | None = None

    async def _serve(self, ready: asyncio.Event) -> None:
        async with hostile.serving(lambda request: self.answer(request)) as self.url:
            ready.set()
            await self._stop.wait()

    def __enter__(self) -> "World":
        async def begin() -> None:
            ready = asyncio.Event()
            self._task = asyncio.create_task(self._serve(ready))
            await ready.wait()

        self.runner.run(begin())
        return self

    def __exit__(self, *_: object) -> None:
        async def end() -> None:
            self._stop.set()
            assert self._task is not None
            await self._task

        self.runner.run(end())
        self.runner.close()

    def ask(self, question: Any) -> list[Any]:
        """What the calls of `question(chain)` gave: values, or the IntentErrors they raised."""

        async def run() -> list[Any]:
            async with open_http(self.url) as transport:
                chain = NearChain(transport, "verifier.near")
                return await asyncio.gather(*question(chain), return_exceptions=True)

        return self.runner.run(run())


@pytest.fixture(scope="module")
def world() -> Iterator[World]:
    with World() as made:
        yield made


def everything(chain: NearChain) -> list[Any]:
    return [
        chain.network(), chain.block(), chain.block("b1"), chain.views(VIEWS), chain.views(VIEWS[:1]),
        chain.intents(["a", "b"]), chain.access_key("relayer.near", "ed25519:k"), chain.balance("relayer.near"),
        chain.gas_price(), chain.broadcast(b"signed"), chain.outcome("tx", "relayer.near"),
        chain.outcome("tx", "relayer.near", wait_final=True), chain.changes(47, 10),
    ]  # fmt: skip


def check(answers: list[Any]) -> None:
    """Each is of its kind, within bounds, or an error that says that the node was of no use."""
    flat = [one for answer in answers for one in (answer if isinstance(answer, list) else [answer])]
    for answer in flat:
        match answer:
            case IntentError():
                assert answer.reason in ALLOWED, answer
            case TxOutcome():
                assert answer.state is not TxState.FAILED
                assert 0 <= answer.gas_used < 2**66 and answer.total_cost >= 0 and answer.block_height >= 0
            case ViewAnswer():
                assert isinstance(answer.value, bool | bytes | int) and answer.block_height >= 0
            case ChainIntent():
                assert answer.status in (None, "verified", "executing", "completed")
                assert (answer.kept is None) == (answer.status is None)
            case Followed():
                assert all(0 < change.block_height <= answer.final.height for change in answer.changes)
                assert all(change.intent_id is None or change.intent_id for change in answer.changes)
                assert answer.upto is None or 47 < answer.upto.height <= 57
            case Block() | AccessKey() | Balance():
                numbers = [
                    value
                    for value in (getattr(answer, name) for name in answer.__slots__)
                    if isinstance(value, int)
                ]
                assert all(value >= 0 for value in numbers)
            case _:
                assert answer is None or isinstance(answer, str | int) or answer.result in BroadcastResult


@settings(max_examples=60, deadline=None)
@given(seed=st.integers(0, 2**32), often=st.sampled_from((0.3, 1.0)))
def test_p04_p10_no_answer_of_a_node_is_taken_for_more_than_it_is(
    world: World, seed: int, often: float
) -> None:
    dice = random.Random(seed)

    def answer(request: Any) -> bytes:
        result = hostile.honest(request)
        if dice.random() > often:
            return hostile.http(hostile.of(request, result))
        if dice.random() < 0.5:
            return hostile.http(hostile.of(request, hostile.spoilt(result, dice)))
        return hostile.any_bytes(request, result, dice)

    world.answer = answer
    check(world.ask(everything))


def outcomes(world: World, status: Any) -> list[Any]:
    def answer(request: Any) -> bytes:
        tx = request["method"] == "EXPERIMENTAL_tx_status"
        return hostile.http(hostile.of(request, status if tx else hostile.honest(request)))

    world.answer = answer
    return world.ask(lambda chain: [chain.outcome("tx", "relayer.near")])


@settings(max_examples=15, deadline=None)
@given(st.permutations(range(6)))
def test_receipts_in_any_order_and_twice_are_the_same_outcome(world: World, order: list[int]) -> None:
    told = hostile.executed("tx")
    told["receipts_outcome"] = [(told["receipts_outcome"] * 2)[index] for index in order]
    (found,) = outcomes(world, told)
    assert (found.state, found.gas_used, found.total_cost) == (TxState.SUCCEEDED, 40, 4_000)
    assert (found.value, found.block_height, len(found.logs)) == (True, 50, 4)


FAILURE = {"Failure": {"ActionError": {"kind": {"FunctionCallError": {"ExecutionError": "no"}}}}}


def failed(tx_hash: str = "tx", **changes: Any) -> Any:
    told = hostile.executed(tx_hash) | {"status": FAILURE}
    told["receipts_outcome"][0]["outcome"]["status"] = FAILURE
    told["transaction_outcome"]["outcome"] |= changes
    return told


def other_end() -> Any:
    told = hostile.executed("tx") | {"status": FAILURE}
    return told


def two_ends() -> Any:
    told = failed()
    told["receipts_outcome"].append(hostile.receipt("r1", then=("r2", "r3"), gas=11, status=FAILURE))
    return told


@pytest.mark.parametrize(
    "told",
    [
        failed("another"),
        failed() | {"transaction": {"hash": "another"}},
        failed(gas_burnt=-1),
        failed(gas_burnt=2**64),
        failed(gas_burnt=True),
        failed(tokens_burnt="-5"),
        failed(tokens_burnt="1e3"),
        failed(receipt_ids="r1"),
        failed(receipt_ids=[["r1"]]),
        failed(logs=[7]),
        failed() | {"status": FAILURE | {"SuccessValue": ""}},
        failed() | {"receipts_outcome": None},
        other_end(),
        two_ends(),
    ],
    ids=range(14),
)
def test_p04_a_failure_that_is_not_this_transactions_final_one_is_none(world: World, told: Any) -> None:
    (honest,) = outcomes(world, failed())
    assert honest.state is TxState.FAILED and honest.failure == "no"
    (found,) = outcomes(world, told)
    assert isinstance(found, IntentError) or found.state is TxState.PENDING, found
    assert not isinstance(found, IntentError) or found.reason in ALLOWED


@pytest.mark.parametrize(
    "result", [10**13, "AAAA", None, {"0": 1}, [300], [-1], [1.5], list(b'{"a": NaN}'), list(b"[" * 70_000)]
)
def test_p10_a_contract_that_answers_nonsense_is_no_answer(world: World, result: Any) -> None:
    def answer(request: Any) -> bytes:
        told = hostile.honest(request)
        if "method_name" in request["params"]:
            told = {"result": result, "block_height": 50, "block_hash": "b1", "logs": []}
        return hostile.http(hostile.of(request, told))

    world.answer = answer
    views, intents = world.ask(lambda chain: [chain.views(VIEWS), chain.intents(["a"])])
    assert all(isinstance(one, IntentError) and one.reason in ALLOWED for one in (*views, *intents))


@pytest.mark.parametrize("told", ["length", "no length", "a length alone"])
def test_p10_an_answer_is_bounded_before_it_is_read(world: World, told: str) -> None:
    """Whether its head says how long it is or not; nothing larger is held. As large as is taken it is an answer."""

    def answer(request: Any, size: int) -> bytes:
        body = hostile.of(request, {"gas_price": "100", "more": ""})
        body = body.replace(b'""', b'"' + b"x" * (size - len(body)) + b'"')
        assert len(body) == size
        if told == "a length alone":
            return hostile.http(b"", length=10**15 if size > MAX_ANSWER else 0)
        return hostile.http(body) if told == "length" else b"HTTP/1.1 200 OK\r\n\r\n" + body

    for size, taken in ((MAX_ANSWER, told != "a length alone"), (MAX_ANSWER + 1, False)):
        world.answer = lambda request, size=size: answer(request, size)
        (found,) = world.ask(lambda chain: [chain.gas_price()])
        assert found == 100 if taken else isinstance(found, IntentError)


def test_p04_the_answer_to_another_question_is_none(world: World) -> None:
    for other in (0, None, "", [1], 10**9):
        world.answer = lambda request, other=other: hostile.http(
            hostile.of({"id": other}, hostile.honest(request))
        )
        price, sent = world.ask(lambda chain: [chain.gas_price(), chain.broadcast(b"signed")])
        assert isinstance(price, IntentError) and sent.result is BroadcastResult.UNKNOWN
    world.answer = lambda request: hostile.http(
        hostile.of({"id": str(request["id"])}, hostile.honest(request))
    )
    assert world.ask(lambda chain: [chain.gas_price()]) == [100]


@pytest.mark.parametrize("cause", ["NO_CONTRACT_CODE", "UNKNOWN_ACCOUNT", "CONTRACT_EXECUTION_ERROR"])
def test_p04_a_contract_that_is_not_there_says_nothing_of_an_intent(world: World, cause: str) -> None:
    def answer(request: Any) -> bytes:
        view = "method_name" in request["params"]
        return hostile.http(
            hostile.refused(request, cause) if view else hostile.of(request, hostile.honest(request))
        )

    world.answer = answer
    (seen,) = world.ask(lambda chain: [chain.intents(["a"])])
    assert isinstance(seen[0], IntentError) and seen[0].metadata == {
        "dependency": "chain", "cause": cause, "again": "no",
    }  # fmt: skip


# --- and the intents themselves ---


@pytest.fixture
async def play(tmp_path: Path) -> AsyncIterator[Stage]:
    async with stage(tmp_path) as made:
        yield made


@pytest.mark.parametrize("seed", range(3))
async def test_p04_no_answer_of_a_node_moves_an_intent_to_failed(play: Stage, seed: int) -> None:
    dice, asked = random.Random(seed), 0

    def answer(request: Any) -> bytes:
        nonlocal asked
        asked += 1
        result = hostile.honest(request)
        if dice.random() < 0.5:
            return hostile.http(hostile.of(request, result))
        if dice.random() < 0.7:
            return hostile.http(hostile.of(request, hostile.spoilt(result, dice)))
        return hostile.any_bytes(request, result, dice)

    ids = await play.accept(4)
    async with hostile.serving(answer) as url, open_http(url) as transport:
        async with play.processor(chain=NearChain(transport, "verifier.near")):
            turns = iter(range(300))

            async def enough() -> bool:
                play.clock.advance(seconds=min(next(turns, 0), 1))
                return asked > 150 or all([(await play.record(one)).terminal for one in ids])

            await eventually(enough, timeout=30)
        records = [await play.record(one) for one in ids]
    assert all(record.status is not Status.FAILED for record in records), records


async def test_what_is_signed_over_a_bad_anchor_is_refused_here() -> None:
    """A block hash that is none never gets into signed bytes."""
    chain = NearChain(_Fixed({"chain_id": "localnet"}), "verifier.near")
    await chain.network()
    call = FunctionCall(receiver_id="verifier.near", method="m", args={})
    for block in ("", "0OIl", "1" * 200, "abc"):
        anchor = AccessKey(nonce=1, block_hash=block, block_height=1)
        with pytest.raises(ValueError):
            chain.prepare(call, signer(), nonce=2, anchor=anchor, purpose="verify")


class _Fixed:
    def __init__(self, result: object) -> None:
        self._result = result

    async def call(self, method: str, params: object, *, timeout: float = 5.0) -> Any:
        return self._result
