"""Short runs of the soak in which Redis is killed: nothing is found with the cache as it is, a planted bug is."""

from pathlib import Path
from typing import Any

import pytest

from tests.harness import servers
from tests.soak import cache_redis

pytestmark = pytest.mark.timeout(120)


async def run(folder: Path, **options: Any) -> dict[str, Any]:
    lacking = servers.missing("valkey")
    if lacking:
        pytest.skip(f"missing: {lacking}")
    return await cache_redis.run(folder, seed=3, **options)


async def test_p06_p07_redis_is_killed_and_no_read_fails_or_goes_back(tmp_path: Path) -> None:
    told = await run(tmp_path, seconds=4.0, kills=2)
    assert told["met"], told["findings"]
    assert (
        told["kills"] >= 2 and told["came_back_empty"] == 1 and told["accepted"] > 5 and told["reads"] > 200
    )
    assert told["levels"]["redis"] > 0 and told["levels"]["store"] > 0
    assert told["calls_ms"]["read, redis away"]["count"] > 0
    assert told["ended"] == {"completed": told["accepted"]}


async def test_a_cache_that_believes_whatever_redis_has_is_found_out(tmp_path: Path) -> None:
    told = await run(tmp_path, seconds=6.0, kills=2, planted=True)
    assert not told["met"]
    assert [one for one in told["findings"] if "went back" in one], told["findings"]


def test_a_seed_says_when_redis_is_killed() -> None:
    plan = cache_redis.draw(1, kills=40, seconds=120)
    assert plan == cache_redis.draw(1, kills=40, seconds=120) != cache_redis.draw(2, kills=40, seconds=120)
    assert sum(one.empty for one in plan) == 20
    assert any(one.again is not None for one in plan)
    assert 80 < sum(one.work + one.down for one in plan) < 130
