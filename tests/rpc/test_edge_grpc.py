"""The edge over gRPC, fakes behind its ports."""

import asyncio
from datetime import UTC, datetime
from typing import Any

import grpc
import pytest
import yarl

from intents.v1 import intent_service_pb2 as pb
from intents.v1 import types_pb2 as types_pb
from services.common.clock import SystemClock
from services.common.convert.explanations import explanation_from_proto
from services.common.domain.lifecycle import Status
from services.common.domain.outcomes import ListQuery
from services.common.errors import Reason
from services.common.rpc.errors import from_status
from tests.harness.wait import eventually
from tests.unit.edge.fakes import EXPLAINED, World, explains, refuses
from tests.unit.edge.support import Running, collect, message, refusal, running, versions


@pytest.fixture
def world() -> World:
    return World(SystemClock())


async def test_submit_answers_a_receipt_and_tells_cache_and_notifier(world: World) -> None:
    async with running(world) as edge:
        receipt = await edge.submit("abc")
        assert (receipt.intent_id, receipt.status, receipt.version) == ("abc", 1, 1)
        await eventually(lambda: world.notifier.woken == ["abc"] and "abc" in world.cache.kept)
        record = (await edge.stub.GetIntent(pb.GetIntentRequest(intent_id="abc"))).intent
    assert record.created_at == receipt.created_at


async def test_validating_explains_and_goes_on_if_asked(world: World) -> None:
    world.validator.verdict = explains
    async with running(world) as edge:
        for full, explain in ((False, False), (True, False), (False, True)):
            request = pb.ValidateIntentRequest(submission=message("a"), full=full, explain=explain)
            answer = await edge.stub.ValidateIntent(request)
    assert world.validator.asked == [(False, False), (True, False), (False, True)]
    assert explanation_from_proto(answer.explanation) == EXPLAINED
    assert (answer.valid, list(answer.errors)) == (False, ["not ours"])


async def test_p08_a_repeat_gets_the_same_bytes_before_any_verdict(world: World) -> None:
    async with running(world) as edge:
        first = await edge.submit("abc", request_id="r1")
        await world.store.run_through("abc")
        world.validator.verdict = refuses(Reason.NONCE_USED)
        again = await edge.submit("abc", request_id="r1")
        other_request = await edge.submit("abc", request_id="r2")
        world.validator.down = True
        while_down = await edge.submit("abc")
        fresh = await refusal(edge.submit("new"))
    assert first.SerializeToString() == again.SerializeToString() == other_request.SerializeToString()
    assert while_down == first
    assert fresh.reason is Reason.DEPENDENCY_UNAVAILABLE
    assert len(world.store.records) == 1


async def test_a_batch_has_an_outcome_for_each_with_one_call_each_to_validator_and_store(
    world: World,
) -> None:
    async with running(world) as edge:
        bare = pb.Submission(signed_data={"standard": "nep413"})
        wrong = message("c")
        wrong.intent.deadline.seconds = 10**15
        request = pb.SubmitIntentsRequest(submissions=[message("a"), bare, wrong, message("b")])
        outcomes = (await edge.stub.SubmitIntents(request)).outcomes
    assert [one.WhichOneof("outcome") for one in outcomes] == ["receipt", "error", "error", "receipt"]
    assert from_status(outcomes[1].error).reason is Reason.NOT_IMPLEMENTED
    assert from_status(outcomes[2].error).violations[0].field == "deadline"
    # the message on its own is judged, and not stored
    assert (sum(world.store.creates), sum(world.validator.calls)) == (2, 3)


async def test_concurrent_callers_share_batches(world: World) -> None:
    async with running(world) as edge:
        world.store.gate.clear()
        callers = [asyncio.create_task(edge.submit(f"i{number}")) for number in range(64)]
        await eventually(lambda: sum(world.validator.calls) == 64)
        world.store.gate.set()
        await asyncio.gather(*callers)
    assert sum(world.store.creates) == 64
    assert len(world.store.creates) <= 3


async def test_unknown_methods_and_garbage_are_answered(world: World) -> None:
    async with running(world) as edge:
        channel = grpc.aio.insecure_channel(edge.target)
        try:
            same: Any = lambda value: value  # noqa: E731
            unknown = await refusal(
                channel.unary_unary("/intents.v1.IntentService/Nope", request_serializer=same)(b"")
            )
            for name in ("SubmitIntent", "SubmitIntents", "GetIntent", "ListIntents", "CancelIntent"):
                garbage = await refusal(
                    channel.unary_unary(f"/intents.v1.IntentService/{name}", request_serializer=same)(
                        b"\xff\xff\x01"
                    )
                )
                assert garbage.reason is Reason.MALFORMED_REQUEST
        finally:
            await channel.close()
        assert (await edge.submit("alive")).version == 1
    assert unknown.reason is Reason.NOT_IMPLEMENTED


async def test_p05_a_watcher_of_an_id_not_known_yet_gets_every_version_once(world: World) -> None:
    async with running(world) as edge:
        call = edge.stub.WatchIntents(pb.WatchIntentsRequest(intent_ids=["abc"]))
        first = await call.read()
        assert first.WhichOneof("message") == "heartbeat"
        await edge.submit("abc")
        await world.store.run_through("abc")
        seen = await collect(call, lambda found: len(found) == 4)
        call.cancel()
    assert versions(seen) == [("abc", version, version) for version in (1, 2, 3, 4)]
    assert seen[-1].event.status == types_pb.INTENT_STATUS_COMPLETED
    assert not any(one.event.principal for one in seen)


async def test_p05_a_fresh_watcher_gets_a_snapshot_a_resuming_one_what_it_missed(world: World) -> None:
    async with running(world) as edge:
        await edge.submit("abc")
        await edge.submit("new")
        await world.store.move("abc", Status.VERIFIED)
        call = edge.stub.WatchIntents(pb.WatchIntentsRequest(intent_ids=["abc", "new"]))
        fresh = await collect(call, lambda found: len(found) == 2)
        call.cancel()
        await world.store.move("abc", Status.EXECUTING)
        await world.store.move("abc", Status.COMPLETED)
        call = edge.stub.WatchIntents(
            pb.WatchIntentsRequest(intent_ids=["new", "abc"], cursor=fresh[-1].cursor)
        )
        resumed = await collect(call, lambda found: len(found) == 2)
        call.cancel()
    assert versions(fresh) == [("abc", 1, 2), ("new", 1, 1)]
    assert versions(resumed) == [("abc", 3, 3), ("abc", 4, 4)]


async def test_p05_a_lost_feed_is_taken_up_again_without_loss_or_double(world: World) -> None:
    async with running(world) as edge:
        call = edge.stub.WatchIntents(pb.WatchIntentsRequest(intent_ids=["abc"]))
        await call.read()
        mine = edge.stub.WatchIntents(pb.WatchIntentsRequest())
        await mine.read()
        await edge.submit("abc")
        assert versions(await collect(call, lambda found: len(found) == 1)) == [("abc", 1, 1)]
        world.notifier.down = True
        world.notifier.cut()
        await world.store.move("abc", Status.VERIFIED)
        world.notifier.down = False
        await world.store.move("abc", Status.EXECUTING)
        await eventually(lambda: len(world.notifier.opens) == 2)
        await world.store.move("abc", Status.COMPLETED)
        rest = await collect(call, lambda found: len(found) == 3)
        everything = await collect(mine, lambda found: len(found) == 4)
        call.cancel()
        mine.cancel()
    assert [last for _, _, last in versions(rest)] == [2, 3, 4]
    assert [last for _, _, last in versions(everything)] == [1, 2, 3, 4]


async def test_p05_after_a_reset_ids_are_read_anew_and_watchers_of_all_resume(world: World) -> None:
    async with running(world) as edge:
        call = edge.stub.WatchIntents(pb.WatchIntentsRequest(intent_ids=["abc"]))
        await call.read()
        mine = edge.stub.WatchIntents(pb.WatchIntentsRequest())
        cursor = (await mine.read()).cursor
        world.notifier.reset_next = True
        world.notifier.cut()
        await edge.submit("abc")
        await world.store.move("abc", Status.VERIFIED)
        seen = await collect(call, lambda found: len(found) == 2)
        call.cancel()
        ended = await refusal(collect(mine, lambda _: False))
        assert ended.reason is Reason.DRAINING
        mine = edge.stub.WatchIntents(pb.WatchIntentsRequest(cursor=cursor))
        resumed = await collect(mine, lambda found: len(found) == 2)
        mine.cancel()
    assert [last for _, _, last in versions(seen)] == [1, 2]
    assert [last for _, _, last in versions(resumed)] == [1, 2]


async def test_p05_a_gap_in_the_feed_is_filled_from_the_record(world: World) -> None:
    async with running(world) as edge:
        call = edge.stub.WatchIntents(pb.WatchIntentsRequest(intent_ids=["abc"]))
        await call.read()
        await edge.submit("abc")
        await world.store.move("abc", Status.VERIFIED, silent=True)
        await world.store.move("abc", Status.EXECUTING)
        seen = await collect(call, lambda found: len(found) == 3)
        call.cancel()
    assert versions(seen) == [("abc", 1, 1), ("abc", 2, 2), ("abc", 3, 3)]


async def test_p05_watching_all_of_ones_own_resumes_at_any_message(world: World) -> None:
    async with running(world) as edge:
        call = edge.stub.WatchIntents(pb.WatchIntentsRequest())
        start = await call.read()
        for number in range(5):
            await edge.submit(f"i{number}")
            await world.store.run_through(f"i{number}")
        seen = [start, *await collect(call, lambda found: len(found) == 20)]
        call.cancel()
        expected = versions(seen[1:])
        for index, one in enumerate(seen):
            if index % 4 == 0:
                call = edge.stub.WatchIntents(pb.WatchIntentsRequest(cursor=one.cursor))
                rest = await collect(call, lambda found, left=20 - index: len(found) >= left)  # type: ignore[misc]
                call.cancel()
                assert sorted(versions(rest)) == sorted(expected[index:])
        call = edge.stub.WatchIntents(pb.WatchIntentsRequest(cursor=seen[7].cursor))
        await collect(call, lambda found: len(found) == 13)
        await edge.submit("later")
        live = await collect(call, lambda found: len(found) == 1)
        call.cancel()
    assert sorted({name for name, _, _ in expected}) == [f"i{number}" for number in range(5)]
    assert versions(live) == [("later", 1, 1)]


async def test_drain_ends_watches_with_draining(world: World) -> None:
    async with running(world) as edge:
        call = edge.stub.WatchIntents(pb.WatchIntentsRequest(intent_ids=["abc"]))
        await call.read()
        reading = asyncio.create_task(refusal(call.read()))
        await edge.app.drain()
        ended = await reading
    assert ended.reason is Reason.DRAINING


async def test_cursors_are_bound_to_what_is_watched(world: World) -> None:
    async with running(world) as edge:
        call = edge.stub.WatchIntents(pb.WatchIntentsRequest(intent_ids=["a"]))
        cursor = (await call.read()).cursor
        call.cancel()
        for request in (
            pb.WatchIntentsRequest(intent_ids=["b"], cursor=cursor),
            pb.WatchIntentsRequest(cursor=cursor),
            pb.WatchIntentsRequest(intent_ids=["a"], cursor="nonsense"),
            pb.WatchIntentsRequest(intent_ids=["a"], cursor="ü" * 10),
            pb.WatchIntentsRequest(intent_ids=["a"], cursor="A" * 100_000),
        ):
            error = await refusal(edge.stub.WatchIntents(request).read())
            assert error.reason is Reason.CURSOR_INVALID
            assert error.violations[0].field == "cursor"


async def test_watches_are_limited(world: World) -> None:
    async with running(world, max_watchers=1, max_watch_ids=2) as edge:
        call = edge.stub.WatchIntents(pb.WatchIntentsRequest(intent_ids=["a"]))
        await call.read()
        many = await refusal(edge.stub.WatchIntents(pb.WatchIntentsRequest(intent_ids=["b"])).read())
        ids = await refusal(edge.stub.WatchIntents(pb.WatchIntentsRequest(intent_ids=["a", "b", "c"])).read())
        call.cancel()
        await eventually(lambda: _watchable(edge))
    assert many.reason is ids.reason is Reason.WATCH_LIMIT


async def _watchable(edge: Running) -> bool:
    call = edge.stub.WatchIntents(pb.WatchIntentsRequest(intent_ids=["b"]))
    try:
        return bool(await call.read())
    except grpc.aio.AioRpcError:
        return False
    finally:
        call.cancel()


async def test_cancel_ends_a_pending_intent_and_repeats_alike(world: World) -> None:
    async with running(world) as edge:
        await edge.submit("abc")
        first = (await edge.stub.CancelIntent(pb.CancelIntentRequest(intent_id="abc"))).intent
        again = (await edge.stub.CancelIntent(pb.CancelIntentRequest(intent_id="abc", request_id="r"))).intent
        await edge.submit("late")
        await world.store.run_through("late")
        late = await refusal(edge.stub.CancelIntent(pb.CancelIntentRequest(intent_id="late")))
    assert first == again
    assert first.error_details.reason == "CANCELLED" and first.version == 2
    assert late.reason is Reason.NOT_CANCELLABLE and late.status == "FAILED_PRECONDITION"


async def test_p09_every_filter_of_a_list_reaches_the_store_with_its_callers_principal(world: World) -> None:
    asked = pb.ListIntentsRequest(
        user_account="u", status=2, action="swap", token="USDC", solver_id="s", transaction_hash="h"
    )
    asked.created_since.FromJsonString("2026-11-26T00:00:00Z")
    asked.created_until.FromJsonString("2026-11-26T23:00:00Z")
    query = (
        "user=u&status=verified&action=swap&token=USDC&solver=s&hash=h&since=2026-11-26T00:00:00Z"
        "&until=2026-11-27T00:00:00%2B01:00"
    )
    async with running(world) as edge:
        await edge.stub.ListIntents(asked)
        async with edge.http.get(yarl.URL(f"{edge.url}/api/intents?{query}", encoded=True)) as answer:
            assert answer.status == 200
    expected = ListQuery(
        principal="anonymous",
        user_id="u",
        status=Status.VERIFIED,
        action="swap",
        token="USDC",
        solver_id="s",
        transaction_hash="h",
        created_since=datetime(2026, 11, 26, tzinfo=UTC),
        created_until=datetime(2026, 11, 26, 23, tzinfo=UTC),
    )
    assert world.store.queries == [expected, expected]


async def test_lists_and_counts_and_infos(world: World) -> None:
    async with running(world) as edge:
        for number in range(5):
            await edge.submit(f"i{number}")
        await world.store.move("i0", Status.VERIFIED)
        page = await edge.stub.ListIntents(pb.ListIntentsRequest(page_size=2))
        rest = await edge.stub.ListIntents(
            pb.ListIntentsRequest(page_size=200, page_token=page.next_page_token)
        )
        verified = await edge.stub.ListIntents(pb.ListIntentsRequest(status=2))
        counts = await edge.stub.GetStatistics(pb.GetStatisticsRequest())
        info = await edge.stub.GetInfo(pb.GetInfoRequest())
        status = await edge.stub.GetIntentStatus(pb.GetIntentStatusRequest(intent_id="i0", min_version=2))
    assert [one.intent_id for one in page.intents] == ["i4", "i3"]
    assert len(rest.intents) == 3 and not rest.next_page_token
    assert [one.intent_id for one in verified.intents] == ["i0"]
    assert {row.status: row.count for row in counts.statuses} == {
        1: 4,
        2: 1,
        3: 0,
        4: 0,
        5: 0,
    } and counts.total == 5
    assert (info.network, info.limits.max_batch, info.limits.rate_limit_max) == ("localnet", 100, 10_000)
    assert (info.registry, info.unknown_tokens, info.tokens[0].pairs) == (
        "0123456789ab",
        ["nep141"],
        ["NEAR"],
    )
    assert (info.tokens[0].min_amount, info.tokens[0].max_amount) == ("1", str(2**128 - 1))
    assert info.tokens[0].paused and not info.tokens[1].paused
    assert (status.status, status.version, status.level) == (2, 2, "store")
