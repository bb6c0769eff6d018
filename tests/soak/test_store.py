"""Short runs of the store's soaks: nothing is found with the store as it is, a planted bug is."""

from pathlib import Path
from typing import Any

import pytest

from tests.harness import servers
from tests.soak.store import kill, server
from tests.soak.store.plan import draw

pytestmark = pytest.mark.timeout(180)

SHORT: dict[str, Any] = {"seconds": 1.0, "seed": 3, "kills": 2, "writers": 8, "watchers": 2, "pace": 0.05}


async def run(folder: Path, what: str, **options: Any) -> dict[str, Any]:
    if what != "sqlite" and (lacking := servers.missing("mongo-java")):
        pytest.skip(f"missing: {lacking}")
    if what == "server":
        return await server.run(folder, **SHORT, **options)
    return await kill.run(folder, database=what, **SHORT, **options)


@pytest.mark.parametrize("what", ["sqlite", "server"])
async def test_p01_p05_what_the_store_acknowledged_outlives_kill_9(what: str, tmp_path: Path) -> None:
    """Of the store on SQLite, or of a database server under the store."""
    told = await run(tmp_path, what)
    assert told["met"], told["findings"]
    assert told["kills"] == SHORT["kills"]
    assert told["acknowledged"]["created"] > 20 and told["acknowledged"]["moved"] > 20
    assert {one["events"] for one in told["watchers"].values()} == {told["events"]}
    assert told["intents"]["acknowledged"] <= told["intents"]["stored"] <= told["events"]


@pytest.mark.parametrize("what", ["sqlite", "server"])
async def test_an_acknowledgement_before_the_commit_is_found_out(what: str, tmp_path: Path) -> None:
    told = await run(tmp_path, what, planted=True, patience=1.0)
    assert not told["met"]
    assert [one for one in told["findings"] if "was acknowledged" in one], told["findings"]


def test_a_seed_says_when_what_is_killed() -> None:
    plan = draw(1, kills=50, seconds=120)
    assert plan == draw(1, kills=50, seconds=120) != draw(2, kills=50, seconds=120)
    assert sum(1 if one.again is None else 2 for one in plan) == 50
    assert any(one.again is not None for one in plan) and any(one.down > 0 for one in plan)
    assert sum(one.work for one in plan) == pytest.approx(120, abs=0.1)
