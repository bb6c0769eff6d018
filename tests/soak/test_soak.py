"""The soaks themselves run for minutes and by hand; here, that they can be had and that a seed says what they do."""

import os
import subprocess
import sys

import pytest

from intents_client import DeadlineExceeded, Unavailable
from intents_client.errors import IntentsError
from services.cli.cluster.ports import SERVICES
from services.devnet.faults import KINDS, read_rule
from tests.harness.shapes import ROOT
from tests.soak.account import Account
from tests.soak.plan import CLOCKS, LONGEST, VICTIMS, draw


def test_without_a_name_they_are_listed() -> None:
    paths = os.pathsep.join(str(ROOT / part) for part in (".", "gen/python", "clients/python/src"))
    done = subprocess.run(
        [sys.executable, "-m", "tests.soak"],
        cwd=ROOT,
        env=os.environ | {"PYTHONPATH": paths},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    assert [line.split()[0] for line in done.stdout.splitlines()] == [
        "nemesis",
        "store-kill",
        "store-server",
        "cache-redis",
    ]


def test_a_seed_says_what_happens_when() -> None:
    plan = draw(1, 3_600)
    assert plan == draw(1, 3_600) != draw(2, 3_600)
    assert [fault.at for fault in plan] == sorted(fault.at for fault in plan)
    assert all(0 < fault.lasts <= LONGEST and fault.at < 3_600 for fault in plan)


def test_every_process_and_every_fault_of_the_chain_gets_its_turn() -> None:
    plan = draw(1, 3_600)
    for kind in ("kill", "pause"):
        assert {fault.victim for fault in plan if fault.kind == kind} == set(VICTIMS)
    assert set(VICTIMS) == {*SERVICES, "processor-2", "redis", "mongodb"}
    assert {fault.victim for fault in plan if fault.kind == "clock"} == set(CLOCKS)
    asked = [fault.chain for fault in plan if fault.kind == "chain"]
    for rule in asked:
        read_rule(dict(rule))
    assert {rule["fault"] for rule in asked} == set(KINDS)


@pytest.mark.parametrize(
    ("error", "excused"),
    [
        (Unavailable("DEPENDENCY_UNAVAILABLE", "away"), True),
        (DeadlineExceeded("", "late"), True),
        (IntentsError("INTERNAL", "broken", status="INTERNAL"), False),
        (IntentsError("", "cut", status="CANCELLED"), False),
    ],
)
async def test_only_what_a_fault_explains_is_excused(error: IntentsError, excused: bool) -> None:
    account = Account()

    async def fail() -> None:
        raise error

    async def answer() -> str:
        return "yes"

    assert await account.call("get", fail()) is None
    assert await account.call("get", answer()) == "yes"
    assert (account.not_to_be() == []) is excused
    assert account.plain()["get"]["availability_percent"] == 50
