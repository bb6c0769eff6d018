"""What may be held stays within its entries and its bytes, whatever comes."""

import gc
import random
import tracemalloc
from dataclasses import dataclass

import pytest

from intents.cache.v1.cache_service_pb2 import PutStatusesRequest
from services.cache.adapters.bounded import Bounded
from services.cache.adapters.memory import Memory
from services.cache.model import Entry
from tests.unit.cache.fakes import status


@dataclass(slots=True)
class Slot:
    """Of so many bytes."""

    size: int
    mark: int = 0


class OneHash(str):
    """Texts that the policy cannot tell apart."""

    __slots__ = ()

    def __hash__(self) -> int:
        return 7


def put(bounded: Bounded[str, Slot], key: str, size: int) -> None:
    for gone in bounded.put(key, Slot(size)):
        assert bounded.drop(gone) is not None


@pytest.mark.parametrize(
    ("entries", "size"), [(1, 10**6), (7, 10**6), (500, 3_000), (500, 10), (10**6, 20_000)]
)
@pytest.mark.parametrize("seed", range(3))
def test_entries_and_bytes_are_bounded_whatever_comes(entries: int, size: int, seed: int) -> None:
    dice = random.Random(seed)
    bounded: Bounded[str, Slot] = Bounded(entries, size)
    largest = 1
    for number in range(3_000):
        if number % 1_000 == 0:
            largest = dice.choice([1, 20, 300])
        key = f"k{dice.randrange(1_000)}"
        if dice.random() < 0.1:
            bounded.drop(key)
        elif key in bounded.held and dice.random() < 0.5:
            bounded.use(bounded.held[key])
        else:
            put(bounded, key, dice.randint(1, largest))
        assert bounded.bytes == sum(slot.size for slot in bounded.held.values())
        assert len(bounded.held) <= entries
        assert bounded.bytes <= size or len(bounded.held) == 1


def test_room_that_large_ones_took_is_given_to_small_ones_again() -> None:
    bounded: Bounded[str, Slot] = Bounded(1_000, 10_000)
    for number in range(2_000):
        put(bounded, f"large{number}", 100)
    assert len(bounded.held) <= 100
    for key in list(bounded.held)[10:]:
        bounded.drop(key)
    for number in range(5_000):
        put(bounded, f"small{number}", 10)
    assert len(bounded.held) > 500
    assert bounded.bytes <= 10_000


def test_keys_of_one_hash_are_held_one_at_a_time() -> None:
    bounded: Bounded[str, Slot] = Bounded(10, 1_000)
    for number in range(50):
        put(bounded, OneHash(number), 1)
    assert list(bounded.held) == ["49"]
    assert bounded.bytes == 1


def test_a_status_takes_no_more_than_it_is_counted_for() -> None:
    dice = random.Random(1)
    memory = Memory(5_000, 10**9)
    gc.collect()
    tracemalloc.start()
    try:
        for number in range(5_000):
            at, intent_id = dice.random(), f"{dice.getrandbits(256):064x}"
            entry = Entry(
                status=status(intent_id, 2, f"principal-{number}"),
                read_at_ms=number + 10**12,
            )
            memory.put(entry, at, begun=at, seconds=1.5)
        gc.collect()
        taken = tracemalloc.get_traced_memory()[0]
    finally:
        tracemalloc.stop()
    # what the policy itself keeps, in Rust, is not seen here: it is about a tenth
    assert 0.5 * memory.bytes < taken < 0.9 * memory.bytes


@pytest.mark.parametrize("letter", ["a", "é", "語", "😀"])
def test_p10_a_status_with_a_long_principal_takes_no_more_than_it_is_counted_for(letter: str) -> None:
    memory = Memory(200, 10**9)
    gc.collect()
    tracemalloc.start()
    try:
        for number in range(200):
            principal = letter * 5_000 + str(number)
            entry = Entry(status=status(f"id-{number}", 2, principal), read_at_ms=number + 10**12)
            memory.put(entry, 1.0, begun=1.0)
            # whoever sends it keeps its UTF-8 beside it
            PutStatusesRequest().statuses.add(principal=principal)
        gc.collect()
        taken = tracemalloc.get_traced_memory()[0]
    finally:
        tracemalloc.stop()
    assert taken < memory.bytes


def test_memory_holds_its_bytes_with_ids_of_any_length() -> None:
    memory = Memory(10**6, 200_000)
    for number in range(2_000):
        length = 128 if number > 1_000 else 8
        memory.put(Entry(status=status(f"{number}".rjust(length, "x"), 1), read_at_ms=0), 1.0, begun=1.0)
        assert memory.bytes <= 200_000
    assert len(memory) > 120
