"""Code that takes another's place with its state, both or neither; engines side by side; bytes that are paid for."""

import json
from typing import Any

import pytest
from orjson import loads

from services.devnet.contracts.port import Engines, Host
from services.devnet.node.rent import ENTRY
from tests.harness.near import Sender, User, call_action, public, transfer_action, u64
from tests.unit.devnet.conftest import Bench, Refused


async def upgrade(bench: Bench, code: str, sender: Sender | None = None) -> Any:
    return await bench.call("upgrade", {"code": code}, sender=sender or bench.owner)


async def account(bench: Bench, account_id: str) -> Any:
    return await bench.rpc("query", request_type="view_account", finality="optimistic", account_id=account_id)


async def test_an_upgrade_migrates_and_keeps_what_was_there(bench: Bench, user: User) -> None:
    intent = await bench.verified(user, "up-1")
    before = (await account(bench, "verifier.near"))["code_hash"]
    assert await bench.view("contract_version") == 1
    assert await upgrade(bench, "verifier@2") == 2
    assert await bench.view("contract_version") == 2
    assert (await account(bench, "verifier.near"))["code_hash"] != before
    assert await bench.solve(intent) is True
    assert "migrated already" in await upgrade(bench, "verifier@2"), "once"


async def test_an_intent_in_the_middle_is_ended_by_the_new_code(bench: Bench, user: User) -> None:
    intent = await bench.verified(user, "up-2")
    args = {"intent": intent, "solver_account": "solver.near"}
    await bench.rpc("devnet_fault_add", fault="hold_receipt", receiver="solver.near", blocks=6)
    solving = await bench.send(bench.relayer, "verifier.near", [call_action("verify_and_solve", args)])
    assert await upgrade(bench, "verifier@2") == 2
    await bench.result(bench.relayer, solving)
    assert await bench.status("up-2") == "completed"


@pytest.mark.parametrize(
    ("code", "why"),
    [("nobody's", "PrepareError"), ("verifier", "MethodNotFound"), ("solver", "MethodNotFound")],
)
async def test_without_a_migration_nothing_is_deployed(bench: Bench, code: str, why: str) -> None:
    before = (await account(bench, "verifier.near"))["code_hash"]
    wanted = await bench.send(bench.owner, "verifier.near", [call_action("upgrade", {"code": code})])
    assert why in json.dumps((await bench.result(bench.owner, wanted))["status"]["Failure"])
    assert (await account(bench, "verifier.near"))["code_hash"] == before
    assert await bench.view("contract_version") == 1


async def test_a_migration_that_fails_takes_the_code_back(bench: Bench, user: User) -> None:
    await bench.rpc("devnet_fault_add", faults=[{"fault": "out_of_gas", "method": "migrate", "count": 1}])
    assert "Exceeded the prepaid gas" in await upgrade(bench, "verifier@2")
    assert await bench.view("contract_version") == 1
    await bench.verified(user, "still-works")
    assert await upgrade(bench, "verifier@2") == 2


async def test_only_an_owner_upgrades_and_only_the_contract_migrates(bench: Bench) -> None:
    assert isinstance(await upgrade(bench, "verifier@2", bench.alice), Refused)
    assert await bench.call("pause", {}, sender=bench.owner) is None
    assert await upgrade(bench, "verifier@2") == 2, "also while paused"
    assert "migrate itself" in await bench.call("migrate", {}, sender=bench.owner)
    assert await bench.view("is_paused") is True


class Toy:
    """An engine of another kind: its only code answers with the name of the method."""

    def has(self, code: str) -> bool:
        return code.startswith("toy:")

    def call(self, code: str, host: Host, method: str, args: bytes) -> bytes | int:
        return f"{code} {method}".encode()


def test_engines_stand_beside_each_other(bench: Bench) -> None:
    both = Engines(Toy())
    assert both.has("toy:a") and not both.has("verifier")
    with pytest.raises(KeyError):
        both.call("verifier", None, "x", b"")  # type: ignore[arg-type]
    assert both.call("toy:a", None, "x", b"") == b"toy:a x"  # type: ignore[arg-type]


async def stored(bench: Bench, account_id: str) -> int:
    """Bytes by the entries themselves."""
    entries = bench.devnet.chain.state.scan(f"c|{account_id}|")
    keys = sum(1 for _ in bench.devnet.chain.state.scan(f"k|{account_id}|"))
    contract = sum(ENTRY + len(key.split("|", 2)[2]) + len(value) for key, value in entries)
    return 100 + 82 * keys + contract


async def test_storage_is_accounted_to_the_byte(bench: Bench, user: User) -> None:
    sizes = []
    key = {"public_key": User.fresh("k").pair.public_key}
    intent = await bench.verified(user, "rent-1")
    for step in ("verified", "solved", "added", "removed", "refused"):
        match step:
            case "solved":
                await bench.solve(intent)
            case "added":
                await bench.call("add_public_key", key, sender=bench.alice)
            case "removed":
                await bench.call("remove_public_key", key, sender=bench.alice)
            case "refused":
                await bench.call("remove_public_key", key, sender=bench.alice)
        for account_id in ("verifier.near", "solver.near", "relayer.near", "alice.near"):
            used = (await account(bench, account_id))["storage_usage"]
            assert used == await stored(bench, account_id), (step, account_id)
        sizes.append((await account(bench, "verifier.near"))["storage_usage"])
    assert sizes[0] < sizes[1] < sizes[2] > sizes[3] == sizes[4]


async def test_an_account_that_cannot_pay_for_its_bytes_does_not_get_them(bench: Bench) -> None:
    keys = [
        b"\x05" + public(User.fresh(f"k{number}").pair.public_key) + u64(0) + b"\1" for number in range(9)
    ]
    poor = await bench.send(bench.relayer, "sub.relayer.near", [b"\0", *keys])
    told = (await bench.result(bench.relayer, poor))["status"]["Failure"]["ActionError"]
    lack = {"account_id": "sub.relayer.near", "amount": str((100 + 9 * 82) * 10**19)}
    assert told == {"index": None, "kind": {"LackBalanceForState": lack}}
    for actions in ([b"\0", *keys[:8]], [b"\0", transfer_action(10**22), *keys]):
        name = f"sub{len(actions)}.relayer.near"
        fine = await bench.send(bench.relayer, name, actions)
        assert "SuccessValue" in (await bench.result(bench.relayer, fine))["status"]
        record = loads(bench.devnet.chain.state.get(f"a|{name}") or b"{}")
        assert record["storage"] == await stored(bench, name)
