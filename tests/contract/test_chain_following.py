"""What is promised of following the chain: changes in final blocks alone, in order, none passed over in silence."""

from collections import Counter
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any

import pytest

from services.common.chain.near.chain import NearChain
from services.common.chain.near.following import events_in
from services.common.chain.near.transport import LocalTransport
from services.common.chain.port import Change, Followed
from services.common.clock import SystemClock
from services.devnet.app import Devnet, build
from services.devnet.config import Settings
from services.devnet.rpc.errors import RpcError
from tests.contract.test_chain_contract import Kit, args, kit
from tests.harness.near import User

__all__ = ["args", "kit"]


async def final_of(kit: Kit) -> int:
    block = await kit.chain.block()
    assert block is not None
    return block.height


async def all_of(kit: Kit, after: int, until: int, limit: int = 50) -> list[Change]:
    """Every change above `after`, once all up to `until` is told."""
    changes: list[Change] = []
    while after < until:
        found = await kit.chain.changes(after, limit)
        assert not found.missing and all(after < one.block_height for one in found.changes)
        changes += found.changes
        if found.upto is not None:
            assert after < found.upto.height <= after + limit and found.upto.hash
            after = found.upto.height
    return changes


async def test_a_change_is_told_once_with_its_block_and_its_event(kit: Kit, args: dict[str, Any]) -> None:
    intent_id, begun = args["intent"]["id"], await final_of(kit)
    verified = await kit.end(await kit.sign("verify_signed_intent", args))
    solve = {"intent": args["intent"], "solver_account": "solver.near"}
    solved = await kit.end(await kit.sign("verify_and_solve", solve, "solve"))
    changes = await all_of(kit, begun, solved.block_height)
    assert {one.intent_id for one in changes} == {intent_id}
    events = [one.event for one in changes]
    assert (events[0], events[-1], len(set(events))) == ("intent_verified", "intent_completed", len(events))
    heights = [one.block_height for one in changes]
    assert heights == sorted(heights) and begun < heights[0] <= verified.block_height
    assert heights[-1] <= solved.block_height
    # piece by piece it is the same
    assert await all_of(kit, begun, solved.block_height, limit=2) == changes


async def test_where_nothing_changed_nothing_is_told(kit: Kit) -> None:
    final = await final_of(kit)
    assert await all_of(kit, max(final - 1, 0), final) == []
    ahead = await kit.chain.changes(final + 10_000, 10)
    assert (ahead.upto, ahead.changes, ahead.missing) == (None, (), False)
    assert ahead.final.height >= final


# --- what a node of NEAR may do beside ---


@dataclass
class Still:
    """A devnet that makes blocks when told."""

    node: Devnet
    chain: NearChain

    async def call(self, rpc: str, **params: Any) -> Any:
        return await self.node.rpc.handle(rpc, params)

    async def fault(self, **rule: Any) -> None:
        await self.node.rpc.handle("devnet_fault_add", rule)

    async def blocks(self, count: int) -> None:
        await self.call("devnet_advance", blocks=count)

    async def wallet(self, intent_id: str, account: str = "alice.near") -> dict[str, Any]:
        intent = User.fresh("a wallet").intent(intent_id) | {"user_account": account}
        await self.call("devnet_act_wallet_verify", intent=intent)
        return intent

    async def all(self, after: int = 0, limit: int = 100) -> Followed:
        return await self.chain.changes(after, limit)


@pytest.fixture
async def still() -> AsyncIterator[Still]:
    settings = Settings(
        state_file=None, block_time_ms=0, port=0, admin_port=0, rpc_timeout_ms=50, devnet_control=True
    )
    async with build(settings, SystemClock()) as node:
        chain = NearChain(LocalTransport(node.rpc.handle, RpcError, RpcError.body), "verifier.near")
        yield Still(node, chain)


def told(found: Followed) -> list[tuple[str | None, str]]:
    return [(one.intent_id, one.event) for one in found.changes]


async def test_what_a_wallet_and_the_owner_do_is_told(still: Still) -> None:
    await still.wallet("by-wallet")
    await still.blocks(6)
    await still.call("devnet_act_remove", intent_id="by-wallet")
    await still.blocks(6)
    assert told(await still.all()) == [("by-wallet", "intent_verified"), ("by-wallet", "intent_failed")]


async def test_of_a_crowd_only_those_of_others_are_asked_for(still: Still) -> None:
    """Whose a receipt is, the chunks say: our own relayer's are not asked for one by one."""
    for number in range(20):
        await still.wallet(f"ours-{number}")
    await still.wallet("of-another", "bob.near")
    await still.blocks(6)
    before = await still.all()
    assert len(before.changes) == 21
    real, asked = still.node.rpc.handle, Counter[str]()

    async def counted(method: str, params: Any, *more: Any) -> Any:
        asked[method] += 1
        return await real(method, params, *more)

    chain = NearChain(LocalTransport(counted, RpcError, RpcError.body), "verifier.near")
    found = await chain.changes(0, 100, but_of=frozenset({"alice.near"}))
    assert told(found) == [("of-another", "intent_verified")] and found.upto == before.upto
    assert asked["EXPERIMENTAL_light_client_proof"] == 1 and asked["chunk"] == 1, asked
    # where chunks cannot be had everything is told
    chain = NearChain(LocalTransport(without_chunks(real), RpcError, RpcError.body), "verifier.near")
    assert len((await chain.changes(0, 100, but_of=frozenset({"alice.near"}))).changes) == 21


def without_chunks(real: Any) -> Any:
    async def handle(method: str, params: Any, *more: Any) -> Any:
        if method == "chunk":
            params = {"chunk_id": "11111111111111111111111111111111"}
        return await real(method, params, *more)

    return handle


async def test_what_is_not_final_is_not_told_and_if_it_vanishes_never(still: Still) -> None:
    await still.blocks(3)
    await still.wallet("vanishes")
    await still.blocks(2)  # executed in the newest block, two above the final one
    whole = await still.call("devnet_effects", intent_ids=["vanishes"])
    assert whole["intents"]["vanishes"]["steps"]["verify"] == 1
    before = await still.all()
    assert told(before) == [] and before.upto is not None and before.upto.height == before.final.height
    await still.call("devnet_reorg", blocks=2, transactions="lost")
    await still.blocks(6)
    assert told(await still.all(before.upto.height)) == []


async def test_heights_without_a_block_are_passed_over(still: Still) -> None:
    await still.blocks(2)
    await still.fault(fault="skip_heights", heights=3, count=2)
    await still.wallet("over-a-gap")
    await still.blocks(8)
    found = await still.all()
    assert not found.missing and told(found) == [("over-a-gap", "intent_verified")]
    assert found.upto is not None and found.upto.height == found.final.height
    # also where the gap lies at once above the height asked for, and where the piece ends in one
    for after in (2, 6):
        piece = await still.all(after, limit=5)
        assert not piece.missing and piece.upto is not None and piece.upto.height > after


async def test_a_node_that_lost_old_blocks_says_so(still: Still) -> None:
    await still.wallet("long-ago")
    await still.blocks(130)
    lost = await still.all()
    assert lost.missing and lost.upto is None and lost.changes == ()
    assert not (await still.all(lost.final.height - 20)).missing


async def test_a_gap_that_is_no_skipped_height_is_missing(still: Still) -> None:
    """A node that does not have a block looks as if its height were skipped; its child tells."""
    await still.blocks(8)
    real = still.node.rpc.handle

    async def without(method: str, params: Any, *more: Any) -> Any:
        if method == "EXPERIMENTAL_changes" and params["block_id"] == 3:
            params = {**params, "block_id": 10_000}
        return await real(method, params, *more)

    chain = NearChain(LocalTransport(without, RpcError, RpcError.body), "verifier.near")
    assert (await chain.changes(1, 100)).missing
    assert (await chain.changes(2, 100)).missing
    assert not (await chain.changes(3, 100)).missing


async def test_a_node_that_cannot_say_what_changed_says_that_something_did(still: Still) -> None:
    await still.wallet("which-one")
    await still.blocks(6)
    await still.fault(fault="error", rpc="EXPERIMENTAL_light_client_proof", cause="METHOD_NOT_FOUND")
    assert told(await still.all()) == [(None, "")]


async def test_an_outcome_not_confirmed_yet_is_told_later(still: Still) -> None:
    await still.wallet("in-a-moment")
    await still.blocks(6)
    await still.fault(fault="error", rpc="EXPERIMENTAL_light_client_proof", cause="NOT_CONFIRMED", count=1)
    first = await still.all()
    assert told(first) == [] and first.upto is not None and first.upto.height < first.final.height
    assert told(await still.all(first.upto.height)) == [("in-a-moment", "intent_verified")]


async def test_an_owners_other_acts_are_of_no_intent(still: Still) -> None:
    await still.call("devnet_act_call", by="owner.near", method="pause", args={})
    await still.blocks(6)
    assert told(await still.all()) == []


def test_a_log_line_is_an_event_of_ours_or_none() -> None:
    good = 'EVENT_JSON:{"standard":"intents","version":"1.0.0","event":"intent_verified","data":[%s]}'
    assert events_in(good % '{"intent_id":"a"},{"intent_id":"b"}') == [
        ("intent_verified", "a"),
        ("intent_verified", "b"),
    ]
    assert events_in(good % "") == events_in(good % '{"intent_id":""}') == [("intent_verified", None)]
    assert events_in(good % ('{"intent_id":"%s"}' % ("x" * 129))) == [("intent_verified", None)]
    for other in (
        None, 5, "", "EVENT_JSON:", "EVENT_JSON:[]", "EVENT_JSON:{", "plain words",
        (good % '{"intent_id":"a"}').replace('"intents"', '"nep245"'),
        (good % '{"intent_id":"a"}').replace('"intent_verified"', "7"),
    ):  # fmt: skip
        assert events_in(other) == []
