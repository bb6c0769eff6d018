"""The operator's word on tokens and holdings, from the file to the caller's answer."""

import json
from pathlib import Path
from typing import Any

import pytest

from intents_client import connect
from services.common.encoding import b64decode
from tests.harness import shapes
from tests.harness.shapes import Shape
from tests.harness.signing import Wallet, to_proto
from tests.harness.wait import eventually

TOKENS = [{"id": "USDC", "symbol": "USDC", "decimals": 6}, {"id": "NEAR", "symbol": "NEAR", "decimals": 24}]


async def post(shape: Shape, body: dict[str, Any]) -> tuple[int, str]:
    async with shape.session.post(f"{shape.http}/api/intents", json=body) as response:
        answer = await response.json(content_type=None)
        return response.status, answer.get("reason", answer.get("intentId"))


async def tokens(shape: Shape) -> list[dict[str, Any]]:
    async with shape.session.get(f"{shape.http}/api/info") as response:
        found: list[dict[str, Any]] = (await response.json())["tokens"]
        return found


async def test_p08_tokens_change_while_it_runs_and_a_repeat_keeps_its_answer(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    rich, poor = Wallet("rich"), Wallet("poor")
    registry, genesis = tmp_path / "registry.json", tmp_path / "genesis.json"
    registry.write_text(json.dumps({"tokens": TOKENS}))
    genesis.write_text(json.dumps({"balances": {rich.account_id: {"USDC": "100000000"}}}))
    for name, value in {
        "TOKEN_REGISTRY_FILE": str(registry),
        "TOKEN_REGISTRY_POLL_MS": "100",
        "GENESIS_FILE": str(genesis),
        "CHECK_BALANCE": "true",
        "ACCEPT_WITHOUT_VIEWS": "",
    }.items():
        monkeypatch.setenv(name, value)
    async with shapes.embedded(tmp_path) as shape, connect(shape.target) as client:
        assert await tokens(shape) == TOKENS
        body, more = rich.sign_plain(), rich.sign_plain(rich.fields(input_amount="100000001"))
        first = await client.submit(to_proto(body))
        assert await post(shape, more) == (409, "INSUFFICIENT_BALANCE")
        assert await post(shape, poor.sign_plain()) == (409, "INSUFFICIENT_BALANCE")
        assert await post(shape, rich.sign_plain(rich.fields(input_token="USDT"))) == (400, "UNKNOWN_TOKEN")

        registry.write_text(json.dumps({"tokens": [{**TOKENS[0], "paused": True}, TOKENS[1]]}))

        async def paused() -> bool:
            return (await tokens(shape))[0].get("paused", False) is True

        await eventually(paused)
        assert await post(shape, rich.sign_plain()) == (409, "TOKEN_PAUSED")
        assert await client.submit(to_proto(body)) == first

        registry.write_text("{")

        async def noted() -> bool:
            async with shape.session.get(shape.metrics_url.replace("/metrics", "/readyz")) as response:
                return response.status == 200 and "token_registry: " in await response.text()

        await eventually(noted)
        assert await post(shape, rich.sign_plain()) == (409, "TOKEN_PAUSED")
        await client.wait(body["id"], timeout=20)
        assert (await client.get(body["id"])).version == 4, "what was accepted goes its way"


async def test_a_message_is_tried_on_the_chain_before_it_is_taken(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SIMULATE", "true")
    wallet = Wallet()
    async with shapes.embedded(tmp_path) as shape, connect(shape.target) as client:
        body = wallet.sign_plain()
        first = await client.submit(to_proto(body))
        await client.wait(body["id"], timeout=20)
        assert await client.submit(to_proto(body)) == first
        nonce = b64decode(body["signed_data"]["payload"]["nonce"], length=32)
        status, reason = await post(shape, wallet.sign_plain(nonce=nonce))
        assert (status, reason) == (400, "NONCE_USED"), "our own rule speaks first"
        async with shape.session.post(
            f"{shape.http}/api/intents/validate", json=wallet.sign_plain(nonce=nonce)
        ) as response:
            told = {one["reason"]: one["message"] for one in (await response.json())["details"]}
        assert "nonce was already used" in told["SIMULATION_FAILED"]
