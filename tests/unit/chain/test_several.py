"""Several endpoints of one chain: who is asked, what is answered when they disagree."""

import asyncio
import logging
from dataclasses import replace
from typing import Any

import pytest

from services.common.chain.near.connect import open_near, urls_problem
from services.common.chain.near.transport import endpoint_name
from services.common.chain.port import (
    AccessKey,
    Block,
    Broadcast,
    BroadcastResult,
    ChainIntent,
    Failure,
    Followed,
    TxOutcome,
    TxState,
)
from services.common.chain.several.chain import SeveralChain
from services.common.chain.several.endpoints import STRIKES, Standing
from services.common.clock import SystemClock
from services.common.domain.views import CurrentSalt, IsValidSalt
from services.common.errors import IntentError, Reason, unavailable
from services.common.observe import Observe
from services.common.observe.metrics import new_registry
from tests.harness.wait import eventually
from tests.unit.processor.fake_chain import FakeChain

GONE = IntentError(Reason.PERMISSION_DENIED, "no such key")
DONE = TxOutcome(state=TxState.SUCCEEDED, value=True, gas_used=7, block_height=100)
LOST = TxOutcome(state=TxState.FAILED, failure="no", failure_kind=Failure.CONTRACT, block_height=100)
UNKNOWN = TxOutcome(state=TxState.UNKNOWN, block_height=100)
PENDING = TxOutcome(state=TxState.PENDING)


class Node:
    """An endpoint of a chain of 100 final blocks. `says` holds answers by method: a value or an exception; what is not
    in it the fake chain answers. `asked` lists the methods called."""

    def __init__(
        self, *, final: int = 100, chain_id: str = "localnet", fork: bool = False, **says: Any
    ) -> None:
        self.chain = FakeChain(SystemClock().now_ns)
        self.final = final
        self.fork = fork
        self.says: dict[str, Any] = {"network": chain_id} | says
        self.asked: list[str] = []

    def __getattr__(self, method: str) -> Any:
        async def call(*args: Any, **kwargs: Any) -> Any:
            self.asked.append(method)
            answer = self.says.get(method, self.says.get("all"))
            if isinstance(answer, asyncio.Event):
                await answer.wait()
                answer = None
            if isinstance(answer, Exception):
                raise answer
            return await getattr(self.chain, method)(*args, **kwargs) if answer is None else answer

        return call

    async def block(self, at: int | str | None = None) -> Block | None:
        if isinstance(self.says.get("all"), Exception):
            raise self.says["all"]
        height = self.final if at is None else int(str(at).rpartition("-")[2])
        name = f"{'fork' if self.fork else 'block'}-{height}"
        return Block(hash=name, height=height, timestamp_ns=1) if height <= self.final else None


def dead() -> Node:
    node = Node(all=unavailable("chain node"))
    node.says["network"] = unavailable("chain node")
    return node


def over(*nodes: Node, **options: Any) -> SeveralChain:
    named = [(f"n{number}", node) for number, node in enumerate(nodes)]
    return SeveralChain(named, clock=SystemClock(), **options)  # type: ignore[arg-type]


def standings(chain: SeveralChain) -> list[Standing]:
    return [endpoint.standing for endpoint in chain.endpoints]


# --- who is asked ---


async def test_the_next_answers_where_one_does_not_and_later_it_is_not_asked_at_all() -> None:
    first, second = Node(gas_price=unavailable("chain node")), Node(gas_price=5)
    chain = over(first, second)
    for _ in range(9):
        assert await chain.gas_price() == 5
    assert standings(chain) == [Standing.AWAY, Standing.USABLE]
    assert first.asked.count("gas_price") == 3
    await chain.survey()
    first.says["gas_price"] = 6
    assert standings(chain)[0] is Standing.USABLE and await chain.gas_price() == 6


async def test_where_all_are_away_the_answer_is_so_and_each_was_asked() -> None:
    chain = over(dead(), dead())
    with pytest.raises(IntentError) as refused:
        await chain.gas_price()
    assert refused.value.reason is Reason.DEPENDENCY_UNAVAILABLE
    assert (await chain.broadcast(b"bytes")).result is BroadcastResult.UNKNOWN


async def test_what_the_chain_itself_says_is_asked_of_nobody_else() -> None:
    said = IntentError(Reason.DEPENDENCY_UNAVAILABLE, "no", metadata={"again": "no"})
    first, second = Node(balance=said), Node()
    with pytest.raises(IntentError):
        await over(first, second).balance("relayer.near")
    assert "balance" not in second.asked


async def test_one_that_takes_long_is_not_waited_for() -> None:
    never = asyncio.Event()
    chain = over(Node(gas_price=never), Node(gas_price=5), hedge=0.01)
    assert await chain.gas_price() == 5
    assert chain.endpoints[0].strikes == 1


async def test_a_node_of_another_chain_is_never_asked_and_named_in_one_line(
    caplog: pytest.LogCaptureFixture,
) -> None:
    foreign, ours = Node(chain_id="mainnet"), Node(broadcast=Broadcast(result=BroadcastResult.ACCEPTED))
    registry = new_registry(process=False)
    chain = over(foreign, ours, network="localnet", observe=Observe(service="t", registry=registry))
    with caplog.at_level(logging.WARNING):
        for _ in range(3):
            await chain.survey()
            await chain.gas_price()
            await chain.broadcast(b"bytes")
    assert set(foreign.asked) == {"network"}
    (line,) = [record for record in caplog.records if record.getMessage() == "chain.endpoint"]
    assert line.__dict__["fields"]["detail"] == "its chain is 'mainnet', not 'localnet'"
    assert registry.get_sample_value("chain_endpoint_usable", {"endpoint": "n0"}) == 0
    with pytest.raises(IntentError):
        await over(Node(chain_id="mainnet"), network="localnet").gas_price()


async def test_without_a_name_for_it_the_chain_is_that_of_the_first_that_answers() -> None:
    chain = over(dead(), Node(), Node(chain_id="mainnet"))
    assert await chain.network() == "localnet"
    assert standings(chain)[2] is Standing.FOREIGN


async def test_one_whose_chain_is_not_known_yet_is_asked_by_nobody_though_it_is_the_last() -> None:
    shy, ours = Node(gas_price=1, network=unavailable("chain node")), Node(gas_price=2)
    chain = over(shy, ours)
    assert await chain.gas_price() == 2
    ours.says["gas_price"] = unavailable("chain node")
    with pytest.raises(IntentError):
        await chain.gas_price()
    assert "gas_price" not in shy.asked
    shy.says["network"] = "localnet"
    await chain.survey()
    assert await chain.gas_price() == 1


async def test_endpoints_are_compared_again_and_again_while_it_runs() -> None:
    class Ticks(SystemClock):
        async def sleep(self, seconds: float) -> None:
            await tick.wait()
            tick.clear()

    tick, late = asyncio.Event(), Node(final=10)
    named: Any = [("late", late), ("good", Node())]
    async with SeveralChain(named, clock=Ticks()).running() as chain:
        await chain.network()
        assert standings(chain) == [Standing.BEHIND, Standing.USABLE]
        late.final = 100
        tick.set()
        await eventually(lambda: standings(chain)[0] is Standing.USABLE)


# --- disagreement about blocks ---


async def test_the_higher_block_wins_where_it_has_the_lower_one_in_its_past() -> None:
    behind, ahead = Node(final=60, gas_price=1), Node(final=100, gas_price=2)
    chain = over(behind, ahead)
    assert await chain.gas_price() == 2
    assert standings(chain) == [Standing.BEHIND, Standing.USABLE]
    behind.final = 90  # caught up, within what is usual
    await chain.survey()
    assert await chain.gas_price() == 1


async def test_a_higher_block_without_evidence_counts_for_nothing() -> None:
    honest, liar, other = Node(gas_price=1), Node(final=10_000, fork=True, gas_price=2), Node(final=97)
    for nodes in ((honest, liar), (liar, honest, other)):
        chain = over(*nodes)
        assert await chain.gas_price() == 1
        assert [one.standing for one in chain.endpoints if one.chain is liar] == [Standing.APART]  # type: ignore[comparison-overlap]


async def test_of_two_that_share_no_block_the_first_listed_is_believed() -> None:
    chain = over(Node(fork=True, gas_price=1), Node(gas_price=2))
    assert await chain.gas_price() == 1
    assert standings(chain) == [Standing.USABLE, Standing.APART]


async def test_the_only_one_left_is_asked_though_it_is_behind() -> None:
    behind, ahead = Node(final=60, gas_price=1), Node(gas_price=2)
    chain = over(behind, ahead)
    await chain.survey()
    ahead.says["gas_price"] = unavailable("chain node")
    assert await chain.gas_price() == 1


# --- transactions ---


async def test_p04_unknown_to_one_is_not_unknown_to_all() -> None:
    for known, expected in ((PENDING, TxState.PENDING), (DONE, TxState.SUCCEEDED)):
        chain = over(Node(outcome=UNKNOWN), Node(outcome=known), Node(outcome=known))
        assert (await chain.outcome("h", "s")).state is expected


async def test_p04_unknown_to_all_is_so_up_to_the_block_that_all_have() -> None:
    found = await over(Node(outcome=UNKNOWN), Node(outcome=replace(UNKNOWN, block_height=93))).outcome(
        "h", "s"
    )
    assert (found.state, found.block_height) == (TxState.UNKNOWN, 93)


async def test_p04_unknown_is_no_proof_while_one_has_not_answered() -> None:
    found = await over(Node(outcome=UNKNOWN), Node(outcome=unavailable("chain node"))).outcome("h", "s")
    assert (found.state, found.block_height) == (TxState.UNKNOWN, 0)


async def test_p04_an_end_that_one_alone_tells_is_no_end() -> None:
    for end in (DONE, LOST):
        for other, answered in ((UNKNOWN, TxState.UNKNOWN), (PENDING, TxState.PENDING)):
            found = await over(Node(outcome=end), Node(outcome=other)).outcome("h", "s")
            assert (found.state, found.block_height) == (answered, 0)
        assert await over(Node(outcome=end), Node(outcome=end)).outcome("h", "s") == end


async def test_p04_an_end_waits_for_the_second_word_until_the_second_counts_as_away() -> None:
    """One failure of the other is no reason to believe the first alone. No survey makes it forgotten either."""
    chain = over(Node(outcome=LOST), Node(outcome=unavailable("chain node")))
    for _ in range(STRIKES - 1):
        assert (await chain.outcome("h", "s")).state is TxState.PENDING
        await chain.survey()
    assert await chain.outcome("h", "s") == LOST
    assert standings(chain) == [Standing.USABLE, Standing.AWAY]
    assert await chain.outcome("h", "s") == LOST


async def test_unknown_is_proof_once_the_silent_one_counts_as_away() -> None:
    """A part of a node that never answers holds up no proof for ever."""
    chain = over(Node(outcome=UNKNOWN), Node(outcome=unavailable("chain node")))
    heights = [(await chain.outcome("h", "s")).block_height for _ in range(STRIKES + 1)]
    assert heights == [0] * STRIKES + [100]


async def test_p04_two_ends_that_differ_are_none_until_two_tell_the_same() -> None:
    registry = new_registry(process=False)
    nodes = Node(outcome=LOST), Node(outcome=DONE)
    chain = over(*nodes, observe=Observe(service="t", registry=registry))
    assert (await chain.outcome("h", "s")).state is TxState.PENDING
    assert registry.get_sample_value("chain_disagreements_total", {"about": "outcome"}) == 1
    assert await over(*nodes, Node(outcome=DONE)).outcome("h", "s") == DONE
    other_gas = replace(DONE, gas_used=8)
    assert (
        await over(Node(outcome=DONE), Node(outcome=other_gas)).outcome("h", "s")
    ).state is TxState.PENDING


async def test_p04_what_one_alone_holds_without_an_end_goes_out_again_to_all() -> None:
    swallowed = over(Node(outcome=PENDING), Node(outcome=UNKNOWN))
    found = await swallowed.outcome("h", "s", wait_final=True)
    assert (found.state, found.block_height) == (TxState.UNKNOWN, 0)
    nodes = [Node(broadcast=Broadcast(result=BroadcastResult.ACCEPTED)) for _ in range(3)]
    chain = over(*nodes)
    for _ in range(2):
        assert (await chain.broadcast(b"bytes")).result is BroadcastResult.ACCEPTED
    assert [node.asked.count("broadcast") for node in nodes] == [2, 1, 1]


@pytest.mark.parametrize(
    ("said", "given"),
    [
        (("refused", "accepted"), "accepted"),
        (("unknown", "accepted"), "accepted"),
        (("refused", "nonce_taken"), "nonce_taken"),
        (("refused", "unknown"), "unknown"),
        (("low_balance", "unknown"), "unknown"),
        (("low_balance", "refused"), "low_balance"),
        (("expired", "refused"), "expired"),
        (("refused", "refused"), "refused"),
    ],
)
async def test_p04_bytes_are_refused_only_where_everybody_refuses_them(
    said: tuple[str, ...], given: str
) -> None:
    nodes = [Node(broadcast=Broadcast(result=BroadcastResult(one))) for one in said]
    assert (await over(*nodes).broadcast(b"bytes")).result == given


def key(nonce: int) -> AccessKey:
    return AccessKey(nonce=nonce, block_hash="block-100", block_height=100)


async def test_a_nonce_is_used_and_a_key_gone_only_where_all_say_so() -> None:
    assert (await over(Node(access_key=key(9)), Node(access_key=key(4))).access_key("a", "k")).nonce == 4
    assert (await over(Node(access_key=GONE), Node(access_key=key(4))).access_key("a", "k")).nonce == 4
    assert (await over(Node(access_key=key(4)), Node(access_key=GONE)).access_key("a", "k")).nonce == 4
    with pytest.raises(IntentError) as refused:
        await over(Node(access_key=GONE), Node(access_key=GONE)).access_key("a", "k")
    assert refused.value.reason is Reason.PERMISSION_DENIED


@pytest.mark.parametrize("silent", [0, 1])
async def test_p02_a_key_proves_nothing_while_one_has_not_answered(silent: int) -> None:
    """It is enough to sign with all the same."""
    nodes = [Node(access_key=key(9)), Node(access_key=key(9))]
    assert (await over(*nodes).access_key("a", "k")).sure
    nodes[silent].says["access_key"] = unavailable("chain node")
    found = await over(*nodes).access_key("a", "k")
    assert found.nonce == 9 and found.sure is False
    nodes[1 - silent].says["access_key"] = replace(GONE, metadata={"block_height": "100"})
    with pytest.raises(IntentError) as refused:
        await over(*nodes).access_key("a", "k")
    assert refused.value.reason is Reason.PERMISSION_DENIED and not refused.value.metadata


# --- what the contract holds ---


@pytest.mark.parametrize("silence", [unavailable("chain node"), [unavailable("chain node")]])
async def test_p04_a_contracts_word_waits_for_the_second_until_it_counts_as_away(silence: Any) -> None:
    chain = over(Node(intents=held("failed")), Node(intents=silence))
    for _ in range(STRIKES - 1):
        (seen,) = await chain.intents(["a"])
        assert isinstance(seen, IntentError) and seen.reason is Reason.DEPENDENCY_UNAVAILABLE
    assert await chain.intents(["a"]) == held("failed")


def held(status: str | None, **body: object) -> list[ChainIntent]:
    kept = None if status is None else {"id": "a", "input_amount": "1", "failures": 0} | body
    return [ChainIntent(status=status, kept=kept, block_height=100, block_timestamp_ns=1)]


@pytest.mark.parametrize(
    ("first", "second", "given"),
    [
        ("completed", "verified", "verified"),
        ("verified", "completed", "verified"),
        ("failed", None, None),
        ("executing", "executing", "executing"),
    ],
)
async def test_p04_of_two_words_about_an_intent_the_one_that_claims_less_counts(
    first: str, second: str | None, given: str | None
) -> None:
    (seen,) = await over(Node(intents=held(first)), Node(intents=held(second))).intents(["a"])
    assert isinstance(seen, ChainIntent) and seen.status == given


async def test_p04_two_words_that_cannot_both_be_true_are_an_error_until_two_agree() -> None:
    for first, second in (
        (held("completed"), held("failed")),
        (held("verified"), held("verified", input_amount="2")),
    ):
        nodes = Node(intents=first), Node(intents=second)
        (seen,) = await over(*nodes).intents(["a"])
        assert isinstance(seen, IntentError) and seen.reason is Reason.DEPENDENCY_UNAVAILABLE
        (seen,) = await over(*nodes, Node(intents=second)).intents(["a"])
        assert seen == second[0]


async def test_blocks_are_told_by_the_first_that_has_them_all() -> None:
    final = Block(hash="block-100", height=100, timestamp_ns=1)
    lacking, whole = Followed(upto=None, final=final, missing=True), Followed(upto=None, final=final)
    first, second = Node(changes=lacking), Node(changes=whole)
    assert await over(first, second).changes(50, 10) == whole
    assert (
        await over(Node(changes=unavailable("chain node")), Node(changes=lacking)).changes(50, 10) == lacking
    )
    with pytest.raises(IntentError):
        await over(dead(), dead()).changes(50, 10)
    # a piece of the chain takes its time: nobody is asked beside for that, or counted as away
    chain = over(Node(changes=asyncio.Event()), second, hedge=0.001)
    second.asked.clear()
    with pytest.raises(TimeoutError):
        await asyncio.wait_for(chain.changes(50, 10), 0.05)
    assert second.asked.count("changes") == 0 and chain.endpoints[0].strikes == 0


async def test_a_batch_is_one_endpoints_whole_answer() -> None:
    class Half(Node):
        def __init__(self) -> None:
            super().__init__(views=[unavailable("chain node"), *held(None)])

    half, whole = Half(), Node()
    answers = await over(half, whole).views([CurrentSalt(), IsValidSalt(b"\1\2\3\4")])
    assert [one.value for one in answers if not isinstance(one, IntentError)] == [b"\1\2\3\4", True]
    answers = await over(half, dead()).views([CurrentSalt(), IsValidSalt(b"\1\2\3\4")])
    assert isinstance(answers[0], IntentError) and answers[1] == held(None)[0]


# --- settings ---


@pytest.mark.parametrize("url", ["ftp://a", "a:3030", "", "http://", "http://a:99999999/"])
def test_what_is_no_url_is_named_by_its_place(url: str) -> None:
    assert urls_problem(["http://a", url]) == "number 2 is not an http:// or https:// URL"


async def test_what_logs_say_of_an_endpoint_holds_no_key() -> None:
    secret = "https://user:hidden@rpc.example.org:8443/v1/hidden?apiKey=hidden#hidden"
    assert endpoint_name(secret) == "rpc.example.org:8443"
    urls = [secret, "https://rpc.example.org:8443/v2", "http://[::1]:3030"]
    async with open_near(urls, "verifier.near", clock=SystemClock()) as chain:
        names = [endpoint.name for endpoint in chain.endpoints]
    assert names == ["rpc.example.org:8443#1", "rpc.example.org:8443#2", "[::1]:3030"]


async def test_neither_logs_nor_errors_hold_a_key_of_a_url(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.DEBUG):
        async with open_near(
            ["http://user:hidden@127.0.0.1:1/hidden?apiKey=hidden"], "verifier.near", clock=SystemClock()
        ) as chain:
            with pytest.raises(IntentError) as refused:
                await chain.gas_price()
            sent = await chain.broadcast(b"bytes")
    said = [str(record.__dict__) for record in caplog.records] + [
        repr(refused.value),
        repr(sent),
        repr(chain),
    ]
    assert caplog.records and not [one for one in said if "hidden" in one]
