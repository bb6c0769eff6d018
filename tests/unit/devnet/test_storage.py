"""The state file: what it survives and what it refuses."""

import asyncio
import contextlib
import shutil
import stat
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from services.devnet.app import build
from services.devnet.config import Settings
from services.devnet.genesis import GenesisError
from services.devnet.node.storage import StateFileError
from tests.harness.near import User, call_action
from tests.unit.devnet.conftest import Bench, OwnClock


def settings(path: Path, **changes: Any) -> Settings:
    return Settings(state_file=path, block_time_ms=0, rpc_timeout_ms=100, **changes)


async def test_a_chain_goes_on_where_it_stopped(tmp_path: Path) -> None:
    clock, user = OwnClock(), User.fresh()
    async with build(settings(tmp_path / "chain.db"), clock) as devnet:
        bench = Bench(devnet, clock)
        intent = await bench.verified(user, "stay-1")
        args = {"intent": intent, "solver_account": "solver.near"}
        wanted = await bench.send(bench.relayer, "verifier.near", [call_action("verify_and_solve", args)])
        await bench.blocks(2)  # receipts are on their way
        head, nonce = devnet.chain.head, bench.relayer.nonce
    async with build(settings(tmp_path / "chain.db"), clock) as devnet:
        bench = Bench(devnet, clock)
        assert devnet.chain.head == head
        assert await bench.status("stay-1") == "executing"
        done = await bench.result(bench.relayer, wanted)
        assert done["final_execution_status"] == "FINAL"
        assert [len(done[part]) for part in ("receipts", "receipts_outcome")] == [6, 6]
        assert await bench.status("stay-1") == "completed"
        bench.relayer.nonce = nonce
        assert await bench.call("verify_signed_intent", bench.signed(user, intent)) is True
        assert (await bench.counts("stay-1"))["solve_intent"] == 1


async def test_final_stays_behind_over_a_restart(tmp_path: Path) -> None:
    clock = OwnClock()
    async with build(settings(tmp_path / "chain.db"), clock) as devnet:
        await Bench(devnet, clock).verified(User.fresh(), "behind-1")
        bench = Bench(devnet, clock)
        bench.relayer.nonce = 1
        intent = User.fresh().intent("behind-2")
        args = bench.signed(User.fresh(), intent)
        await bench.send(bench.relayer, "verifier.near", [call_action("verify_signed_intent", args)])
        await bench.blocks(2)
    async with build(settings(tmp_path / "chain.db"), clock) as devnet:
        bench = Bench(devnet, clock)
        assert await bench.status("behind-2") == "verified"
        view = {"request_type": "view_access_key", "account_id": "relayer.near", "finality": "final"}
        key = await bench.rpc("query", **view, public_key=bench.relayer.pair.public_key)
        assert key["nonce"] == 1


async def test_a_torn_tail_is_dropped(tmp_path: Path) -> None:
    clock = OwnClock()
    async with build(settings(tmp_path / "chain.db"), clock) as devnet:
        bench = Bench(devnet, clock)
        await bench.verified(User.fresh(), "torn-1")
        height = devnet.chain.head.height
        # what a crash leaves: the database and its log, copied in the middle of a write
        for name in ("chain.db", "chain.db-wal"):
            shutil.copy(tmp_path / name, tmp_path / f"torn-{name}")
    log = tmp_path / "torn-chain.db-wal"
    with log.open("ab") as file:
        file.write(b"half a block" * 100)
    async with build(settings(tmp_path / "torn-chain.db"), clock) as devnet:
        assert devnet.chain.head.height == height
        assert await Bench(devnet, clock).status("torn-1") == "verified"
        await Bench(devnet, clock).blocks(3)
        assert devnet.chain.head.height == height + 3


async def test_another_genesis_is_refused(tmp_path: Path) -> None:
    first = settings(tmp_path / "chain.db")
    async with build(first, OwnClock()):
        pass
    with pytest.raises(StateFileError, match="another genesis"):
        async with build(replace(first, seed="other"), OwnClock()):
            pass


async def test_one_node_a_file_and_no_foreign_file(tmp_path: Path) -> None:
    (tmp_path / "text.db").write_text("this is no database" * 100)
    with pytest.raises(StateFileError, match="not a database"):
        async with build(settings(tmp_path / "text.db"), OwnClock()):
            pass


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        ("[", "genesis file"),
        ("[]", "an object"),
        ('{"accounts": [{"account_id": "X"}]}', "account_id"),
        ('{"accounts": [{"account_id": "carol.near", "keys": ["ed25519:1"]}]}', "keys"),
        ('{"accounts": [{"account_id": "alice.near"}]}', "twice"),
        ('{"accounts": [{"account_id": "carol.near", "balance": "-1"}]}', "balance"),
        ('{"rates": {"USDC": "1"}}', "SOURCE->TARGET"),
        ('{"rates": {"USDC->NEAR": "1/0"}}', "a/b"),
    ],
)
async def test_a_bad_genesis_file_is_named(tmp_path: Path, content: str, expected: str) -> None:
    path = tmp_path / "genesis.json"
    path.write_text(content)
    with pytest.raises(GenesisError, match=expected):
        async with build(settings(tmp_path / "chain.db", genesis_file=path), OwnClock()):
            pass


async def test_a_genesis_file_sets_rates_accounts_and_balances(tmp_path: Path) -> None:
    path, user = tmp_path / "genesis.json", User.fresh()
    path.write_text(
        '{"accounts": [{"account_id": "carol.near", "balance": "7"}], "rates": {"USDC->NEAR": "3/2"},'
        ' "balances": {"carol.near": {"USDC": "12"}}}'
    )
    clock = OwnClock()
    async with build(settings(tmp_path / "chain.db", genesis_file=path), clock) as devnet:
        bench = Bench(devnet, clock)
        assert await bench.view("mt_balance_of", account_id="carol.near", token_id="USDC") == "12"
        intent = await bench.verified(user, "rate-1", min_output_amount="149550000")
        assert await bench.solve(intent) is True


def test_keys_are_written_for_their_owner_only(tmp_path: Path) -> None:
    target = tmp_path / "keys.json"
    run = [sys.executable, "-m", "services.devnet", "keys", str(target)]
    done = subprocess.run(run, capture_output=True, check=True, text=True, env={"RELAYER_KEYS": "2"})
    assert done.stdout == done.stderr == ""
    assert stat.S_IMODE(target.stat().st_mode) == 0o600
    assert target.read_text().count('"private_key": "ed25519:') == 2
    bad = subprocess.run(
        [*run, "more"], capture_output=True, check=False, text=True, env={"RELAYER_KEYS": "2"}
    )
    assert bad.returncode == 2 and "at most one FILE" in bad.stderr


async def test_a_cancelled_caller_leaves_no_half_block(tmp_path: Path) -> None:
    async with build(settings(tmp_path / "chain.db"), OwnClock()) as devnet:
        for turns in range(12):
            advance = asyncio.create_task(devnet.rpc.handle("devnet_advance", {"blocks": 3}))
            for _ in range(turns):
                await asyncio.sleep(0)
            advance.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await advance
        before = devnet.chain.head.height
        await devnet.rpc.handle("devnet_advance", {"blocks": 2})
        assert devnet.chain.head.height >= before + 2
