"""What proves that a transaction is dead, and what does not: only with a proof is anything signed anew (P2)."""

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from services.common.chain.port import AccessKey, ChainIntent, FunctionCall, TxOutcome, TxState
from services.common.domain.intent import SignedTransaction
from services.common.domain.lifecycle import Status
from services.common.errors import IntentError, Reason
from services.common.observe import Observe
from services.common.observe.metrics import new_registry
from services.processor.follow import DEAD_MARGIN, Follower
from services.processor.lane import Lane
from services.processor.model import NEXT, Do, decide
from services.processor.observe import Vocabulary
from tests.harness.wait import eventually
from tests.unit.processor.fake_chain import FakeChain
from tests.unit.processor.support import FastClock, proven, signer, stage
from tests.unit.processor.test_table import fields_of_a_dead_one
from tests.unit.test_checker import RECORD

NONCE = 5
SIGNED_AT = 100


class Witness(FakeChain):
    """Says of the key and of the intent what was lined up, then the truth."""

    def __init__(self, now_ns: Any) -> None:
        super().__init__(now_ns)
        self.keys: list[AccessKey | IntentError] = []
        self.looks: list[str | None] = []

    async def access_key(self, account_id: str, public_key: str) -> AccessKey:
        if not self.keys:
            return await super().access_key(account_id, public_key)
        said = self.keys.pop(0)
        if isinstance(said, IntentError):
            raise said
        self.height = max(self.height, said.block_height)
        return said

    async def intents(self, intent_ids: Sequence[str]) -> Sequence[ChainIntent | IntentError]:
        answers = await super().intents(intent_ids)
        if not self.looks:
            return answers
        status = self.looks.pop(0)
        return [replace(one, status=status) for one in answers if isinstance(one, ChainIntent)]


def key(nonce: int, height: int) -> AccessKey:
    return AccessKey(nonce=nonce, block_hash=f"block-{height}", block_height=height)


def gone(height: int | None) -> IntentError:
    known = {} if height is None else {"block_height": str(height)}
    return IntentError(Reason.PERMISSION_DENIED, "no such key", metadata=known)


def signed(chain: FakeChain, purpose: str = "verify") -> SignedTransaction:
    """Bytes that never arrive."""
    chain.lose = 10**9
    call = FunctionCall(
        receiver_id="verifier.near", method="verify_signed_intent", args={"intent": {"id": "i-1"}}
    )
    return chain.prepare(call, signer(), nonce=NONCE, anchor=key(0, SIGNED_AT), purpose=purpose)


@asynccontextmanager
async def following(
    chain: FakeChain, tx: SignedTransaction, *, validity: int = 86_400
) -> AsyncIterator["asyncio.Task[SignedTransaction]"]:
    clock = FastClock(datetime.now(UTC))
    observe = Vocabulary(Observe(service="processor", registry=new_registry(process=False)))
    nobody: Any = None  # who only follows signs nothing and stores nothing
    lane = Lane(chain, nobody, nobody, clock, observe)
    follower = Follower(chain=chain, lane=lane, clock=clock, observe=observe, validity=validity)
    tasks = [asyncio.create_task(lane.run()), asyncio.create_task(follower.follow("i-1", tx))]
    try:
        yield tasks[1]  # type: ignore[misc]
    finally:
        for task in tasks:
            task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await task


@pytest.fixture
def chain() -> Witness:
    return Witness(lambda: 0)


async def test_the_proof_of_a_death_says_all_it_rests_on(chain: Witness) -> None:
    tx = replace(signed(chain), evidence='{"contract_status":"unknown","block_height":99}')
    chain.nonces[signer().public_key] = NONCE + 1
    async with following(chain, tx) as task:
        dead = await asyncio.wait_for(task, 20)
    proof = json.loads(dead.evidence)
    assert dead.status == "dead" and dead == replace(tx, status="dead", evidence=dead.evidence)
    assert (proof["key"], proof["public_key"], proof["nonce"]) == ("nonce 6", signer().public_key, NONCE)
    assert proof["signed_at"] == SIGNED_AT and proof["contract_status"] == "unknown"
    assert min(proof["unknown_at"], proof["block_height"]) >= proof["passed_at"] + DEAD_MARGIN
    assert proof["basis"] == {"contract_status": "unknown", "block_height": 99}
    assert set(proof) == fields_of_a_dead_one(), "docs/processor.md lists others"


async def test_p02_what_a_later_look_contradicts_is_no_proof(chain: Witness) -> None:
    """One says the nonce is used, the next of a higher block that it is not: the evidence begins anew."""
    tx = signed(chain)
    chain.keys = [key(NONCE, 110), key(NONCE - 1, 200), key(NONCE, 300)]
    chain.nonces[signer().public_key] = NONCE
    async with following(chain, tx) as task:
        dead = await asyncio.wait_for(task, 20)
    assert json.loads(dead.evidence)["passed_at"] == 300


async def test_p02_a_nonce_that_not_all_call_used_is_no_proof(chain: Witness) -> None:
    """One that was to be asked did not answer: the bytes live on until all say so."""
    tx = signed(chain)
    chain.keys = [replace(key(NONCE, height), sure=False) for height in (110, 200, 300)]
    chain.nonces[signer().public_key] = NONCE
    async with following(chain, tx) as task:
        dead = await asyncio.wait_for(task, 20)
    assert json.loads(dead.evidence)["passed_at"] >= 300


@pytest.mark.parametrize("height", [None, SIGNED_AT - 1, SIGNED_AT])
async def test_p02_a_node_behind_the_signature_proves_no_key_gone(chain: Witness, height: int | None) -> None:
    """It may never have seen the key. The bytes live on."""
    tx = signed(chain)
    chain.keys = [gone(height)] * 6
    async with following(chain, tx) as task:
        await eventually(lambda: not chain.keys)
        assert not task.done()
        chain.lose = 0
        chain.kept["i-1"] = {"intent": {"id": "i-1"}, "status": "verified", "failures": 0}
        assert (await asyncio.wait_for(task, 20)).status != "dead"


async def test_a_key_gone_after_the_signature_is_proof(chain: Witness) -> None:
    tx = signed(chain)
    chain.gone.add(signer().public_key)
    chain.height = SIGNED_AT + 1
    async with following(chain, tx) as task:
        dead = await asyncio.wait_for(task, 20)
    assert (dead.status, json.loads(dead.evidence)["key"]) == ("dead", "gone")


async def test_p02_a_block_hash_is_too_old_by_its_block_not_by_what_was_noted(chain: Witness) -> None:
    """Whoever gave the block hash gave a wrong height with it: the bytes may live longer than it seems."""
    tx = replace(signed(chain), block_height=1)
    chain.height = SIGNED_AT + 450
    async with following(chain, tx, validity=500) as task:
        await eventually(lambda: len(chain.sent) > 6)
        assert not task.done()
        chain.height = SIGNED_AT + 501
        dead = await asyncio.wait_for(task, 20)
    proof = json.loads(dead.evidence)
    assert proof["key"] == "block hash too old" and proof["passed_at"] > SIGNED_AT + 500


@pytest.mark.parametrize("status", ["executing", None, "someday"])
async def test_p02_a_solve_is_not_dead_while_the_contract_may_be_at_work(
    chain: Witness, status: str | None
) -> None:
    """Nor where it does not know the intent, which it knew when the solve was signed: then something is amiss."""
    tx = signed(chain, "solve")
    chain.nonces[signer().public_key] = NONCE
    chain.looks = [status] * 8 + ["verified"] * 8
    async with following(chain, tx) as task:
        await eventually(lambda: len(chain.looks) <= 8)
        dead = await asyncio.wait_for(task, 20)
    assert len(chain.looks) < 8
    assert (dead.status, json.loads(dead.evidence)["contract_status"]) == ("dead", "verified")


@pytest.mark.parametrize("status", [status for status in Status if status in {one for one, _ in NEXT}])
@pytest.mark.parametrize("said", [None, "verified", "executing", "completed", "failed"])
def test_p02_a_view_older_than_the_last_end_moves_nothing(status: Status, said: str | None) -> None:
    """A node that lags may show the contract as it was before: nothing is signed, moved or failed by it."""
    tx = SignedTransaction(
        purpose="solve", hash="h", signed_bytes=b"", signer_id="r.near", public_key="k", nonce=1, block_hash="b",
        block_height=90, chain="localnet", status="failure", evidence='{"block_height":120}',
    )  # fmt: skip
    record = replace(RECORD, status=status, transactions=(tx,))
    kept = None if said is None else {"id": "another"}
    for height, moves in ((119, False), (120, True)):
        seen = ChainIntent(status=said, kept=kept, block_height=height, block_timestamp_ns=10**19)
        assert moves or decide(record, seen).do is Do.WAIT


async def test_p02_a_second_attempt_says_what_it_rests_on_and_no_lagging_view_is_enough(
    tmp_path: Path,
) -> None:
    async with stage(tmp_path) as play:
        play.chain.solver_fails = 1
        (intent_id,) = await play.accept()
        real, behind = play.chain.intents, 0

        async def lagging(ids: Sequence[str]) -> Sequence[ChainIntent | IntentError]:
            nonlocal behind
            answers = await real(ids)
            if play.chain.solver_fails == 0 and behind < 6:
                behind += 1
                return [replace(one, block_height=50) for one in answers if isinstance(one, ChainIntent)]
            return answers

        play.chain.intents = lagging  # type: ignore[method-assign]
        async with play.processor():
            await eventually(lambda: behind, 20)
            while behind < 6:
                assert len((await play.record(intent_id)).transactions) == 2
                await play.resting(intent_id)
                play.clock.advance(seconds=20)
            (record,) = await play.ended(intent_id)
    assert record.status is Status.COMPLETED
    proven(record)
    verify, first, second = record.transactions
    assert json.loads(first.evidence)["basis"] == {
        "answered": verify.hash,
        "block_height": json.loads(verify.evidence)["block_height"],
    }
    again = json.loads(second.evidence)["basis"]
    assert again["after"] == [{"hash": first.hash, "status": first.status}]
    assert again["contract_status"] == "verified"


class Prompt(FakeChain):
    """A node that holds no answer back."""

    async def outcome(self, tx_hash: str, sender_id: str, *, wait_final: bool = False) -> TxOutcome:
        return TxOutcome(state=TxState.PENDING)


async def test_a_node_that_answers_at_once_is_asked_more_and_more_rarely() -> None:
    """Thousands in flight would else ask it ten times a second each while blocks take their time."""
    waits: list[float] = []

    class Counting(FastClock):
        async def sleep(self, seconds: float) -> None:
            waits.append(seconds)
            await super().sleep(seconds)

    chain = Prompt(lambda: 0)
    observe = Vocabulary(Observe(service="processor", registry=new_registry(process=False)))
    nobody: Any = None
    follower = Follower(
        chain=chain, lane=nobody, clock=Counting(datetime.now(UTC)), observe=observe, validity=86_400
    )
    task = asyncio.create_task(follower.follow("i-1", signed(chain)))
    await eventually(lambda: len(waits) >= 6)
    task.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await task
    assert waits[:6] == [0.1, 0.2, 0.4, 0.8, 1.0, 1.0]
