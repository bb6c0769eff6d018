"""What every backend of the store promises about how far a chain was followed: never back, one follower at a time."""

import asyncio

import pytest

from services.common.domain.places import Place, PlaceAnswer
from services.common.errors import IntentError, Reason
from services.store.places import KIND, place_id
from services.store.ports import Document, Keep, Kept, Program
from tests.unit.store.support import Bench, bench, opened, opened_storage, sound, store_url

__all__ = ["bench", "store_url"]

NAME = "localnet/verifier.near"
LEASE_MS = 30_000


def at(height: int) -> Place:
    return Place(height=height, hash=f"block-{height}")


async def keep(
    one: Bench, session: str, place: Place | None = None, *, lease_ms: int = LEASE_MS, name: str = NAME
) -> PlaceAnswer:
    holder = session.split("-")[0]
    answer: PlaceAnswer = await one.store.keep_place(
        name, holder=holder, session=session, lease_ms=lease_ms, place=place
    )
    return answer


async def test_one_follows_at_a_time_and_the_next_goes_on_where_it_was(bench: Bench) -> None:
    assert await keep(bench, "a-1") == PlaceAnswer(held=True, place=None, holder="a")
    assert await keep(bench, "b-1") == PlaceAnswer(held=False, place=None, holder="a")
    assert (await keep(bench, "a-1", at(7))).place == at(7)
    assert await keep(bench, "a-1", lease_ms=0) == PlaceAnswer(held=False, place=at(7), holder="")
    assert await keep(bench, "b-1") == PlaceAnswer(held=True, place=at(7), holder="b")


async def test_whose_lease_ran_out_is_followed_by_the_next(bench: Bench) -> None:
    await keep(bench, "a-1", at(7))
    bench.clock.advance(seconds=LEASE_MS / 1000 - 1)
    assert not (await keep(bench, "b-1")).held
    bench.clock.advance(seconds=2)
    assert (await keep(bench, "b-1")).held
    assert not (await keep(bench, "a-1")).held
    # a turn that is over is given back by nobody but who has it now
    assert (await keep(bench, "a-1", lease_ms=0)).holder == "b"


async def test_p13_a_place_never_goes_back(bench: Bench) -> None:
    await keep(bench, "a-1", at(7))
    assert (await keep(bench, "a-1", at(5))).place == at(7)
    # who handled more says so also when its turn is over
    assert await keep(bench, "b-1", at(9)) == PlaceAnswer(held=False, place=at(9), holder="a")
    assert (await keep(bench, "a-1", at(8))).place == at(9)
    assert (await keep(bench, "a-1", at(9))).place == at(9)


async def test_of_many_at_once_one_has_the_turn_and_the_highest_place_stands(bench: Bench) -> None:
    answers = await asyncio.gather(*(keep(bench, f"{n}-1", at(n)) for n in range(8)))
    assert sum(one.held for one in answers) == 1
    assert (await keep(bench, "z-1")).place == at(7)


async def test_names_are_apart(bench: Bench) -> None:
    await keep(bench, "a-1", at(7))
    assert await keep(bench, "b-1", name="other") == PlaceAnswer(held=True, place=None, holder="b")


async def test_a_place_outlives_the_store(store_url: str) -> None:
    async with opened(store_url) as one:
        await keep(one, "a-1", at(7))
    async with opened(store_url) as again:
        assert (await keep(again, "a-2")).place == at(7)
    assert await sound(store_url)


async def test_what_somebody_broke_is_begun_anew(bench: Bench) -> None:
    await keep(bench, "a-1", at(7))

    async with opened_storage(bench.url) as storage:
        await storage.run(_broken())
    assert await keep(bench, "a-1") == PlaceAnswer(held=True, place=None, holder="a")
    assert (await keep(bench, "a-1", at(3))).place == at(3)


async def test_what_is_asked_wrongly_is_named(bench: Bench) -> None:
    for name, session, place, lease_ms in [
        ("", "a-1", None, LEASE_MS), (NAME, "", None, LEASE_MS), (NAME, "a-1", None, 1 << 31),
        (NAME, "a-1", Place(height=1 << 63, hash="x"), LEASE_MS), (NAME, "a-1", Place(height=1, hash=""), LEASE_MS),
        (NAME, "a-1", Place(height=1, hash="x" * 129), LEASE_MS),
    ]:  # fmt: skip
        with pytest.raises(IntentError) as refused:
            await keep(bench, session, place, lease_ms=lease_ms, name=name)
        assert refused.value.reason is Reason.INVALID_FIELD


def _broken() -> Program[None]:
    found: dict[str, Document] = yield Kept(KIND, [place_id(NAME)])
    yield Keep(KIND, [{**found[place_id(NAME)], "height": "seven"}])
