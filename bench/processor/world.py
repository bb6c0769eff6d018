"""A devnet, a store, a validator and processors as processes, and intents for them."""

import asyncio
import json
import re
import sys
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Final

import aiohttp

from bench.frame import BenchError
from bench.processes import Fleet
from intents_client.keys import Account
from intents_client.signing import SigningInfo, sign_body
from services.common.config import ServiceSettings, load
from services.common.domain import strictjson
from services.common.domain.intent import IntentRecord, NewIntent, Submission
from services.common.domain.outcomes import Accepted
from services.common.domain.submissionjson import submission_from_json
from services.common.rpc.channel import open_channel
from services.common.rpc.clients.store import GrpcStore

BLOCK_MS: Final = 600
"""About NEAR's."""
ACCOUNTS: Final = 32
WITHIN: Final = 240.0
CREATE: Final = 100
INFO: Final = SigningInfo(network="localnet", verifying_contract="verifier.near")


@dataclass(slots=True, kw_only=True)
class World:
    """`store` speaks to the store's process; processors are started by `processor`."""

    fleet: Fleet
    store: GrpcStore
    session: aiohttp.ClientSession
    chain_url: str
    settings: dict[str, str | int]

    def processor(self, name: str, index: int) -> None:
        """Starts one with the key of that index."""
        self.fleet.start(name, ["services.processor"], self.settings | {"SIGNER_KEY_INDEX": index})

    async def devnet(self, method: str, **params: Any) -> Any:
        body = {"jsonrpc": "2.0", "id": 1, "method": method, "params": params}
        async with self.session.post(self.chain_url, json=body) as response:
            answer = await response.json()
        if "result" not in answer:
            raise BenchError(f"devnet: {answer}")
        return answer["result"]

    async def height(self) -> int:
        return int((await self.devnet("block", finality="optimistic"))["header"]["height"])

    async def accept(self, submissions: Sequence[Submission]) -> list[str]:
        """Ids of intents created in the store, as the edge does after validation."""
        until = datetime.now(UTC).replace(microsecond=0) + timedelta(hours=1)
        found: list[str] = []
        for start in range(0, len(submissions), CREATE):
            part = submissions[start : start + CREATE]
            new = [NewIntent(principal="bench", submission=one, expires_at=until) for one in part]
            for answer in await self.store.create(new):
                if not isinstance(answer, Accepted):
                    raise BenchError(f"the store did not take an intent: {answer}")
                found.append(answer.receipt.intent_id)
        return found

    async def records(self, ids: Sequence[str]) -> list[IntentRecord]:
        found: list[IntentRecord] = []
        for start in range(0, len(ids), CREATE):
            found += [one for one in await self.store.get(ids[start : start + CREATE]) if one is not None]
        return found

    async def until(self, ids: Sequence[str], *, signed: bool = False) -> list[IntentRecord]:
        """The records once all have ended, or (`signed`) once each has a transaction. Raises BenchError."""
        loop = asyncio.get_running_loop()
        limit = loop.time() + WITHIN
        while True:
            records = await self.records(ids)
            if all(record.transactions if signed else record.terminal for record in records):
                return records
            if loop.time() > limit:
                raise BenchError(f"not all of {len(ids)} intents came to that within {WITHIN:g} s")
            await asyncio.sleep(0.5)


def signed(name: str, count: int) -> list[Submission]:
    """Valid submissions of several accounts."""
    accounts = [Account.generate() for _ in range(ACCOUNTS)]
    found = []
    for number in range(count):
        fields = {
            "id": f"{name}-{number}", "action": "swap", "input_token": "USDC", "input_amount": "1000000",
            "output_token": "NEAR", "min_output_amount": "1", "max_slippage": 0.5,
        }  # fmt: skip
        body = sign_body(fields, INFO, accounts[number % ACCOUNTS], lifetime=timedelta(hours=1))
        found.append(submission_from_json(strictjson.loads(json.dumps(body), max_bytes=1 << 20)))
    return found


@asynccontextmanager
async def world(
    folder: Path, fleet: Fleet, *, block_ms: int = BLOCK_MS, store: str = ""
) -> AsyncIterator[World]:
    """Everything but processors. `store` names a database that is there already."""
    keys = folder / "keys.json"
    if not keys.exists():
        await _make_keys(keys)
    chain = fleet.start(
        "devnet", ["services.devnet"], {"STATE_FILE": "", "BLOCK_TIME_MS": block_ms, "RPC_TIMEOUT_MS": 20_000}
    )
    database = store or f"sqlite:///{folder / 'store.db'}"
    target = fleet.start("store", ["services.store"], {"DATABASE_URL": database})
    # no cache listens: an implicit account's signature needs no view of the chain
    validator = fleet.start("validator", ["services.validator"], {"CACHE_TARGET": "127.0.0.1:1"})
    url = f"http://{chain}"
    settings: dict[str, str | int] = {
        "STORE_TARGET": target, "VALIDATOR_TARGET": validator, "CHAIN_URL": url, "SIGNER_KEY_FILE": str(keys),
        "MAX_IN_FLIGHT": 2_000,
    }  # fmt: skip
    common = load(ServiceSettings, prog="bench", env={"PORT": "0", "ADMIN_PORT": "0"}, argv=[])
    async with aiohttp.ClientSession() as session, open_channel(target, settings=common) as channel:
        yield World(fleet=fleet, store=GrpcStore(channel), session=session, chain_url=url, settings=settings)


async def _make_keys(file: Path) -> None:
    argv = [sys.executable, "-m", "services.devnet", "keys", str(file)]
    child = await asyncio.create_subprocess_exec(*argv, stdout=asyncio.subprocess.DEVNULL)
    if await child.wait() != 0:
        raise BenchError("the relayer's keys cannot be made")


_COUNTED: Final = re.compile(
    r'^devnet_rpc_requests_total\{method="([a-zA-Z_]+)",result="[^"]*"\} ([0-9.e+]+)$'
)


async def calls(session: aiohttp.ClientSession, admin: str) -> dict[str, int]:
    """Chain calls so far by method, as devnet counts them; its own `devnet_*` are left out."""
    async with session.get(f"http://{admin}/metrics") as response:
        text = await response.text()
    found: dict[str, int] = {}
    for line in text.splitlines():
        if (match := _COUNTED.match(line)) and not match[1].startswith("devnet_"):
            found[match[1]] = found.get(match[1], 0) + int(float(match[2]))
    return found
