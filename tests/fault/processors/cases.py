"""The faults, one at a time, and what each processor makes of them."""

import asyncio
import contextlib
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any, Final

from tests.fault.processors.ground import NAIVE, Ground
from tests.fault.processors.naive import Killed
from tests.harness.wait import eventually

Drive = Callable[[Ground], Awaitable[None]]
SOLVE: Final = "verify_and_solve"


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """`rules` are in force from the start; `drive` lets the processor work. Then ours must be right, and the naive
    one's end is, in `End.words`, what `naive` says. `reported`: where users of other systems met such a thing, as
    `owner/repository#number` on GitHub."""

    name: str
    what: str
    naive: str
    reported: str = ""
    rules: tuple[dict[str, Any], ...] = ()
    drive: Drive = field(default=lambda ground: ground.at_work())


def _rule(fault: str, *, method: str = SOLVE, **rest: Any) -> dict[str, Any]:
    return {"fault": fault, "method": method, **rest}


def killed_after(method: str) -> Drive:
    """Dies when it has sent, before it has written; then another life."""

    async def drive(ground: Ground) -> None:
        with contextlib.suppress(Killed):
            await ground.at_work(killed_after=method)
        await ground.at_work()

    return drive


async def two_relayers(ground: Ground) -> None:
    """Another relayer puts the same intent on chain, both steps, before ours gets to it."""
    await ground.other_relayer("alice.near", "verify_signed_intent")
    await ground.other_relayer("alice.near", SOLVE)
    await ground.at_work()


async def others_fill(ground: Ground) -> None:
    """While our solve is lost on its way, another relayer has a solver fill the intent."""

    async def other() -> None:
        async def verified() -> bool:
            return await ground.chain_status() == "verified"

        await eventually(verified)
        await ground.other_relayer("alice.near", SOLVE)

    async with asyncio.TaskGroup() as both:
        both.create_task(other())
        both.create_task(ground.at_work())


async def reorg(ground: Ground) -> None:
    """Blocks are made by hand: the one with the first transaction vanishes as soon as the processor could see it."""

    async def by_hand() -> None:
        async def executed() -> bool:
            await ground.devnet("devnet_advance", blocks=1)
            return await ground.steps("optimistic") == {"verify": 1}

        await eventually(executed)
        if ground.kind == NAIVE:

            async def believed() -> bool:
                return await ground.record_status() == "executing"

            await eventually(believed)
        await ground.devnet("devnet_reorg", blocks=2, transactions="lost")
        await ground.devnet("devnet_fault_clear")

    await ground.faults({"fault": "stall"})
    async with asyncio.TaskGroup() as both:
        both.create_task(by_hand())
        both.create_task(ground.at_work())


CASES: Final = (
    Case(name="none", what="nothing breaks", naive="right"),
    Case(
        name="time-out-but-executed",
        what="the node answers TIMEOUT_ERROR, and the transaction is executed",
        naive="told failed, and it was paid",
        reported="near/near-wallet#623",
        rules=(_rule("timeout", count=1),),
    ),
    Case(
        name="answer-lost",
        what="the connection is cut after the transaction was taken",
        naive="stays executing, and it was paid",
        reported="near/near-api-js#402",
        rules=(_rule("drop_answer", count=1),),
    ),
    Case(
        name="proxy-in-trouble",
        what="a proxy answers 503 with a page, the transaction was taken",
        naive="stays executing, and it was paid",
        reported="Near-One/omni-bridge#288",
        rules=(_rule("garble", how="text", status=503, count=1),),
    ),
    Case(
        name="lost-transaction",
        what="the node accepts a transaction that reaches no block",
        naive="told failed, nothing on chain ended it",
        reported="Near-One/rainbow-bridge#544",
        rules=(_rule("lose_transaction", count=1),),
    ),
    Case(
        name="forgotten-transaction",
        what="the node forgets a transaction that is in a block",
        naive="told failed, and it was paid",
        reported="Near-One/rainbow-bridge#533",
        rules=(
            _rule("timeout", count=1),
            _rule("forget_transaction", count=6),
        ),
    ),
    Case(
        name="node-away",
        what="the node refuses every call for a while",
        naive="stays pending for ever",
        reported="Near-One/rainbow-bridge#219",
        rules=({"fault": "refuse", "count": 4},),
    ),
    Case(
        name="shard-away",
        what="the node answers UNAVAILABLE_SHARD",
        naive="told failed, nothing on chain ended it",
        rules=(_rule("error", cause="UNAVAILABLE_SHARD", count=2),),
    ),
    Case(
        name="nonce-used",
        what="another transaction with the same key used the nonce",
        naive="told failed, nothing on chain ended it",
        reported="joshstevens19/rrelayer#36",
        rules=(_rule("nonce_jump", count=1),),
    ),
    Case(
        name="block-hash-expired",
        what="the transaction's block hash is too old when it is sent",
        naive="told failed, nothing on chain ended it",
        rules=(_rule("expire", count=1),),
    ),
    Case(
        name="out-of-gas",
        what="the solve burns all its gas once",
        naive="told failed, nothing on chain ended it",
        reported="defuse-protocol/sdk-monorepo#295",
        rules=(_rule("out_of_gas", count=1),),
    ),
    Case(
        name="solver-fails-once",
        what="the first attempt of the solver has no success",
        naive="told failed, nothing on chain ended it",
        rules=({"fault": "solver_fail", "count": 1},),
    ),
    Case(
        name="killed-after-verify",
        what="killed with -9 when the first transaction was sent",
        naive="right",
        drive=killed_after("verify_signed_intent"),
    ),
    Case(
        name="killed-after-solve",
        what="killed with -9 when the second transaction was sent",
        naive="stays executing, and it was paid",
        reported="BootNodeDev/intents-framework#134",
        drive=killed_after(SOLVE),
    ),
    Case(
        name="two-relayers",
        what="another relayer verified and solved it first",
        naive="told failed, and it was paid",
        reported="cosmos/relayer#62",
        drive=two_relayers,
    ),
    Case(
        name="others-fill",
        what="another relayer has a solver fill it while our own solve is lost on its way",
        naive="told failed, and it was paid",
        reported="openintentsframework/oif-solver#232",
        rules=(_rule("lose_transaction", signer="relayer.near", count=2),),
        drive=others_fill,
    ),
    Case(
        name="reorg-before-final",
        what="the block with the first transaction vanishes before it is final",
        naive="told failed, nothing on chain ended it",
        reported="synapsecns/sanguine#3056",
        drive=reorg,
    ),
    Case(
        name="stale-views",
        what="the node's views are 8 blocks behind, nonces too",
        naive="told failed, nothing on chain ended it",
        reported="Near-One/rainbow-bridge#554",
        rules=({"fault": "stale_views", "blocks": 8},),
    ),
)
"""In the order of the table in docs/reliability.md."""
