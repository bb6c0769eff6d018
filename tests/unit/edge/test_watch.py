"""The parts of a watch, each alone."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import aclosing, asynccontextmanager
from datetime import UTC, datetime
from typing import Any, cast

import pytest

from services.common.clock import SystemClock
from services.common.domain.feed import FeedMessage
from services.common.domain.intent import IntentEvent, NewIntent
from services.common.domain.lifecycle import Status
from services.common.errors import IntentError, Reason
from services.common.observe import Observe
from services.edge.model import Caller
from services.edge.observe import Vocabulary
from services.edge.watch.cursor import Position, Versions, key_of, mine_from_text, mine_to_text
from services.edge.watch.feed import Feed, Name, intents, principals
from services.edge.watch.hub import Hub, WatchLimits
from services.edge.watch.mailbox import MAX_INTENTS, Encoded, Mailbox
from services.edge.watch.stream import Told, watch
from tests.harness.wait import eventually
from tests.unit.edge.fakes import World
from tests.unit.edge.support import submission

CALLER = Caller()


def event(intent_id: str, version: int) -> IntentEvent:
    return IntentEvent(
        intent_id=intent_id,
        user_id="u",
        version=version,
        status=list(Status)[version - 1],
        occurred_at=datetime(2026, 1, 1, tzinfo=UTC),
        principal=CALLER.principal,
    )


@asynccontextmanager
async def hub_over(world: World, **limits: Any) -> AsyncIterator[Hub]:
    hub = Hub(
        world.notifier, world.store, SystemClock(), edge_id="e", limits=WatchLimits(**limits),
        seen=Vocabulary(Observe(service="edge")),
    )  # fmt: skip
    async with hub.running():
        yield hub


async def create(world: World, *ids: str) -> None:
    far = datetime(2100, 1, 1, tzinfo=UTC)
    for intent_id in ids:
        await world.store.create(
            [NewIntent(principal=CALLER.principal, submission=submission(intent_id), expires_at=far)]
        )


async def some(messages: AsyncIterator[Told], count: int) -> list[tuple[str, int, int]]:
    found: list[tuple[str, int, int]] = []
    async with asyncio.timeout(5):
        while len(found) < count:
            told = await anext(messages)
            if told.moved is not None:
                found.append((told.moved.event.intent_id, told.first, told.moved.event.version))
    return found


def test_a_vector_of_versions_survives_as_text_whatever_the_order_of_ids() -> None:
    one = Versions(["b", "a", "b"])
    one.advance("b", 3)
    other = Versions(["a", "b"])
    other.resume(one.cursor())
    assert (other["a"], other["b"]) == (0, 3)


@pytest.mark.parametrize("text", ["x", "AAAA", "====", "AQ", "A" * 20, "\ud800", "é", "a" * 70_000])
def test_p10_foreign_cursors_are_invalid(text: str) -> None:
    for read in (Versions(["a"]).resume, lambda given: mine_from_text("p", given)):
        with pytest.raises(IntentError) as caught:
            read(text)
        assert caught.value.reason is Reason.CURSOR_INVALID


def test_a_position_survives_as_text_for_its_principal_only() -> None:
    position = Position("log:7", {b"12345678": 2, b"abcdefgh": 4})
    text = mine_to_text("alice", position)
    assert mine_from_text("alice", text) == position
    with pytest.raises(IntentError, match="other intents"):
        mine_from_text("bob", text)


async def test_a_mailbox_that_overflows_keeps_the_latest_of_each() -> None:
    box = Mailbox("p", limit=4)
    for version in (1, 2, 3):
        for intent_id in ("a", "b"):
            box.push(Encoded(event(intent_id, version)), f"c{version}{intent_id}")
    taken = await box.take(1)
    assert taken is not None and taken.conflated
    assert [(one.first, one.encoded.event.version) for one in taken.entries] == [(1, 3), (1, 3)]
    assert [one.cursor for one in taken.entries] == ["", "c3b"]
    assert await box.take(0.001) is None


async def test_a_mailbox_never_grows_without_end() -> None:
    box = Mailbox("p", limit=1)
    for number in range(MAX_INTENTS + 10):
        box.push(Encoded(event(f"i{number}", 1)))
    taken = await box.take(1)
    assert taken is not None and len(taken.entries) == MAX_INTENTS
    with pytest.raises(IntentError) as caught:
        await box.take(1)
    assert caught.value.reason is Reason.DRAINING


async def test_an_event_is_encoded_once_per_form() -> None:
    made: list[int] = []

    def form(_: IntentEvent) -> bytes:
        made.append(1)
        return b"x"

    encoded = Encoded(event("a", 1))
    assert [encoded.form(form) for _ in range(5)] == [b"x"] * 5 and made == [1]


async def test_p05_a_slow_watcher_gets_latest_states_that_name_what_they_stand_for() -> None:
    world = World(SystemClock())
    async with hub_over(world, queue=2) as hub:
        messages = watch(hub, CALLER, ["a", "b"], "", kind="test")
        async with aclosing(cast(Any, messages)):
            assert (await anext(messages)).moved is None
            await create(world, "a", "b")
            assert await some(messages, 1) == [("a", 1, 1)]
            await eventually(lambda: hub._feed.cursor == "2")
            await world.store.run_through("a")
            await world.store.run_through("b")
            await eventually(lambda: hub._feed.cursor == "8")
            rest = await some(messages, 3)
    # b's first version was taken with a's; what came since is told as one message each
    assert sorted(rest) == [("a", 2, 4), ("b", 1, 1), ("b", 2, 4)]


async def test_p05_a_slow_watcher_of_everything_resumes_after_a_conflated_message() -> None:
    world = World(SystemClock())
    async with hub_over(world, queue=2) as hub:
        messages = watch(hub, CALLER, [], "", kind="test")
        async with aclosing(cast(Any, messages)):
            assert (await anext(messages)).moved is None
            await create(world, "a", "b", "c")
            for intent_id in ("a", "b", "c"):
                await world.store.run_through(intent_id)
            await eventually(lambda: hub._feed.cursor == "12")
            async with asyncio.timeout(5):
                told = await anext(messages)
            assert told.conflated and told.moved is not None and told.moved.event.version == 4
        resumed = watch(hub, CALLER, [], told.cursor, kind="test")
        async with aclosing(cast(Any, resumed)):
            rest = await some(resumed, 8)
    assert {name for name, _, _ in rest} == {"a", "b", "c"} - {told.moved.event.intent_id}


async def test_heartbeats_carry_the_cursor() -> None:
    world = World(SystemClock())
    async with hub_over(world, heartbeat=0.01) as hub:
        messages = watch(hub, CALLER, ["a"], "", kind="test")
        async with aclosing(cast(Any, messages)):
            beats = [await anext(messages) for _ in range(3)]
    assert all(beat.moved is None and beat.cursor for beat in beats)


async def test_p05_an_expired_cursor_is_said_to_be_one() -> None:
    world = World(SystemClock())
    await create(world, "a", "b")
    async with hub_over(world) as hub:
        world.store.floor = 1
        cursor = mine_to_text(CALLER.principal, Position("0"))
        with pytest.raises(IntentError) as caught:
            await anext(watch(hub, CALLER, [], cursor, kind="test"))
    assert caught.value.reason is Reason.CURSOR_EXPIRED


async def test_a_watch_without_a_notifier_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("services.edge.watch.feed.ACK_TIMEOUT", 0.05)
    world = World(SystemClock())
    world.notifier.down = True
    async with hub_over(world) as hub:
        with pytest.raises(IntentError) as caught:
            await anext(watch(hub, CALLER, ["a"], "", kind="test"))
    assert caught.value.reason is Reason.DEPENDENCY_UNAVAILABLE


async def test_p05_what_does_not_fit_into_the_first_command_is_read_anew() -> None:
    world = World(SystemClock())
    missed: list[Sequence[Name] | None] = []
    told: list[FeedMessage] = []
    feed = Feed(
        world.notifier, SystemClock(), edge_id="e", deliver=told.append, missed=missed.append,
        seen=Vocabulary(Observe(service="edge")), chunk=2,
    )  # fmt: skip
    running = asyncio.create_task(feed.run())
    acked: list[str] = []
    await feed.hold([*intents(["a", "b", "c"]), *principals(["p"])], acked.append)
    missed.clear()
    world.notifier.cut()
    await eventually(lambda: len(world.notifier.opens) == 2 and missed)
    assert len(acked) == 1
    again = world.notifier.opens[-1].subscriptions
    assert again.principals == ("p",) and len(again.intent_ids) == 1
    assert {name.text for names in missed if names for name in names} == {"a", "b", "c"} - set(
        again.intent_ids
    )
    feed.drop(intents(["a", "b", "c"]))
    await eventually(lambda: type(world.notifier.commands[-1]).__name__ == "Unsubscribe")
    running.cancel()
    with pytest.raises(asyncio.CancelledError):
        await running


async def test_names_are_held_until_the_last_gives_them_back() -> None:
    world = World(SystemClock())
    async with hub_over(world) as hub:
        async with hub.watching_ids("test", "p", ["a"]), hub.watching_ids("test", "p", ["a", "b"]):
            asked = [name for one in world.notifier.subscribed() for name in one.intent_ids]
            assert sorted(asked) == ["a", "b"]
        await eventually(lambda: world.notifier.commands)
        await eventually(lambda: not hub._feed._held)
    assert not hub._by_id and not hub._boxes


async def test_p05_a_page_told_in_parts_can_be_resumed_in_its_midst() -> None:
    world = World(SystemClock())
    world.notifier.chunk = 2
    async with hub_over(world) as hub:
        messages = watch(hub, CALLER, [], "", kind="test")
        async with aclosing(cast(Any, messages)):
            assert (await anext(messages)).moved is None
            # one page: the tail looks only when all is written
            world.notifier.gate.clear()
            await create(world, "first")
            await create(world, "a", "b", "c", "d", "e")
            world.notifier.gate.set()
            await create(world, "f")
            told: list[Told] = []
            async with asyncio.timeout(5):
                while len(told) < 7:
                    told += [one for one in [await anext(messages)] if one.moved is not None]
        for index, one in enumerate(told[:-1]):
            resumed = watch(hub, CALLER, [], one.cursor, kind="test")
            async with aclosing(cast(Any, resumed)):
                rest = await some(resumed, 6 - index)
            names = [later.moved.event.intent_id for later in told[index + 1 :] if later.moved is not None]
            assert [name for name, _, _ in rest] == names


async def test_p05_what_was_told_ahead_is_not_told_again_however_often_one_resumes() -> None:
    world = World(SystemClock())
    async with hub_over(world) as hub:
        await create(world, *(f"i{number}" for number in range(600)))
        # told already, in a page of the log that is not the first
        passed = {key_of("i550"): 1, key_of("i3"): 1}
        cursor = mine_to_text(CALLER.principal, Position("0", passed))
        seen: list[str] = []
        for _ in range(4):
            resumed = watch(hub, CALLER, [], cursor, kind="test")
            async with aclosing(cast(Any, resumed)):
                for _ in range(170 if len(seen) < 510 else 88):
                    told = await anext(resumed)
                    assert told.moved is not None
                    seen.append(told.moved.event.intent_id)
                    cursor = told.cursor
    assert seen == [f"i{number}" for number in range(600) if number not in (3, 550)]
