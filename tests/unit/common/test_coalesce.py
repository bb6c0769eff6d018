"""Many callers, few batches: who travels with whom, and what each of them is told."""

import asyncio
from collections.abc import Iterator, Sequence
from typing import Any

import pytest
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from services.common.errors import IntentError, Reason, unavailable
from services.common.observe import logs, trace
from services.common.rpc import deadline
from services.common.rpc.coalesce import Coalescer
from tests.harness.wait import eventually


class Peer:
    """Answers each batch with its items times ten, when told."""

    def __init__(self) -> None:
        self.batches: list[list[int]] = []
        self.open = asyncio.Event()
        self.open.set()
        self.left: list[float | None] = []
        self.intent_ids: list[str] = []
        self.failure: Exception | None = None

    async def send(self, items: Sequence[int]) -> list[int | IntentError]:
        self.batches.append(list(items))
        self.left.append(deadline.remaining())
        self.intent_ids.append(logs.intent_id.get())
        await self.open.wait()
        if self.failure is not None:
            raise self.failure
        return [IntentError(Reason.INVALID_AMOUNT, "odd") if item < 0 else item * 10 for item in items]


@pytest.fixture
def spans() -> Iterator[InMemorySpanExporter]:
    exporter = InMemorySpanExporter()
    trace.configure("test", "test-1", exporter=exporter)
    yield exporter
    trace.shutdown()


def start(coalescer: Coalescer[int, int], items: Sequence[int]) -> list["asyncio.Task[int]"]:
    return [asyncio.create_task(coalescer(item)) for item in items]


async def held(peer: Peer, coalescer: Coalescer[int, int]) -> "asyncio.Task[int]":
    """One batch [0] in flight."""
    peer.open.clear()
    (first,) = start(coalescer, [0])
    await eventually(lambda: peer.batches == [[0]])
    return first


async def test_a_lone_caller_goes_at_once() -> None:
    peer = Peer()
    coalescer = Coalescer(peer.send)
    assert [await coalescer(item) for item in (1, 2, 3)] == [10, 20, 30]
    assert peer.batches == [[1], [2], [3]]


async def test_callers_gather_while_a_batch_is_in_flight() -> None:
    peer = Peer()
    coalescer = Coalescer(peer.send, max_batch=4)
    first = await held(peer, coalescer)
    others = start(coalescer, range(1, 11))
    await asyncio.sleep(0)
    peer.open.set()
    assert await asyncio.gather(first, *others) == [item * 10 for item in range(11)]
    assert peer.batches == [[0], [1, 2, 3, 4], [5, 6, 7, 8], [9, 10]]


async def test_p11_a_batch_weighs_no_more_than_its_peer_takes() -> None:
    peer = Peer()
    coalescer = Coalescer(peer.send, weigh=lambda item: item, max_weight=10)
    first = await held(peer, coalescer)
    others = start(coalescer, [4, 6, 1, 11, 9, 1, 12])
    await asyncio.sleep(0)
    peer.open.set()
    assert await asyncio.gather(first, *others) == [0, 40, 60, 10, 110, 90, 10, 120]
    assert peer.batches == [[0], [4, 6], [1], [11], [9, 1], [12]]


async def test_callers_of_one_moment_share_the_first_batch() -> None:
    peer = Peer()
    coalescer = Coalescer(peer.send)
    assert await asyncio.gather(*start(coalescer, range(5))) == [0, 10, 20, 30, 40]
    assert peer.batches == [[0, 1, 2, 3, 4]]


async def test_a_second_batch_flies_only_when_a_whole_one_waits() -> None:
    peer = Peer()
    coalescer = Coalescer(peer.send, max_batch=2, max_in_flight=2)
    first = await held(peer, coalescer)
    others = start(coalescer, [1])
    await asyncio.sleep(0)
    assert len(peer.batches) == 1
    others += start(coalescer, [2])
    await eventually(lambda: peer.batches == [[0], [1, 2]])
    peer.open.set()
    assert await asyncio.gather(first, *others) == [0, 10, 20]


async def test_an_items_error_is_its_callers_alone() -> None:
    peer = Peer()
    good, bad, other = await asyncio.gather(*start(Coalescer(peer.send), [1, -1, -2]), return_exceptions=True)
    assert good == 10 and len(peer.batches) == 1
    assert isinstance(bad, IntentError) and isinstance(other, IntentError)
    assert bad.reason is other.reason is Reason.INVALID_AMOUNT and bad is not other


async def test_a_failed_batch_fails_its_callers_and_no_later_one() -> None:
    peer = Peer()
    coalescer = Coalescer(peer.send)
    peer.failure = unavailable("store", retry_after=3)
    failed = await asyncio.gather(*start(coalescer, [1, 2]), return_exceptions=True)
    peer.failure = None
    assert await coalescer(3) == 30
    assert all(isinstance(error, IntentError) for error in failed)
    assert [(error.reason, error.retry_after) for error in failed if isinstance(error, IntentError)] == [
        (Reason.DEPENDENCY_UNAVAILABLE, 3)
    ] * 2
    assert failed[0] is not failed[1]


async def test_an_unexpected_failure_shows_no_text(caplog: pytest.LogCaptureFixture) -> None:
    peer = Peer()
    peer.failure = RuntimeError("hunter2")
    failed = await asyncio.gather(*start(Coalescer(peer.send), [1, 2]), return_exceptions=True)
    assert [str(error) for error in failed] == ["INTERNAL: The service failed on this call."] * 2
    assert len([record for record in caplog.records if record.exc_info]) == 1


async def test_a_wrong_number_of_answers_is_no_answer(caplog: pytest.LogCaptureFixture) -> None:
    async def forgetful(items: Sequence[int]) -> list[int | IntentError]:
        return list(items)[1:]

    failed = await asyncio.gather(*start(Coalescer(forgetful), [1, 2]), return_exceptions=True)
    assert all(isinstance(error, IntentError) and error.reason is Reason.INTERNAL for error in failed)
    assert "0 results" in caplog.text or "1 results for 2 items" in caplog.text


async def test_a_cancelled_caller_takes_its_item_away() -> None:
    peer = Peer()
    coalescer = Coalescer(peer.send, max_waiting=2)
    first = await held(peer, coalescer)
    one, two = start(coalescer, [1, 2])
    await asyncio.sleep(0)
    one.cancel()
    await asyncio.gather(one, return_exceptions=True)
    (three,) = start(coalescer, [3])
    await asyncio.sleep(0)
    first.cancel()
    peer.open.set()
    assert await asyncio.gather(two, three) == [20, 30]
    assert one.cancelled() and first.cancelled()
    assert peer.batches == [[0], [2, 3]]


async def test_too_many_waiting_are_told_so() -> None:
    peer = Peer()
    coalescer = Coalescer(peer.send, max_waiting=2)
    first = await held(peer, coalescer)
    others = start(coalescer, [1, 2])
    await asyncio.sleep(0)
    with pytest.raises(IntentError) as caught:
        await coalescer(3)
    peer.open.set()
    assert await asyncio.gather(first, *others) == [0, 10, 20]
    assert caught.value.reason is Reason.OVERLOADED and caught.value.retry_after


async def test_a_batch_has_its_items_latest_deadline_and_nobodys_intent() -> None:
    peer = Peer()
    coalescer = Coalescer(peer.send)

    async def ask(item: int, seconds: float | None) -> int:
        logs.intent_id.set(f"intent-{item}")
        with deadline.deadline_scope(seconds):
            return await coalescer(item)

    await asyncio.gather(ask(1, 0.5), ask(2, 30.0))
    await asyncio.gather(ask(3, 0.5), ask(4, None))
    assert peer.left[0] is not None and 29 < peer.left[0] <= 30
    assert peer.left[1] is None
    assert peer.intent_ids == ["", ""]


async def test_a_batch_hangs_on_one_item_and_links_to_the_others(spans: InMemorySpanExporter) -> None:
    coalescer = Coalescer(Peer().send, name="store.create")

    async def ask(item: int) -> Any:
        with trace.span(f"caller-{item}"):
            return await coalescer(item)

    await asyncio.gather(*(ask(item) for item in range(3)))
    done = {span.name: span for span in spans.get_finished_spans()}
    batch = done["store.create"]
    assert batch.parent is not None and batch.parent.span_id == done["caller-0"].context.span_id
    linked = {link.context.span_id for link in batch.links}
    assert linked == {done["caller-1"].context.span_id, done["caller-2"].context.span_id}
    assert batch.attributes is not None and batch.attributes["batch.size"] == 3


async def test_closing_tells_everybody() -> None:
    peer = Peer()
    coalescer = Coalescer(peer.send)
    first = await held(peer, coalescer)
    others = start(coalescer, [1, 2])
    await asyncio.sleep(0)
    await coalescer.aclose()
    told = await asyncio.gather(first, *others, return_exceptions=True)
    with pytest.raises(IntentError) as late:
        await coalescer(4)
    reasons = [error.reason for error in [*told, late.value] if isinstance(error, IntentError)]
    assert reasons == [Reason.DRAINING] * 4
