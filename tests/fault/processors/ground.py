"""A devnet over HTTP with quick blocks, a store on SQLite, a validator: for our processor, and for the naive one."""

import base64
import json
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import aiohttp

from services.common.chain.near.chain import NearChain
from services.common.chain.near.signer import KeyFileSigner
from services.common.chain.near.transport import open_http
from services.common.chain.port import Signer
from services.common.clock import SystemClock
from services.common.domain.plainjson import plain_to_json
from services.common.domain.signedjson import signed_to_json
from services.devnet.app import Devnet
from services.devnet.app import build as build_devnet
from services.devnet.config import Settings as DevnetSettings
from services.devnet.genesis import credential, relayer_keys
from tests.fault.processors.naive import SOLVER, VERIFIER, NaiveProcessor
from tests.harness.near import Sender, call_action
from tests.harness.wait import eventually
from tests.unit.processor.support import Gate, Stage
from tests.unit.processor.support import stage as on_fake_chain

BLOCK_MS: Final = 10
NODE_GIVES_UP_MS: Final = 400
"""What a node waits for a transaction before TIMEOUT_ERROR."""
OURS: Final = "ours"
NAIVE: Final = "naive"


@dataclass(frozen=True, slots=True, kw_only=True)
class End:
    """`record` and `chain` are the last statuses, `transfers` how often the user was paid."""

    record: str
    chain: str | None
    transfers: int

    @property
    def words(self) -> str:
        """What a user would call it."""
        match self.record, self.chain:
            case "completed", "completed":
                return "right" if self.transfers == 1 else f"paid {self.transfers} times"
            case "completed", other:
                return f"told completed, the chain says {other}"
            case "failed", "completed":
                return "told failed, and it was paid"
            case "failed", "failed":
                return "failed"
            case "failed", _:
                return "told failed, nothing on chain ended it"
            case record, "completed":
                return f"stays {record}, and it was paid"
            case record, _:
                return f"stays {record} for ever"


@dataclass(slots=True, kw_only=True)
class Ground:
    """One intent, one processor at work on it, one node."""

    node: Devnet
    stage: Stage
    session: aiohttp.ClientSession
    intent_id: str
    kind: str
    signer: Signer
    documents: dict[str, dict[str, Any]] = field(default_factory=dict)

    @property
    def url(self) -> str:
        return f"http://{self.node.http}"

    async def devnet(self, method: str, **params: Any) -> Any:
        return await self.node.rpc.handle(method, params)

    async def faults(self, *rules: dict[str, Any]) -> None:
        await self.devnet("devnet_fault_add", faults=list(rules))

    async def chain_status(self) -> str | None:
        (seen,) = await self.stage.chain.intents([self.intent_id])
        assert not isinstance(seen, Exception), seen
        return seen.status

    async def record_status(self) -> str:
        if self.kind == NAIVE:
            return str(self.documents[self.intent_id]["status"])
        return str((await self.stage.record(self.intent_id)).status)

    async def at_work(self, *, killed_after: str = "") -> None:
        """The processor, until the intent has ended for it or (naive) it has nothing more to do."""
        if self.kind == OURS:
            await self._ours(killed_after)
        else:
            naive = NaiveProcessor(self.url, self.session, Sender.of("relayer.near"), self.documents)
            naive.killed_after = killed_after
            await naive.run()

    async def _ours(self, killed_after: str) -> None:
        nth = {"verify_signed_intent": 1, "verify_and_solve": 2}.get(killed_after)
        gate = Gate() if nth is None else Gate(on="chain.broadcast", nth=nth, after=True)

        async def over() -> bool:
            return gate.dead or (await self.stage.record(self.intent_id)).terminal

        async with self.stage.processor(gate, key=self.signer):
            await eventually(over, 30)

    async def other_relayer(self, account: str, method: str, *, solver: str = SOLVER) -> None:
        """Somebody else's transaction for the same intent, to its final block."""
        plain = (await self.stage.record(self.intent_id)).submission
        assert plain.intent is not None and plain.signed_data is not None
        intent = plain_to_json(plain.intent)
        arguments: dict[str, Any] = {"intent": intent}
        if method == "verify_signed_intent":
            arguments["signed"] = signed_to_json(plain.signed_data)
        else:
            arguments["solver_account"] = solver
        await send(self, Sender.of(account), method, arguments)

    async def end(self) -> End:
        await self.devnet("devnet_fault_clear")
        await self.devnet("devnet_advance", blocks=15)
        steps = await self.steps("final")
        return End(
            record=await self.record_status(),
            chain=await self.chain_status(),
            transfers=steps.get("transfer", 0),
        )

    async def steps(self, finality: str) -> dict[str, int]:
        """What happened on chain, how often; what did not is left out."""
        found = await self.devnet("devnet_effects", intent_ids=[self.intent_id], finality=finality)
        return {name: count for name, count in found["intents"][self.intent_id]["steps"].items() if count}


async def send(ground: Ground, sender: Sender, method: str, arguments: dict[str, Any]) -> None:
    """Signs, sends and waits until it is final; fails the test if the chain did not take it."""
    query = {
        "request_type": "view_access_key", "finality": "final", "account_id": sender.account_id,
        "public_key": sender.pair.public_key,
    }  # fmt: skip
    key = await ground.devnet("query", **query)
    signed = sender.sign(
        VERIFIER, [call_action(method, arguments)], key["block_hash"], nonce=key["nonce"] + 1
    )
    answer = await ground.devnet(
        "send_tx", signed_tx_base64=base64.b64encode(signed).decode(), wait_until="FINAL"
    )
    assert "SuccessValue" in answer["status"], answer["status"]


@asynccontextmanager
async def ground(folder: Path, kind: str) -> AsyncIterator[Ground]:
    """Everything up, one intent accepted, nobody at work on it yet."""
    settings = DevnetSettings(
        state_file=None, block_time_ms=BLOCK_MS, rpc_timeout_ms=NODE_GIVES_UP_MS, port=0, admin_port=0
    )
    async with AsyncExitStack() as stack:
        node = await stack.enter_async_context(build_devnet(settings, SystemClock()))
        await node.serve_http("127.0.0.1", 0)
        transport = await stack.enter_async_context(open_http(f"http://{node.http}"))
        session = await stack.enter_async_context(aiohttp.ClientSession())
        play = await stack.enter_async_context(on_fake_chain(folder))
        play.chain = NearChain(transport, VERIFIER)  # type: ignore[assignment]
        (intent_id,) = await play.accept()
        key_file = folder / "key.json"
        key_file.write_text(json.dumps(credential(settings.relayer_account, relayer_keys(settings)[0])))
        key_file.chmod(0o600)
        signer = KeyFileSigner.load(key_file)
        made = Ground(node=node, stage=play, session=session, intent_id=intent_id, kind=kind, signer=signer)
        record = await play.record(intent_id)
        made.documents[intent_id] = {
            "status": "pending",
            "intent": plain_to_json(record.intent),
            "signed": signed_to_json(record.submission.signed_data),  # type: ignore[arg-type]
        }
        yield made
