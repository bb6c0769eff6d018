"""What others do on a real devnet moves our records: a wallet, another relayer, the owner. Our own relayer can pay for
nothing and the clock stands still, so that nothing but what they did can move anything."""

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from services.common.chain.near.chain import NearChain
from services.common.chain.near.signer import KeyFileSigner
from services.common.chain.near.transport import open_http
from services.common.clock import SystemClock
from services.common.domain.lifecycle import Status
from services.common.domain.plainjson import plain_to_json
from services.common.encoding import parse_key
from services.devnet.app import Devnet, build
from services.devnet.config import Settings
from services.devnet.genesis import relayer_keys
from tests.harness.wait import eventually
from tests.unit.processor.support import Stage, stage


@dataclass
class World:
    node: Devnet
    play: Stage
    signer: KeyFileSigner

    async def act(self, name: str, **params: Any) -> None:
        await self.node.rpc.handle(f"devnet_act_{name}", params)

    async def bare(self) -> str:
        """A seed body of alice's without a signature, at rest."""
        (intent_id,) = await self.play.accept(signed=False, user_account="alice.near")
        await self.play.resting(intent_id)
        return intent_id

    async def wallet(self, intent_id: str) -> None:
        record = await self.play.record(intent_id)
        await self.act("wallet_verify", intent=plain_to_json(record.intent))

    async def reaches(self, intent_id: str, status: Status) -> None:
        async def there() -> bool:
            return (await self.play.record(intent_id)).status is status

        await eventually(there, 20)


@pytest.fixture
async def world(tmp_path: Path) -> AsyncIterator[World]:
    settings = Settings(state_file=None, block_time_ms=10, port=0, admin_port=0, devnet_control=True)
    async with AsyncExitStack() as stack:
        node = await stack.enter_async_context(build(settings, SystemClock()))
        await node.serve_http("127.0.0.1", 0)
        transport = await stack.enter_async_context(open_http(f"http://{node.http}"))
        play = await stack.enter_async_context(stage(tmp_path, require_signature=False))
        play.chain = NearChain(transport, "verifier.near")  # type: ignore[assignment]
        pair = parse_key(relayer_keys(settings)[0].secret(), length=64)
        yield World(node, play, KeyFileSigner(settings.relayer_account, pair[:32]))


POOR = {"funds_intents": 10**12, "observe_every_ms": 500, "poll_ms": 3_600_000}


async def test_p13_a_wallet_another_relayer_and_the_owner_move_our_records(world: World) -> None:
    async with world.play.assembled(key=world.signer, **POOR) as made:
        await eventually(lambda: made.funds.low and made.observer.height is not None)
        solved, removed = await world.bare(), await world.bare()
        for intent_id in (solved, removed):
            await world.wallet(intent_id)
        for intent_id in (solved, removed):
            await world.reaches(intent_id, Status.VERIFIED)
            await world.play.resting(intent_id)
        await world.act("solve", intent_id=solved, solver_account="solver.near")
        await world.act("remove", intent_id=removed)
        await world.reaches(solved, Status.COMPLETED)
        await world.reaches(removed, Status.FAILED)
    record = await world.play.record(solved)
    assert record.execution_details is not None and record.execution_details.solver_id == "solver.near"
    assert record.transactions == ()


@pytest.mark.parametrize("blocks", [50, 130], ids=["caught up", "gone from the node"])
async def test_p13_what_happened_while_nobody_followed_is_found(world: World, blocks: int) -> None:
    async with world.play.assembled(key=world.signer, **POOR) as made:
        await eventually(lambda: made.funds.low and made.observer.height is not None)
        intent_id = await world.bare()
    await world.wallet(intent_id)
    await world.node.rpc.handle("devnet_advance", {"blocks": blocks})
    async with world.play.assembled(key=world.signer, **POOR) as made:
        await eventually(lambda: (made.observer.height or 0) > blocks)
        missing = made.observer.meters.looks("missing")._value.get()  # type: ignore[attr-defined]
        assert missing == (1 if blocks > 100 else 0)

        async def moved() -> bool:
            return (await world.play.record(intent_id)).version > 1

        await eventually(moved)
