"""What every backend of the store promises about creating and reading."""

from dataclasses import replace
from datetime import timedelta

import pytest

from services.common.domain.intent import METHOD_SUBMIT, Submission
from services.common.domain.lifecycle import Status
from services.common.domain.outcomes import Accepted, ListQuery, RequestIdentity
from services.common.domain.statistics import StatisticsQuery
from services.common.errors import IntentError, Reason
from tests.unit.store.support import (
    START,
    Bench,
    all_events,
    bench,
    completed,
    created,
    failure,
    logged,
    moved,
    new,
    nonce_of,
    opened,
    plain,
    raw_ed25519,
    record,
    store_url,
)

__all__ = ["bench", "store_url"]


def refused(outcome: Accepted | IntentError) -> Reason:
    assert isinstance(outcome, IntentError), outcome
    return outcome.reason


async def test_a_record_comes_back_as_it_was_submitted(bench: Bench) -> None:
    sent = new("i-1", request_id="r-1", traceparent="00-" + "a" * 32 + "-" + "b" * 16 + "-01")
    (accepted,) = await bench.store.create([sent])
    assert isinstance(accepted, Accepted)
    found = await record(bench.store)
    assert accepted.created and accepted.receipt == found.receipt
    assert found.submission == sent.submission
    assert (found.intent_id, found.user_id, found.principal) == ("i-1", "alice.near", "alice")
    assert (found.status, found.version) == (Status.PENDING, 1)
    assert found.created_at == found.updated_at == found.next_action_at == START
    assert found.expires_at == START + timedelta(hours=1)
    assert found.traceparent == sent.traceparent
    assert found.lease is None and found.transactions == () and not found.foreign_write
    assert [(event.version, event.status) for event in found.history] == [(1, Status.PENDING)]


async def test_optional_fields_stay_absent(bench: Bench) -> None:
    sent = new("i-1", signed=False, min_output_amount=None, max_slippage_bps=None, deadline_ns=None)
    await bench.store.create([sent])
    found = await record(bench.store)
    assert found.submission == sent.submission


async def test_p08_a_repeat_gets_the_first_receipt(bench: Bench) -> None:
    (first,) = await bench.store.create([new(request_id="r-1")])
    bench.clock.advance(seconds=90)
    (again,) = await bench.store.create([new(request_id="r-1")])
    (without_request,) = await bench.store.create([new()])
    assert (
        isinstance(first, Accepted) and isinstance(again, Accepted) and isinstance(without_request, Accepted)
    )
    assert first.created and not again.created and not without_request.created
    assert first.receipt == again.receipt == without_request.receipt
    assert len(await logged(bench.store, 1)) == 1


async def test_p08_a_repeat_after_its_end_gets_the_first_receipt(bench: Bench) -> None:
    (first,) = await bench.store.create([new()])
    await moved(bench.store, failure(await record(bench.store)))
    (again,) = await bench.store.create([new()])
    assert isinstance(first, Accepted) and isinstance(again, Accepted)
    assert again.receipt == first.receipt and not again.created


async def test_p08_one_batch_with_the_same_intent_twice_makes_one(bench: Bench) -> None:
    outcomes = await bench.store.create([new("i-1", request_id="r"), new("i-2"), new("i-1", request_id="r")])
    assert [isinstance(one, Accepted) and one.created for one in outcomes] == [True, True, False]
    assert len(await logged(bench.store, 2)) == 2


async def test_p08_other_content_is_refused_and_changes_nothing(bench: Bench) -> None:
    before = await created(bench.store, "i-1", request_id="r-1")
    other = nonce_of("another")
    outcomes = await bench.store.create([
        new("i-1", nonce=other, input_amount="7"),
        new("i-1", signed=False, input_amount="7"),
        new("i-2", nonce=nonce_of("second"), request_id="r-1"),
        new("i-3", nonce=nonce_of("i-1")),
        new("i-1", principal="mallory"),
        new("i-1", principal="mallory", nonce=nonce_of("third"), input_amount="8"),
    ])  # fmt: skip
    assert [refused(one) for one in outcomes] == [
        Reason.ID_TAKEN, Reason.ID_TAKEN, Reason.REQUEST_REUSED, Reason.NONCE_HELD, Reason.ALREADY_EXISTS,
        Reason.ID_TAKEN,
    ]  # fmt: skip
    assert await record(bench.store) == before
    assert await bench.store.get(["i-2", "i-3"]) == [None, None]
    assert len(await logged(bench.store, 1)) == 1
    # nothing of the refused stayed behind: the nonce they named is free
    (fresh,) = await bench.store.create([new("i-4", nonce=other)])
    assert isinstance(fresh, Accepted) and fresh.created


async def test_another_principals_known_message_shows_no_state(bench: Bench) -> None:
    await created(bench.store)
    (outcome,) = await bench.store.create([new(principal="mallory")])
    assert isinstance(outcome, IntentError)
    assert outcome.reason is Reason.ALREADY_EXISTS
    assert not outcome.metadata and "pending" not in outcome.message


async def test_request_ids_are_each_principals_own(bench: Bench) -> None:
    first = await bench.store.create([new("i-1", request_id="r", principal="alice")])
    second = await bench.store.create([new("i-2", request_id="r", principal="bob")])
    assert all(isinstance(one, Accepted) and one.created for one in [*first, *second])


async def test_a_nonce_is_one_signers_at_one_contract_in_every_standard(bench: Bench) -> None:
    await created(bench.store, "i-1", nonce=nonce_of("n"))

    def raw(intent_id: str, **changes: str) -> Submission:
        intent = plain(intent_id)
        return Submission(intent=intent, signed_data=raw_ed25519(intent, nonce_of("n"), **changes))

    template = new("x")
    outcomes = await bench.store.create([
        replace(template, submission=raw("i-2")),
        replace(template, submission=raw("i-3", verifying_contract="other.near")),
        replace(template, submission=raw("i-4", signer_id="bob.near")),
        replace(template, submission=raw("i-5", nonce="no base64")),
    ])  # fmt: skip
    assert refused(outcomes[0]) is Reason.NONCE_HELD
    assert all(isinstance(one, Accepted) and one.created for one in outcomes[1:3])
    assert refused(outcomes[3]) is Reason.INVALID_MESSAGE


async def test_get_by_id_and_by_request(bench: Bench) -> None:
    await created(bench.store, "i-1", request_id="r-1")

    def request(request_id: str, principal: str = "alice") -> RequestIdentity:
        return RequestIdentity(principal=principal, method=METHOD_SUBMIT, request_id=request_id)

    answers = await bench.store.get(["nobody", request("r-1"), "i-1", request("r-2"), request("r-1", "bob")])
    assert [one.intent_id if one else None for one in answers] == [None, "i-1", "i-1", None, None]


async def test_batches_have_bounds(bench: Bench) -> None:
    for call in (
        bench.store.create([]),
        bench.store.get(["x"] * 1001),
        bench.store.list(ListQuery(page_size=201)),
    ):
        with pytest.raises(IntentError) as error:
            await call
        assert error.value.reason is Reason.BATCH_SIZE


async def test_lists_are_paged_newest_first(bench: Bench) -> None:
    for number in range(7):
        # two share each millisecond
        await created(bench.store, f"i-{number}", principal="alice" if number != 3 else "bob")
        if number % 2:
            bench.clock.advance(seconds=1)
    query = ListQuery(principal="alice", page_size=2)
    seen: list[str] = []
    while True:
        page = await bench.store.list(query)
        assert len(page.records) <= 2
        seen += [one.intent_id for one in page.records]
        if not page.next_page_token:
            break
        query = replace(query, page_token=page.next_page_token)
    assert seen == ["i-6", "i-5", "i-4", "i-2", "i-1", "i-0"]
    with pytest.raises(IntentError) as error:
        await bench.store.list(replace(query, principal="bob"))
    assert error.value.reason is Reason.PAGE_TOKEN_INVALID


async def test_lists_are_filtered(bench: Bench) -> None:
    await created(bench.store, "i-1", user_account="alice.near")
    await created(bench.store, "i-2", user_account="bob.near", action="transfer")
    await moved(bench.store, failure(await record(bench.store, "i-2")))

    async def ids(query: ListQuery) -> list[str]:
        return [one.intent_id for one in (await bench.store.list(query)).records]

    assert await ids(ListQuery(user_id="bob.near")) == ["i-2"]
    assert await ids(ListQuery(status=Status.PENDING)) == ["i-1"]
    assert await ids(ListQuery(action="transfer", status=Status.FAILED, principal="alice")) == ["i-2"]
    assert await ids(ListQuery(principal="nobody")) == []


async def test_statistics_count_intents_and_solvers(bench: Bench) -> None:
    await completed(bench.store, "i-1")
    await created(bench.store, "i-2", user_account="bob.near")
    await created(bench.store, "i-3", principal="bob")
    await logged(bench.store, 6)
    found = await bench.store.statistics(StatisticsQuery())
    assert found.counts == {
        Status.PENDING: 2, Status.VERIFIED: 0, Status.EXECUTING: 0, Status.COMPLETED: 1, Status.FAILED: 0
    }  # fmt: skip
    assert [(one.solver_id, one.success_rate) for one in found.solvers] == [("solver.near", 1.0)]
    assert (await bench.store.statistics(StatisticsQuery(principal="bob"))).total == 1
    assert (await bench.store.statistics(StatisticsQuery(user_id="bob.near", principal="alice"))).total == 1


async def test_p01_what_was_acknowledged_is_there_after_a_restart(store_url: str) -> None:
    async with opened(store_url) as first:
        sent = await created(first.store, "i-1", request_id="r-1")
        events = await logged(first.store, 1)
    async with opened(store_url) as second:
        assert await record(second.store) == sent
        assert await all_events(second.store) == events
        (again,) = await second.store.create([new(request_id="r-1")])
        assert isinstance(again, Accepted) and not again.created


async def test_partitions_are_fixed_at_the_first_start(store_url: str) -> None:
    async with opened(store_url, partitions=4):
        pass
    with pytest.raises(Exception, match="made with 4 partitions, not 8"):
        async with opened(store_url, partitions=8):
            pass
