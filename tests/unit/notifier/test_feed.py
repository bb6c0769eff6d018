"""A feed by its contract in `common.ports`, called directly."""

import asyncio

import pytest

from services.common.domain.feed import FeedCommand, Open, Subscribe, Unsubscribe
from services.common.errors import IntentError, Reason
from tests.harness.wait import eventually
from tests.unit.notifier.fakes import Edge, Log, notifying


def wants(*intent_ids: str, principals: tuple[str, ...] = ()) -> Subscribe:
    return Subscribe(sequence=0, intent_ids=intent_ids, principals=principals)


async def test_a_feed_gets_what_it_asked_for_once_and_nothing_else() -> None:
    log, edge = Log(), Edge(wants("a", principals=("bob",)))
    async with notifying(log) as notifier, edge.following(notifier):
        await eventually(lambda: edge.acknowledged == [0])
        await log.write("a", "bob")
        await log.write("b", "bob")
        await log.write("c", "carol")
        await log.write("a", "bob")
        await eventually(lambda: len(edge.told) == 3)
        assert (edge.of("a"), edge.of("b"), edge.of("c")) == ([1, 2], [1], [])


async def test_a_feed_without_cursor_starts_at_the_newest() -> None:
    log, edge = Log(), Edge(wants("a"))
    await log.write("a")
    async with notifying(log) as notifier, edge.following(notifier):
        await eventually(lambda: edge.acknowledged == [0])
        await log.write("a")
        await eventually(lambda: edge.told)
        assert edge.of("a") == [2]


async def test_p05_an_acknowledged_subscription_misses_nothing_after_its_cursor() -> None:
    log, edge = Log(), Edge(wants())
    async with notifying(log) as notifier, edge.following(notifier):
        await eventually(lambda: edge.acknowledged == [0])
        for number in range(1, 30):
            intent_id = f"i{number}"
            await log.write(intent_id)
            edge.say(Subscribe(sequence=number, intent_ids=(intent_id,)))
            await log.write(intent_id)
            await eventually(lambda number=number: number in edge.acknowledged)
            ack = next(message for message in edge.messages if message.subscribed == number)
            await log.write(intent_id)
            await eventually(lambda intent_id=intent_id: 3 in edge.of(intent_id))
            after = (await log.list_events(ack.cursor)).events
            due = [event.version for event in after if event.intent_id == intent_id]
            assert edge.of(intent_id) == due


async def test_unsubscribed_is_no_longer_told() -> None:
    log, edge = Log(), Edge(wants("a", "b"))
    async with notifying(log) as notifier, edge.following(notifier):
        await eventually(lambda: edge.acknowledged == [0])
        edge.say(Unsubscribe(intent_ids=("a",)))
        edge.say(Subscribe(sequence=1, intent_ids=("c",)))
        await eventually(lambda: 1 in edge.acknowledged)
        await log.write("a")
        await log.write("b")
        await eventually(lambda: edge.told)
        assert edge.told == [("b", 1)]


async def test_positions_come_while_nothing_else_does() -> None:
    log, edge = Log(), Edge(wants())
    async with notifying(log) as notifier, edge.following(notifier):
        await log.write("a")
        tail = (await log.list_events(tail=True)).cursor
        await eventually(lambda: edge.cursor == tail)
        assert edge.told == []


async def test_a_cursor_too_old_is_a_reset_to_the_newest() -> None:
    log, edge = Log(), Edge(wants("a"))
    edge.cursor = (await log.list_events(tail=True)).cursor
    for _ in range(3):
        await log.write("a")
    log.expire()
    async with notifying(log) as notifier, edge.following(notifier):
        await eventually(lambda: edge.messages)
        assert edge.messages[0].reset
        await log.write("a")
        await eventually(lambda: edge.told)
        assert edge.of("a") == [4]


async def test_a_cursor_that_is_none_is_refused() -> None:
    edge = Edge(wants("a"))
    edge.cursor = "nonsense"
    async with notifying(Log()) as notifier:
        await asyncio.wait_for(edge.follow(notifier), 5)
    assert edge.ended is not None
    assert edge.ended.reason is Reason.CURSOR_INVALID


@pytest.mark.parametrize("commands", [[Subscribe(sequence=1)], [Open(edge_id="e"), Open(edge_id="e")]])
async def test_commands_out_of_order_are_refused(commands: list[FeedCommand]) -> None:
    async def spoken():  # type: ignore[no-untyped-def]
        for command in commands:
            yield command
        await asyncio.Event().wait()

    async def read() -> None:
        async with notifying(Log()) as notifier:
            async for _ in notifier.feed(spoken()):
                pass

    with pytest.raises(IntentError) as refused:
        await asyncio.wait_for(read(), 5)
    assert refused.value.status == "INVALID_ARGUMENT"


async def test_a_feed_ends_when_its_edge_ends_its_side() -> None:
    log, edge = Log(), Edge(wants("a"))
    async with notifying(log) as notifier, edge.following(notifier) as task:
        await eventually(lambda: edge.acknowledged == [0])
        edge.say(None)
        await asyncio.wait_for(task, 5)
        assert edge.ended is None


async def test_a_notifier_that_goes_says_so_to_its_feeds_and_to_new_ones() -> None:
    log, edge, late = Log(), Edge(wants("a")), Edge(wants("a"))
    async with notifying(log) as notifier:
        task = asyncio.create_task(edge.follow(notifier))
        await eventually(lambda: edge.acknowledged == [0])
    await asyncio.wait_for(task, 5)
    await asyncio.wait_for(late.follow(notifier), 5)
    for one in (edge, late):
        assert one.ended is not None
        assert one.ended.reason is Reason.DRAINING
    await eventually(lambda: log.watchers == 0)
