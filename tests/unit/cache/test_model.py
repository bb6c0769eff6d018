"""What wins, what is readable, when Redis is left alone, what memory keeps."""

import json

import pytest

from services.cache.adapters.memory import Memory
from services.cache.model import Breaker, Entry, newest
from services.cache.stored import Unreadable, from_json, key, to_json
from tests.unit.cache.fakes import Clock, status

MANY = 10**9


def entry(version: int, read_at_ms: int = 0, *, intent_id: str = "a", principal: str = "alice") -> Entry:
    return Entry(status=status(intent_id, version, principal), read_at_ms=read_at_ms)


def test_p06_an_older_version_never_wins() -> None:
    assert newest(entry(3, 10), entry(2, 99)) == entry(3, 10)
    assert newest(entry(2, 99), entry(3, 10)) == entry(3, 10)
    assert newest(None, entry(1)) == entry(1)


def test_of_equal_versions_the_later_reading_wins_and_a_known_principal_stays() -> None:
    assert newest(entry(2, 10), entry(2, 20)).read_at_ms == 20
    assert newest(entry(2, 20), entry(2, 10)).read_at_ms == 20
    assert newest(entry(2, 10), entry(2, 20, principal="")).status.principal == "alice"


def test_the_redis_key_and_value_are_the_seeds() -> None:
    assert key("abc") == "intent:abc:status"
    assert json.loads(to_json(entry(2, 5))) == {
        "status": "verified", "version": 2, "principal": "alice", "readAt": 5
    }  # fmt: skip
    assert from_json("a", to_json(entry(2, 5))) == entry(2, 5)


@pytest.mark.parametrize(
    "raw",
    [
        b"", b"\xff", b"null", b'"verified"', b"[]", b"{}", b"[" * 100_000,
        b'{"status":"gone","version":1,"principal":"","readAt":1}',
        b'{"status":["pending"],"version":1,"principal":"","readAt":1}',
        b'{"status":"pending","version":true,"principal":"","readAt":1}',
        b'{"status":"pending","version":-1,"principal":"","readAt":1}',
        b'{"status":"pending","version":4294967296,"principal":"","readAt":1}',
        b'{"status":"pending","version":1.5,"principal":"","readAt":1}',
        b'{"status":"pending","version":1,"principal":null,"readAt":1}',
        b'{"status":"pending","version":1,"principal":""}',
    ],
)  # fmt: skip
def test_a_value_nobody_can_vouch_for_is_a_miss(raw: bytes) -> None:
    with pytest.raises(Unreadable):
        from_json("a", raw)


def test_breaker_opens_after_failures_in_a_row_and_lets_one_probe_through() -> None:
    clock = Clock()
    breaker = Breaker(clock.monotonic, failures=2, first=1.0, longest=3.0)
    breaker.failed()
    breaker.succeeded()
    breaker.failed()
    assert breaker.closed
    breaker.failed()
    assert not breaker.closed
    breaker.succeeded()
    assert not breaker.closed, "an answer to a call begun before says nothing about now"
    assert not breaker.may_probe()
    clock.advance(1.0)
    assert breaker.may_probe()
    assert not breaker.may_probe(), "one probe at a time"
    breaker.probed(False)
    clock.advance(1.9)
    assert not breaker.may_probe(), "the pause has doubled"
    clock.advance(0.2)
    assert breaker.may_probe()
    breaker.abandoned()
    assert breaker.may_probe(), "a probe given up makes room for the next"
    breaker.probed(False)
    clock.advance(2.9)
    assert not breaker.may_probe()
    clock.advance(0.2)
    assert breaker.may_probe(), "and has its longest"
    breaker.probed(True)
    assert breaker.closed
    breaker.failed()
    assert breaker.closed, "failures are counted anew"


def test_memory_is_bounded_in_entries_and_keeps_what_is_used_most() -> None:
    memory = Memory(100, MANY)
    found = 0
    for number in range(10_000):
        if number % 4 == 0:
            favourite = f"used{number // 4 % 50}"
            found += memory.get(favourite) is not None
            memory.put(entry(1, intent_id=favourite), 1.0, begun=1.0)
        memory.put(entry(2, intent_id=f"once{number}"), 2.0, begun=2.0)
        assert len(memory) <= 100
    assert found > 1_500, "of 2500; by the order of use alone none would be found"
    gone = [f"once{number}" for number in range(5_000) if memory.peek(f"once{number}") is None]
    assert len(gone) > 4_900
    for intent_id in gone:
        assert memory.evicted.bars(intent_id, 1, 2.0, 99.0), "older than what was evicted"
        assert memory.evicted.bars(intent_id, 1, 9.0, 30.0), "Redis may have had it, by a clock that is ahead"
        assert not memory.evicted.bars(intent_id, 2, 2.0, 2.0)
        assert not memory.evicted.bars(intent_id, 1, 2.1, 99.0), "read from the truth since"


def test_p06_what_is_being_loaded_is_not_evicted() -> None:
    memory = Memory(1, MANY)
    memory.put(entry(3), 1.0, begun=1.0)
    memory.pin(["a"])
    memory.put(entry(1, intent_id="b"), 1.0, begun=1.0)
    assert memory.put(entry(2), 2.0, begun=0.0).version == 3
    memory.unpin(["a"])
    assert len(memory) == 1


def test_p06_a_forgotten_version_keeps_older_ones_out_for_a_while() -> None:
    memory = Memory(10, MANY)
    memory.put(entry(3), 1.0, begun=1.0)
    memory.forget(["a"], 2.0)
    assert memory.get("a") is None
    assert memory.put(entry(2), 3.0, begun=1.5).version == 3
    assert memory.get("a") is None
    memory.put(entry(2), 3.0, begun=2.5, truth=False)
    assert memory.get("a") is None, "only the truth itself may say less than was known"
    memory.put(entry(3), 3.0, begun=2.5, truth=False)
    assert memory.get("a") is not None
