"""A node whose blocks and clock belong to the test."""

import base64
import json
from collections.abc import AsyncIterator
from typing import Any

import pytest

from services.devnet.app import Devnet, build
from services.devnet.config import Settings
from services.devnet.rpc.errors import RpcError
from tests.harness.near import Sender, User, call_action, encoded, tx_hash

START = 1_800_000_000 * 10**9
MINUTE = 60 * 10**9


class OwnClock:
    """Time stands still until a test moves it."""

    def __init__(self) -> None:
        self.ns = START

    def now_ns(self) -> int:
        return self.ns

    def monotonic(self) -> float:
        return self.ns / 1e9

    async def sleep(self, seconds: float) -> None:
        self.ns += int(seconds * 1e9)


class Bench:
    """Sends calls and makes the blocks they need."""

    def __init__(self, devnet: Devnet, clock: OwnClock) -> None:
        self.devnet = devnet
        self.clock = clock
        self.relayer = Sender.of("relayer.near")
        self.owner = Sender.of("owner.near")
        self.alice = Sender.of("alice.near")
        self.deadline = START + 10 * MINUTE

    async def rpc(self, method: str, **params: Any) -> Any:
        return await self.devnet.rpc.handle(method, params)

    async def blocks(self, count: int = 1) -> None:
        await self.rpc("devnet_advance", blocks=count)

    async def send(self, sender: Sender, receiver: str, actions: list[bytes], **how: Any) -> str:
        """Into the pool; the hash."""
        block = self.devnet.chain.head.hash
        signed = sender.sign(receiver, actions, block, **how)
        await self.rpc("send_tx", signed_tx_base64=encoded(signed), wait_until="NONE")
        return tx_hash(signed)

    async def result(self, sender: Sender, wanted: str, blocks: int = 8) -> Any:
        await self.blocks(blocks)
        asked = {"tx_hash": wanted, "sender_account_id": sender.account_id, "wait_until": "FINAL"}
        return await self.rpc("EXPERIMENTAL_tx_status", **asked)

    async def call(
        self, method: str, args: object, *, sender: Sender | None = None, to: str = "verifier.near"
    ) -> Any:
        """The decoded value of a call run to its end, or its panic's text as `Refused`."""
        sender = sender or self.relayer
        wanted = await self.send(sender, to, [call_action(method, args)])
        status = (await self.result(sender, wanted))["status"]
        if "SuccessValue" in status:
            raw = base64.b64decode(status["SuccessValue"])
            return json.loads(raw) if raw else None
        return Refused(json.dumps(status["Failure"]))

    async def view(self, method: str, to: str = "verifier.near", **args: Any) -> Any:
        answer = await self.rpc(
            "query", request_type="call_function", finality="optimistic", account_id=to, method_name=method,
            args_base64=base64.b64encode(json.dumps(args).encode()).decode(),
        )  # fmt: skip
        return json.loads(bytes(answer["result"]))

    async def status(self, intent_id: str) -> Any:
        return await self.view("get_intent_status", intent_id=intent_id)

    async def counts(self, intent_id: str) -> Any:
        return (await self.rpc("devnet_counts"))["intents"].get(intent_id, {})

    def signed(self, user: User, intent: dict[str, Any], **how: Any) -> dict[str, Any]:
        """Arguments of verify_signed_intent."""
        return {"intent": intent, "signed": user.nep413(user.message(intent, self.deadline), **how)}

    async def verified(self, user: User, intent_id: str, **changes: Any) -> dict[str, Any]:
        """A verified intent."""
        intent = user.intent(intent_id, **changes)
        assert await self.call("verify_signed_intent", self.signed(user, intent)) is True
        return intent

    async def solve(self, intent: dict[str, Any], solver: str = "solver.near") -> Any:
        return await self.call("verify_and_solve", {"intent": intent, "solver_account": solver})


class Refused(str):
    """Why a call failed."""

    __slots__ = ()


async def refusal(awaitable: Any) -> RpcError:
    """The RpcError it raises."""
    with pytest.raises(RpcError) as caught:
        await awaitable
    return caught.value


@pytest.fixture
async def bench() -> AsyncIterator[Bench]:
    clock = OwnClock()
    settings = Settings(state_file=None, block_time_ms=0, rpc_timeout_ms=100, tx_validity_blocks=50)
    async with build(settings, clock) as devnet:
        yield Bench(devnet, clock)


@pytest.fixture
def user() -> User:
    return User.fresh()
