"""kill -9 of the node's process: what it answered is still there, and nothing happens twice."""

import asyncio
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import aiohttp

from tests.harness.near import Sender, User, call_action, encoded, tx_hash
from tests.harness.wait import eventually


@contextmanager
def node(folder: Path, name: str, **more: str) -> Iterator[tuple[subprocess.Popen[bytes], Path]]:
    ready = folder / f"{name}.ready"
    env = os.environ | {
        "STATE_FILE": str(folder / "chain.db"), "READY_FILE": str(ready), "PORT": "0", "ADMIN_PORT": "0",
        "BLOCK_TIME_MS": "20", "RELAYER_KEYS": "40", "LOG_FORMAT": "json",
        **more,
    }  # fmt: skip
    with (folder / f"{name}.log").open("wb") as log:
        process = subprocess.Popen([sys.executable, "-m", "services.devnet"], env=env, stderr=log)
    try:
        yield process, ready
    finally:
        if process.poll() is None:
            process.kill()
        process.wait()


async def where(ready: Path) -> dict[str, str]:
    await eventually(ready.exists, timeout=20)
    found: dict[str, str] = json.loads(ready.read_text())
    return found


async def rpc(http: aiohttp.ClientSession, address: str, method: str, params: object) -> Any:
    body = {"jsonrpc": "2.0", "id": "r", "method": method, "params": params}
    async with http.post(f"http://{address}/", json=body) as answer:
        content = await answer.json()
    assert "result" in content, content
    return content["result"]


async def test_kill_loses_nothing_answered_and_repeats_nothing(tmp_path: Path) -> None:
    async with aiohttp.ClientSession() as http:
        with node(tmp_path, "first") as (process, ready):
            address = (await where(ready))["http"]
            head = (await rpc(http, address, "block", {"finality": "final"}))["header"]["hash"]
            signed = []
            for number in range(40):
                user = User.fresh(f"kill-{number}")
                intent = user.intent(f"kill-{number}")
                message = user.message(intent, time.time_ns() + 600 * 10**9)
                action = call_action(
                    "verify_signed_intent", {"intent": intent, "signed": user.nep413(message)}
                )
                relayer = Sender.of("relayer.near", index=number)  # a key each: no order among them
                signed.append(relayer.sign("verifier.near", [action], head))
            answered: list[str] = []

            async def send(data: bytes) -> None:
                params = {"signed_tx_base64": encoded(data), "wait_until": "EXECUTED_OPTIMISTIC"}
                try:
                    result = await rpc(http, address, "send_tx", params)
                except aiohttp.ClientError:
                    return  # cut off: it is sent again below
                assert "SuccessValue" in result["status"]
                answered.append(tx_hash(data))

            tasks = [asyncio.create_task(send(data)) for data in signed[:20]]
            await asyncio.gather(*tasks)
            tasks = [asyncio.create_task(send(data)) for data in signed[20:]]
            process.send_signal(signal.SIGKILL)
            await asyncio.gather(*tasks)
            process.wait()
        assert len(answered) >= 20
        with node(tmp_path, "second") as (process, ready):
            address = (await where(ready))["http"]
            for wanted in answered:
                params = {"tx_hash": wanted, "sender_account_id": "relayer.near", "wait_until": "FINAL"}
                assert "SuccessValue" in (await rpc(http, address, "tx", params))["status"]
            for data in signed:
                params = {"signed_tx_base64": encoded(data), "wait_until": "NONE"}
                await rpc(http, address, "send_tx", params)
            for data in signed:
                params = {"signed_tx_base64": encoded(data), "wait_until": "FINAL"}
                assert "SuccessValue" in (await rpc(http, address, "send_tx", params))["status"]
            counts = await rpc(http, address, "devnet_counts", {})
            assert counts["intents"] == {
                f"kill-{number}": {"verify_signed_intent": 1} for number in range(40)
            }
            admin = f"http://{json.loads(ready.read_text())['admin']}"
            async with http.get(f"{admin}/healthz") as health, http.get(f"{admin}/metrics") as metrics:
                assert health.status == 200
                assert "devnet_block_height" in await metrics.text()
            process.send_signal(signal.SIGTERM)
            assert await asyncio.to_thread(process.wait, 10) == 0
    assert "private" not in (tmp_path / "second.log").read_text()
    assert not ready.exists()


async def test_a_process_starts_with_a_scenario_or_says_what_is_wrong_with_it(tmp_path: Path) -> None:
    scenario = tmp_path / "scenario.yaml"
    scenario.write_text("faults:\n- {fault: error, cause: NO_SYNCED_BLOCKS, rpc: status, count: 1}\n")
    body = {"jsonrpc": "2.0", "id": "r", "method": "status", "params": []}
    async with aiohttp.ClientSession() as http:
        with node(tmp_path, "faulty", SCENARIO_FILE=str(scenario)) as (_, ready):
            url = f"http://{(await where(ready))['http']}/"
            async with http.post(url, json=body) as first, http.post(url, json=body) as second:
                answers = [await first.json(), await second.json()]
    assert answers[0]["error"]["cause"]["name"] == "NO_SYNCED_BLOCKS"
    assert "result" in answers[1]
    scenario.write_text("faults: [{fault: slo}]")
    with node(tmp_path, "wrong", SCENARIO_FILE=str(scenario)) as (process, _):
        assert await asyncio.to_thread(process.wait, 20) == 2
    assert "rule 1: fault: one of slow" in (tmp_path / "wrong.log").read_text()
