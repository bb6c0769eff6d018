"""One suite for every Chain: the fake that the processor's tests stand on, and NEAR's adapter over devnet, called
in this process, over HTTP, and over several endpoints of which one lies, one is behind and one is dead."""

import base64
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from services.common.chain.near.chain import NearChain
from services.common.chain.near.connect import open_near
from services.common.chain.near.signer import KeyFileSigner
from services.common.chain.near.transport import LocalTransport
from services.common.chain.port import (
    BroadcastResult,
    Chain,
    ChainIntent,
    FunctionCall,
    Signer,
    TxOutcome,
    TxState,
)
from services.common.clock import SystemClock
from services.common.domain.intent import SignedTransaction
from services.common.domain.plainjson import plain_to_json, same_intent
from services.common.domain.signedjson import signed_from_json, signed_to_json
from services.common.domain.views import (
    BalanceOf,
    CurrentSalt,
    HasPublicKey,
    IsKept,
    IsNonceUsed,
    IsRegistered,
    IsValidSalt,
    Simulation,
)
from services.common.encoding import parse_key
from services.common.errors import IntentError, Reason
from services.devnet.app import Devnet, build
from services.devnet.config import Settings
from services.devnet.genesis import relayer_keys
from services.devnet.rpc.errors import RpcError
from tests.harness.lying import lying, of_blocks, of_ends
from tests.harness.signing import Wallet, to_domain
from tests.harness.wait import eventually
from tests.unit.processor.fake_chain import FakeChain


@dataclass
class Kit:
    """A chain, a key on it, and a way to make its solver fail."""

    chain: Chain
    signer: Signer
    solver_fails: Any
    nonce: int = 0
    doubtful: bool = False

    async def sign(self, method: str, args: dict[str, Any], purpose: str = "verify") -> SignedTransaction:
        anchor = await self.chain.access_key(self.signer.account_id, self.signer.public_key)
        self.nonce = max(self.nonce, anchor.nonce) + 1
        call = FunctionCall(receiver_id="verifier.near", method=method, args=args)
        return self.chain.prepare(call, self.signer, nonce=self.nonce, anchor=anchor, purpose=purpose)

    async def end(self, tx: SignedTransaction) -> TxOutcome:
        """Broadcast and followed until final."""
        assert (await self.chain.broadcast(tx.signed_bytes)).result is BroadcastResult.ACCEPTED
        return await self.final(tx)

    async def final(self, tx: SignedTransaction) -> TxOutcome:
        for _ in range(20):
            found = await self.chain.outcome(tx.hash, tx.signer_id, wait_final=True)
            if found.state not in (TxState.PENDING, TxState.UNKNOWN):
                return found
            if found.state is TxState.UNKNOWN:
                await self.chain.broadcast(tx.signed_bytes)
        raise AssertionError(f"not final: {found}")

    async def seen(self, intent_id: str) -> ChainIntent:
        (answer,) = await self.chain.intents([intent_id])
        assert isinstance(answer, ChainIntent)
        return answer


def devnet_settings() -> Settings:
    return Settings(state_file=None, block_time_ms=5, port=0, admin_port=0, rpc_timeout_ms=5_000)


def devnet_signer(settings: Settings) -> KeyFileSigner:
    pair = parse_key(relayer_keys(settings)[0].secret(), length=64)
    return KeyFileSigner(settings.relayer_account, pair[:32])


NOBODY = "http://127.0.0.1:1/"
"""Nothing listens there."""


async def urls_of(node: Devnet, shape: str, stack: AsyncExitStack) -> list[str]:
    """Endpoints of one chain: one good; or the good ones last, after one that lies, is behind and is dead."""
    await node.serve_http("127.0.0.1", 0)
    good = f"http://{node.http}/"
    node.faults.add({"fault": "lag", "node": "late", "blocks": 60})
    match shape:
        case "near-lying-blocks":
            liar = await stack.enter_async_context(lying(good, of_blocks))
            return [liar, NOBODY, f"{good}node/late", good, f"{good}node/second"]
        case "near-lying-ends":
            liar = await stack.enter_async_context(lying(good, of_ends))
            return [liar, f"{good}node/late", NOBODY, good, f"{good}node/second"]
        case "near-two":
            return [f"{good}node/late", good]
    return [good]


@pytest.fixture(
    params=["fake", "near-local", "near-http", "near-two", "near-lying-blocks", "near-lying-ends"]
)
async def kit(request: pytest.FixtureRequest) -> AsyncIterator[Kit]:
    if request.param == "fake":
        fake = FakeChain(SystemClock().now_ns)
        yield Kit(fake, KeyFileSigner("relayer.near", b"\1" * 32), lambda: setattr(fake, "solver_fails", 1))
        return
    settings = devnet_settings()
    async with AsyncExitStack() as stack:
        node = await stack.enter_async_context(build(settings, SystemClock()))
        chain: Chain
        if request.param == "near-local":
            chain = NearChain(LocalTransport(node.rpc.handle, RpcError, RpcError.body), "verifier.near")
        else:
            await eventually(lambda: node.chain.head.height > 70)  # room to be behind in
            urls = await urls_of(node, request.param, stack)
            chain = await stack.enter_async_context(open_near(urls, "verifier.near", clock=SystemClock()))
        await chain.network()
        yield Kit(
            chain, devnet_signer(settings), lambda: node.faults.set({"solver_fail_next": 1}),
            doubtful=request.param == "near-lying-ends",
        )  # fmt: skip


@pytest.fixture
def args() -> dict[str, Any]:
    """What verify_signed_intent takes, for a fresh intent with half a percent of slippage and a deadline."""
    wallet = Wallet("chain contract")
    until = (datetime.now(UTC) + timedelta(minutes=5)).replace(microsecond=0)
    body = wallet.sign_plain(wallet.fields(deadline=until.strftime("%Y-%m-%dT%H:%M:%SZ")))
    submission = to_domain(body)
    assert submission.intent is not None and submission.signed_data is not None
    return {"intent": plain_to_json(submission.intent), "signed": signed_to_json(submission.signed_data)}


async def test_a_chain_names_its_network(kit: Kit) -> None:
    assert await kit.chain.network() == "localnet"


async def test_an_access_keys_nonce_follows_what_was_included(kit: Kit, args: dict[str, Any]) -> None:
    before = await kit.chain.access_key(kit.signer.account_id, kit.signer.public_key)
    tx = await kit.sign("verify_signed_intent", args)
    await kit.end(tx)
    after = await kit.chain.access_key(kit.signer.account_id, kit.signer.public_key)
    assert (after.nonce, after.block_height > before.block_height) == (tx.nonce, True)


async def test_an_account_without_the_key_is_refused(kit: Kit) -> None:
    with pytest.raises(IntentError) as refused:
        await kit.chain.access_key("nobody.near", kit.signer.public_key)
    assert refused.value.reason is Reason.PERMISSION_DENIED


async def test_a_verification_ends_in_success_and_is_kept(kit: Kit, args: dict[str, Any]) -> None:
    tx = await kit.sign("verify_signed_intent", args)
    assert (await kit.seen(args["intent"]["id"])).status is None
    outcome = await kit.end(tx)
    assert (outcome.state, outcome.value) == (TxState.SUCCEEDED, True)
    assert outcome.gas_used > 0 and outcome.total_cost > 0 and outcome.block_height > 0
    seen = await kit.seen(args["intent"]["id"])
    submission = to_domain({**args["intent"], "signed_data": args["signed"]})
    assert seen.status == "verified" and seen.block_height >= outcome.block_height
    assert (
        seen.kept is not None and submission.intent is not None and same_intent(seen.kept, submission.intent)
    )


async def test_p02_the_same_bytes_twice_are_one_transaction(kit: Kit, args: dict[str, Any]) -> None:
    tx = await kit.sign("verify_signed_intent", args)
    first = await kit.end(tx)
    assert (await kit.chain.broadcast(tx.signed_bytes)).result is BroadcastResult.ACCEPTED
    assert await kit.final(tx) == first


async def test_a_hash_nobody_sent_is_unknown(kit: Kit, args: dict[str, Any]) -> None:
    tx = await kit.sign("verify_signed_intent", args)
    for wait in (False, True):
        found = await kit.chain.outcome(tx.hash, tx.signer_id, wait_final=wait)
        assert found.state is TxState.UNKNOWN


async def test_a_nonce_that_is_past_is_taken(kit: Kit, args: dict[str, Any]) -> None:
    late = await kit.sign("verify_signed_intent", args)
    await kit.end(await kit.sign("verify_signed_intent", args))
    answer = await kit.chain.broadcast(late.signed_bytes)
    assert answer.result is BroadcastResult.NONCE_TAKEN and answer.detail
    assert (await kit.chain.outcome(late.hash, late.signer_id)).state is TxState.UNKNOWN


async def test_a_solve_completes_a_verified_intent(kit: Kit, args: dict[str, Any]) -> None:
    solve = {"intent": args["intent"], "solver_account": "solver.near"}
    await kit.end(await kit.sign("verify_signed_intent", args))
    outcome = await kit.end(await kit.sign("verify_and_solve", solve, "solve"))
    assert (outcome.state, outcome.value) == (TxState.SUCCEEDED, True)
    seen = await kit.seen(args["intent"]["id"])
    assert seen.status == "completed"
    assert seen.kept is not None and seen.kept["solver_account"] == "solver.near"


async def test_a_solvers_failure_puts_the_intent_back(kit: Kit, args: dict[str, Any]) -> None:
    solve = {"intent": args["intent"], "solver_account": "solver.near"}
    await kit.end(await kit.sign("verify_signed_intent", args))
    kit.solver_fails()
    outcome = await kit.end(await kit.sign("verify_and_solve", solve, "solve"))
    assert (outcome.state, outcome.value, bool(outcome.logs)) == (TxState.SUCCEEDED, False, True)
    seen = await kit.seen(args["intent"]["id"])
    assert seen.status == "verified"
    assert seen.kept is not None and (int(seen.kept["failures"]), bool(seen.kept["reason"])) == (1, True)


async def test_a_call_the_contract_refuses_fails_with_its_words(kit: Kit, args: dict[str, Any]) -> None:
    solve = {"intent": args["intent"], "solver_account": "solver.near"}
    outcome = await kit.end(await kit.sign("verify_and_solve", solve, "solve"))
    assert outcome.state is TxState.FAILED
    assert "not verified" in outcome.failure and outcome.gas_used > 0


async def test_views_of_the_verifier_are_answered_in_order(kit: Kit, args: dict[str, Any]) -> None:
    (salt,) = await kit.chain.views([CurrentSalt()])
    assert not isinstance(salt, IntentError) and isinstance(salt.value, bytes)
    nonce = base64.b64decode(args["signed"]["payload"]["nonce"])
    user = args["intent"]["user_account"]
    asked = [
        IsNonceUsed(user, nonce),
        IsValidSalt(salt.value),
        HasPublicKey("alice.near", args["signed"]["public_key"]),
        BalanceOf(user, "NEAR"),
        IsRegistered("no-such-token.near", user),
    ]
    before = await kit.chain.views(asked)
    await kit.end(await kit.sign("verify_signed_intent", args))
    after = await kit.chain.views(asked)
    values = [
        [not isinstance(one, IntentError) and one.value for one in answers] for answers in (before, after)
    ]
    assert values == [[False, True, False, 0, False], [True, True, False, 0, False]]


async def test_what_the_verifier_keeps_is_known_by_its_content(kit: Kit, args: dict[str, Any]) -> None:
    kept = to_domain({**args["intent"], "signed_data": args["signed"]}).intent
    assert kept is not None and kept.deadline_ns is not None
    asked = [
        IsKept(kept), IsKept(replace(kept, deadline_ns=None)), IsKept(replace(kept, deadline_ns=kept.deadline_ns + 1)),
        IsKept(replace(kept, input_amount="1")), IsKept(replace(kept, max_slippage_bps=None)),
        IsKept(replace(kept, id="another")),
    ]  # fmt: skip
    before = await kit.chain.views(asked)
    await kit.end(await kit.sign("verify_signed_intent", args))
    after = await kit.chain.views(asked)
    values = [
        [not isinstance(one, IntentError) and one.value for one in answers] for answers in (before, after)
    ]
    assert values == [[False] * 6, [True, True, False, False, False, False]]


async def test_a_message_is_tried_and_the_contracts_words_come_back(kit: Kit, args: dict[str, Any]) -> None:
    wallet, nonce = Wallet("chain contract"), base64.b64decode(args["signed"]["payload"]["nonce"])
    bodies = [
        wallet.sign_plain(wallet.fields(id="another"), nonce=nonce),
        wallet.sign_plain(
            wallet.fields(id=args["intent"]["id"], input_amount="7"), nonce=b"another nonce".ljust(32)
        ),
    ]
    trials = [
        Simulation(signed_from_json(one))
        for one in (args["signed"], *(body["signed_data"] for body in bodies))
    ]
    before = await kit.chain.views(trials)
    await kit.end(await kit.sign("verify_signed_intent", args))
    after = await kit.chain.views(trials)
    values = [
        [None if isinstance(one, IntentError) else one.value for one in answers]
        for answers in (before, after)
    ]
    # the same message again is verified already, which is as good
    assert values[0] == ["", "", ""]
    assert values[1][:2] == ["", "nonce was already used"]
    assert "kept with another content" in str(values[1][2])


async def test_intents_come_in_the_order_asked(kit: Kit, args: dict[str, Any]) -> None:
    await kit.end(await kit.sign("verify_signed_intent", args))
    answers = await kit.chain.intents(
        ["nobody", args["intent"]["id"], "none", *(f"no-{one}" for one in range(120))]
    )
    assert len(answers) == 123 and {getattr(one, "status", one) for one in answers[3:]} == {None}
    answers = answers[:3]
    assert [isinstance(one, ChainIntent) and one.status for one in answers] == [None, "verified", None]


async def test_a_block_is_found_by_height_and_hash_and_is_the_same(kit: Kit) -> None:
    final = await kit.chain.block()
    assert final is not None and final.height >= 0 and final.timestamp_ns > 0
    assert await kit.chain.block(final.height) == final == await kit.chain.block(final.hash)
    assert await kit.chain.block(final.height + 10_000_000) is None


async def test_the_relayers_balance_and_the_price_of_gas_are_views(kit: Kit) -> None:
    held = await kit.chain.balance(kit.signer.account_id)
    assert 0 < held.spendable <= held.total and held.block_height >= 0
    assert await kit.chain.gas_price() > 0
    with pytest.raises(IntentError) as refused:
        await kit.chain.balance("nobody-at-all.near")
    assert refused.value.reason is Reason.PERMISSION_DENIED


async def test_p04_what_nobody_knows_is_unknown_up_to_a_block_that_all_have(
    kit: Kit, args: dict[str, Any]
) -> None:
    tx = await kit.sign("verify_signed_intent", args)
    before = await kit.chain.block()
    found = await kit.chain.outcome(tx.hash, tx.signer_id)
    assert before is not None and found.state is TxState.UNKNOWN
    proven = found.block_height >= before.height
    # who alone claims that it failed leaves no proof either way
    assert proven or (found.block_height == 0 and kit.doubtful)
